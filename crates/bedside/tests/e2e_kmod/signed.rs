//! A kernel that shares a key with the doctor dies: its death is proven, a copy of it is not.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use bedside_lab::vm::Death;
use bedside_lab::wait;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::ward::{Desk, MODULE, Ward};

const KEY: &str = "0123456789abcdef0123456789abcdef";

const SCRIPT: &str = r#"
insmod /bedside_netconsole.ko netconsole=+@/eth0,RELAY key=MADE; echo "load $?"
show before
cd $parameters
ls -l key
echo nonsense > key; echo "nonsense $?"
echo MADE > key; echo "key $?"
show with
echo > key; echo "no key $?"
show without
echo MADE > key; echo "key again $?"
echo '<7>lab: no console shows this' > /dev/kmsg
dmesg | grep -i MADE || echo "the log does not tell it"
"#;

/// Hears what a machine says and says it on, from an address of its own.
struct Relay {
    ear: UdpSocket,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Relay {
    fn start(&self, doctor: u16) -> Result<()> {
        let (ear, heard) = (self.ear.try_clone()?, Arc::clone(&self.heard));
        let mouth = socket(7, doctor)?;
        thread::spawn(move || {
            let mut room = [0; 2048];
            while let Ok(length) = ear.recv(&mut room) {
                heard.lock().expect("no panic").push(room[..length].to_vec());
                mouth.send(&room[..length]).ok();
            }
        });
        Ok(())
    }
}

/// A socket of a loopback address, to the doctor's port.
fn socket(last: u8, doctor: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, last], 0)))?;
    socket.connect(SocketAddr::from(([127, 0, 0, 1], doctor)))?;
    Ok(socket)
}

/// What the patient would give the module.
fn made() -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("any length");
    mac.update(MODULE.as_bytes());
    let made = mac.finalize().into_bytes();
    let number = u128::from_be_bytes(*made.first_chunk().expect("32 bytes"));
    format!("{number:032x}")
}

#[test]
fn a_panic_is_proven_and_a_copy_of_it_is_not() -> Result<()> {
    let data = tempfile::tempdir()?;
    let (keys, config) = (data.path().join("keys"), data.path().join("bedside.toml"));
    fs::write(&keys, KEY)?;
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600))?;
    fs::write(&config, format!("key_file = \"{}\"\n", keys.display()))?;
    let words = ["--config", config.to_str().context("a path in UTF-8")?];
    let relay = Relay { ear: UdpSocket::bind("127.0.0.1:0")?, heard: Arc::default() };
    let place = format!("{}@10.0.2.2/", relay.ear.local_addr()?.port());
    let script = SCRIPT.replace("RELAY", &place).replace("MADE", &made());
    let desk = Desk { data, words: &words, ports: [0; 3] };
    let mut ward = Ward::admit_to(desk, "7", Death::PanicThenRestart, &script, |_| {})?;
    relay.start(ward.ports[0])?;
    ward.machine.wait_for_end()?;
    ensure_set(&ward.machine.said()?)?;
    ward.heard("Rebooting in 1 seconds..")?;

    let boots = boots(&ward, "a signed death", |boots| boots[0]["voice"] == "signed")?;
    ensure!(boots.len() == 1 && boots[0]["end"] == "panic", "{boots:?}");
    ensure!(boots[0]["death"]["missing"] == 0, "{boots:?}");
    // Most of it with a debug level, which no console shows; all of it signed.
    let records = boots[0]["death"]["records"].as_u64().context("a death")?;
    ensure!(boots[0]["signed_records"].as_u64() >= Some(records), "{boots:?}");

    let heard = relay.heard.lock().expect("no panic").clone();
    let copier = socket(8, ward.ports[0])?;
    // The death's second telling; no more than any socket holds.
    let tagged = heard.iter().rev().filter(|one| one.windows(5).any(|five| five == b",tag="));
    let last: Vec<_> = tagged.take(150).collect();
    last.into_iter().rev().try_for_each(|datagram| copier.send(datagram).map(drop))?;
    let told = |boots: &[Value]| boots.len() > 1 && boots[1]["end"] == "panic";
    let boots = self::boots(&ward, "the copy", told)?;
    ensure!(boots[0]["voice"] == "signed" && boots[1]["voice"] == "copied", "{boots:?}");
    let text = String::from_utf8(ward.bedside.run("boots", &[])?.stdout)?;
    ensure!(text.contains("; signed;") && text.contains("; copied: "), "{text}");
    Ok(())
}

fn ensure_set(said: &str) -> Result<()> {
    for words in ["load 0", "nonsense 1", "key 0", "no key 0", "key again 0", "does not tell it"] {
        ensure!(said.contains(words), "no {words:?} in:\n{said}");
    }
    ensure!(said.contains("--w-------"), "{said}");
    ensure!(said.matches("signs=no").count() == 2, "{said}");
    Ok(())
}

fn boots(ward: &Ward, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
    wait::until(what, || {
        let told = ward.bedside.run("boots", &["--json"])?.stdout;
        let told: Value = serde_json::from_slice(&told)?;
        let boots = told["boots"].as_array().cloned().unwrap_or_default();
        Ok((!boots.is_empty() && wanted(&boots)).then_some(boots))
    })
}
