//! The thread that hands letters to the courier, and keeps those that he can't deliver.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

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
    /// Nobody is told of anything any more, until a doctor is started anew.
    silenced: Arc<AtomicBool>,
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
        let silenced = Arc::new(AtomicBool::new(false));
        let silence = Arc::clone(&silenced);
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
                Ok(book) => Desk::new(book, courier, rules).work(&told),
                Err(error) => tracing::error!(%error, "nobody is told of incidents"),
            }
            silence.store(true, Relaxed);
            drop(ends);
        })?;
        Ok(Post { notes, ended, silenced })
    }

    /// Whether nobody is told of anything any more, until a doctor is started anew.
    pub(crate) fn is_silenced(&self) -> bool {
        self.silenced.load(Relaxed)
    }

    /// What rings when there are letters.
    pub(crate) fn bell(&self) -> Bell {
        Bell(self.notes.clone())
    }

    /// Ends it; what is still under way a moment later is tried again by the next doctor.
    pub(crate) fn finish(self) {
        drop(self.notes.try_send(Note::Stop));
        let _ended_or_late = self.ended.recv_timeout(2 * LAST_PATIENCE);
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
    /// Letters that the courier has, and whose they are.
    under_way: HashMap<i64, String>,
    /// Rules whose address wants nothing before then.
    resting: HashMap<String, Instant>,
}

impl Desk {
    fn new(book: Book, courier: Courier, rules: HashSet<String>) -> Desk {
        Desk { book, courier, rules, under_way: HashMap::new(), resting: HashMap::new() }
    }

    fn work(&mut self, told: &Receiver<Note>) {
        loop {
            let wait = self.hand_out(time::now()).unwrap_or_else(|error| {
                tracing::warn!("letters of alerts wait: {}", exit::words(&error));
                RETRY
            });
            match told.recv_timeout(wait) {
                Ok(Note::Letters) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Note::Answer(answer)) => self.take(&answer),
                Ok(Note::Alone) => {
                    tracing::error!("the courier of alerts is gone: letters wait for a restart");
                    return;
                }
                Ok(Note::Stop) => return self.wind_up(told),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Waits a moment for what is under way, which the next doctor would tell once more.
    fn wind_up(&mut self, told: &Receiver<Note>) {
        let end = Instant::now() + LAST_PATIENCE;
        while !self.under_way.is_empty() {
            match told.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Note::Answer(answer)) => self.take(&answer),
                Ok(Note::Letters | Note::Stop) => {}
                Ok(Note::Alone) | Err(_) => return,
            }
        }
    }

    fn take(&mut self, answer: &Answer) {
        if let Err(error) = self.answered(answer, time::now()) {
            tracing::warn!("a letter may be told twice: {}", exit::words(&error));
        }
    }

    /// Hands out what is due; how long until more is.
    fn hand_out(&mut self, now: WallTime) -> anyhow::Result<Duration> {
        let mut wait = IDLE;
        for (letter, due) in self.book.letters(2 * UNDER_WAY)? {
            let of_rule = self.under_way.values().filter(|rule| **rule == letter.rule).count();
            if self.under_way.contains_key(&letter.id) || of_rule >= UNDER_WAY as usize {
                continue;
            }
            if let Some(pause) = pause(due, now).max(self.rest(&letter.rule)) {
                wait = wait.min(pause);
                continue;
            }
            let Letter { id, rule, body, .. } = letter;
            if !self.rules.contains(&rule) {
                tracing::warn!(rule, "an alert is not delivered: its rule is gone");
                self.book.forget_letter(id)?;
                wait = Duration::ZERO;
                continue;
            }
            self.under_way.insert(id, rule.clone());
            tell(&mut self.courier.letters, &Errand { id, rule, body })?;
        }
        Ok(wait)
    }

    /// How long an address wants nothing more of this rule.
    fn rest(&self, rule: &str) -> Option<Duration> {
        let left = self.resting.get(rule)?.saturating_duration_since(Instant::now());
        Some(left).filter(|left| !left.is_zero())
    }

    fn answered(&mut self, answer: &Answer, now: WallTime) -> anyhow::Result<()> {
        self.under_way.remove(&answer.id);
        let (Some(letter), Some(why)) = (self.book.letter(answer.id)?, &answer.failed) else {
            return Ok(self.book.forget_letter(answer.id)?);
        };
        let rule = &letter.rule;
        if is_in_vain(&letter, now) {
            tracing::error!(rule, "an alert was tried for three days in vain: {why}");
            return Ok(self.book.forget_letter(answer.id)?);
        }
        tracing::warn!(rule, tries = letter.tries + 1, "an alert was not delivered: {why}");
        let later = Duration::from_secs(answer.later.unwrap_or(0)).min(LONGEST_PAUSE);
        let until = Instant::now() + later;
        let rest = self.resting.entry(rule.clone()).or_insert(until);
        *rest = until.max(*rest);
        let pause = backoff(letter.tries).max(later);
        Ok(self.book.try_again(answer.id, WallTime(now.0 + pause.as_micros() as u64))?)
    }
}

/// Twice as long after each try, from a second to a quarter of an hour.
fn backoff(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.min(10)).min(LONGEST_PAUSE)
}

/// How long until a letter is due, unless it is. No longer than any is put off: what is due later was
/// put off by a clock that was ahead.
fn pause(due: WallTime, now: WallTime) -> Option<Duration> {
    let pause = Duration::from_micros(due.0.saturating_sub(now.0));
    Some(pause).filter(|pause| !pause.is_zero() && *pause <= LONGEST_PAUSE)
}

/// Whether no more is tried: for three days, and not only by a clock that was put forward.
fn is_in_vain(letter: &Letter, now: WallTime) -> bool {
    letter.tries >= FEW_TRIES && now.0.saturating_sub(letter.made.0) > GIVE_UP_US
}

/// Letters of a rule that the courier has at a time: who does not answer keeps only its own waiting.
const UNDER_WAY: u32 = 4;
const NOTES: usize = 64;
const IDLE: Duration = Duration::from_hours(1);
const RETRY: Duration = Duration::from_secs(5);
const LAST_PATIENCE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// They take some minutes.
const FEW_TRIES: u32 = 10;
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

    #[test]
    fn a_clock_that_is_put_right_delays_nothing_and_throws_nothing_away() {
        const NOW: WallTime = WallTime(1_700_000_000_000_000);
        let second = |seconds: u64| WallTime(NOW.0 + seconds * 1_000_000);
        assert_eq!(pause(second(900), NOW), Some(LONGEST_PAUSE));
        assert_eq!([pause(NOW, NOW), pause(NOW, second(1)), pause(second(7200), NOW)], [None; 3]);
        let letter = |tries| Letter {
            id: 1,
            rule: "page".to_owned(),
            made: WallTime(0),
            tries,
            body: String::new(),
        };
        assert!(!is_in_vain(&letter(0), NOW) && is_in_vain(&letter(300), NOW));
        assert!(!is_in_vain(&letter(300), WallTime(GIVE_UP_US)));
    }
}
