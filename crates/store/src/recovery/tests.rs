use std::collections::BTreeSet;

use super::*;
use crate::batch::Batch;
use crate::disk::faulty::FaultyDisk;
use crate::segment::{BlockRef, SegmentFile};
use crate::testing::*;

/// A store of one life whose last segment is live and holds blocks of one to three records.
fn store() -> FaultyDisk {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    for seq in 0..40 {
        life.say(1 + seq % 2, seq);
    }
    assert!(life.sync());
    life.keep();
    let mut seq = 40;
    for size in [1, 3, 2, 1] {
        let mut batch = Batch::new();
        for _ in 0..size {
            life.push(&mut batch, 1 + seq % 3, seq);
            seq += 1;
        }
        life.write(&mut batch);
    }
    assert!(life.sync());
    disk
}

/// The last segment's blocks and length.
fn last_segment(disk: &FaultyDisk) -> (String, Vec<BlockRef>, usize) {
    let listed = *segments(disk).last().unwrap();
    assert_eq!(listed.name.form, Form::Live);
    let segment = SegmentFile::open(disk, listed).unwrap();
    let blocks = segment.scan().unwrap().blocks;
    (listed.name.to_string(), blocks, segment.bytes().unwrap() as usize)
}

fn roomy() -> crate::Options {
    crate::Options::default()
}

#[test]
fn a_store_cut_at_every_byte_opens_and_says_what_is_missing() {
    let disk = store();
    let all = held(&disk).seqs();
    let (name, blocks, len) = last_segment(&disk);
    let earlier = all.len() - blocks.iter().map(|b| b.header.records() as usize).sum::<usize>();
    assert!(earlier > 20 && blocks.len() > 4);
    for cut in 0..=len {
        let cut_disk = disk.with_cut(&name, cut);
        let mut life = Life::open(&cut_disk, &options()).unwrap();
        let whole = blocks.iter().filter(|block| block.end().offset as usize <= cut);
        let kept = earlier + whole.clone().map(|b| b.header.records() as usize).sum::<usize>();
        let end = whole.clone().next_back().map_or(0, |block| block.end().offset as usize);
        assert_eq!(held(&cut_disk).seqs(), all[..kept], "cut at {cut}");
        let torn: u64 = life.torn().iter().map(|torn| torn.bytes).sum();
        let header = blocks[0].start.offset as usize;
        let expected = if cut < header { cut } else { cut - end.max(header) };
        assert_eq!(torn, expected as u64, "cut at {cut}");
        // A header that is whole says what its frame would have held.
        let begun = blocks.iter().find(|block| block.end().offset as usize > cut);
        let told = begun.filter(|block| block.frame_offset() as usize <= cut);
        let records: u64 = life.torn().iter().map(|torn| torn.records).sum();
        assert_eq!(records, told.map_or(0, |block| block.header.records()), "cut at {cut}");
        // And the next life writes on.
        if cut % 8 != 0 {
            continue;
        }
        life.say(1, 1000);
        assert!(life.sync());
        life.keep();
        assert_eq!(held(&cut_disk).seqs().last(), Some(&1000));
        assert_eq!(held(&cut_disk).records.len(), kept + 1);
        assert_self_contained(&cut_disk);
    }
}

#[test]
fn any_bit_turned_in_the_last_segment_costs_its_block_only() {
    let disk = store();
    let all: BTreeSet<u64> = held(&disk).seqs().into_iter().collect();
    let (name, blocks, len) = last_segment(&disk);
    for at in blocks[0].start.offset as usize..len {
        let hurt = disk.with_cut(&name, len);
        hurt.turn_bit(&name, at);
        let life = Life::open(&hurt, &options()).unwrap();
        let kept: BTreeSet<u64> = held(&hurt).seqs().into_iter().collect();
        let block = blocks.iter().position(|block| (block.end().offset as usize) > at).unwrap();
        let in_frame = at >= blocks[block].frame_offset() as usize;
        // Behind a header that can't be read there is nothing to go by.
        let lost = if in_frame { &blocks[block..=block] } else { &blocks[block..] };
        let lost: u64 = lost.iter().map(|block| block.header.records()).sum();
        assert!(kept.is_subset(&all));
        assert_eq!(all.len() - kept.len(), lost as usize, "bit at {at}");
        assert!(!life.torn().is_empty(), "bit at {at}");
    }
}

