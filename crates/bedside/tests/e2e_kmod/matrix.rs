//! Every way to die on every kernel: what of it the module delivers, and what stock netconsole.
//!
//! A part of it is a test like others. All of it, printed as a table:
//!
//! ```text
//! cargo test -p bedside --features vm,heavy --test e2e_kmod the_whole_matrix -- --nocapture
//! ```

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::serial::{Console, Line, Word, tellings};
use bedside_lab::vm::{Death, Wire};

use crate::ward::{Ward, deaths};
use crate::ways::{WAYS, Way};

/// What sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Module,
    #[cfg(feature = "heavy")]
    Netconsole,
}

/// What came of a death.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Lines on the serial console since it began.
    lines: usize,
    /// So many of them were heard.
    heard: usize,
    /// The doctor says that it is here whole.
    whole: bool,
    /// The machine did what its kernel was told to do in the end.
    ended: bool,
}

/// Kills a machine.
fn kill(way: &Way, kernel: &str, sender: Sender) -> Result<Outcome> {
    let load = match sender {
        Sender::Module => "insmod /bedside_netconsole.ko netconsole=+@/$card,DOCTOR",
        #[cfg(feature = "heavy")]
        Sender::Netconsole => "modprobe netconsole netconsole=+@/$card,DOCTOR",
    };
    let Way { before, action, .. } = way;
    // What was said before the module came has long gone out when the machine dies.
    let script = format!(
        "card=eth0\n{before}\n{load} || poweroff -f\nsleep 1\n\
         if type flood > /dev/null; then flood; fi\nsay '{MARK}'\n{action}\n"
    );
    let wire = way.wire.then(Wire::lay).transpose()?;
    let mut ward = Ward::admit(kernel, way.death, &script, |order| {
        order.wire = wire.as_ref().map(Wire::port);
        way.words.clone_into(&mut order.words);
        (way.more)(order);
    })?;
    if way.nmi {
        ward.has_said("ready")?;
        ward.machine.inject_nmi()?;
    }
    let ended = match way.death {
        Death::Panic => ward.machine.wait_for("end Kernel panic", 1),
        _ => ward.machine.wait_for_end(),
    };
    let items = all_that_was_heard(&ward)?;
    let console = ward.machine.console()?;
    let lines = last_lines(&console).with_context(|| {
        format!("{kernel}, {}: {}", way.name, String::from_utf8_lossy(&console))
    })?;
    let deaths = deaths(&items);
    let whole = !deaths.is_empty() && deaths.iter().all(|death| death.missing == 0);
    Ok(Outcome { lines: lines.len(), heard: heard(&lines, &items), whole, ended: ended.is_ok() })
}

/// What is sent last is heard last: then all before it was.
fn all_that_was_heard(ward: &Ward) -> Result<Vec<Item>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.send_to(b"nothing comes any more\n", (Ipv4Addr::LOCALHOST, ward.ports[0]))?;
    ward.heard("nothing comes any more")
}

/// The console's lines since the mark; of a kernel that survives, until it says so.
fn last_lines(console: &[u8]) -> Option<Vec<Line>> {
    let console = Console::parse(console);
    let boot = console.boots.last()?;
    let said = |words: &str| boot.iter().position(|line| line.text.ends_with(words.as_bytes()));
    let end = said("it lives on").unwrap_or(boot.len());
    Some(boot.get(said(MARK)? + 1..end)?.to_vec())
}

/// How many of the lines were heard.
fn heard(lines: &[Line], items: &[Item]) -> usize {
    let mut heard: Vec<Line> = Vec::new();
    for telling in tellings(items).into_iter().filter(|telling| telling.format == "extended") {
        heard.extend(telling.words.into_iter().filter_map(|word| match word {
            Word::Line(line) => Some(line),
            Word::Gap(_) => None,
        }));
    }
    lines.iter().filter(|line| heard.contains(line)).count()
}

