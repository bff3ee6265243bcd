//! A disk that does not answer.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bedside_store::disk::{Directory, Disk, DiskFile};
use bedside_store::{Batch, Options, Writer, maintain};
use bedside_stream::{Run, RunId};

use super::{held, push, run};

/// A directory whose writes, or syncs, wait until the gate is opened.
#[derive(Clone, Debug)]
struct Gated {
    directory: Directory,
    gate: Arc<(Mutex<bool>, Condvar)>,
    /// Not writes but syncs wait.
    syncs_wait: bool,
}

#[derive(Debug)]
struct GatedFile(Arc<dyn DiskFile>, Gated);

impl Gated {
    fn new(dir: &Path, syncs_wait: bool) -> Gated {
        let directory = Directory::create(dir.join("segments")).unwrap();
        Gated { directory, gate: Arc::new((Mutex::new(true), Condvar::new())), syncs_wait }
    }

    fn pass(&self) {
        let open = self.gate.0.lock().unwrap();
        drop(self.gate.1.wait_while(open, |open| !*open).unwrap());
    }

    fn set(&self, open: bool) {
        *self.gate.0.lock().unwrap() = open;
        self.gate.1.notify_all();
    }
}

impl Disk for Gated {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(GatedFile(self.directory.create(name)?, self.clone())))
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.directory.open(name)
    }
    fn reopen(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.directory.reopen(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.directory.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.directory.remove(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.directory.list()
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.directory.sync_dir()
    }
}

impl DiskFile for GatedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        if !self.1.syncs_wait {
            self.1.pass();
        }
        self.0.append(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        if self.1.syncs_wait {
            self.1.pass();
        }
        self.0.sync()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

/// Opens the gate when a test fails: nothing could end otherwise.
struct Opened(Gated);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn a_disk_that_hangs_never_holds_up_the_receiver_and_what_was_lost_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let gated = Gated::new(dir.path(), false);
    let lines = Arc::new(Mutex::new(0));
    let tap = {
        let lines = Arc::clone(&lines);
        Box::new(move |text: &[u8]| {
            let records = text.split(|&b| b == b'\n').filter(|line| line.starts_with(b"1 "));
            *lines.lock().unwrap() += records.count();
        })
    };
    let options = Options {
        storage: Some(Arc::new(gated.clone())),
        queue_bytes: 64 << 10,
        tap: Some(tap),
        ..Options::default()
    };
    let (mut writer, _) = Writer::open(dir.path(), options).unwrap();
    let _opened_in_the_end = Opened(gated.clone());
    gated.set(false);
    let mut seq = 0;
    let mut batch = Batch::new();
    // The run is told in a batch that is kept, its name in one that is lost.
    batch.push_run(&Run { host: None, ..run(1) });
    let mut named = false;
    while writer.counters().lost_queue.load(Ordering::Relaxed) < 500 {
        for _ in 0..50 {
            push(&mut batch, 1, seq);
            seq += 1;
        }
        if !named && writer.counters().lost_queue.load(Ordering::Relaxed) > 0 {
            named = true;
            batch.push_run(&run(1));
        }
        batch = writer.append(batch).unwrap_or_default();
        assert!(seq < 1_000_000);
    }
    assert_eq!(*lines.lock().unwrap() as u64, seq, "all of it was shown");
    gated.set(true);
    // Room comes when the store thread has taken what waits.
    let lost = loop {
        let lost = writer.counters().lost_queue.load(Ordering::Relaxed);
        push(&mut batch, 1, seq);
        seq += 1;
        batch = writer.append(batch).unwrap_or_default();
        if writer.counters().lost_queue.load(Ordering::Relaxed) == lost {
            break lost;
        }
    };
    writer.close().unwrap();
    let (seqs, missing) = held(dir.path());
    assert_eq!(missing, lost);
    assert_eq!(seqs.len() as u64 + missing, seq);
    assert!(seqs.is_sorted_by(|a, b| a < b));
    let summary = maintain::rebuild(dir.path()).unwrap();
    assert_eq!(summary.runs[&RunId(1)].stored.host_label(), b"web1");
    assert_eq!(summary.tally(RunId(1)).limited, missing);
}

#[test]
fn a_disk_that_hangs_is_told_and_an_end_does_not_wait_for_it_for_ever() {
    for syncs_wait in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let gated = Gated::new(dir.path(), syncs_wait);
        let options = Options {
            storage: Some(Arc::new(gated.clone())),
            stalled_after: Duration::from_millis(1),
            close_within: Duration::from_millis(100),
            ..Options::default()
        };
        let (mut writer, _) = Writer::open(dir.path(), options).unwrap();
        let _opened_in_the_end = Opened(gated.clone());
        gated.set(false);
        let mut batch = Batch::new();
        batch.push_run(&run(1));
        push(&mut batch, 1, 1);
        writer.append(batch);
        // In time: it is not told at once, and this test would hang if it never were.
        let trouble = loop {
            if let Some(trouble) = writer.health().disk {
                break trouble;
            }
        };
        assert_eq!(trouble.what, "the disk does not answer");
        let error = writer.close().unwrap_err().to_string();
        assert!(
            error.contains("the disk does not answer; what it has not taken is lost"),
            "{error}"
        );
    }
}

#[test]
fn a_disk_that_answers_again_is_well_again() {
    let dir = tempfile::tempdir().unwrap();
    let gated = Gated::new(dir.path(), true);
    let options = Options {
        storage: Some(Arc::new(gated.clone())),
        stalled_after: Duration::from_millis(1),
        ..Options::default()
    };
    let (mut writer, _) = Writer::open(dir.path(), options).unwrap();
    let _opened_in_the_end = Opened(gated.clone());
    gated.set(false);
    let mut batch = Batch::new();
    batch.push_run(&run(1));
    push(&mut batch, 1, 1);
    writer.append(batch);
    while writer.health().is_well() {}
    gated.set(true);
    writer.close().unwrap();
    assert_eq!(held(dir.path()), (vec![1], 0));
}
