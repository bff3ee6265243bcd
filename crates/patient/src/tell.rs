//! Lines for people on standard output.

use std::fmt::Arguments;
use std::io::{self, Write as _};
use std::sync::OnceLock;

/// Tells a line. What is being done is done all the same where that fails; [`trouble`] tells of it
/// at the end.
pub(crate) fn line(text: Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{text}") {
        TROUBLE.get_or_init(|| error);
    }
}

/// Why a line could not be told. That whoever read is gone is no trouble.
pub(crate) fn trouble() -> Option<&'static io::Error> {
    TROUBLE.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

static TROUBLE: OnceLock<io::Error> = OnceLock::new();

/// As [`line`], with `format!`'s arguments.
macro_rules! say {
    ($($argument:tt)*) => { $crate::tell::line(format_args!($($argument)*)) };
}
pub(crate) use say;

/// A text's lines, each behind four blanks.
pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
