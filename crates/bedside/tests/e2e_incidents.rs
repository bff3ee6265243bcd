//! Every recorded kernel: what its lines tell on the wire is in the book, and is what its serial
//! console tells; whoever lived well, or died without a word, has no incident.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use bedside_lab::capture::{self, Capture};
use bedside_lab::doctor::Bedside;
use bedside_lab::patient::Patient;
use bedside_lab::wait;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bedside");

/// Titles with their kinds, and how often each.
type Told = BTreeMap<String, u64>;

#[test]
fn the_wire_tells_what_the_console_tells() -> Result<()> {
    let mut rows = String::new();
    for name in capture::names()? {
        let (wire, console) = (of_wire(&name)?, of_console(&name)?);
        for (told, count) in &wire {
            let said = console.get(told).copied().unwrap_or(0);
            ensure!(said >= *count, "{name}: {told}, {count} times; the console: {console:?}");
        }
        rows += &row(&name, &wire, &console)?;
    }
    insta::assert_snapshot!("incidents", rows);
    Ok(())
}

/// A line for each, and what of it only the console has.
fn row(name: &str, wire: &Told, console: &Told) -> Result<String> {
    let mut row = format!("{name}\n");
    for (told, count) in wire {
        writeln!(row, "    {count} {told}")?;
    }
    for (told, count) in console {
        let more = count - wire.get(told).copied().unwrap_or(0);
        if more > 0 {
            writeln!(row, "    {more} {told} (console only)")?;
        }
    }
    Ok(row)
}

fn of_wire(name: &str) -> Result<Told> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("capture.jsonl");
    std::fs::write(&file, capture::fixture(name, "jsonl")?)?;
    let bedside = Bedside::new(PROGRAM, dir.path().join("store"));
    bedside.run("replay", &[file.to_str().context("a path in UTF-8")?])?;
    let found = book(&bedside)?;
    let rebuilt =
        bedside.command().args(["store", "rebuild", "--data"]).arg(bedside.data()).output()?;
    ensure!(rebuilt.status.success(), "{rebuilt:?}");
    ensure!(found == book(&bedside)?, "{name}: a rebuild finds other things");
    Ok(found)
}

fn book(bedside: &Bedside) -> Result<Told> {
    let list: Value = serde_json::from_slice(&bedside.run("incidents", &["--json"])?.stdout)?;
    let incidents = list["incidents"].as_array().context("a list")?;
    let told = |it: &Value| (words(it), it["count"].as_u64().unwrap_or(0));
    Ok(incidents.iter().map(told).collect())
}

fn of_console(name: &str) -> Result<Told> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("serial.log");
    std::fs::write(&file, capture::fixture(name, "serial.log")?)?;
    let bedside = Bedside::new(PROGRAM, dir.path());
    let output = bedside.command().args(["triage", "--json"]).arg(&file).output()?;
    ensure!(output.status.success(), "{output:?}");
    let mut told = Told::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        *told.entry(words(&serde_json::from_slice(line)?)).or_default() += 1;
    }
    Ok(told)
}

fn words(incident: &Value) -> String {
    let word = |key: &str| incident[key].as_str().unwrap_or("-").to_owned();
    format!("{}: {}", word("kind"), word("title"))
}

/// Heard live, told while the machine still dies, and once only after a restart of the doctor.
#[test]
fn a_death_is_told_while_it_comes_and_not_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let bedside = Bedside::new(PROGRAM, dir.path().join("store"));
    let listen = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let doctor = bedside.serve::<&str>(&listen, &[])?;
    let capture = Capture::load("6.1.0/ext_null_panic_on_oops_p1")?;
    let target = capture.targets()[0];
    let is_panic = |payload: &[u8]| payload.windows(12).any(|at| at == b"Kernel panic");
    let panic = capture.datagrams.iter().position(|it| is_panic(&it.payload)).context("a panic")?;
    let mut patient = Patient::new([(target, doctor.addresses()[0])]);
    patient.send(&capture.datagrams[..panic])?;
    let title = "BUG: unable to handle kernel NULL pointer dereference in cm_do_null";
    let severity = |severity: &str| {
        wait::until(&format!("{severity}: {title}"), || {
            let list: Value =
                serde_json::from_slice(&bedside.run("incidents", &["--json"])?.stdout)?;
            let incident = &list["incidents"][0];
            let is_known = incident["severity"] == severity && incident["title"] == title;
            Ok(is_known.then_some(list))
        })
    };
    severity("critical")?;
    patient.send(&capture.datagrams[panic..])?;
    let dead = severity("fatal")?;
    ensure!(dead["incidents"].as_array().is_some_and(|all| all.len() == 1), "{dead}");
    doctor.terminate()?;
    let doctor = bedside.serve::<&str>(&listen, &[])?;
    doctor.terminate()?;
    let list = severity("fatal")?;
    ensure!(list["incidents"][0]["count"] == 1, "{list}");

    let id = list["incidents"][0]["id"].as_str().context("an id")?;
    let page = String::from_utf8(bedside.run("incident", &[id])?.stdout)?;
    ensure!(page.contains("\n  > cm_do_null+0x") && page.contains("The lines before"), "{page}");
    Ok(())
}

