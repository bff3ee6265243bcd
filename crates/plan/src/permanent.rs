//! What keeps a machine armed when it starts anew.

use crate::arm::dumper::{MODULE, parameters, usable};
use crate::arm::parameter_of;
use crate::facts::{Facts, Init, Initramfs, Module, Rival};
use crate::step::{Action, Plan, Step};
use crate::target::Wanted;
use crate::{Wish, path};

/// Adds what is missing: the wish, and, if it is to outlive a start, the module's parameter (unless
/// user space sends) and the service that keeps it true.
pub(crate) fn keep(facts: &Facts, wish: &Wish, targets: &[Wanted], plan: &mut Plan) {
    if !wish.permanent {
        let why = "`status`, `test` and `agent` know from it what is wanted, until the next start";
        return write(facts, path::WISH_UNTIL_REBOOT, &wish.to_string(), why, plan);
    }
    let why = "`status`, `test` and the agent know from it what is wanted";
    write(facts, path::WISH, &wish.to_string(), why, plan);
    let level =
        wish.log_level.filter(|_| !wish.relay).map(|level| format!("kernel.printk = {level}\n"));
    let panic = wish.panic.iter().map(|(name, value)| format!("kernel.{name} = {value}\n"));
    let settings: String = level.into_iter().chain(panic).collect();
    if !settings.is_empty() {
        let why = "the console log level, and whatever else was set, at the next start";
        write(facts, path::SYSCTL, &format!("{HEADER}{settings}"), why, plan);
    } else if facts.files.get(path::SYSCTL).is_some_and(|text| text.starts_with(HEADER)) {
        plan.push(Action::TakeBackFile(path::SYSCTL.into()), "nothing is to be set any more");
    }
    if !wish.relay {
        load_at_start(facts, wish, targets, plan);
    }
    serve(facts, plan);
}

/// The modules, with the parameters that they have now.
fn load_at_start(facts: &Facts, wish: &Wish, targets: &[Wanted], plan: &mut Plan) {
    if let Some(Rival { file, line, .. }) = &facts.rival {
        plan.notes.push(format!("{file} has `{line}` too: only one of both counts at a start"));
    }
    let modules = modules(facts, targets);
    if !modules.is_empty() {
        let options = modules.iter().map(|(name, options)| format!("options {name} {options}\n"));
        let content = HEADER.to_owned() + &options.collect::<String>();
        write(facts, path::MODPROBE, &content, "netconsole's parameter at the next start", plan);
        let names = modules.iter().map(|(name, _)| format!("{name}\n"));
        let content = HEADER.to_owned() + &names.collect::<String>();
        write(facts, path::MODULES_LOAD, &content, "loads it as early as modules are", plan);
    }
    if wish.early {
        let names: Vec<&str> = modules.iter().map(|(name, _)| *name).collect();
        early(facts, &parameter_of(facts, targets).0, &names.join(" "), plan);
    } else {
        no_earlier(facts, plan);
    }
}

/// The modules that the next start is to load, with their options.
fn modules(facts: &Facts, targets: &[Wanted]) -> Vec<(&'static str, String)> {
    let mut modules = Vec::new();
    if !matches!(facts.module, Module::BuiltIn | Module::Absent) {
        modules.push(("netconsole", format!("netconsole={}", parameter_of(facts, targets).0)));
    }
    if usable(facts).is_some() {
        let (parameter, live) = parameters(facts, targets);
        modules.push((MODULE, format!("netconsole={parameter} live={live}")));
    }
    modules
}

/// Loads netconsole in the initramfs, as soon as that has the network's drivers.
fn early(facts: &Facts, parameter: &str, modules: &str, plan: &mut Plan) {
    let name = match facts.module {
        Module::BuiltIn => "netconsole",
        Module::Absent => "bedside_netconsole.netconsole",
        _ => "netconsole.netconsole",
    };
    plan.notes.push(format!(
        "earlier still, where the driver is built in: `{name}={parameter}` on the kernel's command \
         line"
    ));
    let (path, template, command) = match facts.initramfs {
        _ if modules.is_empty() => return,
        Initramfs::Tools => (path::INITRAMFS_HOOK, INITRAMFS_HOOK, MAKE_TOOLS),
        Initramfs::Dracut => (path::DRACUT, DRACUT, MAKE_DRACUT),
        Initramfs::Unknown => {
            plan.notes.push("neither initramfs-tools nor dracut is here".into());
            return;
        }
    };
    let content = template.replace("@MODULES@", modules);
    if facts.files.get(path) != Some(&content) {
        initramfs(path, content, command, plan);
    } else if plan.steps.iter().any(writes_parameter) {
        // The parameter is part of what was made.
        plan.push(Action::Run { words: words(command), undo: Vec::new() }, "");
    }
}

fn writes_parameter(step: &Step) -> bool {
    matches!(&step.action, Action::WriteFile { path, .. } if path == path::MODPROBE)
}

