//! Real kernels in a virtual machine die, and the doctor tells how.
//!
//! `cargo test -p bedside --features vm --test e2e_vm`. Needs `qemu-system-x86_64`, `xz`, and
//! Debian's apt to fetch the kernels with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::serial::{self, Console, Telling};
use bedside_lab::vm::{self, Arms, Death, Machine, Order};
use bedside_lab::wait;

/// Where the kernels are; fetched once.
static HOME: LazyLock<&Path> = LazyLock::new(|| {
    let home = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/vm"));
    vm::prepare(home, &[]).expect("Debian has the kernels");
    home
});

/// The last line that the init script has the kernel say before the death.
const LOADED: &str = "lab: netconsole is loaded";

/// A machine that sends to a doctor.
struct Ward {
    bedside: Bedside,
    machine: Machine,
    _doctor: Doctor,
    _data: tempfile::TempDir,
}

impl Ward {
    fn admit(kernel: &str, extended: bool, death: Death, restarts: bool) -> Result<Self> {
        let kernel = vm::kernel(&HOME, kernel)?;
        let data = tempfile::tempdir()?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
        let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
        let arms = Arms::Netconsole(vm::netconsole(extended, doctor.addresses()[0].port()));
        let serial = data.path().join("serial.log");
        let order = Order { restarts, ..Order::new(&kernel, arms, death, serial) };
        let machine = Machine::start(&order)?;
        Ok(Self { bedside, machine, _doctor: doctor, _data: data })
    }

    fn console(&self) -> Result<Console> {
        Ok(Console::parse(&self.machine.console()?))
    }

    /// Waits until `log -b` tells the console's last line.
    fn heard_to_the_end(&self) -> Result<Vec<Item>> {
        let console = self.console()?;
        let last = console.boots.last().and_then(|boot| boot.last());
        let last = last.context("nothing on the console")?;
        self.heard(&last.text, &["-b"])
    }

    /// Waits until `log` tells a record with these words.
    fn heard(&self, words: &[u8], args: &[&str]) -> Result<Vec<Item>> {
        let told = |item: &Item| matches!(item, Item::Record(r) if r.text.as_bytes() == words);
        let told = wait::until(&format!("{:?} to be told", String::from_utf8_lossy(words)), || {
            let items = self.bedside.log(args)?;
            Ok(items.iter().any(told).then_some(items))
        });
        told.with_context(|| self.last_told())
    }

    /// The boots and the last lines that the doctor tells, for who waited in vain.
    fn last_told(&self) -> String {
        let said = |command, args| {
            let output = self.bedside.run(command, args).map(|output| output.stdout);
            String::from_utf8_lossy(&output.unwrap_or_default()).into_owned()
        };
        format!("told is\n{}{}", said("boots", &[]), said("log", &["-n", "20"]))
    }
}

/// All that the console shows was heard, in order, and the boot ended so.
fn whole(items: &[Item], console: &Console, end: &str) -> Result<()> {
    let tellings = serial::tellings(items);
    let comparison = console.compare(&tellings.iter().collect::<Vec<&Telling>>());
    let lines: usize = console.boots.iter().map(Vec::len).sum();
    ensure!(comparison.heard == lines, "{} of {lines} lines: {comparison:?}", comparison.heard);
    ensure!(comparison.only_heard.is_empty(), "not on the console: {:?}", comparison.only_heard);
    ensure!(ends(items) == [Some(end)], "ends {:?}", ends(items));
    Ok(())
}

fn ends(items: &[Item]) -> Vec<Option<&str>> {
    let ends = items.iter().filter_map(|item| match item {
        Item::Boot(boot) if boot.event == "end" => Some(boot.end.as_deref()),
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_6_1_that_panics_and_restarts_is_heard_to_its_last_word() -> Result<()> {
    for extended in [true, false] {
        let mut ward = Ward::admit("6.1", extended, Death::PanicThenRestart, false)?;
        ward.machine.wait_for_end()?;
        let items = ward.heard_to_the_end()?;
        whole(&items, &ward.console()?, "panic")?;
    }
    Ok(())
}

#[test]
fn a_7_that_panics_and_lies_still_is_heard_to_its_last_word() -> Result<()> {
    for extended in [true, false] {
        let ward = Ward::admit("7", extended, Death::Panic, false)?;
        ward.machine.wait_for("end Kernel panic", 1)?;
        let items = ward.heard_to_the_end()?;
        whole(&items, &ward.console()?, "panic")?;
    }
    Ok(())
}

#[test]
fn a_6_1_that_is_switched_off_ends_clean() -> Result<()> {
    let mut ward = Ward::admit("6.1", true, Death::PowerOff, false)?;
    ward.machine.wait_for_end()?;
    let items = ward.heard_to_the_end()?;
    whole(&items, &ward.console()?, "clean")
}

/// A 7.x that restarts after a panic sends nothing of the panic: its new console is flushed after
/// the restart (`kernel/panic.c`, `vpanic`). Should a later one send it, the end is `panic`.
#[test]
fn a_7_that_panics_and_restarts_ends_in_silence() -> Result<()> {
    let ward = Ward::admit("7", true, Death::PanicThenRestart, true)?;
    ward.machine.wait_for(LOADED, 2)?;
    let second = wait::until("the second boot to be told", || {
        let items = ward.heard(LOADED.as_bytes(), &["-b"])?;
        Ok(items.iter().all(|item| item.place().boot == Some(2)).then_some(items))
    })?;
    ensure!(!second.is_empty(), "nothing of the second boot");
    let first = ward.bedside.log(&["-b", "1"])?;
    let panicked = first.iter().any(
        |item| matches!(item, Item::Record(r) if r.text.starts_with("Kernel panic - not syncing")),
    );
    let end = if panicked { "panic" } else { "silence" };
    ensure!(ends(&first) == [Some(end)], "ends {:?}", ends(&first));
    for (command, args) in [("log", &["-b", "1"][..]), ("log", &[]), ("boots", &["127.0.0.1"])] {
        let shown = String::from_utf8(ward.bedside.run(command, args)?.stdout)?;
        let said = if panicked { "panic" } else { "silen" };
        ensure!(shown.contains(said), "{command} {args:?} does not say {end}:\n{shown}");
    }
    Ok(())
}