/// What people see who list incidents, and say something of one.
#[test]
fn what_is_said_of_an_incident_is_told_and_listed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("capture.jsonl");
    std::fs::write(&file, capture::fixture("6.1.0/ext_null", "jsonl")?)?;
    let bedside = Bedside::new(PROGRAM, dir.path().join("store"));
    bedside.run("replay", &[file.to_str().context("a path in UTF-8")?])?;
    let list: Value = serde_json::from_slice(&bedside.run("incidents", &["--json"])?.stdout)?;
    let incident = &list["incidents"][0];
    ensure!(incident["by_release"] == serde_json::json!({"6.1.0-50-amd64": 1}), "{list}");
    let id = incident["id"].as_str().context("an id")?;
    let resolved =
        format!("bedside: {id} is resolved; when it comes back, it is listed as regressed");
    let ignored =
        format!("bedside: {id} is ignored; it is listed with --all only, and nobody is told");
    let left_out = "bedside: 1 resolved or ignored are left out; --all shows them";
    for (command, args, said, status) in [
        ("incidents", &["--kind", "oops"][..], "", 0),
        ("incidents", &["--kind", "panic"], "bedside: no incident is as asked for", 1),
        ("incidents", &["-S", "2099-01-01"], "bedside: no incident was found in that time", 0),
        ("incident", &[""], "bedside: no incident : `bedside incidents` lists them", 1),
        ("incident", &[id, "--host", "nobody"], "bedside: it has not happened to that machine", 1),
        ("incident", &[id, "note"], "bedside: give the note behind `note`", 2),
        ("incident", &[id, "resolve", "by 6.1.1"], &resolved, 0),
        ("incidents", &[], left_out, 0),
        ("incidents", &["--kind", "oops"], left_out, 0),
        ("incidents", &["--all"], "", 0),
        ("incident", &[id, "ignore"], &ignored, 0),
        ("incident", &[id, "reopen"], &format!("bedside: {id} is open"), 0),
        ("incident", &[id, "note", ""], &format!("bedside: {id} has no note any more"), 0),
        ("incidents", &[], "", 0),
    ] {
        let mut line = bedside.command();
        let output = line.arg(command).args(args).arg("--data").arg(bedside.data()).output()?;
        let told = String::from_utf8(output.stderr)?;
        ensure!(told.trim_end() == said, "{command} {args:?}: {told}");
        ensure!(output.status.code() == Some(status), "{command} {args:?}: {:?}", output.status);
        let lists = command == "incidents" && said.is_empty();
        ensure!(!lists || output.stdout.starts_with(b"ID  "), "{command} {args:?} lists nothing");
    }
    Ok(())
}

/// The boot that had it, and the lines that it was cut from, say so.
#[test]
fn boots_and_lines_are_marked_with_their_incident() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let bedside = Bedside::new(PROGRAM, dir.path().join("store"));
    for name in ["6.1.0/ext_null", "6.1.0/ext_reboot_clean"] {
        let file = dir.path().join("capture.jsonl");
        std::fs::write(&file, capture::fixture(name, "jsonl")?)?;
        bedside.run("replay", &[file.to_str().context("a path in UTF-8")?])?;
    }
    let list: Value = serde_json::from_slice(&bedside.run("incidents", &["--json"])?.stdout)?;
    let id = list["incidents"][0]["id"].as_str().context("an id")?;
    let story: Value = serde_json::from_slice(&bedside.run("incident", &[id, "--json"])?.stdout)?;
    let lines = story["lines"].as_array().context("lines")?;

    let boots: Value = serde_json::from_slice(&bedside.run("boots", &["--json"])?.stdout)?;
    let boots: Vec<&Value> =
        boots["boots"].as_array().context("boots")?.iter().map(|boot| &boot["incidents"]).collect();
    ensure!(boots.contains(&&serde_json::json!([id])), "{boots:?}");
    ensure!(boots.contains(&&serde_json::json!([])), "{boots:?}");
    let table = String::from_utf8(bedside.run("boots", &[])?.stdout)?;
    ensure!(table.matches(&format!("; incident {id}\n")).count() == 1, "{table}");

    let log = String::from_utf8(bedside.run("log", &["-o", "json"])?.stdout)?;
    let marked: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("\"incident\""))
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let texts: Vec<&Value> = marked.iter().map(|record| &record["text"]).collect();
    ensure!(marked.iter().all(|record| record["incident"] == id), "{marked:?}");
    ensure!(texts == lines.iter().collect::<Vec<_>>(), "{texts:?} {lines:?}");
    let full = String::from_utf8(bedside.run("log", &["-o", "full"])?.stdout)?;
    let named = full.lines().filter(|line| line.contains("incident") && line.contains(id)).count();
    ensure!(named == lines.len(), "{named}");
    let coloured = |wish: &str| -> Result<usize> {
        let mut log = bedside.command();
        log.args(["log", "--data"]).arg(bedside.data()).env(wish, "1");
        let shown = String::from_utf8(log.output()?.stdout)?;
        Ok(shown.lines().filter(|line| line.starts_with("\u{1b}[1m\u{1b}[31m2")).count())
    };
    ensure!(coloured("CLICOLOR_FORCE")? == lines.len(), "{}", coloured("CLICOLOR_FORCE")?);
    ensure!(coloured("NO_COLOR")? == 0, "colours where none are wanted");

    std::fs::write(bedside.data().join("incidents.sqlite"), [b'x'; 5000])?;
    ensure!(bedside.run("log", &["-o", "json"])?.stdout.len() > 100_000, "nothing is read");
    let boots: Value = serde_json::from_slice(&bedside.run("boots", &["--json"])?.stdout)?;
    ensure!(boots["boots"].as_array().is_some_and(|boots| boots.len() == 4), "{boots}");
    Ok(())
}
