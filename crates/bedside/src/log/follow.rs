//! `bedside log -f`: the records received last, then what comes in.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bedside_store::follow::{BootChange, FollowItem};
use bedside_store::read::{BootSummary, End, Error, Item, Reader};
use bedside_stream::WallTime;

use super::pieces::{Log, Piece};
use crate::cli::{LogArgs, Output};
use crate::reading::Hosts;
use crate::render::{self, Live, Look, Recent};
use crate::{Exit, time};

/// Shows until it is interrupted or nobody reads any more.
pub(super) fn run(
    args: &LogArgs,
    hosts: &Hosts,
    log: &Log<'_>,
    look: Look,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut follower = log.reader.follow()?;
    let mut live = Live::new(args.output, look);
    let last = received_last(log, args.lines.unwrap_or(FIRST_LINES))?;
    let oldest = last.first().map(Item::received);
    let is_earlier = |boot: &BootSummary| oldest.is_none_or(|oldest| boot.first_received < oldest);
    let earlier = log.boots.iter().map(|chosen| chosen.boot).filter(|boot| is_earlier(boot));
    earlier.for_each(|boot| live.knows(boot));
    let mut tally = Tally::new(log.reader, args.output);
    for item in with_boots(last, log) {
        let records = tally.held(&item);
        live.show(&item, records, out)?;
    }
    loop {
        live.settle(out)?;
        if render::is_unread() {
            return Ok(Exit::Well);
        }
        let mut next = follower.next(PATIENCE)?;
        while let Some(item) = next {
            let records = tally.take(&item);
            if is_wanted(&item, hosts, log) {
                live.show(&item, records, out)?;
            }
            next = follower.next(Duration::ZERO)?;
        }
    }
}

/// The `count` records that were received last, with the gaps before them, by arrival.
fn received_last(log: &Log<'_>, count: usize) -> Result<Vec<Item>, Error> {
    if log.filter.pattern.is_some() {
        return last_matches(log, count);
    }
    let mut boots: Vec<_> = log.boots.iter().map(|chosen| chosen.boot).collect();
    boots.sort_by_key(|boot| std::cmp::Reverse(boot.last_received));
    let mut last: Vec<Item> = Vec::new();
    for boot in boots {
        let enough = records_of(&last).count() >= count;
        let oldest = records_of(&last).map(Item::received).min();
        if enough && oldest.is_none_or(|oldest| boot.last_received <= oldest) {
            break;
        }
        last.extend(of_boot(log, boot, count)?);
        last.sort_by_key(Item::received);
        drop_all_but_last(&mut last, count);
    }
    Ok(last)
}

/// The same of a pattern's matches, which have no gaps among them.
fn last_matches(log: &Log<'_>, count: usize) -> Result<Vec<Item>, Error> {
    let mut last: Vec<Item> = Vec::new();
    for piece in log.oldest_first() {
        if let Piece::Item(item) = piece? {
            last.push(item);
        }
        if last.len() > 2 * count + MATCHES_TOGETHER {
            last.sort_by_key(Item::received);
            drop_all_but_last(&mut last, count);
        }
    }
    last.sort_by_key(Item::received);
    drop_all_but_last(&mut last, count);
    Ok(last)
}

/// Items by arrival, with the beginnings and ends of boots since the first of them.
fn with_boots(items: Vec<Item>, log: &Log<'_>) -> impl Iterator<Item = FollowItem> {
    let oldest = items.first().map_or(WallTime(u64::MAX), Item::received);
    let mut marks = Vec::new();
    let boots = log.boots.iter().map(|chosen| chosen.boot);
    for boot in boots.filter(|boot| boot.last_received >= oldest) {
        let mark = |change| FollowItem::Boot(change, Box::new(boot.clone()));
        marks.push((boot.first_received, 0, mark(BootChange::Began)));
        // Whether silence is an end shows when the next boot begins.
        let end = boot.end.filter(|end| *end != End::Silence || boot.superseded);
        let last = items.iter().filter(|item| is_of(item, boot)).map(Item::received).max();
        let ended = boot.last_received.max(last.unwrap_or_default());
        marks.extend(end.map(|end| (ended, 2, mark(BootChange::Ended(end)))));
    }
    marks.retain(|(at, ..)| *at >= oldest);
    marks.extend(items.into_iter().map(|item| (item.received(), 1, follow_item(item))));
    marks.sort_by_key(|(at, rank, _)| (*at, *rank));
    marks.into_iter().map(|(.., item)| item)
}

