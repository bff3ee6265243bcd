//! kill -9 at random moments under load. Takes a minute, so it has a feature of its own:
//! `cargo test -p bedside --features heavy --test e2e_kill`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::chance::Chance;
use bedside_lab::doctor::Bedside;
use bedside_lab::patient::{Patient, drained};

const KILLS: usize = 50;
const SEED: u64 = 0x0bed_51de;
/// `serve` promises to have synced what is older.
const WINDOW: Duration = Duration::from_millis(200);
/// A life is longer than the window, or nothing would be promised.
const LIFE_MS: std::ops::Range<u64> = 250..800;
/// Datagrams at once, and how often: some 2,000 a second.
const BURST: usize = 4;
const BETWEEN_BURSTS: Duration = Duration::from_millis(2);

/// From the moment it was killed until the next one heard.
struct Absence {
    from: Instant,
    to: Instant,
}

/// Sends numbered records until told to stop; gives back when each was sent.
fn load(target: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<Result<Vec<Instant>>> {
    std::thread::spawn(move || {
        let mut patient = Patient::new([]);
        let mut sent = Vec::new();
        let source = SocketAddr::from((Ipv4Addr::LOCALHOST, 6665));
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..BURST {
                let seq = sent.len();
                let time = 1_000_000 + seq * 250;
                let line =
                    format!("6,{seq},{time},-;load: line {seq} {:a>120}\n SUBSYSTEM=x\n", "");
                sent.push(Instant::now());
                patient.send_from(source, target, line.as_bytes())?;
            }
            std::thread::sleep(BETWEEN_BURSTS);
        }
        Ok(sent)
    })
}

#[test]
fn what_is_older_than_the_window_survives_kill_9_at_any_moment() -> Result<()> {
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path());
    let anywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let mut doctor = bedside.serve::<&str>(&[anywhere], &[])?;
    let target = doctor.addresses()[0];
    let stop = Arc::new(AtomicBool::new(false));
    let sender = load(target, Arc::clone(&stop));
    let mut chance = Chance::new(SEED);
    let mut absences = Vec::new();
    for kill in 0..KILLS {
        std::thread::sleep(Duration::from_millis(chance.within(LIFE_MS)));
        let from = Instant::now();
        doctor.kill()?;
        doctor = bedside.serve::<&str>(&[target], &[]).with_context(|| format!("kill {kill}"))?;
        absences.push(Absence { from, to: Instant::now() });
    }
    // The last hole has an end only if something is heard behind it.
    std::thread::sleep(WINDOW);
    stop.store(true, Ordering::Relaxed);
    let sent = sender.join().ok().context("the sender panicked")??;
    drained(target.port(), 0)?;
    doctor.terminate()?;
    judge(&bedside.log(&[])?, &sent, &absences)
}

/// Rising numbers in one boot; each one missing is in a gap, and was sent in an absence or less
/// than the window before one.
fn judge(items: &[Item], sent: &[Instant], absences: &[Absence]) -> Result<()> {
    let (mut next, mut missing, mut gap) = (0, 0, 0..0);
    for item in items {
        match item {
            Item::Gap(told) => {
                let (from, to) = told.from_seq.zip(told.to_seq).context("a gap without numbers")?;
                ensure!(
                    (told.cause.as_str(), told.count) == ("probable", to - from + 1),
                    "{told:?}"
                );
                gap = from..to + 1;
            }
            Item::Record(record) => {
                ensure!(record.place.boot == Some(1), "another boot: {record:?}");
                let seq = record.seq.context("a record without a number")?;
                ensure!(seq >= next, "{seq} after {next}: twice or out of order");
                let hole = next..seq;
                ensure!(hole.is_empty() || next == 0 || gap == hole, "{hole:?} missing: {gap:?}");
                ensure!(hole.clone().all(|lost| excused(lost, sent, absences)), "lost: {hole:?}");
                missing += seq - next;
                next = seq + 1;
            }
            Item::Boot(_) => {}
        }
    }
    ensure!(next == sent.len() as u64, "the last of {} is {next}", sent.len());
    eprintln!("{} sent, {missing} of them lost in {} absences", sent.len(), absences.len());
    Ok(())
}

/// Whether it was sent in an absence, or too late before one to be promised.
fn excused(lost: u64, sent: &[Instant], absences: &[Absence]) -> bool {
    let sent = sent[lost as usize];
    absences.iter().any(|absence| sent + WINDOW >= absence.from && sent <= absence.to)
}
