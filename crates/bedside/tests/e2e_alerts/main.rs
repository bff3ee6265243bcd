//! A heart stops: the book has a flatline, a program is run, an address gets a letter; and what
//! the machine is called harms neither.

mod by_hand;
mod tls;

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::wait;
use netconsole_wire::heartbeat::Heartbeat;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What a machine may be called by whoever sends in its name.
const EVIL: &str = "$(id)`id`\"};<!channel>";

const BEAT: Heartbeat<'_> = Heartbeat {
    host: Some(EVIL),
    pid: 7,
    goodbye: false,
    boot_id: "49450e1b-6f9f-446b-96fa-3286d3c662f0",
    uptime_s: 100,
    every_s: 1,
    armed: true,
    errors: 0,
};

#[test]
fn a_flatline_is_told_to_a_program_and_an_address_that_fails_at_first() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let told = dir.path().join("told");
    let config = dir.path().join("bedside.toml");
    fs::write(&config, rules(&told.display().to_string(), server.local_addr()?))?;
    let (posts, posted) = channel();
    thread::spawn(move || serve(&server, &posts));

    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let config = config.to_str().context("a path in UTF-8")?;
    let doctor = bedside.serve(&[ANYWHERE], &["--config", config])?;
    let patient = UdpSocket::bind("127.0.0.1:0")?;
    patient.connect(doctor.addresses()[0])?;
    patient.send(BEAT.to_string().as_bytes())?;

    let letter = wait::until("the program to be told", || Ok(fs::read(&told).ok()))?;
    let letter: Value = serde_json::from_slice(&letter)?;
    ensure!(letter["kind"] == "flatline" && letter["rule"] == "page", "{letter}");
    ensure!(letter["host"] == EVIL && letter["count"] == 1, "{letter}");
    let tries: Vec<String> = posted.iter().take(2).collect();
    ensure!(tries[0] == tries[1], "the same once more: {tries:?}");
    let text: Value = serde_json::from_str(&tries[0])?;
    let named = "flatline of $(id)`id`\"};&lt;!channel&gt;";
    ensure!(text == serde_json::json!({ "text": named, "severity": "critical" }), "{text}");

    let list = bedside.run("incidents", &["--kind", "flatline", "--json"])?.stdout;
    let list: Value = serde_json::from_slice(&list)?;
    let incident = &list["incidents"][0];
    ensure!(incident["count"] == 1 && incident["state"] == "open", "{list}");
    let id = incident["id"].as_str().context("an id")?.to_owned();
    bedside.run("incident", &[&id, "resolve", "a cable"])?;
    let list = String::from_utf8(bedside.run("incidents", &["--state", "resolved"])?.stdout)?;
    ensure!(list.contains(&id) && !list.contains('\u{1b}'), "{list}");
    let page = String::from_utf8(bedside.run("incident", &[&id])?.stdout)?;
    ensure!(page.contains("resolved") && page.contains("a cable"), "{page}");
    doctor.terminate()
}

/// A program's last words may be anybody's.
#[test]
fn what_a_program_says_forges_no_line_of_the_doctors_log() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("bedside.toml");
    let program = r"printf 'no\n WARN forged\n\033[2J' >&2; exit 1";
    let rule = format!(
        "[[alert]]\nname = \"page\"\ncommand = ['/bin/sh', '-c', \"\"\"{}\"\"\"]\n",
        program.replace('\\', "\\\\")
    );
    fs::write(&config, rule)?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let doctor = bedside.serve(&[ANYWHERE], &["--config", config.to_str().context("UTF-8")?])?;
    let patient = UdpSocket::bind("127.0.0.1:0")?;
    patient.connect(doctor.addresses()[0])?;
    patient.send(BEAT.to_string().as_bytes())?;
    let is_told = |line: &String| line.contains("was not delivered");
    let told = wait::until("it to be told", || Ok(doctor.said().into_iter().find(is_told)))?;
    ensure!(told.contains(r"no\x0a WARN forged\x0a\x1b[2J"), "{told}");
    doctor.terminate()
}

