//! Tags: what a machine with a key has said, what somebody else says in its name, and what somebody
//! says again that it has said.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::wait;
use hmac::{Hmac, KeyInit as _, Mac as _};
use netconsole_wire::closing::PROGRAM;
use netconsole_wire::tag::{Key, Signer};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const WRONG: &str = "ffffffffffffffffffffffffffffffff";
const PANIC: &str = "0,50,9000001,-;Kernel panic - not syncing: sysrq triggered crash\n";
const CLOSING: &str =
    "<6>1 - - bedside_netconsole - closing - reason=panic first=0 last=50 count=5";

/// A doctor with a key, that `again` takes the place of.
struct Ward {
    bedside: Bedside,
    doctor: Doctor,
    dir: TempDir,
}

impl Ward {
    fn new() -> Result<Ward> {
        let dir = tempfile::tempdir()?;
        let keys = dir.path().join("keys");
        fs::write(&keys, format!("# one for all\n{KEY}\n"))?;
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600))?;
        fs::write(dir.path().join("bedside.toml"), format!("key_file = \"{}\"\n", keys.display()))?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
        let doctor = serve(&bedside, &dir, 0)?;
        Ok(Ward { bedside, doctor, dir })
    }

    /// Ends the doctor and starts another one, at the same port.
    fn again(self) -> Result<Ward> {
        let port = self.doctor.addresses()[0].port();
        self.doctor.terminate()?;
        let doctor = serve(&self.bedside, &self.dir, port)?;
        Ok(Ward { doctor, ..self })
    }

    /// A machine's socket: each of its own loopback address, all of one port.
    fn machine(&self, last: u8) -> Result<UdpSocket> {
        let machine = UdpSocket::bind(SocketAddr::from(([127, 0, 0, last], 0)))?;
        machine.connect(self.doctor.addresses()[0])?;
        Ok(machine)
    }

    /// What `boots --json` tells once it is as wanted.
    fn boots(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        wait::until(what, || {
            let told = self.bedside.run("boots", &["--json"])?.stdout;
            let told: Value = serde_json::from_slice(&told)?;
            let boots = told["boots"].as_array().cloned().unwrap_or_default();
            Ok(wanted(&boots).then_some(boots))
        })
        .with_context(|| {
            String::from_utf8_lossy(
                &self.bedside.run("boots", &["--json"]).map_or(Vec::new(), |told| told.stdout),
            )
            .into_owned()
        })
    }

    fn text(&self, command: &str, args: &[&str]) -> Result<String> {
        Ok(String::from_utf8(self.bedside.run(command, args)?.stdout)?)
    }
}

fn serve(bedside: &Bedside, dir: &TempDir, port: u16) -> Result<Doctor> {
    let config = dir.path().join("bedside.toml");
    let config = config.to_str().context("a path in UTF-8")?;
    bedside.serve(&[([127, 0, 0, 1], port).into()], &["--config", config])
}

/// What the module makes of a shared key.
fn signer(text: &str, nonce: u64) -> Signer {
    let mut mac = Hmac::<Sha256>::new_from_slice(text.as_bytes()).expect("any length");
    mac.update(PROGRAM.as_bytes());
    let made = mac.finalize().into_bytes();
    Signer::new(Key::new(*made.first_chunk().expect("32 bytes")), nonce)
}

/// A boot's lines, from its beginning.
fn life() -> Vec<String> {
    let line = |n: u64| format!("6,{n},{},-;line {n} of this boot\n", n * 1_000_001);
    (0..4).map(line).collect()
}

/// The same boot with its death, as the module sends it.
fn death(signer: &Signer) -> Vec<Vec<u8>> {
    let said = life().into_iter().chain([PANIC.to_owned(), CLOSING.to_owned()]);
    said.map(|said| {
        let mut room = [0; 1000];
        signer.sign(said.as_bytes(), &mut room).expect("room for a tag").to_vec()
    })
    .collect()
}

fn send<B: AsRef<[u8]>>(machine: &UdpSocket, all: &[B]) -> Result<()> {
    all.iter().try_for_each(|one| machine.send(one.as_ref()).map(drop))?;
    Ok(())
}

/// The voice and the end of each boot.
fn told(boots: &[Value]) -> Vec<(&str, Option<&str>)> {
    boots.iter().map(|boot| (boot["voice"].as_str().unwrap_or("?"), boot["end"].as_str())).collect()
}