#[test]
fn a_torn_tail_is_told_with_its_hosts_and_times() {
    let disk = store();
    let (name, blocks, len) = last_segment(&disk);
    let last = blocks.last().unwrap();
    let cut = disk.with_cut(&name, len - 1);
    let life = Life::open(&cut, &options()).unwrap();
    let [torn] = life.torn() else { panic!("{:?}", life.torn()) };
    assert_eq!((torn.records, torn.bytes), (1, (len as u64 - 1) - last.start.offset));
    assert_eq!(torn.received, Some((last.header.first, last.header.last)));
    assert_eq!(torn.hosts, [b"192.0.2.2"]);
    let text = torn.to_string();
    assert!(text.contains("1 records") && text.contains("192.0.2.2"), "{text}");
}

#[test]
fn a_whole_segment_is_written_on_and_a_long_one_is_not() {
    let disk = store();
    let (name, ..) = last_segment(&disk);
    let mut life = Life::open(&disk, &roomy()).unwrap();
    life.say(1, 1000);
    assert_eq!(last_segment(&disk).0, name);
    let small = crate::Options { segment_max_bytes: 1000, ..options() };
    let mut life = Life::open(&disk, &small).unwrap();
    life.say(1, 1001);
    assert_ne!(last_segment(&disk).0, name);
    assert!(life.sync());
    life.keep();
    assert_eq!(held(&disk).seqs()[47..], [1000, 1001]);
    assert_eq!(segments(&disk).iter().filter(|s| s.name.form == Form::Live).count(), 1);
}

#[test]
fn what_a_cut_short_seal_left_is_cleared_away() {
    let disk = store();
    let (name, blocks, _) = last_segment(&disk);
    let records = held(&disk).records;
    let number = segments(&disk).last().unwrap().name.number;
    disk.create(&format!("{number:08}.tmp")).unwrap().append(b"half of it").unwrap();
    disk.create("notes.txt").unwrap();
    // A sealed file whose live twin was not removed yet.
    let sealed = segments(&disk)[0].name;
    disk.create(&SegmentName::live(sealed.number).to_string()).unwrap().append(b"old").unwrap();
    assert_eq!(held(&disk).records, records, "the sealed one counts");
    drop(Life::open(&disk, &options()).unwrap());
    let names = disk.list().unwrap();
    assert!(names.contains(&name) && names.contains(&"notes.txt".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("tmp")), "{names:?}");
    assert_eq!(held(&disk).records, records);
    assert!(!blocks.is_empty());
}

#[test]
fn a_segment_nobody_can_read_is_set_aside_and_its_number_not_used_again() {
    let disk = FaultyDisk::default();
    disk.create("00000007.live.zst").unwrap().append(b"something else").unwrap();
    disk.create("00000008.live.zst").unwrap();
    let mut life = Life::open(&disk, &options()).unwrap();
    assert_eq!(life.torn().iter().map(|torn| torn.bytes).collect::<Vec<_>>(), [14]);
    life.say(1, 1);
    let names = disk.list().unwrap();
    assert_eq!(names, ["00000007.live.zst.damaged", "00000008.live.zst"], "{names:?}");
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let disk = store();
    let (name, ..) = last_segment(&disk);
    let file = disk.open(&name).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes[16] = 2;
    let end = bytes[4] as usize + 8;
    let crc = crc32fast::hash(&bytes[8..end - 4]);
    bytes[end - 4..end].copy_from_slice(&crc.to_le_bytes());
    disk.remove(&name).unwrap();
    disk.create(&name).unwrap().append(&bytes).unwrap();
    let error = Life::open(&disk, &options()).unwrap_err().to_string();
    assert!(error.contains("format version 2") && error.contains("newer"), "{error}");
    assert!(disk.list().unwrap().contains(&name));
}