/// A chat room that takes letters and never answers, and a program that is to wake somebody.
#[test]
fn a_room_that_does_not_answer_keeps_only_its_own_letters() -> Result<()> {
    const MACHINES: u8 = 20;
    let dir = tempfile::tempdir()?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let (told, config) = (dir.path().join("told"), dir.path().join("bedside.toml"));
    let rules = format!(
        r#"
        [[alert]]
        name = "room"
        host = ["bed*"]
        storm = 100
        timeout = "1h"
        webhook = "http://{}/hook"
        [[alert]]
        name = "page"
        host = ["web1"]
        command = ["/usr/bin/touch", "{}"]
        "#,
        server.local_addr()?,
        told.display()
    );
    fs::write(&config, rules)?;
    let (called, calls) = channel();
    thread::spawn(move || server.incoming().try_for_each(|call| called.send(call)));

    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let doctor = bedside.serve(&[ANYWHERE], &["--config", config.to_str().context("UTF-8")?])?;
    let patient = UdpSocket::bind("127.0.0.1:0")?;
    patient.connect(doctor.addresses()[0])?;
    for bed in 1..=MACHINES {
        let (host, boot_id) = (format!("bed{bed}"), format!("{bed:08x}{}", &BEAT.boot_id[8..]));
        let beat = Heartbeat { host: Some(&host), boot_id: &boot_id, ..BEAT };
        patient.send(beat.to_string().as_bytes())?;
    }
    let _held: Vec<_> = calls.iter().take(4).collect();
    patient.send(Heartbeat { host: Some("web1"), ..BEAT }.to_string().as_bytes())?;
    wait::until("somebody to be woken", || Ok(told.exists().then_some(())))?;
    doctor.terminate()
}

/// Where nothing happens for weeks, no letter that waits would tell.
#[test]
fn a_courier_that_is_gone_is_a_problem_before_there_is_a_letter() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("bedside.toml");
    fs::write(&config, "[[alert]]\nname = \"page\"\ncommand = [\"/bin/true\"]\n")?;
    let config = config.to_str().context("UTF-8")?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let doctor = bedside.serve(&[ANYWHERE], &["--config", config])?;
    let says_so = || -> Result<bool> {
        let mut check = bedside.command();
        check.args(["check", "--config", config, "--data"]).arg(bedside.data());
        let checked = String::from_utf8(check.output()?.stdout)?;
        Ok(checked.contains("can tell nobody of incidents any more"))
    };
    ensure!(!says_so()?, "the courier is there");
    let courier = fs::read_to_string(format!("/proc/{0}/task/{0}/children", doctor.pid()))?;
    kill(Pid::from_raw(courier.trim().parse()?), Signal::SIGKILL)?;
    wait::until("`bedside check` to say it", || Ok(says_so()?.then_some(())))?;
    doctor.terminate()
}

fn rules(told: &str, server: SocketAddr) -> String {
    format!(
        r#"
        [[alert]]
        name = "page"
        kind = ["flatline"]
        command = ["/bin/sh", "-c", "cat > $0.new && mv $0.new $0", "{told}"]
        [[alert]]
        name = "room"
        webhook = "http://{server}/hook"
        template = '{{"text": "{{{{title|html}}}}", "severity": "{{{{severity}}}}"}}'
        [[alert]]
        name = "never"
        kind = ["panic"]
        command = ["/bin/false"]
        "#
    )
}

/// Answers the first with an error, all others well, and tells what it was sent.
fn serve(server: &TcpListener, posts: &Sender<String>) -> Result<()> {
    for status in ["500 Not Now"].into_iter().chain(std::iter::repeat("200 OK")) {
        let (mut stream, _) = server.accept()?;
        posts.send(answer(&mut stream, status, "")?)?;
    }
    Ok(())
}

/// Answers one request in these words; what was sent.
fn answer(stream: &mut (impl Read + Write), status: &str, words: &str) -> Result<String> {
    let sent = request(stream)?;
    let length = words.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(words.as_bytes())?;
    stream.flush()?;
    Ok(sent)
}

/// Reads one; what was sent.
fn request(stream: &mut impl Read) -> Result<String> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(String::from_utf8(body)?)
}

