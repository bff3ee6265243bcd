//! `bedside demo`: a recorded death, sent over real UDP on loopback to `serve`'s own code, shown
//! live; then what the doctor knows of it.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use crate::capture::Capture;
use crate::cli::{DataArg, ListArgs};
use crate::config::{Config, Listen, Live};
use crate::keys::Keys;
use crate::serve::{Again, Orders, serve};
use crate::{Exit, boots, hosts};

/// Shows a recorded death.
pub fn run() -> anyhow::Result<Exit> {
    // Caught from the beginning, so that the directory goes in any case.
    let orders = Orders::from_signals()?;
    let store = TemporaryStore::make()?;
    say("A kernel's last words, recorded in a virtual machine, are sent over UDP to a doctor:\n")?;
    hear(&store, &orders)?;
    let data = DataArg { data: Some(store.data()) };
    say("\nThe machine is dead; its disk never knew why. What the doctor knows:\n")?;
    let everyone = ListArgs { data, ..ListArgs::default() };
    hosts::run(&everyone)?;
    say("")?;
    boots::run(&everyone)?;
    say(
        "\nFor your own machines:\n  here          bedside serve\n  on a machine  bedside-patient up \
         THIS-ADDRESS",
    )?;
    Ok(Exit::Well)
}

/// Runs a doctor while the recording is sent to it.
fn hear(store: &TemporaryStore, orders: &Orders) -> anyhow::Result<()> {
    let config = Config {
        listen: vec![Listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))],
        data: Some(store.data()),
        live: Live::Always,
        ..Config::default()
    };
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        // With `tell` in it: who has ended tells nothing any more, and is not waited for.
        let doctor = scope.spawn(move || {
            let read = &|| anyhow::bail!("a demo is not reloaded");
            let again = Again { read, file: None };
            serve(config, Keys::default(), orders, &again, move |at, waker| {
                Orders::wake_on_signals(&waker)?;
                Ok(tell.send((at, waker))?)
            })
        });
        // Without an address the doctor has ended, and says why.
        if let Ok((addresses, waker)) = told.recv() {
            let sent = addresses.first().map_or(Ok(()), |address| send(store, *address, orders));
            orders.give_stop();
            waker.wake();
            sent?;
        }
        doctor.join().unwrap_or_else(|_| anyhow::bail!("the doctor has panicked"))
    })
}

/// Sends the recording as a kernel would, at a pace that can be watched.
fn send(store: &TemporaryStore, doctor: SocketAddr, orders: &Orders) -> anyhow::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot open a UDP socket")?;
    let mut before = None;
    for captured in Capture::open(&store.recording()?)? {
        if orders.stop() {
            break;
        }
        let captured = captured?;
        let pause = captured.received_us.saturating_sub(before.unwrap_or(captured.received_us));
        thread::sleep(Duration::from_micros(pause).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
        before = Some(captured.received_us);
        socket.send_to(&captured.payload, doctor).context("cannot send over loopback")?;
    }
    Ok(())
}

fn say(text: &str) -> io::Result<()> {
    writeln!(crate::render::stdout(), "{text}")
}

/// A directory that goes when the demo ends.
struct TemporaryStore {
    dir: PathBuf,
}

impl TemporaryStore {
    fn make() -> anyhow::Result<TemporaryStore> {
        let dir = std::env::temp_dir().join(format!("bedside-demo-{}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(TemporaryStore { dir })
    }

    fn data(&self) -> PathBuf {
        self.dir.join("store")
    }

    fn recording(&self) -> anyhow::Result<PathBuf> {
        let file = self.dir.join("death.jsonl.zst");
        fs::write(&file, DEATH).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

impl Drop for TemporaryStore {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(%error, "cannot remove {}", self.dir.display());
        }
    }
}

/// See `demo/README.md`.
const DEATH: &[u8] = include_bytes!("../demo/death.jsonl.zst");
const SHORTEST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(600);
