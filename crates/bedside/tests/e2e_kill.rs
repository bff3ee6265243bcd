//! kill -9 at random moments under load, and right after a death's line. Fifty of them take less
//! than a minute; a thousand, ten:
//! `BEDSIDE_KILLS=1000 cargo test -p bedside --features heavy --test e2e_kill -- --nocapture`.

mod load;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::chance::Chance;
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::wait;
use bedside_store::disk::Directory;
use bedside_store::segment::{SegmentFile, list};
use load::Load;

/// How many, where `BEDSIDE_KILLS` does not say.
const KILLS: u64 = 50;
/// A store of its own for so many, so that the answer stays short.
const KILLS_A_STORE: u64 = 50;
const SEED: u64 = 0x0bed_51de;
/// `serve` promises to have synced what is older.
const WINDOW: Duration = Duration::from_millis(200);
/// A life is longer than the window, or nothing would be promised.
const LIFE_MS: std::ops::Range<u64> = 220..450;
/// One in so many ends with a death instead of at a random moment.
const DEATHS: u64 = 4;
/// Small segments, so that kills meet their beginnings and their seals too.
const CONFIG: &str = "[store]\nsegment_size = \"64KiB\"\n";

/// From the moment it was killed until the next one heard.
struct Absence {
    from: Instant,
    to: Instant,
    /// The death's line that could be read before the kill.
    death: Option<u64>,
}

/// What was lost.
#[derive(Default)]
struct Losses {
    sent: u64,
    /// Sent while nobody listened.
    unheard: u64,
    /// Sent before a kill, and gone with it.
    lost: u64,
    /// The age of the oldest of these at its kill.
    window: Duration,
}

#[test]
fn what_is_older_than_the_window_or_tells_of_a_death_survives_kill_9() -> Result<()> {
    let kills = std::env::var("BEDSIDE_KILLS").map_or(Ok(KILLS), |count| count.parse())?;
    let mut chance = Chance::new(SEED);
    let mut done = 0;
    while done < kills {
        let now = KILLS_A_STORE.min(kills - done);
        let losses = round(now, &mut chance).with_context(|| format!("after {done} kills"))?;
        done += now;
        eprintln!(
            "{done} of {kills} kills: {} records sent, {} to nobody; {} lost, sent {:?} before \
             the kill or later",
            losses.sent, losses.unheard, losses.lost, losses.window
        );
    }
    Ok(())
}

/// So many kills of doctors of one store.
fn round(kills: u64, chance: &mut Chance) -> Result<Losses> {
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("bedside.toml");
    std::fs::write(&config, CONFIG)?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let serve = |address| {
        bedside.serve(&[address], &["--config".as_ref(), config.as_os_str()]).context("a restart")
    };
    let mut doctor = serve(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
    let target = doctor.addresses()[0];
    let load = Load::new(target);
    let sender = load.begin();
    let mut absences = Vec::new();
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(chance.within(LIFE_MS)));
        let absence = if chance.within(0..DEATHS) == 0 {
            after_a_death(&load, bedside.data(), doctor, || serve(target))
        } else {
            absence(doctor, None, || serve(target))
        };
        let (killed, next) = absence?;
        absences.push(killed);
        doctor = next;
    }
    // The last hole has an end only if something is heard behind it.
    std::thread::sleep(WINDOW);
    load.end(sender)?;
    doctor.terminate()?;
    judge(&bedside.log(&[])?, &load.lock().sent, &absences)
}

/// Kills a doctor and starts the next one.
fn absence(
    doctor: Doctor,
    death: Option<u64>,
    next: impl Fn() -> Result<Doctor>,
) -> Result<(Absence, Doctor)> {
    let from = Instant::now();
    doctor.kill()?;
    let next = next()?;
    Ok((Absence { from, to: Instant::now(), death }, next))
}

