//! What stands at the end of each command's help, and in its man page: examples, notes, exit
//! status.

/// The end of a command's help.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epilogue {
    /// Command lines, and what they are for where that is not plain.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    /// Paragraphs.
    pub(crate) notes: &'static [&'static str],
    /// Exit statuses and what they mean.
    pub(crate) exit: &'static [(u8, &'static str)],
}

impl Epilogue {
    /// As plain text.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("Examples:\n");
        let width =
            |(command, what): &(&str, &str)| if what.is_empty() { 0 } else { command.len() };
        let width = self.examples.iter().map(width).max().unwrap_or(0);
        for (command, what) in self.examples {
            let line = format!("  {command:width$}  {what}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for note in self.notes {
            text.push('\n');
            text.push_str(&wrapped(note));
        }
        text.push_str("\nExit status:\n");
        let exit = self.exit.iter().map(|(status, meaning)| format!("  {status}  {meaning}"));
        text + &exit.collect::<Vec<String>>().join("\n")
    }
}

/// The end of the help of the command with these words: `store verify`; of `bedside` itself
/// without any.
pub(crate) fn of(words: &str) -> &'static Epilogue {
    match words {
        "serve" => &SERVE,
        "log" => &LOG,
        "hosts" => &HOSTS,
        "boots" => &BOOTS,
        "incidents" => &INCIDENTS,
        "incident" => &INCIDENT,
        "alert" | "alert test" => &ALERT,
        "triage" => &TRIAGE,
        "replay" => &REPLAY,
        "demo" => &DEMO,
        "check" => &CHECK,
        "store" => &STORE,
        "store rebuild" => &STORE_REBUILD,
        "store verify" => &STORE_VERIFY,
        "store stats" => &STORE_STATS,
        "store prune" => &STORE_PRUNE,
        "config" => &CONFIG,
        "completions" => &COMPLETIONS,
        "man" => &MAN,
        _ => &TOP,
    }
}

/// The text in lines of at most 90 characters.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        if width > 0 && width + 1 + word.len() > 90 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += word.len();
    }
    lines.push('\n');
    lines
}

const USAGE: (u8, &str) = (2, "the command line makes no sense");
const UNREADABLE: (u8, &str) = (3, "the store could not be read");

static TOP: Epilogue = Epilogue {
    examples: &[
        ("bedside demo", "see what it does; nothing is set up or kept"),
        ("bedside serve", "hear kernels on port 6666, show and keep what they say"),
        ("bedside log -f", "follow all machines"),
        ("bedside log -b web1", "all that web1 said in its current boot"),
        ("bedside boots web1", "its boots, and how each ended"),
    ],
    notes: &[],
    exit: &[
        (0, "all is well"),
        (1, "a problem was found, or nothing of what was asked for"),
        (2, "the command line or the configuration makes no sense"),
        (3, "it could not be done or found out"),
    ],
};

static SERVE: Epilogue = Epilogue {
    examples: &[
        ("bedside serve", ""),
        ("bedside serve --listen 192.0.2.1:6666 --listen [2001:db8::1]:6666", ""),
        ("bedside serve --listen 514 --allow 10.0.0.0/8 --data /srv/bedside", ""),
    ],
    notes: &[
        "A kernel is made to speak with `bedside-patient up 192.0.2.1` on its machine; by hand with \
         `modprobe netconsole netconsole=+@/eth0,6666@192.0.2.1/52:54:00:12:34:56` and `dmesg -n \
         8`, where the last address is that of this machine's network card, or of the router's on \
         the way.",
        "SIGTERM and SIGINT end it with everything kept; SIGHUP reads the configuration again.",
    ],
    exit: &[
        (0, "ended by a signal, everything kept"),
        (2, "the command line or the configuration makes no sense"),
        (3, "it could not hear or keep: a port is taken, the store is another doctor's"),
    ],
};

