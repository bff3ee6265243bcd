//! What the kernel left of its last deaths in memory that outlives a start
//! (fs/pstore, Documentation/admin-guide/ramoops.rst).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::Machine;

/// A log that a kernel wrote when it died, or had an oops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// What tells it from all others: it is made of its bytes.
    pub id: [u8; 16],
    /// What kept it: `ramoops`, `efi_pstore`, `erst`.
    pub from: String,
    /// Why it was written: `Panic#1`.
    pub why: String,
    /// When, by the kernel's clock, seconds since 1970.
    pub died_s: u64,
    /// Its lines, oldest first.
    pub lines: Vec<Vec<u8>>,
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pstore {
    /// The dumps, by their time.
    pub dumps: Vec<Dump>,
    /// Files that nobody can read here: the kernel that runs now lacks what packed them.
    pub packed: Vec<String>,
}

/// A part of a dump: a file. Backends with little room for each write several, the end of the log
/// first (`pstore_dump` in fs/pstore/platform.c).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    from: String,
    why: String,
    number: u32,
    written_s: u64,
    text: Vec<u8>,
}

impl Machine {
    /// Reads what is in pstore, and what systemd has already put away from there. Nothing is
    /// changed.
    pub fn pstore(&self) -> Pstore {
        let mut found: BTreeMap<String, Part> = BTreeMap::new();
        let mut packed = Vec::new();
        for dir in DIRS {
            for path in files(&self.at(dir), DEPTH) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.starts_with("dmesg-") && name.ends_with(".enc.z") {
                    packed.push(name);
                } else if let Some(part) = part(&name, &path) {
                    found.insert(name, part);
                }
            }
        }
        Pstore { dumps: dumps(found.into_values().collect()), packed }
    }
}

/// The files in a directory and those in it.
fn files(dir: &Path, depth: usize) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let each = entries.flat_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && depth > 0 => files(&entry.path(), depth - 1),
        Ok(kind) if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    });
    let mut files: Vec<_> = each.collect();
    files.sort();
    files
}

/// `dmesg-ramoops-0`, `dmesg-efi_pstore-170000000001001`: what kept it, and a number.
fn part(name: &str, path: &Path) -> Option<Part> {
    let (from, number) = name.strip_prefix("dmesg-")?.rsplit_once('-')?;
    let number: u64 = number.parse().ok()?;
    let text = fs::read(path).ok()?;
    let written_s = path.metadata().ok()?.mtime().try_into().unwrap_or_default();
    // EFI's number begins with the time (`generic_id` in drivers/firmware/efi/efi-pstore.c).
    let written_s = if number > EFI_NUMBERS { number / EFI_NUMBERS } else { written_s };
    let (heading, rest) = split_line(&text);
    let Some((why, number)) = heading_of(heading) else {
        return Some(Part { from: from.into(), why: "-".into(), number: 1, written_s, text });
    };
    Some(Part { from: from.into(), why, number, written_s, text: rest.to_vec() })
}

/// `Panic#1 Part2`.
fn heading_of(line: &[u8]) -> Option<(String, u32)> {
    let (why, part) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let number = part.strip_prefix("Part")?.split_whitespace().next()?.parse().ok()?;
    (why.contains('#')).then(|| (why.to_owned(), number))
}

fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default())
}

/// Puts parts of one writing together: the same keeper and reason, about the same time, each part
/// once.
fn dumps(mut parts: Vec<Part>) -> Vec<Dump> {
    parts.sort_by_key(|part| (part.written_s, part.number));
    let mut groups: Vec<Vec<Part>> = Vec::new();
    for part in parts {
        let fits = |group: &&mut Vec<Part>| {
            let is_like = |other: &Part| {
                (&other.from, &other.why) == (&part.from, &part.why)
                    && part.written_s.abs_diff(other.written_s) <= TOGETHER_S
            };
            group.iter().all(|other| is_like(other) && other.number != part.number)
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(part),
            None => groups.push(vec![part]),
        }
    }
    groups.into_iter().filter_map(dump).collect()
}

