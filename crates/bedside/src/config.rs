//! What `serve` does, as a TOML file says it.
//!
//! Every key has a default, `default.toml` shows them all with their reasons, and a key that
//! nobody knows is an error with its file and line: a typing mistake must not silently leave a
//! limit where it was.

mod alerts;
mod limits;
mod places;
mod values;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use alerts::{Alert, Way};
pub use limits::StreamLimits;
pub use places::Places;
pub use values::{Length, Listen, Network, Size};

/// Everything that can be said about `serve`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to hear. Sockets handed over by a service manager take its place.
    pub listen: Vec<Listen>,
    /// The store's directory; [`Places::data`] where none is named.
    #[serde(deserialize_with = "values::directory")]
    pub data: Option<PathBuf>,
    /// Whom to hear; everybody where it is empty.
    pub allow: Vec<Network>,
    /// A file with the keys that agents share with the doctor.
    pub key_file: Option<PathBuf>,
    /// Bytes of receive buffer to ask for per socket, as the kernel counts them.
    pub receive_buffer: Size,
    /// How long to let datagrams gather once the sockets are empty, while somebody follows or a
    /// machine may be dying.
    pub patience: Length,
    /// The same otherwise, if it is longer.
    pub patience_unfollowed: Length,
    /// Whether a machine that asks if its test line was heard is answered.
    pub answer: bool,
    /// When to show lines as they come.
    pub live: Live,
    /// How things are kept.
    pub store: Store,
    /// How long things are kept.
    pub retention: Retention,
    /// The bounds of what is held in memory about senders.
    pub limits: StreamLimits,
    /// Who is told of which incidents.
    #[serde(deserialize_with = "alerts::rules")]
    pub alert: Vec<Alert>,
}

/// When to show lines as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Live {
    /// Where the output is a terminal.
    #[default]
    Auto,
    /// Wherever the output goes.
    Always,
    /// Not at all.
    Never,
}

/// How things are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// What was heard is on the disk, synced, within this time.
    pub sync_within: Length,
    /// A segment is closed when its file has this size, 4 KiB or more.
    #[serde(deserialize_with = "values::segment_size")]
    pub segment_size: Size,
    /// A segment is closed when its first entry has this age, 1 s or more.
    #[serde(deserialize_with = "values::segment_age")]
    pub segment_age: Length,
    /// What may wait in memory for a slow or failing disk.
    #[serde(deserialize_with = "values::above_zero")]
    pub queue: Size,
    /// The most that dumps of dead kernels take up.
    pub pstore: Size,
    /// The most that the book of incidents takes up; letters that wait, a quarter of it.
    pub incidents: Size,
}

/// How long things are kept. The oldest segments go first, whole.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// The most that all segments take up, but for the one that is written and is the last to go.
    #[serde(deserialize_with = "values::above_zero")]
    pub size: Size,
    /// The greatest age; kept for ever, within the size, where it is absent.
    #[serde(deserialize_with = "values::age")]
    pub age: Option<Length>,
    /// Of a host that fills a larger part of the size, its own segments go first; above 0 and at most
    /// 1.
    #[serde(deserialize_with = "values::share")]
    pub host_share: f64,
}

/// A configuration that cannot be used. The file and the place in it are part of the words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file says something that makes no sense.
    #[error(
        "{}{place}: {message}\n`bedside config --print-default` shows every key",
        path.display()
    )]
    Parse {
        /// The file.
        path: PathBuf,
        /// `:7:1`, line and column in characters, from 1; empty where it is about all of it.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// Nothing says where the store should be.
    #[error("no home directory is known, so there is no place for the store: give --data DIR")]
    NoHome,
}

