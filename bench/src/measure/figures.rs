//! Figures of several rounds, and tables of them.

use std::fmt;

/// The middle one; of an even number the upper of the two. 0 when there is none.
pub(crate) fn median(figures: Vec<f64>) -> f64 {
    part(figures, 0.5)
}

/// The figure below which this part of all lie. 0 when there is none.
pub(crate) fn part(mut figures: Vec<f64>, part: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = (figures.len() as f64 * part) as usize;
    figures.get(at.min(figures.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// A table in Markdown.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rows: Vec<String>,
}

impl Table {
    /// The words of the head, with ` | ` between them; the first column is text.
    pub(crate) fn new(head: &str) -> Self {
        let columns = head.matches(" | ").count();
        Self { rows: vec![format!("| {head} |"), format!("|---|{}", "--:|".repeat(columns))] }
    }

    /// One line.
    pub(crate) fn row(&mut self, cells: &str) {
        self.rows.push(format!("| {cells} |"));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.iter().try_for_each(|row| writeln!(out, "{row}"))
    }
}

/// A number with a space between thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let (first, rest) = digits.split_at((digits.len() - 1) % 3 + 1);
    let groups = rest.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group));
    groups.fold(first.to_owned(), |all, group| format!("{all} {group}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let numbers = [0, 999, 1000, 12_345, 1_234_567].map(thousands);
        assert_eq!(numbers, ["0", "999", "1 000", "12 345", "1 234 567"]);
    }

    #[test]
    fn parts_of_figures() {
        let figures = || (1..=100).map(f64::from).collect::<Vec<f64>>();
        let parts = [0.5, 0.99, 1.0].map(|of_all| part(figures(), of_all) as u32);
        assert_eq!(parts, [51, 100, 100]);
        assert_eq!(part(Vec::new(), 0.5) as u32, 0);
    }
}
