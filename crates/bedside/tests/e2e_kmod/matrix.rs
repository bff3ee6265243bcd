//! Every way to die on every kernel: what of it the module delivers, and what stock netconsole.
//!
//! A part of it is a test like others. All of it, printed as a table:
//!
//! ```text
//! cargo test -p bedside --features vm,heavy --test e2e_kmod the_whole_matrix -- --nocapture
//! ```

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::serial::{Console, Line, Word, tellings};
#[cfg(feature = "heavy")]
use bedside_lab::vm;
use bedside_lab::vm::{Death, Wire};

#[cfg(feature = "heavy")]
use crate::ward::{CHOSEN, HOME};
use crate::ward::{Desk, Ward};
#[cfg(feature = "heavy")]
use crate::ways::chosen;
use crate::ways::{ALL_HARDWARE, WAYS, Way};

/// What sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Module,
    #[cfg(feature = "heavy")]
    Netconsole,
}

/// What came of a death.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Lines on the serial console since it began.
    pub(crate) lines: usize,
    /// So many of them were heard.
    pub(crate) heard: usize,
    /// The doctor says that it is here whole.
    pub(crate) whole: bool,
    /// The machine did what its kernel was told to do in the end.
    pub(crate) ended: bool,
}

impl Outcome {
    /// Nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.heard == self.lines && self.whole && self.ended
    }
}

/// A machine that dies, and what its card's cable leads to.
pub(crate) struct Dying {
    pub(crate) way: &'static Way,
    pub(crate) ward: Ward,
    _wire: Option<Wire>,
}

impl Dying {
    /// Lets a machine die.
    pub(crate) fn admit(way: &'static Way, kernel: &str, sender: Sender) -> Result<Dying> {
        Dying::admit_to(Desk::new()?, way, kernel, &script(way, sender, ""), None)
    }

    /// The same, with such a doctor, of a machine that goes on from `state` if there is one.
    pub(crate) fn admit_to(
        desk: Desk<'_>,
        way: &'static Way,
        kernel: &str,
        script: &str,
        state: Option<&Path>,
    ) -> Result<Dying> {
        let wire = way.wire.then(Wire::lay).transpose()?;
        let card = std::env::var("BEDSIDE_CARD").ok();
        let flavour = match way.flavour {
            _ if kernel == "checked" => "",
            "" if card.is_some() => ALL_HARDWARE,
            flavour => flavour,
        };
        let ward = Ward::admit_to(desk, &[kernel, flavour].concat(), way.death, script, |order| {
            order.card = card.unwrap_or(order.card.clone());
            order.wire = wire.as_ref().map(Wire::port);
            way.words.clone_into(&mut order.words);
            order.state = state.map(Path::to_owned);
            // Several of them run at once, and one that looks at itself is slow.
            order.lifetime *= 5;
            if kernel == "checked" {
                // Who gets a card's interrupt is computed in a loop by the ACPI of the usual board:
                // this kernel needs more for it than the 30 s that it has.
                order.board = "q35";
            }
            (way.more)(order);
        })?;
        Ok(Dying { way, ward, _wire: wire })
    }

    /// Waits for its end, and tells what came of it.
    pub(crate) fn end(&mut self) -> Result<Outcome> {
        let Dying { way, ward, .. } = self;
        if way.nmi {
            ward.has_said("ready")?;
            ward.machine.inject_nmi()?;
        }
        let ended = match way.death {
            Death::Panic => ward.machine.wait_for(LAST_WORD, 1).map(|()| {
                // It goes out a moment after it stands on the console, or never.
                ward.heard_within(Duration::from_secs(20), LAST_WORD).ok();
            }),
            _ => ward.machine.wait_for_end(),
        };
        let items = all_that_was_heard(ward)?;
        let console = ward.machine.console()?;
        let lines = last_lines(&console)
            .with_context(|| format!("{}: {}", way.name, String::from_utf8_lossy(&console)))?;
        let (heard, whole, ended) = (heard(&lines, &items), ward.says_whole()?, ended.is_ok());
        Ok(Outcome { lines: lines.len(), heard, whole, ended })
    }
}

