//! Machines that panic, with nothing else and with a slow card.

use anyhow::{Result, ensure};
use bedside_lab::answer::{Delivery, Item};
use bedside_lab::serial::{self, Console};
use bedside_lab::vm::{Death, Order};

use crate::ward::{KERNELS, Ward, deaths};

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
