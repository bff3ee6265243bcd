//! One machine in QEMU.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Kernel;
use crate::wait;

/// How a machine is to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// A panic after which it lies where it fell (`panic=0`).
    Panic,
    /// A panic after which it restarts itself a second later (`panic=1`).
    PanicThenRestart,
    /// A reboot that was meant.
    Reboot,
    /// Switched off.
    PowerOff,
}

/// A machine to be started.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// Its kernel.
    pub kernel: &'a Kernel,
    /// What netconsole is loaded with; the host is 10.0.2.2.
    pub netconsole: String,
    /// How it dies.
    pub death: Death,
    /// Whether a restart is let happen, or ends the machine.
    pub restarts: bool,
    /// Where its serial console is written to.
    pub serial: PathBuf,
}

/// A running machine; killed when it goes out of scope.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    serial: PathBuf,
}

impl Machine {
    /// Switches it on.
    pub fn start(order: &Order<'_>) -> Result<Self> {
        // A console of an earlier machine would be taken for this one's.
        fs::write(&order.serial, "")
            .with_context(|| format!("{} not written", order.serial.display()))?;
        let mut qemu = Command::new(QEMU);
        qemu.args(MACHINE.split_whitespace());
        qemu.arg("-kernel").arg(&order.kernel.image);
        qemu.arg("-initrd").arg(&order.kernel.initramfs);
        qemu.arg("-append").arg(command_line(order));
        qemu.arg("-serial").arg(format!("file:{}", order.serial.display()));
        if !order.restarts {
            qemu.arg("-no-reboot");
        }
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let qemu =
            qemu.spawn().with_context(|| format!("{QEMU} did not start; is it installed?"))?;
        Ok(Self { qemu, serial: order.serial.clone() })
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&mut self) -> Result<()> {
        let status = wait::until_within(LIFETIME, "the machine to end", || {
            self.qemu.try_wait().context("QEMU can't be waited for")
        })?;
        if !status.success() {
            bail!("QEMU ended with {status}");
        }
        Ok(())
    }

    /// Waits until its console shows `words` in a whole line for the `times`th time.
    pub fn wait_for(&self, words: &str, times: usize) -> Result<()> {
        wait::until_within(LIFETIME, &format!("the console to show {words:?}"), || {
            let console = self.console()?;
            let console = String::from_utf8_lossy(&console);
            let lines = console.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            Ok((lines.filter(|line| line.contains(words)).count() >= times).then_some(()))
        })
    }

    /// What its serial console showed so far.
    pub fn console(&self) -> Result<Vec<u8>> {
        fs::read(&self.serial).with_context(|| format!("{} not read", self.serial.display()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        self.qemu.kill().ok();
        self.qemu.wait().ok();
    }
}

/// `loglevel=8`: all levels reach the consoles. `no_timer_check`: software emulation under load
/// is too slow for the kernel's test of its timer.
fn command_line(order: &Order<'_>) -> String {
    let (panic, death) = match order.death {
        Death::Panic => (0, "panic"),
        Death::PanicThenRestart => (1, "panic"),
        Death::Reboot => (0, "reboot"),
        Death::PowerOff => (0, "poweroff"),
    };
    let netconsole = &order.netconsole;
    format!(
        "console=ttyS0 loglevel=8 no_timer_check panic={panic} \
         lab.netconsole={netconsole} lab.death={death}"
    )
}

const QEMU: &str = "qemu-system-x86_64";

/// Software emulation: hardware help is rarely there where tests run. One processor boots fastest.
const MACHINE: &str = "-accel tcg -smp 1 -m 512 -nodefaults -display none \
    -netdev user,id=net,ipv4=on -device virtio-net-pci,netdev=net";

/// A boot and a death take 3 to 6 s on an idle machine.
const LIFETIME: Duration = Duration::from_mins(2);
