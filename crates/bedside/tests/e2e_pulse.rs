//! Heartbeats: a machine lives, leaves, or falls silent, and a question is answered.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bedside_lab::doctor::Bedside;
use bedside_lab::wait;
use netconsole_wire::Format;
use netconsole_wire::heartbeat::Heartbeat;
use netconsole_wire::question::{About, Answer, Nonce, Question, Reply};
use serde_json::Value;

const BEAT: Heartbeat<'_> = Heartbeat {
    host: Some("web1"),
    pid: 7,
    goodbye: false,
    boot_id: "49450e1b-6f9f-446b-96fa-3286d3c662f0",
    uptime_s: 100,
    every_s: 1,
    armed: true,
    errors: 0,
};

#[test]
fn a_heart_that_stops_is_a_flatline_and_a_goodbye_is_none() -> Result<()> {
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
    let patient = UdpSocket::bind("127.0.0.1:0")?;
    patient.connect(doctor.addresses()[0])?;
    patient.send(BEAT.to_string().as_bytes())?;
    wait::until("a machine whose kernel is mute", || {
        let told = String::from_utf8(bedside.run("hosts", &[])?.stderr)?;
        Ok(told.contains("of web1 only heartbeats were heard").then_some(()))
    })?;
    let line = format!("6,1,1000,-;hello\n host=web1\n boot_id={}\n", BEAT.boot_id);
    patient.send(line.as_bytes())?;
    patient.send(BEAT.to_string().as_bytes())?;
    let lives = |life: &str| {
        wait::until(life, || {
            let hosts = String::from_utf8(bedside.run("hosts", &["--json"])?.stdout)?;
            Ok(hosts.contains(&format!("\"life\":\"{life}\"")).then_some(()))
        })
    };
    lives("alive")?;
    let told = String::from_utf8(bedside.run("hosts", &[])?.stderr)?;
    ensure!(!told.contains("only heartbeats"), "{told}");
    lives("flatline")?;
    let boots = String::from_utf8(bedside.run("boots", &[])?.stdout)?;
    ensure!(boots.contains("flatline"), "{boots}");
    patient.send(Heartbeat { goodbye: true, ..BEAT }.to_string().as_bytes())?;
    lives("left")?;
    doctor.terminate()?;
    lives("left")?;
    let log = String::from_utf8(bedside.run("log", &["-o", "raw"])?.stdout)?;
    ensure!(log == "hello\n", "heartbeats are no lines: {log}");
    Ok(())
}

/// Neither live nor in a book that is made anew, where the death is found in the same go.
#[test]
fn a_machine_whose_death_was_heard_has_no_flatline() -> Result<()> {
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
    let patient = UdpSocket::bind("127.0.0.1:0")?;
    patient.connect(doctor.addresses()[0])?;
    patient.send(BEAT.to_string().as_bytes())?;
    patient.send(b"0,1,1000,-;Kernel panic - not syncing: Fatal exception\n host=web1\n")?;
    wait::until("a flatline", || {
        let hosts = String::from_utf8(bedside.run("hosts", &["--json"])?.stdout)?;
        Ok(hosts.contains("\"life\":\"flatline\"").then_some(()))
    })?;
    doctor.terminate()?;
    let kinds = || -> Result<Vec<Value>> {
        let list: Value = serde_json::from_slice(&bedside.run("incidents", &["--json"])?.stdout)?;
        let all = list["incidents"].as_array().context("a list")?;
        Ok(all.iter().map(|incident| incident["kind"].clone()).collect())
    };
    ensure!(kinds()? == ["panic"], "{:?}", kinds()?);
    let rebuilt =
        bedside.command().args(["store", "rebuild", "--data"]).arg(bedside.data()).output()?;
    ensure!(rebuilt.status.success(), "{rebuilt:?}");
    ensure!(kinds()? == ["panic"], "made anew: {:?}", kinds()?);
    Ok(())
}

#[test]
fn whoever_asks_hears_by_which_stream_a_line_came() -> Result<()> {
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
    let address = doctor.addresses()[0];
    let (kernel, asker) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    asker.set_read_timeout(Some(Duration::from_secs(20)))?;
    let nonce = Nonce([0x5a; 16]);
    let ask = |about| -> Result<Option<Reply>> {
        let question = Question { nonce, asked: address.ip(), about }.emit();
        let mut room = [0; 512];
        asker.send_to(&question, address)?;
        let (got, from) = asker.recv_from(&mut room)?;
        ensure!(from == address && got < question.len(), "{got} bytes from {from}");
        Ok(Answer::parse(&room[..got]).map(|answer| answer.reply))
    };
    let port = kernel.local_addr()?.port();
    ensure!(ask(About::Line)? == Some(Reply::Waiting), "nothing was said yet");
    ensure!(ask(About::Port(port))? == Some(Reply::Never), "nothing was said yet");
    kernel.send_to(format!("5,1,1000,-;bedside-patient: test {nonce}\n").as_bytes(), address)?;
    let heard = wait::until("the line", || match ask(About::Line)? {
        Some(Reply::Heard(heard)) => Ok(Some(heard)),
        _ => Ok(None),
    })?;
    ensure!(heard.format == Format::Extended && heard.port == address.port(), "{heard:?}");
    ensure!(heard.source_port == port, "{heard:?}");
    // Of a port that nobody knows, what is known of the address.
    for asked in [port, 1] {
        let reply = ask(About::Port(asked))?;
        let Some(Reply::Last { source_port, seconds }) = reply else { bail!("{reply:?}") };
        ensure!(source_port == port && seconds < 3600, "{reply:?}");
    }
    Ok(())
}
