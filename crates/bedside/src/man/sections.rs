//! What a man page says beyond the help: the JSON contract, files, environment.

use bedside_triage::Kind;
use clap_mangen::roff::Roff;

use super::{entry, paragraphs};

/// Adds the sections of the command with these words.
pub(super) fn add(roff: &mut Roff, words: &str) {
    match words {
        "" => {
            section(roff, "FILES", &[], FILES);
            section(roff, "ENVIRONMENT", &[], ENVIRONMENT);
        }
        "log" => {
            section(roff, "TEXT", TEXT, &[]);
            section(roff, "JSON", JSON, EVERY_OBJECT);
            section(roff, "JSON: record", &[], RECORD);
            section(roff, "JSON: gap", &[], GAP);
            section(roff, "JSON: boot", &[], BOOT);
        }
        "hosts" => section(roff, "JSON", HOSTS_JSON, HOSTS_KEYS),
        "check" => section(roff, "JSON", CHECK_JSON, CHECK_KEYS),
        "store stats" => section(roff, "JSON", STATS_JSON, STATS_KEYS),
        "boots" => section(roff, "JSON", BOOTS_JSON, BOOTS_KEYS),
        "incidents" => section(roff, "JSON", INCIDENTS_JSON, INCIDENTS_KEYS),
        "incident" => {
            section(roff, "JSON", INCIDENT_JSON, INCIDENT_KEYS);
            section(roff, "JSON: the machine, the case, the bug", &[], STORY_KEYS);
        }
        "triage" => {
            section(roff, "KINDS", &[], &kinds());
            section(roff, "JSON", TRIAGE_JSON, INCIDENT_KEYS);
        }
        _ => {}
    }
}

fn section(roff: &mut Roff, title: &str, texts: &[&str], entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    paragraphs(roff, texts);
    for (key, meaning) in entries {
        entry(roff, key, meaning);
    }
}

/// Every kind of an incident, and what it means.
fn kinds() -> Vec<(&'static str, &'static str)> {
    Kind::ALL.iter().map(|kind| (kind.as_str(), kind.meaning())).collect()
}

const FILES: &[(&str, &str)] = &[
    (
        "/var/lib/bedside",
        "The store of a doctor that runs as root or as a system service. A user who reads without \
         --data and has no store of their own reads this one.",
    ),
    (
        "~/.local/state/bedside",
        "The store of a user's own doctor; under $XDG_STATE_HOME where that is set.",
    ),
    ("DIR/segments/*.zst", "What was heard, in frames that zstdcat(1) turns into readable lines."),
    ("DIR/catalogue.sqlite", "Hosts and boots; `bedside store rebuild` makes it anew."),
    ("DIR/pulse", "The last heartbeat of each boot; `bedside hosts` and `boots` tell it."),
    (
        "DIR/pstore",
        "What agents found of their kernels' last deaths, a JSON object a line; `bedside log` and \
         `boots` tell it.",
    ),
    (
        "DIR/incidents.sqlite",
        "Incidents; `bedside store rebuild` finds them anew. `bedside incidents` tells them.",
    ),
    ("DIR/ledger", "What people said of incidents, a JSON object a line; nothing else has it."),
    ("DIR/health", "How the running doctor is; `bedside check` tells it."),
    (crate::config::PACKAGED, "The configuration that the packaged service reads."),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("BEDSIDE_DATA", "The store's directory, where --data is not given."),
    ("STATE_DIRECTORY", "The store's directory as systemd sets it."),
    ("XDG_STATE_HOME", "Where a user's own store is."),
    ("NO_COLOR", "Set to anything: no colours. Without it, colours go to terminals only."),
    ("CLICOLOR_FORCE", "Set to anything but 0: colours go to files and pipes too."),
    (
        "BEDSIDE_LOG",
        "How much is told on standard error beside the output: error, warn, info, debug, or as \
         the Rust crate env_logger has it. serve says info and worse, other commands warn.",
    ),
    ("TZ", "The zone of times given and shown; JSON is always in UTC."),
    ("LISTEN_FDS, LISTEN_PID", "Sockets handed over by a service manager; `serve` hears on them."),
    ("NOTIFY_SOCKET", "Where `serve` tells a service manager how it is."),
];

