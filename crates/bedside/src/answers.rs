//! Answers to machines that ask whether a line of theirs was heard, or when they were heard last.
//!
//! Whoever asks is answered, and nobody else; from the address that was asked, with less than
//! was sent; and not more often than [`PER_SECOND`] in all. A line is looked for only while
//! somebody waits for one, so that a doctor whom nobody asks has nothing to do here.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use bedside_stream::{Core, Monotonic, StreamKey, WallTime};
use bedside_udp::Socket;
use netconsole_wire::question::{About, Answer, Heard, Nonce, QUESTION_LENGTH, Question, Reply};
use netconsole_wire::{Datagram, Format, parse};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};

/// Who asked what.
#[derive(Debug)]
pub(crate) struct Answers {
    on: bool,
    waiting: VecDeque<Waiting>,
    due: Vec<Due>,
    /// Answers that may still be given, and when that was counted.
    budget: (u32, Monotonic),
    withheld: u64,
}

/// A line that somebody waits for.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    nonce: Nonce,
    since: Monotonic,
    heard: Option<Heard>,
}

/// An answer to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    /// Through which socket.
    socket: usize,
    to: SocketAddr,
    /// The address that was asked.
    from: IpAddr,
    answer: Answer,
}

impl Answers {
    pub(crate) fn new(on: bool) -> Self {
        let budget = (PER_SECOND, Monotonic(0));
        Self { on, waiting: VecDeque::new(), due: Vec::new(), budget, withheld: 0 }
    }

    /// Whether questions are answered from now on; else they are datagrams like all others.
    pub(crate) fn switch(&mut self, on: bool) {
        self.on = on;
    }

    /// Takes a datagram if it is a question. Of any other it is noted whether it is a line that
    /// somebody waits for. `known` replies to what is no matter of lines: it is given the asker's
    /// stream.
    pub(crate) fn take(
        &mut self,
        now: Monotonic,
        socket: usize,
        key: &StreamKey,
        payload: &[u8],
        known: impl FnOnce(&Question, &StreamKey) -> Reply,
    ) -> bool {
        if self.on
            && payload.starts_with(b"bedside? ")
            && let Some(question) = Question::parse(payload)
        {
            let reply = match question.about {
                About::Line => self.wait_for(now, question.nonce),
                About::Port(_) | About::Dump => known(&question, key),
            };
            let answer = Answer { nonce: question.nonce, reply };
            self.answer(now, Due { socket, to: key.source(), from: question.asked, answer });
            return true;
        }
        if !self.waiting.is_empty() {
            self.listen(now, key, payload);
        }
        false
    }

    /// Sends what is due, each through the socket of `sockets` that was asked.
    pub(crate) fn send<'s>(&mut self, sockets: impl Iterator<Item = &'s Socket>) {
        if self.due.is_empty() {
            return;
        }
        let sockets: Vec<&Socket> = sockets.collect();
        for due in self.due.drain(..) {
            let Some(socket) = sockets.get(due.socket) else { continue };
            // One that asked is asked again if it hears nothing.
            if let Err(error) = due.send(socket) {
                tracing::debug!(%error, to = %due.to, "an answer could not be sent");
            }
        }
    }

    /// Answers that were not given because there were too many.
    pub(crate) fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Whether the line was heard; if not, it is waited for.
    fn wait_for(&mut self, now: Monotonic, nonce: Nonce) -> Reply {
        self.forget(now);
        if let Some(known) = self.waiting.iter().find(|waiting| waiting.nonce == nonce) {
            return known.heard.map_or(Reply::Waiting, Reply::Heard);
        }
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Waiting { nonce, since: now, heard: None });
        Reply::Waiting
    }

    fn answer(&mut self, now: Monotonic, due: Due) {
        if self.may_answer(now) {
            self.due.push(due);
        } else {
            self.withheld += 1;
        }
    }

    fn listen(&mut self, now: Monotonic, key: &StreamKey, payload: &[u8]) {
        let Some(nonce) = Nonce::in_line(payload) else { return };
        self.forget(now);
        let waiting = self.waiting.iter_mut().find(|waiting| waiting.nonce == nonce);
        if let Some(waiting) = waiting.filter(|waiting| waiting.heard.is_none()) {
            let (source, source_port) = (key.ip(), key.source().port());
            let heard = Heard { format: format(payload), source, source_port, port: key.port() };
            waiting.heard = Some(heard);
        }
    }

    /// Nobody waits for ever.
    fn forget(&mut self, now: Monotonic) {
        let old = |waiting: &Waiting| now.0.saturating_sub(waiting.since.0) > PATIENCE_US;
        while self.waiting.front().is_some_and(old) {
            self.waiting.pop_front();
        }
    }

    fn may_answer(&mut self, now: Monotonic) -> bool {
        let (left, counted) = self.budget;
        let grown = (now.0.saturating_sub(counted.0)) * u64::from(PER_SECOND) / 1_000_000;
        if grown > 0 {
            let left = u64::from(left).saturating_add(grown).min(u64::from(PER_SECOND));
            self.budget = (left as u32, now);
        }
        let may = self.budget.0 > 0;
        self.budget.0 = self.budget.0.saturating_sub(1);
        may
    }
}

