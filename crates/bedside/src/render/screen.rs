//! The live lines of `serve`: shown by a thread of their own, so that a terminal that is slow,
//! or stopped with Ctrl-S, never holds up what is kept.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bedside_store::Tap;

use super::entries::Entries;
use super::{Live, Look};
use crate::cli::Output;

/// Shows entry lines while it lives.
#[derive(Debug)]
pub struct Screen {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

/// What waits to be shown.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// So many records did not fit.
    left_out: u64,
    /// Nothing more comes, or nobody shows it any more.
    over: bool,
    /// All was shown.
    done: bool,
}

impl Screen {
    /// Begins to show, on `out`.
    pub fn start(look: Look, out: impl Write + Send + 'static) -> io::Result<Screen> {
        let queue = Arc::new(Queue::default());
        let shown = Arc::clone(&queue);
        let thread = thread::Builder::new().name("screen".to_owned()).spawn(move || {
            // A terminal that went away is no reason to stop hearing.
            drop(show_all(&shown, Live::new(Output::Short, look), out));
            shown.end(|waiting| waiting.done = true);
        })?;
        Ok(Screen { queue, thread })
    }

    /// What the store is to call with each batch's entry lines. It never waits.
    pub fn tap(&self) -> Tap {
        let queue = Arc::clone(&self.queue);
        Box::new(move |lines| queue.push(lines))
    }

    /// Shows what still waits, but does not wait longer than `patience` for a stopped terminal.
    pub fn finish(self, patience: Duration) {
        self.queue.end(|_| {});
        let waiting = self.queue.lock();
        let wait = self.queue.changed.wait_timeout_while(waiting, patience, |w| !w.done);
        let done = wait.map_or(true, |(waiting, _)| waiting.done);
        if done {
            // It has already said all it had to say, and can only have ended.
            drop(self.thread.join());
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lines: &[u8]) {
        let mut waiting = self.lock();
        if waiting.over {
            return;
        }
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            // What names the machines is worth more than a line more of one.
            let room = if line.starts_with(b"R ") { 2 * QUEUE_BYTES } else { QUEUE_BYTES };
            if waiting.lines.len() + line.len() <= room {
                waiting.lines.extend_from_slice(line);
            } else {
                waiting.left_out += 1;
            }
        }
        self.changed.notify_all();
    }

    fn end(&self, and: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.lock();
        waiting.over = true;
        and(&mut waiting);
        self.changed.notify_all();
    }

    /// Waits for lines, and gives them and how many were left out after them; `None` at the end.
    fn take(&self, buffer: &mut Vec<u8>) -> Option<u64> {
        buffer.clear();
        let nothing = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.over;
        let waiting = self.changed.wait_while(self.lock(), nothing);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.is_empty() {
            return None;
        }
        std::mem::swap(&mut waiting.lines, buffer);
        Some(std::mem::take(&mut waiting.left_out))
    }
}

fn show_all(queue: &Queue, mut live: Live, out: impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let mut entries = Entries::new();
    let mut lines = Vec::new();
    while let Some(left_out) = queue.take(&mut lines) {
        for line in lines.split(|byte| *byte == b'\n') {
            let mut shown = Ok(());
            entries.line(line, &mut |item| {
                if shown.is_ok() {
                    shown = live.show(&item, None, &mut out);
                }
            });
            shown?;
        }
        live.settle(&mut out)?;
        if left_out > 0 {
            writeln!(out, "── {left_out} not shown here, but kept: this terminal is slow ──")?;
            out.flush()?;
        }
    }
    Ok(())
}

/// How much waits for a slow terminal.
const QUEUE_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &[u8] = b"R 1\tsource=10.0.0.7:6665\tport=6666\tfirst=1795182277545145\tverdict=boot\tboot=3\thost=web1\n";

    /// Somewhere to write that the test can look at.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A terminal that was stopped: it takes nothing until it is let go.
    struct Stopped(Arc<Mutex<()>>, Paper);

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _held = self.0.lock();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn text(paper: &Paper) -> String {
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn lines_are_shown_as_they_are_kept() {
        let paper = Paper::default();
        let screen = Screen::start(Look::default(), paper.clone()).unwrap();
        let mut tap = screen.tap();
        tap(RUN);
        tap(b"1 1795182277545145 e ,6,5,1000000,,;one\\x1b\n");
        tap(b"1 1795182277645145 e ,6,8,1100000,,;two\nG - 1795182277700000 socket 3\n");
        tap(b"what is this?\n\n2 1 e ,,,,,;of an unknown run\n");
        screen.finish(Duration::from_mins(1));
        assert_eq!(
            text(&paper),
            "── boot 3 ──\n\
             2026-11-20 13:44:37.545 web1 [    1.000000] one\\x1b\n\
             ── 2 records not seen (filtered or lost) ──\n\
             2026-11-20 13:44:37.645 web1 [    1.100000] two\n\
             ── 3 datagrams lost here, of any machine (the socket's buffer was full) ──\n"
        );
    }

    #[test]
    fn a_stopped_terminal_holds_nothing_up_and_is_told_what_it_missed() {
        let (stop, paper) = (Arc::new(Mutex::new(())), Paper::default());
        let held = stop.lock().unwrap();
        let screen =
            Screen::start(Look::default(), Stopped(Arc::clone(&stop), paper.clone())).unwrap();
        let mut tap = screen.tap();
        tap(RUN);
        let line = [b"1 1795182277545145 b ,,,,,;".as_slice(), &[b'x'; 1000], b"\n"].concat();
        for _ in 0..10 << 10 {
            tap(&line);
        }
        drop(held);
        screen.finish(Duration::from_mins(1));
        let text = text(&paper);
        assert!(
            text.ends_with("not shown here, but kept: this terminal is slow ──\n"),
            "{}",
            text.len()
        );
    }

    #[test]
    fn a_terminal_that_never_takes_anything_does_not_keep_the_doctor_from_ending() {
        let stop = Arc::new(Mutex::new(()));
        let held = stop.lock().unwrap();
        let screen =
            Screen::start(Look::default(), Stopped(Arc::clone(&stop), Paper::default())).unwrap();
        screen.tap()(RUN);
        screen.finish(Duration::from_millis(1));
        drop(held);
    }
}
