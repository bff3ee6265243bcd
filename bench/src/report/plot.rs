//! What is drawn.

use super::svg::{Bar, Panel, draw};
use crate::measure::drain::{self, Drain};
use crate::measure::figures::thousands;
use crate::measure::paced::{self, Paced};

/// CPU per datagram of each receiver: those loads that the peers had as well.
pub(super) fn drains(drains: &[Drain]) -> String {
    let panels: Vec<Panel> =
        drains.iter().filter(|drain| drain.receivers.len() > 4).map(panel).collect();
    let title = "CPU per datagram of a receiver that empties a full socket";
    draw(title, "ns of CPU per datagram", &panels)
}

fn panel(drain: &Drain) -> Panel {
    let bar = |row: &drain::Row| Bar {
        name: row.receiver.replace('\\', ""),
        value: row.median,
        later: row.settling.unwrap_or_default(),
        ours: row.settling.is_some(),
    };
    Panel {
        title: format!("{}, {} sources", drain.format, thousands(drain.sources.into())),
        bars: drain.receivers.iter().map(bar).collect(),
        most: 5_000.0,
        step: 1_000.0,
        lines: vec![1.0, 1.5, 2.0],
    }
}

/// CPU per datagram where each comes alone.
pub(super) fn paced(paced: &[Paced]) -> String {
    let bar = |row: &paced::Row| Bar {
        name: row.receiver.to_owned(),
        value: row.median,
        later: 0.0,
        ours: row.receiver == "bedside",
    };
    let panel = |paced: &Paced| Panel {
        title: format!("{} datagrams/s", thousands(paced.rate)),
        bars: paced.receivers.iter().map(bar).collect(),
        most: 12_000.0,
        step: 2_000.0,
        lines: vec![0.15, 1.0],
    };
    let panels: Vec<Panel> = paced.iter().map(panel).collect();
    let title = "CPU per datagram of a receiver whose datagrams come one by one";
    draw(title, "ns of CPU per datagram", &panels)
}
