//! The page in the documents that holds the tables.

use std::fmt;

use anyhow::{Context as _, Result};

/// Puts tables between the page's two marks of this name.
pub(super) fn replace(page: &str, name: &str, tables: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- bench: {name} -->"), format!("<!-- /{name} -->"));
    let marked = page.split_once(&begin).zip(page.split_once(&end));
    let ((before, _), (_, after)) =
        marked.with_context(|| format!("the page has no {begin} and {end}"))?;
    Ok(format!("{before}{begin}\n{tables}\n{end}{after}"))
}

/// Figures below each other.
pub(super) fn tables(figures: &[impl fmt::Display]) -> String {
    figures.iter().map(ToString::to_string).collect::<Vec<String>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_between_the_marks_is_gone() {
        let page = "a\n<!-- bench: x -->\nold\n<!-- /x -->\nz\n";
        let new = "a\n<!-- bench: x -->\nnew\n<!-- /x -->\nz\n";
        assert_eq!(replace(page, "x", "new").unwrap(), new);
        assert!(replace(page, "y", "new").is_err());
    }
}