impl Config {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads the text of the file `path`, whose name stands in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let wrong = |place, message| Error::Parse { path: path.to_owned(), place, message };
        let config: Self = toml::from_str(text).map_err(|error| {
            let place = error.span().map(|span| place(text, span.start)).unwrap_or_default();
            wrong(place, error.message().trim().to_owned())
        })?;
        match alerts::twins(&config.alert) {
            Some(message) => Err(wrong(String::new(), message)),
            None => Ok(config),
        }
    }

    /// A file that says what is done without one, each key with its reason.
    pub fn print_default() -> &'static str {
        include_str!("config/default.toml")
    }

    /// The store's directory.
    pub fn data(&self) -> Result<PathBuf, Error> {
        self.data.clone().or_else(|| Places::here().data()).ok_or(Error::NoHome)
    }

    /// The keys in which `new` differs and which a running doctor cannot take over: it has to
    /// be started anew for them.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        [
            ("listen", self.listen != new.listen),
            ("data", self.data != new.data),
            ("key_file", self.key_file != new.key_file),
            ("receive_buffer", self.receive_buffer != new.receive_buffer),
            ("live", self.live != new.live),
            ("store", self.store != new.store),
            ("retention", self.retention != new.retention),
            ("limits", self.limits != new.limits),
            ("alert", self.alert != new.alert),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }

    /// Takes the other keys over.
    pub fn take_over(&mut self, new: Self) {
        let Self { allow, patience, patience_unfollowed, answer, .. } = new;
        let old = std::mem::take(self);
        *self = Self { allow, patience, patience_unfollowed, answer, ..old };
    }
}

