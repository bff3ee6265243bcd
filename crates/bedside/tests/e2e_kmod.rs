//! Stock kernels with the module of `kmod/` die, and the doctor holds every line.
//!
//! `cargo test -p bedside --features vm --test e2e_kmod`. Needs what `e2e_vm` needs; the module is
//! built for each kernel with Debian's headers and compilers, from the objects that are in the
//! repository (`cargo xtask kmod --check` holds them to their source).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::{Delivery, Item};
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::serial::{self, Console};
use bedside_lab::vm::{self, Arms, Death, Machine, Order};
use bedside_lab::wait;

/// Several machines run at once.
const LIFETIME: Duration = Duration::from_mins(5);
const KERNELS: [&str; 3] = ["6.1", "6.12", "7"];
const MODULE: &str = "bedside_netconsole";

/// Where the kernels are, and the module for each; fetched and built once.
static HOME: LazyLock<&Path> = LazyLock::new(|| {
    let home = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/vm"));
    vm::prepare(home).expect("Debian has the kernels");
    let shim = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../kmod/shim"));
    vm::build_module(home, shim, MODULE).expect("the module builds");
    home
});

/// A machine that sends to a doctor with the module alone.
struct Ward {
    bedside: Bedside,
    machine: Machine,
    _doctor: Doctor,
    _data: tempfile::TempDir,
}

