//! What a capture says, decoded in the plainest way that is right.
//!
//! Shares no code with the doctor, sees the whole capture at once, and knows only what these
//! captures hold: one machine each, nothing lost or reordered on the way.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::capture::Datagram;

/// The records of one target in one format, boot by boot.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The receiver's address and port.
    pub target: SocketAddr,
    /// Extended or basic.
    pub extended: bool,
    /// The boots in order of first receipt.
    pub boots: Vec<Boot>,
}

/// What was heard of one boot, in the order in which the doctor has to tell it.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// Each record once.
    pub records: Vec<Record>,
    /// Records that the sender said it dropped.
    pub dropped: u64,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// printk's number (extended only).
    pub seq: Option<u64>,
    /// Microseconds since the sender's boot.
    pub uptime_us: Option<u64>,
    /// Facility and level (extended only).
    pub prefix: Option<u16>,
    /// The kernel release in front of the header.
    pub release: Option<String>,
    /// The text, escapes undone.
    pub text: Vec<u8>,
    /// The dictionary: keys and values.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Decodes a capture: one stream per target and format, in order of first receipt.
pub fn streams(datagrams: &[Datagram]) -> Vec<Stream> {
    let mut messages: Vec<(SocketAddr, bool, Vec<Message>)> = Vec::new();
    for (target, payloads) in by_target(datagrams) {
        for message in messages_of(&payloads) {
            let extended = matches!(&message, Message::Record(record) if record.seq.is_some());
            match messages.iter_mut().find(|(t, e, _)| (*t, *e) == (target, extended)) {
                Some((_, _, list)) => list.push(message),
                None => messages.push((target, extended, vec![message])),
            }
        }
    }
    messages
        .into_iter()
        .map(|(target, extended, list)| Stream { target, extended, boots: boots(list) })
        .collect()
}

/// What one or more datagrams said.
#[derive(Clone, Debug)]
enum Message {
    Record(Record),
    Dropped(u64),
}

fn by_target(datagrams: &[Datagram]) -> Vec<(SocketAddr, Vec<&[u8]>)> {
    let mut targets: Vec<(SocketAddr, Vec<&[u8]>)> = Vec::new();
    for datagram in datagrams {
        match targets.iter_mut().find(|(target, _)| *target == datagram.target) {
            Some((_, payloads)) => payloads.push(&datagram.payload),
            None => targets.push((datagram.target, vec![&datagram.payload])),
        }
    }
    targets
}

fn messages_of(payloads: &[&[u8]]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut fragments: BTreeMap<(u64, u64), Vec<Option<u8>>> = BTreeMap::new();
    let mut cut = Vec::new();
    for payload in payloads {
        let payload = without(payload, REPLAYING);
        let Some((header, body)) = extended_header(&payload) else {
            cut.extend_from_slice(&payload);
            if payload.len() != BASIC_CUT || payload.ends_with(b"\n") {
                messages.extend(basic_messages(&std::mem::take(&mut cut)));
            }
            continue;
        };
        let Some((offset, total)) = header.fragment else {
            messages.push(Message::Record(extended_record(&header, body)));
            continue;
        };
        let key = (header.seq, header.uptime_us);
        let bytes = fragments.entry(key).or_insert_with(|| vec![None; total]);
        for (slot, byte) in bytes.iter_mut().skip(offset).zip(body) {
            *slot = Some(*byte);
        }
        if let Some(whole) = bytes.iter().copied().collect::<Option<Vec<u8>>>() {
            fragments.remove(&key);
            messages.push(Message::Record(extended_record(&header, &whole)));
        }
    }
    messages
}

/// What stands before the `;`.
struct Header {
    release: Option<String>,
    prefix: u16,
    seq: u64,
    uptime_us: u64,
    fragment: Option<(usize, usize)>,
}

