//! A doctor on IPv6.

use std::net::{Ipv6Addr, SocketAddr};

use anyhow::{Result, ensure};
use bedside_lab::vm::Death;

use crate::ward::{KERNELS, Ward, ensure_said, said, texts};

/// The second address is one that the kernel may rather send from.
const UP: &str = r#"
settled() { ! ip -6 addr show dev eth0 | grep -q tentative; }
ip -6 addr add fec0::15/64 dev eth0
wait_for 10 settled
bedside-patient up --no-permanent DOCTOR; echo "up: $?"
bedside-patient agent > /tmp/agent 2>&1 & agent=$!
ip -6 addr add fec0::16/64 dev eth0 preferred_lft 0
ip -6 addr add fec0::17/64 dev eth0; wait_for 10 settled
ip -6 addr show dev eth0
heard 'with more addresses'
ip -6 addr del fec0::15/64 dev eth0
heard 'without the first address'
kill $agent; wait $agent; echo "agent: $?"
cat /tmp/agent; dmesg | grep -c 'network logging started'
"#;

#[test]
fn a_doctor_on_ipv6_hears_the_death_as_well() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::listening_on(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)))?;
        let machine = ward.admit(kernel, Death::Panic, UP)?;
        let said = said(&machine)?;
        let words = ["up: 0", "with more addresses: heard", "without the first address: heard"];
        ensure_said(kernel, &said, &words)?;
        let items = ward.heard("end Kernel panic")?;
        ensure!(texts(&items)[0].starts_with("Linux version"), "{kernel}: not the boot log");
    }
    Ok(())
}