impl Ward {
    /// Has a machine do what `script` says; `DOCTOR` in it is the doctor's place in a parameter.
    fn admit(
        kernel: &str,
        death: Death,
        script: &str,
        more: impl FnOnce(&mut Order<'_>),
    ) -> Result<Self> {
        let kernel = vm::kernel(&HOME, kernel)?;
        let data = tempfile::tempdir()?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
        let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
        let port = doctor.addresses()[0].port();
        let text = script.replace("DOCTOR", &format!("{port}@10.0.2.2/"));
        let files = vec![(format!("{MODULE}.ko"), kernel.module(MODULE))];
        let arms = Arms::Script { text, files };
        let mut order = Order::new(&kernel, arms, death, data.path().join("serial.log"));
        order.processors = 2;
        more(&mut order);
        let machine = Machine::start(&order)?;
        Ok(Self { bedside, machine, _doctor: doctor, _data: data })
    }

    fn console(&self) -> Result<Console> {
        Ok(Console::parse(&self.machine.console()?))
    }

    /// Waits until the console's last line is told.
    fn heard_to_the_end(&self) -> Result<Vec<Item>> {
        let console = self.console()?;
        let last = console.boots.last().and_then(|boot| boot.last());
        let last = last.context("nothing on the console")?;
        self.heard(&String::from_utf8_lossy(&last.text))
    }

    /// Waits until the last closing record was heard, which tells of all.
    fn heard_with_its_death(&self) -> Result<Vec<Item>> {
        self.heard_to_the_end()?;
        wait::until_within(LIFETIME, "the death to be told", || {
            let items = self.bedside.log(&[])?;
            Ok((!deaths(&items).is_empty()).then_some(items))
        })
    }

    /// Waits until `log` tells a record with these words.
    fn heard(&self, words: &str) -> Result<Vec<Item>> {
        let told = |item: &Item| matches!(item, Item::Record(r) if r.text.contains(words));
        wait::until_within(LIFETIME, &format!("{words:?} to be told"), || {
            let items = self.bedside.log(&[])?;
            Ok(items.iter().any(told).then_some(items))
        })
    }
}

/// All that the console shows was heard, in order, and nothing is said to be missing.
fn ensure_whole(kernel: &str, items: &[Item], console: &Console) -> Result<()> {
    let mut tellings = serial::tellings(items);
    tellings.retain(|telling| telling.format == "extended");
    let comparison = console.compare(&tellings.iter().collect::<Vec<_>>());
    let lines: usize = console.boots.iter().map(Vec::len).sum();
    let heard = comparison.heard;
    ensure!(lines > 200, "{kernel}: only {lines} lines on the console");
    ensure!(heard == lines, "{kernel}: {heard} of {lines} lines: {comparison:?}");
    let gaps = items.iter().filter(|item| matches!(item, Item::Gap(_))).count();
    ensure!(gaps == 0, "{kernel}: {gaps} gaps");
    Ok(())
}

/// What closing records say, but for the same said twice.
fn closings(items: &[Item]) -> Vec<&str> {
    let mut said: Vec<&str> = items
        .iter()
        .filter_map(|item| match item {
            Item::Record(record) if record.format == "rfc5424" => Some(record.text.as_str()),
            _ => None,
        })
        .collect();
    said.dedup();
    said
}

/// A line that no console shows comes before the death, and more lines than the queue holds.
const HIDDEN_THEN_DEATH: &str = r#"
insmod /bedside_netconsole.ko netconsole=+@/eth0,DOCTOR && echo loaded
dmesg -n 1
echo "<7>lab: no console shows this" > /dev/kmsg
dmesg -n 8
"#;

/// Where stock netconsole of a 7.x sends nothing (`e2e_vm`).
#[test]
fn a_machine_that_restarts_itself_is_heard_to_its_last_word() -> Result<()> {
    for kernel in KERNELS {
        let mut ward = Ward::admit(kernel, Death::PanicThenRestart, HIDDEN_THEN_DEATH, |_| {})?;
        ward.machine.wait_for_end()?;
        let items = ward.heard_with_its_death()?;
        ensure_whole(kernel, &items, &ward.console()?)?;
        ward.heard("lab: no console shows this")?;
        ward.heard("Rebooting in 1 seconds..")?;
        let said = closings(&items);
        let first = said.first().is_some_and(|said| said.starts_with("reason=panic first=0 "));
        ensure!(first, "{kernel}: closing records {said:?}");
        let boots = String::from_utf8(ward.bedside.run("boots", &[])?.stdout)?;
        ensure!(boots.contains("panic; its death is here whole, "), "{kernel}: {boots}");
    }
    Ok(())
}

/// The last line of all comes after the kernel has done what it does in a panic.
#[test]
fn a_machine_that_lies_still_is_heard_to_its_last_word() -> Result<()> {
    for kernel in ["6.1", "7"] {
        let ward = Ward::admit(kernel, Death::Panic, HIDDEN_THEN_DEATH, |_| {})?;
        ward.machine.wait_for("end Kernel panic", 1)?;
        let items = ward.heard("end Kernel panic")?;
        ensure_whole(kernel, &items, &ward.console()?)?;
    }
    Ok(())
}

/// A card that sends its queue every 50 ms only; 3,000 lines just before the panic.
#[test]
fn a_slow_card_and_a_flood_cost_nothing() -> Result<()> {
    const FLOOD: &str = r#"
insmod /bedside_netconsole.ko netconsole=+@/eth0,DOCTOR && echo loaded
i=0
while [ $i -lt 3000 ]; do
  echo "<6>lab: line $i of a flood that comes just before the panic" > /dev/kmsg
  i=$((i + 1))
done
"#;
    for kernel in ["6.1", "7"] {
        let slow = |order: &mut Order<'_>| {
            order.card += ",tx=timer,x-txtimer=50000000";
        };
        let mut ward = Ward::admit(kernel, Death::PanicThenRestart, FLOOD, slow)?;
        ward.machine.wait_for_end()?;
        let items = ward.heard_with_its_death()?;
        let deaths = deaths(&items);
        let whole = |death: &Delivery| death.missing == 0 && death.records > 400;
        ensure!(deaths.iter().all(whole), "{kernel}: {deaths:?}");
    }
    Ok(())
}

/// What the doctor says of how much of each death it holds.
fn deaths(items: &[Item]) -> Vec<Delivery> {
    let deaths = items.iter().filter_map(|item| match item {
        Item::Boot(boot) => boot.death,
        _ => None,
    });
    deaths.collect()
}

/// objtool looks at the logic as well, which no compiler of the kernel's has made.
#[test]
fn the_kernels_own_judge_has_no_objection() -> Result<()> {
    for kernel in KERNELS {
        let log = vm::kernel(&HOME, kernel)?.build_log()?;
        ensure!(log.contains("LD [M]"), "{kernel}: nothing was built:\n{log}");
        let warnings = log.lines().filter(|line| line.contains("warning:"));
        let warnings: Vec<&str> = warnings.collect();
        ensure!(warnings.is_empty(), "{kernel}: {warnings:?}");
    }
    Ok(())
}