impl Default for Config {
    fn default() -> Self {
        let any = [(Ipv4Addr::UNSPECIFIED, PORT).into(), (Ipv6Addr::UNSPECIFIED, PORT).into()];
        Self {
            listen: any.map(|address: SocketAddr| Listen(address)).into(),
            data: None,
            allow: Vec::new(),
            key_file: None,
            receive_buffer: Size(64 << 20),
            patience: Length(Duration::from_millis(3)),
            patience_unfollowed: Length(Duration::from_millis(20)),
            answer: true,
            live: Live::Auto,
            store: Store::default(),
            retention: Retention::default(),
            limits: StreamLimits::default(),
            alert: Vec::new(),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            sync_within: Length(Duration::from_millis(200)),
            segment_size: Size(128 << 20),
            segment_age: Length(Duration::from_hours(24)),
            queue: Size(64 << 20),
            pstore: Size(64 << 20),
            incidents: Size(256 << 20),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { size: Size(10 << 30), age: None, host_share: 0.5 }
    }
}

/// The file of the packaged service.
pub const PACKAGED: &str = "/etc/bedside/bedside.toml";
/// netconsole's own default port.
pub const PORT: u16 = 6666;

/// Where the byte at `offset` stands.
fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let (line, column) = (before.matches('\n').count(), before[line_start..].chars().count());
    format!(":{}:{}", line + 1, column + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("b.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_is_the_default() {
        assert_eq!(parse(""), Ok(Config::default()));
    }

    #[test]
    fn the_printed_default_is_the_default() {
        assert_eq!(parse(Config::print_default()), Ok(Config::default()));
    }

    /// Also with every key that is only shown, `# key = …`, switched on.
    #[test]
    fn every_key_that_is_shown_is_known() {
        let text: String = Config::print_default()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.contains(" = ") || rest.starts_with("[[") => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let config = parse(&text).unwrap();
        assert!(config.data.is_some() && config.retention.age.is_some());
        assert!(!config.allow.is_empty());
        assert_eq!(config.alert.first().map(|rule| rule.name.as_str()), Some("page"));
    }

    #[test]
    fn an_alert_that_makes_no_sense_is_refused_with_its_name() {
        let rule = |rest: &str| parse(&format!("[[alert]]\nname = \"page\"\n{rest}"));
        assert!(rule("command = [\"/bin/true\"]").is_ok());
        assert!(rule("webhook = \"https://a.example/\"\ntemplate = '[\"{{title}}\"]'").is_ok());
        for (rest, why) in [
            ("", "alert \"page\": an alert has either a `command` or a `webhook`"),
            ("command = [\"true\"]", "begins with the path"),
            ("webhook = \"ftp://a.example/\"", "begins with https://"),
            ("webhook = \"https://\"", "names no host"),
            ("webhook = \"https://a.example/\"\nheaders = { \"a b\" = \"\" }", "no header of HTTP"),
            ("webhook = \"https://a.example/\"\ntemplate = \"{{titel}}\"", "{{titel}}"),
            ("command = [\"/bin/true\"]\nca_file = \"/a\"", "are a webhook's"),
            ("command = [\"/bin/true\"]\nhost = [\"web[\"]", "no name or pattern"),
            ("command = [\"/bin/true\"]\nkind = [\"crash\"]", "unknown variant `crash`"),
            ("command = [\"/bin/true\"]\nhots = []", "unknown field `hots`"),
            ("command = [\"/bin/true\"]\n[[alert]]\nname = \"page\"\ncommand = [\"/a\"]", "two"),
            ("command = [\"/bin/true\"]\nstorm = 0", "`storm` are at least 1"),
            ("command = [\"/bin/true\"]\ntimeout = \"0s\"", "`timeout` is some time"),
            ("webhook = \"http://a.example/\"\nca_file = \"/a\"", "is for an address"),
        ] {
            let error = rule(rest).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(rule("every = \"0s\"").unwrap_err().starts_with("b.toml:1:1: alert \"page\""));
        let second = "[[alert]]\nname = \"\"\ncommand = [\"/a\"]";
        let error = rule(&format!("command = [\"/a\"]\n\n{second}")).unwrap_err();
        assert!(error.starts_with("b.toml:5:1: alert \"\": `name` is a word"), "{error}");
        let error = parse("[alert]\nname = \"page\"").unwrap_err();
        assert!(error.contains("rules that begin with [[alert]]"), "{error}");
    }

    /// The other way round: whatever can be said stands in the printed default.
    #[test]
    fn every_key_that_is_known_is_shown() {
        for table in ["", "[store]\n", "[retention]\n", "[limits]\n"] {
            let error = parse(&format!("{table}nonsense = 1")).unwrap_err();
            let known = error.lines().next().unwrap().split("expected one of ").nth(1).unwrap();
            for key in known.split('`').skip(1).step_by(2) {
                let shown = |line: &str| {
                    let line = line.strip_prefix("# ").unwrap_or(line);
                    line.starts_with(&format!("{key} =")) || line.trim_matches(['[', ']']) == key
                };
                assert!(Config::print_default().lines().any(shown), "{key} is not shown");
            }
        }
    }

    #[test]
    fn errors_name_file_line_and_column() {
        let starts = |text: &str, start: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(start), "{error:?} does not start with {start:?}");
        };
        starts("live = \"auto\"\n\nlisten_on = []\n", "b.toml:3:1: unknown field `listen_on`");
        starts("[store]\nsync_witin = \"1s\"", "b.toml:2:1: unknown field `sync_witin`");
        starts("[stores]\n", "b.toml:1:2: unknown field `stores`");
        // Of a value in a list, the list's place is known.
        starts("listen = [\n \"6666\", \"x\"]", "b.toml:1:10: \"x\": give an address and a port");
        starts("allow = [\"10.0.0.0/33\"]", "b.toml:1:9: \"10.0.0.0/33\": give a network");
        starts("patience = \"soon\"", "b.toml:1:12: \"soon\": give a length of time");
        starts("receive_buffer = \"much\"", "b.toml:1:18: \"much\": give a size");
        starts("receive_buffer = -1", "b.toml:1:18: ");
        starts("[retention]\nsize = 0", "b.toml:2:8: nothing fits into 0 bytes");
        starts("data = \"\"", "b.toml:1:8: give a directory");
        starts("[retention]\nage = \"0s\"", "b.toml:2:7: nothing is kept for no time");
        starts("[store]\nsegment_size = 1", "b.toml:2:16: each line would be a segment");
        starts("[store]\nsegment_age = \"0s\"", "b.toml:2:15: each line would be a segment");
        starts("[store]\nqueue = \"0\"", "b.toml:2:9: nothing fits into 0 bytes");
        starts("[limits]\nproven_streams = 0", "b.toml:2:18: give at least 1");
        starts("[retention]\nhost_share = 1.5", "b.toml:2:14: a share is");
        starts("live = \"ä\"; x", "b.toml:1:11: ");
        starts("live = \"loud\"", "b.toml:1:8: unknown variant `loud`");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Config::load(Path::new("/nonexistent/b.toml")).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read the configuration /nonexistent/b.toml: "),
            "{error}"
        );
    }

    #[test]
    fn what_a_running_doctor_takes_over_needs_no_restart() {
        let old = Config::default();
        let patience = "patience = \"0s\"\npatience_unfollowed = \"0s\"";
        let taken_over = format!("allow = [\"10.0.0.0/8\"]\n{patience}\nanswer = false");
        let new = parse(&taken_over).unwrap();
        assert_eq!(old.needs_restart(&new), Vec::<&str>::new());
        let new = parse("data = \"/srv\"\nlisten = [\"514\"]\n[limits]\nsiblings = 9").unwrap();
        assert_eq!(old.needs_restart(&new), ["listen", "data", "limits"]);
    }
}
