//! Hearts that stopped, as cases.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use bedside_stream::{RunId, Voice, WallTime};
use bedside_triage::{Incident, Kind};

use super::book::{Book, Error};
use super::case::{Case, Key, Patient, fingerprint_of_flatline};
use crate::pulse::{Found, Pulse};

/// The flatlines that a store's heartbeats tell of and the book does not, `most` of them; but not
/// those of machines whose death was heard: that is known already, and better.
pub(crate) fn cases(data: &Path, book: &Book, most: usize) -> Result<Vec<Case>, Error> {
    let found = Found::read(data).unwrap_or_default();
    let mut cases = Vec::new();
    for pulse in found.flatlines() {
        if cases.len() == most {
            break;
        }
        let case = case(pulse);
        if book.holds(case.key)? {
            continue;
        }
        let from = WallTime(pulse.last.saturating_sub(DEATH_US));
        let to = WallTime(pulse.last.saturating_add(DEATH_US));
        let deaths = book.deaths_between(&case.of.host, from, to)?;
        let is_its =
            |(source, signed): &(Option<IpAddr>, bool)| pulse.may_have_died(*source, *signed);
        if !deaths.iter().any(is_its) {
            cases.push(case);
        }
    }
    Ok(cases)
}

fn case(pulse: &Pulse) -> Case {
    let host = pulse.host.as_deref().map_or_else(|| pulse.address.to_string(), str::to_owned);
    let last = WallTime(pulse.last);
    let incident = Incident {
        kind: Kind::Flatline,
        severity: Kind::Flatline.severity(),
        title: format!("flatline of {host}"),
        settled: true,
        fingerprint: fingerprint_of_flatline(&host),
        ..Incident::default()
    };
    Case {
        key: Key::of_flatline(&pulse.boot_id.to_string(), last),
        of: Patient {
            run: RunId(0),
            root: RunId(0),
            host,
            boot: 0,
            source: SocketAddr::new(pulse.address, 0),
            release: None,
            voice: Voice::Plain,
        },
        first: last,
        last,
        open: false,
        incident,
    }
}

/// How far a machine's last words and its last heartbeat lie apart at most.
const DEATH_US: u64 = 120_000_000;
