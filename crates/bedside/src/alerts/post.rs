//! The thread that hands letters to the courier, and keeps those that he can't deliver.

use std::collections::HashSet;
use std::io::{self, BufRead as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use bedside_stream::WallTime;

use super::Courier;
use super::courier::{Answer, Errand, tell};
use crate::config::Alert;
use crate::incidents::{Book, Letter};
use crate::{exit, time};

/// The post, as the doctor has it.
#[derive(Debug)]
pub(crate) struct Post {
    notes: SyncSender<Note>,
    ended: Receiver<()>,
}

/// Says that there are letters.
#[derive(Clone, Debug)]
pub(crate) struct Bell(SyncSender<Note>);

/// What the thread is told.
#[derive(Debug)]
enum Note {
    Letters,
    Answer(Answer),
    /// The courier is gone.
    Alone,
    Stop,
}

impl Post {
    /// Brings the letters of the book in `data`.
    pub(crate) fn start(data: &Path, rules: &[Alert], mut courier: Courier) -> io::Result<Post> {
        let (notes, told) = sync_channel(NOTES);
        let (ends, ended) = sync_channel(1);
        let (answers, data) = (courier.answers.take(), data.to_owned());
        let of_courier = notes.clone();
        let rules = rules.iter().map(|rule| rule.name.clone()).collect();
        Builder::new().name("bedside-answers".to_owned()).spawn(move || {
            let lines =
                answers.into_iter().flat_map(|answers| answers.lines().map_while(Result::ok));
            for answer in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                drop(of_courier.send(Note::Answer(answer)));
            }
            drop(of_courier.send(Note::Alone));
        })?;
        Builder::new().name("bedside-post".to_owned()).spawn(move || {
            match Book::open(&data) {
                Ok(book) => Desk { book, courier, rules, under_way: HashSet::new() }.work(&told),
                Err(error) => tracing::error!(%error, "nobody is told of incidents"),
            }
            drop(ends);
        })?;
        Ok(Post { notes, ended })
    }

    /// What rings when there are letters.
    pub(crate) fn bell(&self) -> Bell {
        Bell(self.notes.clone())
    }

    /// Ends it; what is under way is tried again by the next doctor.
    pub(crate) fn finish(self) {
        drop(self.notes.try_send(Note::Stop));
        let _ended_or_late = self.ended.recv_timeout(LAST_PATIENCE);
    }
}

impl Bell {
    /// Rings.
    pub(crate) fn ring(&self) {
        // Where so many notes wait, the letters are looked at anyway.
        drop(self.0.try_send(Note::Letters));
    }

    /// One that nobody hears.
    #[cfg(test)]
    pub(crate) fn deaf() -> Bell {
        Bell(sync_channel(1).0)
    }
}

/// Where letters are handed out.
struct Desk {
    book: Book,
    courier: Courier,
    rules: HashSet<String>,
    under_way: HashSet<i64>,
}

impl Desk {
    fn work(&mut self, told: &Receiver<Note>) {
        loop {
            let wait = self.hand_out(time::now()).unwrap_or_else(|error| {
                tracing::warn!("letters of alerts wait: {}", exit::words(&error));
                RETRY
            });
            let answered = match told.recv_timeout(wait) {
                Ok(Note::Letters) | Err(RecvTimeoutError::Timeout) => Ok(()),
                Ok(Note::Answer(answer)) => self.answered(&answer, time::now()),
                Ok(Note::Alone) => {
                    tracing::error!("the courier of alerts is gone: letters wait for a restart");
                    return;
                }
                Ok(Note::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Err(error) = answered {
                tracing::warn!("a letter may be told twice: {}", exit::words(&error));
            }
        }
    }

    /// Hands out what is due; how long until more is.
    fn hand_out(&mut self, now: WallTime) -> anyhow::Result<Duration> {
        let mut wait = IDLE;
        for (letter, due) in self.book.letters()? {
            if self.under_way.contains(&letter.id) || self.under_way.len() >= UNDER_WAY {
                continue;
            }
            if due > now {
                wait = wait.min(Duration::from_micros(due.0 - now.0));
                break;
            }
            let Letter { id, rule, body, .. } = letter;
            if !self.rules.contains(&rule) {
                tracing::warn!(rule, "an alert is not delivered: its rule is gone");
                self.book.forget_letter(id)?;
                wait = Duration::ZERO;
                continue;
            }
            self.under_way.insert(id);
            tell(&mut self.courier.letters, &Errand { id, rule, body })?;
        }
        Ok(wait)
    }

    fn answered(&mut self, answer: &Answer, now: WallTime) -> anyhow::Result<()> {
        self.under_way.remove(&answer.id);
        let (Some(letter), Some(why)) = (self.book.letter(answer.id)?, &answer.failed) else {
            return Ok(self.book.forget_letter(answer.id)?);
        };
        let rule = &letter.rule;
        if now.0.saturating_sub(letter.made.0) > GIVE_UP_US {
            tracing::error!(rule, "an alert was tried for three days in vain: {why}");
            return Ok(self.book.forget_letter(answer.id)?);
        }
        tracing::warn!(rule, tries = letter.tries + 1, "an alert was not delivered: {why}");
        let pause = backoff(letter.tries);
        Ok(self.book.try_again(answer.id, WallTime(now.0 + pause.as_micros() as u64))?)
    }
}

/// Twice as long after each try, from a second to a quarter of an hour.
fn backoff(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.min(10)).min(Duration::from_mins(15))
}

/// Letters that the courier has at a time.
const UNDER_WAY: usize = 8;
const NOTES: usize = 64;
const IDLE: Duration = Duration::from_hours(1);
const RETRY: Duration = Duration::from_secs(5);
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// Three days.
const GIVE_UP_US: u64 = 3 * 86_400_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_and_has_an_end() {
        let pauses = [0, 1, 5, 9, 10, 40].map(|tries| backoff(tries).as_secs());
        assert_eq!(pauses, [1, 2, 32, 512, 900, 900]);
    }
}
