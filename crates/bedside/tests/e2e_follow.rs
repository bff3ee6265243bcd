//! `log -f` tells what arrives, as it arrives.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::{self, Item, Record};
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
    let follower = Follower::start(&bedside)?;
    Patient::new([(target, doctor.addresses()[0])]).send(&capture.datagrams)?;
    let told = follower.records(expected.len())?;
    ensure!(told.iter().map(|record| record.seq).eq(expected.iter().map(|record| record.seq)));
    let more = follower.end()?;
    ensure!(more.is_empty(), "told more than there is: {more:?}");
    doctor.terminate()
}

#[test]
fn it_ends_when_nobody_reads_any_more_though_nothing_comes() -> Result<()> {
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path());
    let doctor = bedside.serve::<&str>(&[SocketAddr::from(([127, 0, 0, 1], 0))], &[])?;
    let mut command = bedside.command();
    command.args(["log", "-f", "--data"]).arg(bedside.data());
    let mut follower = command.stdout(Stdio::piped()).spawn()?;
    drop(follower.stdout.take());
    let ended = wait::until("it to end", || Ok(follower.try_wait()?));
    follower.kill().ok();
    let status = ended?;
    ensure!(status.success(), "{status}");
    doctor.terminate()
}

/// A running `log -f`.
struct Follower {
    process: Child,
    lines: Receiver<String>,
    reader: JoinHandle<()>,
}

impl Follower {
    /// What was heard before it begins to follow is told first.
    fn start(bedside: &Bedside) -> Result<Self> {
        let mut command = bedside.command();
        command.args(["log", "-f", "-n", "100000", "-o", "json", "--data"]).arg(bedside.data());
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().context("its output is ours")?;
        let (tell, lines) = channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens any more once the test has seen enough.
                tell.send(line).ok();
            }
        });
        Ok(Self { process, lines, reader })
    }

    fn records(&self, count: usize) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        while records.len() < count {
            let line = self.lines.recv_timeout(wait::PATIENCE).context("not all was followed")?;
            if let Item::Record(record) = answer::parse_line(&line)? {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// Ends it; gives back the records that it told since.
    fn end(mut self) -> Result<Vec<Record>> {
        self.process.kill()?;
        self.process.wait()?;
        self.reader.join().ok().context("the reader panicked")?;
        let items = self.lines.try_iter().map(|line| answer::parse_line(&line));
        let items = items.collect::<Result<Vec<Item>>>()?;
        Ok(items.into_iter().filter_map(Item::into_record).collect())
    }
}
