//! A Debian: systemd, kmod and nftables as they are.

use anyhow::{Context, Result, ensure};
use bedside_lab::vm::{Arms, Death, Order};

use crate::dumper::{PLACE, module};
use crate::ward::{KERNELS, Ward, ensure_said, said, texts};

const FIRST_START: &str = r#"
for module in nf_tables nft_ct nf_conntrack; do modprobe $module; done
look > /tmp/before
bedside-patient up DOCTOR; echo "up: $?"
unit=bedside-patient.service
echo "unit: $(systemctl is-enabled $unit), $(systemctl is-active $unit)"
lsmod | grep -q bedside_netconsole && echo "with the module"
agent=$(systemctl show -P MainPID $unit)
systemctl kill -s KILL $unit
again() { other=$(systemctl show -P MainPID $unit); [ $other != 0 ] && [ $other != $agent ]; }
wait_for 30 again && echo "another agent"

/usr/sbin/nft -f - << END
table inet filter {
  chain input { type filter hook input priority 0; policy drop; ct state established,related accept; }
}
END
bedside-patient test; echo "behind a firewall: $?"
/usr/sbin/nft flush chain inet filter input
bedside-patient test; echo "deaf: $?"
/usr/sbin/nft delete table inet filter

echo '<6>lab: the first start' > /dev/kmsg
disk='etc/bedside etc/modprobe.d etc/modules-load.d etc/sysctl.d etc/systemd var/lib'
echo begin; tar -C / -czf - $disk | base64; echo end
bedside-patient down > /tmp/down; echo "down: $?"
look > /tmp/after; diff /tmp/before /tmp/after && echo "as it was"
systemctl is-active $unit
"#;

const SECOND_START: &str = r#"
wait_for 30 bedside-patient status
bedside-patient status; echo "status: $?"
echo "unit: $(systemctl is-active bedside-patient.service)"
bedside-patient test; echo "test: $?"
echo '<6>lab: the second start' > /dev/kmsg
journalctl -q -u bedside-patient.service -o cat
bedside-patient down > /tmp/down; echo "down: $?"
find /etc -name '*bedside*'; lsmod | grep netconsole
"#;

/// systemd keeps the agent; a firewall that denies all input is not in the way of a proof, and one
/// that lets nothing in at all is not in the way of the log; and the next start of the machine,
/// from what the first one left on its disk, is armed before the agent is there, with the module
/// that delivers a death too.
#[test]
fn a_debian_with_a_firewall_is_armed_and_is_again_when_it_starts_anew() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let with_module = module(kernel)?;
        let debian = |order: &mut Order<'_>| {
            order.debian = true;
            if let Arms::Script { files, .. } = &mut order.arms {
                files.push((PLACE.into(), with_module.clone()));
            }
        };
        let machine = ward.admit_with(kernel, Death::PowerOff, FIRST_START, debian)?;
        let first = said(&machine)?;
        let words = [
            "up: 0",
            "unit: enabled, active",
            "with the module",
            "another agent",
            "behind a firewall: 0",
            "nobody knows whether it was heard",
            "deaf: 3",
            "down: 0",
            "as it was\ninactive",
        ];
        ensure_said(kernel, &first, &words)?;
        ward.heard("lab: the first start")?;
        drop(machine);

        let disk = first.split("begin\n").nth(1).and_then(|rest| rest.split("\nend").next());
        let disk = ward.keep("disk.base64", disk.context("no disk")?)?;
        let with_disk = |order: &mut Order<'_>| {
            debian(order);
            if let Arms::Script { files, .. } = &mut order.arms {
                files.push(("disk.base64".into(), disk));
            }
        };
        let machine = ward.admit_with(kernel, Death::PowerOff, SECOND_START, with_disk)?;
        let said = said(&machine)?;
        let words = ["as wished", "status: 0", "unit: active", "test: 0", "down: 0"];
        ensure_said(kernel, &said, &words)?;
        let taken_over =
            ["take over netconsole=", "live = off\n    the machine's start loaded it\n"];
        ensure_said(kernel, &said, &taken_over)?;
        let after = said.split("down: 0\n").nth(1).unwrap_or_default();
        ensure!(after.starts_with("end of script"), "{kernel}: something is left:\n{said}");
        let items = ward.heard("lab: the second start")?;
        let texts = texts(&items);
        let starts = texts.iter().filter(|text| text.starts_with("Linux version")).count();
        ensure!(starts == 2, "{kernel}: {starts} starts are told from their first line");
    }
    Ok(())
}
