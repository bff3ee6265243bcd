//! JSON lines of datagrams: an object per line, with `unix_ns`, `src`, `dst` and the payload in
//! `b64`; objects with a `type` stand around them and are passed over.

use std::borrow::Cow;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::Captured;
use super::input::{Input, Problem};

/// Any of the objects.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    unix_ns: Option<u64>,
    src: Option<SocketAddr>,
    dst: Option<SocketAddr>,
    len: Option<usize>,
    #[serde(borrow)]
    b64: Option<Cow<'a, str>>,
}

/// Whether a file begins so.
pub(super) fn recognise(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"{")
}

/// The next datagram.
pub(super) fn datagram(input: &mut Input) -> Result<Option<Captured>, Problem> {
    loop {
        let Some(line) = input.line(LONGEST_LINE)? else { return Ok(None) };
        if line.is_empty() {
            continue;
        }
        match parse(line) {
            Ok(None) => {}
            Ok(captured) => return Ok(captured),
            Err(what) => return Err(input.damaged(what)),
        }
    }
}

/// The datagram of a line, if it is one of a datagram.
fn parse(line: &[u8]) -> Result<Option<Captured>, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if line.kind.is_some() {
        return Ok(None);
    }
    let (Some(unix_ns), Some(src), Some(dst), Some(b64)) =
        (line.unix_ns, line.src, line.dst, line.b64)
    else {
        return Err("a datagram without unix_ns, src, dst or b64".to_owned());
    };
    let payload = BASE64_STANDARD.decode(b64.as_bytes()).map_err(|error| error.to_string())?;
    if line.len.is_some_and(|len| len != payload.len()) {
        return Err("a payload that has not the length it says".to_owned());
    }
    let source = SocketAddr::new(src.ip().to_canonical(), src.port());
    Ok(Some(Captured { received_us: unix_ns / 1_000, source, port: dst.port(), payload }))
}

/// A payload of 64 KiB takes 88 KiB; the header object holds a few lists.
const LONGEST_LINE: usize = 1 << 20;
