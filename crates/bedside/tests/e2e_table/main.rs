//! What each output makes of hostile text: `docs/hostile-text.md` is the answer, and kept true by
//! this test. `UPDATE_DOCS=1 cargo test -p bedside --test e2e_table` writes it anew.

mod incidents;

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::{Context, Result, ensure};
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::patient::{Patient, drained};
use bedside_lab::{check, wait};

use incidents::{IN_INCIDENTS, death, hear_posts, of_incidents, rules};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hostile-text.md");

/// What is sent, each from an address of its own.
const TABLE: &[(&str, &[u8])] = &[
    (
        "escape sequences: colour, clearing, the title",
        b"6,1,1000,-;\x1b[31m\x1b[2J\x1b]0;title\x07 x\n",
    ),
    ("the same, escaped by the kernel", b"6,1,1000,-;\\x1b[31m\\x1b[2J\\x1b]0;title\\x07 x\n"),
    ("the same, in the basic format", b"<6>[    0.001000] \x1b[31m\x1b[2J\x1b]0;title\x07 x\n"),
    ("C1 controls, in UTF-8 and as bytes", b"6,1,1000,-;\xc2\x9b31m \x9b31m x\n"),
    ("NUL, DEL, backspaces", b"6,1,1000,-;a\0b\x7fc\x08\x08\x08 x\n"),
    ("a carriage return, to write over the line", b"6,1,1000,-;bad\rgood x\n"),
    ("a tab", b"6,1,1000,-;a\tb\n"),
    (
        "text turned around",
        "6,1,1000,-;\u{202e}cba\u{202c} \u{2066}x\u{2069} \u{200f}y\u{200e}\n".as_bytes(),
    ),
    ("text that can't be seen", "6,1,1000,-;a\u{200b}b\u{feff}c\u{ad}d\u{e0041}e\n".as_bytes()),
    ("separators of lines and paragraphs", "6,1,1000,-;a\u{2028}b\u{2029}c\u{85}d\n".as_bytes()),
    ("what is not UTF-8", b"6,1,1000,-;\xff\xfe \xc0\xaf \xed\xa0\x80 \xc3\n"),
    ("what is, and harmless", "6,1,1000,-;Grüße, 世界 🩺\n".as_bytes()),
    ("a forged second record", b"6,1,1000,-;first\n6,2,2000,-;second\n"),
    ("a forged second line, escaped", b"6,1,1000,-;first\\x0a6,2,2000,-;second\n"),
    ("a forged second record, basic", b"<6>[    0.001000] first\n<6>[    0.002000] second\n"),
    ("a forged entry of the store", b"6,1,1000,-;x\\x0aG - 1 limit 99\\x0aR 1\\x09source=x\n"),
    ("a name that is a path", b"6,1,1000,-;x\n host=../../etc/x\n"),
    ("a name with escape sequences", b"6,1,1000,-;x\n host=\\x1b[31mroot\n"),
    ("a name with a line of its own", b"6,1,1000,-;x\n host=a\\x0aMAINPID=1\n"),
    ("a name turned around", "6,1,1000,-;x\n host=\u{202e}1bew\n".as_bytes()),
    ("a name that is a statement", b"6,1,1000,-;x\n host='; DROP TABLE runs; --\n"),
    ("a name that is an option", b"6,1,1000,-;x\n host=--data=/\n"),
    ("a name that is not UTF-8", b"6,1,1000,-;x\n host=\xff\n"),
    ("a name that is an address", b"6,1,1000,-;x\n host=127.9.0.200\n"),
    ("a name forged by a task's name", b"6,1,1000,-;x\n cpu=0\n taskname=a\n host=forged\n"),
    ("a release with escape sequences", b"6.\x1b[31m1,6,1,1000,-;x\n"),
    ("a caller with escape sequences", b"6,1,1000,-,caller=\x1b[31m;x\n"),
    ("keys with controls", b"6,1,1000,-;x\n \x1b[5m=\x1b[6m\n"),
    (
        "syslog with escape sequences in its names",
        b"<34>1 2026-11-21T00:00:00Z \x1b[31mh a\x07 - - - x\n",
    ),
    ("a loss that never was", b"** 18446744073709551615 printk messages dropped **\n"),
    ("nothing at all", b""),
];

