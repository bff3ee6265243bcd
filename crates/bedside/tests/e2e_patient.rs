//! Real kernels in a virtual machine are armed by `bedside-patient`, prove it to a doctor, die,
//! and are what they were when it is undone.
//!
//! `cargo test -p bedside --features vm --test e2e_patient`. Needs what `e2e_vm` needs, and
//! Rust's target `x86_64-unknown-linux-musl`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::vm::{self, Arms, Death, Machine, Order};
use bedside_lab::wait;

/// A script takes less than a minute on an idle machine, and there are several at once.
const LIFETIME: Duration = Duration::from_mins(5);

/// Where the kernels are; fetched once.
static HOME: LazyLock<&Path> = LazyLock::new(|| {
    let home = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/vm"));
    vm::prepare(home).expect("Debian has the kernels");
    home
});
static PATIENT: LazyLock<PathBuf> = LazyLock::new(|| vm::patient().expect("the patient builds"));

/// A doctor, and a machine with a patient in it.
struct Ward {
    bedside: Bedside,
    doctor: Doctor,
    data: tempfile::TempDir,
}

impl Ward {
    fn open() -> Result<Self> {
        let data = tempfile::tempdir()?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
        let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
        Ok(Self { bedside, doctor, data })
    }

    /// Has a machine do what `script` says, in which `DOCTOR` is the doctor as it sees it.
    fn admit(&self, kernel: &str, death: Death, script: &str) -> Result<Machine> {
        let kernel = vm::kernel(&HOME, kernel)?;
        let doctor = format!("10.0.2.2:{}", self.doctor.addresses()[0].port());
        let text = script.replace("DOCTOR", &doctor) + "\necho end of script\n";
        let programs = vec![("bedside-patient".to_owned(), PATIENT.clone())];
        let serial = self.data.path().join("serial.log");
        let arms = Arms::Script { text, programs };
        Machine::start(&Order { kernel: &kernel, arms, death, restarts: false, serial })
    }

    /// Waits until the machine's heart is in this state.
    fn lives(&self, life: &str) -> Result<()> {
        wait::until_within(LIFETIME, life, || {
            let hosts = String::from_utf8(self.bedside.run("hosts", &["--json"])?.stdout)?;
            Ok(hosts.contains(&format!("\"life\":\"{life}\"")).then_some(()))
        })
    }

    /// Waits until `log` tells a line with these words.
    fn heard(&self, words: &str) -> Result<Vec<Item>> {
        let told = |item: &Item| matches!(item, Item::Record(r) if r.text.contains(words));
        wait::until_within(LIFETIME, &format!("{words:?} to be told"), || {
            let items = self.bedside.log(&[])?;
            Ok(items.iter().any(told).then_some(items))
        })
    }
}

/// Waits until the script has come to its end, and gives what it said.
fn said(machine: &Machine) -> Result<String> {
    let said = || {
        let said = machine.said()?;
        Ok(said.contains("end of script").then_some(said))
    };
    wait::until_within(LIFETIME, "the script's end", said)
        .with_context(|| machine.said().unwrap_or_default())
}

const UP_AND_AGAIN: &str = "
bedside-patient up DOCTOR; echo \"up: $?\"
bedside-patient up --no-test DOCTOR; echo \"again: $?\"
bedside-patient status; echo \"status: $?\"
";

#[test]
fn one_command_arms_a_machine_and_its_death_is_heard() -> Result<()> {
    for kernel in ["6.1", "7"] {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::Panic, UP_AND_AGAIN)?;
        let said = said(&machine)?;
        for words in ["up: 0", "again: 0", "status: 0", "armed and proven in", "nothing to do"] {
            ensure!(said.contains(words), "{kernel}: {words:?} is not in:\n{said}");
        }
        let items = ward.heard("end Kernel panic")?;
        let first = items.iter().find_map(|item| match item {
            Item::Record(record) => Some(record),
            _ => None,
        });
        let first = first.context("no record")?;
        ensure!(first.text.starts_with("Linux version"), "the boot log begins {:?}", first.text);
    }
    Ok(())
}

/// What `up` may change, as a shell sees it.
const UP_AND_DOWN: &str = "
look() {
  find /etc /var/lib | sort
  cat $(find /etc -type f) /dev/null
  cut -f1 /proc/sys/kernel/printk
  lsmod | cut -d' ' -f1 | sort
  mount | sort
  find /sys/kernel/config 2> /dev/null | sort
}
dmesg -n 5
mkdir -p /etc/modprobe.d && echo 'blacklist pcspkr' > /etc/modprobe.d/mine.conf
look > /tmp/before
bedside-patient up DOCTOR; echo \"up: $?\"
look > /tmp/between
bedside-patient down; echo \"down: $?\"
look > /tmp/after
cmp -s /tmp/before /tmp/between || echo \"up changed something\"
diff /tmp/before /tmp/after && echo \"as it was\"
bedside-patient down
";

