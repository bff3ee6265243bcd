//! Any bytes in any part of a record: no output acts on a terminal, and JSON says what was sent.
//!
//! The input: a byte that chooses what is there, then text, host, caller, release, key and value,
//! each ended by 0xfe.
#![no_main]

use bedside::cli::Output;
use bedside::render::{Look, Shown, escape, renderer};
use bedside_store::read::OwnedRecord;
use bedside_stream::{RunId, Voice, WallTime};
use libfuzzer_sys::fuzz_target;
use netconsole_wire::Format;

fuzz_target!(|input: &[u8]| {
    let Some((&kind, rest)) = input.split_first() else { return };
    let mut parts = rest.split(|byte| *byte == 0xfe).map(<[u8]>::to_vec);
    let mut part = || parts.next().unwrap_or_default();
    let record = OwnedRecord {
        text: part(),
        host: String::from_utf8_lossy(&part()).into(),
        caller: (kind & 1 != 0).then(&mut part),
        release: (kind & 2 != 0).then(&mut part),
        fields: vec![(part(), part())],
        boot: 1,
        run: RunId(1),
        source: ([192, 0, 2, 1], 6665).into(),
        port: 6666,
        voice: if kind & 32 != 0 { Voice::Forged } else { Voice::Plain },
        received: WallTime(1_700_000_000_000_000),
        format: Format::Extended,
        incomplete: kind & 4 != 0,
        prefix: Some(u16::from(kind)),
        seq: Some(1),
        time_us: (kind & 8 != 0).then_some(u64::from(kind) << 30),
        continued: kind & 16 != 0,
    };
    for output in [Output::Short, Output::Full] {
        harmless(&shown(output, &record));
    }
    let json = shown(Output::Json, &record);
    harmless(&json);
    let object: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(object["text"], *String::from_utf8_lossy(&record.text));
    assert_eq!(json.lines().count(), 1);
    assert_eq!(shown_bytes(Output::Raw, &record), [&record.text[..], b"\n"].concat());
});

fn shown(output: Output, record: &OwnedRecord) -> String {
    String::from_utf8(shown_bytes(output, record)).expect("UTF-8")
}

fn shown_bytes(output: Output, record: &OwnedRecord) -> Vec<u8> {
    let mut out = Vec::new();
    let mut renderer = renderer(output, Look::default());
    renderer.show(Shown::Record(record), &mut out).expect("memory can be written");
    renderer.settle(&mut out).expect("memory can be written");
    out
}

fn harmless(shown: &str) {
    let acting = shown.chars().find(|c| *c != '\n' && escape::acts(*c));
    assert_eq!(acting, None, "{shown:?}");
}
