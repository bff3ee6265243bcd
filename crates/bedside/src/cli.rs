//! The command line: every command, its options, and their help.
//!
//! Help, man pages and completions are all made from what is declared here.

mod boot_words;
pub(crate) mod epilogue;
mod incidents;
mod log;
mod store;
pub(crate) mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};
use ipnet::IpNet;

pub use self::incidents::{
    AlertArgs, AlertCommand, AlertTestArgs, IncidentArgs, IncidentsArgs, Report, TriageArgs, Word,
};
pub(crate) use self::log::LEVELS;
pub use self::log::{BootChoice, Levels, LogArgs, Output};
pub use self::store::{PruneArgs, StatsArgs, StoreArgs, StoreCommand};

/// Hears every kernel's netconsole, keeps every word, finds it again.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "bedside",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = epilogue::of("").text()
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Hear kernels and keep what they say
    #[command(after_help = epilogue::of("serve").text())]
    Serve(ServeArgs),
    /// Show what was heard
    #[command(after_help = epilogue::of("log").text())]
    Log(Box<LogArgs>),
    /// List the machines that were heard
    #[command(after_help = epilogue::of("hosts").text())]
    Hosts(ListArgs),
    /// List the boots of machines, how each began and how it ended
    #[command(after_help = epilogue::of("boots").text())]
    Boots(ListArgs),
    /// List what went wrong in kernels: crashes, warnings, lockups, each with how often and where
    #[command(after_help = epilogue::of("incidents").text())]
    Incidents(IncidentsArgs),
    /// Show one of them with its trace, or say what has become of it
    #[command(after_help = epilogue::of("incident").text())]
    Incident(IncidentArgs),
    /// Look after alerts: who is told of which incidents
    #[command(after_help = epilogue::of("alert").text())]
    Alert(AlertArgs),
    /// Find the incidents in any file with a kernel's lines: crashes, warnings, lockups
    #[command(after_help = epilogue::of("triage").text())]
    Triage(TriageArgs),
    /// Take a capture into a store, as if it were heard now
    #[command(after_help = epilogue::of("replay").text())]
    Replay(ReplayArgs),
    /// Show a recorded death of a kernel, heard over loopback
    #[command(after_help = epilogue::of("demo").text())]
    Demo(DemoArgs),
    /// Look for what keeps lines from being heard or kept
    #[command(after_help = epilogue::of("check").text())]
    Check(CheckArgs),
    /// Look after a store
    #[command(after_help = epilogue::of("store").text())]
    Store(StoreArgs),
    /// Print the configuration file with all its defaults
    #[command(after_help = epilogue::of("config").text())]
    Config(ConfigArgs),
    /// Print completions for a shell
    #[command(after_help = epilogue::of("completions").text())]
    Completions(CompletionsArgs),
    /// Write the man pages into a directory
    #[command(after_help = epilogue::of("man").text())]
    Man(ManArgs),
}

/// Which store.
#[derive(Args, Clone, Debug, Default)]
pub struct DataArg {
    /// The store's directory
    ///
    /// Without it: $BEDSIDE_DATA, else $STATE_DIRECTORY (set by systemd), else
    /// /var/lib/bedside for root, else bedside under $XDG_STATE_HOME or ~/.local/state.
    #[arg(long, value_name = "DIR", env = "BEDSIDE_DATA", hide_env_values = true)]
    #[arg(value_hint = ValueHint::DirPath)]
    #[arg(value_parser = OsStringValueParser::new().try_map(values::directory))]
    pub data: Option<PathBuf>,
}

/// `bedside serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Listen here; give it several times for several sockets
    ///
    /// ADDR:PORT, IPv6 addresses in brackets, or a PORT alone for all addresses. Port 0 takes a
    /// free one. Without it: what the configuration says, else port 6666 on all addresses.
    #[arg(short, long, value_name = "ADDR:PORT", value_parser = values::listen)]
    pub listen: Vec<SocketAddr>,
    /// Which store.
    #[command(flatten)]
    pub data: DataArg,
    /// Read the configuration from this file; options given here win over it
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Hear senders of this network only; give it several times for several networks
    #[arg(short, long, value_name = "NET", value_parser = values::network)]
    pub allow: Vec<IpNet>,
}

/// Whether strangers are left out.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct StrangersArg {
    /// Strangers too: new senders in a flood, heard no more than a few times (reads the store)
    #[arg(long)]
    pub all: bool,
}

/// `bedside hosts` and `bedside boots`.
#[derive(Args, Clone, Debug, Default)]
pub struct ListArgs {
    /// Names or addresses of machines, with * ? [a-z] {a,b} as in a shell; all without any
    #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub hosts: Vec<String>,
    /// Which store.
    #[command(flatten)]
    pub data: DataArg,
    /// Print one JSON object; the man page names its keys
    #[arg(long)]
    pub json: bool,
    /// Who is left out.
    #[command(flatten)]
    pub strangers: StrangersArg,
}

/// `bedside replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// A pcap or pcapng file, or JSON lines of datagrams
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Which store.
    #[command(flatten)]
    pub data: DataArg,
    /// Take datagrams to this UDP port only; give it several times for several ports
    #[arg(short, long, value_name = "PORT")]
    pub port: Vec<u16>,
}

/// `bedside demo`.
#[derive(Args, Clone, Debug, Default)]
pub struct DemoArgs {}