impl Due {
    fn send(&self, socket: &Socket) -> Result<(), Errno> {
        let v6 = socket.local().is_ipv6();
        let to =
            if v6 { SocketAddr::new(mapped(self.to.ip()).into(), self.to.port()) } else { self.to };
        let mut room = [0; QUESTION_LENGTH];
        let payload = [IoSlice::new(self.answer.emit(&mut room))];
        let to = SockaddrStorage::from(to);
        let send = |control: &[ControlMessage<'_>]| {
            sendmsg(socket_fd(socket), &payload, control, MsgFlags::MSG_DONTWAIT, Some(&to))
        };
        let outcome = match self.from {
            IpAddr::V4(address) if !v6 => {
                let address = libc::in_addr { s_addr: u32::from(address).to_be() };
                let any = libc::in_addr { s_addr: 0 };
                let info =
                    libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: any };
                send(&[ControlMessage::Ipv4PacketInfo(&info)])
            }
            address => {
                let address = libc::in6_addr { s6_addr: mapped(address).octets() };
                let info = libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: 0 };
                send(&[ControlMessage::Ipv6PacketInfo(&info)])
            }
        };
        // Behind a translation the address that was asked is not ours: then from what is usual.
        outcome.or_else(|_| send(&[])).map(drop)
    }
}

fn socket_fd(socket: &Socket) -> i32 {
    use std::os::fd::AsFd as _;
    socket.as_fd().as_raw_fd()
}

