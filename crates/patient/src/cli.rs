//! The command line: every command, its options, and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

/// Points this machine's kernel at its doctor, proves it, keeps it so, undoes it.
#[derive(Clone, Debug, Parser)]
#[command(name = "bedside-patient", version, disable_help_subcommand = true, after_help = TOP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Take every path below this directory; for tests
    #[arg(long, value_name = "DIR", default_value = "/", hide = true, global = true)]
    #[arg(value_hint = ValueHint::DirPath)]
    pub root: PathBuf,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Have the kernel send its log to a doctor, and prove it
    #[command(after_help = UP)]
    Up(UpArgs),
    /// Take back everything that `up` did
    #[command(after_help = DOWN)]
    Down,
    /// Tell whether the kernel sends, to whom, when it was heard, and what is wrong
    #[command(after_help = STATUS)]
    Status(StatusArgs),
    /// Look for what keeps lines from being heard
    #[command(after_help = CHECK)]
    Check(CheckArgs),
    /// Have the kernel say a line, and ask the doctor whether it was heard
    #[command(after_help = TEST)]
    Test(TestArgs),
    /// Keep the kernel armed as `up` was told, whatever happens to the network
    #[command(after_help = AGENT)]
    Agent,
    /// Send the kernel's log from user space, where netconsole can't be used
    #[command(after_help = RELAY)]
    Relay(RelayArgs),
    /// Say in words what a netconsole= parameter means
    #[command(after_help = EXPLAIN)]
    Explain(ExplainArgs),
}

/// `bedside-patient up`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct UpArgs {
    /// Who is to hear: `HOST`, `HOST:PORT`, `[IPV6]:PORT`, `[+][PORT]@HOST`, or a kernel parameter
    #[arg(value_name = "DOCTOR", required = true, value_hint = ValueHint::Hostname)]
    pub doctors: Vec<String>,
    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Also after the next start of the machine; that is what is done unless told otherwise
    #[arg(long, overrides_with = "no_permanent")]
    pub permanent: bool,
    /// Until the next start of the machine only
    #[arg(long)]
    pub no_permanent: bool,
    /// Load netconsole in the initramfs already, and say what to put on the kernel's command line
    #[arg(long, conflicts_with = "no_permanent")]
    pub early: bool,
    /// Send from user space, where netconsole can't be used: Wi-Fi, WireGuard
    #[arg(long, conflicts_with_all = ["no_permanent", "early", "log_level"])]
    pub relay: bool,
    /// Don't prove it
    #[arg(long)]
    pub no_test: bool,
    /// The console log level: lines of this number and above are not sent; 8 sends all; or `leave`
    #[arg(long, value_name = "LEVEL", default_value = "8", value_parser = level)]
    pub log_level: Level,
    /// Have the agent say every so many seconds that the machine lives; or `off`
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = heartbeat)]
    pub heartbeat: Heartbeat,
}

/// A console log level, or that it is to be left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub Option<u8>);

/// Seconds between two heartbeats, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat(pub Option<u32>);

/// `bedside-patient status`.
#[derive(Args, Clone, Copy, Debug)]
pub struct StatusArgs {
    /// Print one JSON object: `v`, which is 1, and what else the text says
    #[arg(long)]
    pub json: bool,
}

/// `bedside-patient test`.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// Who should have heard it; without it, whoever `up` was given
    #[arg(value_name = "DOCTOR", value_hint = ValueHint::Hostname)]
    pub doctors: Vec<String>,
}

/// `bedside-patient check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Who should hear; without it, whoever `up` was given
    #[arg(value_name = "DOCTOR", value_hint = ValueHint::Hostname)]
    pub doctors: Vec<String>,
    /// Print one JSON object: `v`, which is 1, and `checks`, with what, on, state, evidence, cure
    #[arg(long)]
    pub json: bool,
    /// Say what the kernel is to do when it dies, for good, until `down`: panic=0; give it several
    /// times
    #[arg(long, value_name = "NAME=VALUE", conflicts_with_all = ["doctors", "json"])]
    pub set_panic: Vec<String>,
}

/// `bedside-patient relay`.
#[derive(Args, Clone, Debug)]
pub struct RelayArgs {
    /// Who is to hear: `HOST`, `HOST:PORT`, `[IPV6]:PORT`
    #[arg(value_name = "DOCTOR", required = true, value_hint = ValueHint::Hostname)]
    pub doctors: Vec<String>,
    /// End when the process ends that started it, which has this number
    #[arg(long, hide = true, value_name = "PID")]
    pub with_parent: Option<i32>,
}

/// `bedside-patient explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The parameter, with or without its name: netconsole=+@/,6666@192.168.0.2/
    #[arg(value_name = "PARAMETER")]
    pub parameter: String,
}

