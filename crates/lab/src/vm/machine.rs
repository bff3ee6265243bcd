//! One machine in QEMU.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::Kernel;
use super::initramfs::overlay;
use crate::wait;

/// How a machine is to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// A panic after which it lies where it fell (`panic=0`).
    Panic,
    /// A panic after which it restarts itself a second later (`panic=1`).
    PanicThenRestart,
    /// Its first process ends, which is a panic; it restarts itself a second later.
    InitEnds,
    /// A reboot that was meant.
    Reboot,
    /// Switched off.
    PowerOff,
}

/// How a machine's kernel comes to send.
#[derive(Clone, Debug)]
pub enum Arms {
    /// netconsole is loaded with this; the host is 10.0.2.2.
    Netconsole(String),
    /// A script for busybox's shell sees to it, or to whatever else.
    Script {
        /// Its text.
        text: String,
        /// Files that it finds, where it finds each below `/`, and which they are: programs.
        files: Vec<(String, PathBuf)>,
    },
}

/// A machine to be started.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// Its kernel.
    pub kernel: &'a Kernel,
    /// Whom its kernel is to send to.
    pub arms: Arms,
    /// How it dies.
    pub death: Death,
    /// Whether a restart is let happen, or ends the machine.
    pub restarts: bool,
    /// How many processors; one boots fastest.
    pub processors: u32,
    /// What it is built on, as QEMU names it.
    pub board: &'static str,
    /// Its network card, as QEMU names it, and what that is like.
    pub card: String,
    /// More words for the kernel's command line.
    pub words: String,
    /// A Debian, whose systemd starts the script as a service; else there is busybox only.
    pub debian: bool,
    /// Two more network cards, `eth1` and `eth2`, with a cable from one to the other.
    pub cable: bool,
    /// A cable to this UDP port of the host ([`Wire`](super::Wire)) instead of a network that QEMU
    /// makes.
    pub wire: Option<u16>,
    /// How long its end is waited for.
    pub lifetime: Duration,
    /// It does not boot but goes on from where another of the same order was when its state was
    /// saved here ([`Machine::save`]).
    pub state: Option<PathBuf>,
    /// Where its serial console is written to; what a script says beside it, with the
    /// ending `.said`.
    pub serial: PathBuf,
}

impl<'a> Order<'a> {
    /// A machine with one card, which a restart ends.
    pub fn new(kernel: &'a Kernel, arms: Arms, death: Death, serial: PathBuf) -> Self {
        let (restarts, words, debian, cable) = (false, String::new(), false, false);
        let (processors, board, card, wire, state) = (1, "pc", CARD.to_owned(), None, None);
        Self {
            kernel,
            arms,
            death,
            restarts,
            processors,
            board,
            card,
            words,
            debian,
            cable,
            wire,
            lifetime: LIFETIME,
            state,
            serial,
        }
    }
}

/// A running machine; killed when it goes out of scope.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    serial: PathBuf,
    lifetime: Duration,
}

impl Machine {
    /// Switches it on.
    pub fn start(order: &Order<'_>) -> Result<Self> {
        // A console of an earlier machine would be taken for this one's.
        fs::write(&order.serial, "")
            .with_context(|| format!("{} not written", order.serial.display()))?;
        let mut qemu = Command::new(QEMU);
        qemu.args(MACHINE.split_whitespace());
        qemu.args(["-machine", order.board]);
        qemu.arg("-smp").arg(order.processors.to_string());
        qemu.arg("-netdev").arg(network(order));
        qemu.arg("-device").arg(format!("{},netdev=net", order.card));
        if order.cable {
            qemu.args(CABLE.split_whitespace());
        }
        qemu.arg("-kernel").arg(&order.kernel.image);
        qemu.arg("-initrd").arg(initramfs(order)?);
        qemu.arg("-append").arg(command_line(order));
        qemu.arg("-serial").arg(format!("file:{}", order.serial.display()));
        let said = said(&order.serial);
        fs::write(&said, "").with_context(|| format!("{} not written", said.display()))?;
        let (tty, said) = (tty(&order.serial), said.display());
        let tty = format!("socket,id=tty,path={},{SERVER},logfile={said}", tty.display());
        qemu.args(["-chardev", &tty, "-serial", "chardev:tty"]);
        qemu.arg("-qmp").arg(format!("unix:{},{SERVER}", qmp(&order.serial).display()));
        if let Some(state) = &order.state {
            qemu.arg("-incoming").arg(format!("exec:cat {}", state.display()));
        }
        if !order.restarts {
            qemu.arg("-no-reboot");
        }
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let qemu =
            qemu.spawn().with_context(|| format!("{QEMU} did not start; is it installed?"))?;
        Ok(Self { qemu, serial: order.serial.clone(), lifetime: order.lifetime })
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&mut self) -> Result<()> {
        let status = wait::until_within(self.lifetime, "the machine to end", || {
            self.qemu.try_wait().context("QEMU can't be waited for")
        });
        let status = status.with_context(|| self.last_lines())?;
        if !status.success() {
            bail!("QEMU ended with {status}");
        }
        Ok(())
    }