const TEXT: &[&str] = &[
    "In short and full, whatever could act on a terminal or mislead the eye is shown as \\xNN, \
     byte by byte: controls, characters that reorder or hide text, and what is not UTF-8. A \
     newline inside a record begins an indented line. -o raw writes the exact bytes of each text \
     and a newline, and nothing else; it refuses a terminal unless it is given --force.",
    "A gap says no more than is known. \"lost on the way\": the sender's own count shows that it \
     was sent. \"dropped by the sender\": the kernel said so. \"not seen (filtered or lost)\": a \
     hole in the kernel's record numbers, which also the console log level makes. \"not held \
     (deleted, filtered or lost)\": the same where retention has deleted in between. \"lost here\": \
     the receive buffer was full; any machine may be concerned. \"not kept\": one of the doctor's \
     own limits. Gaps without a record between them are summed up.",
    "On a terminal the times of a line that an incident was cut from are red; -o full names the \
     incident. With -f nothing is marked.",
    "A boot that fell silent gave no last word: it may have crashed, lost its network, or been \
     rebooted by a kernel that sends none. Records of the basic format carry no level, so -p \
     never leaves them out.",
];

const JSON: &[&str] =
    &["-o json writes one object a line. Later versions add keys and never change one. A key is \
     null where its value is not known. Every object has:"];

const EVERY_OBJECT: &[(&str, &str)] = &[
    ("v", "1."),
    (
        "type",
        "\"record\", \"gap\", \"boot\", or \"pstore\": a record that nobody heard when it was said, \
         but an agent found in pstore after the next start.",
    ),
    ("host", "The machine: `host` of its userdata, else its address. Null in a gap of no machine."),
    ("source", "The sender: \"ip:port\" or \"[ip]:port\"."),
    ("port", "Our port, a number."),
    ("boot", "The number of the boot, from 1 for each host."),
    (
        "received",
        "When it was received, RFC 3339 in UTC with microseconds. In a gap: when it was noticed. \
         In a boot: when its first record was received (begin) or its last (end).",
    ),
];

const RECORD: &[(&str, &str)] = &[
    ("seq", "The kernel's record number."),
    ("uptime_us", "The kernel's time stamp: microseconds since it started."),
    ("level, facility", "Numbers as in syslog(3)."),
    ("caller", "\"T\" and a task, or \"C\" and a processor."),
    ("release", "The kernel's release, from this record's own header."),
    ("format", "\"extended\", \"basic\", \"rfc3164\", \"rfc5424\" or \"raw\"."),
    VOICE,
    (
        "text",
        "The message without its last newline, escapes undone. Bytes that are not UTF-8 are \
         replaced.",
    ),
    ("text_b64", "The exact bytes in base64; only where `text` could not hold them."),
    (
        "fields",
        "An object: header keys beyond the known ones, then the dictionary, in the order of the \
         wire. Values are strings; of a repeated key an array of strings.",
    ),
    ("incomplete", "True if some of it never came."),
    (
        "incident",
        "Of a line that an incident was cut from: what `bedside incident` takes. Not with -f.",
    ),
];

const GAP: &[(&str, &str)] = &[
    (
        "cause",
        "\"proven\": a hole in the sender's count of messages. \"dropped_by_sender\": its own word. \
         \"probable\": a hole in the record numbers, filtered or lost. \"unknown\": the same where a \
         segment of the store is gone, perhaps with them. \"socket\": our receive buffer was full. \
         \"limit\": a limit of the doctor.",
    ),
    ("count", "How many records, or datagrams for a socket or a limit."),
    ("from_seq, to_seq", "The first and the last missing number, of a hole in the numbers."),
];

const BOOT: &[(&str, &str)] = &[
    ("event", "\"begin\" before its records, \"end\" after them if it has ended."),
    (
        "end",
        "How it ended: \"clean\", \"panic\" or \"silence\"; null in \"begin\", and where it was no \
         boot. With -f an end that was told too early is told again.",
    ),
    (
        "provisional, same_as",
        "With -f: true while these may be earlier lines again; and in an \"end\" that takes such a \
         boot back, the one that goes on instead, with its new lines.",
    ),
    FATE,
    DEATH,
    VOICE,
    SIGNS,
    ("release", "The kernel's release."),
    ("first_received, last_received", "When its first and its last record were received."),
    ("records", "How many records of it are held, whatever is left out here."),
];

const HOSTS_JSON: &[&str] =
    &["--json prints one object: `v`, which is 1, and `hosts`, an array of objects with:"];

