use std::io::Cursor;
use std::path::Path;

use super::packet::tests::{ethernet_of, ipv4_of, udp_of};
use super::*;

/// Two frames with a datagram each and, between them, one without.
fn frames() -> [Vec<u8>; 3] {
    let datagram = |text: &[u8]| ethernet_of(&[0x0800], &ipv4_of(&[], 17, &udp_of(text)));
    [datagram(b"one"), ethernet_of(&[0x0806], &[0; 28]), datagram(b"two")]
}

fn expected(times: [u64; 2]) -> Vec<Captured> {
    let captured = |received_us, payload: &[u8]| Captured {
        received_us,
        source: "10.0.2.15:6665".parse().unwrap(),
        port: 6666,
        payload: payload.to_vec(),
    };
    vec![captured(times[0], b"one"), captured(times[1], b"two")]
}

/// Numbers in one byte order.
struct Words {
    big: bool,
}

impl Words {
    fn u16(&self, number: u16) -> [u8; 2] {
        if self.big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn u32(&self, number: u32) -> [u8; 4] {
        if self.big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    fn list(&self, numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| self.u32(*number)).collect()
    }

    fn block(&self, kind: u32, body: &[u8]) -> Vec<u8> {
        let body = [body, &vec![0; body.len().next_multiple_of(4) - body.len()]].concat();
        let length = body.len() as u32 + 12;
        [&self.list(&[kind, length])[..], &body, &self.u32(length)].concat()
    }

    fn section(&self) -> Vec<u8> {
        let body = [&self.list(&[0x1a2b_3c4d, 1])[..], &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    fn interface(&self, link: u16, longest: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [&self.u16(link)[..], &[0; 2], &self.u32(longest)].concat();
        for (code, value) in options {
            body.extend(self.u16(*code));
            body.extend(self.u16(value.len() as u16));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(1, &body)
    }

    fn packet(&self, interface: u32, time: u64, frame: &[u8]) -> Vec<u8> {
        let length = frame.len() as u32;
        let head = self.list(&[interface, (time >> 32) as u32, time as u32, length, length]);
        self.block(6, &[&head[..], frame].concat())
    }
}

fn pcap(words: &Words, magic: u32, beside: &[u8]) -> Vec<u8> {
    let mut file = words.list(&[magic, 2, 0, 0, 262_144, 1]);
    for (at, frame) in frames().iter().enumerate() {
        let length = frame.len() as u32;
        file.extend(words.list(&[1_700_000_000, 7 + at as u32 * 1000, length, length]));
        file.extend(beside);
        file.extend(frame);
    }
    file
}

fn pcapng(words: &Words) -> Vec<u8> {
    let [one, arp, two] = frames();
    [
        words.section(),
        words.interface(1, 0, &[(2, b"eth0")]),
        words.packet(0, 1_700_000_000_000_007, &one),
        words.block(5, &[7; 40]),
        words.packet(0, 1_700_000_000_000_008, &arp),
        words.packet(0, 1_700_000_000_000_009, &two),
    ]
    .concat()
}

fn lines() -> String {
    "{\"type\": \"header\", \"kernel\": \"7.3.4\"}\n\
     {\"n\": 0, \"t\": 3.4, \"unix_ns\": 5999, \"src\": \"10.0.2.15:6665\", \
     \"dst\": \"127.0.0.1:6666\", \"len\": 3, \"b64\": \"b25l\"}\r\n\
     \n\
     {\"b64\": \"dHdv\", \"unix_ns\": 6000, \"src\": \"[::ffff:10.0.2.15]:6665\", \"dst\": \"[::1]:6666\"}\n\
     {\"type\": \"end\", \"datagrams\": 2}"
        .to_owned()
}

fn open(content: &[u8]) -> Result<Capture, Error> {
    let path = Path::new("capture");
    let input = Input::new(Cursor::new(content.to_vec()), content.len() as u64)
        .map_err(|source| Error::Open { path: path.to_owned(), source })?;
    Capture::read_from(input, path)
}

fn read(content: &[u8]) -> Result<(Vec<Captured>, Skipped), Error> {
    let mut capture = open(content)?;
    let captured = capture.by_ref().collect::<Result<_, _>>()?;
    Ok((captured, *capture.skipped()))
}

const LITTLE: Words = Words { big: false };
const BIG: Words = Words { big: true };
const ONE_ARP: Skipped = Skipped {
    not_udp: 1,
    ip_fragments: 0,
    cut: 0,
    malformed: 0,
    unknown_link: 0,
    link: None,
    other_port: 0,
};

#[test]
fn pcap_in_every_dialect() {
    for words in [LITTLE, BIG] {
        let micros = [1_700_000_000_000_007, 1_700_000_000_002_007];
        for (magic, beside) in [(0xa1b2_c3d4, &[][..]), (0xa1b2_cd34, &[0; 8][..])] {
            let file = pcap(&words, magic, beside);
            assert_eq!(read(&file).unwrap(), (expected(micros), ONE_ARP), "{magic:x}");
        }
        let nanos = [1_700_000_000_000_000, 1_700_000_000_000_002];
        let file = pcap(&words, 0xa1b2_3c4d, &[]);
        assert_eq!(read(&file).unwrap(), (expected(nanos), ONE_ARP));
    }
}

#[test]
fn pcapng_in_both_byte_orders_and_both_in_one_file() {
    let times = [1_700_000_000_000_007, 1_700_000_000_000_009];
    for file in [pcapng(&LITTLE), pcapng(&BIG)] {
        assert_eq!(read(&file).unwrap(), (expected(times), ONE_ARP));
    }
    let both = [pcapng(&BIG), pcapng(&LITTLE)].concat();
    assert_eq!(read(&both).unwrap().0, [expected(times), expected(times)].concat());
}

#[test]
fn pcapng_tells_time_in_the_units_of_each_interface() {
    let [one, _, two] = frames();
    let offset = 1_000_000_000_u64.to_le_bytes();
    let file = [
        LITTLE.section(),
        LITTLE.interface(1, 0, &[(9, &[9])]),
        LITTLE.interface(1, 0, &[(9, &[0x8a]), (14, &offset)]),
        LITTLE.packet(0, 1_700_000_000_123_456_789, &one),
        LITTLE.packet(1, 3 * 1024 + 512, &two),
    ]
    .concat();
    let times = [1_700_000_000_123_456, 1_000_000_003_500_000];
    assert_eq!(read(&file).unwrap().0, expected(times));
}

#[test]
fn pcapng_blocks_of_other_kinds_of_packets() {
    let [one, arp, two] = frames();
    let length = one.len() as u32;
    let old = [&LITTLE.u16(0)[..], &[0, 9], &LITTLE.list(&[0, 70, length, length]), &one].concat();
    let simple = [&LITTLE.u32(two.len() as u32)[..], &two].concat();
    let cut = [&LITTLE.u32(5_000)[..], &arp, &two].concat();
    let file = [
        LITTLE.section(),
        LITTLE.interface(1, two.len() as u32, &[]),
        LITTLE.block(2, &old),
        LITTLE.block(3, &simple),
        LITTLE.block(3, &cut),
    ]
    .concat();
    let (captured, skipped) = read(&file).unwrap();
    assert_eq!(captured, expected([70, 70]));
    assert_eq!(skipped, ONE_ARP);
}

#[test]
fn json_lines() {
    let (captured, skipped) = read(lines().as_bytes()).unwrap();
    assert_eq!(captured, expected([5, 6]));
    assert_eq!(skipped, Skipped::default());
}

#[test]
fn any_of_them_packed_with_zstd() {
    for content in [pcap(&LITTLE, 0xa1b2_c3d4, &[]), pcapng(&BIG), lines().into_bytes()] {
        let packed = zstd::encode_all(&content[..], 3).unwrap();
        assert_eq!(read(&packed).unwrap(), read(&content).unwrap());
    }
}

#[test]
fn ports_choose_and_the_position_moves_to_the_end() {
    let content = lines().into_bytes();
    let mut capture = open(&content).unwrap().ports(&[514, 6667]);
    assert_eq!(capture.len(), lines().len() as u64);
    assert!(capture.next().is_none());
    assert_eq!(capture.skipped().other_port, 2);
    assert_eq!(capture.position(), capture.len());
    assert_eq!(open(&content).unwrap().ports(&[514, 6666]).count(), 2);
}

#[test]
fn what_is_skipped_is_told_by_reason() {
    let frame = &frames()[0];
    let mut file = LITTLE.list(&[0xa1b2_c3d4, 2, 0, 0, 262_144, 1]);
    // A capture that keeps 40 bytes of each frame, and one whose frame lies about its length.
    file.extend(LITTLE.list(&[0, 0, 40, frame.len() as u32]));
    file.extend(&frame[..40]);
    file.extend(LITTLE.list(&[0, 0, 40, 40]));
    file.extend(&frame[..40]);
    let (captured, skipped) = read(&file).unwrap();
    assert!(captured.is_empty());
    assert_eq!((skipped.cut, skipped.malformed), (1, 1));

    let mut bluetooth = pcap(&LITTLE, 0xa1b2_c3d4, &[]);
    bluetooth[20] = 187;
    let (_, skipped) = read(&bluetooth).unwrap();
    assert_eq!((skipped.unknown_link, skipped.link), (3, Some(187)));
}

#[test]
fn what_is_no_capture_is_told_as_such() {
    for (content, words) in [
        (&b""[..], "is no capture"),
        (b"hello", "is no capture"),
        (b"\xd4\xc3\xb2\xa1\x02\0", "is no capture"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "try: gunzip it first"),
        (b"\x28\xb5\x2f\xfd\xff\xff", "cannot open"),
    ] {
        let error = read(content).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let missing = Capture::open(Path::new("/nonexistent/x.pcap")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot open /nonexistent/x.pcap: "), "{missing}");
}

#[test]
fn damage_is_told_with_its_place() {
    let told = |content: &[u8], words: &str| {
        let error = read(content).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let mut huge = pcap(&LITTLE, 0xa1b2_c3d4, &[]);
    huge[32..36].copy_from_slice(&[0xff; 4]);
    told(&huge, "near byte 40: a frame of 4294967295 bytes");

    let mut ends = pcapng(&LITTLE);
    let last = ends.len() - 1;
    ends[last] ^= 1;
    told(&ends, "a block with two different lengths");
    told(&[LITTLE.section(), LITTLE.packet(0, 0, b"x")].concat(), "a senseless packet");
    told(&[LITTLE.section(), LITTLE.interface(1, 0, &[(9, &[20])])].concat(), "interface");
    let mut order = LITTLE.section();
    order[8] = 0;
    told(&order, "near byte 12: a section without a byte order");

    told(b"{\"unix_ns\": 1}", "a datagram without unix_ns, src, dst or b64");
    told(&lines().replace("\"len\": 3", "\"len\": 4").into_bytes(), "not the length");
    told(&lines().replace("b25l", "b25!").into_bytes(), "near byte");
    told(b"{nonsense}", "key must be a string");
    told(&[b"{".repeat(2 << 20)].concat(), "a line of more than");
}

/// A recording that was interrupted gives what it has and then says so; whatever else may be
/// wrong with a file, reading ends.
#[test]
fn a_file_cut_anywhere_gives_what_stands_before_the_cut() {
    let whole = expected([1_700_000_000_000_007, 1_700_000_000_002_007]);
    let content = pcap(&LITTLE, 0xa1b2_c3d4, &[]);
    let frame_ends = {
        let mut at = 24;
        frames().map(|frame| {
            at += 16 + frame.len();
            at
        })
    };
    for length in 24..content.len() {
        let items: Vec<_> = open(&content[..length]).unwrap().collect();
        let captured: Vec<_> = items.iter().filter_map(|item| item.as_ref().ok()).collect();
        let in_full = [frame_ends[0], frame_ends[2]].iter().filter(|end| **end <= length).count();
        assert_eq!(captured, whole.iter().take(in_full).collect::<Vec<_>>(), "{length}");
        let between = length == 24 || frame_ends.contains(&length);
        let cut = matches!(items.last(), Some(Err(Error::Cut { .. })));
        assert_eq!(cut, !between, "{length}");
    }
}

#[test]
fn no_byte_of_a_file_is_believed() {
    let contents = [
        pcap(&BIG, 0xa1b2_3c4d, &[]),
        pcapng(&LITTLE),
        pcapng(&BIG),
        lines().into_bytes(),
        zstd::encode_all(&pcapng(&LITTLE)[..], 3).unwrap(),
    ];
    for content in contents {
        for at in 0..content.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, content[at] ^ 0x10] {
                let mut content = content.clone();
                content[at] = value;
                if let Ok(capture) = open(&content) {
                    // A flip can make no more of three frames than three datagrams.
                    assert!(capture.count() <= 4);
                }
            }
        }
        for length in 0..content.len() {
            if let Ok(capture) = open(&content[..length]) {
                assert!(capture.count() <= 3);
            }
        }
    }
}

/// Of four runs there are both: what the receiver heard, and the frames on the wire, from before
/// the emulated network rewrote the senders' addresses.
#[test]
fn real_captures_hold_the_datagrams_of_their_runs() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lab/fixtures/kernel");
    for run in ["6.1.0/basic_kmsg_panic0", "6.1.0/ext_null", "7.3.4/cfg_udsys", "7.3.4/cfg_v6"] {
        let datagrams = |kind: &str, ports: &[u16]| -> Vec<Captured> {
            let path = fixtures.join(format!("{run}.{kind}.zst"));
            Capture::open(&path).unwrap().ports(ports).map(Result::unwrap).collect()
        };
        let heard = datagrams("jsonl", &[]);
        let ports: Vec<u16> = heard.iter().map(|datagram| datagram.port).collect();
        let on_the_wire = datagrams("pcap", &ports);
        assert!(!heard.is_empty());
        let words = |datagrams: &[Captured]| -> Vec<(u16, Vec<u8>)> {
            datagrams.iter().map(|d| (d.port, d.payload.clone())).collect()
        };
        assert_eq!(words(&on_the_wire), words(&heard), "{run}");
        assert!(on_the_wire.iter().all(|datagram| datagram.source.port() == 6665), "{run}");
    }
}
