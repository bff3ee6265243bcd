//! Whether there is room for what will be kept.

use std::fs;
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;

use super::Verdict;
use crate::listen::bytes;

/// Looks at the file system of the store, which may grow to `limit` bytes.
pub(super) fn disk(data: &Path, limit: u64) -> Verdict {
    // The store may be yet to be made: then its place is what counts.
    let here = |place| if place == Path::new("") { Path::new(".") } else { place };
    let Some(place) = data.ancestors().map(here).find(|place| place.exists()) else {
        return Verdict::unknown("disk", format!("no part of {} exists", data.display()), CURE);
    };
    match free(place) {
        Ok(None) => Verdict::problem("disk", "the file system is read-only", READ_ONLY_CURE)
            .on(data.display()),
        Ok(Some(Free { files: 0, .. })) => {
            Verdict::problem("disk", "no file can be made any more: no inode is free", FILES_CURE)
                .on(data.display())
        }
        Ok(Some(free)) => judge(free.bytes, used(data), limit).on(data.display()),
        Err(error) => {
            let evidence = format!("the room on {} cannot be seen: {error}", place.display());
            Verdict::unknown("disk", evidence, CURE)
        }
    }
}

/// What a process without privilege may still write.
struct Free {
    bytes: u64,
    /// Files; as many as one likes where the file system does not count them.
    files: u64,
}

/// None where nobody may write. Not the C library's own call: where a word has 32 bits, that counts
/// in them, and fails on disks of 16 TiB and more.
fn free(place: &Path) -> Result<Option<Free>, Errno> {
    let system = statvfs(place)?;
    let writable = !system.f_flag.contains(StatVfsMountFlags::RDONLY);
    Ok(writable.then(|| Free {
        bytes: system.f_bavail.saturating_mul(system.f_frsize),
        files: if system.f_files == 0 { u64::MAX } else { system.f_favail },
    }))
}

/// What the store has already; nothing where it can't be read.
fn used(data: &Path) -> u64 {
    let files = fs::read_dir(data.join("segments")).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn judge(free: u64, used: u64, limit: u64) -> Verdict {
    let may_grow = limit.saturating_sub(used);
    let said = format!("{} free; the store may grow by {}", bytes(free), bytes(may_grow));
    if free < LEAST {
        Verdict::problem("disk", said, CURE)
    } else if free < may_grow {
        let said = format!("{said}: the disk is full before the oldest is deleted");
        Verdict::problem("disk", said, CURE)
    } else {
        Verdict::ok("disk", said)
    }
}

const FILES_CURE: &str = "`df -i` shows it; delete files there, or another place with --data DIR";
const READ_ONLY_CURE: &str =
    "`dmesg` says whether the disk has failed; mend it, then start the doctor anew";
const CURE: &str = "a smaller `size` under [retention], or another place with --data DIR";

/// Room for the segment that is written and for one that is packed.
const LEAST: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    #[test]
    fn there_must_be_room_up_to_the_limit() {
        assert_eq!(judge(20 << 30, 0, 10 << 30).state, State::Ok);
        assert_eq!(judge(5 << 30, 6 << 30, 10 << 30).state, State::Ok);
        let verdict = judge(5 << 30, 1 << 30, 10 << 30);
        assert_eq!(verdict.state, State::Problem);
        assert_eq!(
            verdict.evidence,
            "5 GiB free; the store may grow by 9 GiB: the disk is full before the oldest is deleted"
        );
        // A store at its limit still writes before it deletes.
        assert_eq!(judge(1 << 20, 10 << 30, 10 << 30).state, State::Problem);
    }

    #[test]
    fn a_store_that_is_yet_to_be_made_is_judged_by_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let verdict = disk(&dir.path().join("a/b"), 0);
        assert_ne!(verdict.state, State::Unknown, "{}", verdict.evidence);
    }
}
