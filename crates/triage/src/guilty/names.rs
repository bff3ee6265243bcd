//! A set of names, some with a `*` in front or behind.

use std::collections::HashSet;

/// Names to look up.
#[derive(Debug, Default)]
pub(super) struct Names {
    whole: HashSet<&'static str>,
    beginnings: Vec<&'static str>,
    ends: Vec<&'static str>,
    parts: Vec<&'static str>,
}

impl Names {
    /// Those in the lists, which are separated by blanks.
    pub(super) fn of(lists: impl Iterator<Item = &'static str>) -> Names {
        let mut names = Names::default();
        for pattern in lists.flat_map(str::split_ascii_whitespace) {
            match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
                (Some(_), Some(_)) => names.parts.push(pattern.trim_matches('*')),
                (Some(end), None) => names.ends.push(end),
                (None, Some(beginning)) => names.beginnings.push(beginning),
                (None, None) => {
                    names.whole.insert(pattern);
                }
            }
        }
        names
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.whole.contains(name)
            || self.beginnings.iter().any(|beginning| name.starts_with(beginning))
            || self.ends.iter().any(|end| name.ends_with(end))
            || self.parts.iter().any(|part| name.contains(part))
    }
}
