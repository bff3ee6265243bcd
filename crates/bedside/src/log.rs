//! `bedside log`: chooses boots, reads them, leaves out what was not asked for, and shows the
//! rest.

mod choose;
mod filter;
mod follow;
mod needle;
mod pieces;
mod search;

use std::cell::{LazyCell, RefCell};
use std::io::{self, BufWriter, IsTerminal as _, Write};

use bedside_store::StoredRecord;
use bedside_store::read::{BootSummary, Finds, Gap, Item, Reader, Search, Window};
use bedside_stream::WallTime;
use jiff::tz::TimeZone;

use self::choose::Chosen;
use self::filter::Filter;
use self::pieces::{Log, Piece};
use crate::cli::{LogArgs, Output};
use crate::closing::{Closings, Delivery};
use crate::fate::Beside;
use crate::incidents::OfRecords;
use crate::reading::{self, Hosts};
use crate::render::columns::columns;
use crate::render::escape::Escaped;
use crate::render::{self, BootEvent, BootMark, Look, Palette, Render, Shown};
use crate::{Exit, exit, time};

pub(crate) use self::filter::pattern;

/// Shows what was heard.
pub fn run(args: &LogArgs) -> anyhow::Result<Exit> {
    if is_refused(args, io::stdout().is_terminal()) {
        return Ok(exit::tell(
            Exit::Usage,
            "-o raw writes what kernels sent, and a terminal would obey it: send it to a file or \
             a pipe, or give --force",
        ));
    }
    let Some(window) = reading::window(args.since, args.until) else {
        return Ok(exit::tell(Exit::Usage, reading::NO_TIME));
    };
    let hosts = Hosts::new(&args.hosts);
    let filter = Filter::new(args.priority, args.grep.clone());
    let beside = Beside::read(&reading::dir(&args.data)?)?;
    let (reader, found) = open(args, &hosts, &filter, &beside)?;
    let boots = reader.boots(time::now());
    if let Some(missing) = missing(args, &hosts, &boots) {
        return Ok(exit::tell(Exit::Problem, &missing));
    }
    let mut out = BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, render::stdout());
    if !args.follow {
        hosts.tell_unheard(&boots)?;
    }
    let chosen = choose::boots(&boots, &hosts, args.boot, window);
    let loose = loose_gaps(args, &reader, window, &chosen)?;
    let (filter, found, deaths) = (&filter, RefCell::new(found), &beside.deaths);
    let log = Log { reader: &reader, boots: &chosen, window, filter, loose, found, deaths };
    let exit = show(args, &hosts, &log, &beside, &mut out)?;
    out.flush()?;
    reading::tell_damage(&reader)?;
    reading::tell_homeless(&beside.deaths, &boots, &hosts)?;
    reading::tell_strangers(&reader, &hosts, args.strangers.all)?;
    Ok(exit)
}

/// Whether the exact bytes would go to a terminal unasked.
fn is_refused(args: &LogArgs, to_terminal: bool) -> bool {
    args.output == Output::Raw && to_terminal && !args.force
}

/// Opens the store, as much of it as is needed; perhaps with all that was looked for.
fn open(
    args: &LogArgs,
    hosts: &Hosts,
    filter: &Filter,
    beside: &Beside,
) -> anyhow::Result<(Reader, Option<Finds>)> {
    let LogArgs { boot, since, until, lines, follow, .. } = args;
    let all = hosts.are_all() && !args.strangers.all && boot.is_none() && !follow;
    let all = all && beside.deaths.are_none();
    let ever = since.is_none() && until.is_none();
    if all && ever && lines.is_none() && filter.pattern.is_some() {
        let wants = |record: &StoredRecord<'_>, text: &[u8]| filter.wants_stored(record, text);
        let window = Window::default();
        let search = Search { needle: &filter.needle, wants: &wants, window };
        if let Some((reader, found)) = Reader::open_found(&reading::dir(&args.data)?, &search)? {
            return Ok((reader, Some(found)));
        }
    }
    let reader = reading::open_for(&args.data, hosts, args.strangers.all, args.follow)?;
    Ok((reader, None))
}

fn show(
    args: &LogArgs,
    hosts: &Hosts,
    log: &Log<'_>,
    beside: &Beside,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let look = look(args, hosts, log);
    if args.follow {
        return follow::run(args, hosts, log, look, out);
    }
    // Where nothing would show them, they are not looked for.
    let shows =
        look.palette != Palette::plain() || matches!(args.output, Output::Full | Output::Json);
    let incidents = if shows { OfRecords::open(log.reader.dir()) } else { OfRecords::default() };
    let printer = Printer::new(args.output, look, log.reader, beside);
    let printer = Printer { incidents, ..printer };
    let mut printer = if args.grep.is_some() { printer.of_search(log) } else { printer };
    let mut print = |piece: &Piece<'_>| anyhow::Ok(printer.print(piece, out)?);
    match (args.lines, args.reverse) {
        (None, false) => log.oldest_first().try_for_each(|piece| print(&piece?))?,
        (None, true) => log.newest_first().try_for_each(|piece| print(&piece?))?,
        (Some(count), true) => log.last(count)?.iter().try_for_each(print)?,
        (Some(count), false) => log.last(count)?.iter().rev().try_for_each(print)?,
    }
    printer.render.settle(out)?;
    Ok(match printer.records {
        0 if args.grep.is_some() => Exit::Problem,
        0 if log.window != Window::default() && args.priority.is_none() => {
            exit::tell(Exit::Well, "nothing was heard in that time")
        }
        _ => Exit::Well,
    })
}