/// Takes `[release,]prefix,seq,time,flags[,key=value…];` apart; nothing if it is not one.
fn extended_header(payload: &[u8]) -> Option<(Header, &[u8])> {
    let end = payload.iter().position(|&byte| byte == b';')?;
    let head = std::str::from_utf8(payload.get(..end)?).ok()?;
    let mut parts: Vec<&str> = head.split(',').collect();
    let release = parts.first()?.parse::<u16>().is_err().then(|| parts.remove(0).to_owned());
    let (core, keys) = parts.split_at_checked(4)?;
    if !matches!(core[3], "-" | "c" | "+") {
        return None;
    }
    let fragment = keys.iter().find_map(|key| key.strip_prefix("ncfrag=")).and_then(|value| {
        let (offset, total) = value.split_once('/')?;
        Some((offset.parse().ok()?, total.parse().ok()?))
    });
    let header = Header {
        release,
        prefix: core[0].parse().ok()?,
        seq: core[1].parse().ok()?,
        uptime_us: core[2].parse().ok()?,
        fragment,
    };
    Some((header, payload.get(end + 1..)?))
}

fn extended_record(header: &Header, body: &[u8]) -> Record {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let end = body.iter().position(|&byte| byte == b'\n').unwrap_or(body.len());
    Record {
        seq: Some(header.seq),
        uptime_us: Some(header.uptime_us),
        prefix: Some(header.prefix),
        release: header.release.clone(),
        text: unescape(&body[..end]),
        fields: dictionary(&body[end..]),
    }
}

/// Each entry begins with a newline and a space; a value may hold newlines without one.
fn dictionary(mut rest: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields = Vec::new();
    while let Some(entry) = rest.strip_prefix(b"\n ") {
        let end = entry.windows(2).position(|pair| pair == b"\n ").unwrap_or(entry.len());
        if let Some(equals) = entry[..end].iter().position(|&byte| byte == b'=') {
            let (key, value) = (&entry[..equals], &entry[equals + 1..end]);
            let kernels = matches!(key, b"SUBSYSTEM" | b"DEVICE");
            fields.push((key.to_vec(), if kernels { unescape(value) } else { value.to_vec() }));
        }
        rest = &entry[end..];
    }
    fields
}

