//! Recorded datagrams, read from a file for `bedside replay`.
//!
//! The kind of file is recognised by its content: pcap, pcapng, or JSON lines of datagrams,
//! each of them also packed with zstd. A file can hold anything: what makes no sense ends the
//! reading with an error that names the place, and whatever is passed over is counted.
//!
//! Both capture formats and the headers of packets are read by hand, in safe code; the reasons
//! stand in `docs/adr/0005-capture-files-by-hand.md`.

mod input;
mod lines;
mod packet;
mod pcap;
mod pcapng;
mod skipped;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use input::{Input, Problem};
use pcap::Pcap;
use pcapng::PcapNg;

pub use skipped::Skipped;

/// A datagram as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Microseconds since 1970-01-01 UTC at which it was received.
    pub received_us: u64,
    /// Who sent it; IPv4-mapped addresses are given as IPv4.
    pub source: SocketAddr,
    /// The port that it was sent to.
    pub port: u16,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Why a file cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{} is no capture: neither pcap nor pcapng nor JSON lines of datagrams{}",
        path.display(),
        if *gzip { "\nit is packed with gzip; try: gunzip it first" } else { "" }
    )]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// Whether it begins as a file of gzip does.
        gzip: bool,
    },
    /// The disk or the packing failed.
    #[error("cannot read {} beyond byte {at}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// How many bytes, unpacked, could be read.
        at: u64,
        /// The system's or the unpacker's word.
        source: io::Error,
    },
    /// It ends in the middle of something: a recording that was interrupted.
    #[error(
        "{} ends in the middle of a record, at byte {at}; all that stands before it was read",
        path.display()
    )]
    Cut {
        /// The file.
        path: PathBuf,
        /// Where it ends, unpacked.
        at: u64,
    },
    /// It breaks the rules of its format.
    #[error(
        "{} is damaged near byte {at}: {what}; all that stands before it was read",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, unpacked.
        at: u64,
        /// What is wrong there.
        what: String,
    },
}

/// A file of recorded datagrams, which come out of it one by one, in the file's order.
///
/// The first error is the last item.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    input: Input,
    format: Format,
    ports: Vec<u16>,
    skipped: Skipped,
    ended: bool,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
    Lines,
}

/// A frame as it stands in a capture file.
struct Frame<'a> {
    received_us: u64,
    /// The number of its link type, as tcpdump.org lists them.
    link: u16,
    bytes: &'a [u8],
    /// Whether `bytes` is all of it.
    whole: bool,
}

impl Capture {
    /// Opens a file and finds out what it is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let input =
            Input::open(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
        Self::read_from(input, path)
    }

    fn read_from(mut input: Input, path: &Path) -> Result<Self, Error> {
        let format = Self::recognise(&mut input, path)?;
        Ok(Self {
            path: path.to_owned(),
            input,
            format,
            ports: Vec::new(),
            skipped: Skipped::default(),
            ended: false,
        })
    }

    /// Takes only datagrams to these ports; to all, where there are none.
    #[must_use]
    pub fn ports(mut self, ports: &[u16]) -> Self {
        self.ports = ports.to_vec();
        self
    }

    /// How many bytes of the file have been read, for a progress bar.
    pub fn position(&self) -> u64 {
        self.input.position()
    }

    /// How many bytes the file has; 0 where that is not known (a pipe).
    #[expect(clippy::len_without_is_empty, reason = "an empty file is no capture")]
    pub fn len(&self) -> u64 {
        self.input.len()
    }

    /// What was passed over so far.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    fn recognise(input: &mut Input, path: &Path) -> Result<Format, Error> {
        let head = input.head();
        if let Some(pcap) = Pcap::recognise(head) {
            input.need(pcap::FILE_HEADER).map_err(|problem| problem.at(path))?;
            Ok(Format::Pcap(pcap))
        } else if PcapNg::recognise(head) {
            Ok(Format::PcapNg(PcapNg::default()))
        } else if lines::recognise(head) {
            Ok(Format::Lines)
        } else {
            Err(Error::NotACapture { path: path.to_owned(), gzip: head.starts_with(b"\x1f\x8b") })
        }
    }

    /// The next datagram that is wanted.
    fn read(&mut self) -> Result<Option<Captured>, Problem> {
        loop {
            let found = match &mut self.format {
                Format::Pcap(pcap) => match pcap.frame(&mut self.input)? {
                    Some(frame) => frame.unpack(&mut self.skipped),
                    None => return Ok(None),
                },
                Format::PcapNg(pcapng) => match pcapng.frame(&mut self.input)? {
                    Some(frame) => frame.unpack(&mut self.skipped),
                    None => return Ok(None),
                },
                Format::Lines => match lines::datagram(&mut self.input)? {
                    Some(captured) => Some(captured),
                    None => return Ok(None),
                },
            };
            if let Some(captured) = found
                && self.skipped.admits(&self.ports, captured.port)
            {
                return Ok(Some(captured));
            }
        }
    }
}

impl Frame<'_> {
    /// The datagram inside; counts a frame that holds none.
    fn unpack(&self, skipped: &mut Skipped) -> Option<Captured> {
        match packet::datagram(self.link, self.bytes) {
            Ok(packet) => Some(Captured {
                received_us: self.received_us,
                source: packet.source,
                port: packet.port,
                payload: packet.payload.to_vec(),
            }),
            Err(reason) => {
                skipped.count(reason, self);
                None
            }
        }
    }
}

impl Iterator for Capture {
    type Item = Result<Captured, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read().map_err(|problem| problem.at(&self.path)).transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

#[cfg(test)]
mod tests;
