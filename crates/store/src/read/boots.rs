//! Runs to boots.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bedside_stream::{LastWord, RunId, StreamKey, Verdict, Voice, WallTime};

use super::runs::{Known, Runs};
use super::{BootSummary, End, SILENCE_AFTER_US};

/// All boots, by first receipt; those of one host as they were heard, wherever its doctor's clock
/// was put meanwhile. `doctor`: whether somebody listens.
pub(super) fn boots(runs: &Runs, now: WallTime, doctor: bool) -> Vec<BootSummary> {
    let members = by_root(runs).into_iter();
    let boots = members.filter_map(|(root, members)| summary(runs, root, &members));
    // Runs are numbered as they are heard.
    let mut latest = HashMap::<Vec<u8>, WallTime>::new();
    let mut placed: Vec<(WallTime, (Vec<u8>, BootSummary))> = Vec::new();
    for (label, boot) in boots {
        let place = latest.entry(label.clone()).or_default();
        *place = boot.first_received.max(*place);
        placed.push((*place, (label, boot)));
    }
    placed.sort_by_key(|(place, _)| *place);
    let mut boots = placed.into_iter().map(|(_, boot)| boot).collect::<Vec<_>>();
    mark_ends(&mut boots, now, doctor);
    boots.into_iter().map(|(_, boot)| boot).collect()
}

/// The runs of each boot, by the first run of it.
pub(crate) fn by_root(runs: &Runs) -> BTreeMap<RunId, Vec<RunId>> {
    let mut members: BTreeMap<RunId, Vec<RunId>> = BTreeMap::new();
    for known in runs.held() {
        let run = known.run().id;
        members.entry(runs.root(run)).or_default().push(run);
    }
    members
}

/// One boot as its last words tell of it, with the exact bytes of its host's name. None when
/// nothing of it is held, yet or any more.
pub(crate) fn summary(
    runs: &Runs,
    root: RunId,
    members: &[RunId],
) -> Option<(Vec<u8>, BootSummary)> {
    let mut members: Vec<Known<'_>> = members.iter().filter_map(|&run| runs.get(run)).collect();
    members.iter().find(|known| known.has_entries())?;
    members.sort_by_key(|known| (known.run().first_received, known.run().id));
    // Of a root that was deleted with its segment, the oldest run that is left knows most.
    let root = runs.get(root).or_else(|| members.first().copied())?;
    let label = root.state.stored.host_label();
    let end = last_word(&members);
    let signed = members.iter().filter(|known| known.run().key.voice() == Voice::Signed);
    let boot = BootSummary {
        host: shown(&label),
        number: root.state.stored.boot.unwrap_or(0),
        runs: members.iter().map(|known| known.run().id).collect(),
        sources: distinct(members.iter().map(|known| known.run().key.source())),
        ports: distinct(members.iter().map(|known| known.run().key.port())),
        boot_id: members.iter().find_map(|known| known.run().boot_id.clone()),
        release: members.iter().find_map(|known| known.run().release.clone()),
        first_received: members.first()?.run().first_received,
        last_received: members.iter().map(Known::last).max()?,
        end: end.map(|(end, _)| end),
        superseded: false,
        provisional: root.run().verdict == Verdict::Provisional,
        voice: end.map_or_else(|| loudest(&members), |(_, voice)| voice),
        signed_records: signed.clone().map(Known::records).sum(),
        signs: signed.count() > 0,
    };
    Some((label, boot))
}

fn distinct<T: Copy + Eq + std::hash::Hash>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    values.filter(|&value| seen.insert(value)).collect()
}

/// The last word of the run that each port heard last, and whether it was signed: what was is
/// never taken back by what was not. Of several words the signed one counts, then the panic.
/// Another run of the same stream in the same boot only repeats an earlier one.
fn last_word(members: &[Known<'_>]) -> Option<(End, Voice)> {
    let mut last: HashMap<(u16, Voice), Known<'_>> = HashMap::new();
    let said = members.iter().filter(|known| known.run().last_word.is_some());
    let said: HashSet<StreamKey> = said.map(|known| known.run().key).collect();
    let repeats =
        |known: &Known<'_>| known.run().last_word.is_none() && said.contains(&known.run().key);
    for &known in members.iter().filter(|known| !repeats(known)) {
        let key = known.run().key;
        let of_port = last.entry((key.port(), key.voice())).or_insert(known);
        if known.last() >= of_port.last() {
            *of_port = known;
        }
    }
    let words = last
        .values()
        .filter_map(|known| Some((End::from(known.run().last_word?), known.run().key.voice())));
    words.max_by_key(|(end, voice)| (*voice == Voice::Signed, *end == End::Panic))
}

/// Of a boot without a last word.
fn loudest(members: &[Known<'_>]) -> Voice {
    members.iter().map(|known| known.run().key.voice()).max().unwrap_or_default()
}

impl From<LastWord> for End {
    fn from(word: LastWord) -> End {
        match word {
            LastWord::Clean => End::Clean,
            LastWord::Panic => End::Panic,
        }
    }
}

/// Calls the boots silent that no longer speak: a later boot of the host, which nobody forged,
/// began after their last record, nobody listens, or they have not been heard for a while. And
/// says of all boots of a host whether it signs.
fn mark_ends(boots: &mut [(Vec<u8>, BootSummary)], now: WallTime, doctor: bool) {
    let mut later: HashMap<Vec<u8>, WallTime> = HashMap::new();
    let signing = boots.iter().filter(|(_, boot)| boot.signs).map(|(label, _)| label.clone());
    let signing: HashSet<Vec<u8>> = signing.collect();
    for (label, boot) in boots.iter_mut().rev() {
        boot.signs = signing.contains(label);
        let next = later.get(label).copied();
        if boot.voice.is_genuine() {
            later.insert(label.clone(), boot.first_received);
        }
        boot.superseded = next.is_some();
        let replaced = next.is_some_and(|next| next >= boot.last_received);
        let silent = now.0.saturating_sub(boot.last_received.0) >= SILENCE_AFTER_US;
        if boot.end.is_none() && (replaced || silent || !doctor) {
            boot.end = Some(End::Silence);
        }
    }
}

/// The name of a host as it is shown.
fn shown(label: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(label).into()
}
