//! Columns for people: as wide as their widest cell, two spaces between, the last one unpadded.

use std::io::{self, Write};

use anstyle::Style;

use super::Palette;
use super::columns::{columns, padded};

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
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| columns(cell)).max()
        };
        let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
        for (number, row) in self.rows.iter().enumerate() {
            let style = if number == 0 { palette.boot() } else { Style::new() };
            let cells = row.iter().zip(widths).map(|(cell, width)| padded(cell.clone(), width));
            let line = cells.collect::<Vec<String>>().join("  ");
            writeln!(out, "{style}{}{style:#}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_in_any_script() {
        let mut table = Table::new(["HOST", "BOOTS", "END"]);
        for host in ["web1", "サーバー一", "caf\u{65}\u{301}", "שרת"] {
            table.push([host.to_owned(), "1".to_owned(), "clean".to_owned()]);
        }
        let mut out = Vec::new();
        table.write(Palette::plain(), &mut out).unwrap();
        let expected = "\
HOST        BOOTS  END
web1        1      clean
サーバー一  1      clean
caf\u{65}\u{301}        1      clean
שרת         1      clean
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