    /// Waits until its console shows `words` in a whole line for the `times`th time.
    pub fn wait_for(&self, words: &str, times: usize) -> Result<()> {
        wait::until_within(self.lifetime, &format!("the console to show {words:?}"), || {
            let console = self.console()?;
            let console = String::from_utf8_lossy(&console);
            let lines = console.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            Ok((lines.filter(|line| line.contains(words)).count() >= times).then_some(()))
        })
    }

    /// A non-maskable interrupt that no device of its has asked for.
    pub fn inject_nmi(&self) -> Result<()> {
        self.qmp("inject-nmi", &json!({})).map(drop)
    }

    /// Writes to `state` all that it is, while it waits for a word, and ends it there.
    pub fn save(self, state: &Path) -> Result<()> {
        self.qmp("migrate", &json!({"uri": format!("exec:cat > {}", state.display())}))?;
        wait::until("the machine to be saved", || {
            let saved = self.qmp("query-migrate", &json!({}))?;
            ensure!(saved["status"] != "failed", "{} not written: {saved}", state.display());
            Ok((saved["status"] == "completed").then_some(()))
        })
    }

    /// A line for who reads the second serial port, once it runs.
    pub fn tell(&self, line: &str) -> Result<()> {
        wait::until("the machine to run", || {
            // At first nobody answers.
            let status = self.qmp("query-status", &json!({})).unwrap_or_default();
            Ok((status["status"] == "running").then_some(()))
        })?;
        let tty = tty(&self.serial);
        let mut stream = UnixStream::connect(&tty)
            .with_context(|| format!("{}: no connection", tty.display()))?;
        writeln!(stream, "{line}").with_context(|| format!("{} not written", tty.display()))
    }

    /// What QEMU answers to a command.
    fn qmp(&self, command: &str, arguments: &Value) -> Result<Value> {
        let qmp = qmp(&self.serial);
        let said = |what| format!("{}: {what}", qmp.display());
        let mut stream = UnixStream::connect(&qmp).with_context(|| said("no connection"))?;
        let mut answers = BufReader::new(stream.try_clone()?).lines();
        let mut answer = json!(null);
        for (command, arguments) in [("qmp_capabilities", &json!({})), (command, arguments)] {
            writeln!(stream, "{}", json!({"execute": command, "arguments": arguments}))?;
            // Greetings and events come in between.
            while answer["return"].is_null() {
                let line = answers.next().with_context(|| said("closed"))??;
                answer = serde_json::from_str(&line).with_context(|| said("no JSON"))?;
                ensure!(answer["error"].is_null(), "QEMU said {answer}");
            }
            answer = answer["return"].take();
        }
        Ok(answer)
    }

    /// The end of its console, for who waited in vain.
    pub fn last_lines(&self) -> String {
        const LINES: usize = 40;
        let console = self.console().unwrap_or_default();
        let lines: Vec<&[u8]> = console.split(|byte| *byte == b'\n').collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join(&b'\n');
        format!("its console ends with:\n{}", String::from_utf8_lossy(&last))
    }

    /// What its script said so far.
    pub fn said(&self) -> Result<String> {
        let said = said(&self.serial);
        let bytes = fs::read(&said).with_context(|| format!("{} not read", said.display()))?;
        Ok(String::from_utf8_lossy(&bytes).replace('\r', ""))
    }

