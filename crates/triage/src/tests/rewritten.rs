//! The same cases as other ways of reading a kernel's log would have written them.

use super::cases::{self, Case};
use crate::incidents;

/// A line's stamp, its caller, and the rest.
fn parted(line: &str) -> (Option<&str>, Option<&str>, &str) {
    let Some((time, rest)) = bracketed(line) else { return (None, None, line) };
    if time.trim().parse::<f64>().is_err() {
        return (None, None, line);
    }
    match bracketed(rest) {
        Some((caller, rest)) if caller.trim().starts_with(['T', 'C']) => {
            (Some(time), Some(caller), without_blank(rest))
        }
        _ => (Some(time), None, without_blank(rest)),
    }
}

fn bracketed(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('[')?.split_once(']')
}

fn without_blank(text: &str) -> &str {
    text.strip_prefix(' ').unwrap_or(text)
}

/// How a line is written, of its time, its caller and its text.
type Way = fn(&str, Option<&str>, &str) -> String;

/// journalctl and syslog don't tell the caller; `dmesg -T` does, with a date before it.
const WAYS: &[(&str, Way)] = &[
    ("level", |time, caller, text| match caller {
        Some(caller) => format!("<4>[{time}][{caller}] {text}"),
        None => format!("<4>[{time}] {text}"),
    }),
    ("syslog", |time, caller, text| match caller {
        Some(caller) => format!("Nov 28 04:02:11 host kernel: [{time}][{caller}] {text}"),
        None => format!("Nov 28 04:02:11 host kernel: [{time}] {text}"),
    }),
    ("dmesg -T", |_, caller, text| match caller {
        Some(caller) => format!("[Tue Nov 28 04:02:11 2017] [{caller}] {text}"),
        None => format!("[Tue Nov 28 04:02:11 2017] {text}"),
    }),
    ("kmsg", |time, caller, text| {
        let caller = caller.map(|caller| format!(",caller={}", caller.trim()));
        let micros = time.trim().replace('.', "");
        format!("4,1,{micros},-{};{text}", caller.unwrap_or_default())
    }),
    ("a caller", |time, caller, text| format!("[{time}][{}] {text}", caller.unwrap_or("  T117"))),
    ("others between", |time, caller, text| {
        let caller = caller.unwrap_or("  T117");
        format!("[{time}][{caller}] {text}\n[{time}][    T9] usb 1-1: new high-speed device")
    }),
    ("crlf", |time, caller, text| match caller {
        Some(caller) => format!("[{time}][{caller}] {text}\r"),
        None => format!("[{time}] {text}\r"),
    }),
];

fn rewritten(case: &Case, way: Way) -> String {
    let lines = case.log.lines().map(|line| match parted(line) {
        (Some(time), caller, text) => way(time, caller, text),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn title(log: &str) -> String {
    incidents(log.as_bytes()).first().map(|found| found.title.clone()).unwrap_or_default()
}

#[test]
fn a_title_is_the_same_in_every_log() {
    let whole = cases::all().into_iter().filter(|case| !case.corrupted && !case.title.is_empty());
    let stamped = |case: &Case| {
        let mut lines = case.log.lines().filter(|line| !line.is_empty());
        lines.all(|line| parted(line).0.is_some())
    };
    for (index, case) in whole.filter(stamped).enumerate() {
        let known = title(&case.log);
        for (name, way) in WAYS.iter().skip(index % 3).step_by(3) {
            assert_eq!(title(&rewritten(&case, *way)), known, "{name}, {}", case.name);
        }
    }
}
