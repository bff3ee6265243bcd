//! Whatever a datagram holds, its records stand in the store as one printable line each and come
//! back with the same bytes; and any bytes are read as an entry or not, without panic.
#![no_main]

use bedside_store::entry::{self, Entry, StoredRecord, unescape};
use bedside_stream::{RunId, WallTime};
use libfuzzer_sys::fuzz_target;
use netconsole_wire::{Datagram, Record, parse};

fuzz_target!(|payload: &[u8]| {
    if let Some(Entry::Record(record)) = Entry::decode(payload) {
        assert!(record.text_bytes().len() <= payload.len());
        assert!(record.fields.iter().count() <= payload.len());
    }
    match parse(payload) {
        Datagram::Extended(message) => kept(&message.record()),
        Datagram::Syslog(message) => kept(&message.record()),
        Datagram::Basic(text) => text.lines().for_each(|line| kept(&line.record(text.is_cut()))),
        Datagram::Raw(bytes) => kept(&Record::raw(bytes)),
    }
});

fn kept(record: &Record<'_>) {
    let mut line = Vec::new();
    entry::write_record(&mut line, RunId(7), WallTime(11), record);
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')), "not printable");
    let Some(Entry::Record(stored)) = Entry::decode(&line) else { panic!("written, but not read") };
    same(record, &stored);
}

fn same(record: &Record<'_>, stored: &StoredRecord<'_>) {
    assert_eq!((stored.run, stored.received), (RunId(7), WallTime(11)));
    assert_eq!((stored.format, stored.incomplete), (record.format, record.incomplete));
    assert_eq!((stored.prefix, stored.seq, stored.time), (record.prefix, record.seq, record.time));
    assert_eq!(stored.continued, record.continued);
    assert_eq!(stored.release_bytes().as_deref(), record.release);
    assert_eq!(stored.caller_bytes().as_deref(), record.caller);
    assert!(record.text.unescaped().eq(stored.text_bytes()));
    let mut fields = stored.fields.iter();
    for field in record.fields.iter() {
        let Some((key, value)) = fields.next() else { panic!("a field is missing") };
        assert_eq!(unescape(key), field.key);
        assert!(field.value.unescaped().eq(unescape(value)));
    }
    assert!(fields.next().is_none(), "a field too many");
}
