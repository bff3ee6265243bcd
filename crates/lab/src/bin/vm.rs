//! Boots a real kernel in QEMU, lets it die, and prints its serial console; its netconsole sends
//! to a port of this machine.
//!
//! ```text
//! cargo run -p bedside-lab --bin vm -- 6.1 6666 panic        # extended format
//! cargo run -p bedside-lab --bin vm -- 7 6666 reboot basic
//! ```

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use bedside_lab::vm::{self, Arms, Death, Machine, Order};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (kernel, port, death, format) = match words[..] {
        [kernel, port, death] => (kernel, port, death, "extended"),
        [kernel, port, death, format] => (kernel, port, death, format),
        _ => bail!("usage: vm 6.1|7 PORT panic|restart|reboot|poweroff [extended|basic]"),
    };
    let port: u16 = port.parse().with_context(|| format!("{port} is no port"))?;
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/vm");
    vm::prepare(&home, &[])?;
    let kernel = vm::kernel(&home, kernel)?;
    let arms = Arms::Netconsole(vm::netconsole(format == "extended", port));
    let order = Order::new(&kernel, arms, death_named(death)?, home.join("serial.log"));
    let mut machine = Machine::start(&order)?;
    match order.death {
        Death::Panic => machine.wait_for("end Kernel panic", 1)?,
        _ => machine.wait_for_end()?,
    }
    io::stdout().write_all(&machine.console()?)?;
    Ok(())
}

fn death_named(name: &str) -> Result<Death> {
    Ok(match name {
        "panic" => Death::Panic,
        "restart" => Death::PanicThenRestart,
        "reboot" => Death::Reboot,
        "poweroff" => Death::PowerOff,
        _ => bail!("{name} is no way to die: panic, restart, reboot or poweroff"),
    })
}
