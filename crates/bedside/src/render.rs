//! How records, gaps and boots are shown: as text, as JSON, or as their bare bytes.
//!
//! Whatever came from the network is escaped on the way (see [`escape`]); only [`Output::Raw`]
//! gives the exact bytes.

pub mod escape;

mod colour;
pub(crate) mod columns;
mod entries;
pub(crate) mod incident;
mod json;
mod live;
mod raw;
mod recent;
mod screen;
mod stderr;
mod stdout;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::io::{self, Write};

use bedside_store::read::{BootSummary, End, Gap, OwnedRecord};
use bedside_stream::WallTime;
use jiff::tz::TimeZone;

use crate::cli::Output;
pub use crate::closing::Delivery;

pub use self::colour::{Palette, colours_on_stderr, colours_on_stdout};
pub(crate) use self::json::{LossCounts, Source, Stamp, VERSION, write_line};
pub use self::live::Live;
pub(crate) use self::recent::Recent;
pub use self::screen::Screen;
pub use self::stderr::{Stderr, stderr};
pub(crate) use self::stdout::is_unread;
pub use self::stdout::{Stdout, stdout};
pub(crate) use self::table::Table;
pub(crate) use self::words::{losses, many};

/// One thing to show.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'a> {
    /// A record.
    Record(&'a OwnedRecord),
    /// A record that an incident was cut from, and what that is called.
    OfIncident(&'a OwnedRecord, &'a str),
    /// A line that nobody heard when it was said: it was found in pstore.
    Pstore(&'a OwnedRecord),
    /// Something is missing.
    Gap(&'a Gap),
    /// Something about a boot.
    Boot(&'a BootMark<'a>),
}

/// Something about a boot, at its place among the records.
#[derive(Clone, Copy, Debug)]
pub struct BootMark<'a> {
    /// What about it.
    pub event: BootEvent,
    /// The boot.
    pub boot: &'a BootSummary,
    /// How many records are held of it; none where that was not counted.
    pub records: Option<u64>,
    /// The boot of the same machine before it.
    pub before: Option<&'a BootSummary>,
    /// What is known beside its lines, if no last word was heard.
    pub fate: Option<Fate>,
    /// How much of its death is here, where its kernel has told what that was.
    pub delivery: Option<Delivery>,
    /// The time at which this is said.
    pub now: WallTime,
}

/// What about a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootEvent {
    /// It begins here.
    Begin,
    /// It ends here, or has fallen silent.
    End(End),
    /// What had this other number is this boot going on.
    Joined(u32),
    /// Its machine has this name now.
    Named,
}

/// What heartbeats and pstore say of a boot without a last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A dump in pstore tells of a panic.
    Panic,
    /// Its heart stopped.
    Flatline,
    /// Its agent said goodbye.
    Left,
    /// Its heart beats.
    Alive,
}

impl Fate {
    /// The name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Panic => "panic",
            Fate::Flatline => "flatline",
            Fate::Left => "left",
            Fate::Alive => "alive",
        }
    }

    /// How it ended, in words that go on after `boot 3`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Fate::Panic => "panicked, as its pstore tells; no last word heard",
            Fate::Flatline => "ended in a flatline: its heart stopped; no last word heard",
            Fate::Left => "said goodbye; no last word heard",
            Fate::Alive => "is alive, and silent",
        }
    }
}

/// How it shall look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Colours.
    pub palette: Palette,
    /// The zone of the times of receipt.
    pub zone: TimeZone,
    /// Lines of several machines may stand among each other: each gets its colour, and gaps and
    /// boots get its name.
    pub several_hosts: bool,
    /// The width of the column for the machine's name.
    pub host_width: usize,
    /// Records were left out by a filter: boots that are left without any are not drawn.
    pub filtered: bool,
}

impl Look {
    /// For lines of any machine, as they come, on standard output.
    pub fn live() -> Look {
        let palette = Palette::new(colours_on_stdout());
        Look { palette, zone: TimeZone::system(), several_hosts: true, ..Look::default() }
    }
}

impl Default for Look {
    fn default() -> Look {
        Look {
            palette: Palette::plain(),
            zone: TimeZone::UTC,
            several_hosts: false,
            host_width: 0,
            filtered: false,
        }
    }
}

/// Writes one thing after the other.
pub trait Render {
    /// Writes it, or keeps it in mind until it is known how to.
    fn show(&mut self, shown: Shown<'_>, out: &mut dyn Write) -> io::Result<()>;

    /// Writes what was kept in mind.
    fn settle(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// The one that writes in this format.
pub fn renderer(output: Output, look: Look) -> Box<dyn Render> {
    match output {
        Output::Short => Box::new(text::Text::short(look)),
        Output::Full => Box::new(text::Text::full(look)),
        Output::Json => Box::new(json::Json),
        Output::Raw => Box::new(raw::Raw),
    }
}
