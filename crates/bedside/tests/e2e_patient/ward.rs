//! A doctor, and machines with a patient in them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::vm::{self, Arms, Death, Machine, Order};
use bedside_lab::{programs, wait};

/// The kernels, by the names under which they are prepared.
pub(crate) const KERNELS: [&str; 2] = ["6.1", "7"];

/// A script takes less than a minute on an idle machine, and there are several at once.
pub(crate) const LIFETIME: Duration = Duration::from_mins(5);

const HELPERS: &str = include_str!("helpers.sh");

/// Where the kernels are; fetched once.
pub(crate) static HOME: LazyLock<&Path> = LazyLock::new(|| {
    let home = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/vm"));
    vm::prepare(home, &[]).expect("Debian has the kernels");
    home
});
static PATIENT: LazyLock<PathBuf> =
    LazyLock::new(|| programs::static_patient().expect("the patient builds"));

/// A doctor, and what machines leave behind.
pub(crate) struct Ward {
    pub(crate) bedside: Bedside,
    doctor: Doctor,
    data: tempfile::TempDir,
}

impl Ward {
    /// A doctor on IPv4.
    pub(crate) fn open() -> Result<Self> {
        Self::listening_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// A doctor at this address of the host.
    pub(crate) fn listening_on(address: SocketAddr) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
        let doctor = bedside.serve::<&str>(&[address], &[])?;
        Ok(Self { bedside, doctor, data })
    }

    /// Has a machine do what `script` says, in which `DOCTOR` is the doctor as it sees it.
    pub(crate) fn admit(&self, kernel: &str, death: Death, script: &str) -> Result<Machine> {
        self.admit_with(kernel, death, script, |_| {})
    }

    /// As [`Ward::admit`], of a machine that has more than others.
    pub(crate) fn admit_with(
        &self,
        kernel: &str,
        death: Death,
        script: &str,
        more: impl FnOnce(&mut Order<'_>),
    ) -> Result<Machine> {
        let kernel = vm::kernel(&HOME, kernel)?;
        let address = self.doctor.addresses()[0];
        let host = if address.is_ipv4() { "10.0.2.2" } else { "[fec0::2]" };
        let script = script.replace("DOCTOR", &format!("{host}:{}", address.port()));
        let text = format!("{HELPERS}{script}\necho end of script\n");
        let files = vec![("bin/bedside-patient".to_owned(), PATIENT.clone())];
        let serial = self.data.path().join("serial.log");
        let mut order = Order::new(&kernel, Arms::Script { text, files }, death, serial);
        more(&mut order);
        Machine::start(&order)
    }

    /// Keeps something in a file.
    pub(crate) fn keep(&self, name: &str, text: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.data.path().join(name);
        fs::write(&path, text).with_context(|| format!("{} not written", path.display()))?;
        Ok(path)
    }

    /// Waits until the machine's heart is in this state.
    pub(crate) fn lives(&self, life: &str) -> Result<()> {
        wait::until_within(LIFETIME, life, || {
            let hosts = String::from_utf8(self.bedside.run("hosts", &["--json"])?.stdout)?;
            Ok(hosts.contains(&format!("\"life\":\"{life}\"")).then_some(()))
        })
    }

    /// Waits until `log` tells a line with these words.
    pub(crate) fn heard(&self, words: &str) -> Result<Vec<Item>> {
        let told = |item: &Item| matches!(item, Item::Record(r) if r.text.contains(words));
        wait::until_within(LIFETIME, &format!("{words:?} to be told"), || {
            let items = self.bedside.log(&[])?;
            Ok(items.iter().any(told).then_some(items))
        })
        .with_context(|| self.last_told())
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

/// Waits until the script has come to its end, and gives what it said.
pub(crate) fn said(machine: &Machine) -> Result<String> {
    let said = || {
        let said = machine.said()?;
        Ok(said.contains("end of script").then_some(said))
    };
    wait::until_within(LIFETIME, "the script's end", said)
        .with_context(|| machine.said().unwrap_or_default())
}

/// All of these words were said; else all that was said is told.
pub(crate) fn ensure_said(kernel: &str, said: &str, words: &[&str]) -> Result<()> {
    for words in words {
        ensure!(said.contains(words), "{kernel}: {words:?} is not in:\n{said}");
    }
    Ok(())
}

/// The texts of the records, in their order.
pub(crate) fn texts(items: &[Item]) -> Vec<&str> {
    let mut texts = Vec::new();
    for item in items {
        if let Item::Record(record) = item {
            texts.push(record.text.as_str());
        }
    }
    texts
}