fn level(word: &str) -> Result<Level, String> {
    bedside_plan::parse_level(word).map(Level)
}

fn heartbeat(word: &str) -> Result<Heartbeat, String> {
    bedside_plan::parse_heartbeat(word).map(Heartbeat)
}

const TOP: &str = "\
Examples:
  bedside-patient up 192.168.0.2              all that a machine on one network needs
  bedside-patient up doctor.example:514       a name, another port
  bedside-patient up +1234@/,53@192.0.32.10/  through a router, from port 1234
  bedside-patient status
  bedside-patient down

Exit status: 0 well, 1 a problem was found, 2 the command line makes no sense,
3 it could not be done or found out.";

const UP: &str = "\
The routing table says through which device and router; the router's or doctor's hardware
address is asked for. Doing it again changes nothing that is as it should be.

Where the module bedside_netconsole is installed it is loaded beside netconsole, for the kernel's
death; where the kernel has no netconsole, instead of it. If the kernel would die in silence
without it, that is told.

Examples:
  bedside-patient up --dry-run 192.168.0.2
  bedside-patient up 192.168.0.2 [fd00::2]:514
  bedside-patient up +6666@doctor.example     as Debian's netconsole-setup has it
  bedside-patient up '+@/eth1,@10.0.0.2/'     through eth1, whatever the routing table says
  bedside-patient up --relay doctor.example   from user space: a laptop on Wi-Fi

Exit status: 0 armed and heard, 1 refused or not heard, 2 the command line makes no sense,
3 it could not be done (what was begun was taken back), or a doctor does not answer questions.";

const DOWN: &str = "\
Targets, module, log level, files and service become what they were before the first `up`, also
after a crash in the middle of one.

Exit status: 0 all was taken back, 3 something could not be; try again.";

const STATUS: &str = "\
Each target is told with who made it, and whom the module bedside_netconsole would send the
kernel's death to. A doctor is asked when it heard this machine last; one that
does not answer is told, and is no fault. Nothing is changed and no line is written.

Keys of --json: v (1); sends; relay, whether user space sends; as_wished, null where nothing is
wished; wish, the doctors as they were written; module (loaded, built_in, none); consoles; sealed,
null where only root may see it; console_level; targets of netconsole, and hidden_target, which
only the parameter shows; dumper, the module bedside_netconsole; doctors, and when each heard this
machine; faults, as `check` has them.

Exit status: 0 it sends, 1 it does not, not all is as wished, or a doctor never heard it, 3 it could
not be found out.";

const CHECK: &str = "\
Nothing is changed without --set-panic. Its names are those of the kernel's settings: panic,
panic_on_oops, panic_on_warn, softlockup_panic, hardlockup_panic, hung_task_panic.

Examples:
  bedside-patient check
  bedside-patient check --set-panic panic=0 --set-panic panic_on_oops=1

Exit status: 0 all is well, 1 a problem was found, 2 the command line makes no sense,
3 something could not be looked at.";

const TEST: &str = "\
The question goes out from a socket of its own, because no answer would come through a firewall
to netconsole's own port.

Exit status: 0 every doctor heard it, 1 one did not, 2 the command line makes no sense,
3 a doctor does not answer questions, so nobody knows.";

const AGENT: &str = "\
`up` has the init system start it. It hears of devices, addresses, routes and neighbours from
the kernel, and makes the targets again what they should be. Every 10 s it tells the doctor that
the machine lives, as syslog; and a last time when it is told to end. After `up --relay` it has a
`bedside-patient relay` send the kernel's log. What the kernel left in
pstore when it died last is sent once, and stays there. With a key in /etc/bedside/patient.key
(root's, mode 0600) all that it says is sealed, and the module bedside_netconsole, where it is in
use, signs what the kernel says; the doctor's `key_file` has to hold the same.

Exit status: 0 it was told to end (SIGTERM, SIGINT), 2 nothing is wished of this machine, 3 it
could not go on.";

const RELAY: &str = "\
For Wi-Fi, WireGuard and whatever else netconsole can't send through; until it is told to end.
`bedside-patient up --relay` has it started with the machine. It sends the whole ring
buffer, then each line as it comes, in netconsole's extended format, and goes on where it was when
it is started anew. It lives in user space: of a panic it sends nothing.

Examples:
  bedside-patient relay doctor.example

Exit status: 0 it was told to end (SIGTERM, SIGINT), 2 the command line makes no sense, 3 the
kernel's log can't be read.";

const EXPLAIN: &str = "\
Examples:
  bedside-patient explain 'netconsole=@/,514@192.168.0.2/00:30:1b:b3:67:c1'

Exit status: 0 explained, 1 the kernel would not understand it, 2 the command line makes no sense.";
