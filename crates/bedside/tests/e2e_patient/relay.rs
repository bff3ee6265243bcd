//! `relay`, where netconsole can't be used.

use anyhow::{Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::vm::Death;

use crate::ward::{Ward, ensure_said, said, texts};

/// The second relay goes on where the first one ended.
const RELAYED: &str = r#"
relay() { bedside-patient relay DOCTOR & relay=$!; }
relay; usleep 500000
echo '<6>one' > /dev/kmsg; usleep 300000
kill $relay; wait $relay; echo "relay: $?"
echo '<6>two' > /dev/kmsg
relay; echo '<6>three' > /dev/kmsg; usleep 500000
kill -9 $relay; wait $relay 2> /dev/null
relay; echo '<6>last words of the script' > /dev/kmsg; usleep 500000
kill $relay
"#;

#[test]
fn a_relay_sends_the_whole_log_each_line_once() -> Result<()> {
    let ward = Ward::open()?;
    let machine = ward.admit("6.1", Death::PowerOff, RELAYED)?;
    ensure_said("6.1", &said(&machine)?, &["relay: 0"])?;
    let items = ward.heard("last words of the script")?;
    let texts = texts(&items);
    ensure!(texts[0].starts_with("Linux version"), "begins with {:?}", texts[0]);
    for text in ["one", "two", "three"] {
        let times = texts.iter().filter(|told| **told == text).count();
        ensure!(times == 1, "{text:?} is told {times} times");
    }
    let gaps = items.iter().filter(|item| matches!(item, Item::Gap(_))).count();
    ensure!(gaps == 0, "{gaps} gaps");
    Ok(())
}
