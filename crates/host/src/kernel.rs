//! The kernel: its module, its consoles, what it does when it dies, what it forbids.

use std::collections::BTreeMap;
use std::path::Path;

use bedside_plan::facts::{Configfs, Console, Init, Initramfs, Limits, Module, Rival};
use bedside_plan::path;
use bedside_plan::rules::{Rules, Way};

use crate::Machine;

impl Machine {
    /// Whether the module of this name is there.
    pub(crate) fn module(&self, name: &str, release: &str) -> Module {
        let lists = |file: &str, words: &str| {
            let text = self.word(&format!("/lib/modules/{release}/{file}")).unwrap_or_default();
            text.lines().any(|line| line.contains(words))
        };
        let (dir, file) = (format!("/sys/module/{name}"), format!("/{name}.ko"));
        // A module that is built in has a directory too, if it has parameters, but no state.
        if self.is_there(&format!("{dir}/initstate")) {
            return Module::Loaded;
        }
        if lists("modules.builtin", &file) || self.is_dir(&dir) {
            return Module::BuiltIn;
        }
        if let Some((file, line)) = self.modprobe_line(&|words| forbids(words, name)) {
            return Module::Forbidden { file, line };
        }
        if lists("modules.dep", &file) { Module::Loadable } else { Module::Absent }
    }

    /// The first line of modprobe's configuration that is of that kind, and its file.
    pub(crate) fn modprobe_line(&self, kind: &dyn Fn(&[&str]) -> bool) -> Option<(String, String)> {
        self.modprobe_files().find_map(|(_, file)| {
            let line = self.line_in(&file, kind)?;
            Some((file, line))
        })
    }

    /// Another file that gives netconsole a parameter. modprobe hands the parameters of all files
    /// to the kernel, in the order of the files' names, and the kernel takes the last one.
    pub(crate) fn rival(&self) -> Option<Rival> {
        let others = self.modprobe_files().filter(|(_, file)| file != path::MODPROBE);
        let lines = others.filter_map(|(name, file)| {
            let line = self.line_in(&file, &gives_a_parameter)?;
            Some((name, file, line))
        });
        let (name, file, line) = lines.max()?;
        let ours = path::MODPROBE.rsplit('/').next();
        Some(Rival { file, line, wins: ours.is_none_or(|ours| *name > *ours) })
    }

    /// Names and paths of modprobe's files.
    fn modprobe_files(&self) -> impl Iterator<Item = (String, String)> {
        let dirs = ["/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];
        let is_conf = |name: &String| Path::new(name).extension().is_some_and(|end| end == "conf");
        dirs.into_iter().flat_map(move |dir| {
            let names = self.names(dir).into_iter().filter(is_conf);
            names.map(move |name| (name.clone(), format!("{dir}/{name}")))
        })
    }

    fn line_in(&self, file: &str, kind: &dyn Fn(&[&str]) -> bool) -> Option<String> {
        let text = self.word(file)?;
        let found = text.lines().find(|line| kind(&words(line)))?;
        Some(found.trim().to_owned())
    }

    pub(crate) fn configfs(&self, module: &Module) -> Configfs {
        if self.is_dir(path::TARGETS) {
            return Configfs::Ready;
        }
        let there = matches!(module, Module::Loaded | Module::BuiltIn);
        if there && self.has_configfs() { Configfs::Never } else { Configfs::NotYet }
    }

    /// Whether configfs is mounted where it belongs.
    pub(crate) fn has_configfs(&self) -> bool {
        let mounts = self.word("/proc/mounts").unwrap_or_default();
        mounts.lines().any(|line| words(line).get(1) == Some(&path::CONFIGFS))
    }

    /// The first of the four numbers (proc_sys_kernel(5)).
    pub(crate) fn console_level(&self) -> Option<u8> {
        self.word(path::PRINTK)?.split_whitespace().next()?.parse().ok()
    }

    /// `netcon_ext0          -W- (E  p  )`.
    pub(crate) fn consoles(&self) -> Vec<Console> {
        let text = self.word("/proc/consoles").unwrap_or_default();
        let console = |line: &str| {
            let (name, rest) = line.split_once(char::is_whitespace)?;
            let (_, flags) = rest.split_once('(')?;
            let flags = flags.split(')').next()?.to_owned();
            Some(Console { name: name.to_owned(), flags })
        };
        text.lines().filter_map(console).collect()
    }

    /// What the kernel does when it dies, or might.
    pub(crate) fn panic_settings(&self) -> BTreeMap<String, i64> {
        let setting = |name: &&str| {
            let word = self.word(&format!("/proc/sys/kernel/{name}"))?;
            Some(((*name).to_owned(), word.parse().ok()?))
        };
        bedside_plan::PANIC_SETTINGS.iter().filter_map(setting).collect()
    }

    /// Whether a crash kernel is loaded, and then whether the dumpers come before it.
    pub(crate) fn crash_kernel(&self) -> Option<bool> {
        let loaded = self.word("/sys/kernel/kexec_crash_loaded")? == "1";
        let after = self.word("/sys/module/kernel/parameters/crash_kexec_post_notifiers");
        loaded.then(|| after.as_deref() == Some("Y"))
    }

    /// The rules of the packet filters, as far as programs are there that show them: what is for
    /// packets that go out, and for those that come in.
    pub fn rules(&self) -> Vec<(Rules, Rules)> {
        let ways = |read: &dyn Fn(Way) -> Rules| (read(Way::Out), read(Way::In));
        let nft = self.printed("nft", &["list", "ruleset"]);
        let nft = nft.filter(|text| !text.trim().is_empty());
        let mut rules = Vec::from_iter(nft.map(|text| ways(&|way| Rules::from_nft(&text, way))));
        for program in ["iptables", "ip6tables"] {
            let text = self.printed(program, &["-S"]);
            rules.extend(text.map(|text| ways(&|way| Rules::from_iptables(program, &text, way))));
        }
        rules
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            missing_capabilities: self.missing_capabilities(),
            container: self.container(),
            lockdown: self.lockdown(),
            modules_disabled: self.word("/proc/sys/kernel/modules_disabled").as_deref()
                == Some("1"),
        }
    }

