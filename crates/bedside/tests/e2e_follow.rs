//! `log -f` tells what arrives, as it arrives.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::mpsc::channel;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::{self, Item};
use bedside_lab::capture::Capture;
use bedside_lab::doctor::Bedside;
use bedside_lab::patient::Patient;
use bedside_lab::{oracle, wait};

#[test]
fn each_record_is_followed_once_in_order_of_arrival() -> Result<()> {
    let capture = Capture::load("7.3.4/ext_kmsg_panic0")?;
    let expected = oracle::streams(&capture.datagrams).remove(0).boots.remove(0).records;
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path());
    let target = capture.targets()[0];
    let doctor = bedside.serve::<&str>(&[SocketAddr::new(target.ip(), 0)], &[])?;

    let mut command = bedside.command();
    // What was heard before it began to follow is told first.
    command.args(["log", "-f", "-n", "100000", "-o", "json", "--data"]).arg(data.path());
    let mut follower = command.stdout(Stdio::piped()).spawn()?;
    let output = follower.stdout.take().context("its output is ours")?;
    let (tell, told) = channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            tell.send(line).ok();
        }
    });

    Patient::new([(target, doctor.addresses()[0])]).send(&capture.datagrams)?;
    let mut numbers = Vec::new();
    while numbers.len() < expected.len() {
        let line = told.recv_timeout(wait::PATIENCE).context("not all was followed")?;
        if let Item::Record(record) = answer::parse_line(&line)? {
            numbers.push(record.seq);
        }
    }
    follower.kill()?;
    follower.wait()?;
    reader.join().ok().context("the reader panicked")?;
    let after = told.try_iter().filter(|line| line.contains("\"type\":\"record\"")).count();
    ensure!(after == 0, "{after} records more than there are");
    ensure!(numbers.into_iter().eq(expected.iter().map(|record| record.seq)), "another order");
    doctor.terminate()
}
