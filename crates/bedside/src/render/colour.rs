//! Colours: of levels, of machines, of what is missing.

use std::io;

use anstyle::{AnsiColor, Style};

/// Which colours to use; none at all where they were not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    on: bool,
}

impl Palette {
    /// With colours, or without.
    pub fn new(on: bool) -> Palette {
        Palette { on }
    }

    /// Without colours.
    pub fn plain() -> Palette {
        Palette { on: false }
    }

    /// The text of a record, by its level, as dmesg colours it.
    pub(super) fn level(self, level: Option<u8>) -> Style {
        self.style(match level {
            Some(0..=2) => AnsiColor::Red.on_default().bold(),
            Some(3) => AnsiColor::Red.on_default(),
            Some(4) => AnsiColor::Yellow.on_default(),
            Some(5) => Style::new().bold(),
            Some(7) => Style::new().dimmed(),
            _ => Style::new(),
        })
    }

    /// The name of a machine: the same one has the same colour everywhere and always.
    pub(super) fn host(self, host: &str) -> Style {
        // Red and yellow say how bad a line is; they are no machine's.
        const COLOURS: [AnsiColor; 8] = [
            AnsiColor::Cyan,
            AnsiColor::Green,
            AnsiColor::Magenta,
            AnsiColor::Blue,
            AnsiColor::BrightCyan,
            AnsiColor::BrightGreen,
            AnsiColor::BrightMagenta,
            AnsiColor::BrightBlue,
        ];
        let mixed = host.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
        });
        let colour = COLOURS.get(mixed as usize % COLOURS.len());
        self.style(colour.map_or(Style::new(), |colour| colour.on_default()))
    }

    /// What stands beside the text: times, marks.
    pub(super) fn aside(self) -> Style {
        self.style(Style::new().dimmed())
    }

    /// Something is missing.
    pub(super) fn missing(self) -> Style {
        self.style(AnsiColor::Yellow.on_default())
    }

    /// A boot begins or ends.
    pub(super) fn boot(self) -> Style {
        self.style(Style::new().bold())
    }

    /// A boot ended badly.
    pub(super) fn bad(self) -> Style {
        self.style(AnsiColor::Red.on_default().bold())
    }

    fn style(self, style: Style) -> Style {
        if self.on { style } else { Style::new() }
    }
}

/// Whether standard output shall have colours: it is a terminal that knows them, and neither
/// `NO_COLOR` nor `CLICOLOR=0` is set; or `CLICOLOR_FORCE` is.
pub fn colours_on_stdout() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// The same for standard error.
pub fn colours_on_stderr() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_keeps_its_colour() {
        let palette = Palette::new(true);
        assert_eq!(palette.host("web1"), palette.host("web1"));
        let different = (0..64).map(|n| palette.host(&format!("web{n}")).to_string());
        let different: std::collections::BTreeSet<String> = different.collect();
        assert_eq!(different.len(), 8);
    }

    #[test]
    fn a_plain_palette_writes_nothing() {
        let plain = Palette::plain();
        for level in [None, Some(0), Some(3), Some(7)] {
            assert_eq!(plain.level(level).to_string(), "");
        }
        assert_eq!(plain.host("web1").to_string(), "");
    }
}
