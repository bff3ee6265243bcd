//! Interfaces that go away under a doctor, in a network that the test alone sees. Needs root:
//! `cargo test -p bedside --features root --test e2e_network`.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result, ensure};
use bedside_lab::doctor::Bedside;
use bedside_lab::networks::{ip, private};
use bedside_lab::patient::drained;

const PORT: u16 = 6666;
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);

/// An interface with an address.
fn plug_in() -> Result<()> {
    ip("link add v0 type veth peer name v1")?;
    ip("address add 192.0.2.1/24 dev v0")?;
    ip("link set v0 up")?;
    ip("link set v1 up")
}

#[test]
fn an_interface_that_goes_away_and_comes_back_is_heard_again() -> Result<()> {
    private()?;
    plug_in()?;
    let address = SocketAddr::from(([192, 0, 2, 1], PORT));
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let doctor = bedside.serve::<&str>(&[LOOPBACK, address], &[])?;
    let sender = UdpSocket::bind("0.0.0.0:0")?;
    let say = |seq: u32, to| -> std::io::Result<()> {
        sender.send_to(format!("6,{seq},{},-;line {seq}\n", 1000 + seq).as_bytes(), to).map(drop)
    };
    say(1, address)?;
    drained(PORT, 0)?;
    ip("link delete v0")?;
    ensure!(say(2, address).is_err(), "there is no way to it any more");
    say(3, LOOPBACK)?;
    drained(PORT, 0)?;
    plug_in()?;
    say(4, address)?;
    drained(PORT, 0)?;
    ip("link set v0 down")?;
    ip("link set lo down")?;
    ip("link set lo up")?;
    say(5, LOOPBACK)?;
    drained(PORT, 0)?;
    doctor.terminate()?;
    let mut heard = heard(&bedside)?;
    heard.sort_unstable();
    ensure!(heard == ["line 1", "line 3", "line 4", "line 5"], "{heard:?}");
    Ok(())
}

fn heard(bedside: &Bedside) -> Result<Vec<String>> {
    let raw = String::from_utf8(bedside.run("log", &["-o", "raw"])?.stdout).context("text")?;
    Ok(raw.lines().map(str::to_owned).collect())
}
