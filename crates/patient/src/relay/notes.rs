//! What a relay writes down, for the next one and for `status`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bedside_host::Machine;
use bedside_plan::Doctor;

/// What each doctor was sent in this boot.
pub(crate) struct Notes {
    machine: Machine,
    boot_id: String,
    sent: Mutex<BTreeMap<String, Sent>>,
}

/// What a doctor was sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The number of the record.
    pub(crate) record: u64,
    /// The port that it came from.
    pub(crate) port: u16,
}

impl Notes {
    /// Those of this boot.
    pub(crate) fn read(machine: &Machine) -> Self {
        let boot_id = machine.identity().boot_id;
        let note = machine.noted(NOTE).unwrap_or_default();
        let sent = note.lines().filter_map(|line| sent_in(line, &boot_id)).collect();
        Self { machine: machine.clone(), boot_id, sent: Mutex::new(sent) }
    }

    pub(crate) fn last(&self, doctor: &Doctor) -> Option<Sent> {
        self.sent().get(&doctor.to_string()).copied()
    }

    pub(super) fn take(&self, doctor: &Doctor, sent: Sent) {
        self.sent().insert(doctor.to_string(), sent);
    }

    /// Where that can't be done the next relay sends more again, and a doctor knows it again.
    pub(super) fn write_down(&self) {
        let sent = self.sent();
        let line = |(doctor, Sent { record, port }): (&String, &Sent)| {
            format!("{} {record} {port} {doctor}\n", self.boot_id)
        };
        let note: String = sent.iter().map(line).collect();
        if self.machine.noted(NOTE).unwrap_or_default() != note.trim() {
            drop(self.machine.note_down(NOTE, &note));
        }
    }

    fn sent(&self) -> MutexGuard<'_, BTreeMap<String, Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A doctor and what it was sent, of a line of this boot.
fn sent_in(line: &str, boot_id: &str) -> Option<(String, Sent)> {
    let mut words = line.split(' ');
    let [boot, record, port, doctor] = [(); 4].map(|()| words.next());
    let sent = Sent { record: record?.parse().ok()?, port: port?.parse().ok()? };
    (boot == Some(boot_id)).then_some((doctor?.to_owned(), sent))
}

const NOTE: &str = "relayed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_another_boot_is_none_of_ours() {
        let sent = Sent { record: 41, port: 6665 };
        let noted = Some(("a.example".to_owned(), sent));
        assert_eq!(sent_in("b007 41 6665 a.example", "b007"), noted);
        assert_eq!(sent_in("b006 41 6665 a.example", "b007"), None);
        assert_eq!(sent_in("b007 41 a.example", "b007"), None);
    }
}
