//! A machine with the module, and the doctor that it sends to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result};
use bedside_lab::answer::{Delivery, Item};
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::serial::Console;
use bedside_lab::vm::{self, Arms, Death, Machine, Order};
use bedside_lab::wait;
use serde_json::Value;
use tempfile::TempDir;

/// Several machines run at once.
const LIFETIME: Duration = Duration::from_mins(5);
pub(crate) const KERNELS: [&str; 4] = ["6.1", "6.12", "7-older", "7"];
/// Those for all hardware, where the ones for clouds lack a driver; and those with PREEMPT_RT.
#[cfg(feature = "heavy")]
const MORE: &[&str] =
    &["6.12-amd64", "7-older-amd64", "7-amd64", "6.1-rt", "6.12-rt", "7-older-rt", "7-rt"];
#[cfg(not(feature = "heavy"))]
const MORE: &[&str] = &[];
/// Those that are chosen of all.
#[cfg(feature = "heavy")]
pub(crate) static CHOSEN: LazyLock<Vec<String>> = LazyLock::new(|| chosen_or(&KERNELS));
pub(crate) const MODULE: &str = "bedside_netconsole";
/// Kills a kernel as it is told.
const LETHAL: &str = "lethal";

/// What the scripts of all machines use.
const HELPERS: &str = include_str!("helpers.sh");

/// Where the kernels are, and the module for each; fetched and built once.
pub(crate) static HOME: LazyLock<&Path> = LazyLock::new(|| {
    let home = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/vm"));
    vm::prepare(home, MORE).expect("Debian has the kernels");
    build_modules(home).expect("the modules build");
    home
});

/// Those kernels that `BEDSIDE_KERNELS` names, with blanks between; without it these.
pub(crate) fn chosen_or(usual: &[&str]) -> Vec<String> {
    let chosen = std::env::var("BEDSIDE_KERNELS").unwrap_or_else(|_| usual.join(" "));
    chosen.split(' ').map(str::to_owned).collect()
}

/// The number that `BEDSIDE_ROUNDS` gives; without it this.
pub(crate) fn rounds_or(usual: usize) -> Result<usize> {
    let chosen = std::env::var("BEDSIDE_ROUNDS").map(|rounds| rounds.parse());
    chosen.unwrap_or(Ok(usual)).context("BEDSIDE_ROUNDS is no number")
}

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
    pub(crate) ports: [u16; 3],
    _doctor: Doctor,
    _data: TempDir,
}

/// What the doctor is told.
pub(crate) struct Desk<'w> {
    pub(crate) data: TempDir,
    pub(crate) words: &'w [&'w str],
    /// Its ports, or 0 for any.
    pub(crate) ports: [u16; 3],
}

impl Desk<'_> {
    /// One of its own, on any ports.
    pub(crate) fn new() -> Result<Self> {
        Ok(Desk { data: tempfile::tempdir()?, words: &[], ports: [0; 3] })
    }
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
        Ward::admit_to(Desk::new()?, kernel, death, script, more)
    }

    /// The same, with such a doctor.
    pub(crate) fn admit_to(
        desk: Desk<'_>,
        kernel: &str,
        death: Death,
        script: &str,
        more: impl FnOnce(&mut Order<'_>),
    ) -> Result<Self> {
        let Desk { data, words, ports } = desk;
        let kernel = vm::kernel(&HOME, kernel)?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
        let hosts: [IpAddr; 3] =
            [Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let listen: Vec<SocketAddr> = std::iter::zip(hosts, ports).map(SocketAddr::from).collect();
        let doctor = bedside.serve(&listen, words)?;
        let ports: Vec<u16> = doctor.addresses().iter().map(SocketAddr::port).collect();
        let ports: [u16; 3] = ports.as_slice().try_into()?;
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

    /// The same, of one that takes longer than others.
    pub(crate) fn said_within(&self, time: Duration) -> Result<String> {
        self.has_said_within(time, "end of script")
    }

    /// Waits until the script has said these words, and gives all that it said.
    pub(crate) fn has_said(&self, words: &str) -> Result<String> {
        self.has_said_within(LIFETIME, words)
    }

    fn has_said_within(&self, time: Duration, words: &str) -> Result<String> {
        let said = || {
            let said = self.machine.said()?;
            Ok(said.contains(words).then_some(said))
        };
        wait::until_within(time, &format!("the script to say {words:?}"), said)
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

    /// Waits until the doctor says of so many streams that it holds the whole of their deaths.
    pub(crate) fn hears_whole_deaths(&self, streams: usize) -> Result<()> {
        let whole = wait::until_within(LIFETIME, &format!("{streams} whole deaths"), || {
            let deaths = deaths(&self.bedside.log(&[])?);
            let whole = deaths.len() == streams && deaths.iter().all(|it| it.missing == 0);
            Ok(whole.then_some(()))
        });
        whole.with_context(|| self.what_there_is())
    }

    /// Whether the doctor says that it holds the whole of a death.
    pub(crate) fn says_whole(&self) -> Result<bool> {
        let boots: Value = serde_json::from_slice(&self.bedside.run("boots", &["--json"])?.stdout)?;
        let boots = boots["boots"].as_array().context("no boots")?;
        let deaths = boots.iter().filter(|boot| !boot["death"].is_null());
        let missing: Vec<&Value> = deaths.map(|boot| &boot["death"]["missing"]).collect();
        Ok(!missing.is_empty() && missing.iter().all(|missing| **missing == 0))
    }

    /// Waits until `log` tells a record with these words.
    pub(crate) fn heard(&self, words: &str) -> Result<Vec<Item>> {
        self.heard_within(LIFETIME, words)
    }

    /// The same, for so long.
    pub(crate) fn heard_within(&self, time: Duration, words: &str) -> Result<Vec<Item>> {
        let told = |item: &Item| matches!(item, Item::Record(r) if r.text.contains(words));
        let heard = wait::until_within(time, &format!("{words:?} to be told"), || {
            let items = self.bedside.log(&[])?;
            Ok(items.iter().any(told).then_some(items))
        });
        heard.with_context(|| self.what_there_is())
    }

    /// For who waits in vain.
    fn what_there_is(&self) -> String {
        let boots = self.bedside.run("boots", &[]).map(|output| output.stdout);
        let console = self.machine.last_lines();
        format!("{}{console}", String::from_utf8_lossy(&boots.unwrap_or_default()))
    }
}

/// What the doctor says of how much of each boot's death it holds.
pub(crate) fn deaths(items: &[Item]) -> Vec<Delivery> {
    let deaths = items.iter().filter_map(|item| match item {
        Item::Boot(boot) => boot.death,
        _ => None,
    });
    deaths.collect()
}
