//! Which frame of a trace is guilty: neither the messengers that report, copy, lock or allocate
//! for others, nor the dispatchers that call everybody.

mod dispatchers;
mod messengers;
mod name;
mod names;

pub(crate) use name::{Named, named, plain, symbol};

use crate::{Frame, Kind};

/// The thread that begins and ends RCU's grace periods (kernel/rcu/tree.c). A stall's report shows
/// it because it waits, too.
pub(crate) const GRACE_PERIODS: &str = "rcu_gp_kthread";

/// The innermost frame that is no messenger for this kind of incident.
pub(crate) fn innermost(frames: &[Frame], kind: Kind) -> Option<usize> {
    let innocent = |frame: &Frame| frame.inline || is_messenger(&frame.function, kind);
    let reliable = |frame: &Frame| frame.reliable && !innocent(frame);
    let end = end_of_kernel(frames);
    frames[..end].iter().position(reliable)
}

/// The frame that a dispatcher called, the innermost such one. Whoever stands further in changes
/// from one look to the next.
pub(crate) fn entry(frames: &[Frame], kind: Kind) -> Option<usize> {
    if let Some(first) = innermost(frames, kind)
        && name::is_cross_call(plain(&frames[first].function))
    {
        return Some(first);
    }
    let mut called = None;
    for (index, frame) in frames.iter().enumerate() {
        let name = plain(&frame.function);
        if !frame.reliable || frame.inline {
            continue;
        }
        if dispatchers::is_dispatcher(name) {
            if called.is_some() {
                return called;
            }
        } else if dispatchers::is_relay(name) {
            called = called.or(Some(index));
        } else {
            called = (!is_messenger(name, kind)).then_some(index);
        }
    }
    None
}

/// Whether the function only tells of what others did.
pub(crate) fn is_messenger(function: &str, kind: Kind) -> bool {
    messengers::is_messenger(plain(function), kind)
}

/// Whether a list of this module has the name.
#[cfg(test)]
pub(crate) fn is_named(function: &str) -> bool {
    let name = plain(function);
    Kind::ALL.iter().any(|kind| messengers::is_messenger(name, *kind))
        || dispatchers::is_dispatcher(name)
        || dispatchers::is_relay(name)
        || dispatchers::is_boundary(name)
        || name::named(name).name != name
        || name::is_cross_call(name)
        || name == GRACE_PERIODS
}

/// Beyond the system call or the thread's start there is nobody to blame.
fn end_of_kernel(frames: &[Frame]) -> usize {
    let outside =
        |frame: &Frame| frame.reliable && dispatchers::is_boundary(plain(&frame.function));
    frames.iter().position(outside).unwrap_or(frames.len())
}