/// Too long for the table.
fn long() -> [Vec<u8>; 2] {
    let text = ["6,1,1000,-;".as_bytes(), &b"\x1b[31m".repeat(12_000), b"\n"].concat();
    let name = ["6,1,1000,-;x\n host=".as_bytes(), &b"n".repeat(60_000), b"\n"].concat();
    [text, name]
}

struct Ward {
    dir: tempfile::TempDir,
    bedside: Bedside,
    manager: UnixDatagram,
    doctor: Doctor,
    /// What the webhook was sent.
    posts: Receiver<String>,
}

impl Ward {
    /// A doctor that shows what it hears, and tells a service manager how it is.
    fn open() -> Result<Ward> {
        let dir = tempfile::tempdir()?;
        let config = dir.path().join("bedside.toml");
        let (told, server) = (dir.path().join("told"), TcpListener::bind("127.0.0.1:0")?);
        fs::write(&config, rules(&told.display().to_string(), server.local_addr()?))?;
        let (post, posts) = channel();
        thread::spawn(move || hear_posts(&server, &post));
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
        let manager = UnixDatagram::bind(dir.path().join("notify"))?;
        let mut serve = bedside.command();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
        serve.arg("--data").arg(bedside.data()).env("NOTIFY_SOCKET", dir.path().join("notify"));
        serve.stdout(fs::File::create(dir.path().join("live"))?).stderr(Stdio::piped());
        let doctor = Doctor::start(serve, 1)?;
        Ok(Ward { dir, bedside, manager, doctor, posts })
    }

    /// Each from an address of its own, one after the other.
    fn send(&self) -> Result<()> {
        let target = self.doctor.addresses()[0];
        let long = long();
        let all = TABLE.iter().map(|row| row.1).chain(long.iter().map(Vec::as_slice));
        for (row, datagram) in all.enumerate() {
            let mut patient = Patient::new([]).from_address(address(row));
            patient.send_from(SocketAddr::new(address(row), 1), target, datagram)?;
            drained(target.port(), 0)?;
        }
        for (row, (_, host, evil)) in IN_INCIDENTS.iter().enumerate() {
            let from = address(100 + row);
            let mut patient = Patient::new([]).from_address(from);
            for (seq, line) in death(evil).iter().enumerate() {
                let head = format!("0,{seq},1000,-;");
                let userdata = format!("\n host={host}\n");
                let datagram = [head.as_bytes(), line, userdata.as_bytes()].concat();
                patient.send_from(SocketAddr::new(from, 1), target, &datagram)?;
            }
            drained(target.port(), 0)?;
        }
        Ok(())
    }

    /// What was told of these incidents: to the program, and to the address.
    fn told(&self) -> Result<[Vec<String>; 2]> {
        let count = IN_INCIDENTS.len();
        let posts = self.posts.iter().take(count).collect();
        let letters = wait::until("the program to be told", || {
            let told = fs::read_to_string(self.dir.path().join("told")).unwrap_or_default();
            let letters: Vec<String> = told.lines().map(str::to_owned).collect();
            Ok((letters.len() == count).then_some(letters))
        })?;
        Ok([letters, posts])
    }
}

/// Where a row of the table is sent from.
fn address(row: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 9, 0, row as u8 + 1))
}

