//! One datagram on its way through the core: its messages, its lines, their runs.

use std::mem;

use netconsole_wire::{
    Basic, Datagram, Extended, Fragment, Notice, PrintkTime, Record, Sequence, Text, parse,
};

use crate::boots::{Evidence, Registrar, admit, learn};
use crate::history::{Mark, NO_SEQ};
use crate::mind::Mind;
use crate::pending::{CutLine, Message, Piece};
use crate::replay::Kept;
use crate::track::{Line, Track};
use crate::{Core, Event, LastWord, Monotonic, RunId, Verdict, WallTime, World, words};

/// One datagram on its way through the core.
pub(crate) struct Desk<'a, W> {
    pub(crate) core: &'a mut Core,
    pub(crate) slot: u32,
    pub(crate) now: Monotonic,
    pub(crate) received: WallTime,
    pub(crate) world: &'a mut W,
}

impl<W: World> Desk<'_, W> {
    pub(crate) fn extended(&mut self, datagram: &Extended<'_>, payload: &[u8]) {
        for notice in datagram.notices.iter() {
            self.notice(notice);
        }
        match datagram.fragment() {
            None => self.record(&datagram.record()),
            Some(fragment) => self.fragment(datagram, fragment, payload),
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Replaying => self.core.counters.replay_notices += 1,
            Notice::Dropped(count) => {
                self.core.counters.drop_notices += 1;
                let (run, received) = (self.run_for_notice(), self.received);
                self.world.event(Event::Dropped { run, received, count });
            }
        }
    }

    fn fragment(&mut self, datagram: &Extended<'_>, fragment: Fragment, payload: &[u8]) {
        let (offset, total) = (fragment.offset as usize, fragment.total as usize);
        let bytes = datagram.body;
        let fits = total <= self.core.limits.message_bytes && offset + bytes.len() <= total;
        if !fits || bytes.is_empty() {
            self.core.counters.odd_fragments += 1;
            return self.record(&datagram.record());
        }
        let header = &datagram.header;
        let id = (header.seq.0, header.time.0, header.prefix.0);
        let (received, deadline) = (self.received, self.deadline());
        let Some(stream) = self.core.table.get_mut(self.slot) else {
            return;
        };
        let pending = stream.pending.get_or_insert_default();
        if pending.is_done(id, self.now) {
            self.core.counters.repeats += 1;
            return;
        }
        let piece = Piece { id, total, offset, bytes, datagram: payload, received, deadline };
        let placed = pending.place(&piece, self.core.limits.pending_messages);
        if placed.began {
            self.core.due.push_back((deadline, self.slot, stream.generation));
        }
        self.core.pending_bytes = self.core.pending_bytes.saturating_add_signed(placed.growth);
        if let Some(message) = placed.crowded_out {
            self.core.counters.pending_evicted += 1;
            self.message(&message, true);
        }
        if let Some(message) = placed.complete {
            self.message(&message, false);
        }
        self.core.bound_pending(self.world);
    }

    /// A message whose pieces are all there, or will not come.
    pub(crate) fn message(&mut self, message: &Message, incomplete: bool) {
        let Datagram::Extended(first) = parse(&message.first) else {
            return;
        };
        let mut body = mem::take(&mut self.core.body);
        body.clear();
        message.assemble(&mut body);
        self.record(&netconsole_wire::record_from(&first.header, &body, incomplete));
        self.core.body = body;
    }

    pub(crate) fn basic(&mut self, basic: Basic<'_>) {
        let bytes = basic.bytes;
        let Some(mut cut) = self.take_cut_line() else {
            return self.lines(bytes, basic.is_cut());
        };
        if netconsole_wire::starts_like_a_line(bytes) {
            self.whole_lines(&cut.bytes, true);
            return self.lines(bytes, basic.is_cut());
        }
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        let (head, rest) = bytes.split_at(end);
        cut.bytes.extend_from_slice(head);
        if cut.bytes.ends_with(b"\n") {
            self.whole_lines(&cut.bytes, false);
            self.lines(rest, basic.is_cut());
        } else if basic.is_cut() && cut.bytes.len() <= self.core.limits.line_bytes {
            self.wait_for_rest(cut.bytes);
        } else {
            let incomplete = basic.is_cut();
            self.core.counters.pending_evicted += u64::from(incomplete);
            self.whole_lines(&cut.bytes, incomplete);
        }
    }

    /// The lines of a basic datagram; the last one waits if the datagram was `cut`.
    fn lines(&mut self, bytes: &[u8], cut: bool) {
        let end =
            if cut { memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1) } else { bytes.len() };
        let (whole, begun) = bytes.split_at(end);
        self.whole_lines(whole, false);
        if cut {
            self.wait_for_rest(begun.to_vec());
        }
    }

    /// Basic lines, each with its newline but for the last, which may be without.
    pub(crate) fn whole_lines(&mut self, bytes: &[u8], incomplete: bool) {
        let mut replays = false;
        for line in netconsole_wire::lines(bytes) {
            if let Some(notice) = line.notice {
                self.notice(notice);
                replays |= notice == Notice::Replaying;
                continue;
            }
            let record = line.record(incomplete);
            if replays && self.was_just_heard(&record) {
                self.core.counters.repeats += 1;
            } else {
                self.record(&record);
            }
        }
    }

    fn was_just_heard(&self, record: &Record<'_>) -> bool {
        let memory = self.core.table.get(self.slot).and_then(|stream| stream.memory.as_ref());
        memory.is_some_and(|memory| memory.current.holds_recent(&place_of(record)))
    }

    fn take_cut_line(&mut self) -> Option<CutLine> {
        let pending = self.core.table.get_mut(self.slot)?.pending.as_mut()?;
        let line = pending.line.take()?;
        self.core.pending_bytes -= line.bytes.len();
        Some(line)
    }

    fn wait_for_rest(&mut self, bytes: Vec<u8>) {
        let (received, deadline) = (self.received, self.deadline());
        let Some(stream) = self.core.table.get_mut(self.slot) else {
            return;
        };
        self.core.pending_bytes += bytes.len();
        self.core.due.push_back((deadline, self.slot, stream.generation));
        stream.pending.get_or_insert_default().line = Some(CutLine { bytes, received, deadline });
        self.core.bound_pending(self.world);
    }

    /// A record: finds its run and gives it out.
    pub(crate) fn record(&mut self, record: &Record<'_>) {
        let banner = words::banner_release(record);
        let line = Line { banner: banner.is_some(), ..place_of(record) };
        let [host, boot_id] = record.fields.userdata([b"host", b"boot_id"]);
        let evidence = Evidence {
            host: host.filter(|host| is_name(host)),
            boot_id: boot_id.filter(|id| is_name(id)),
            release: record.release.or(banner),
        };
        let Some(run) = self.admit(&line, &evidence) else {
            return;
        };
        self.core.counters.records += 1;
        self.core.counters.incomplete += u64::from(record.incomplete);
        self.world.event(Event::Record { run, received: self.received, record });
        if let Some(word) = words::last_word(record) {
            self.last_word(word, &line);
        }
        self.core.look_around(self.slot, &line, self.world);
    }

    /// The boot has ended, as it says itself; told after the record that says so.
    fn last_word(&mut self, word: LastWord, line: &Line) {
        let stream = self.core.table.get_mut(self.slot);
        if let Some(memory) = stream.and_then(|stream| stream.memory.as_mut())
            && memory.current.hear_last_word(word, line)
        {
            self.world.event(Event::Run(&memory.current.run));
        }
    }

    fn admit(&mut self, line: &Line, evidence: &Evidence<'_>) -> Option<RunId> {
        let began = self.begin_first_run(Some((line, evidence)));
        let core = &mut *self.core;
        let stream = core.table.get_mut(self.slot)?;
        let stranger = stream.is_stranger();
        let memory = stream.memory.as_mut()?;
        let world = &mut *self.world;
        let mut registrar = Registrar {
            next_run: &mut core.next_run,
            counters: &mut core.counters,
            slack: core.limits.clock_slack_us,
            received: self.received,
            stranger,
        };
        let admitted = admit(memory, line, evidence, &mut registrar, &mut |run| {
            world.event(Event::Run(run));
        })?;
        memory.last_received = self.received;
        if admitted.began {
            stream.compared = 0;
        }
        if learn(&mut memory.current.run, evidence) || admitted.began || began {
            self.world.event(Event::Run(&memory.current.run));
        }
        Some(memory.current.run.id)
    }

    /// Begins a stream's first run: a boot, or the going on of another stream's from a new port.
    /// `true` if it did; the caller tells the world of the run.
    fn begin_first_run(&mut self, first: Option<(&Line, &Evidence<'_>)>) -> bool {
        let core = &mut *self.core;
        let Some(stream) = core.table.get(self.slot).filter(|stream| stream.memory.is_none())
        else {
            return false;
        };
        let (key, stranger) = (stream.key, stream.is_stranger());
        let received = self.received;
        let goes_on =
            first.and_then(|(line, evidence)| core.predecessor(&key, line, evidence, received));
        let mut registrar = Registrar {
            next_run: &mut core.next_run,
            counters: &mut core.counters,
            slack: core.limits.clock_slack_us,
            received: self.received,
            stranger,
        };
        let old = goes_on.and_then(|slot| core.table.get_mut(slot));
        let (track, continues) = match old {
            Some(old) => {
                old.taken_over = Some(Box::new((key, 0)));
                let memory = old.memory.as_ref();
                let same = memory.map_or(Verdict::Boot, |m| Verdict::SameAs(m.current.run.id));
                let run = registrar.begin(key, same);
                let track = memory.map(|memory| memory.current.continued_as(run.clone()));
                (track.unwrap_or_else(|| Track::new(run)), Some(Box::new(old.key)))
            }
            None => (Track::new(registrar.begin(key, Verdict::Boot)), None),
        };
        let mut memory = Mind::new(self.received, track);
        memory.continues = continues;
        if let Some(stream) = core.table.get_mut(self.slot) {
            stream.memory = Some(Box::new(memory));
        }
        true
    }

    /// The run that a notice speaks of. Where none has begun, one does.
    fn run_for_notice(&mut self) -> RunId {
        let began = self.begin_first_run(None);
        let memory = self.core.table.get(self.slot).and_then(|stream| stream.memory.as_ref());
        let run = memory.map(|memory| &memory.current.run);
        if let (true, Some(run)) = (began, run) {
            self.world.event(Event::Run(run));
        }
        run.map_or(RunId(0), |run| run.id)
    }

    fn deadline(&self) -> Monotonic {
        Monotonic(self.now.0 + self.core.limits.pending_timeout_us)
    }
}

/// A name that a reader can use: not empty, and no longer than userdata can be.
fn is_name(value: &[u8]) -> bool {
    const USERDATA_VALUE: usize = 199;
    !value.is_empty() && value.len() <= USERDATA_VALUE
}

/// What a record that the store kept says of its place.
pub(crate) fn place_of_kept(kept: &Kept<'_>) -> Line {
    place(kept.seq, kept.time, kept.text, kept.incomplete)
}

/// What a record says of its place.
fn place_of(record: &Record<'_>) -> Line {
    // A daemon that forwards for many machines has as many clocks.
    let time = record.time.filter(|_| !record.format.is_syslog());
    place(record.seq, time, record.text, record.incomplete)
}

#[inline]
fn place(
    seq: Option<Sequence>,
    time: Option<PrintkTime>,
    text: Text<'_>,
    incomplete: bool,
) -> Line {
    let (seq, timed) = (seq.map_or(NO_SEQ, |seq| seq.0), time.is_some());
    let mark = Mark { seq, time: time.map_or(0, |time| time.0), hash: words::hash(text) };
    Line { mark, timed, incomplete, banner: false }
}
