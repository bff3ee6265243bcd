//! `bedside log -f`: the records received last, then what comes in.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bedside_store::follow::FollowItem;
use bedside_store::read::{BootSummary, Error, Item, Reader};

use super::pieces::{Log, Piece};
use crate::cli::{LogArgs, Output};
use crate::reading::Hosts;
use crate::render::{Live, Look, Recent};
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
    log.boots.iter().for_each(|chosen| live.knows(chosen.boot));
    for item in received_last(log, args.lines.unwrap_or(FIRST_LINES))? {
        live.show(&item, None, out)?;
    }
    let mut tally = Tally::new(log.reader, args.output);
    loop {
        live.settle(out)?;
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
fn received_last(log: &Log<'_>, count: usize) -> Result<Vec<FollowItem>, Error> {
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
    Ok(last.into_iter().map(follow_item).collect())
}

/// The same of a pattern's matches, which have no gaps among them.
fn last_matches(log: &Log<'_>, count: usize) -> Result<Vec<FollowItem>, Error> {
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
    Ok(last.into_iter().map(follow_item).collect())
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
