//! What a kernel left in pstore when it died comes to the doctor after the next start, and is told
//! with the boot that it tells of; sealed with a key that both share.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;

use anyhow::{Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::doctor::Bedside;
use bedside_lab::wait;
use bedside_patient::cli::Cli;
use clap::Parser as _;

const BEFORE: &str = "49450e1b-6f9f-446b-96fa-3286d3c662f0";
const NOW: &str = "1c0ffee0-6f9f-446b-96fa-3286d3c662f1";
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const DUMP: &str = "Panic#1 Part1
<6>[    1.000000] one
<6>[    2.000000] two
<0>[    3.000000] Kernel panic - not syncing: nobody heard this
";

/// A machine after its next start, as far as an agent looks.
fn machine(doctor: SocketAddr) -> Result<tempfile::TempDir> {
    let root = tempfile::tempdir()?;
    for (path, text) in [
        ("proc/sys/kernel/hostname", "web1"),
        ("proc/sys/kernel/osrelease", "6.1.0"),
        ("proc/sys/kernel/random/boot_id", NOW),
        ("proc/uptime", "5.00 1.00"),
        ("etc/bedside/patient.conf", &format!("doctor = {doctor}")),
        ("etc/bedside/patient.key", KEY),
        ("sys/fs/pstore/dmesg-ramoops-0", DUMP),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(&path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(root)
}

#[test]
fn the_last_words_that_nobody_heard_come_after_the_next_start() -> Result<()> {
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let (keys, config) = (data.path().join("keys"), data.path().join("bedside.toml"));
    fs::write(&keys, format!("# all machines\n{KEY}\n"))?;
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600))?;
    fs::write(&config, format!("key_file = {keys:?}"))?;
    let config = config.to_str().unwrap_or_default();
    let listen = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let doctor = bedside.serve(&listen, &["--config", config])?;
    let address = doctor.addresses()[0];
    let kernel = UdpSocket::bind("127.0.0.1:0")?;
    for (seq, boot_id, text) in
        [(1, BEFORE, "one"), (2, BEFORE, "two"), (1, NOW, "a new life"), (2, NOW, "goes on")]
    {
        let line = format!("6,{seq},{seq}000000,-;{text}\n host=web1\n boot_id={boot_id}\n");
        kernel.send_to(line.as_bytes(), address)?;
    }
    bedside.log_of(4, &[])?;
    let root = machine(address)?;
    let cli = Cli::try_parse_from(
        ["bedside-patient", "agent", "--root"]
            .iter()
            .map(Path::new)
            .chain([root.path()])
            .map(Path::as_os_str),
    )?;
    let agent = thread::spawn(move || bedside_patient::run(&cli));
    let found = |args: &[&str]| {
        wait::until("what pstore has", || {
            let items = bedside.log(args)?;
            Ok(items.iter().any(|item| matches!(item, Item::Pstore(_))).then_some(items))
        })
    };
    for args in [&[][..], &["-g", "NOT syncing|not syncing"], &["-b", "1", "-n", "1"], &["-r"]] {
        let items = found(args)?;
        let lines = items.iter().filter_map(|item| match item {
            Item::Pstore(line) => Some((line.place.boot, &*line.text)),
            _ => None,
        });
        let lines: Vec<_> = lines.collect();
        ensure!(lines == [(Some(1), "Kernel panic - not syncing: nobody heard this")], "{items:?}");
        let ended =
            |item: &&Item| matches!(item, Item::Boot(b) if b.fate.as_deref() == Some("panic"));
        ensure!(items.iter().filter(ended).count() == 1, "{args:?}: {items:?}");
    }
    let boots = String::from_utf8(bedside.run("boots", &[])?.stdout)?;
    ensure!(boots.contains("panicked, as its pstore tells"), "{boots}");
    let hosts = String::from_utf8(bedside.run("hosts", &["--json"])?.stdout)?;
    ensure!(hosts.contains(r#""life":"alive""#), "a sealed heartbeat counts: {hosts}");
    // What somebody else says in its name does not.
    let forged = "<30>1 - web1 bedside-patient 7 goodbye - boot_id=";
    let forged = format!("{forged}{NOW} uptime=9s every=10s armed=yes errors=0");
    kernel.send_to(forged.as_bytes(), address)?;
    wait::until("the forger to be told of", || {
        let mut check = bedside.command();
        check.arg("check").arg("--data").arg(bedside.data()).args(["--config", config, "--json"]);
        let told = String::from_utf8(check.output()?.stdout)?;
        let both = ["sealed with one of 1;", "1 heartbeats or lines of pstore were sealed with no"];
        Ok(both.iter().all(|words| told.contains(words)).then_some(()))
    })?;
    let hosts = String::from_utf8(bedside.run("hosts", &["--json"])?.stdout)?;
    ensure!(hosts.contains(r#""life":"alive""#), "{hosts}");
    let note = root.path().join("var/lib/bedside-patient/pstore");
    wait::until("the agent to note it", || Ok(note.exists().then_some(())))?;
    ensure!(fs::read_to_string(root.path().join("sys/fs/pstore/dmesg-ramoops-0"))? == DUMP);
    // Nothing is wished any more: the agent ends.
    fs::remove_file(root.path().join("etc/bedside/patient.conf"))?;
    let ended = agent.join().map_err(|_| anyhow::anyhow!("the agent panicked"))?;
    ensure!(ended? == bedside_patient::Exit::Well);
    doctor.terminate()?;
    let text = String::from_utf8(bedside.run("log", &["-b", "1"])?.stdout)?;
    ensure!(text.contains("nobody heard this [pstore]") && text.contains("as its pstore tells"));
    Ok(())
}
