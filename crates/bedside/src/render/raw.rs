//! The exact bytes of each text, and a newline. Nothing else: no gaps, no boots.

use std::io::{self, Write};

use super::{Render, Shown};

/// Writes bare texts.
#[derive(Debug)]
pub(super) struct Raw;

impl Render for Raw {
    fn show(&mut self, shown: Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
        if let Shown::Record(record) | Shown::OfIncident(record, _) | Shown::Pstore(record) = shown
        {
            out.write_all(&record.text)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn settle(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
