//! Any bytes are read, written again byte for byte, and made into records, without panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netconsole_wire::closing::Closing;
use netconsole_wire::dump::DumpLine;
use netconsole_wire::heartbeat::Heartbeat;
use netconsole_wire::question::{Answer, Nonce, QUESTION_LENGTH, Question};
use netconsole_wire::tag::{self, Key, Signer, Tagged};
use netconsole_wire::{
    Basic, Body, Datagram, Extended, Fields, Message, Record, SliceSink, Syslog, Text, basic_line,
    escape, lines, parse, record_from, starts_like_a_line, unescape, unescape_into,
};

fuzz_target!(|payload: &[u8]| {
    let datagram = parse(payload);
    written_again(&datagram, payload);
    match datagram {
        Datagram::Extended(message) => extended(&message, payload),
        Datagram::Syslog(message) => syslog(&message, payload),
        Datagram::Basic(text) => basic(&text),
        Datagram::Raw(bytes) => {
            assert!(bytes == payload && (bytes.is_empty() || bytes.len() > 1000));
            record(&Record::raw(bytes), payload);
        }
    }
    escapes(payload);
    record(&basic_line(payload).record(true), payload);
    lines(payload).for_each(|line| record(&line.record(false), payload));
    let _: bool = starts_like_a_line(payload);
    asked_and_beaten(payload);
});

/// Questions, answers, heartbeats and dumps: what is read is written as it was, but for its blanks.
fn asked_and_beaten(payload: &[u8]) {
    let _: Option<Nonce> = Nonce::in_line(payload);
    if let Some(question) = Question::parse(payload) {
        assert_eq!(Question::parse(&question.emit()), Some(question));
    }
    if let Some(answer) = Answer::parse(payload) {
        assert_eq!(Answer::parse(answer.emit(&mut [0; QUESTION_LENGTH])), Some(answer));
    }
    signed(payload);
    if let Some(line) = DumpLine::parse(payload) {
        let sent = [line.head().to_string().as_bytes(), line.text].concat();
        assert_eq!(DumpLine::parse(&sent), Some(line));
    }
    if let Some(heartbeat) = Heartbeat::parse(payload) {
        let said = heartbeat.to_string();
        assert_eq!(Heartbeat::parse(said.as_bytes()), Some(heartbeat));
    }
}

/// What can be signed is seen to be, and is what it was; nobody else's tag is taken for ours.
fn signed(payload: &[u8]) {
    let key = Key::new(*b"sixteen letters.");
    assert!(Tagged::open(payload).is_none_or(|tagged| !tagged.is_by(&key)));
    let mut room = vec![0; payload.len() + tag::LENGTH];
    let Some(signed) = Signer::new(key.clone(), 7).sign(payload, &mut room) else { return };
    assert!(Tagged::open(signed).is_some_and(|tagged| tagged.is_by(&key)));
    assert_eq!(Closing::parse(signed), Closing::parse(payload));
    let (Datagram::Extended(was), Datagram::Extended(is)) = (parse(payload), parse(signed)) else {
        return;
    };
    assert_eq!(
        (is.header.seq, is.header.caller, is.body),
        (was.header.seq, was.header.caller, was.body)
    );
}

fn written_again(datagram: &Datagram<'_>, payload: &[u8]) {
    let mut room = vec![0; payload.len()];
    let mut out = SliceSink::new(&mut room);
    datagram.emit(&mut out);
    assert!(!out.overflowed());
    assert_eq!(out.as_bytes(), payload);
}

fn extended(message: &Extended<'_>, payload: &[u8]) {
    assert!(message.notices.iter().count() <= payload.len() / 30);
    record(&message.record(), payload);
    for cut in [0, message.body.len() / 2, message.body.len()] {
        let body = message.body.get(..cut).unwrap_or_default();
        record(&record_from(&message.header, body, true), payload);
    }
    let (text, dictionary) = Body::split(message.body);
    assert!(message.body.starts_with(text) && text.len() + dictionary.len() <= message.body.len());
    if let Some(piece) = message.fragment() {
        assert!(piece.offset < piece.total);
    }
    sent_again(message);
}

/// What was read can be sent, and comes back as it was.
fn sent_again(read: &Extended<'_>) {
    let header = &read.header;
    let message = Message {
        release: header.release,
        prefix: header.prefix,
        seq: header.seq,
        time: header.time,
        flags: header.flags,
        caller: header.caller,
        body: read.body,
    };
    let mut pieces = Vec::new();
    let sent = message.emit(1000, |datagram: &[u8]| pieces.push(datagram.to_vec()));
    let mut body = Vec::new();
    for piece in &pieces {
        let Datagram::Extended(piece) = parse(piece) else { panic!("sent, but not read") };
        assert_eq!(piece.fragment().map_or(0, |piece| piece.offset as usize), body.len());
        assert_eq!((piece.header.seq, piece.header.time), (header.seq, header.time));
        assert_eq!((piece.header.release, piece.header.caller), (header.release, header.caller));
        body.extend_from_slice(piece.body);
    }
    assert!(sent.is_err() || body == read.body);
}

fn syslog(message: &Syslog<'_>, payload: &[u8]) {
    assert_eq!(message.payload(), payload);
    record(&message.record(), payload);
}

fn basic(basic: &Basic<'_>) {
    let breaks = basic.bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(basic.lines().filter(|line| line.notice.is_none()).count() <= breaks + 1);
    for line in basic.lines() {
        assert!(!line.text.contains(&b'\n'));
        record(&line.record(basic.is_cut()), basic.bytes);
    }
}

fn record(record: &Record<'_>, payload: &[u8]) {
    let text = match record.text {
        Text::Escaped(bytes) | Text::Plain(bytes) => bytes,
    };
    assert!(record.text.unescaped().count() <= text.len());
    let taken: usize =
        record.fields.iter().map(|field| field.key.len().min(1) + field.value.bytes().len()).sum();
    assert!(text.len() + taken <= payload.len());
    let [userdata] = record.fields.userdata([b"host"]);
    assert!(userdata.is_none_or(|host| host.len() + 5 <= payload.len()));
    let _: Option<u32> = record.fields.msgid();
    assert_eq!(record.fields.is_empty(), record.fields.iter().next().is_none());
    assert!(Fields::EMPTY.is_empty());
}

fn escapes(payload: &[u8]) {
    let mut written = Vec::new();
    escape(payload, &mut |piece: &[u8]| written.extend_from_slice(piece));
    assert!(unescape(&written).eq(payload.iter().copied()));
    let mut room = vec![0; payload.len()];
    let length = unescape_into(payload, &mut room);
    assert!(unescape(payload).eq(room.into_iter().take(length)));
}