/// `\xNN`, lower case, to the byte; anything else stands as it is.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let escape = match rest {
            [b'\\', b'x', high, low, ..] => digit(*high).zip(digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = escape {
            out.push(high * 16 + low);
            rest = &rest[4..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

fn basic_messages(text: &[u8]) -> Vec<Message> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&byte| byte == b'\n').map(basic_message).collect()
}

fn basic_message(line: &[u8]) -> Message {
    if let Some(count) = dropped(line) {
        return Message::Dropped(count);
    }
    let (uptime_us, text) = take_time(line);
    Message::Record(Record {
        seq: None,
        uptime_us,
        prefix: None,
        release: None,
        text: text.to_vec(),
        fields: Vec::new(),
    })
}

/// The count of `** N printk messages dropped **`.
pub fn dropped(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("** ")?.strip_suffix(" printk messages dropped **")?.parse().ok()
}

/// Takes `[%5lu.%06lu] ` off a line.
pub fn take_time(line: &[u8]) -> (Option<u64>, &[u8]) {
    let taken = (|| {
        let inner = line.strip_prefix(b"[")?;
        let end = inner.windows(2).position(|pair| pair == b"] ")?;
        let stamp = std::str::from_utf8(&inner[..end]).ok()?;
        let (seconds, micros) = stamp.split_once('.')?;
        if stamp.len() < 12 || micros.len() != 6 {
            return None;
        }
        let seconds: u64 = seconds.trim_start_matches(' ').parse().ok()?;
        Some((seconds * 1_000_000 + micros.parse::<u64>().ok()?, &inner[end + 2..]))
    })();
    match taken {
        Some((uptime_us, text)) => (Some(uptime_us), text),
        None => (None, line),
    }
}

/// Splits messages at each replay of the ring buffer: a new boot, or the same again.
fn boots(messages: Vec<Message>) -> Vec<Boot> {
    let mut boots: Vec<Boot> = Vec::new();
    for chunk in chunks(messages) {
        let timed = chunk.iter().filter_map(|message| match message {
            Message::Record(record) if record.uptime_us > Some(0) => Some(record),
            _ => None,
        });
        let deciding: Vec<&Record> = timed.take(DECIDING).collect();
        let held = |boot: &Boot| deciding.iter().filter(|r| boot.records.contains(r)).count();
        let repeats = |boot: &Boot| held(boot) * 2 > deciding.len();
        if let Some(boot) = boots.last_mut().filter(|boot| repeats(boot)) {
            add(boot, chunk);
        } else {
            let mut boot = Boot::default();
            add(&mut boot, chunk);
            boots.push(boot);
        }
    }
    for boot in &mut boots {
        // Stable: basic records have no number and stay in order of arrival.
        boot.records.sort_by_key(|record| record.seq);
    }
    boots
}

/// Pieces that each begin with the kernel's first line, the first piece perhaps later.
fn chunks(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut chunks: Vec<Vec<Message>> = Vec::new();
    for message in messages {
        let first_line = matches!(&message, Message::Record(record)
            if record.text.starts_with(b"Linux version ") && record.uptime_us.unwrap_or(0) == 0);
        match chunks.last_mut() {
            Some(chunk) if !first_line => chunk.push(message),
            _ => chunks.push(vec![message]),
        }
    }
    chunks
}

/// Adds what the boot does not hold yet. A number stands for one record; a line without a number
/// that came twice in one go was said twice.
fn add(boot: &mut Boot, chunk: Vec<Message>) {
    let mut held = boot.records.clone();
    for message in chunk {
        match message {
            Message::Dropped(count) => boot.dropped += count,
            Message::Record(record) if record.seq.is_some() => {
                if !boot.records.contains(&record) {
                    boot.records.push(record);
                }
            }
            Message::Record(record) => match held.iter().position(|known| *known == record) {
                Some(at) => drop(held.swap_remove(at)),
                None => boot.records.push(record),
            },
        }
    }
}

/// Takes out a notice that stands in front of a record.
fn without(payload: &[u8], notice: &[u8]) -> Vec<u8> {
    let front = payload.get(..FRONT).unwrap_or(payload);
    match front.windows(notice.len()).position(|window| window == notice) {
        Some(at) => [&payload[..at], &payload[at + notice.len()..]].concat(),
        None => payload.to_vec(),
    }
}

const BASIC_CUT: usize = 1000;
/// So many records with a time above 0 tell a repeat from a new boot; a single one does not, for
/// the clock is coarse at first.
pub(crate) const DECIDING: usize = 40;
/// More than a release and a notice are long.
const FRONT: usize = 128;
const REPLAYING: &[u8] = b"** replaying previous printk message **\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;

    fn counts(name: &str) -> Vec<Vec<usize>> {
        let capture = Capture::load(name).unwrap();
        let streams = streams(&capture.datagrams);
        streams.iter().map(|s| s.boots.iter().map(|boot| boot.records.len()).collect()).collect()
    }

    #[test]
    fn three_boots_that_begin_alike_are_three() {
        assert_eq!(counts("6.1.0/ext_reboot_clean"), [[387, 387, 384]]);
        assert_eq!(counts("7.3.4/basic_reboot_panic")[0].len(), 2);
    }

    #[test]
    fn a_module_loaded_again_is_the_same_boot() {
        assert_eq!(counts("7.3.4/ext_reinsert"), [[473]]);
        assert_eq!(counts("6.1.0/ext_panic_replay"), [[419]]);
    }

    #[test]
    fn sixty_nine_fragments_are_one_record() {
        assert_eq!(counts("7.3.4/cfg_udmax"), [[40]]);
    }

    #[test]
    fn a_basic_and_an_extended_target_are_two_streams() {
        assert_eq!(counts("7.3.4/cfg_two"), [[69], [60]]);
    }

    #[test]
    fn half_an_escape_stays() {
        assert_eq!(unescape(br"\x1b[0m \xe2\x8"), b"\x1b[0m \xe2\\x8");
        assert_eq!(unescape(br"\x5cx41 \x4"), br"\x41 \x4");
    }
}
