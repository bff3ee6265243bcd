//! Anything at all arrives: the doctor hears on, loses nothing of the others, and shows none of it
//! raw.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use bedside_lab::capture::Capture;
use bedside_lab::chance::Chance;
use bedside_lab::doctor::Bedside;
use bedside_lab::patient::{Patient, drained};
use bedside_lab::{check, oracle};

const HONEST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SEED: u64 = 5;

/// Datagrams made to hurt.
const CRAFTED: &[&[u8]] = &[
    b"",
    b"\n",
    b"\0",
    b";",
    b",,,,;",
    b"6,1,2,-",
    b"6,18446744073709551615,18446744073709551615,-;the last number\n",
    b"6,99999999999999999999,1,-;beyond the last number\n",
    b"6,5,1000000,-,ncfrag=0/18446744073709551615;lies about its length",
    b"6,6,1000000,-,ncfrag=18446744073709551614/18446744073709551615;lies about its place",
    b"6,7,1000000,-,ncfrag=0/131072;a first part that nobody goes on with",
    b"6,8,1000000,-,ncfrag=0/10;0123456789",
    b"6,8,1000001,-,ncfrag=5/10;56789 and more than there is room for",
    b"6,9,1000002,-;\\x1b[2J\\x1b]0;title\\x07 escaped escapes\n",
    b"6,10,1000003,-;\x1b[31mraw escapes\x9b1m\x07\r\n",
    b"6,11,1000004,-;a path\n host=../../../../etc/passwd\n",
    b"6,12,1000005,-;a statement\n host=x'; DROP TABLE runs; --\n boot_id=\x1b[2J\n",
    b"6,13,1000006,-;a forger\n cpu=1\n host=127.0.0.1\n",
    b"6,14,1000007,-;odd keys\n =\n ==\n \n x\n \x1b[5m=\x00\n",
    "6,15,1000008,-;c1 controls \u{9b}31m and \u{202e}directions\n".as_bytes(),
    b"\xff\xfe\xfd not UTF-8 \xc3\n",
    b"<9999999999>huge priority\n",
    b"<30>1 - \x1b[2J bedside-patient 1 pstore - dump=00000000000000000000000000000000 boot_id=../x \
      line=1/1 died=18446744073709551615 from=../\x1b[2J why=Panic#\x1b <0>[    1.000000] \x1b[2J\xff",
    b"<30>1 - x bedside-patient 1 pstore - dump=00000000000000000000000000000001 boot_id=x \
      line=1/4294967295 died=1 from=x why=x lies about its length",
    b"<34>1 2026-11-21T00:00:00Z \x1b[31m - - - - escapes in a name\n",
    b"<34>Nov 21 00:00:00 ../../etc su: a path for a name\n",
    b"[99999999999999999999.999999] a time beyond all\n",
    b"** 18446744073709551615 printk messages dropped **\n",
    b"** 99999999999999999999999 printk messages dropped **\n",
];

#[test]
fn a_flood_of_anything_harms_nobody_else() -> Result<()> {
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let doctor = bedside.serve::<&str>(&[SocketAddr::new(HONEST, 0)], &[])?;
    let address = doctor.addresses()[0];
    let capture = Capture::load("7.3.4/cfg_udsys")?;
    let mut honest = Patient::new([(capture.targets()[0], address)]).from_address(HONEST);
    let hostile = hostile_datagrams(&capture);
    let pieces = capture.datagrams.chunks(8);
    for (piece, anything) in pieces.zip(hostile.chunks(hostile.len() * 8 / capture.datagrams.len()))
    {
        attack(anything, address)?;
        honest.send(piece)?;
        drained(address.port(), 0)?;
    }
    doctor.terminate()?;

    let told = bedside.log(&[&HONEST.to_string()])?;
    check::records(&told, &oracle::streams(&capture.datagrams), |_| address.port())?;
    nothing_raw_is_shown(&bedside)?;
    no_name_of_theirs_is_a_file(&bedside)
}

/// The crafted ones, noise of all lengths, and a kernel's own words with bytes changed.
fn hostile_datagrams(capture: &Capture) -> Vec<Vec<u8>> {
    let mut chance = Chance::new(SEED);
    let mut datagrams: Vec<Vec<u8>> = CRAFTED.iter().map(|bytes| bytes.to_vec()).collect();
    for length in [1, 999, 1000, 1001, 1500, 9000, 65_507] {
        datagrams.push(chance.bytes(length));
        datagrams.push(vec![b'a'; length]);
        datagrams.push(b"\x1b[31m".iter().copied().cycle().take(length).collect());
    }
    for _ in 0..1500 {
        let length = chance.within(0..400) as usize;
        datagrams.push(chance.bytes(length));
        let mut words = chance.pick(&capture.datagrams).payload.clone();
        for _ in 0..chance.within(1..6) {
            let at = chance.within(0..words.len() as u64) as usize;
            words[at] = chance.number() as u8;
        }
        datagrams.push(words);
    }
    datagrams
}

/// Each from a port of its own, from one of three addresses.
fn attack(datagrams: &[Vec<u8>], target: SocketAddr) -> Result<()> {
    for (number, payload) in datagrams.iter().enumerate() {
        let address = IpAddr::from([127, 0, 0, 2 + (number % 3) as u8]);
        let mut patient = Patient::new([]).from_address(address);
        patient.send_from(SocketAddr::new(address, 1), target, payload)?;
        if number % 16 == 0 {
            drained(target.port(), 64 << 10)?;
        }
    }
    Ok(())
}

/// Newlines are the only control bytes in anything that may reach a terminal, and JSON stays JSON.
fn nothing_raw_is_shown(bedside: &Bedside) -> Result<()> {
    for (command, args) in [
        ("log", &["-o", "short"][..]),
        ("log", &["-o", "full"]),
        ("log", &["-n", "100", "--reverse"]),
        ("hosts", &[]),
        ("boots", &["127.0.0.2"]),
        ("boots", &["--json"]),
        ("incidents", &[]),
        ("incidents", &["--json"]),
    ] {
        let shown = String::from_utf8(bedside.run(command, args)?.stdout)?;
        let raw = shown.chars().find(|&c| c.is_control() && c != '\n');
        ensure!(raw.is_none(), "bedside {command} {args:?} shows {raw:?} as it is");
        ensure!(!shown.contains('\u{202e}'), "bedside {command} {args:?} turns text around");
    }
    bedside.log(&[]).context("the whole answer")?;
    Ok(())
}

fn no_name_of_theirs_is_a_file(bedside: &Bedside) -> Result<()> {
    let above = bedside.data().parent().context("the store has a parent")?;
    let entries = fs::read_dir(above)?.count();
    ensure!(entries == 1, "{entries} entries where the store alone should be");
    check::only_our_names(bedside.data())
}