#[test]
fn the_table_of_hostile_texts_is_what_the_outputs_show() -> Result<()> {
    let ward = Ward::open()?;
    ward.send()?;
    // A line of its state comes every second.
    let status = wait::until("a line of status", || {
        let mut room = [0; 4096];
        let length = ward.manager.recv(&mut room)?;
        let told = String::from_utf8(room[..length].to_vec())?;
        Ok(told.starts_with("STATUS=").then_some(told))
    })?;
    harmless("the status line", status.trim_end())?;
    let check =
        ward.bedside.command().args(["check", "--data"]).arg(ward.bedside.data()).output()?;
    harmless("`bedside check`", &String::from_utf8(check.stdout)?)?;
    let follow = follow(&ward.bedside)?;
    let told = ward.told()?;
    told.iter().flatten().try_for_each(|letter| harmless("an alert", letter))?;
    let said = ward.doctor.said().join("\n");
    harmless("what `serve` says", &said)?;
    let live = ward.dir.path().join("live");
    ward.doctor.terminate()?;
    let live = fs::read_to_string(live)?;
    harmless("the live view of `serve`", &live)?;
    check::only_our_names(ward.bedside.data())?;

    for (command, args) in [
        ("log", &["-o", "full"][..]),
        ("log", &["-o", "json"]),
        ("hosts", &["--json"]),
        ("hosts", &[]),
        ("boots", &["--json"]),
        ("boots", &[]),
        ("incidents", &["--json"]),
        ("incidents", &[]),
    ] {
        let shown = String::from_utf8(ward.bedside.run(command, args)?.stdout)?;
        harmless(&format!("`bedside {command} {}`", args.join(" ")), &shown)?;
    }
    on_a_terminal(&ward.bedside)?;
    let mut document = document(&ward.bedside, &live, &follow)?;
    document += &of_incidents(&ward.bedside, &told)?;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(DOCUMENT, &document)?;
    }
    let written = fs::read_to_string(DOCUMENT).context(DOCUMENT)?;
    ensure!(written == document, "docs/hostile-text.md is not true any more:\n{document}");
    Ok(())
}

/// Newlines alone are written as they are; nothing that moves a cursor, hides or turns text.
fn harmless(output: &str, shown: &str) -> Result<()> {
    let acting = |c: char| {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
        let hides = matches!(c, '\u{ad}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
        c != '\n' && (c.is_control() || turns || hides)
    };
    let acting = shown.lines().find(|line| line.contains(acting));
    ensure!(acting.is_none(), "{output} shows as it is: {acting:?}");
    Ok(())
}

/// `log -f`, once it has shown all that there is.
fn follow(bedside: &Bedside) -> Result<String> {
    let mut log = bedside.command();
    log.args(["log", "-f", "-n", "1000", "--data"]).arg(bedside.data());
    let file = tempfile::NamedTempFile::new()?;
    let mut log = log.stdout(file.reopen()?).spawn()?;
    let shown = wait::until("the last row to be followed", || {
        let shown = fs::read_to_string(file.path())?;
        let last = address(TABLE.len() + 1).to_string();
        Ok(shown.contains(&last).then_some(shown))
    });
    log.kill()?;
    log.wait()?;
    let shown = shown.with_context(|| fs::read_to_string(file.path()).unwrap_or_default())?;
    harmless("`log -f`", &shown)?;
    Ok(shown)
}

/// With colours, only they are added.
fn on_a_terminal(bedside: &Bedside) -> Result<()> {
    for command in ["log", "hosts", "boots", "incidents"] {
        let shown = |name: &str, value: &str| -> Result<String> {
            let mut command_line = bedside.command();
            command_line.arg(command).arg("--data").arg(bedside.data()).env(name, value);
            Ok(String::from_utf8(command_line.output()?.stdout)?)
        };
        let mut coloured = shown("CLICOLOR_FORCE", "1")?;
        ensure!(coloured.contains("\x1b["), "no colours in {command}");
        while let Some(from) = coloured.find("\x1b[") {
            let length = coloured[from..].find('m').context("a colour that does not end")?;
            let numbers = &coloured[from + 2..from + length];
            let ours = numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b';');
            ensure!(ours, "{command} gives a terminal {numbers:?}");
            coloured.replace_range(from..=from + length, "");
        }
        let plain = shown("NO_COLOR", "1")?;
        // Time goes by between the two, in numbers that may need more room.
        let goes_by = |char: &char| char.is_ascii_digit() || char.is_whitespace();
        let steady = |text: &str| text.chars().filter(|char| !goes_by(char)).collect::<String>();
        ensure!(steady(&coloured) == steady(&plain), "{command}: {coloured} {plain}");
    }
    Ok(())
}

