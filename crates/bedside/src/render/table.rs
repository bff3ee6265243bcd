//! Columns for people: as wide as their widest cell, two spaces between, the last one unpadded.

use std::io::{self, Write};

use anstyle::Style;

use super::Palette;

/// A table whose cells hold escaped text only.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these headings.
    pub(crate) fn new(headings: [&str; N]) -> Table<N> {
        Table { rows: vec![headings.map(str::to_owned)] }
    }

    pub(crate) fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// Writes it, the headings in bold.
    pub(crate) fn write(&self, palette: Palette, out: &mut dyn Write) -> io::Result<()> {
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
        for (number, row) in self.rows.iter().enumerate() {
            let style = if number == 0 { palette.boot() } else { Style::new() };
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<String>>().join("  ");
            writeln!(out, "{style}{}{style:#}", line.trim_end())?;
        }
        Ok(())
    }
}