    /// What its serial console showed so far.
    pub fn console(&self) -> Result<Vec<u8>> {
        fs::read(&self.serial).with_context(|| format!("{} not read", self.serial.display()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        self.qemu.kill().ok();
        self.qemu.wait().ok();
    }
}

/// `loglevel=8`: all levels reach the consoles. `no_timer_check`: software emulation under load
/// is too slow for the kernel's test of its timer.
fn command_line(order: &Order<'_>) -> String {
    let (panic, death) = match order.death {
        Death::Panic => (0, "panic"),
        Death::PanicThenRestart => (1, "panic"),
        Death::InitEnds => (1, "exit"),
        Death::Reboot => (0, "reboot"),
        Death::PowerOff => (0, "poweroff"),
    };
    let arms = match &order.arms {
        Arms::Netconsole(parameter) => format!("lab.netconsole={parameter}"),
        Arms::Script { .. } => String::new(),
    };
    let words = &order.words;
    format!(
        "console=ttyS0 loglevel=8 no_timer_check panic={panic} lab.death={death} {arms} {words}"
    )
}

/// With IPv6 a machine gives itself addresses, and may say so; a script can live with that.
fn network(order: &Order<'_>) -> String {
    match (&order.arms, order.wire) {
        (_, Some(port)) => format!("socket,id=net,udp=127.0.0.1:{port},localaddr=127.0.0.1:0"),
        (Arms::Netconsole(_), None) => "user,id=net,ipv4=on".into(),
        (Arms::Script { .. }, None) => "user,id=net,ipv4=on,ipv6=on".into(),
    }
}

/// The kernel's own, or one with the script and its programs behind it: a kernel unpacks several
/// archives, one after the other.
fn initramfs(order: &Order<'_>) -> Result<PathBuf> {
    let own = &order.kernel.initramfs;
    let Arms::Script { text, files } = &order.arms else { return Ok(own.clone()) };
    let read =
        |path: &PathBuf| fs::read(path).with_context(|| format!("{} not read", path.display()));
    let mut all = read(own)?;
    if order.debian {
        all.extend(read(&order.kernel.debian)?);
    }
    let files = files.iter().map(|(place, path)| Ok((place.as_str(), read(path)?)));
    let files: Vec<(&str, Vec<u8>)> = files.collect::<Result<_>>()?;
    let files = files.iter().map(|(place, content)| (*place, 0o755, content.as_slice()));
    all.extend(overlay(files.chain([("script", 0o644, text.as_bytes())])));
    let path = order.serial.with_extension("initramfs");
    fs::write(&path, all).with_context(|| format!("{} not written", path.display()))?;
    Ok(path)
}

fn said(serial: &Path) -> PathBuf {
    serial.with_extension("said")
}

/// Where QEMU takes commands.
fn qmp(serial: &Path) -> PathBuf {
    serial.with_extension("qmp")
}

/// Where it takes what its script reads.
fn tty(serial: &Path) -> PathBuf {
    serial.with_extension("tty")
}

/// Of a socket that need not be used.
const SERVER: &str = "server=on,wait=off";

const QEMU: &str = "qemu-system-x86_64";

/// Software emulation: hardware help is rarely there where tests run. All processors in one thread,
/// for side by side they see too little of each other while a kernel changes its own code as it
/// boots; and without CMPXCHG16B, as a kernel that puts it in place of a call (`mm/slub.c`,
/// `arch/x86/lib/cmpxchg16b_emu.S`) now and then trips over its own stack there.
const MACHINE: &str = "-accel tcg,thread=single -cpu qemu64,-cx16 -m 512 -nodefaults -display none";

/// A machine's notice of a frame is taken at once. By `ioeventfd` it would come to QEMU's main loop a
/// round before the frame does, and on a busy machine what is sent just before the power goes would
/// be left in between.
const CARD: &str = "virtio-net-pci,ioeventfd=off";

const CABLE: &str = "-netdev hubport,id=one,hubid=1 -device virtio-net-pci,netdev=one \
    -netdev hubport,id=other,hubid=1 -device virtio-net-pci,netdev=other";

/// A boot and a death take 3 to 6 s on an idle machine.
const LIFETIME: Duration = Duration::from_mins(2);
