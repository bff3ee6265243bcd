//! What machines, and strangers, send in a day.

use bedside_stream::StreamKey;

use crate::disk::faulty::Dice;

pub(super) const SECOND_US: u64 = 1_000_000;
pub(super) const DAY_US: u64 = 24 * 3600 * SECOND_US;
/// Machines; one in four speaks the basic format.
pub(super) const COUNT: usize = 24;
/// Senders that say one word and are never heard again.
const STRANGERS: u64 = 1500;

/// A datagram, and the record in it.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: u64,
    pub(super) key: StreamKey,
    pub(super) datagram: String,
    pub(super) boot: u32,
    pub(super) seq: Option<u64>,
    pub(super) time: u64,
    pub(super) text: String,
}

impl Sent {
    pub(super) fn host(&self) -> String {
        self.key.ip().to_string()
    }

    /// What its boot is sorted by.
    pub(super) fn number(&self) -> u64 {
        self.seq.unwrap_or(self.time)
    }
}

/// Everything that arrives, in order.
pub(super) fn a_day_of(seed: u64) -> Vec<Sent> {
    let mut dice = Dice(seed);
    let mut sent = Vec::new();
    for machine in 0..COUNT as u8 {
        live(machine, &mut dice, &mut sent);
    }
    for stranger in 0..STRANGERS {
        let source = ([203, 0, (stranger >> 8) as u8, stranger as u8], 1024).into();
        sent.push(Sent {
            at: dice.below(DAY_US),
            key: StreamKey::new(source, 6666),
            datagram: format!("6,7,1000,-;stranger {stranger}\n"),
            boot: 0,
            seq: Some(7),
            time: 1000,
            text: format!("stranger {stranger}"),
        });
    }
    sent.sort_by_key(|sent| sent.at);
    sent
}

/// A machine that boots some times.
fn live(machine: u8, dice: &mut Dice, sent: &mut Vec<Sent>) {
    let key = StreamKey::new(([10, 0, 0, machine + 1], 6665).into(), 6666);
    let extended = !machine.is_multiple_of(4);
    let mut at = dice.below(600 * SECOND_US);
    for boot in 0.. {
        let end = at + 600 * SECOND_US + dice.below(8 * 3600 * SECOND_US);
        let last = ["reboot: Restarting system", "Kernel panic - not syncing: day", ""];
        let last = last[dice.below(3) as usize];
        let (begun, mut seq) = (at, 0);
        let mut print = |at: u64, text: String, dice: &mut Dice| {
            // The first lines have no time yet; the clock is the machine's own.
            let time = if seq < 25 { 0 } else { at - begun };
            let text = if time == 0 {
                format!("early {seq}")
            } else {
                format!("{text}, line {seq} of boot {boot} of {machine}")
            };
            let (seconds, micros) = (time / SECOND_US, time % SECOND_US);
            let datagram = if extended {
                format!("6,{seq},{time},-;{text}\n")
            } else {
                format!("[{seconds:5}.{micros:06}] {text}\n")
            };
            let numbered = extended.then_some(seq);
            seq += 1;
            // Some never arrive.
            if !dice.one_in(300) {
                sent.push(Sent { at, key, datagram, boot, seq: numbered, time, text });
            }
        };
        for _ in 0..80 {
            at += 1 + dice.below(30_000);
            print(at, "booting".to_owned(), dice);
        }
        while at < end && at < DAY_US {
            at += SECOND_US + dice.below(240 * SECOND_US);
            for _ in 0..=dice.below(4) {
                at += 1 + dice.below(2_000);
                print(at, "working".to_owned(), dice);
            }
        }
        if at >= DAY_US {
            return;
        }
        if !last.is_empty() {
            print(at + 1, last.to_owned(), dice);
        }
        at += 10 * SECOND_US + dice.below(900 * SECOND_US);
    }
}