/// `bedside check`.
#[derive(Args, Clone, Debug, Default)]
pub struct CheckArgs {
    /// Check these addresses and ports instead of those of the configuration
    #[arg(short, long, value_name = "ADDR:PORT", value_parser = values::listen)]
    pub listen: Vec<SocketAddr>,
    /// Which store.
    #[command(flatten)]
    pub data: DataArg,
    /// Read the configuration from this file
    ///
    /// Without it, and where neither --listen nor --data is given, from /etc/bedside/bedside.toml, if
    /// that is there.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Print one JSON object; the man page names its keys
    #[arg(long)]
    pub json: bool,
}

/// `bedside config`.
#[derive(Args, Clone, Copy, Debug)]
pub struct ConfigArgs {
    /// Print a configuration file that says what is done without one
    #[arg(long, required = true)]
    pub print_default: bool,
}

/// `bedside completions`.
#[derive(Args, Clone, Copy, Debug)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `bedside man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Where to write them
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

/// Reads the command line, program name first.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let words = boot_words::join(words.into_iter().collect(), &command);
    let mut matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// What the command line is made of, for help, man pages and completions.
pub fn definition() -> clap::Command {
    Cli::command()
}

/// The command lines that the help of the command with these words gives as examples.
pub fn examples(words: &str) -> impl Iterator<Item = &'static str> {
    epilogue::of(words).examples.iter().map(|(line, _)| *line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Cli {
        try_read(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn try_read(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    fn log(line: &str) -> LogArgs {
        match read(line).command {
            Command::Log(args) => *args,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn check_boot(line: &str, boot: Option<BootChoice>, hosts: &[&str]) {
        let args = log(line);
        assert_eq!(
            (args.boot, args.hosts),
            (boot, hosts.iter().map(ToString::to_string).collect())
        );
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn the_word_after_b_is_taken_only_if_it_is_an_integer() {
        use BootChoice::{Back, Number};
        check_boot("bedside log web1", None, &["web1"]);
        check_boot("bedside log -b", Some(Back(0)), &[]);
        check_boot("bedside log -b web1", Some(Back(0)), &["web1"]);
        check_boot("bedside log -b 0 web1", Some(Back(0)), &["web1"]);
        check_boot("bedside log -b -1 web1", Some(Back(1)), &["web1"]);
        check_boot("bedside log web1 -b -1", Some(Back(1)), &["web1"]);
        check_boot("bedside log -b 3", Some(Number(3)), &[]);
        check_boot("bedside log -b +3", Some(Number(3)), &[]);
        check_boot("bedside log -b=2", Some(Number(2)), &[]);
        check_boot("bedside log -b2", Some(Number(2)), &[]);
        check_boot("bedside log -b-2 web1", Some(Back(2)), &["web1"]);
        check_boot("bedside log --boot web1", Some(Back(0)), &["web1"]);
        check_boot("bedside log --boot -3 web1", Some(Back(3)), &["web1"]);
        check_boot("bedside log --boot=4 web1", Some(Number(4)), &["web1"]);
        check_boot("bedside log -b 10.0.0.7", Some(Back(0)), &["10.0.0.7"]);
        check_boot("bedside log -b -- 42", Some(Back(0)), &["42"]);
        check_boot("bedside log -- -b", None, &["-b"]);
    }

    #[test]
    fn b_stands_among_other_letters_and_values() {
        use BootChoice::{Back, Number};
        let both = log("bedside log -fb -1 web1");
        assert_eq!((both.follow, both.boot, both.hosts.len()), (true, Some(Back(1)), 1));
        let both = log("bedside log -bf web1");
        assert_eq!((both.follow, both.boot), (true, Some(Back(0))));
        let both = log("bedside log -b2f web1");
        assert_eq!((both.follow, both.boot), (true, Some(Number(2))));
        let value = log("bedside log -g -b 3 -n 5 --output json --since -1h");
        assert_eq!(value.grep.map(|grep| grep.to_string()).as_deref(), Some("-b"));
        assert_eq!((value.boot, value.lines), (None, Some(5)));
        assert_eq!(value.hosts, ["3"]);
    }

    #[test]
    fn times_and_levels_may_begin_with_a_hyphen_or_be_ranges() {
        let args = log("bedside log -S -1h -U -5min -p err..warning web*");
        assert!(args.since.unwrap() < args.until.unwrap());
        assert_eq!(args.priority, Some(Levels { from: 3, to: 4 }));
        assert_eq!(args.hosts, ["web*"]);
    }

    #[test]
    fn what_contradicts_itself_is_a_usage_error() {
        for line in [
            "bedside",
            "bedside nurse",
            "bedside log -b 3x4 -b 99999999999999999999",
            "bedside log -f --reverse",
            "bedside log -f -U now",
            "bedside log -p loud",
            "bedside log -S noon",
            "bedside log -n -1",
            "bedside log -1",
            "bedside log -o xml",
            "bedside log -g (",
            "bedside hosts --data=",
            "bedside serve --listen nowhere",
            "bedside serve --allow 10.0.0.0/33",
            "bedside replay",
            "bedside config",
            "bedside store prune",
        ] {
            let error = try_read(line).map(|cli| panic!("{line}: {cli:?}")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn listen_takes_a_port_alone() {
        let Command::Serve(args) =
            read("bedside serve -l 514 -l 127.0.0.1:0 -l [::1]:6666 -a 10.0.0.0/8 -a ::1").command
        else {
            panic!("not serve")
        };
        let listen: Vec<String> = args.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["[::]:514", "127.0.0.1:0", "[::1]:6666"]);
        let allow: Vec<String> = args.allow.iter().map(ToString::to_string).collect();
        assert_eq!(allow, ["10.0.0.0/8", "::1/128"]);
    }
}
