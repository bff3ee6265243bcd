//! What is said of gaps and boots, in words that claim no more than is known.

use bedside_store::read::{BootSummary, End, Losses};
use bedside_stream::{Cause, WallTime};

use super::escape::Escaped;
use super::{BootEvent, BootMark, Fate};
use crate::time;

/// `1 boot`, `2 boots`.
pub(crate) fn many(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// `12 records not seen (filtered or lost)`, and so on for each cause.
pub(super) fn missing(cause: Cause, count: u64, places: u64) -> String {
    let s = if count == 1 { "" } else { "s" };
    let what = match cause {
        Cause::Proven => format!("{count} record{s} lost on the way (sent, never heard)"),
        Cause::Probable => format!("{count} record{s} not seen (filtered or lost)"),
        Cause::Unknown => format!("{count} record{s} not held (deleted, filtered or lost)"),
        Cause::DroppedBySender => {
            format!("{count} record{s} dropped by the sender (its log buffer overran)")
        }
        Cause::Socket => {
            format!("{count} datagram{s} lost here, of any machine (the socket's buffer was full)")
        }
        Cause::Limit => format!("{count} not kept (a limit of the doctor was reached)"),
    };
    if places > 1 { format!("{what}, in {places} places") } else { what }
}

/// What is said where a boot begins, ends, or turns out to be something else.
pub(super) fn boot(mark: &BootMark<'_>) -> String {
    let said = event(mark);
    let tells = matches!(mark.event, BootEvent::End(_)) || !mark.boot.voice.is_genuine();
    match mark.boot.proof().filter(|_| tells) {
        Some(proof) => format!("{said}; {proof}"),
        None => said,
    }
}

fn event(mark: &BootMark<'_>) -> String {
    let number = mark.boot.number;
    match mark.event {
        BootEvent::Begin => begin(mark),
        BootEvent::End(how) => match mark.delivery {
            Some(delivery) => format!("{}; {delivery}", end(mark, how)),
            None => end(mark, how),
        },
        BootEvent::Joined(from) => {
            format!("boot {from} is no boot of its own: boot {number} goes on")
        }
        BootEvent::Named => {
            format!("known as {} from here, boot {number}", Escaped(mark.boot.host.as_bytes()))
        }
    }
}

fn end(mark: &BootMark<'_>, how: End) -> String {
    let number = mark.boot.number;
    match how {
        End::Clean => format!("boot {number} shut down"),
        End::Panic => format!("boot {number} panicked"),
        End::Silence if mark.delivery.is_some_and(|it| it.is_restart()) => {
            format!("boot {number} restarted at once")
        }
        End::Silence if mark.fate.is_some() => {
            format!("boot {number} {}", mark.fate.map_or("", Fate::words))
        }
        End::Silence if mark.boot.superseded => {
            format!("boot {number} fell silent; no last word heard")
        }
        End::Silence => {
            let silent = mark.now.0.saturating_sub(mark.boot.last_received.0);
            format!("boot {number} silent for {}; no last word heard", time::length(silent))
        }
    }
}

/// `boot 3, 6.12.94, 14 s after boot 2 fell silent`.
fn begin(mark: &BootMark<'_>) -> String {
    let boot = mark.boot;
    let number = Some(format!("boot {}", boot.number));
    let release = boot.release.as_deref().map(|release| Escaped(release).to_string());
    let after = mark.before.map(|before| after(before, boot.first_received));
    let doubt = boot.provisional.then(|| "or earlier lines again (not known yet)".to_owned());
    [number, release, after, doubt].into_iter().flatten().collect::<Vec<String>>().join(", ")
}

fn after(before: &BootSummary, first_received: WallTime) -> String {
    let number = before.number;
    let Some(micros) = first_received.0.checked_sub(before.last_received.0) else {
        return format!("while boot {number} was still heard");
    };
    let length = time::length(micros);
    match before.end {
        Some(End::Clean) => format!("{length} after boot {number} shut down"),
        Some(End::Panic) => format!("{length} after boot {number} panicked"),
        Some(End::Silence) | None => format!("{length} after boot {number} fell silent"),
    }
}

/// What is missing, in a column: `12 not seen, 3 lost`, or `-`.
pub(crate) fn losses(losses: &Losses) -> String {
    let parts: Vec<String> = losses
        .by_cause()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(cause, count)| match cause {
            Cause::Proven => format!("{count} lost"),
            Cause::DroppedBySender => format!("{count} dropped by sender"),
            Cause::Probable => format!("{count} not seen"),
            Cause::Unknown => format!("{count} not held"),
            Cause::Socket => format!("{count} at socket"),
            Cause::Limit => format!("{count} over limit"),
        })
        .collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}