/// Writes pieces, and counts the records among them.
struct Printer<'a> {
    render: Box<dyn Render>,
    reader: &'a Reader,
    beside: &'a Beside,
    incidents: OfRecords,
    counts_boots: bool,
    /// Where a boot ends its last records are looked at, if they may tell of a death.
    closings: LazyCell<Closings, Box<dyn FnOnce() -> Closings + 'a>>,
    now: WallTime,
    records: u64,
}

impl<'a> Printer<'a> {
    fn new(output: Output, look: Look, reader: &'a Reader, beside: &'a Beside) -> Printer<'a> {
        Printer {
            render: render::renderer(output, look),
            reader,
            beside,
            incidents: OfRecords::default(),
            counts_boots: output == Output::Json,
            closings: LazyCell::new(Box::new(Closings::unknown)),
            now: time::now(),
            records: 0,
        }
    }

    /// The same for a search: it is found out first, when a boot ends, which of the boots tell of a
    /// death.
    fn of_search(self, log: &'a Log<'a>) -> Printer<'a> {
        let find = || {
            let boots: Vec<_> = log.boots.iter().map(|one| one.boot).collect();
            Closings::of(log.reader, &boots).unwrap_or_else(|_| Closings::unknown())
        };
        Printer { closings: LazyCell::new(Box::new(find)), ..self }
    }

    fn print(&mut self, piece: &Piece<'_>, out: &mut dyn Write) -> io::Result<()> {
        match piece {
            Piece::Item(Item::Record(record)) => {
                self.records += 1;
                match self.incidents.of(record) {
                    Some(id) => self.render.show(Shown::OfIncident(record, id), out),
                    None => self.render.show(Shown::Record(record), out),
                }
            }
            Piece::Pstore(record) => {
                self.records += 1;
                self.render.show(Shown::Pstore(record), out)
            }
            Piece::Item(Item::Gap(gap)) => self.render.show(Shown::Gap(gap), out),
            Piece::Begin(chosen) => self.mark(chosen, BootEvent::Begin, out),
            Piece::End(chosen, end) => self.mark(chosen, BootEvent::End(*end), out),
        }
    }

    fn mark(&mut self, one: &Chosen<'_>, event: BootEvent, out: &mut dyn Write) -> io::Result<()> {
        let records = if self.counts_boots { one.records(self.reader) } else { None };
        let (boot, before, now) = (one.boot, one.before, self.now);
        let ends = matches!(event, BootEvent::End(_));
        let fate = self.beside.fate(boot, one.next).filter(|_| ends);
        let reads = ends && self.closings.may_be_of(boot);
        let delivery = reads.then(|| Delivery::of(self.reader, boot).ok().flatten()).flatten();
        let mark = BootMark { event, boot, records, before, fate, delivery, now };
        self.render.show(Shown::Boot(&mark), out)
    }
}

/// What to say when what was named is not there.
fn missing(args: &LogArgs, hosts: &Hosts, boots: &[BootSummary]) -> Option<String> {
    if args.follow {
        return None; // It may still come.
    }
    if !hosts.are_all() && !boots.iter().any(|boot| hosts.contain_boot(boot)) {
        return Some(hosts.not_held());
    }
    let choice = args.boot?;
    let none = choose::boots(boots, hosts, Some(choice), Window::default()).is_empty();
    none.then(|| format!("no boot {choice} is held: `bedside boots` lists those that are"))
}

/// The gaps that belong to no boot, as far as they lie in what was asked for.
fn loose_gaps(
    args: &LogArgs,
    reader: &Reader,
    window: Window,
    chosen: &[Chosen<'_>],
) -> anyhow::Result<Vec<Gap>> {
    let mut loose = reader.loose_gaps()?;
    let spans = |time: WallTime| {
        chosen.iter().any(|one| {
            one.boot.first_received <= time
                && (!one.boot.superseded || time <= one.boot.last_received)
        })
    };
    loose.retain(|gap| {
        window.contains(gap.received) && (args.boot.is_none() || spans(gap.received))
    });
    Ok(loose)
}

fn look(args: &LogArgs, hosts: &Hosts, log: &Log<'_>) -> Look {
    // Names are lined up with those of boots too in which nothing was found.
    let all = log.found.borrow().as_ref().map(|_| log.reader.host_names()).unwrap_or_default();
    let mut names: Vec<&str> = log.boots.iter().map(|one| &*one.boot.host).collect();
    names.extend(all.iter().map(String::as_str));
    names.sort_unstable();
    names.dedup();
    let width = |name: &&str| columns(&Escaped(name.as_bytes()).to_string());
    let widest = names.iter().map(width).max().unwrap_or(0);
    Look {
        palette: Palette::new(args.output != Output::Json && render::colours_on_stdout()),
        zone: TimeZone::system(),
        several_hosts: names.len() > 1 || (args.follow && hosts.may_be_several()),
        host_width: widest.min(HOST_MAX_WIDTH),
        filtered: !args.follow && (args.priority.is_some() || args.grep.is_some()),
    }
}

/// Names above this are not lined up with the others.
const HOST_MAX_WIDTH: usize = 24;
const OUTPUT_BUFFER_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_bytes_go_to_a_terminal_only_if_they_are_forced_to() {
        let raw = LogArgs { output: Output::Raw, ..LogArgs::default() };
        assert!(is_refused(&raw, true));
        assert!(!is_refused(&raw, false));
        assert!(!is_refused(&LogArgs { force: true, ..raw }, true));
        assert!(!is_refused(&LogArgs::default(), true));
    }
}