#[test]
fn down_makes_a_machine_what_it_was() -> Result<()> {
    for kernel in ["6.1", "7"] {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::PowerOff, UP_AND_DOWN)?;
        let said = said(&machine)?;
        for words in ["up: 0", "down: 0", "up changed something", "as it was", "nothing to take"] {
            ensure!(said.contains(words), "{kernel}: {words:?} is not in:\n{said}");
        }
    }
    Ok(())
}

/// Devices that netconsole can't send through, addresses that are no doctor's.
const REFUSED: &str = "
for module in veth tun wireguard bridge 8021q; do modprobe $module; done
refused() { bedside-patient up --no-permanent --no-test \"$@\"; echo \"exit $?\"; }
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
lsmod | grep -q netconsole || echo netconsole is not loaded
cut -f1 /proc/sys/kernel/printk
";

#[test]
fn each_way_that_cannot_be_is_refused_and_nothing_is_done() -> Result<()> {
    let ward = Ward::open()?;
    let machine = ward.admit("7", Death::PowerOff, REFUSED)?;
    let said = said(&machine)?;
    for words in [
        "127.0.0.1 is this machine itself",
        "there is no way to 192.0.2.1: Network unreachable",
        "the way leads through pair: it is a veth pair",
        "the way leads through wg0: it is WireGuard",
        "the way leads through tap0: it is a tun or tap device",
        "10.0.2.99, the doctor, does not tell its hardware address on eth0",
        "10.0.2.255 is no single machine's address",
        "netconsole is not loaded\n8\n",
    ] {
        ensure!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    ensure!(said.matches("exit 1").count() == 7, "not all were refused:\n{said}");
    Ok(())
}

/// Whatever happens to the network, the agent mends it; `heard` waits until the doctor hears again.
/// What `up` changes it takes for granted, and after `down` it has nothing to do.
const CHANGES: &str = "
heard() {
  tries=0
  until bedside-patient test > /tmp/test; do
    tries=$((tries + 1)); [ $tries -lt 20 ] || { echo \"$1: not heard\"; cat /tmp/test; return; }
  done
  echo \"$1: heard\"
}
up_again() {
  ip link set $1 up; ip addr add 10.0.2.15/24 dev $1 2> /dev/null
  ip route add default via 10.0.2.2 2> /dev/null
}
modprobe bridge
bedside-patient up --no-permanent DOCTOR; echo \"up: $?\"
bedside-patient agent > /tmp/agent 2>&1 &
agent=$!
heard 'before all'
arp -s 10.0.2.2 02:00:00:00:00:99
tries=0
until dmesg | grep -q 'remote ethernet address 02:00:00:00:00:99' || [ $tries -gt 100 ]; do usleep 100000; tries=$((tries + 1)); done
[ $tries -gt 100 ] || echo 'the router was followed'
arp -s 10.0.2.2 52:55:0a:00:02:02
heard 'another router'
ip link set eth0 down; usleep 500000; up_again eth0
heard 'down and up'
ip link set eth0 down; ip link set eth0 name lan0; up_again lan0
heard 'another name'
brctl addbr br0; brctl addif br0 lan0; ip addr flush dev lan0; up_again br0
heard 'port of a bridge'
grep VmHWM /proc/$agent/status
bedside-patient up --no-permanent --no-test 10.0.2.2:9 > /dev/null; sleep 2
bedside-patient status | grep 'armed for 10.0.2.2:9, as wished'
bedside-patient down > /dev/null; wait $agent; echo \"agent: $?\"
cat /tmp/agent
";

#[test]
fn the_agent_follows_routers_names_and_bridges() -> Result<()> {
    for kernel in ["6.1", "7"] {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::PowerOff, CHANGES)?;
        let said = said(&machine)?;
        for words in [
            "up: 0",
            "before all: heard",
            "the router was followed",
            "another router: heard",
            "down and up: heard",
            "another name: heard",
            "port of a bridge: heard",
            "armed for 10.0.2.2:9, as wished",
            "nothing is wished of this machine any more",
            "agent: 0",
        ] {
            ensure!(said.contains(words), "{kernel}: {words:?} is not in:\n{said}");
        }
    }
    Ok(())
}

const MENDED: &str = "
bedside-patient up --no-permanent DOCTOR; echo \"up: $?\"
bedside-patient check; echo \"check: $?\"
bedside-patient check --set-panic panic=0; echo \"set: $?\"
bedside-patient check > /dev/null; echo \"again: $?\"
";

/// A 7.x that restarts itself after a panic sends nothing of it; `check` says so, and how to
/// change that. Should a later kernel send it, the first check is well.
#[test]
fn a_7_that_would_die_in_silence_is_told_and_cured() -> Result<()> {
    let ward = Ward::open()?;
    let machine = ward.admit("7", Death::PanicThenRestart, MENDED)?;
    let said = said(&machine)?;
    for words in [
        "up: 0",
        "PROBLEM  panic: kernel.panic = 1, and this kernel's netconsole sends from a thread",
        "check: 1",
        "sysctl kernel.panic = 0",
        "set: 0",
        "again: 0",
    ] {
        ensure!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    ward.heard("end Kernel panic")?;
    Ok(())
}

/// The second relay goes on where the first one ended.
const RELAYED: &str = "
relay() { bedside-patient relay DOCTOR & relay=$!; }
relay; usleep 500000
echo '<6>one' > /dev/kmsg; usleep 300000
kill $relay; wait $relay; echo \"relay: $?\"
echo '<6>two' > /dev/kmsg
relay; echo '<6>three' > /dev/kmsg; usleep 500000
kill -9 $relay; wait $relay 2> /dev/null
relay; echo '<6>last words of the script' > /dev/kmsg; usleep 500000
kill $relay
";

#[test]
fn a_relay_sends_the_whole_log_each_line_once() -> Result<()> {
    let ward = Ward::open()?;
    let machine = ward.admit("6.1", Death::PowerOff, RELAYED)?;
    let said = said(&machine)?;
    ensure!(said.contains("relay: 0"), "{said}");
    let items = ward.heard("last words of the script")?;
    let texts: Vec<&str> = items
        .iter()
        .filter_map(|item| match item {
            Item::Record(record) => Some(record.text.as_str()),
            _ => None,
        })
        .collect();
    ensure!(texts[0].starts_with("Linux version"), "begins with {:?}", texts[0]);
    for text in ["one", "two", "three"] {
        let times = texts.iter().filter(|told| **told == text).count();
        ensure!(times == 1, "{text:?} is told {times} times");
    }
    let gaps = items.iter().filter(|item| matches!(item, Item::Gap(_))).count();
    ensure!(gaps == 0, "{gaps} gaps");
    Ok(())
}

const BEATING: &str = "
bedside-patient up --no-permanent --heartbeat 1 DOCTOR; echo \"up: $?\"
bedside-patient agent & agent=$!
sleep 2; kill $agent; wait $agent; sleep 5
bedside-patient agent & sleep 5
";

/// What was cut off, as by a power cut, said no goodbye.
#[test]
fn a_machine_that_is_cut_off_is_a_flatline() -> Result<()> {
    for kernel in ["6.1", "7"] {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::Panic, BEATING)?;
        ward.lives("alive")?;
        ward.lives("left")?;
        ward.lives("alive")?;
        drop(machine);
        ward.lives("flatline")?;
        let boots = String::from_utf8(ward.bedside.run("boots", &[])?.stdout)?;
        ensure!(boots.contains("flatline"), "{kernel}: {boots}");
    }
    Ok(())
}

/// What would be on a disk after the machine was switched off.
const LASTING: &str = "
bedside-patient up --heartbeat off DOCTOR; echo \"up: $?\"
echo '<6>lab: the first start' > /dev/kmsg
echo begin; tar -C / -cf - etc var/lib | gzip | base64; echo end
";

/// The start of a machine with that disk, as an init system makes it.
const STARTED: &str = "
echo @DISK@ | base64 -d | gunzip | tar -C / -xf -
for module in $(grep -hv '^#' /etc/modules-load.d/*.conf); do modprobe $module; done
sysctl -q -p /etc/sysctl.d/60-bedside-patient.conf
echo '<6>lab: the second start' > /dev/kmsg
bedside-patient agent > /tmp/agent 2>&1 & agent=$!
tries=0; until bedside-patient status > /tmp/status || [ $tries -gt 100 ]; do usleep 100000; tries=$((tries + 1)); done
cat /tmp/status
bedside-patient test; echo \"test: $?\"
kill $agent; wait $agent
bedside-patient down > /tmp/down; echo \"down: $?\"
cat /tmp/agent
find /etc -name '*bedside*'; lsmod | grep netconsole
";

#[test]
fn a_machine_that_starts_again_is_armed_from_its_start() -> Result<()> {
    for kernel in ["6.1", "7"] {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::PowerOff, LASTING)?;
        let first = said(&machine)?;
        ward.heard("lab: the first start")?;
        drop(machine);
        let disk = first.split("begin\n").nth(1).and_then(|rest| rest.split("\nend").next());
        let disk = disk.context("no disk")?.replace('\n', "");
        let machine = ward.admit(kernel, Death::PowerOff, &STARTED.replace("@DISK@", &disk))?;
        let said = said(&machine)?;
        for words in ["as wished", "test: 0", "down: 0", "take over netconsole="] {
            ensure!(said.contains(words), "{kernel}: {words:?} is not in:\n{said}");
        }
        let after = said.split("down: 0").nth(1).unwrap_or_default();
        ensure!(!after.contains("/etc/"), "{kernel}: something is left:\n{said}");
        let items = ward.heard("lab: the second start")?;
        let starts = items
            .iter()
            .filter(|item| matches!(item, Item::Record(r) if r.text.starts_with("Linux version")));
        ensure!(starts.count() == 2, "{kernel}: the log of both starts from its first line");
    }
    Ok(())
}