fn mapped(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn format(payload: &[u8]) -> Format {
    match parse(payload) {
        Datagram::Extended(_) => Format::Extended,
        Datagram::Syslog(message) => message.record().format,
        Datagram::Basic(_) => Format::Basic,
        Datagram::Raw(_) => Format::Raw,
    }
}

/// Answers in a second, to all that ask.
const PER_SECOND: u32 = 200;
/// Lines waited for at once; then the oldest question is forgotten.
const WAITING: usize = 1024;
/// How long a line is waited for, and its having been heard is remembered.
const PATIENCE_US: u64 = 30_000_000;

/// When that port of the asker's was heard last.
pub(crate) fn last(core: &Core, from: &StreamKey, port: u16, now: WallTime) -> Reply {
    let source = SocketAddr::new(from.ip(), port);
    let heard = core.last_heard(&StreamKey::new(source, from.port()).with_voice(from.voice()));
    heard.map_or(Reply::Never, |(key, heard)| Reply::Last {
        source_port: key.source().port(),
        seconds: now.0.saturating_sub(heard.0) / 1_000_000,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(source: &str) -> StreamKey {
        StreamKey::new(source.parse().unwrap(), 6666)
    }

    fn question(nonce: u8) -> [u8; QUESTION_LENGTH] {
        Question { nonce: Nonce([nonce; 16]), asked: [10, 0, 0, 1].into(), about: About::Line }
            .emit()
    }

    fn never(_: &Question, _: &StreamKey) -> Reply {
        Reply::Never
    }

    fn line(nonce: u8) -> Vec<u8> {
        format!("6,1,2,-;bedside-patient: test {}\n", Nonce([nonce; 16])).into_bytes()
    }

    #[test]
    fn a_line_is_heard_only_once_somebody_waits_for_it() {
        let (asker, kernel) = (key("10.0.0.7:40000"), key("10.0.0.7:6665"));
        let mut answers = Answers::new(true);
        let at = Monotonic;
        assert!(!answers.take(at(0), 0, &kernel, &line(1), never), "a line is a line");
        assert!(answers.take(at(1), 0, &asker, &question(1), never));
        assert!(!answers.take(at(2), 0, &kernel, &line(2), never));
        assert!(!answers.take(at(3), 0, &kernel, &line(1), never));
        assert!(answers.take(at(4), 0, &asker, &question(1), never));
        let said: Vec<Reply> = answers.due.iter().map(|due| due.answer.reply).collect();
        let (source, source_port) = (kernel.ip(), 6665);
        let by = Heard { format: Format::Extended, source, source_port, port: 6666 };
        assert_eq!(said, [Reply::Waiting, Reply::Heard(by)]);
        assert!(answers.due.iter().all(|due| due.to == asker.source()));
        // Long after, it is a new question.
        answers.take(at(5 + PATIENCE_US), 0, &asker, &question(1), never);
        assert_eq!(answers.due[2].answer.reply, Reply::Waiting);
    }

    #[test]
    fn what_is_no_matter_of_lines_is_told_the_asker_only() {
        let mut answers = Answers::new(true);
        let whoever = key("10.0.0.7:40000");
        for about in [About::Port(6665), About::Dump] {
            let asked = [10, 0, 0, 1].into();
            let question = Question { nonce: Nonce([1; 16]), asked, about };
            let known = |of: &Question, from: &StreamKey| {
                assert_eq!((of, from), (&question, &whoever));
                Reply::Kept
            };
            answers.take(Monotonic(0), 0, &whoever, &question.emit(), known);
        }
        assert!(answers.due.iter().all(|due| due.to == whoever.source()));
        assert!(answers.due.iter().all(|due| due.answer.reply == Reply::Kept));
        assert!(answers.waiting.is_empty());
    }

    #[test]
    fn a_flood_of_questions_gets_few_answers_and_little_room() {
        let mut answers = Answers::new(true);
        for at in 0..5000_u64 {
            let nonce = Nonce((at as u128).to_be_bytes());
            let question =
                Question { nonce, asked: [10, 0, 0, 1].into(), about: About::Line }.emit();
            answers.take(Monotonic(at), 0, &key("10.0.0.9:1"), &question, never);
        }
        assert_eq!(answers.due.len(), PER_SECOND as usize);
        assert_eq!(answers.withheld(), 5000 - u64::from(PER_SECOND));
        assert_eq!(answers.waiting.len(), WAITING);
        answers.take(Monotonic(1_010_000), 0, &key("10.0.0.9:1"), &question(9), never);
        assert_eq!(answers.due.len(), PER_SECOND as usize + 1);
    }

    #[test]
    fn switched_off_a_question_is_a_datagram_like_all_others() {
        let mut answers = Answers::new(false);
        assert!(!answers.take(Monotonic(0), 0, &key("10.0.0.7:1"), &question(1), never));
        assert!(answers.due.is_empty() && answers.waiting.is_empty());
    }

    #[test]
    fn the_answer_comes_from_the_address_that_was_asked_if_it_is_ours() {
        for (listen, asked) in
            [("0.0.0.0:0", "127.0.0.2"), ("0.0.0.0:0", "192.0.2.77"), ("[::]:0", "127.0.0.2")]
        {
            let options = bedside_udp::SocketOptions { only_v6: false, receive_buffer: 1 << 16 };
            let socket = Socket::bind(listen.parse().unwrap(), &options).unwrap();
            let asker = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let due = Due {
                socket: 0,
                to: asker.local_addr().unwrap(),
                from: asked.parse().unwrap(),
                answer: Answer { nonce: Nonce([1; 16]), reply: Reply::Waiting },
            };
            due.send(&socket).unwrap();
            let mut room = [0; 200];
            let (got, from) = asker.recv_from(&mut room).unwrap();
            assert_eq!(Answer::parse(&room[..got]), Some(due.answer));
            let expected = if asked == "192.0.2.77" { "127.0.0.1" } else { asked };
            assert_eq!(from.ip().to_string(), expected);
            assert_eq!(from.port(), socket.local().port());
        }
    }
}