/// The machine says its last words and no more; as soon as they can be read the doctor is killed.
fn after_a_death(
    load: &Load,
    data: &Path,
    doctor: Doctor,
    next: impl Fn() -> Result<Doctor>,
) -> Result<(Absence, Doctor)> {
    let mut said = load.lock();
    let death = said.sent.len() as u64;
    said.say(load.target, "Kernel panic - not syncing: load")?;
    wait::until("the death to be readable", || {
        Ok(tail(data)?.contains(&format!(",{death},")).then_some(()))
    })?;
    absence(doctor, Some(death), next)
}

impl Losses {
    fn add(&mut self, age: Duration) {
        if age.is_zero() {
            self.unheard += 1;
        } else {
            self.lost += 1;
            self.window = self.window.max(age);
        }
    }
}

/// The entry lines at the end of a store.
fn tail(data: &Path) -> Result<String> {
    let disk = Directory::new(data.join("segments"));
    let mut text = String::new();
    for listed in list(&disk)?.into_iter().rev().take(2) {
        // It may just be sealed.
        let Ok(segment) = SegmentFile::open(&disk, listed) else { continue };
        let mut lines = Vec::new();
        for block in segment.scan()?.blocks.iter().rev().take(2) {
            segment.read_block(block, &mut lines)?;
            text.push_str(&String::from_utf8_lossy(&lines));
        }
    }
    Ok(text)
}

/// Rising numbers in one boot; each one missing is in a gap, and excused.
fn judge(items: &[Item], sent: &[Instant], absences: &[Absence]) -> Result<Losses> {
    let mut losses = Losses { sent: sent.len() as u64, ..Losses::default() };
    let (mut next, mut gap) = (0, 0..0);
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
                for lost in hole {
                    let age = excused(lost, sent, absences);
                    losses.add(age.with_context(|| unexcused(lost, sent, absences))?);
                }
                next = seq + 1;
            }
            Item::Pstore(_) | Item::Boot(_) => {}
        }
    }
    ensure!(next == sent.len() as u64, "the last of {} is {next}", sent.len());
    Ok(losses)
}

/// How long before a kill it was sent, if that was too late to be promised; nothing if that was
/// in an absence.
fn excused(lost: u64, all: &[Instant], absences: &[Absence]) -> Option<Duration> {
    let sent = all[lost as usize];
    let killed = absences.iter().find(|absence| {
        let promised = absence.death.is_some_and(|death| lost <= death);
        let window = WINDOW + starved(all, absence.from);
        !promised && sent + window >= absence.from && sent <= absence.to
    });
    killed.map(|absence| absence.from.saturating_duration_since(sent))
}

/// How long in all the load itself, which speaks every two milliseconds, was kept from running in
/// the last second before this: so long the doctor may have been, too.
fn starved(sent: &[Instant], kill: Instant) -> Duration {
    const BEFORE: Duration = Duration::from_secs(1);
    const USUAL: Duration = Duration::from_millis(10);
    let until = sent.partition_point(|sent| *sent <= kill);
    let from = sent.partition_point(|sent| *sent + BEFORE <= kill);
    let last = sent[..until].last().map(|last| kill.duration_since(*last));
    let pauses = sent[from..until].windows(2).map(|pair| pair[1].duration_since(pair[0]));
    pauses.chain(last).filter(|pause| *pause > USUAL).sum()
}

/// What there is to say of a record that should be there.
fn unexcused(lost: u64, sent: &[Instant], absences: &[Absence]) -> String {
    let at = sent[lost as usize];
    match absences.iter().find(|absence| absence.to >= at) {
        Some(Absence { from, death, .. }) => {
            let age = from.saturating_duration_since(at);
            let starved = starved(sent, *from);
            format!(
                "record {lost} is lost, sent {age:?} before a kill (death's line: {death:?}; the load \
                 itself was kept from running for {starved:?})"
            )
        }
        None => format!("record {lost} is lost, sent after the last kill"),
    }
}
