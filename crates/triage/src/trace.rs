//! The traces of a report, and which of them tells where it happened.

mod frame;
mod stack;

pub(crate) use frame::{frame, place};
pub(crate) use stack::{Heading, Stack, is_break, is_history, is_trace_line, stacks};
