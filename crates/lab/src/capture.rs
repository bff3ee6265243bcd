//! Captures: what real kernels sent, and what they really said.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

/// The datagrams of one run of one machine, in order of receive time.
#[derive(Clone, Debug)]
pub struct Capture {
    /// `<kernel>/<scenario>`.
    pub name: String,
    /// What was received.
    pub datagrams: Vec<Datagram>,
}

/// One datagram as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The receiving kernel's time, nanoseconds since 1970.
    pub unix_ns: u64,
    /// Who sent it.
    pub source: SocketAddr,
    /// Which of the receiver's addresses and ports it came to.
    pub target: SocketAddr,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// One line of a capture file; the header and the end have no payload.
#[derive(Deserialize)]
struct Row {
    unix_ns: Option<u64>,
    src: Option<SocketAddr>,
    dst: Option<SocketAddr>,
    b64: Option<String>,
}

impl Capture {
    /// Loads the capture `<kernel>/<scenario>` from the fixtures.
    pub fn load(name: &str) -> Result<Self> {
        let text = fixture(name, "jsonl")?;
        let datagrams = parse(&text).with_context(|| format!("capture {name} is not readable"))?;
        ensure!(!datagrams.is_empty(), "capture {name} holds no datagram");
        Ok(Self { name: name.to_owned(), datagrams })
    }

    /// The receiver's addresses in order of first receipt.
    pub fn targets(&self) -> Vec<SocketAddr> {
        let mut targets = Vec::new();
        for datagram in &self.datagrams {
            if !targets.contains(&datagram.target) {
                targets.push(datagram.target);
            }
        }
        targets
    }
}

/// The names of all captures, sorted; never empty.
pub fn names() -> Result<Vec<String>> {
    names_of("jsonl")
}

/// The names of the captures that have a pcap too.
pub fn pcap_names() -> Result<Vec<String>> {
    names_of("pcap")
}

/// One of a capture's files, unpacked: `jsonl`, `serial.log` or `pcap`.
pub fn fixture(name: &str, kind: &str) -> Result<Vec<u8>> {
    let path = fixtures().join(format!("{name}.{kind}.zst"));
    let file = fs::File::open(&path)
        .with_context(|| format!("fixture {} can't be opened", path.display()))?;
    zstd::decode_all(file).with_context(|| format!("fixture {} is not zstd", path.display()))
}

/// Parses a capture file.
pub fn parse(text: &[u8]) -> Result<Vec<Datagram>> {
    let mut datagrams = Vec::new();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let row: Row =
            serde_json::from_slice(line).with_context(|| format!("line {}", number + 1))?;
        if let Row {
            unix_ns: Some(unix_ns),
            src: Some(source),
            dst: Some(target),
            b64: Some(b64),
        } = row
        {
            let payload = BASE64.decode(b64).with_context(|| format!("line {}", number + 1))?;
            datagrams.push(Datagram { unix_ns, source, target, payload });
        }
    }
    Ok(datagrams)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kernel")
}

fn names_of(kind: &str) -> Result<Vec<String>> {
    let suffix = format!(".{kind}.zst");
    let mut names = Vec::new();
    for kernel in sorted_entries(&fixtures())? {
        if !kernel.is_dir() {
            continue;
        }
        for file in sorted_entries(&kernel)? {
            let relative = file.strip_prefix(fixtures())?.to_string_lossy();
            names.extend(relative.strip_suffix(&suffix).map(str::to_owned));
        }
    }
    ensure!(!names.is_empty(), "no {kind} fixture in {}", fixtures().display());
    Ok(names)
}

fn sorted_entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(dir).with_context(|| format!("{} can't be listed", dir.display()))?;
    let mut paths = read.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_captures_load() {
        let names = names().unwrap();
        let datagrams: usize =
            names.iter().map(|name| Capture::load(name).unwrap().datagrams.len()).sum();
        assert_eq!((names.len(), datagrams), (99, 49_451));
        assert_eq!(pcap_names().unwrap().len(), 4);
    }

    #[test]
    fn a_capture_has_one_line_per_datagram() {
        let capture = Capture::load("7.3.4/ext_oops_only").unwrap();
        assert_eq!(capture.datagrams.len(), 4);
        assert_eq!(capture.datagrams[0].payload, b"6,608,11202387,-;sysrq: Trigger a crash\n");
        assert_eq!(capture.targets(), ["127.0.0.1:26666".parse().unwrap()]);
    }
}
