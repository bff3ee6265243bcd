//! printk's own words about what it prints, put before a message and not part of it.

use crate::scan::number;

/// What printk says about the messages that follow (`kernel/printk/printk.c`,
/// `console_prepend_dropped` and `console_prepend_replay`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// `** N printk messages dropped **`: the ring buffer overran before the console had read
    /// it; so many messages are lost.
    Dropped(u64),
    /// `** replaying previous printk message **`: what follows may have been sent before.
    Replaying,
}

/// The notices of an extended datagram, in wire order.
///
/// The kernel prepends them to the header, and netconsole prepends the release to both, so they
/// stand after the release where there is one. Before it they are understood as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Notices<'a> {
    /// The bytes in front of the release token.
    pub(crate) before: &'a [u8],
    /// The bytes between the release token and the rest of the header.
    pub(crate) after: &'a [u8],
}

impl<'a> Notices<'a> {
    /// No notice at all, the usual case.
    pub const NONE: Notices<'static> = Notices { before: &[], after: &[] };

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Each notice.
    pub fn iter(&self) -> impl Iterator<Item = Notice> + use<'a> {
        Run(self.before).chain(Run(self.after))
    }
}

/// The notice that a whole line (without its newline) is.
pub(crate) fn line(line: &[u8]) -> Option<Notice> {
    match front(line)? {
        (notice, []) => Some(notice),
        _ => None,
    }
}

/// A notice that ends in a space, as kernels up to 4.x wrote it, and what follows it: the line it
/// is glued to, or a newline, which is left out.
pub(crate) fn glued(bytes: &[u8]) -> Option<(Notice, &[u8])> {
    let (notice, rest) = front(bytes)?;
    let rest = rest.strip_prefix(b" ")?;
    Some((notice, rest.strip_prefix(b"\n").unwrap_or(rest)))
}

/// The notice, without its newline, that bytes begin with, and what follows it.
pub(crate) fn front(bytes: &[u8]) -> Option<(Notice, &[u8])> {
    let rest = bytes.strip_prefix(b"** ")?;
    if let Some(rest) = rest.strip_prefix(REPLAYING) {
        return Some((Notice::Replaying, rest));
    }
    let (count, rest) = number(rest)?;
    Some((Notice::Dropped(count), rest.strip_prefix(DROPPED)?))
}

/// The bytes of the notices, each with its newline, that stand first; and what follows them.
pub(crate) fn leading(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = bytes;
    while let Some((_, after)) = front_line(rest) {
        rest = after;
    }
    bytes.split_at_checked(bytes.len() - rest.len()).unwrap_or((&[], bytes))
}

fn front_line(bytes: &[u8]) -> Option<(Notice, &[u8])> {
    let (notice, rest) = front(bytes)?;
    Some((notice, rest.strip_prefix(b"\n")?))
}

struct Run<'a>(&'a [u8]);

impl Iterator for Run<'_> {
    type Item = Notice;

    fn next(&mut self) -> Option<Notice> {
        let (notice, rest) = front_line(self.0)?;
        self.0 = rest;
        Some(notice)
    }
}

const REPLAYING: &[u8] = b"replaying previous printk message **";
const DROPPED: &[u8] = b" printk messages dropped **";
