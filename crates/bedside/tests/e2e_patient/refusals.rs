//! Why a machine is not armed: each with its reason, and nothing done.

use anyhow::{Result, ensure};
use bedside_lab::vm::{Death, Order};

use crate::dumper::{INSTALLED, PLACE, module, with};
use crate::ward::{KERNELS, Ward, ensure_said, said};

/// Devices that netconsole can't send through, addresses that are no doctor's.
const NO_WAY: &str = r#"
for module in veth tun wireguard dummy; do modprobe $module; done
refused() { left_alone bedside-patient up --no-test "$@"; }
refused 127.0.0.1
ip route del default; refused 192.0.2.1
ip link add pair type veth; ip addr add 192.0.2.1/24 dev pair; ip link set pair up
refused 192.0.2.2
ip link add wg0 type wireguard; ip addr add 198.51.100.1/24 dev wg0; ip link set wg0 up
refused 198.51.100.2
tunctl -t tap0; ip addr add 203.0.113.1/24 dev tap0; ip link set tap0 up
refused 203.0.113.2
refused 10.0.2.99
refused 10.0.2.255
refused no.such.name.invalid
refused '@/eth7,@10.0.2.2/'
"#;

#[test]
fn each_way_that_cannot_be_is_refused_and_nothing_is_done() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::PowerOff, NO_WAY)?;
        let said = said(&machine)?;
        let words = [
            "127.0.0.1 is this machine itself",
            "there is no way to 192.0.2.1: Network unreachable",
            "the way leads through pair: it is a veth pair",
            "the way leads through wg0: it is WireGuard",
            "the way leads through tap0: it is a tun or tap device",
            "10.0.2.99, the doctor, does not tell its hardware address on eth0",
            "10.0.2.255 is no single machine's address",
            "no.such.name.invalid has no address",
            "there is no device eth7",
        ];
        ensure_said(kernel, &said, &words)?;
        let refused = said.matches("exit 1\nnothing done").count();
        ensure!(refused == words.len(), "{kernel}: {refused} were refused:\n{said}");
    }
    Ok(())
}

const RADIO: &str = "
modprobe mac80211_hwsim radios=1
ip addr add 192.0.2.1/24 dev wlan0; ip link set wlan0 up
left_alone bedside-patient up --no-test '@/wlan0,@192.0.2.2/02:00:00:00:00:02'
";

#[test]
fn wifi_is_refused_and_nothing_is_done() -> Result<()> {
    let ward = Ward::open()?;
    let machine = ward.admit("6.1-amd64", Death::PowerOff, RADIO)?;
    let words = [
        "the way leads through wlan0: it is Wi-Fi",
        "try: `bedside-patient up --relay DOCTOR` sends from user space",
        "exit 1\nnothing done",
    ];
    ensure_said("6.1-amd64", &said(&machine)?, &words)
}

/// Kernels that can't or mustn't; the last of these is for good.
const NO_KERNEL: &str = r#"
up() { echo "== $1"; shift; left_alone bedside-patient up --no-test DOCTOR; }
dep=/lib/modules/$(uname -r)/modules.dep
mkdir -p /etc/modprobe.d
echo 'nobody:x:65534:65534::/:/bin/sh' > /etc/passwd; echo 'nogroup:x:65534:' > /etc/group

cp $dep /tmp/dep; grep -v netconsole /tmp/dep > $dep
up absent
cp /tmp/dep $dep

echo 'install netconsole /bin/false' > /etc/modprobe.d/no.conf
up forbidden
rm /etc/modprobe.d/no.conf

mkdir -p /run/systemd; echo lxc > /run/systemd/container
up container
rm -r /run/systemd

echo "== nobody"
left_alone start-stop-daemon -S -c nobody:nogroup -x /bin/bedside-patient -- up DOCTOR

