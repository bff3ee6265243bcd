//! The man pages and the completions in the tree are those of the command line.
//!
//! `BEDSIDE_WRITE=1 cargo test -p bedside-patient --test packaging` makes them anew.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::fs;
use std::path::Path;

use bedside_patient::cli::Cli;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

#[test]
fn man_pages_are_current() {
    let mut top = Cli::command();
    top.build();
    check("man/bedside-patient.1", &page(&top, "bedside-patient"));
    for command in top.get_subcommands() {
        let name = format!("bedside-patient-{}", command.get_name());
        check(&format!("man/{name}.1"), &page(command, &name));
    }
}

#[test]
fn completions_are_current() {
    for (shell, name) in [
        (Shell::Bash, "bedside-patient.bash"),
        (Shell::Zsh, "_bedside-patient"),
        (Shell::Fish, "bedside-patient.fish"),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "bedside-patient", &mut text);
        // clap_complete takes the name with a hyphen apart in one place and not in the other.
        let text = String::from_utf8(text).unwrap();
        let text = text.replace("bedside__subcmd__patient", "bedside__patient").into_bytes();
        check(&format!("completions/{name}"), &text);
    }
}

/// As bash asks for the options of a command.
#[test]
fn bash_completes_the_options_of_each_command() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../packaging/patient/completions/bedside-patient.bash"
    );
    for (command, option) in [("up", "--dry-run"), ("check", "--set-panic"), ("status", "--json")] {
        let asked = format!(
            "source {file}; COMP_WORDS=(bedside-patient {command} --); COMP_CWORD=2
             f=$(complete -p bedside-patient); f=${{f##*-F }}
             ${{f%% *}} bedside-patient -- {command}; echo \"${{COMPREPLY[@]}}\""
        );
        let output = std::process::Command::new("bash").args(["-c", &asked]).output().unwrap();
        let offered = String::from_utf8(output.stdout).unwrap();
        assert!(offered.contains(option), "{command}: {offered}");
    }
}

fn page(command: &Command, name: &str) -> Vec<u8> {
    let version = concat!("bedside ", env!("CARGO_PKG_VERSION"));
    let command = command.clone().display_name(name.to_owned());
    let mut text = Vec::new();
    Man::new(command).source(version).manual("bedside").render(&mut text).unwrap();
    text
}

fn check(name: &str, wanted: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/patient").join(name);
    if std::env::var_os("BEDSIDE_WRITE").is_some() {
        fs::write(&path, wanted).unwrap();
    }
    let held = fs::read(&path).unwrap_or_default();
    assert!(held == wanted, "{} is out of date: see this test's first lines", path.display());
}
