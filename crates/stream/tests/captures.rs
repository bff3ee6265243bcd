//! Every recorded death of a real kernel, through the core: exactly its records, once each, in
//! order, boot by boot.

mod world;

use std::collections::BTreeSet;

use bedside_lab::{capture, oracle};
use bedside_stream::StreamKey;
use world::{Doctor, Heard};

/// Number, time and text.
type Told = (Option<u64>, Option<u64>, String);

fn wanted(stream: &oracle::Stream) -> Vec<Vec<Told>> {
    let records = |boot: &oracle::Boot| {
        let text = |record: &oracle::Record| String::from_utf8_lossy(&record.text).into_owned();
        boot.records.iter().map(|record| (record.seq, record.uptime_us, text(record))).collect()
    };
    stream.boots.iter().map(records).collect()
}

/// What the doctor holds of one of its ports in one format, boot by boot.
fn held(doctor: &Doctor, boots: &[Vec<Heard>], port: u16, extended: bool) -> Vec<Vec<Told>> {
    let of_stream = |record: &Heard| {
        doctor.book.runs[&record.run].key.port() == port && record.seq.is_some() == extended
    };
    let records = |boot: &Vec<Heard>| -> Vec<_> {
        let records = boot.iter().filter(|record| of_stream(record));
        records.map(|record| (record.seq, record.time, record.text.clone())).collect()
    };
    boots.iter().map(records).filter(|boot: &Vec<_>| !boot.is_empty()).collect()
}

#[test]
fn each_capture_gives_back_exactly_its_records() {
    let names = capture::names().unwrap();
    assert!(!names.is_empty());
    for name in names {
        let capture = capture::Capture::load(&name).unwrap();
        let mut doctor = Doctor::new();
        for datagram in &capture.datagrams {
            let key = StreamKey::new(datagram.source, datagram.target.port());
            doctor.hear(key, &datagram.payload);
        }
        doctor.pass(1_000_000);
        let boots = doctor.book.boots();
        let mut targets = BTreeSet::new();
        for stream in oracle::streams(&capture.datagrams) {
            let port = stream.target.port();
            targets.insert(port);
            let (wanted, held) = (wanted(&stream), held(&doctor, &boots, port, stream.extended));
            let counts = |boots: &[Vec<_>]| boots.iter().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(counts(&held), counts(&wanted), "records per boot of {name}, port {port}");
            assert_eq!(held, wanted, "{name}, port {port}");
        }
        assert!(!targets.is_empty(), "{name} holds no stream");
        let banner = |record: &&Heard| record.text.starts_with("Linux version ");
        let banners = boots.iter().flatten().filter(banner).count();
        let boots = boots.len();
        assert!(boots == 1 || boots == banners, "{name}: {boots} boots, {banners} banners");
    }
}