fn document(bedside: &Bedside, live: &str, follow: &str) -> Result<String> {
    let mut table = String::from(HEAD);
    let (live, follow) = (words(live), words(follow));
    for (row, (what, sent)) in TABLE.iter().enumerate() {
        let from = address(row).to_string();
        let text = lines(bedside, &["-o", "short", &from])?;
        let json = lines(bedside, &["-o", "json", &from])?;
        for output in [&live, &follow] {
            let there = text.iter().all(|line| output.contains(&words(&line[TIME..])));
            ensure!(there, "{what}: not in the live view or in `log -f` as in `log`: {text:?}");
        }
        let text = text.iter().map(|line| line[TIME..].to_owned());
        let json = json.iter().map(|line| texts(line)).collect::<Result<Vec<_>>>()?;
        write!(table, "\n## {what}\n\n```text\nsent  {}\n", sent.escape_ascii())?;
        for line in text {
            writeln!(table, "log   {}", line.trim_end())?;
        }
        for line in json {
            writeln!(table, "json  {line}")?;
        }
        table.push_str("```\n");
    }
    Ok(table)
}

/// Columns have other widths elsewhere.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

/// The lines that records of this machine are shown in.
fn lines(bedside: &Bedside, args: &[&str]) -> Result<Vec<String>> {
    let mut log = bedside.command();
    log.arg("log").args(args).arg("--data").arg(bedside.data());
    let shown = String::from_utf8(log.output()?.stdout)?;
    let record = |line: &&str| {
        line.starts_with("20") || line.starts_with(' ') || line.contains("\"type\":\"record\"")
    };
    Ok(shown.lines().filter(record).map(str::to_owned).collect())
}

/// What an object of JSON says of names and texts, as it stands there.
fn texts(object: &str) -> Result<String> {
    let part = |from: &str, to: &str| {
        let at = object.find(from)?;
        let rest = &object[at..];
        Some(&rest[..rest.find(to)?])
    };
    let host = part("\"host\":", ",\"source\"").context("a host")?;
    let text = part("\"text\":", ",\"incomplete\"").context("a text")?;
    Ok(format!("{host} … {text}"))
}

/// `2026-11-21 05:45:15.123 `
const TIME: usize = 24;

const HEAD: &str = "\
# Hostile text

Whatever a sender puts into a datagram, this is what the outputs show. The page is written by \
`crates/bedside/tests/e2e_table`, which sends each row to a running doctor, and fails when \
it is not true any more.

`log` is the line without its time, which `log -f` and the live view of `serve` show too; `json` \
is the host and what is said of the text in `log -o json`, whose `text_b64` has the exact bytes \
where the text is not UTF-8.

Of all outputs holds:

- A newline is the only control character that any output writes as it is: `log` (short, full, \
JSON, followed), `hosts`, `boots`, `incidents`, `incident` (page, Markdown, syz, JSON), what alerts \
tell a program and a webhook, the live view of `serve` and what it says on stderr, its line \
of status for systemd, `bedside check`. Nothing in them turns text around or hides it.
- On a terminal colours are added, and nothing else.
- No name from the network is part of a file's name, a statement or a path.
- A text of 60,000 bytes is shown whole; a name of so many is no name.
- `log -o raw` gives the exact bytes, for programs; it is not meant for terminals.
";
