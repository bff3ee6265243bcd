//! Lines for people on standard output.

use std::fmt::Arguments;
use std::io::{self, Write as _};

/// Tells a line. Whoever reads may be gone: what is being done is done all the same.
pub(crate) fn line(text: Arguments<'_>) {
    drop(writeln!(io::stdout(), "{text}"));
}

/// As [`line`], with `format!`'s arguments.
macro_rules! say {
    ($($argument:tt)*) => { $crate::tell::line(format_args!($($argument)*)) };
}
pub(crate) use say;

/// A text's lines, each behind four blanks.
pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
