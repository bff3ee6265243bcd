//! `bedside replay`: a capture through the doctor, with the capture's own times.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use bedside_stream::{Monotonic, StreamKey, WallTime};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::capture::{Capture, Captured};
use crate::cli::ReplayArgs;
use crate::config::Config;
use crate::doctor::Doctor;
use crate::{Exit, incidents};

/// Takes a capture into a store.
pub fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let mut capture = Capture::open(&args.file)?.ports(&args.port);
    let config = Config { data: args.data.data.clone(), ..Config::default() };
    let data = config.data()?;
    let (mut doctor, _) = Doctor::open(&data, &config, None, true)?;
    let progress = progress_bar(capture.len());
    let mut failed = None;
    while let Some(captured) = capture.next() {
        match captured {
            Ok(captured) => hear(&mut doctor, &captured),
            Err(error) => failed = Some(error),
        }
        progress.set_position(capture.position());
    }
    progress.finish_and_clear();
    let counters = *doctor.core().counters();
    doctor.close()?;
    incidents::catch_up(&data)?;
    tell(&capture, counters.datagrams, counters.records)?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(if counters.datagrams == 0 { Exit::Problem } else { Exit::Well }),
    }
}

/// The capture's clock drives: what waits for its rest waits in the capture's time.
fn hear(doctor: &mut Doctor, captured: &Captured) {
    let now = Monotonic(captured.received_us);
    let key = StreamKey::new(captured.source, captured.port);
    doctor.pass(now);
    doctor.hear(now, &key, WallTime(captured.received_us), &captured.payload);
}

fn tell(capture: &Capture, datagrams: u64, records: u64) -> io::Result<()> {
    let skipped = capture.skipped();
    let mut stderr = io::stderr().lock();
    writeln!(stderr, "{datagrams} datagrams, {records} records")?;
    for (count, what) in skipped.counts().into_iter().filter(|(count, _)| *count > 0) {
        writeln!(stderr, "passed over: {count} {what}")?;
    }
    if let Some(link) = skipped.link {
        writeln!(stderr, "the first unknown link type is {link}, by tcpdump.org's numbers")?;
    }
    Ok(())
}

fn progress_bar(len: u64) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(len), target);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
