//! What is shown of incidents whose every name is hostile, and told of them.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::Sender;

use anyhow::{Context, Result};
use bedside_lab::doctor::Bedside;
use serde_json::Value;

use super::harmless;

/// What stands in the panic, the process's name and the name of a machine, each of its own.
pub(super) const IN_INCIDENTS: &[(&str, &str, &[u8])] = &[
    ("escape sequences", "a\\x1b[31m", b"\x1b[31m\x1b[2J\x1b]0;title\x07 x"),
    (
        "text turned around and text that can't be seen",
        "b",
        "\u{202e}cba\u{202c} a\u{200b}b".as_bytes(),
    ),
    ("what is not UTF-8", "c", b"\xff \x9b31m x"),
    ("Markdown and mentions", "d`", b"`x` ``` [a](http://b) <script>@all <!channel> & ## h"),
    (
        "the end of a string, a template, a command",
        "e\"",
        b"\", \"a\": \"\\\\ {{title}} $(id) `id`; '",
    ),
    ("a second line", "f", b"x\\x0aKernel panic - not syncing: y"),
];

/// The lines of a panic.
pub(super) fn death(evil: &[u8]) -> [Vec<u8>; 3] {
    let line = |head: &str, tail: &str| [head.as_bytes(), evil, tail.as_bytes()].concat();
    [
        line("Kernel panic - not syncing: ", ""),
        line("CPU: 0 PID: 7 Comm: ", " Not tainted 6.12.94 #1"),
        line("---[ end Kernel panic - not syncing: ", " ]---"),
    ]
}

/// A doctor that tells of all incidents: a program, and a webhook.
pub(super) fn rules(told: &str, server: SocketAddr) -> String {
    format!(
        r#"
        live = "always"
        [[alert]]
        name = "program"
        storm = 1000
        command = ["/bin/sh", "-c", "cat >> $0", "{told}"]
        [[alert]]
        name = "webhook"
        storm = 1000
        webhook = "http://{server}/"
        template = '{{"id": "{{{{id}}}}", "text": "{{{{title|html}}}}, {{{{command}}}} on {{{{host}}}}"}}'
        "#
    )
}

pub(super) fn hear_posts(server: &TcpListener, posts: &Sender<String>) -> Result<()> {
    loop {
        let (stream, _) = server.accept()?;
        let mut reader = BufReader::new(&stream);
        let head =
            reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let length =
            |line: String| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok();
        let length: usize = head.filter_map(length).last().context("a length")?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        write!(&stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
        posts.send(String::from_utf8(body)?)?;
    }
}

/// What is shown and told of each panic.
pub(super) fn of_incidents(
    bedside: &Bedside,
    [letters, posts]: &[Vec<String>; 2],
) -> Result<String> {
    let list: Value = serde_json::from_slice(&bedside.run("incidents", &["--json"])?.stdout)?;
    let table = String::from_utf8(bedside.run("incidents", &[])?.stdout)?;
    let mut rows = String::new();
    for (what, host, evil) in IN_INCIDENTS {
        let incidents = list["incidents"].as_array().context("a list")?;
        let is_its = |it: &&Value| it["machines"] == serde_json::json!([host]);
        let incident = incidents.iter().find(is_its).with_context(|| format!("{host}: {list}"))?;
        let id = incident["id"].as_str().context("an id")?;
        let shown = |args: &[&str]| -> Result<String> {
            let shown =
                String::from_utf8(bedside.run("incident", &[&[id], args].concat())?.stdout)?;
            harmless(&format!("`bedside incident ID {}`", args.join(" ")), &shown)?;
            Ok(shown)
        };
        let (page, markdown) = (shown(&[])?, shown(&["-o", "markdown"])?);
        let (syz, json) = (shown(&["-o", "syz"])?, shown(&["--json"])?);
        let with = |all: &[String]| all.iter().find(|it| it.contains(id)).cloned().context("told");
        let (letter, post) = (with(letters)?, with(posts)?);
        write!(rows, "\n## in an incident: {what}\n\n````text\n")?;
        for line in death(evil).iter().take(2) {
            writeln!(rows, "sent       {}", line.escape_ascii())?;
        }
        let listed = starting(&table, id)?;
        let title = starting(&table, "ID ")?.find("TITLE").context("a column")?;
        writeln!(rows, "incidents  {}", listed.chars().skip(title).collect::<String>())?;
        for name in ["", "  machine", "  process"] {
            writeln!(rows, "incident   {}", starting(&page, name)?)?;
        }
        for name in ["## ", "- machine", "- process"] {
            writeln!(rows, "markdown   {}", starting(&markdown, name)?)?;
        }
        writeln!(rows, "syz        {}", starting(&syz, "TITLE")?)?;
        writeln!(rows, "json       {}", names(&json)?)?;
        writeln!(rows, "program    {}", names(&letter)?)?;
        let text = post.find("\"text\"").context("a text")?;
        writeln!(rows, "webhook    {}", &post[text..post.len() - 1])?;
        serde_json::from_str::<Value>(&post).with_context(|| post.clone())?;
        rows.push_str("````\n");
    }
    Ok(rows)
}

/// The first line that begins so.
fn starting<'a>(text: &'a str, start: &str) -> Result<&'a str> {
    text.lines().find(|line| line.starts_with(start)).with_context(|| format!("{start}: {text}"))
}

/// What an incident's object says of names, as it stands there.
fn names(object: &str) -> Result<String> {
    let value: Value = serde_json::from_str(object).with_context(|| object.to_owned())?;
    let name = |key: &str| -> Result<String> {
        let from = object.find(&format!("\"{key}\":")).context("a key")?;
        let words = value[key].to_string();
        let length = object[from..].find(",\"").with_context(|| words)?;
        Ok(object[from..from + length].to_owned())
    };
    Ok([name("host")?, name("command")?].join(" … "))
}
