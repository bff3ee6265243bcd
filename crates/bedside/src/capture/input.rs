//! The bytes of the file, unpacked, with a place for every error.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use portable_atomic::AtomicU64;

use super::Error;

/// A file, read from front to back.
pub(super) struct Input {
    reader: Box<dyn BufRead + Send>,
    head: Vec<u8>,
    /// Bytes handed out, unpacked.
    at: u64,
    /// Bytes of the file itself that were read.
    position: Arc<AtomicU64>,
    length: u64,
    /// What was handed out last.
    piece: Vec<u8>,
}

/// What went wrong, and where; the file's name comes later.
#[derive(Debug)]
pub(super) enum Problem {
    Read { at: u64, source: io::Error },
    Cut { at: u64 },
    Damaged { at: u64, what: String },
}

impl Problem {
    /// In which file.
    pub(super) fn at(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Problem::Read { at, source } => Error::Read { path, at, source },
            Problem::Cut { at } => Error::Cut { path, at },
            Problem::Damaged { at, what } => Error::Damaged { path, at, what },
        }
    }
}

impl Input {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Self::new(file, length)
    }

    /// Reads what `file` gives, which is `length` bytes long where that is known.
    pub(super) fn new(file: impl Read + Send + 'static, length: u64) -> io::Result<Self> {
        let position = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, position: Arc::clone(&position) };
        let (head, file) = look_ahead(BufReader::new(counted))?;
        let (head, reader): (_, Box<dyn BufRead + Send>) = if head.starts_with(ZSTD) {
            let (head, unpacked) = look_ahead(BufReader::new(zstd::Decoder::with_buffer(file)?))?;
            (head, Box::new(unpacked))
        } else {
            (head, Box::new(file))
        };
        Ok(Self { reader, head, at: 0, position, length, piece: Vec::new() })
    }

    /// Bytes of the file that were read.
    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed).min(self.length)
    }

    /// Bytes that the file has.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// How the content begins: as many bytes as the longest file header has, or all.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The next `count` bytes; `None` at the end of the file, an error in the middle of them.
    ///
    /// Memory grows with what is really there, not with `count`.
    pub(super) fn take(&mut self, count: usize) -> Result<Option<&[u8]>, Problem> {
        self.piece.clear();
        let got = (&mut self.reader)
            .take(count as u64)
            .read_to_end(&mut self.piece)
            .map_err(|source| Problem::Read { at: self.at, source })?;
        self.at += got as u64;
        match got {
            got if got == count => Ok(Some(&self.piece)),
            0 => Ok(None),
            _ => Err(Problem::Cut { at: self.at }),
        }
    }

    /// The next `count` bytes, which must be there.
    pub(super) fn need(&mut self, count: usize) -> Result<&[u8], Problem> {
        let at = self.at;
        self.take(count)?.ok_or(Problem::Cut { at })
    }

    /// Passes over the next `count` bytes, which must be there.
    pub(super) fn pass(&mut self, count: u64) -> Result<(), Problem> {
        let passed = io::copy(&mut (&mut self.reader).take(count), &mut io::sink())
            .map_err(|source| Problem::Read { at: self.at, source })?;
        self.at += passed;
        if passed == count { Ok(()) } else { Err(Problem::Cut { at: self.at }) }
    }

    /// The next line without its end, at most `limit` bytes; `None` at the end of the file.
    pub(super) fn line(&mut self, limit: usize) -> Result<Option<&[u8]>, Problem> {
        self.piece.clear();
        let got = (&mut self.reader)
            .take(limit as u64 + 1)
            .read_until(b'\n', &mut self.piece)
            .map_err(|source| Problem::Read { at: self.at, source })?;
        if got > limit {
            return Err(self.damaged(format!("a line of more than {limit} bytes")));
        }
        self.at += got as u64;
        Ok((got > 0).then(|| self.piece.trim_ascii_end()))
    }

    /// Bytes handed out, unpacked.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// An error at this place.
    pub(super) fn damaged(&self, what: impl Into<String>) -> Problem {
        Problem::Damaged { at: self.at, what: what.into() }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Input").field("at", &self.at).finish_non_exhaustive()
    }
}

/// How a reader begins, and a reader that still begins so.
fn look_ahead<R: BufRead>(mut reader: R) -> io::Result<(Vec<u8>, impl BufRead)> {
    let mut head = Vec::new();
    (&mut reader).take(HEAD).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

/// A file that tells how much of it was read.
struct Counted<R> {
    file: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(into)?;
        self.position.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// The beginning of a zstd frame, RFC 8878 section 3.1.1.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The longest header that a file is recognised by.
const HEAD: u64 = super::pcap::FILE_HEADER as u64;
