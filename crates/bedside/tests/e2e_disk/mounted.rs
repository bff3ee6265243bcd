//! Real file systems, in mounts that the test alone sees.

use std::process::Command;

use bedside_lab::mounts;

use super::*;

impl Ward {
    /// Whether `bedside check` names this as a problem.
    fn is_told(&self, words: &str) -> Result<bool> {
        let mut check = self.bedside.command();
        check.args(["check", "--listen"]).arg(self.target.to_string());
        let told = check.arg("--data").arg(self.bedside.data()).output()?.stdout;
        let problem = |line: &str| line.starts_with("PROBLEM") && line.contains(words);
        Ok(String::from_utf8(told)?.lines().any(problem))
    }

    fn check_tells(&self, words: &str) -> Result<()> {
        let what = format!("`bedside check` to tell: {words}");
        wait::until(&what, || Ok(self.is_told(words)?.then_some(())))
    }
}

/// Records, in steps, until the doctor says that it cannot keep them.
fn fill(ward: &mut Ward) -> Result<()> {
    while !ward.says(CANNOT) {
        ward.say(64)?;
        ensure!(ward.sent < 1_000_000, "the disk never fills up");
    }
    Ok(())
}

/// A doctor on a disk that is full; its file system goes with the directory.
fn full() -> Result<(tempfile::TempDir, Ward)> {
    mounts::private()?;
    let dir = tempfile::tempdir()?;
    mounts::tmpfs(dir.path(), 2048)?;
    let mut ward = Ward::open(dir.path().to_owned())?;
    fill(&mut ward)?;
    Ok((dir, ward))
}

#[test]
fn a_full_disk_is_waited_out_and_nothing_is_lost() -> Result<()> {
    let (dir, mut ward) = full()?;
    ward.say(2000)?;
    ward.check_tells("No space left on device")?;
    mounts::resize(dir.path(), 64 << 10)?;
    ward.wait_for(AGAIN)?;
    ward.say(100)?;
    let sent = ward.sent;
    let (held, limit) = ward.end()?;
    ensure!(limit == 0 && held.len() as u64 == sent, "{} of {sent} held, {limit}", held.len());
    Ok(())
}

#[test]
fn an_end_on_a_full_disk_tells_how_much_was_not_kept() -> Result<()> {
    let (_dir, mut ward) = full()?;
    ward.say(2000)?;
    ward.check_tells("No space left on device")?;
    let Ward { doctor, bedside, sent, .. } = ward;
    let told = doctor.terminate().err().context("it ended as if all were well")?.to_string();
    let lost = told.split("cannot write the last ").nth(1).and_then(|it| it.split(' ').next());
    let lost: u64 = lost.with_context(|| told.clone())?.parse()?;
    let held = bedside.log(&[])?.iter().filter(|item| matches!(item, Item::Record(_))).count();
    // What was written and not synced may be there after all.
    let (held, told) = (held as u64, format!("{held} held and {lost} not kept, of {sent}"));
    ensure!(held < sent && held + lost >= sent && lost <= sent, told);
    Ok(())
}

#[test]
fn beyond_what_memory_holds_each_record_that_is_lost_is_counted() -> Result<()> {
    let (dir, mut ward) = full()?;
    while !ward.is_told("records were not kept since the doctor started")? {
        ward.say(20_000)?;
        ensure!(ward.sent < 2_000_000, "memory never fills up");
    }
    mounts::resize(dir.path(), 256 << 10)?;
    ward.wait_for(AGAIN)?;
    ward.say(100)?;
    let sent = ward.sent;
    let (held, limit) = ward.end()?;
    ensure!(limit > 0 && held.len() as u64 + limit == sent, "{} + {limit} of {sent}", held.len());
    ensure!(held.ends_with(&(sent - 100..sent).collect::<Vec<_>>()), "it keeps on");
    Ok(())
}

#[test]
fn a_disk_that_hangs_is_told_and_all_is_kept_when_it_answers() -> Result<()> {
    mounts::private()?;
    let dir = tempfile::tempdir()?;
    let (image, at) = (dir.path().join("image"), dir.path().join("mounted"));
    fs::create_dir(&at)?;
    mounts::ext4(&image, &at, 64)?;
    let mut ward = Ward::open(at.clone())?;
    ward.say(100)?;
    ward.bedside.log_of(100, &[])?;
    mounts::run(Command::new("fsfreeze").arg("-f").arg(&at))?;
    let heard = ward
        .say(1000)
        .and_then(|()| ward.wait_for("the disk does not answer"))
        .and_then(|()| ward.check_tells("does not answer"));
    // Else nothing could end.
    mounts::run(Command::new("fsfreeze").arg("-u").arg(&at))?;
    heard?;
    ward.wait_for(AGAIN)?;
    ward.say(100)?;
    let (held, limit) = ward.end()?;
    ensure!(limit == 0 && held.len() == 1200, "{} held, {limit} lost", held.len());
    Ok(())
}

/// A disk whose sectors fail: ext4 gives EIO, gives up its journal, and is read-only from then on.
#[test]
fn a_disk_that_fails_is_told_and_what_was_synced_is_there_after_a_repair() -> Result<()> {
    mounts::private()?;
    let dir = tempfile::tempdir()?;
    mounts::tmpfs(dir.path(), 12 << 10)?;
    let (image, at) = (dir.path().join("image"), dir.path().join("mounted"));
    fs::create_dir(&at)?;
    // It promises 64 MiB and has 12.
    mounts::ext4(&image, &at, 64)?;
    let mut ward = Ward::open(at.clone())?;
    ward.say(100)?;
    fill(&mut ward)?;
    ward.say(2000)?;
    ward.check_tells("its disk fails, is read-only, or does not answer")?;
    let Ward { bedside, doctor, sent, .. } = ward;
    doctor.kill()?;
    mounts::run(Command::new("umount").arg(&at))?;
    mounts::resize(dir.path(), 128 << 10)?;
    // 1: it has repaired something.
    let repaired = Command::new("e2fsck").args(["-f", "-y"]).arg(&image).output()?;
    ensure!(repaired.status.code().is_some_and(|code| code <= 1), "{repaired:?}");
    mounts::attach(&image, &at)?;
    let next = bedside.serve::<&str>(&[HERE], &[])?;
    next.terminate()?;
    let held: Vec<u64> = bedside
        .log(&[])?
        .into_iter()
        .filter_map(Item::into_record)
        .filter_map(|record| record.seq)
        .collect();
    ensure!(held.len() >= 100 && held.len() as u64 <= sent, "{} of {sent}", held.len());
    ensure!(held.iter().enumerate().all(|(at, seq)| *seq == at as u64), "a hole: {held:?}");
    Ok(())
}
