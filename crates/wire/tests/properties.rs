//! What holds for any bytes and any message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netconsole_wire::parameter::{Device, Mac, Target};
use netconsole_wire::*;
use proptest::prelude::*;

/// Bytes that come close to every format: pieces of real datagrams in any order.
fn near_datagrams() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        prop::sample::select(vec![
            "** replaying previous printk message **\n",
            "** 7 printk messages dropped **\n",
            "** 7 printk messages dropped ** ",
            "6.1.0-rc1,",
            "6",
            "14",
            "2047",
            "2048",
            "0",
            "01",
            "18446744073709551615",
            ",",
            "-",
            "c",
            "+",
            ";",
            ",caller=T1",
            ",caller=",
            ",ncfrag=0/9",
            ",ncfrag=9/9",
            ",key",
            "=",
            "\n",
            " ",
            " cpu=0\n",
            " host=a\n",
            " SUBSYSTEM=pci\n",
            " DEVICE=+pci:0\n",
            " msgid=7\n",
            " taskname=x\n",
            "<6>",
            "<191>",
            "1 ",
            "Oct 11 22:14:15 ",
            "2026-01-01T00:00:00Z ",
            "host ",
            "tag: ",
            "tag[1]: ",
            "- ",
            "[a b=\"c]\"]",
            "[    1.000000] ",
            "[    T1] ",
            "\\x0a",
            "\\x",
            "6,1,2,-;",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => near_datagrams(),
        1 => prop::collection::vec(any::<u8>(), 0..2100),
    ]
}

fn emitted(datagram: &Datagram<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    datagram.emit(&mut |piece: &[u8]| bytes.extend_from_slice(piece));
    bytes
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    escape(bytes, &mut |piece: &[u8]| out.extend_from_slice(piece));
    out
}

#[derive(Clone, Debug)]
struct Owned {
    release: Option<String>,
    prefix: u16,
    seq: u64,
    time: u64,
    flags: Flags,
    caller: Option<String>,
    text: Vec<u8>,
    userdata: Vec<(String, String)>,
}

prop_compose! {
    fn messages()(
        release in prop::option::of("[!-+\\--~]{1,64}"),
        prefix in 0u16..2048,
        seq: u64,
        time: u64,
        flags in prop::sample::select(vec![Flags::None, Flags::Continued, Flags::Continuation]),
        caller in prop::option::of("[TC](0|[1-9][0-9]{0,8})"),
        text in prop::collection::vec(any::<u8>(), 0..2048),
        userdata in prop::collection::vec(("u[a-z_]{0,52}", "[ -~]{0,199}"), 0..16),
    ) -> Owned {
        Owned { release, prefix, seq, time, flags, caller, text, userdata }
    }
}

impl Owned {
    fn body(&self) -> Vec<u8> {
        let mut body = escaped(&self.text);
        body.push(b'\n');
        for (key, value) in &self.userdata {
            body.extend_from_slice(format!(" {key}={value}\n").as_bytes());
        }
        body
    }

    fn message<'a>(&'a self, body: &'a [u8]) -> Message<'a> {
        Message {
            release: self.release.as_deref().map(str::as_bytes),
            prefix: Prefix(self.prefix),
            seq: Sequence(self.seq),
            time: PrintkTime(self.time),
            flags: self.flags,
            caller: self.caller.as_deref().map(str::as_bytes),
            body,
        }
    }
}

