use super::*;
use crate::disk::faulty::{Dice, FaultyDisk};
use crate::segment::{BlockHeader, Form, Gram, fold, list};
use crate::testing::*;
use proptest::collection::vec;
use proptest::prelude::*;

static GO: AtomicBool = AtomicBool::new(false);
/// Small, so that a few lines make chapters and blocks.
const SHAPE: Shape = Shape { level: 2, chapter: 700, block: 250 };

/// A live segment of 30 records and the job to seal it.
fn store() -> (FaultyDisk, SealJob) {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &crate::Options::default()).unwrap();
    for seq in 0..30 {
        life.say(1 + seq % 3, seq);
    }
    assert!(life.sync());
    (disk, SealJob { number: 1, cut: None })
}

#[test]
fn the_lines_and_their_numbers_stay_the_same() {
    let (disk, job) = store();
    let before = held(&disk);
    let live = SegmentFile::open(&disk, segments(&disk)[0]).unwrap();
    let entries = live.scan().unwrap().end.entries;
    assert_eq!(seal(&disk, job, SHAPE, &GO).unwrap(), Sealed::Done { damaged: 0 });
    assert_eq!(held(&disk), before);
    let listed = list(&disk).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, SegmentName::sealed(1));
    let sealed = SegmentFile::open(&disk, listed[0]).unwrap();
    assert_eq!(sealed.entries().unwrap(), entries);
    assert!(sealed.header().sealed && sealed.bytes().unwrap() < live.bytes().unwrap());
    let index = sealed.index().unwrap();
    assert!(index.chapters.len() > 1 && index.blocks.len() > index.chapters.len(), "{index:?}");
    let outline = |block: &BlockRef| BlockRef {
        header: BlockHeader { runs: Vec::new(), ..block.header.clone() },
        ..block.clone()
    };
    let scan = sealed.scan().unwrap();
    assert_eq!(scan.blocks.iter().map(outline).collect::<Vec<_>>(), index.blocks);
    assert_eq!(sealed.scan_from(sealed.start()).unwrap().blocks, scan.blocks, "without the index");
}

#[test]
fn a_reader_that_listed_the_live_file_finds_the_sealed_one() {
    let (disk, job) = store();
    let listed = segments(&disk)[0];
    seal(&disk, job, SHAPE, &GO).unwrap();
    assert_eq!(listed.name.form, Form::Live);
    assert_eq!(SegmentFile::open(&disk, listed).unwrap().name(), SegmentName::sealed(1));
}

#[test]
fn zstd_itself_reads_a_segment() {
    let (disk, job) = store();
    let lines = |name: &str| {
        let file = disk.open(name).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap()
    };
    let live = lines("00000001.live.zst");
    assert_eq!(live.lines().count(), 33);
    assert!(live.starts_with("R 1\tsource=192.0.2.1:6665\tport=6666\tfirst=1000001\tverdict=boot\tboot=1\n1 2000000 e ,6,0,0,,;record 0 of run 1\n"), "{live}");
    seal(&disk, job, SHAPE, &GO).unwrap();
    let sealed = lines("00000001.zst");
    let said = |text: &str, run: u64| {
        let lines = text.lines().filter_map(|line| Some(line.split_once(';')?.1.to_owned()));
        lines.filter(|said| said.ends_with(&format!("run {run}"))).collect::<Vec<_>>()
    };
    for run in 1..=3 {
        assert_eq!(said(&live, run).len(), 10);
        assert_eq!(said(&sealed, run), said(&live, run));
    }
    assert!(sealed.starts_with("R 1\tsource=192.0.2.1:6665"), "{sealed}");
    let below_their_head = "\n2 # e ,#,#,#,,\n;record 1 of run 2\n;record 4 of run 2\n";
    assert!(sealed.contains(below_their_head), "{sealed}");
}