    fn missing_capabilities(&self) -> Vec<String> {
        let status = self.word("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let held = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
        let missing = CAPABILITIES.iter().filter(|(bit, _)| held >> bit & 1 == 0);
        missing.map(|(_, name)| (*name).to_owned()).collect()
    }

    /// What systemd, podman and docker leave for a container to see.
    fn container(&self) -> Option<String> {
        if let Some(kind) = self.word("/run/systemd/container") {
            return Some(kind);
        }
        let marks = [("/run/.containerenv", "podman"), ("/.dockerenv", "docker")];
        let found = marks.iter().find(|(file, _)| self.is_there(file));
        found.map(|(_, kind)| (*kind).to_owned())
    }

    /// `none [integrity] confidentiality`.
    fn lockdown(&self) -> Option<String> {
        let text = self.word("/sys/kernel/security/lockdown")?;
        let (_, rest) = text.split_once('[')?;
        let mode = rest.split(']').next()?;
        (mode != "none").then(|| mode.to_owned())
    }

    pub(crate) fn init(&self) -> Init {
        if self.is_dir("/run/systemd/system") {
            Init::Systemd
        } else if self.is_dir("/run/openrc") {
            Init::OpenRc
        } else if self.is_there("/sbin/procd") {
            Init::Procd
        } else if self.is_dir("/etc/rcS.d") {
            Init::SysV
        } else {
            Init::Unknown
        }
    }

    /// Whether the agent runs: as a service, where there is one and it is known; else at all, where
    /// nothing is sent without it.
    pub fn agent_runs(&self) -> Option<bool> {
        if self.init() == Init::Systemd && self.is_there(path::UNIT) {
            return Some(self.printed("systemctl", &["is-active", SERVICE]).is_some());
        }
        let relays = self.wish().ok().flatten().is_some_and(|wish| wish.relay);
        relays.then(|| self.shows_agent())
    }

    pub(crate) fn initramfs(&self) -> Initramfs {
        if self.is_there("/usr/sbin/update-initramfs") {
            Initramfs::Tools
        } else if ["/usr/bin/dracut", "/sbin/dracut"].iter().any(|path| self.is_there(path)) {
            Initramfs::Dracut
        } else {
            Initramfs::Unknown
        }
    }
}

/// `install netconsole /bin/false`: modprobe runs that instead of loading it.
fn forbids(words: &[&str], name: &str) -> bool {
    let nothing = |program: &&str| program.ends_with("/false") || program.ends_with("/true");
    matches!(words, ["install", module, program, ..] if *module == name && nothing(program))
}

/// `options netconsole netconsole=@/,@192.168.0.2/`
fn gives_a_parameter(words: &[&str]) -> bool {
    matches!(words, ["options", "netconsole", options @ ..]
        if options.iter().any(|option| option.starts_with("netconsole=")))
}

/// It is not loaded unless somebody names it; systemd-modules-load does not count.
pub(crate) fn blacklists(words: &[&str]) -> bool {
    matches!(words, ["blacklist", "netconsole", ..])
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

const SERVICE: &str = "bedside-patient.service";

/// What arming a kernel takes, by the bits of capability.h.
const CAPABILITIES: [(u32, &str); 4] =
    [(12, "CAP_NET_ADMIN"), (16, "CAP_SYS_MODULE"), (21, "CAP_SYS_ADMIN"), (1, "CAP_DAC_OVERRIDE")];
