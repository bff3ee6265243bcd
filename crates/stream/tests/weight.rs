//! What a stream weighs in memory.

mod world;

use std::net::SocketAddr;

use bedside_stream::{Limits, StreamKey};
use world::Doctor;

/// Bytes of this process that are in memory: proc(5), the second number in pages.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("/proc is there");
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("a number") * 4096
}

/// The only test of this file, so that nothing else grows meanwhile.
#[test]
fn a_silent_source_weighs_half_a_kib() {
    const SOURCES: u32 = 20_000;
    let limits = Limits { awake_streams: 1_000, ..Limits::default() };
    let mut doctor = Doctor::with(limits);
    let before = resident();
    for n in 0..SOURCES {
        let [_, high, middle, low] = n.to_be_bytes();
        let source = SocketAddr::from(([10, high, middle, low], 6665));
        let key = StreamKey::new(source, 6666);
        for seq in 0u64..40 {
            // As long as machines speak that lose some, with a name and a clock that is fine.
            let (seq, time) = (seq * 5 / 4 + 1_000, 3_000_000_000 + seq * 10_037);
            let line = format!("6,{seq},{time},-;a line\n host=machine-{n}.example.org\n");
            doctor.hear(key, line);
        }
        doctor.book.records.clear();
        doctor.book.runs.clear();
        doctor.book.journal.clear();
    }
    assert_eq!(doctor.core.streams(), SOURCES as usize);
    let each = (resident() - before) / u64::from(SOURCES);
    assert!(each <= 640, "{each} bytes");
}
