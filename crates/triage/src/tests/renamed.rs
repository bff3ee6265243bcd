//! The same case with other functions: whoever knew the cases by heart would fail it.

use std::collections::HashMap;

use super::cases::{self, Case};
use crate::guilty;
use crate::words::is_function;

/// The case with every function's name replaced by a random one, everywhere it stands. Those that
/// a rule names (messengers, dispatchers, system calls) keep theirs: that `memcpy` is not guilty
/// is what the rules are about.
pub(super) fn case(case: &Case) -> Case {
    let names = names(case);
    let renamed = |text: &str| replaced(text, &names);
    let all = |texts: &[String]| texts.iter().map(|text| renamed(text)).collect();
    Case {
        title: renamed(&case.title),
        alternatives: all(&case.alternatives),
        function: case.function.as_deref().map(renamed),
        log: renamed(&case.log),
        ..case.clone()
    }
}

/// A new name for each function of a log: whatever stands before an offset.
fn names(case: &Case) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for (at, _) in case.log.match_indices("+0x") {
        let before = &case.log[..at];
        let start = before.rfind(|c| !is_letter(c)).map_or(0, |at| at + 1);
        let name = &before[start..];
        if is_function(name) && !guilty::is_named(name) && !is_word(name) {
            let count = names.len() as u64;
            names.entry(name.to_owned()).or_insert_with(|| random(name, count));
        }
    }
    names
}

/// Whether the name is a word of the kernel's sentences, too.
fn is_word(name: &str) -> bool {
    !name.contains('_') || name.starts_with("_R") || name == "__schedule"
}

fn random(name: &str, seed: u64) -> String {
    let mut state = name.bytes().fold(seed, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(29)
    });
    let mut letters = String::from("qz_");
    for _ in 0..10 {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        letters.push(char::from(b'a' + ((state >> 33) % 26) as u8));
    }
    letters
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn replaced(text: &str, names: &HashMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_letter) {
        let end = rest[start..].find(|c| !is_letter(c)).map_or(rest.len(), |end| start + end);
        out.push_str(&rest[..start]);
        let word = &rest[start..end];
        out.push_str(names.get(word).map_or(word, String::as_str));
        rest = &rest[end..];
    }
    out + rest
}

#[test]
fn a_function_has_its_new_name_everywhere() {
    let text = "TITLE: KASAN: x in foo_bar\n\n foo_bar+0x1/0x2\n memcpy+0x1/0x2 foo_bar.c\n";
    let old = cases::parse("1", text);
    let new = case(&old);
    let name = new.title.strip_prefix("KASAN: x in ").unwrap();
    assert_ne!(name, "foo_bar");
    assert_eq!(new.log, format!(" {name}+0x1/0x2\n memcpy+0x1/0x2 {name}.c\n"));
}
