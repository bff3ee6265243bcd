//! Which frame of a trace is guilty: neither the messengers that report, copy, lock or allocate
//! for others, nor the dispatchers that call everybody.

mod dispatchers;
mod messengers;
mod name;
mod names;

pub(crate) use name::{Named, named, plain};

use crate::{Frame, Kind};

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

/// Beyond the system call or the thread's start there is nobody to blame.
fn end_of_kernel(frames: &[Frame]) -> usize {
    let outside =
        |frame: &Frame| frame.reliable && dispatchers::is_boundary(plain(&frame.function));
    frames.iter().position(outside).unwrap_or(frames.len())
}