const HOSTS_KEYS: &[(&str, &str)] = &[
    ("host", "The machine: `host` of its userdata, else its address."),
    ("addresses", "An array of the addresses it was heard from."),
    ("boots", "How many boots of it are held."),
    ("first_received, last_received", "When its first and its last record were received."),
    ("records", "How many records are held."),
    (
        "records_last_minute, records_last_hour",
        "How many came in the last 60 and 3600 s, also those that a kernel sent again.",
    ),
    (
        "missing",
        "An object with a number for each cause: proven, dropped_by_sender, probable, \
         unknown, socket, limit; see bedside-log(1).",
    ),
    HEARTBEAT,
    ("last_line", "The text of the record received last."),
];

const HEARTBEAT: (&str, &str) = (
    "heartbeat",
    "Of a machine whose bedside-patient(1) has an agent, else null. An object: `life`, which is \
     \"alive\", \"left\" (the agent said goodbye) or \"flatline\" (three heartbeats are missing, or a \
     later boot beats, without a goodbye), `last_received`, `uptime_s`, `armed`, and \
     `transmit_errors`.",
);

const FATE: (&str, &str) = (
    "fate",
    "What is known beside its lines of a boot that ended without a last word, else null: \"panic\" \
     (its pstore tells), \"flatline\", \"left\", \"alive\" (its heartbeats tell).",
);

const VOICE: (&str, &str) = (
    "voice",
    "What tags prove, where the doctor has keys: \"signed\"; \"forged\", by no key that it has; \
     \"copied\", signed by another source or in an earlier boot; else \"plain\". Of a boot, by \
     whom its end was told.",
);

const SIGNS: (&str, &str) = (
    "signs",
    "True if this machine was heard to sign, in this boot or another: then a plain end is unproven.",
);

const DEATH: (&str, &str) = (
    "death",
    "Of a boot whose kernel has sent its death, or last an oops that it survived, and said what it \
     was made of (the module of kmod/), else null. An object: `reason` (\"panic\", \"oops\", or \
     \"emergency\": it restarted at once), `records`, how many it was, and `missing`, how many of \
     them are not held.",
);

const CHECK_JSON: &[&str] =
    &["--json prints one object: `v`, which is 1, and `checks`, an array of objects with:"];

const CHECK_KEYS: &[(&str, &str)] = &[
    (
        "what",
        "What was looked at: port, receive_buffer, firewall, disk, clock, key, doctor, store, \
         alerts, alert (the program of a rule), and of a running doctor keeping, catalogue, incidents, lost, strangers, allow, \
         heartbeats, key, tags; later versions may add some.",
    ),
    ("on", "Which one, where there may be several."),
    ("state", "\"ok\", \"problem\", or \"unknown\" where it could not be looked at."),
    ("evidence", "What was seen."),
    ("cure", "What to do about it."),
];

const STATS_JSON: &[&str] = &["--json prints one object with:"];

const STATS_KEYS: &[(&str, &str)] = &[
    ("v", "1."),
    ("hosts, boots, records", "How many are held; of records, repeats too."),
    ("entries", "Lines: records, gaps, and states of runs."),
    ("bytes, text_bytes", "The size of all segments, and that of their lines."),
    (
        "sealed, live, blocks",
        "How many segments are sealed and live, and how many blocks they have.",
    ),
    ("damaged", "How many segments are damaged, which the other numbers leave out."),
];

const TRIAGE_JSON: &[&str] = &[
    "--json writes one object a line for each incident, in the order of their first lines. Later \
     versions add keys and never change one. Each has:",
];

const INCIDENT_KEYS: &[(&str, &str)] = &[
    ("v", "1."),
    ("kind", "One of the kinds that bedside-triage(1) lists."),
    (
        "title",
        "One line that is the same for the same bug on every machine, as syzkaller writes them.",
    ),
    ("alternatives", "An array of titles that are as good."),
    ("type", "The class that syzkaller gives it (\"KASAN-READ\", \"LOCKDEP\" …), or null."),
    (
        "corrupted",
        "True if the lines are too broken to be sure of title and function: cut off, garbled, \
         mixed with others, without a trace, or without the first one, which was lost.",
    ),
    ("function, file", "The guilty function and its source file, or null where no line tells."),
    (
        "trace",
        "An array of frames, the guilty one first, then outwards; in front of it called ones stand \
         at the end. Objects with `function`, `offset` and `size` in bytes, `module`, `source` \
         (\"file.c:123\"), `inline`, `reliable` (false of a frame with `?`), and `section`: \
         \"task\", \"irq\", \"softirq\", \"nmi\" or \"exception\".",
    ),
    ("fingerprint", "16 hexadecimal digits that are the same for the same bug."),
    ("first_line, last_line", "Its lines, counted from 1."),
];