/// Writes a file that `command` makes an initramfs from.
fn initramfs(path: &str, content: String, command: &str, plan: &mut Plan) {
    // Undone in reverse: the file goes, then the initramfs is made without it.
    plan.push(Action::Run { words: Vec::new(), undo: words(command) }, "");
    let executable = path == path::INITRAMFS_HOOK;
    let why = "loads netconsole in the initramfs (not tried by its makers)";
    let path = path.into();
    plan.push(Action::WriteFile { path, content, executable }, why);
    plan.push(Action::Run { words: words(command), undo: Vec::new() }, "");
}

/// Takes netconsole out of the initramfs again.
fn no_earlier(facts: &Facts, plan: &mut Plan) {
    for (path, command) in [(path::INITRAMFS_HOOK, MAKE_TOOLS), (path::DRACUT, MAKE_DRACUT)] {
        if facts.files.get(path).is_some_and(|text| text.contains(BY_UP)) {
            plan.push(Action::TakeBackFile(path.into()), "it is wished in the initramfs no more");
            plan.push(Action::Run { words: words(command), undo: Vec::new() }, "");
        }
    }
}

fn serve(facts: &Facts, plan: &mut Plan) {
    let name = "bedside-patient";
    let (template, enable, disable) = match facts.init {
        Init::Systemd => return systemd(facts, plan),
        Init::OpenRc => (
            OPENRC,
            format!("rc-update add {name} default"),
            format!("rc-update del {name} default"),
        ),
        Init::Procd => (PROCD, format!("{SCRIPT} enable"), format!("{SCRIPT} disable")),
        Init::SysV => {
            (SYSV, format!("update-rc.d {name} defaults"), format!("update-rc.d {name} remove"))
        }
        Init::Unknown => {
            plan.notes.push(
                "no init system that is known runs here: have `bedside-patient agent` started at \
                 every start of the machine"
                    .into(),
            );
            return;
        }
    };
    script(facts, template, &enable, &disable, plan);
}

/// A unit that is there, another one than ours, has its agent started anew.
fn systemd(facts: &Facts, plan: &mut Plan) {
    let unit = UNIT_TEMPLATE.replace("@PROGRAM@", &facts.program);
    let systemctl = |verb: &str| words(&format!("systemctl {verb} bedside-patient.service"));
    if facts.files.get(path::UNIT) == Some(&unit) && facts.files.contains_key(WANTS) {
        if facts.agent == Some(false) {
            let start = Action::Run { words: systemctl("start"), undo: Vec::new() };
            plan.push(start, format!("somebody stopped it, and it {KEEPS}"));
        }
        return;
    }
    // Undone in reverse: it is stopped, its file goes, and systemd takes note.
    plan.push(Action::Run { words: Vec::new(), undo: words("systemctl daemon-reload") }, "");
    write(facts, path::UNIT, &unit, KEEPS, plan);
    plan.push(Action::Run { words: systemctl("enable"), undo: systemctl("disable --now") }, "");
    plan.push(Action::Run { words: systemctl("restart"), undo: Vec::new() }, "");
}

/// A service as a script. One that starts it, stops it, and undoes itself.
fn script(facts: &Facts, template: &str, enable: &str, disable: &str, plan: &mut Plan) {
    let content = template.replace("@PROGRAM@", &facts.program);
    if facts.files.get(SCRIPT) == Some(&content) {
        return;
    }
    plan.push(Action::WriteFile { path: SCRIPT.into(), content, executable: true }, KEEPS);
    plan.push(Action::Run { words: words(enable), undo: words(disable) }, "");
    let (start, stop) = (format!("{SCRIPT} start"), format!("{SCRIPT} stop"));
    plan.push(Action::Run { words: words(&start), undo: words(&stop) }, "");
    plan.notes.push("this init script was checked for its syntax only, not tried".into());
}

fn write(facts: &Facts, path: &str, content: &str, why: &str, plan: &mut Plan) {
    if facts.files.get(path).is_some_and(|held| held == content) {
        return;
    }
    let (path, content) = (path.into(), content.into());
    plan.push(Action::WriteFile { path, content, executable: false }, why);
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Why there is a service.
const KEEPS: &str = "keeps it true: routes, routers, addresses and devices change";
const HEADER: &str = "# Written by `bedside-patient up`; `bedside-patient down` takes it away.\n";

/// The files that [`keep`] writes or looks at, beside those in [`path`].
pub(crate) const WANTS: &str =
    "/etc/systemd/system/multi-user.target.wants/bedside-patient.service";
pub(crate) const SCRIPT: &str = "/etc/init.d/bedside-patient";

const UNIT_TEMPLATE: &str = include_str!("permanent/bedside-patient.service");
/// What the files for an initramfs say of who wrote them.
const BY_UP: &str = "# Written by `bedside-patient up --early`";
const MAKE_TOOLS: &str = "update-initramfs -u";
const MAKE_DRACUT: &str = "dracut --force";

const INITRAMFS_HOOK: &str = include_str!("permanent/initramfs-tools");
const DRACUT: &str = include_str!("permanent/dracut.conf");
const OPENRC: &str = include_str!("permanent/openrc");
const PROCD: &str = include_str!("permanent/procd");
const SYSV: &str = include_str!("permanent/sysvinit");
