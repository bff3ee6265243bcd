//! Makes a store large by putting its sealed segments there again under other numbers: what is
//! asked of it then finds each line many times, which makes nothing easier.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Copies sealed segments until they take up so many bytes.
pub(super) fn grow(data: &Path, bytes: u64) -> Result<()> {
    let dir = data.join("segments");
    let originals = sealed(&dir)?;
    let mut next = fs::read_dir(&dir)?.count() as u64 + 1;
    let mut have: u64 = originals.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    for (_, original) in originals.iter().cycle() {
        if have >= bytes {
            break;
        }
        while dir.join(format!("{next:08}.zst")).exists()
            || dir.join(format!("{next:08}.live.zst")).exists()
        {
            next += 1;
        }
        fs::write(dir.join(format!("{next:08}.zst")), renumbered(original, next)?)?;
        have += original.len() as u64;
        next += 1;
    }
    Ok(())
}

fn sealed(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".zst") && !name.ends_with(".live.zst") {
            let bytes = fs::read(&path)?;
            segments.push((path, bytes));
        }
    }
    Ok(segments)
}

/// The segment header as docs/store-format.md has it: the number at 24, the length of what
/// follows offset 8 at 4, a CRC-32 at its end.
fn renumbered(segment: &[u8], number: u64) -> Result<Vec<u8>> {
    let mut segment = segment.to_vec();
    let length = segment.get(4..8).and_then(|bytes| bytes.try_into().ok());
    let end = 8 + u32::from_le_bytes(length.context("no segment header")?) as usize - 4;
    segment[24..32].copy_from_slice(&number.to_le_bytes());
    let sum = crc32fast::hash(segment.get(8..end).context("a header cut short")?);
    segment[end..end + 4].copy_from_slice(&sum.to_le_bytes());
    Ok(segment)
}
