//! `-b [N]` takes the next word only if it is an integer, as journalctl does.
//!
//! clap knows options that always take the next word and options that never do; so before it
//! sees them the words are joined: `-b -1 web1` becomes `--boot=-1 web1`, `-b web1` becomes
//! `--boot=0 web1`.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::vec::IntoIter;

/// Joins `-b` and its number in the words of `bedside log`; gives all other words as they are.
pub(super) fn join(words: Vec<OsString>, definition: &clap::Command) -> Vec<OsString> {
    match definition.find_subcommand("log") {
        Some(log) if words.get(1).is_some_and(|word| word == "log") => {
            Joiner { log, words: words.into_iter().peekable(), joined: Vec::new() }.run()
        }
        _ => words,
    }
}

struct Joiner<'a> {
    log: &'a clap::Command,
    words: Peekable<IntoIter<OsString>>,
    joined: Vec<OsString>,
}

impl Joiner<'_> {
    fn run(mut self) -> Vec<OsString> {
        while let Some(word) = self.words.next() {
            let text = word.to_str().map(str::to_owned);
            match text.as_deref() {
                Some("--") => {
                    self.joined.push(word);
                    self.joined.extend(self.words.by_ref());
                }
                Some("--boot") => self.boot_and_next(),
                Some(long) if long.starts_with("--") => {
                    self.joined.push(word);
                    let takes_next = !long.contains('=')
                        && self.takes_value(|arg| arg.get_long() == long.get(2..));
                    self.copy_next_if(takes_next);
                }
                Some(short) if short.starts_with('-') => self.letters(&short[1..]),
                _ => self.joined.push(word),
            }
        }
        self.joined
    }

    /// One word of one-letter options, its hyphen taken off: `fb2`, `n5`, `b=-1`.
    fn letters(&mut self, letters: &str) {
        for (at, letter) in letters.char_indices() {
            let rest = &letters[at + letter.len_utf8()..];
            if letter == 'b' {
                self.push_letters(&letters[..at]);
                return self.boot(rest);
            }
            if self.takes_value(|arg| arg.get_short() == Some(letter)) {
                self.push_letters(letters);
                return self.copy_next_if(rest.is_empty());
            }
        }
        self.joined.push(format!("-{letters}").into());
    }

    /// What follows the letter `b` in its own word.
    fn boot(&mut self, rest: &str) {
        let number = rest.strip_prefix('=').unwrap_or(rest);
        let digits = number.len()
            - number
                .trim_start_matches(['+', '-'])
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        if rest.is_empty() {
            self.boot_and_next();
        } else if rest.starts_with('=') {
            self.push_boot(number);
        } else if is_integer(&number[..digits]) {
            self.push_boot(&number[..digits]);
            self.more_letters(&number[digits..]);
        } else {
            self.push_boot("0");
            self.more_letters(rest);
        }
    }

    fn more_letters(&mut self, letters: &str) {
        if !letters.is_empty() {
            self.letters(letters);
        }
    }

    fn boot_and_next(&mut self) {
        match self.words.next_if(|word| word.to_str().is_some_and(is_integer)) {
            Some(number) => self.push_boot(number),
            None => self.push_boot("0"),
        }
    }

    fn push_boot(&mut self, number: impl AsRef<OsStr>) {
        let mut word = OsString::from("--boot=");
        word.push(number);
        self.joined.push(word);
    }

    fn push_letters(&mut self, letters: &str) {
        if !letters.is_empty() {
            self.joined.push(format!("-{letters}").into());
        }
    }

    fn copy_next_if(&mut self, takes_next: bool) {
        if takes_next {
            self.joined.extend(self.words.next());
        }
    }

    fn takes_value(&self, is_it: impl Fn(&clap::Arg) -> bool) -> bool {
        self.log.get_arguments().any(|arg| is_it(arg) && arg.get_action().takes_values())
    }
}

fn is_integer(word: &str) -> bool {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