/// The ways of these names; each has to be there.
fn named(name: &str) -> Result<&'static Way> {
    WAYS.iter().find(|way| way.name == name).with_context(|| format!("no way {name}"))
}

/// Those that once needed something of their own.
#[test]
fn a_part_of_the_matrix() -> Result<()> {
    for (kernel, name) in [
        ("6.1", "VLAN"),
        ("6.12", "VLAN"),
        ("7", "NMI"),
        ("7", "NULL dereference in a hard irq"),
        ("7", "stack overflow"),
        ("7", "transmit lock held elsewhere"),
        ("6.1", "panic in the card's poll"),
        ("6.1", "an oops that the kernel survives"),
        ("6.1", "bond"),
        ("7", "VLAN"),
        ("6.12", "sysrq-b"),
    ] {
        let way = named(name)?;
        let outcome = kill(way, kernel, Sender::Module)?;
        let Outcome { lines, heard, whole, ended } = outcome;
        let as_told = heard == lines && whole == way.panics() && ended;
        ensure!(as_told, "{kernel}, {name}: {outcome:?}");
    }
    // What this CPU was sending with when it died is left alone, so that it can restart.
    let outcome = kill(named("transmit lock held by the dying CPU")?, "7", Sender::Module)?;
    ensure!(outcome.ended, "{outcome:?}");
    Ok(())
}

/// What once hung a machine or lost lines now and then is whole each time, and it restarts.
#[cfg(feature = "heavy")]
#[test]
fn each_time_in_50_runs() -> Result<()> {
    let hard = ["slow card, 3,000 lines before", "transmit lock held elsewhere", "bond"];
    for (run, name) in (0..50).flat_map(|run| hard.map(|name| (run, name))) {
        let outcome = kill(named(name)?, "7", Sender::Module)?;
        let Outcome { lines, heard, whole, ended } = outcome;
        ensure!(heard == lines && whole && ended, "run {run}, {name}: {outcome:?}");
    }
    Ok(())
}

/// Prints the table that is in `kmod/README.md`.
#[cfg(feature = "heavy")]
#[test]
#[expect(clippy::print_stdout, reason = "a table is what it is for")]
fn the_whole_matrix() -> Result<()> {
    const KERNELS: [&str; 3] = ["6.1", "6.12", "7"];
    println!("| death | {} |\n|---|---|---|---|", KERNELS.join(" | "));
    let mut failed = Vec::new();
    for way in &WAYS {
        let columns: Vec<Result<String>> = std::thread::scope(|scope| {
            let cells = KERNELS.map(|kernel| scope.spawn(move || cell(way, kernel)));
            cells.map(|cell| cell.join().expect("no panic")).into()
        });
        let columns = columns.into_iter().map(|cell| {
            cell.unwrap_or_else(|error| {
                failed.push(format!("{}: {error:#}", way.name));
                "?".into()
            })
        });
        println!("| {} | {} |", way.name, columns.collect::<Vec<_>>().join(" | "));
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// `44 · 44 whole · 0`: lines on the console, those heard of the module, of stock netconsole.
#[cfg(feature = "heavy")]
fn cell(way: &Way, kernel: &str) -> Result<String> {
    let Some(kernel) = way.kernels.iter().find(|name| name.starts_with(kernel)) else {
        return Ok("–".into());
    };
    let [module, stock] = [Sender::Module, Sender::Netconsole].map(|it| kill(way, kernel, it));
    let (module, stock) = (module?, stock?);
    let lies = |outcome: &Outcome| if outcome.ended { "" } else { ", hangs" };
    let whole = if module.whole { " whole" } else { "" };
    Ok(format!(
        "{}/{}{whole}{} · {}/{}{}",
        module.heard,
        module.lines,
        lies(&module),
        stock.heard,
        stock.lines,
        lies(&stock)
    ))
}

const MARK: &str = "it dies now";
