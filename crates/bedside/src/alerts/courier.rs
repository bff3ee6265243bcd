//! The courier: a process that delivers letters, because the doctor itself may neither run a
//! program nor connect to anybody.
//!
//! It is told the rules at its start; from then on the doctor only says which rule's letter it is.
//! So a doctor that fell into the wrong hands could not have it run or reach anything else.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::way::{Refused, deliver};
use crate::config::Alert;
use crate::render::escape::Escaped;
use crate::{confine, exit};

/// The doctor's end.
#[derive(Debug)]
pub(crate) struct Courier {
    child: Child,
    pub(super) letters: ChildStdin,
    pub(super) answers: Option<BufReader<ChildStdout>>,
}

/// What the courier is handed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Errand {
    pub(super) id: i64,
    pub(super) rule: String,
    pub(super) body: String,
}

/// What it comes back with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) id: i64,
    /// Why it could not deliver it.
    pub(super) failed: Option<String>,
    /// For how many seconds nothing of the rule is to be brought there again.
    pub(super) later: Option<u64>,
}

impl Courier {
    /// Starts it, from a doctor that is not confined yet.
    pub(crate) fn start(rules: &[Alert]) -> anyhow::Result<Courier> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.arg0(NAME).stdin(Stdio::piped()).stdout(Stdio::piped());
        for ours in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID"]
        {
            command.env_remove(ours);
        }
        let mut child = command.spawn().context("cannot start the courier of alerts")?;
        let mut letters = child.stdin.take().context("the courier takes no letters")?;
        let answers = child.stdout.take().map(BufReader::new);
        tell(&mut letters, &rules)?;
        Ok(Courier { child, letters, answers })
    }
}

impl Drop for Courier {
    /// Letters under way are tried again by the next doctor.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether this process was started as one.
pub fn is_asked_for() -> bool {
    std::env::args_os().next().is_some_and(|name| name == NAME)
}

/// Delivers what comes in on standard input, until that ends. A signal to the doctor's group is
/// the doctor's: it ends its courier.
pub fn run() -> anyhow::Result<()> {
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    if let Err(error) = confine::drop_all_capabilities() {
        tracing::warn!(%error, "the courier of alerts cannot give up its capabilities");
    }
    let mut lines = io::stdin().lock().lines();
    let first = lines.next().context("nobody told the rules")??;
    let rules: Arc<Vec<Alert>> = Arc::new(serde_json::from_str(&first)?);
    let answers = Arc::new(Mutex::new(io::stdout()));
    for line in lines {
        let errand: Errand = serde_json::from_str(&line?)?;
        let (rules, answers) = (Arc::clone(&rules), Arc::clone(&answers));
        thread::spawn(move || {
            let answer = carry_out(&rules, &errand);
            // Without the doctor nobody wants to know.
            drop(tell(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner), &answer));
        });
    }
    Ok(())
}

fn carry_out(rules: &[Alert], errand: &Errand) -> Answer {
    let rule = rules.iter().find(|rule| rule.name == errand.rule).context("there is no such rule");
    let done = rule.and_then(|rule| deliver(rule, &errand.body));
    let error = done.err();
    let refused = error.as_ref().and_then(|error| error.downcast_ref::<Refused>());
    let later = refused.and_then(|refused| refused.later);
    // It ends up in the doctor's own log, a line for each.
    let words = |error| Escaped(exit::words(&error).as_bytes()).to_string();
    Answer { id: errand.id, failed: error.map(words), later }
}

/// A line of JSON.
pub(super) fn tell(to: &mut impl io::Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// What the process is called, and known by.
const NAME: &str = "bedside-courier";