/// Of all letters to it the next comes when an address wants it, not before.
#[test]
fn an_address_that_has_enough_is_left_alone_for_as_long_as_it_says() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("bedside.toml");
    let server = TcpListener::bind("127.0.0.1:0")?;
    let rule =
        format!("[[alert]]\nname = \"room\"\nwebhook = \"http://{}/hook\"\n", server.local_addr()?);
    fs::write(&config, rule)?;
    let (posts, posted) = channel();
    thread::spawn(move || -> Result<()> {
        for status in ["429 Too Many Requests\r\nretry-after: 4", "200 OK", "200 OK"] {
            answer(&mut server.accept()?.0, status, "")?;
            posts.send(Instant::now())?;
        }
        Ok(())
    });
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let doctor = bedside.serve(&[ANYWHERE], &["--config", config.to_str().context("UTF-8")?])?;
    let patient = UdpSocket::bind("127.0.0.1:0")?;
    patient.connect(doctor.addresses()[0])?;
    patient.send(BEAT.to_string().as_bytes())?;
    let refused = posted.recv()?;
    let (host, boot_id) = (Some("web2"), "59450e1b-6f9f-446b-96fa-3286d3c662f0");
    patient.send(Heartbeat { host, boot_id, ..BEAT }.to_string().as_bytes())?;
    for _ in 0..2 {
        let waited = posted.recv()?.duration_since(refused);
        ensure!(waited.as_secs() >= 3, "{waited:?}");
    }
    doctor.terminate()
}

/// Whoever writes the first rule is not woken for all that there ever was.
#[test]
fn a_rule_tells_nothing_that_was_found_before_there_was_any() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (server, config) = room(&dir)?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let doctor = bedside.serve::<&str>(&[ANYWHERE], &[])?;
    panic(&doctor, "once upon a time")?;
    wait::until("it to be found", || {
        let list = bedside.run("incidents", &[])?.stdout;
        Ok(String::from_utf8(list)?.contains("once upon").then_some(()))
    })?;
    doctor.terminate()?;

    let doctor = bedside.serve(&[ANYWHERE], &["--config", &config])?;
    panic(&doctor, "by now")?;
    let letter: Value = serde_json::from_str(&answer(&mut server.accept()?.0, "200 OK", "")?)?;
    ensure!(letter["title"] == "kernel panic: by now", "{letter}");
    doctor.terminate()
}

/// A doctor that ends takes the answer to what it has told, and the next one tells it no more.
#[test]
fn what_is_under_way_at_the_end_is_told_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (server, config) = room(&dir)?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let doctor = bedside.serve(&[ANYWHERE], &["--config", &config])?;
    panic(&doctor, "first")?;
    let (mut stream, _) = server.accept()?;
    ensure!(request(&mut stream)?.contains("kernel panic: first"), "another letter");
    doctor.signal(Signal::SIGTERM)?;
    let is_last = |line: &String| line.contains("looked for incidents");
    wait::until("the end of its work", || Ok(doctor.said().into_iter().find(is_last)))?;
    // Less than it waits at the end.
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    ensure!(stream.read(&mut [0]).is_err(), "it did not wait for the answer");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    doctor.terminate()?;

    let doctor = bedside.serve(&[ANYWHERE], &["--config", &config])?;
    panic(&doctor, "second")?;
    let letter: Value = serde_json::from_str(&answer(&mut server.accept()?.0, "200 OK", "")?)?;
    ensure!(letter["title"] == "kernel panic: second", "{letter}");
    doctor.terminate()
}

/// A room that takes letters, and a configuration that has them sent there.
fn room(dir: &TempDir) -> Result<(TcpListener, String)> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let config = dir.path().join("bedside.toml");
    let url = format!("http://{}/hook", server.local_addr()?);
    fs::write(&config, format!("[[alert]]\nname = \"room\"\nwebhook = \"{url}\"\n"))?;
    Ok((server, config.into_os_string().into_string().ok().context("a path in UTF-8")?))
}

/// A kernel panics for this reason.
fn panic(doctor: &Doctor, why: &str) -> Result<()> {
    let line = format!("0,1,1000000,-;Kernel panic - not syncing: {why}\n");
    UdpSocket::bind("127.0.0.1:0")?.send_to(line.as_bytes(), doctor.addresses()[0])?;
    Ok(())
}
