//! What stands before a kernel's line and is not the kernel's: dates, hosts, names of levels.

use memchr::memchr;
use memchr::memmem::find;

/// How log daemons and the journal name the kernel.
const MARK: &[u8] = b" kernel: ";

/// Without `Nov 28 04:02:11 host kernel: `, an ISO date of the same or the journal's
/// `1763846000.123456 host kernel: `, `[Tue Nov 28 04:02:11 2017] ` of `dmesg -T`, `kern  :info  : `
/// of `dmesg -x`, `2026-11-22T21:10:56,123456+00:00 ` of `dmesg --time-format iso`, or
/// `2018/01/09 14:28:48 `.
pub(super) fn without_date(text: &[u8]) -> &[u8] {
    let text = without_names(text);
    let head = &text[..text.len().min(120)];
    if let Some(at) = find(head, MARK)
        && (has_clock(&text[..at]) || is_epoch(&text[..at]))
    {
        return &text[at + MARK.len()..];
    }
    if text.starts_with(b"[")
        && let Some(end) = memchr(b']', head)
        && (has_clock(&text[1..end]) || is_delta(&text[1..end]))
        && end < 48
    {
        return text[end + 1..].trim_ascii_start();
    }
    let shape = |byte: &u8| if byte.is_ascii_digit() { b'0' } else { *byte };
    let start: Vec<u8> = text.iter().take(19).map(shape).collect();
    let dated = matches!(
        &start[..],
        b"0000/00/00 00:00:00" | b"0000-00-00 00:00:00" | b"0000-00-00T00:00:00"
    );
    let end = if dated { memchr(b' ', &text[19..]) } else { None };
    end.map_or(text, |end| &text[20 + end..])
}

/// Without `host kernel: `, which the journal puts behind its time since boot
/// (`journalctl -o short-monotonic`).
pub(super) fn without_host(text: &[u8]) -> &[u8] {
    let rest = memchr(b' ', text).filter(|at| *at > 0).map(|at| &text[at..]);
    rest.and_then(|rest| rest.strip_prefix(MARK)).unwrap_or(text)
}

/// Whether somebody who writes down a kernel's lines puts it before them: a log daemon
/// (`host kernel:`, `host kernel - - -`), a console server or a container's log (`21:10:56`,
/// `[2026-11-22T21:10:56Z]`, `[web1]`, `web1 |`).
pub(super) fn is_prefix(before: &[u8]) -> bool {
    let before = before.trim_ascii();
    let inner = before.strip_prefix(b"[").unwrap_or(before);
    let dated =
        before.len() < 48 && inner.first().is_some_and(u8::is_ascii_digit) && has_clock(before);
    let one_word = before.starts_with(b"[") && memchr(b']', before) == Some(before.len() - 1);
    dated || one_word || [&b":"[..], b" |", b" - - -"].iter().any(|end| before.ends_with(end))
}

/// Whether a program wrote the line to /dev/kmsg, by the facility before it: `<12>[    1.234567] `
/// of `dmesg --raw`, `user  :warn  : ` of `dmesg --decode`. The kernel's own is 0, `kern`, and nobody
/// else may use that (kernel/printk/printk.c: `devkmsg_write`).
pub(super) fn is_programs(raw: &[u8]) -> bool {
    if let Some((facility, _)) = names(raw) {
        return facility.trim_ascii_end() != b"kern";
    }
    let number = raw.strip_prefix(b"<").and_then(|rest| rest.split(|byte| *byte == b'>').next());
    let Some(number) = number.filter(|number| number.len() <= 3) else { return false };
    let prefix = std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<u32>().ok());
    let stamped = raw.get(number.len() + 1..).is_some_and(|rest| rest.starts_with(b">["));
    stamped && prefix.is_some_and(|prefix| prefix > 7)
}

/// `kern  :info  : ` and what follows it.
fn without_names(text: &[u8]) -> &[u8] {
    names(text).map_or(text, |(_, rest)| rest)
}

/// The facility and what follows it and the level (util-linux' dmesg, `--decode`).
fn names(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let padded = |name: &[u8]| name.trim_ascii_end().iter().all(u8::is_ascii_lowercase);
    let (names, rest) = text.split_at_checked(15)?;
    let whole =
        names[6] == b':' && &names[13..] == b": " && padded(&names[..6]) && padded(&names[7..13]);
    whole.then_some((&names[..6], rest))
}

/// Whether `04:02` or `+0.000012` stands in it: in `[ BUG: Invalid wait context ]` neither does.
fn has_clock(text: &[u8]) -> bool {
    let clock = |three: &[u8]| {
        matches!(three, [a, b':', b] if a.is_ascii_digit() && b.is_ascii_digit())
            || matches!(three, [b'+', a, _] if a.is_ascii_digit())
    };
    text.windows(3).any(clock)
}

/// `1763846000.123456 host`: seconds since 1970.
fn is_epoch(text: &[u8]) -> bool {
    let number = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    number.len() > 10
        && number.contains(&b'.')
        && number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// `<    0.000001>`: the time since the line before (`dmesg -d`).
pub(super) fn is_delta(text: &[u8]) -> bool {
    let inner = text.strip_prefix(b"<").and_then(|text| text.strip_suffix(b">"));
    inner.is_some_and(|inner| {
        inner.contains(&b'.')
            && inner.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'.'))
    })
}
