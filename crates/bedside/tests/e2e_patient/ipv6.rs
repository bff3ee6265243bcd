//! A doctor on IPv6.

use std::net::{Ipv6Addr, SocketAddr};

use anyhow::{Result, ensure};
use bedside_lab::vm::Death;

use crate::ward::{KERNELS, Ward, ensure_said, said, texts};

/// IPv6 has many addresses. The one that is sent from stays, as long as it is the machine's.
const UP: &str = r#"
settled() { ! ip -6 addr show dev eth0 | grep -q tentative; }
add() { ip -6 addr add $1/64 dev eth0; wait_for 10 settled; }
add fec0::15
bedside-patient up --no-permanent DOCTOR > /tmp/up; echo "up: $?"; cat /tmp/up
bedside-patient agent > /tmp/agent 2>&1 & agent=$!
add fec0::17
heard 'with more addresses'
used=$(sed -n 's/.*+r@\([^/]*\)\/.*/\1/p' /tmp/up); ip -6 addr del $used/64 dev eth0
other() { dmesg | grep 'local IPv6 address' | grep -qv $used; }
wait_for 30 other && echo "another address"
heard 'without the first address'
kill $agent; wait $agent; echo "agent: $?"
cat /tmp/agent
"#;

#[test]
fn a_doctor_on_ipv6_hears_the_death_as_well() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::listening_on(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)))?;
        let machine = ward.admit(kernel, Death::Panic, UP)?;
        let said = said(&machine)?;
        let words = [
            "up: 0",
            "with more addresses: heard",
            "another address",
            "without the first address: heard",
            "agent: 0",
        ];
        ensure_said(kernel, &said, &words)?;
        let changes =
            said.matches("local_ip has to be").count() + said.matches("modprobe -r").count();
        ensure!(changes == 1, "{kernel}: {changes} changes of what is sent from:\n{said}");
        let items = ward.heard("end Kernel panic")?;
        ensure!(texts(&items)[0].starts_with("Linux version"), "{kernel}: not the boot log");
    }
    Ok(())
}
