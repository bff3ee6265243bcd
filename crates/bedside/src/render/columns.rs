//! Lining text up on a terminal: some characters take up two columns there, some none.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many columns escaped text takes up.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// Escaped text with blanks behind it, up to so many columns.
pub(crate) fn padded(mut text: String, to: usize) -> String {
    let blanks = to.saturating_sub(columns(&text));
    text.extend(std::iter::repeat_n(' ', blanks));
    text
}

/// As much of escaped text as fits into so many columns, and `…` for the rest.
pub(crate) fn cut(text: &str, to: usize) -> String {
    let mut taken = 0;
    let does_not_fit = |char: char| {
        taken += char.width().unwrap_or(0);
        taken > to
    };
    match text.find(does_not_fit) {
        Some(end) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_up_two_columns_and_marks_none() {
        let widths = ["web1", "世界", "e\u{301}", "שלום", ""].map(columns);
        assert_eq!(widths, [4, 4, 1, 4, 0]);
        assert_eq!(padded("世界".to_owned(), 6), "世界  ");
        assert_eq!(padded("世界".to_owned(), 3), "世界");
    }

    #[test]
    fn what_is_cut_fits() {
        let cuts = ["web1", "web12", "世界", "世界x", "e\u{301}bcd", "e\u{301}bcde"]
            .map(|text| cut(text, 4));
        assert_eq!(cuts, ["web1", "web1…", "世界", "世界…", "e\u{301}bcd", "e\u{301}bcd…"]);
    }
}
