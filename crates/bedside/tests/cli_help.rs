//! Help, man pages and completions are what they were, and those in the tree are current.

use std::fs;
use std::path::{Path, PathBuf};

use bedside::cli;
use bedside::man;
use clap::Command;
use clap_complete::Shell;

#[test]
fn help_of_every_command() {
    let mut top = cli::definition().term_width(100);
    top.build();
    check_help(&mut top, "bedside");
}

fn check_help(command: &mut Command, name: &str) {
    insta::assert_snapshot!(name.replace(' ', "_"), command.render_long_help().to_string());
    for below in command.get_subcommands_mut() {
        let name = format!("{name} {}", below.get_name());
        check_help(below, &name);
    }
}

#[test]
fn every_command_has_examples_that_it_understands() {
    for words in commands(&cli::definition(), "") {
        for line in cli::examples(&words) {
            for command in line.split("&&").flat_map(|part| part.split(" | ")) {
                let Some(command) = command.trim().strip_prefix("bedside ") else { continue };
                let command = command.split(" > ").next().unwrap();
                let command = command.split_whitespace().map(|word| word.trim_matches('\''));
                let words = std::iter::once("bedside").chain(command);
                if let Err(error) = cli::parse(words.map(Into::into)) {
                    panic!("{line}: {error}");
                }
            }
        }
    }
}

fn commands(command: &Command, words: &str) -> Vec<String> {
    let below = command
        .get_subcommands()
        .flat_map(|below| commands(below, format!("{words} {}", below.get_name()).trim()));
    std::iter::once(words.to_owned()).chain(below).collect()
}

#[test]
fn a_synopsis_tells_values_and_what_may_be_repeated() {
    let pages = man::pages().unwrap();
    let synopsis = |name: &str| {
        let page = pages.iter().find(|page| page.name == name).unwrap();
        let text = String::from_utf8(page.text.clone()).unwrap();
        let text = text.split(".SH SYNOPSIS\n").nth(1).unwrap().lines().next().unwrap().to_owned();
        text.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\-", "-")
    };
    let check = synopsis("bedside-check.1");
    assert!(check.starts_with("bedside check [-l|--listen ADDR:PORT]... [--data DIR] "), "{check}");
    let log = synopsis("bedside-log.1");
    assert!(log.contains(" [-b|--boot [N]] ") && log.ends_with(" [HOST]..."), "{log}");
    assert_eq!(synopsis("bedside-config.1"), "bedside config --print-default [-h|--help]");
}

#[test]
fn man_pages_in_the_tree_are_current() {
    let dir = packaging("man");
    let pages = man::pages().unwrap();
    for page in &pages {
        check_file(&dir.join(&page.name), &page.text, "cargo run -- man packaging/man");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), pages.len(), "a page too many in {dir:?}");
}

#[test]
fn completions_in_the_tree_are_current() {
    for (shell, name) in
        [(Shell::Bash, "bedside.bash"), (Shell::Zsh, "_bedside"), (Shell::Fish, "bedside.fish")]
    {
        let path = packaging("completions").join(name);
        let how = format!("cargo run -- completions {shell} > packaging/completions/{name}");
        check_file(&path, &man::completion(shell), &how);
    }
}

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(name)
}

fn check_file(path: &Path, wanted: &[u8], how: &str) {
    let found = fs::read(path).unwrap_or_default();
    assert!(found == wanted, "{} is out of date; make it anew with: {how}", path.display());
}
