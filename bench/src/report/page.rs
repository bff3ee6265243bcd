//! The page in the documents that holds the tables.

use std::fmt;

use anyhow::{Context as _, Result};

/// Puts tables between the page's two marks.
pub(super) fn replace(page: &str, tables: &str) -> Result<String> {
    let marked = page.split_once(BEGIN).zip(page.split_once(END));
    let ((before, _), (_, after)) =
        marked.with_context(|| format!("the page has no {BEGIN} and {END}"))?;
    Ok(format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
}

/// A heading and what belongs under it.
pub(super) fn section(
    out: &mut fmt::Formatter<'_>,
    heading: &str,
    figures: &[impl fmt::Display],
) -> fmt::Result {
    writeln!(out, "### {heading}\n")?;
    figures.iter().try_for_each(|figures| writeln!(out, "{figures}"))
}

const BEGIN: &str = "<!-- figures: written by bedside-bench -->";
const END: &str = "<!-- end of figures -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_between_the_marks_is_gone() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nz\n");
        assert_eq!(replace(&page, "new").unwrap(), format!("a\n{BEGIN}\nnew\n{END}\nz\n"));
        assert!(replace("no marks", "new").is_err());
    }
}
