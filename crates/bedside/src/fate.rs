//! What heartbeats and pstore say of boots, beside their lines.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use bedside_store::read::{BootSummary, End};
use bedside_stream::WallTime;

use crate::pstore::{Death, Deaths};
use crate::pulse::{Found, Life, Pulse};
use crate::render::Fate;

/// All that a store knows beside the lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    pub(crate) pulses: Found,
    pub(crate) deaths: Deaths,
}

impl Beside {
    pub(crate) fn read(data: &Path) -> io::Result<Beside> {
        Ok(Beside { pulses: Found::read(data)?, deaths: Deaths::read(data)? })
    }

    /// The heartbeat of a boot; `next` is when the machine's next boot was heard first.
    pub(crate) fn pulse(&self, boot: &BootSummary, next: Option<WallTime>) -> Option<&Pulse> {
        self.pulses.of_boot(boot, next)
    }

    /// What is known of a boot of which no last word was heard.
    pub(crate) fn fate(&self, boot: &BootSummary, next: Option<WallTime>) -> Option<Fate> {
        if matches!(boot.end, Some(End::Clean | End::Panic)) {
            return None;
        }
        if self.deaths.of(boot).any(Death::is_panic) {
            return Some(Fate::Panic);
        }
        let life = self.pulse(boot, next).map(|pulse| self.pulses.life(pulse));
        life.map(|life| match life {
            Life::Alive => Fate::Alive,
            Life::Left => Fate::Left,
            Life::Flatline => Fate::Flatline,
        })
    }
}

/// When the next boot of the same machine was heard first, of each of these, which come by first
/// receipt.
pub(crate) fn nexts<'a>(
    boots: impl DoubleEndedIterator<Item = &'a BootSummary>,
) -> Vec<Option<WallTime>> {
    let mut of_host: HashMap<&str, WallTime> = HashMap::new();
    let next = |boot: &'a BootSummary| {
        let next = of_host.get(&*boot.host).copied();
        if boot.voice.is_genuine() {
            of_host.insert(&boot.host, boot.first_received);
        }
        next
    };
    let mut nexts: Vec<_> = boots.rev().map(next).collect();
    nexts.reverse();
    nexts
}