# Somebody's own target, to the same doctor.
modprobe netconsole
mount -t configfs configfs /sys/kernel/config
mkdir /sys/kernel/config/netconsole/mine; cd /sys/kernel/config/netconsole/mine
echo eth0 > dev_name; echo 10.0.2.15 > local_ip
doctor=DOCTOR; echo ${doctor%:*} > remote_ip; echo ${doctor##*:} > remote_port; echo 1 > enabled
cd /
up another
bedside-patient status; echo "status $?"
echo 0 > /sys/kernel/config/netconsole/mine/enabled
rmdir /sys/kernel/config/netconsole/mine

# As in a container that is not known as one, or where a policy forbids it.
mount -o remount,ro,bind /sys/kernel/config
up read-only
umount /sys/kernel/config; modprobe -r netconsole

echo "== blacklisted"
echo 'blacklist netconsole' > /etc/modprobe.d/no.conf
bedside-patient up DOCTOR > /tmp/up; echo "exit $?"
bedside-patient check; bedside-patient down
rm /etc/modprobe.d/no.conf

echo 1 > /proc/sys/kernel/modules_disabled
up sealed
"#;

#[test]
fn each_kernel_that_cannot_is_refused_and_nothing_is_done() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::PowerOff, NO_KERNEL)?;
        let said = said(&machine)?;
        for (case, code, words, cure) in [
            ("absent", 1, "has no netconsole, built in or as a module", "try: install"),
            ("forbidden", 1, "no.conf forbids netconsole: `install net", "try: take the line out"),
            ("container", 1, "this is a container (lxc)", "try: run this on the host"),
            ("nobody", 1, "arming a kernel takes CAP_NET_ADMIN, CAP_SYS_MODULE", "try: `sudo"),
            ("another", 1, "the target mine, which another tool made, sends to", "try: take it"),
            ("read-only", 3, "netconsole/bedside0: Read-only file system", "try: as root, on the"),
            ("sealed", 1, "no module may be loaded until the next start", "try: start the machine"),
        ] {
            let part = said.split("== ").find(|part| part.starts_with(case)).unwrap_or_default();
            let exit = format!("exit {code}\nnothing done\n");
            ensure_said(&format!("{kernel}, {case}"), part, &[words, cure, &exit])?;
        }
        // Whoever names a module may load it all the same.
        let words = ["exit 0", "PROBLEM  next start: /etc/modprobe.d/no.conf has `blacklist"];
        ensure_said(kernel, said.split("== blacklisted").nth(1).unwrap_or_default(), &words)?;
    }
    Ok(())
}

const LOCKED_DOWN: &str = r#"
mount -t securityfs securityfs /sys/kernel/security; cat /sys/kernel/security/lockdown
install_module
look > /tmp/before
bedside-patient up DOCTOR; echo "up: $?"
bedside-patient check | grep lockdown
bedside-patient status > /tmp/status; echo "status: $?"
bedside-patient down; echo "down: $?"
look > /tmp/after; diff /tmp/before /tmp/after && echo "as it was"
"#;

/// Debian's own module is signed, so lockdown lets it be loaded; and nothing else is in the way. The
/// module that delivers a death is refused here, where nobody has signed it: it is done without.
#[test]
fn a_kernel_that_is_locked_down_is_armed() -> Result<()> {
    for (kernel, mode) in [("6.1", "integrity"), ("7", "confidentiality")] {
        let ward = Ward::open()?;
        let files = vec![(PLACE.into(), module(kernel)?)];
        let lockdown = |order: &mut Order<'_>| {
            order.words = format!("lockdown={mode}");
            with(files)(order);
        };
        let script = format!("{INSTALLED}{LOCKED_DOWN}");
        let machine = ward.admit_with(kernel, Death::PowerOff, &script, lockdown)?;
        let on = format!("[{mode}]");
        let words = [
            &on,
            "note: the kernel refuses bedside_netconsole: ",
            "up: 0",
            "ok       lockdown: the kernel is locked down",
            "status: 0",
            "down: 0",
            "as it was",
        ];
        ensure_said(kernel, &said(&machine)?, &words)?;
    }
    Ok(())
}
