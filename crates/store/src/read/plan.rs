//! Which blocks hold a boot, sorted into the groups of its order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use bedside_stream::{RunId, WallTime};

use super::Window;
use super::parts::{Part, Place, Seen};
use super::runs::Runs;
use super::segments::At;

/// The order within a group: by number, ties by arrival. Groups without numbers have 0 there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) seq: u64,
    pub(super) at: At,
}

/// The part of a group that one block holds.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) place: Place,
    /// No line of the group in this block stands before the first key, nor behind the last.
    pub(super) keys: RangeInclusive<Key>,
    /// The highest number that runs with a gap in this block had reached before it.
    pub(super) reached: Vec<(RunId, u64)>,
}

/// Lines of a boot that stand together: one of our ports, with numbers or without.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) port: u16,
    pub(super) numbered: bool,
    /// Runs with records in it.
    pub(super) runs: BTreeSet<RunId>,
    /// Runs whose gaps stand in it.
    pub(super) gap_runs: BTreeSet<RunId>,
    /// All of these.
    pub(super) all_runs: BTreeSet<RunId>,
    /// In order of arrival.
    pub(super) pieces: Vec<Piece>,
    first: At,
}

/// The groups of a boot, in order. A run's gaps stand among its numbered records if it has any:
/// behind the highest number that it had reached when the gap was noticed.
pub(super) fn groups(runs: &Runs, parts: &[Part]) -> Vec<Group> {
    let numbered = |seen: &&Seen| seen.numbered.is_some();
    let numbered: BTreeSet<RunId> =
        parts.iter().flat_map(|part| part.seen.iter().filter(numbered)).map(|s| s.run).collect();
    let mut builder = Builder { runs, numbered, reached: HashMap::new(), groups: BTreeMap::new() };
    for part in parts {
        for seen in &part.seen {
            builder.seen(&part.place, seen);
        }
    }
    let mut groups: Vec<Group> = builder.groups.into_values().collect();
    groups.sort_by_key(|group| group.first);
    groups
}

struct Builder<'a> {
    runs: &'a Runs,
    /// The runs that have numbered records.
    numbered: BTreeSet<RunId>,
    /// The highest number of each up to here.
    reached: HashMap<RunId, u64>,
    groups: BTreeMap<(u16, bool), Group>,
}

impl Builder<'_> {
    fn seen(&mut self, place: &Place, seen: &Seen) {
        let Some(known) = self.runs.get(seen.run) else { return };
        let port = known.run().key.port();
        let reached = self.reached.get(&seen.run).copied();
        if let Some(held) = seen.numbered {
            let group = self.group((port, true), place.entry(held.first));
            group.runs.insert(seen.run);
            group.all_runs.insert(seen.run);
            group.add(place, held.low..=held.high);
            self.reached.insert(seen.run, reached.unwrap_or(0).max(held.high));
        }
        if let Some(first) = seen.plain {
            let group = self.group((port, false), place.entry(first));
            group.runs.insert(seen.run);
            group.all_runs.insert(seen.run);
            group.add(place, 0..=0);
        }
        if let Some(first) = seen.gap {
            let numbered = self.numbered.contains(&seen.run);
            let reached = reached.unwrap_or(0);
            let high = self.reached.get(&seen.run).copied().unwrap_or(0);
            let group = self.group((port, numbered), place.entry(first));
            group.gap_runs.insert(seen.run);
            group.all_runs.insert(seen.run);
            let piece = group.add(place, if numbered { reached..=high } else { 0..=0 });
            piece.reached.push((seen.run, reached));
        }
    }

    fn group(&mut self, (port, numbered): (u16, bool), first: At) -> &mut Group {
        let group = self.groups.entry((port, numbered)).or_insert_with(|| Group {
            port,
            numbered,
            runs: BTreeSet::new(),
            gap_runs: BTreeSet::new(),
            all_runs: BTreeSet::new(),
            pieces: Vec::new(),
            first,
        });
        group.first = group.first.min(first);
        group
    }
}

impl Group {
    /// Makes the block's piece reach over these numbers too.
    fn add(&mut self, place: &Place, seqs: RangeInclusive<u64>) -> &mut Piece {
        let low = Key { seq: *seqs.start(), at: place.first };
        let high = Key { seq: *seqs.end(), at: place.last };
        if self.pieces.last().is_none_or(|piece| piece.place.first != place.first) {
            let keys = low..=high;
            self.pieces.push(Piece { place: place.clone(), keys, reached: Vec::new() });
        }
        let last = self.pieces.len() - 1;
        let piece = &mut self.pieces[last];
        piece.keys = low.min(*piece.keys.start())..=high.max(*piece.keys.end());
        piece
    }

    /// The pieces that items received within `window` can be told from: those that have some
    /// and, in numbered groups, all that could fill a hole in front of one.
    pub(super) fn within(&self, window: Window) -> Vec<Piece> {
        let inside = |piece: &&Piece| piece.place.meets(window);
        let mut pieces: Vec<Piece> = self.pieces.iter().filter(inside).cloned().collect();
        if !self.numbered || pieces.len() == self.pieces.len() || pieces.is_empty() {
            return pieces;
        }
        let Some(low) = pieces.iter().map(|piece| piece.keys.start().seq).min() else {
            return pieces;
        };
        let Some(high) = pieces.iter().map(|piece| piece.keys.end().seq).max() else {
            return pieces;
        };
        let before = self.pieces.iter().filter(|piece| piece.keys.end().seq < low);
        let neighbour = before.map(|piece| piece.keys.end().seq).max();
        let meets = |piece: &&Piece| {
            let (start, end) = (piece.keys.start().seq, piece.keys.end().seq);
            (start <= high && end >= low) || Some(end) == neighbour
        };
        pieces = self.pieces.iter().filter(meets).cloned().collect();
        pieces
    }
}

impl Place {
    fn meets(&self, window: Window) -> bool {
        let (first, last): (WallTime, WallTime) = self.received;
        window.since.is_none_or(|since| last >= since)
            && window.until.is_none_or(|until| first <= until)
    }
}