/// What a machine does that is to die: what was said before its sender came has long gone out when
/// it does. `wait` comes when that is there.
pub(crate) fn script(way: &Way, sender: Sender, wait: &str) -> String {
    let load = match sender {
        Sender::Module => "insmod /bedside_netconsole.ko netconsole=+@/$card,DOCTOR",
        #[cfg(feature = "heavy")]
        Sender::Netconsole => "modprobe netconsole netconsole=+@/$card,DOCTOR",
    };
    let Way { before, action, .. } = way;
    format!(
        "card=eth0\n{before}\n{load} || poweroff -f\nsleep 1\n{wait}\n\
         if type flood > /dev/null; then flood; fi\nsay '{MARK}'\n{action}\n"
    )
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

/// The way of this name, which has to be there.
pub(crate) fn named(name: &str) -> Result<&'static Way> {
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
        ("7", "transmit queue over its limit"),
        ("7", "a line printed while sending"),
        ("6.1", "panic in the card's poll"),
        ("6.1", "an oops that the kernel survives"),
        ("6.1", "bond"),
        ("7", "VLAN"),
        ("6.12", "sysrq-b"),
    ] {
        let way = named(name)?;
        let outcome = Dying::admit(way, kernel, Sender::Module)?.end()?;
        // An oops that is survived has half a second, which a busy host may take away.
        let whole = outcome.whole || way.death == Death::PowerOff;
        ensure!(Outcome { whole, ..outcome }.is_whole(), "{kernel}, {name}: {outcome:?}");
    }
    // What this CPU was sending with when it died is left alone, so that it can restart.
    let way = named("transmit lock held by the dying CPU")?;
    let outcome = Dying::admit(way, "7", Sender::Module)?.end()?;
    ensure!(outcome.ended, "{outcome:?}");
    Ok(())
}

/// Prints the table that is in `kmod/README.md`; of the kernels that `BEDSIDE_KERNELS` names, if it
/// does, and the deaths that `BEDSIDE_DEATHS` names; with the card that `BEDSIDE_CARD` names, as
/// QEMU does, where the way to die asks for none; of the module alone, if `BEDSIDE_STOCK` is `no`.
#[cfg(feature = "heavy")]
#[test]
#[expect(clippy::print_stdout, reason = "a table is what it is for")]
fn the_whole_matrix() -> Result<()> {
    let releases: Vec<String> = CHOSEN.iter().map(|name| release(name)).collect::<Result<_>>()?;
    println!("| death | {} |\n|---{}|", releases.join(" | "), "|---".repeat(CHOSEN.len()));
    let mut failed = Vec::new();
    for way in chosen() {
        let columns: Vec<Result<String>> = std::thread::scope(|scope| {
            let cells: Vec<_> =
                CHOSEN.iter().map(|kernel| scope.spawn(move || cell(way, kernel))).collect();
            cells.into_iter().map(|cell| cell.join().expect("no panic")).collect()
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

/// `7.3.4` of `7.3.4+deb13-cloud-amd64`.
#[cfg(feature = "heavy")]
fn release(kernel: &str) -> Result<String> {
    let release = vm::kernel(&HOME, kernel)?.release()?;
    Ok(release.split(['+', '-']).next().unwrap_or_default().to_owned())
}

/// `44/44 whole · 0/44`: lines heard of the module and on its console, the same of stock netconsole.
#[cfg(feature = "heavy")]
fn cell(way: &'static Way, kernel: &str) -> Result<String> {
    let die = |sender| {
        let it = Dying::admit(way, kernel, sender)?.end()?;
        let (whole, ended) =
            (if it.whole { " whole" } else { "" }, if it.ended { "" } else { ", hangs" });
        Ok::<_, anyhow::Error>(format!("{}/{}{whole}{ended}", it.heard, it.lines))
    };
    let module = die(Sender::Module)?;
    if std::env::var("BEDSIDE_STOCK").is_ok_and(|wanted| wanted == "no") {
        return Ok(module);
    }
    Ok(format!("{module} · {}", die(Sender::Netconsole)?))
}

/// Of a machine that lies still.
const LAST_WORD: &str = "end Kernel panic";

const MARK: &str = "it dies now";