#[test]
fn a_catalogue_that_is_behind_ahead_or_of_gone_segments_is_put_right() {
    let disk = store();
    let mut life = Life::open(&disk, &roomy()).unwrap();
    let ahead = {
        life.say(1, 1000);
        assert!(life.sync());
        life.keep();
        life.end()
    };
    // The disk forgets what it had confirmed.
    let (name, blocks, _) = last_segment(&disk);
    let lied = disk.with_cut(&name, blocks[2].end().offset as usize);
    let catalogue = Life::with(&lied, ahead, &options()).unwrap().end();
    assert_eq!(catalogue.load().unwrap(), folded(&lied));
    // Somebody deletes a segment.
    let gone = segments(&lied)[0].name;
    lied.remove(&gone.to_string()).unwrap();
    let catalogue = Life::with(&lied, catalogue, &options()).unwrap().end();
    assert_eq!(catalogue.load().unwrap(), folded(&lied));
    assert_eq!(catalogue.next_run().unwrap(), 4);
}

#[test]
fn what_the_memories_do_not_know_is_told_again() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    life.say(1, 0);
    life.say(2, 1);
    let mut batch = Batch::new();
    // Stream 1 is remembered with what it said so far.
    batch.push_memory(memory(run(1).key, 1, 5));
    batch.begin_checkpoint();
    batch.end_checkpoint();
    life.write(&mut batch);
    life.say(1, 2);
    life.say(3, 3);
    // Stream 2 is remembered later than the checkpoint.
    life.say(2, 4);
    let mut batch = Batch::new();
    batch.push_memory(memory(run(2).key, 2, 5));
    life.write(&mut batch);
    life.say(2, 5);
    assert!(life.sync());
    life.keep();
    let catalogue = life.end();
    let mut life = Life::with(&disk, catalogue, &options()).unwrap();
    assert_eq!(life.parts.recovered.memories.len(), 2);
    assert_eq!(life.parts.recovered.next_run, RunId(4));
    life.say(9, 100);
    let mut told = Vec::new();
    let mut runs = Vec::new();
    let visit = |replayed: Replayed<'_>| match replayed {
        Replayed::Run(stored) => runs.push(stored.run.id.0),
        Replayed::Record(record, run) => {
            assert_eq!(record.run, run.id);
            told.push((record.run.0, record.seq.unwrap().0));
        }
    };
    life.parts.recovered.replay.each(visit);
    assert_eq!(told, [(1, 2), (3, 3), (2, 5)]);
    assert_eq!(runs, [3]);
}

#[test]
fn without_a_checkpoint_the_recent_past_is_told_again() {
    let disk = store();
    let life = Life::open(&disk, &options()).unwrap();
    let mut told = 0;
    let count =
        |replayed: Replayed<'_>| told += u64::from(matches!(replayed, Replayed::Record(..)));
    life.parts.recovered.replay.each(count);
    assert_eq!(told, 47);
}

/// Sealing removes a segment in which there is nothing; a disk damages any.
#[test]
fn what_cannot_be_told_again_keeps_nobody_from_starting() {
    let disk = store();
    let names: Vec<_> = segments(&disk).iter().map(|listed| listed.name.to_string()).collect();
    let life = Life::open(&disk, &options()).unwrap();
    let told = |life: &Life| {
        let mut told = 0;
        life.parts.recovered.replay.each(|replayed| {
            told += u64::from(matches!(replayed, Replayed::Record(..)));
        });
        told
    };
    let all = told(&life);
    assert!(all > 10);
    disk.remove(names.last().unwrap()).unwrap();
    let without_last = told(&life);
    assert!(without_last > 0 && without_last < all, "{without_last} of {all}");
    // The sealed one before it loses its index, but not its lines.
    let sealed = &names[names.len() - 2];
    let length = disk.open(sealed).unwrap().len().unwrap() as usize;
    disk.turn_bit(sealed, length - 40);
    assert_eq!(told(&life), without_last);
    // Nor does it matter if nothing at all can be read.
    disk.fail(disk.steps()..u64::MAX);
    assert_eq!(told(&life), 0);
}
