//! A machine with the module, and the doctor that it sends to.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result};
use bedside_lab::answer::{Delivery, Item};
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::serial::Console;
use bedside_lab::vm::{self, Arms, Death, Machine, Order};
use bedside_lab::wait;

/// Several machines run at once.
const LIFETIME: Duration = Duration::from_mins(5);
pub(crate) const KERNELS: [&str; 3] = ["6.1", "6.12", "7"];
pub(crate) const MODULE: &str = "bedside_netconsole";
/// Kills a kernel as it is told.
const LETHAL: &str = "lethal";

/// What the scripts of all machines use.
const HELPERS: &str = include_str!("helpers.sh");

/// Where the kernels are, and the module for each; fetched and built once.
pub(crate) static HOME: LazyLock<&Path> = LazyLock::new(|| {
    let home = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/vm"));
    vm::prepare(home).expect("Debian has the kernels");
    build_modules(home).expect("the modules build");
    home
});

/// Builds the module, and the one that kills, for each kernel that is there.
pub(crate) fn build_modules(home: &Path) -> Result<()> {
    let shim = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../kmod/shim"));
    vm::build_module(home, shim, MODULE)?;
    vm::build_module(home, &vm::lethal(), LETHAL)
}

/// A machine that sends to a doctor with the module alone.
pub(crate) struct Ward {
    pub(crate) bedside: Bedside,
    pub(crate) machine: Machine,
    /// The doctor's, of `DOCTOR`, `SECOND` and `THIRD`.
    pub(crate) ports: Vec<u16>,
    _doctor: Doctor,
    _data: tempfile::TempDir,
}

impl Ward {
    /// Has a machine do what `script` says; `DOCTOR` in it is the doctor's place in a parameter,
    /// `SECOND` and `THIRD` two more, of which the third is on IPv6.
    pub(crate) fn admit(
        kernel: &str,
        death: Death,
        script: &str,
        more: impl FnOnce(&mut Order<'_>),
    ) -> Result<Self> {
        Ward::admit_to(tempfile::tempdir()?, &[], kernel, death, script, more)
    }

    /// The same, in a folder that is there already, with more words for the doctor.
    pub(crate) fn admit_to(
        data: tempfile::TempDir,
        words: &[&str],
        kernel: &str,
        death: Death,
        script: &str,
        more: impl FnOnce(&mut Order<'_>),
    ) -> Result<Self> {
        let kernel = vm::kernel(&HOME, kernel)?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
        let (v4, v6) = ((Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into());
        let doctor = bedside.serve(&[v4, v4, v6], words)?;
        let ports: Vec<u16> = doctor.addresses().iter().map(SocketAddr::port).collect();
        let script = script.replace("DOCTOR", &format!("{}@10.0.2.2/", ports[0]));
        let script = script.replace("SECOND", &format!("{}@10.0.2.2/", ports[1]));
        let script = script.replace("THIRD", &format!("{}@fec0::2/", ports[2]));
        let text = format!("{HELPERS}{script}\necho end of script\n");
        let files = [MODULE, LETHAL].map(|name| (format!("{name}.ko"), kernel.module(name))).into();
        let arms = Arms::Script { text, files };
        let mut order = Order::new(&kernel, arms, death, data.path().join("serial.log"));
        order.processors = 2;
        more(&mut order);
        let machine = Machine::start(&order)?;
        Ok(Self { bedside, machine, ports, _doctor: doctor, _data: data })
    }

    pub(crate) fn console(&self) -> Result<Console> {
        Ok(Console::parse(&self.machine.console()?))
    }

    /// Waits until the script has come to its end, and gives what it said.
    pub(crate) fn said(&self) -> Result<String> {
        self.has_said("end of script")
    }

    /// Waits until the script has said these words, and gives all that it said.
    pub(crate) fn has_said(&self, words: &str) -> Result<String> {
        let said = || {
            let said = self.machine.said()?;
            Ok(said.contains(words).then_some(said))
        };
        wait::until_within(LIFETIME, &format!("the script to say {words:?}"), said)
            .with_context(|| self.machine.said().unwrap_or_default())
    }

    /// Waits until the console's last line is told.
    pub(crate) fn heard_to_the_end(&self) -> Result<Vec<Item>> {
        let console = self.console()?;
        let last = console.boots.last().and_then(|boot| boot.last());
        let last = last.context("nothing on the console")?;
        self.heard(&String::from_utf8_lossy(&last.text))
    }

    /// Waits until the last closing record was heard, which tells of all.
    pub(crate) fn heard_with_its_death(&self) -> Result<Vec<Item>> {
        self.heard_to_the_end()?;
        wait::until_within(LIFETIME, "the death to be told", || {
            let items = self.bedside.log(&[])?;
            Ok((!deaths(&items).is_empty()).then_some(items))
        })
    }

    /// Waits until `log` tells a record with these words.
    pub(crate) fn heard(&self, words: &str) -> Result<Vec<Item>> {
        let told = |item: &Item| matches!(item, Item::Record(r) if r.text.contains(words));
        wait::until_within(LIFETIME, &format!("{words:?} to be told"), || {
            let items = self.bedside.log(&[])?;
            Ok(items.iter().any(told).then_some(items))
        })
    }
}

/// What the doctor says of how much of each death it holds.
pub(crate) fn deaths(items: &[Item]) -> Vec<Delivery> {
    let deaths = items.iter().filter_map(|item| match item {
        Item::Boot(boot) => boot.death,
        _ => None,
    });
    deaths.collect()
}