const INCIDENTS_JSON: &[&str] =
    &["--json prints one object: `v`, which is 1, and `incidents`, an array of objects with:"];

const INCIDENTS_KEYS: &[(&str, &str)] = &[
    ("id", "What `bedside incident` takes: the first digits of the fingerprint."),
    ("fingerprint", "16 hexadecimal digits that are the same for the same bug."),
    ("title, kind", "As bedside-triage(1) has them, of the last case."),
    ("severity", "The worst of its cases: \"warning\", \"error\", \"critical\" or \"fatal\"."),
    STATE,
    ("note", "What somebody has noted, or null."),
    ("count", "How many cases there were."),
    (
        "days",
        "An array of seven numbers: cases on each of the last days of 24 hours, the last one last.",
    ),
    ("machines, releases", "Arrays of the machines and the kernels' releases."),
    ("voices", "An object: how many of the cases that are held are plain, signed, forged, copied."),
    (
        "by_machine, by_release",
        "Objects with a number for each: how many of the cases that are held it had.",
    ),
    ("first_seen, last_seen", "When the first and the last line of all cases were received."),
];

const STATE: (&str, &str) = (
    "state",
    "\"open\", \"resolved\", \"ignored\", or \"regressed\": it came back after it was resolved.",
);

const INCIDENT_JSON: &[&str] =
    &["--json prints one object. A command that is run as an alert gets the same on its standard \
     input. `first_line` and `last_line` are the kernel's record numbers where it gives them."];

const STORY_KEYS: &[(&str, &str)] = &[
    ("id", "What `bedside incident` takes: the first digits of the fingerprint."),
    ("severity", "\"warning\", \"error\", \"critical\" or \"fatal\"."),
    ("panicked", "True if the kernel panicked."),
    ("voice", "Whether this case is proven by its tags, as bedside-log(1) has it."),
    ("voices", "How many cases are plain, signed, forged, copied."),
    ("host, boot, source", "The machine, the number of its boot, and who sent its lines."),
    ("received", "When the first line was received."),
    ("open", "True while more lines may come."),
    ("cpu, pid, command", "Where it happened, as the lines tell it, or null."),
    ("release, hardware, taint, modules", "The kernel and the machine."),
    ("registers, code", "An array of pairs of name and value, and the bytes at the fault."),
    ("lines, before", "Arrays of its own lines and of those before it."),
    STATE,
    ("note, count, machines, releases, first_seen, last_seen", "As bedside-incidents(1) has them."),
    (
        "death",
        "How much is here of the death that its kernel sent then, as `boots --json` has it, or null; \
         null in alerts.",
    ),
];

const BOOTS_JSON: &[&str] =
    &["--json prints one object: `v`, which is 1, and `boots`, an array of objects with:"];

const BOOTS_KEYS: &[(&str, &str)] = &[
    ("host", "The machine: `host` of its userdata, else its address."),
    ("boot", "The number of the boot, from 1 for each host."),
    ("boot_id", "`boot_id` of its userdata."),
    ("release", "The kernel's release."),
    ("end", "\"clean\", \"panic\", \"silence\", or null while it may still speak."),
    ("provisional", "True while it is not known whether these are earlier lines again."),
    VOICE,
    SIGNS,
    ("signed_records", "How many records were heard signed, repeats counted."),
    ("first_received, last_received", "When its first and its last record were received."),
    ("records", "How many records are held."),
    (
        "missing",
        "An object with a number for each cause: proven, dropped_by_sender, probable, unknown, \
         socket, limit; see bedside-log(1).",
    ),
    ("sources", "An array of the senders, \"ip:port\"."),
    ("ports", "An array of our ports."),
    ("formats", "An array of the formats of its records."),
    HEARTBEAT,
    FATE,
    DEATH,
    (
        "pstore",
        "An array of what an agent found of its death: objects with `from` (\"ramoops\", \"efi\"), \
         `why` (\"Panic#1\"), `died` by the machine's clock, `received`, `lines`, how many of them \
         were `unheard`, how many are `missing`, and `joined`: \"lines\" if some of them were heard \
         of this boot, \"order\" if it is only the one before that in which they were found.",
    ),
    ("incidents", "An array of what went wrong in it, as `bedside incident` takes it."),
];
