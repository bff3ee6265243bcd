//! The store as a reader sees it, and who writes it.

use std::path::Path;

use bedside_store::maintain;
use bedside_store::read::{Error, Reader};

use super::Verdict;
use crate::reading::WHO_MAY_READ;
use crate::render;

/// The process that writes the store, if one does; 0 where its number is not known. An error where
/// that can't be seen.
pub(super) fn doctor(data: &Path) -> Result<Option<u32>, Error> {
    match Reader::open(data) {
        Ok(reader) => Ok(reader.doctor_running()),
        Err(Error::NoStore { .. }) if may_look(data) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a doctor runs. None is no problem: it may be about to be started.
pub(super) fn running(doctor: &Result<Option<u32>, Error>) -> Verdict {
    match doctor {
        Ok(Some(0)) => Verdict::ok("doctor", "one runs on this store"),
        Ok(Some(pid)) => Verdict::ok("doctor", format!("one runs on this store (pid {pid})")),
        Ok(None) => Verdict::ok("doctor", "none runs on this store; `bedside serve` starts one"),
        Err(_) => {
            Verdict::unknown("doctor", "whether one runs on this store can't be seen", WHO_MAY_READ)
        }
    }
}

/// Whether the store can be read, as far as its directory of segments tells: what lies in them is
/// not read.
pub(super) fn store(data: &Path) -> Verdict {
    let verdict = match Reader::open(data) {
        Ok(reader) => match maintain::damaged_ends(data) {
            Ok(ends) => of_damage(ends.max(reader.damage().len() as u64)),
            Err(error) => Verdict::unknown("store", error.to_string(), WHO_MAY_READ),
        },
        Err(Error::NoStore { .. }) if may_look(data) => {
            Verdict::ok("store", "there is none yet; `bedside serve` makes it")
        }
        Err(error) => Verdict::unknown("store", error.to_string(), WHO_MAY_READ),
    };
    verdict.on(data.display())
}

fn of_damage(parts: u64) -> Verdict {
    match parts {
        0 => Verdict::ok("store", "it can be opened; `bedside store verify` reads all of it"),
        parts => Verdict::problem(
            "store",
            format!("{} of it cannot be read: passed over", render::many(parts, "part")),
            "`bedside store verify` shows each; what is around them is not harmed",
        ),
    }
}

/// Whether it could be seen if there were a store.
fn may_look(data: &Path) -> bool {
    data.join("segments").try_exists().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    #[test]
    fn no_store_yet_is_no_problem() {
        let dir = tempfile::tempdir().unwrap();
        let verdict = store(dir.path());
        assert_eq!(verdict.state, State::Ok);
        assert_eq!(verdict.evidence, "there is none yet; `bedside serve` makes it");
        assert_eq!(doctor(dir.path()).unwrap(), None);
    }

    #[test]
    fn what_is_no_directory_cannot_be_looked_into() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for data in [file.path(), &file.path().join("x")] {
            assert_eq!(store(data).state, State::Unknown);
            assert_eq!(running(&doctor(data)).state, State::Unknown);
        }
    }
}
