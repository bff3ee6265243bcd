//! `bedside serve`: sockets, signals, and the loop between them and the doctor.

mod orders;
mod ward;

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bedside_udp::{Receiver, ReceiverOptions, Socket, Waker};

use self::ward::Ward;
use crate::attention::Attention;
use crate::cli::ServeArgs;
use crate::config::{Config, Listen, Live, Network};
use crate::confine::confine;
use crate::doctor::{Doctor, Found};
use crate::keys::Keys;
use crate::notify::{self, State};
use crate::render::{self, Look, Screen};
use crate::{Exit, exit, hint, incidents, listen};

pub(crate) use orders::Orders;

/// Hears until a signal says stop.
pub fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    let with_keys = |config: Config| Ok((Keys::read(config.key_file.as_deref())?, config));
    let (keys, config) = match configuration(args).and_then(with_keys) {
        Ok(found) => found,
        Err(error) => return Ok(exit::tell(Exit::Usage, &exit::words(&error))),
    };
    let orders = Orders::from_signals()?;
    let again = Again { read: &|| configuration(args), file: args.config.as_deref() };
    serve(config, keys, &orders, &again, |_, waker| Orders::wake_on_signals(&waker))?;
    Ok(Exit::Well)
}

/// How the configuration is read again.
pub(crate) struct Again<'a> {
    pub(crate) read: &'a dyn Fn() -> anyhow::Result<Config>,
    /// The file that it is read from.
    pub(crate) file: Option<&'a Path>,
}

/// Hears until `orders` say stop. `ready` is told the addresses, once they hear, and what ends a
/// wait.
pub(crate) fn serve(
    config: Config,
    keys: Keys,
    orders: &Orders,
    again: &Again<'_>,
    ready: impl FnOnce(Vec<SocketAddr>, Waker) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let data = config.data()?;
    let listening = listen::open(&config)?;
    let courier = Attention::courier(&config)?;
    // It knows the time zone, which lies in a file elsewhere.
    let look = shows(&config).then(Look::live);
    confine(&data, again.file);
    let screen = look.map(|look| Screen::start(look, io::stdout()));
    let screen = screen.transpose().context("cannot show lines")?;
    let (doctor, found) = Doctor::open(&data, &config, screen.as_ref().map(Screen::tap), false)?;
    // Hearing does not end where nobody can be told of it.
    drop(listen::announce(&listening, config.receive_buffer.0, &mut render::stderr()));
    report(&found, &data);
    let mut receiver = Receiver::new(listening.sockets, ReceiverOptions::default())?;
    let addresses: Vec<SocketAddr> = receiver.sockets().map(Socket::local).collect();
    if let Some(hint) = hint::first_steps(&addresses).filter(|_| screen.is_some() && found.is_new) {
        drop(writeln!(render::stderr(), "{hint}"));
    }
    incidents::set_aside_foreign(&data, found.next_segment);
    let attention = Attention::begin(&data, &config, courier, doctor.writer().nudge())?;
    let mut ward = Ward::open(&data, config, keys, doctor, attention, &receiver);
    ready(addresses, receiver.waker())?;
    told(notify::tell(State::Ready));
    let ended = ward.hear(&mut receiver, orders, again);
    told(notify::tell(State::Stopping));
    ward.close()?;
    if let Some(screen) = screen {
        screen.finish(SCREEN_PATIENCE);
    }
    ended
}

/// What the options say wins over what the file says.
fn configuration(args: &ServeArgs) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    if !args.listen.is_empty() {
        config.listen = args.listen.iter().copied().map(Listen).collect();
    }
    if !args.allow.is_empty() {
        config.allow = args.allow.iter().copied().map(Network).collect();
    }
    config.data = args.data.data.clone().or(config.data);
    Ok(config)
}

fn shows(config: &Config) -> bool {
    match config.live {
        Live::Auto => io::stdout().is_terminal(),
        Live::Always => true,
        Live::Never => false,
    }
}

fn report(found: &Found, data: &Path) {
    tracing::info!(data = %data.display(), streams = found.streams, "keeping what is heard");
    for torn in &found.torn {
        tracing::warn!("the last doctor was cut off, or its disk took no more: {torn}");
    }
}

/// Nobody who follows our state is a reason to stop hearing.
fn told(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// How long a stopped terminal is waited for at the end.
const SCREEN_PATIENCE: Duration = Duration::from_secs(1);