fn dump(mut parts: Vec<Part>) -> Option<Dump> {
    parts.sort_by_key(|part| std::cmp::Reverse(part.number));
    let died_s = parts.iter().map(|part| part.written_s).max()?;
    let Part { from, why, .. } = parts.first()?.clone();
    let lines = parts.iter().flat_map(|part| part.text.split(|byte| *byte == b'\n'));
    let lines = lines.filter(|line| !line.is_empty());
    let mut lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    lines.drain(..lines.len().saturating_sub(MOST_LINES));
    for line in &mut lines {
        line.truncate(LONGEST_LINE);
    }
    let mut hash = Sha256::new();
    for word in [from.as_bytes(), why.as_bytes()].into_iter().chain(lines.iter().map(|l| &**l)) {
        hash.update(word);
        hash.update(b"\n");
    }
    let hash: [u8; 32] = hash.finalize().into();
    let id = hash.first_chunk().copied()?;
    (!lines.is_empty()).then_some(Dump { id, from, why, died_s, lines })
}

/// Where the kernel shows it, and where systemd-pstore(8) puts it.
const DIRS: [&str; 2] = ["/sys/fs/pstore", "/var/lib/systemd/pstore"];
/// Directories in directories that systemd makes.
const DEPTH: usize = 3;
/// EFI's numbers of a part and of a dump, behind the time.
const EFI_NUMBERS: u64 = 100_000;
/// Parts of one dump are written within a moment; slow flash takes seconds.
const TOGETHER_S: u64 = 60;
/// A doctor takes no more lines, nor longer ones; the last are the ones that count.
const MOST_LINES: usize = 16_384;
const LONGEST_LINE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these files in pstore.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine::new(root.path());
        (root, machine)
    }

    fn lines(dump: &Dump) -> Vec<&str> {
        dump.lines.iter().map(|line| std::str::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn the_parts_of_a_dump_are_joined_oldest_first() {
        let (_root, machine) = machine(&[
            (
                "sys/fs/pstore/dmesg-efi_pstore-170000000001001",
                "Panic#1 Part1\n<0>[ 3.0] c\n<0>d\n",
            ),
            ("sys/fs/pstore/dmesg-efi_pstore-170000000002001", "Panic#1 Part2\n<4>[ 2.0] b\n"),
            ("sys/fs/pstore/dmesg-efi_pstore-170000000103001", "Panic#1 Part3\n<6>[ 1.0] a\n"),
            ("sys/fs/pstore/dmesg-efi_pstore-169000000001001", "Panic#1 Part1\n<0>another\n"),
        ]);
        let found = machine.pstore();
        assert_eq!(found.dumps.len(), 2);
        assert_eq!(lines(&found.dumps[0]), ["<0>another"]);
        let last = &found.dumps[1];
        assert_eq!(lines(last), ["<6>[ 1.0] a", "<4>[ 2.0] b", "<0>[ 3.0] c", "<0>d"]);
        let told = (&*last.from, &*last.why, last.died_s);
        assert_eq!(told, ("efi_pstore", "Panic#1", 1_700_000_001));
        assert_ne!(last.id, found.dumps[0].id);
        assert_eq!(machine.pstore(), found, "the same files are the same dumps");
    }

    #[test]
    fn records_of_ramoops_are_a_dump_each_and_the_rest_is_left_alone() {
        let (_root, machine) = machine(&[
            ("sys/fs/pstore/dmesg-ramoops-0", "Oops#1 Part1\n<4>[ 1.0] oops\n"),
            ("sys/fs/pstore/dmesg-ramoops-1", "Panic#2 Part1\n<4>[ 1.0] oops\n<0>[ 2.0] panic\n"),
            ("sys/fs/pstore/console-ramoops-0", "what a console said\n"),
            ("sys/fs/pstore/dmesg-ramoops-2.enc.z", "\x01\x02"),
        ]);
        let found = machine.pstore();
        let why: Vec<_> = found.dumps.iter().map(|dump| &*dump.why).collect();
        assert_eq!(why, ["Oops#1", "Panic#2"]);
        assert_eq!(found.packed, ["dmesg-ramoops-2.enc.z"]);
    }

    #[test]
    fn what_systemd_has_put_away_is_found_once() {
        let text = "Panic#1 Part1\n<0>[ 3.0] c\n";
        let (_root, machine) = machine(&[
            ("sys/fs/pstore/dmesg-efi-170000000001001", text),
            ("var/lib/systemd/pstore/1700000000/001/dmesg-efi-170000000001001", text),
            ("var/lib/systemd/pstore/1700000000/001/dmesg.txt", text),
        ]);
        assert_eq!(machine.pstore().dumps.len(), 1);
    }

    #[test]
    fn without_pstore_there_is_nothing() {
        assert_eq!(Machine::new("/nonexistent").pstore(), Pstore::default());
    }
}
