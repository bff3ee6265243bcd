//! Man pages and completions, made from the command line's own definitions.

mod sections;

use std::fs;
use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::Exit;
use crate::cli::{self, CompletionsArgs, ManArgs, epilogue};

/// Writes the man pages into a directory.
pub fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    let dir = &args.dir;
    fs::create_dir_all(dir)
        .with_context(|| format!("can't make the directory {}", dir.display()))?;
    for page in pages()? {
        let path = dir.join(&page.name);
        fs::write(&path, &page.text).with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(Exit::Well)
}

/// Prints completions for a shell.
pub fn completions(args: CompletionsArgs) -> anyhow::Result<Exit> {
    crate::render::stdout().write_all(&completion(args.shell))?;
    Ok(Exit::Well)
}

/// The completions for a shell.
pub fn completion(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::definition(), "bedside", &mut text);
    text
}

/// A man page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its file's name: `bedside-log.1`.
    pub name: String,
    /// Its roff.
    pub text: Vec<u8>,
}

/// All man pages: one of `bedside` and one of each command.
pub fn pages() -> io::Result<Vec<Page>> {
    let mut top = cli::definition();
    top.build();
    let mut pages = Vec::new();
    add(&top, "", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, words: &str, pages: &mut Vec<Page>) -> io::Result<()> {
    let name = match words {
        "" => "bedside".to_owned(),
        words => format!("bedside-{}", words.replace(' ', "-")),
    };
    pages.push(Page { name: format!("{name}.1"), text: page(command, words)? });
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let words = format!("{words} {}", below.get_name());
        add(below, words.trim_start(), pages)?;
    }
    Ok(())
}

fn page(command: &Command, words: &str) -> io::Result<Vec<u8>> {
    let version = concat!("bedside ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(version).manual("bedside");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    let mut roff = Roff::new();
    synopsis(&mut roff, command);
    roff.to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    end(&mut roff, words);
    roff.to_writer(&mut text)?;
    text.push(b'\n');
    Ok(text)
}

/// With the values of options, and with `...` behind what may be given several times, both of which
/// `clap_mangen` leaves out.
fn synopsis(roff: &mut Roff, command: &Command) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut line = vec![bold(name)];
    let options = command.get_arguments().filter(|arg| !arg.is_positional());
    for arg in options.chain(command.get_positionals()).filter(|arg| !arg.is_hide_set()) {
        let (begin, end) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
        line.push(roman(format!(" {begin}")));
        line.extend(words(arg));
        let is_list = arg.get_num_args().is_some_and(|number| number.max_values() > 1);
        let repeats = matches!(arg.get_action(), ArgAction::Append) || is_list;
        line.push(roman(format!("{end}{}", if repeats { "..." } else { "" })));
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND")]);
    }
    roff.control("SH", ["SYNOPSIS"]);
    roff.text(line);
}

/// `-a|--allow NET`, or the name of a value alone.
fn words(arg: &Arg) -> Vec<Inline> {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    let values = arg.get_value_names().unwrap_or_default();
    let values = values.iter().map(ToString::to_string).collect::<Vec<String>>().join(" ");
    let need_none = arg.get_num_args().is_some_and(|number| number.min_values() == 0);
    let (begin, end) = if need_none { (" [", "]") } else { (" ", "") };
    match (flags.is_empty(), arg.get_action().takes_values()) {
        (true, _) => vec![italic(values)],
        (false, true) => {
            vec![bold(flags.join("|")), roman(begin), italic(values), roman(end)]
        }
        (false, false) => vec![bold(flags.join("|"))],
    }
}

fn end(roff: &mut Roff, words: &str) {
    let epilogue = epilogue::of(words);
    if !epilogue.notes.is_empty() {
        roff.control("SH", ["NOTES"]);
        paragraphs(roff, epilogue.notes);
    }
    sections::add(roff, words);
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in epilogue.exit {
        entry(roff, &status.to_string(), meaning);
    }
    roff.control("SH", ["EXAMPLES"]);
    for (command, what) in epilogue.examples {
        roff.control("TP", []);
        roff.text([bold(*command)]);
        roff.text([roman(*what)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    let others = [
        "bedside",
        "bedside-serve",
        "bedside-log",
        "bedside-boots",
        "bedside-incidents",
        "bedside-check",
    ];
    let own = format!("bedside-{words}");
    let others =
        others.iter().filter(|name| **name != own && (!words.is_empty() || **name != "bedside"));
    let others = others.map(|name| format!("{name}(1)")).collect::<Vec<String>>().join(", ");
    roff.text([roman(others)]);
}

/// A key or a status, and what it means.
fn entry(roff: &mut Roff, key: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(key)]);
    roff.text([roman(meaning)]);
}

fn paragraphs(roff: &mut Roff, texts: &[&str]) {
    for text in texts {
        roff.control("PP", []);
        roff.text([roman(*text)]);
    }
}
