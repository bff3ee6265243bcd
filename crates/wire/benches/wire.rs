//! What it costs to read a datagram, and to make a record of it.

use divan::Bencher;
use divan::counter::BytesCount;
use netconsole_wire::tag::{Key, Signer, Tagged};
use netconsole_wire::{Datagram, parse};

fn main() {
    divan::main();
}

const DATAGRAMS: &[(&str, &[u8])] = &[
    ("basic", b"[12345.678901] igb 0000:03:00.0 eth0: NIC Link is Up 1000 Mbps Full Duplex\n"),
    ("extended", b"6,12345,12345678901,-;nvme nvme0: I/O tag 13 (1a2b) QID 4 timeout, aborting\n"),
    (
        "dictionary",
        b"6.12.94,6,12345,12345678901,-,caller=T12;usb 1-4: USB disconnect, device number 7\n \
        SUBSYSTEM=usb\n DEVICE=c189:3\n",
    ),
    ("fragment", b"6,12345,12345678901,-,ncfrag=0/1044;a piece of a message that is much longer"),
    ("syslog", b"<13>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8"),
];

#[divan::bench(args = DATAGRAMS.iter().map(|(name, _)| *name))]
fn parse_datagram(bencher: Bencher, name: &str) {
    let payload = payload(name);
    bencher.counter(BytesCount::of_slice(payload)).bench(|| parse(divan::black_box(payload)));
}

#[divan::bench(args = DATAGRAMS.iter().map(|(name, _)| *name))]
fn parse_and_record(bencher: Bencher, name: &str) {
    let payload = payload(name);
    bencher.counter(BytesCount::of_slice(payload)).bench(|| {
        match parse(divan::black_box(payload)) {
            Datagram::Extended(message) => drop(divan::black_box(message.record())),
            Datagram::Syslog(message) => drop(divan::black_box(message.record())),
            Datagram::Basic(text) => {
                for line in text.lines() {
                    divan::black_box(line.record(false));
                }
            }
            Datagram::Raw(bytes) => drop(divan::black_box(bytes)),
        }
    });
}

#[divan::bench]
fn sign(bencher: Bencher) {
    let signer = Signer::new(Key::new([7; 16]), 7);
    let mut room = [0; 1000];
    bencher.bench_local(|| signer.sign(payload("dictionary"), &mut room).map(<[u8]>::len));
}

#[divan::bench]
fn check(bencher: Bencher) {
    let (key, mut room) = (Key::new([7; 16]), [0; 1000]);
    let signed = Signer::new(key.clone(), 7).sign(payload("dictionary"), &mut room);
    let signed = signed.unwrap_or_default();
    bencher.bench(|| Tagged::open(divan::black_box(signed)).is_some_and(|it| it.is_by(&key)));
}

fn payload(name: &str) -> &'static [u8] {
    DATAGRAMS.iter().find(|(other, _)| *other == name).map_or(b"", |(_, payload)| payload)
}