fn is_of(item: &Item, boot: &BootSummary) -> bool {
    match item {
        Item::Record(record) => (&record.host, record.boot) == (&boot.host, boot.number),
        Item::Gap(gap) => (gap.host.as_ref(), gap.boot) == (Some(&boot.host), Some(boot.number)),
    }
}

/// The last records of one boot that are wanted, and the gaps among them, oldest first.
fn of_boot(log: &Log<'_>, boot: &BootSummary, count: usize) -> Result<Vec<Item>, Error> {
    let mut last = Vec::new();
    let mut records = 0;
    for item in log.reader.items_rev(boot, log.window)? {
        let item = item?;
        match &item {
            Item::Record(record) if !log.filter.wants(record) => continue,
            Item::Record(_) if records == count => break,
            Item::Record(_) => records += 1,
            Item::Gap(_) => {}
        }
        last.push(item);
    }
    last.reverse();
    Ok(last)
}

/// Keeps `count` records and what came after the first of them.
fn drop_all_but_last(items: &mut Vec<Item>, count: usize) {
    let surplus = records_of(items).count().saturating_sub(count);
    let places = items.iter().enumerate().filter(|(_, item)| matches!(item, Item::Record(_)));
    let first = places.map(|(place, _)| place).nth(surplus);
    items.drain(..first.unwrap_or(items.len()));
}

fn records_of(items: &[Item]) -> impl Iterator<Item = &Item> {
    items.iter().filter(|item| matches!(item, Item::Record(_)))
}

fn follow_item(item: Item) -> FollowItem {
    match item {
        Item::Record(record) => FollowItem::Record(record),
        Item::Gap(gap) => FollowItem::Gap(gap),
    }
}

fn is_wanted(item: &FollowItem, hosts: &Hosts, log: &Log<'_>) -> bool {
    let of_host = |host: &str, ip: Option<IpAddr>| hosts.contain(host, ip);
    match item {
        FollowItem::Record(record) => {
            of_host(&record.host, Some(record.source.ip())) && log.filter.wants(record)
        }
        // A pattern leaves out so much that gaps say nothing.
        FollowItem::Gap(_) if log.filter.pattern.is_some() => false,
        FollowItem::Gap(gap) => {
            gap.host.as_ref().is_none_or(|host| of_host(host, gap.source.map(|source| source.ip())))
        }
        FollowItem::Boot(_, boot) => hosts.contain_boot(boot),
    }
}

/// Counts the records of boots; only JSON says how many there are.
struct Tally<'a> {
    reader: &'a Reader,
    /// What was held of before it began to follow.
    earlier: Vec<BootSummary>,
    since: Recent<(Arc<str>, u32), u64>,
    is_asked: bool,
}

impl<'a> Tally<'a> {
    fn new(reader: &'a Reader, output: Output) -> Tally<'a> {
        let is_asked = output == Output::Json;
        let earlier = if is_asked { reader.boots(time::now()) } else { Vec::new() };
        Tally { reader, earlier, since: Recent::new(BOOTS), is_asked }
    }

    /// Takes the item into account; says how many records there are of the boot it is about.
    fn take(&mut self, item: &FollowItem) -> Option<u64> {
        match item {
            FollowItem::Record(record) if self.is_asked => {
                let boot = (Arc::clone(&record.host), record.boot);
                match self.since.get_mut(&boot) {
                    Some(count) => *count += 1,
                    None => drop(self.since.insert(boot, 1)),
                }
                None
            }
            FollowItem::Boot(_, boot) if self.is_asked => Some(self.of(boot)),
            _ => None,
        }
    }

    /// How many records are held of the boot that an item from before is about.
    fn held(&mut self, item: &FollowItem) -> Option<u64> {
        match item {
            FollowItem::Boot(_, boot) if self.is_asked => Some(self.of(boot)),
            _ => None,
        }
    }

    fn of(&mut self, boot: &BootSummary) -> u64 {
        let since = self.since.get_mut(&(Arc::clone(&boot.host), boot.number)).copied();
        let same = |one: &&BootSummary| (&one.host, one.number) == (&boot.host, boot.number);
        let earlier = self.earlier.iter().find(same);
        let earlier = earlier.and_then(|boot| self.reader.counts(boot).ok());
        since.unwrap_or(0) + earlier.map_or(0, |counts| counts.records)
    }
}

/// How many records it begins with.
const FIRST_LINES: usize = 10;
/// So many matches are sorted together, at least.
const MATCHES_TOGETHER: usize = 1000;
/// Of how many boots at least the records are counted.
const BOOTS: usize = 10_000;
/// How long to wait for something new before looking whether to go on.
const PATIENCE: Duration = Duration::from_secs(1);
