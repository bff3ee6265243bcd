//! The kernel's format strings, read backwards.

/// Matches `form` against the beginning of `text` and gives what stands for each hole.
///
/// Holes: `%d` a decimal number, `%x` a hexadecimal one (`0x` and `*` of hashed pointers too),
/// `%s` anything up to the next literal (to the end if it is the last), `%w` the same without a
/// blank in it, `%S` a word without blanks, as long as it goes on.
pub(crate) fn holes<'t>(form: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let (first, mut form) = form.split_once('%').unwrap_or((form, ""));
    let mut rest = text.strip_prefix(first)?;
    let mut found = Vec::new();
    while !form.is_empty() {
        let (hole, after) = form.split_at(1);
        let (literal, next) = after.split_once('%').unwrap_or((after, ""));
        let length = length(hole, literal, rest)?;
        found.push(&rest[..length]);
        rest = rest[length..].strip_prefix(literal)?;
        form = next;
    }
    Some(found)
}

fn length(hole: &str, literal: &str, rest: &str) -> Option<usize> {
    let while_true = |accepts: fn(char) -> bool| rest.find(|c| !accepts(c)).unwrap_or(rest.len());
    let length = match hole {
        "d" => while_true(|c| c.is_ascii_digit() || c == '-'),
        "x" => while_true(|c| c.is_ascii_hexdigit() || c == 'x'),
        "S" => while_true(|c| !c.is_ascii_whitespace() && c != ','),
        "w" => rest.find(literal).filter(|end| !rest[..*end].contains(' '))?,
        _ if literal.is_empty() => return Some(rest.len()),
        _ => return rest.find(literal),
    };
    (length > 0).then_some(length)
}

/// A regular expression that finds every beginning of a text that [`holes`] finds, and perhaps
/// more.
pub(crate) fn pattern(form: &str) -> String {
    let (first, holes) = form.split_once('%').unwrap_or((form, ""));
    let mut pattern = regex::escape(first);
    for part in holes.split('%').filter(|part| !part.is_empty()) {
        let (hole, literal) = part.split_at(1);
        pattern.push_str(match hole {
            "d" => "[0-9-]+",
            "x" => "[0-9A-Fa-fx]+",
            "S" => r"[^\s,]+",
            "w" => "[^ ]+?",
            _ => ".*?",
        });
        pattern.push_str(&regex::escape(literal));
    }
    pattern
}

/// The literal that a text of this form begins with.
pub(crate) fn beginning(form: &str) -> &str {
    form.split('%').next().unwrap_or(form)
}

#[cfg(test)]
mod tests {
    use super::holes;

    #[test]
    fn holes_are_what_was_printed() {
        let found = holes(
            "BUG: soft lockup - CPU#%d stuck for %ds! [%s:%d]",
            "BUG: soft lockup - CPU#1 stuck for 22s! [a:b:12] x",
        );
        assert_eq!(found, None, "a number must follow the first colon");
        let found = holes("%s: stuck for %ds! [%s]", "CPU#1: stuck for 22s! [a:12] x");
        assert_eq!(found, Some(vec!["CPU#1", "22", "a:12"]));
        assert_eq!(holes("a %S in %s", "a bc in d e"), Some(vec!["bc", "d e"]));
        assert_eq!(holes("a %d", "a x"), None);
        assert_eq!(holes("XFS (%w): log", "XFS (dm-0): log"), Some(vec!["dm-0"]));
        assert_eq!(holes("XFS (%w): log", "XFS (dm-0): and XFS (dm-0): log"), None);
    }
}