static LOG: Epilogue = Epilogue {
    examples: &[
        ("bedside log web1", "all that is held of web1"),
        ("bedside log -b -1 web1", "its boot before the current one"),
        ("bedside log -f 'web*' -p err", "follow some; errors, and lines without a level"),
        ("bedside log -g 'BUG:|Oops' -S -1h", "what went wrong within the last hour"),
        ("bedside log -n 20 -o full db1", "all that is known of the last 20 records"),
        ("bedside log -o json | jq -r .text", "for programs"),
    ],
    notes: &[
        "Boots stand in the order in which they were first heard; the records of a boot by their \
         number where they have one, else by arrival; with -f all stand by arrival. Gaps and the \
         beginnings and ends of boots have lines of their own. -p and -g leave out records, and -g \
         holes in the numbers; in text a boot without any record left is left out too.",
    ],
    exit: &[
        (0, "shown"),
        (1, "no machine or boot is the one asked for, or -g matched nothing"),
        USAGE,
        UNREADABLE,
    ],
};

static HOSTS: Epilogue = Epilogue {
    examples: &[
        ("bedside hosts", ""),
        ("bedside hosts 'web*' 10.0.0.7", ""),
        ("bedside hosts --json | jq -r '.hosts[].host'", ""),
    ],
    notes: &[],
    exit: &[(0, "listed"), (1, "no machine is the one asked for"), USAGE, UNREADABLE],
};

static BOOTS: Epilogue = Epilogue {
    examples: &[
        ("bedside boots web1", ""),
        ("bedside boots --json | jq '.boots[] | select(.end == \"panic\")'", ""),
    ],
    notes: &["A boot that ended in silence may have crashed or not: no last word of it was heard."],
    exit: &[(0, "listed"), (1, "no machine is the one asked for"), USAGE, UNREADABLE],
};

static INCIDENTS: Epilogue = Epilogue {
    examples: &[
        ("bedside incidents", "all that is open, what was seen last first"),
        ("bedside incidents 'web*' -S -1d", "of some machines, within the last day"),
        ("bedside incidents --kind oops --kind panic --state resolved", ""),
        ("bedside incidents --json | jq -r '.incidents[].title'", "for programs"),
    ],
    notes: &[
        "A line stands for a bug: all that has the same fingerprint, which is made of the title and \
         of what was called, and is the same on every machine. `bedside serve` finds incidents while \
         it hears, `bedside store rebuild` all over again.",
    ],
    exit: &[
        (0, "listed, or there was none, in that time or at all"),
        (1, "there was none of that machine, kind or state"),
        USAGE,
        UNREADABLE,
    ],
};

static INCIDENT: Epilogue = Epilogue {
    examples: &[
        ("bedside incident 3f9a12bc", "its last case: facts, trace, the lines before"),
        ("bedside incident 3f9a12bc -o markdown", "ready for a bug report"),
        ("bedside incident 3f9a12bc resolve 'fixed in 6.12.95'", ""),
        ("bedside incident 3f9a12bc ignore", "it is not listed any more, and nobody is told"),
        ("bedside incident 3f9a12bc note 'tracked as OPS-17'", ""),
    ],
    notes: &[
        "What is said of an incident is said of all that has its fingerprint, on every machine, and \
         kept in the file `ledger` of the store; who may write there may say it.",
    ],
    exit: &[
        (0, "shown, or said"),
        (1, "there is none, or several begin with these digits"),
        USAGE,
        (3, "the store could not be read, or what was said could not be written"),
    ],
};

static ALERT: Epilogue = Epilogue {
    examples: &[
        ("bedside alert test", "a letter of each rule"),
        ("bedside alert test page --config bedside.toml", "of this one"),
    ],
    notes: &[
        "Rules stand in the configuration of `bedside serve`, under [[alert]]; `bedside config \
         --print-default` shows their keys. The test delivers as the user who runs it.",
    ],
    exit: &[
        (0, "delivered"),
        (1, "something was not delivered, or there is no such rule"),
        (2, "the command line or the configuration makes no sense"),
        (3, "what came of it could not be told"),
    ],
};