#[test]
fn a_crash_or_an_error_at_each_step_loses_nothing() {
    let (disk, job) = store();
    let all = held(&disk);
    let before = disk.steps();
    seal(&disk, job, SHAPE, &GO).unwrap();
    for at in 0..disk.steps() - before {
        let (disk, job) = store();
        disk.fail(disk.steps() + at..disk.steps() + at + 1);
        let sealed = seal(&disk, job, SHAPE, &GO);
        disk.fail(0..0);
        assert_eq!(held(&disk), all, "an error at step {at}: {sealed:?}");
        for seed in 0..4 {
            let after = disk.crash(&mut Dice(at * 10 + seed));
            assert_eq!(held(&after), all, "a crash at step {at}: {sealed:?}");
            drop(Life::open(&after, &crate::Options::default()).unwrap());
            assert_eq!(held(&after), all, "a start after a crash at step {at}: {sealed:?}");
        }
        // Tried again, it works.
        assert!(seal(&disk, job, SHAPE, &GO).is_ok());
        assert_eq!(held(&disk), all);
    }
}

#[test]
fn a_seal_can_be_stopped() {
    let (disk, job) = store();
    let all = held(&disk);
    assert_eq!(seal(&disk, job, SHAPE, &AtomicBool::new(true)).unwrap(), Sealed::Stopped);
    assert_eq!(disk.list().unwrap(), ["00000001.live.zst"]);
    assert_eq!(held(&disk), all);
}

#[test]
fn what_is_replaced_is_not_sealed() {
    let (disk, _) = store();
    let segment = SegmentFile::open(&disk, segments(&disk)[0]).unwrap();
    let cut = segment.scan().unwrap().blocks[10].end();
    let job = SealJob { number: 1, cut: Some(cut) };
    seal(&disk, job, SHAPE, &GO).unwrap();
    assert_eq!(held(&disk).seqs(), (0..11).collect::<Vec<_>>());
}

/// The places of the records whose text holds `word`, found by the filters or without them.
fn found(segment: &SegmentFile, word: &str, by_filter: bool) -> Vec<u64> {
    let index = segment.index().unwrap();
    let filters = segment.filters(&index).unwrap();
    let sets = if by_filter { vec![Gram::of(&fold(word.as_bytes()))] } else { Vec::new() };
    let mut found = Vec::new();
    for block in index.blocks_with(&filters, &sets, false) {
        let mut text = Vec::new();
        segment.read_block(block, &mut text).unwrap();
        let entries = segment.read_entries(block).unwrap();
        for (line, place) in text.split(|&byte| byte == b'\n').zip(0..) {
            let Some(crate::Entry::Record(record)) = crate::Entry::decode(line) else { continue };
            let text = fold(&record.text_bytes());
            if memchr::memmem::find(&text, &fold(word.as_bytes())).is_some() {
                found.push(entries.of_line(place));
            }
        }
    }
    found.sort_unstable();
    found
}

proptest! {
    #[test]
    fn any_lines_keep_their_numbers_and_no_filter_hides_one(
        said in vec((1..6u64, "[ -~]{0,40}|(ab|K|\u{212a}|\\\\|\u{7f})*"), 1..60),
        word in "[ -~]{1,6}|[abk]{1,5}",
        chapter in 1..3000usize,
        block in 1..800usize,
    ) {
        let disk = FaultyDisk::default();
        let mut life = Life::open(&disk, &crate::Options::default()).unwrap();
        for ((run, text), seq) in said.iter().zip(0..) {
            life.say_text(*run, seq, text.as_bytes());
        }
        prop_assert!(life.sync());
        let before = held(&disk);
        let shape = Shape { level: 1, chapter, block };
        seal(&disk, SealJob { number: 1, cut: None }, shape, &GO).unwrap();
        prop_assert_eq!(held(&disk), before);
        let sealed = SegmentFile::open(&disk, segments(&disk)[0]).unwrap();
        let words = [word].into_iter().chain(said.iter().map(|(_, text)| text.clone()));
        for word in words {
            prop_assert_eq!(found(&sealed, &word, true), found(&sealed, &word, false), "{}", word);
        }
    }
}