/// What the kernel's sender does, said the plain way.
fn fragments_by_hand(message: &Message<'_>, max: usize) -> Vec<Vec<u8>> {
    let mut header = Vec::new();
    if let Some(release) = message.release {
        header.extend_from_slice(release);
        header.push(b',');
    }
    let (prefix, seq, time) = (message.prefix.0, message.seq.0, message.time.0);
    let flags = char::from(message.flags.as_byte());
    header.extend_from_slice(format!("{prefix},{seq},{time},{flags}").as_bytes());
    if let Some(caller) = message.caller {
        header.extend_from_slice(&[b",caller=", caller].concat());
    }
    let whole = [&header[..], b";", message.body].concat();
    if whole.len() <= max {
        return vec![whole];
    }
    let (mut sent, mut datagrams) = (0, Vec::new());
    while sent < message.body.len() {
        let key = format!(",ncfrag={sent}/{};", message.body.len());
        let mut datagram = [&header[..], key.as_bytes()].concat();
        let end = message.body.len().min(sent + max - datagram.len());
        datagram.extend_from_slice(&message.body[sent..end]);
        datagrams.push(datagram);
        sent = end;
    }
    datagrams
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_written_again(payload in any_bytes()) {
        prop_assert_eq!(emitted(&parse(&payload)), payload);
    }

    #[test]
    fn any_bytes_make_records_without_panic(payload in any_bytes(), split in any::<prop::sample::Index>()) {
        let records: Vec<Record<'_>> = match parse(&payload) {
            Datagram::Extended(extended) => {
                let cut = split.index(extended.body.len() + 1);
                vec![extended.record(), record_from(&extended.header, &extended.body[..cut], true)]
            }
            Datagram::Syslog(syslog) => vec![syslog.record()],
            Datagram::Basic(basic) => basic.lines().map(|line| line.record(basic.is_cut())).collect(),
            Datagram::Raw(bytes) => vec![Record::raw(bytes)],
        };
        for record in records {
            let fields = record.fields.iter().map(|field| field.value.unescaped().count()).sum::<usize>();
            prop_assert!(record.text.unescaped().count() + fields <= payload.len());
            let [host] = record.fields.userdata([b"host"]);
            prop_assert!(host.is_none_or(|host| host.len() < payload.len()));
            prop_assert!(record.fields.msgid().is_none_or(|_| payload.len() > 7));
        }
    }

    #[test]
    fn every_byte_of_a_basic_text_is_in_some_line(payload in "[ -~\n]{1,1000}") {
        let Datagram::Basic(basic) = parse(payload.as_bytes()) else { return Ok(()) };
        let lines: Vec<_> = basic.lines().collect();
        prop_assume!(lines.iter().all(|line| line.notice.is_none()));
        prop_assert_eq!(lines.len(), payload.lines().count());
        for (line, text) in lines.iter().zip(payload.split_terminator('\n')) {
            prop_assert!(text.as_bytes().ends_with(line.text));
            prop_assert_eq!(*line, basic_line(text.as_bytes()));
        }
    }

    #[test]
    fn a_message_comes_back_from_its_datagrams(owned in messages(), max in 300usize..=1000) {
        let body = owned.body();
        let message = owned.message(&body);
        let mut datagrams = Vec::new();
        let count = message.emit(max, |datagram: &[u8]| datagrams.push(datagram.to_vec())).unwrap();
        prop_assert_eq!(count, datagrams.len());
        prop_assert_eq!(&datagrams, &fragments_by_hand(&message, max));

        let mut whole = vec![0; body.len()];
        let mut filled = 0;
        for datagram in &datagrams {
            prop_assert!(datagram.len() <= max);
            let Datagram::Extended(piece) = parse(datagram) else {
                return Err(TestCaseError::fail("not extended"));
            };
            prop_assert_eq!(piece.fragment().is_some(), count > 1);
            let at = piece.fragment().map_or(0, |fragment| fragment.offset as usize);
            prop_assert!(piece.fragment().is_none_or(|fragment| fragment.total as usize == body.len()));
            whole[at..at + piece.body.len()].copy_from_slice(piece.body);
            filled += piece.body.len();
        }
        prop_assert_eq!(filled, body.len());
        let Datagram::Extended(first) = parse(&datagrams[0]) else { unreachable!() };
        let record = record_from(&first.header, &whole, false);
        prop_assert_eq!(record.release, message.release);
        prop_assert_eq!(record.prefix, Some(message.prefix));
        prop_assert_eq!(record.seq, Some(message.seq));
        prop_assert_eq!(record.time, Some(message.time));
        prop_assert_eq!(record.caller, message.caller);
        prop_assert_eq!(record.text.unescaped().collect::<Vec<_>>(), owned.text);
        let userdata: Vec<_> = record.fields.iter().map(|field| {
            (String::from_utf8_lossy(field.key).into_owned(), String::from_utf8_lossy(field.value.bytes()).into_owned())
        }).collect();
        prop_assert_eq!(userdata, owned.userdata);
    }

    #[test]
    fn a_header_without_room_for_the_body_is_refused(owned in messages(), max in 0usize..40) {
        let body = owned.body();
        let message = owned.message(&body);
        let mut sent = 0;
        let result = message.emit(max, |datagram: &[u8]| sent += datagram.len());
        if result.is_err() {
            prop_assert_eq!(result, Err(HeaderTooLong));
        } else {
            prop_assert!(sent >= body.len());
        }
    }

    #[test]
    fn escapes_are_undone(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let escaped = escaped(&bytes);
        prop_assert!(escaped.iter().all(|byte| (b' '..=b'~').contains(byte)));
        prop_assert_eq!(unescape(&escaped).collect::<Vec<_>>(), bytes.clone());
        let mut room = vec![0; escaped.len()];
        let written = unescape_into(&escaped, &mut room);
        prop_assert_eq!(&room[..written], &bytes[..]);
    }

    #[test]
    fn undoing_escapes_never_lengthens(bytes in any_bytes()) {
        let mut room = vec![0; bytes.len()];
        let written = unescape_into(&bytes, &mut room);
        prop_assert!(unescape(&bytes).eq(room[..written].iter().copied()));
        let mut short = [0; 3];
        prop_assert_eq!(unescape_into(&bytes, &mut short), written.min(3));
    }

    #[test]
    fn any_text_is_a_parameter_or_an_error_within_it(text in "\\PC{0,40}|[+r@/,:;0-9a-f.]{0,60}") {
        match parameter::parse(&text) {
            Ok(parameter) => {
                let printed = parameter.to_string();
                let again = parameter::parse(&printed).unwrap();
                prop_assert!(again.targets().eq(parameter.targets()));
                prop_assert_eq!(again.to_string(), printed);
                prop_assert_eq!(parameter.explain().to_string().lines().count(), 5 * parameter.targets().count());
            }
            Err(error) => prop_assert!(error.offset <= text.len()),
        }
    }

    #[test]
    fn a_target_comes_back_from_its_text(
        extended: bool, release: bool, source_port: u16, port in 1u16.., v4: bool,
        own: Option<(u32, u128)>, address: (u32, u128), mac: [u8; 6],
        device in prop_oneof!["[a-z][a-z0-9]{0,14}".prop_map(Ok), any::<[u8; 6]>().prop_map(Err)],
    ) {
        let ip = |(short, long): (u32, u128)| -> IpAddr {
            if v4 { Ipv4Addr::from_bits(short).into() } else { Ipv6Addr::from_bits(long).into() }
        };
        let device = match &device {
            Ok(name) => Device::Name(name),
            Err([first, rest @ ..]) => {
                let [b, c, d, e, f] = *rest;
                Device::Mac(Mac([first & !1, b, c, d, e, f]))
            }
        };
        let release = release && extended;
        let target = Target {
            extended, release, source_port, source_ip: own.map(ip), device, port, ip: ip(address), mac: Mac(mac),
        };
        let text = target.to_string();
        prop_assert!(parameter::parse(&text).unwrap().targets().eq([target]), "{}", text);
    }
}

#[test]
fn what_is_escaped_is_what_the_kernel_escapes_and_no_more() {
    let text = br"~ C:\x41 \x4z";
    assert_eq!(escaped(text), br"~ C:\x5cx41 \x5cx4z");
    assert_eq!(escaped(b"\t\x1f \x7f\x80\xff"), br"\x09\x1f \x7f\x80\xff");
}

#[test]
fn a_sink_that_is_full_says_so() {
    let mut room = [0; 4];
    let mut sink = SliceSink::new(&mut room);
    sink.write(b"abc");
    assert_eq!((sink.as_bytes(), sink.free(), sink.overflowed()), (&b"abc"[..], 1, false));
    sink.write(b"de");
    assert_eq!((sink.as_bytes(), sink.free(), sink.overflowed()), (&b"abcd"[..], 0, true));
    sink.truncate(1);
    assert_eq!(sink.as_bytes(), b"a");
}