static TRIAGE: Epilogue = Epilogue {
    examples: &[
        ("bedside triage serial.log", ""),
        ("dmesg | bedside triage", ""),
        ("journalctl -k -b -1 | bedside triage -o markdown", "ready for a bug report"),
        ("bedside triage --json console.txt | jq -r .title", "for programs"),
    ],
    notes: &[
        "An incident is told once its lines are all there, in the order of the first lines. What \
         follows from one, such as the panic after an oops, belongs to it. Titles are those of \
         syzkaller, so that the same bug can be looked up where others have reported it.",
    ],
    exit: &[
        (0, "the file was read to its end, whatever was found in it"),
        USAGE,
        (3, "the file could not be read"),
    ],
};

static REPLAY: Epilogue = Epilogue {
    examples: &[
        ("bedside replay --data ./case7 capture.pcapng", ""),
        ("bedside replay --port 6666 capture.pcap", ""),
    ],
    notes: &["Frames may be Ethernet, raw IP or Linux cooked. Records get the capture's times."],
    exit: &[
        (0, "all was taken in"),
        (1, "no datagram was there that could be"),
        USAGE,
        (3, "the file or the store could not be used"),
    ],
};

static DEMO: Epilogue = Epilogue {
    examples: &[("bedside demo", "")],
    notes: &["Needs no root and no network but loopback, and leaves nothing behind."],
    exit: &[(0, "shown"), (3, "it could not be shown")],
};

static CHECK: Epilogue = Epilogue {
    examples: &[("bedside check", ""), ("bedside check --config bedside.toml --json", "")],
    notes: &[],
    exit: &[
        (0, "all is well"),
        (1, "a problem was found"),
        (2, "the command line or the configuration makes no sense"),
        (3, "something could not be checked"),
    ],
};

static STORE: Epilogue = Epilogue {
    examples: &[
        ("bedside store stats", ""),
        ("bedside store verify --data /srv/bedside", ""),
        ("zstdcat /srv/bedside/segments/*.zst | less", "what was said needs no bedside to be read"),
    ],
    notes: &[],
    exit: TOP.exit,
};

static STORE_REBUILD: Epilogue = Epilogue {
    examples: &[("bedside store rebuild --data /srv/bedside", "")],
    notes: &[],
    exit: &[(0, "rebuilt"), USAGE, (3, "it could not be: a doctor is running, or the disk failed")],
};

static STORE_VERIFY: Epilogue = Epilogue {
    examples: &[("bedside store verify --data /srv/bedside", "")],
    notes: &[],
    exit: &[(0, "every block is whole"), (1, "something is damaged"), USAGE, UNREADABLE],
};

static STORE_STATS: Epilogue = Epilogue {
    examples: &[("bedside store stats", ""), ("bedside store stats --json", "")],
    notes: &[],
    exit: &[(0, "told"), (1, "some segments are damaged"), USAGE, UNREADABLE],
};

static STORE_PRUNE: Epilogue = Epilogue {
    examples: &[
        ("bedside store prune --max-age 90d", ""),
        ("bedside store prune --max-size 20G", ""),
    ],
    notes: &["Whole segments are deleted, oldest first."],
    exit: &[(0, "pruned"), USAGE, (3, "it could not be: a doctor is running, or the disk failed")],
};

static CONFIG: Epilogue = Epilogue {
    examples: &[("bedside config --print-default > /etc/bedside/bedside.toml", "")],
    notes: &[],
    exit: &[(0, "printed"), USAGE],
};

static COMPLETIONS: Epilogue = Epilogue {
    examples: &[
        ("bedside completions bash > /usr/share/bash-completion/completions/bedside", ""),
        ("bedside completions zsh > /usr/share/zsh/site-functions/_bedside", ""),
        ("bedside completions fish > /usr/share/fish/vendor_completions.d/bedside.fish", ""),
    ],
    notes: &[],
    exit: &[(0, "printed"), USAGE],
};

static MAN: Epilogue = Epilogue {
    examples: &[("bedside man /usr/local/share/man/man1", "")],
    notes: &[],
    exit: &[(0, "written"), USAGE, (3, "it could not be written")],
};