#[test]
fn a_signed_death_is_told_from_a_forged_one_and_from_a_copy() -> Result<()> {
    let ward = Ward::new()?;
    let (machine, stranger) = (ward.machine(7)?, ward.machine(8)?);
    // Stock netconsole beside the module signs nothing.
    send(&machine, &life())?;
    ward.boots("an unsigned boot", |boots| told(boots) == [("plain", None)])?;
    let forged = death(&signer(WRONG, 1));
    send(&machine, &forged)?;
    let boots =
        ward.boots("a forged boot", |boots| told(boots).contains(&("forged", Some("panic"))))?;
    ensure!(told(&boots) == [("plain", None), ("forged", Some("panic"))], "{boots:?}");

    let genuine = death(&signer(KEY, 2));
    send(&machine, &genuine)?;
    let all = [("signed", Some("panic")), ("forged", Some("panic"))];
    let boots = ward.boots("a signed death", |boots| told(boots) == all)?;
    ensure!(boots[0]["death"]["missing"] == 0 && boots[0]["signed_records"] == 6, "{boots:?}");
    let text = ward.text("boots", &[])?;
    ensure!(text.contains("panic; its death is here whole, 5 records; signed"), "{text}");
    ensure!(text.contains("panic; its death is here whole, 5 records; forged: "), "{text}");
    let log = ward.text("log", &[])?;
    ensure!(log.contains("its death is here whole, 5 records"), "{log}");
    let found = ward.text("log", &["-g", "Kernel panic"])?;
    ensure!(found.contains("Kernel panic"), "{found}");
    ensure!(found.contains("its death is here whole, 5 records"), "{found}");
    let found = ward.text("log", &["-g", "Kernel panic", "-o", "json"])?;
    ensure!(found.contains(r#""death":{"reason":"panic","records":5"#), "{found}");

    send(&stranger, &genuine)?;
    ward.boots("a copy", |boots| told(boots).contains(&("copied", Some("panic"))))?;
    let counted = "6 datagrams have a tag that no key of ours makes, and 6 that of";
    wait::until("both to be counted", || {
        // It finds more than this to say, and says so by its status.
        let mut check = ward.bedside.command();
        let config = ward.dir.path().join("bedside.toml");
        check.arg("check").arg("--data").arg(ward.bedside.data()).arg("--config").arg(config);
        let checked = String::from_utf8(check.output()?.stdout)?;
        Ok(checked.contains(counted).then_some(()))
    })?;
    let log = ward.text("log", &["-o", "short", "-n", "1000"])?;
    ensure!(log.contains("crash [forged]") && log.contains("crash [copied]"), "{log}");
    ensure!(log.matches("crash\n").count() == 1, "{log}");
    Ok(())
}

#[test]
fn what_was_signed_in_one_boot_proves_nothing_in_the_next() -> Result<()> {
    let mut ward = Ward::new()?;
    let machine = ward.machine(7)?;
    let monday = death(&signer(KEY, 1));
    send(&machine, &monday)?;
    ward.boots("Monday's death", |boots| told(boots) == [("signed", Some("panic"))])?;
    let tuesday: Vec<Vec<u8>> = life()
        .iter()
        .map(|line| {
            let mut room = [0; 1000];
            let line = line.replace("this boot", "another boot");
            signer(KEY, 2).sign(line.as_bytes(), &mut room).expect("room").to_vec()
        })
        .collect();
    send(&machine, &tuesday)?;
    let lives = ("signed", None);
    ward.boots("Tuesday", |boots| told(boots).last() == Some(&lives))?;
    // From the machine's own address and port, to a doctor who has it from his file.
    ward = ward.again()?;
    send(&machine, &monday)?;
    let copied = ("copied", Some("panic"));
    let boots = ward.boots("the copy", |boots| told(boots).contains(&copied))?;
    ensure!(told(&boots) == [("signed", Some("panic")), lives, copied], "{boots:?}");
    ensure!(boots[1]["records"] == 4, "nothing joined Tuesday's boot: {boots:?}");
    Ok(())
}

#[test]
fn a_death_without_a_tag_of_a_machine_that_signs_is_unproven() -> Result<()> {
    let ward = Ward::new()?;
    let machine = ward.machine(7)?;
    send(&machine, &death(&signer(KEY, 1))[..4])?;
    ward.boots("a signed life", |boots| told(boots) == [("signed", None)])?;
    // Whoever can hear can also tell the machine's own words before the made-up end.
    send(&machine, &life())?;
    send(&machine, &[PANIC])?;
    let boots = ward.boots("an end", |boots| told(boots) == [("plain", Some("panic"))])?;
    ensure!(boots[0]["signs"] == true, "{boots:?}");
    let text = ward.text("boots", &[])?;
    ensure!(text.contains("panic; not signed: unproven"), "{text}");
    // What is signed is not silenced by it.
    send(&machine, &death(&signer(KEY, 1))[4..])?;
    ward.boots("the true end", |boots| told(boots) == [("signed", Some("panic"))])?;
    Ok(())
}

#[test]
fn an_incident_is_told_by_who_said_it() -> Result<()> {
    let ward = Ward::new()?;
    let machine = ward.machine(7)?;
    let cases = |signed: u64, forged: u64| {
        wait::until("the cases", || {
            let list = ward.bedside.run("incidents", &["--json"])?.stdout;
            // Nothing, before there is a book.
            let list: Value = serde_json::from_slice(&list).unwrap_or_default();
            let voices = &list["incidents"][0]["voices"];
            Ok((voices["signed"] == signed && voices["forged"] == forged).then_some(list))
        })
    };
    send(&machine, &death(&signer(KEY, 1)))?;
    cases(1, 0)?;
    send(&machine, &death(&signer(WRONG, 2)))?;
    let list = cases(1, 1)?;
    let id = list["incidents"][0]["id"].as_str().context("an id")?;
    let page = ward.text("incident", &[id])?;
    ensure!(
        page.contains("FORGED: ") && page.contains("in all 1 signed, 0 not, 1 forged"),
        "{page}"
    );
    let json: Value = serde_json::from_str(&ward.text("incident", &[id, "--json"])?)?;
    ensure!(json["voice"] == "forged" && json["voices"]["signed"] == 1, "{json}");
    Ok(())
}
