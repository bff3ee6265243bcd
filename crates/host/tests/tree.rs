//! A machine that is a tree of files: armed, interrupted at every step, and undone to the letter.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bedside_host::{Machine, Undone};
use bedside_plan::facts::{AgentKey, Facts, Link, Rival, Route, RouteKind, Way};
use bedside_plan::{Action, Plan, Step, Wish, arm};
use netconsole_wire::parameter::Mac;

/// A kernel's files, as far as they matter; its modprobe is a script.
fn machine() -> (tempfile::TempDir, Machine) {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("proc/sys/kernel/hostname", "web1\n");
    write("proc/sys/kernel/osrelease", "6.1.0-1-amd64\n");
    write("proc/sys/kernel/random/boot_id", "b007\n");
    write("proc/sys/kernel/printk", "4\t4\t1\t7\n");
    write("proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\n");
    write("proc/mounts", "configfs /sys/kernel/config configfs rw 0 0\n");
    write("proc/cmdline", "root=/dev/vda quiet\n");
    write("proc/consoles", "tty0                 -WU (EC  p  )    4:7\n");
    write("lib/modules/6.1.0-1-amd64/modules.dep", "kernel/drivers/net/netconsole.ko: x.ko\n");
    write("etc/modprobe.d/others.conf", "blacklist pcspkr\n");
    for dir in ["sys/kernel/config", "sys/module", "var/lib"] {
        fs::create_dir_all(root.path().join(dir)).unwrap();
    }
    script(root.path(), "modprobe", MODPROBE);
    script(root.path(), "systemctl", "echo \"$@\" >> @ROOT@/systemctl.said");
    fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
    let machine = Machine::new(root.path());
    (root, machine)
}

/// Loads and unloads; a kernel that does not know `r`. The module that delivers deaths can't send
/// to 10.0.0.9, and is refused where that is asked.
const MODPROBE: &str = r#"
dumper=@ROOT@/sys/module/bedside_netconsole
case "$*" in
"-r bedside_netconsole") rm -r $dumper ;;
bedside_netconsole*)
   [ ! -e @ROOT@/refuses ] || { echo "Key was rejected by service" >&2; exit 1; }
   mkdir -p $dumper/parameters; cd $dumper; echo live > initstate
   parameter=${2#netconsole=}
   echo $parameter > parameters/netconsole; echo ${3#live=} > parameters/live
   state=enabled; case $parameter in *10.0.0.9*) state=disabled ;; esac
   echo $state $parameter reason=no-address signs=no sent=0 > parameters/targets
   touch parameters/key ;;
*+r*) echo "modprobe: ERROR: could not insert 'netconsole': Invalid argument" >&2; exit 1 ;;
"-r netconsole") rm -r @ROOT@/sys/module/netconsole @ROOT@/sys/kernel/config/netconsole ;;
*) mkdir -p @ROOT@/sys/module/netconsole @ROOT@/sys/kernel/config/netconsole
   echo live > @ROOT@/sys/module/netconsole/initstate ;;
esac
"#;

fn script(root: &Path, name: &str, text: &str) {
    let path = root.join("usr/sbin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = format!("#!/bin/sh\n{}\n", text.replace("@ROOT@", root.to_str().unwrap()));
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The machine's own facts, with a network that is not the test's.
fn facts(machine: &Machine) -> Facts {
    let route = Route {
        address: [10, 0, 0, 2].into(),
        device: 2,
        source: Some([10, 0, 0, 7].into()),
        next_hop: [10, 0, 0, 2].into(),
        mac: Some(Mac([2; 6])),
        kind: RouteKind::Unicast,
    };
    let card = Link { index: 2, name: "eth0".into(), ethernet: true, ..Link::default() };
    let ways = vec![Way::Route(route)];
    Facts { links: vec![card], ways, ..machine.own_facts().unwrap() }
}

fn plan(machine: &Machine) -> Plan {
    let wish = Wish { words: vec!["10.0.0.2".into()], ..Wish::default() };
    arm(&facts(machine), &wish, &wish.doctors().unwrap()).unwrap()
}

/// Every file and directory, but for those of our own that are gone with the next start.
fn everything(root: &Path) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if name == "run/bedside-patient" || name == "systemctl.said" {
                continue;
            }
            let content = (!path.is_dir()).then(|| fs::read_to_string(&path).unwrap());
            if path.is_dir() {
                dirs.push(path);
            }
            found.insert(name, content);
        }
    }
    // Whoever writes to it sets one number of four.
    let printk = fs::read_to_string(root.join("proc/sys/kernel/printk")).unwrap();
    let level = printk.split_whitespace().next().unwrap_or_default().to_owned();
    found.insert("proc/sys/kernel/printk".into(), Some(level));
    found
}

fn undo(machine: &Machine) {
    machine
        .undo(0, &mut |undo, undone| {
            assert!(!matches!(undone, Undone::Failed(_) | Undone::Left(_)), "{undo}: {undone:?}");
        })
        .unwrap();
    assert_eq!(machine.undoable().unwrap(), 0);
}

#[test]
fn what_was_done_is_done_once_and_undone_to_the_letter() {
    let (root, machine) = machine();
    let before = everything(root.path());
    for _ in 0..2 {
        let steps = plan(&machine).steps;
        assert!(!steps.is_empty());
        for step in steps {
            machine.apply(&step.action).unwrap();
        }
    }
    let after = facts(&machine);
    let loaded = after.loaded.unwrap();
    assert_eq!(loaded.parameter, "+@10.0.0.7/,@10.0.0.2/02:02:02:02:02:02");
    assert_eq!(after.console_level, Some(8));
    let file = fs::read_to_string(root.path().join("etc/modprobe.d/bedside-patient.conf")).unwrap();
    assert!(file.contains(&format!("netconsole={}\n", loaded.parameter)), "{file}");
    // What systemctl would have made.
    let wants = root.path().join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir(&wants).unwrap();
    fs::write(wants.join("bedside-patient.service"), "").unwrap();
    assert!(plan(&machine).is_empty(), "{:?}", plan(&machine));
    fs::remove_dir_all(&wants).unwrap();
    undo(&machine);
    assert_eq!(everything(root.path()), before);
    let said = fs::read_to_string(root.path().join("systemctl.said")).unwrap();
    assert!(said.ends_with("disable --now bedside-patient.service\ndaemon-reload\n"), "{said}");
}

#[test]
fn a_crash_between_any_two_steps_is_undone_or_gone_on_with() {
    for crash in 0.. {
        let (root, machine) = machine();
        let before = everything(root.path());
        let steps = plan(&machine).steps;
        steps.iter().take(crash).for_each(|step| machine.apply(&step.action).unwrap());
        if crash % 2 == 1 {
            let again = Machine::new(root.path());
            plan(&again).steps.iter().for_each(|step| again.apply(&step.action).unwrap());
        }
        undo(&machine);
        assert_eq!(everything(root.path()), before, "after {crash} steps");
        if crash > steps.len() {
            break;
        }
    }
}

#[test]
fn a_file_that_was_being_written_is_taken_back_too() {
    let (root, machine) = machine();
    let before = everything(root.path());
    for step in plan(&machine).steps {
        machine.apply(&step.action).unwrap();
        let Action::WriteFile { path, .. } = &step.action else { continue };
        let whole = machine.at(path);
        let mut half = whole.clone().into_os_string();
        half.push(".new");
        fs::rename(&whole, &half).unwrap();
        undo(&machine);
        assert_eq!(everything(root.path()), before, "{path}");
    }
}

#[test]
fn files_of_others_come_back_as_they_were() {
    let (root, machine) = machine();
    let file = root.path().join("etc/modules-load.d/bedside-patient.conf");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "somebody's own\n\twords\\n").unwrap();
    let before = everything(root.path());
    plan(&machine).steps.iter().for_each(|step| machine.apply(&step.action).unwrap());
    assert_ne!(everything(root.path()), before);
    undo(&machine);
    assert_eq!(everything(root.path()), before);
}

#[test]
fn notes_and_locks_are_left_behind_by_nobody_and_two_never_have_the_lock() {
    let (root, machine) = machine();
    for _ in 0..100 {
        let lock = machine.lock().unwrap();
        machine.note_down("relayed", "x").unwrap();
        let agent = machine.show_agent().unwrap();
        let next = std::thread::spawn({
            let machine = machine.clone();
            move || machine.lock().unwrap()
        });
        machine.leave(lock).unwrap();
        let next = next.join().unwrap();
        assert!(machine.try_lock().unwrap().is_none());
        let left = fs::read_dir(root.path().join("run/bedside-patient")).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["agent", "lock"], "that of an agent that lives, and the new one");
        drop(agent);
        machine.leave(next).unwrap();
        assert!(!root.path().join("run/bedside-patient").exists());
    }
}

#[test]
fn what_somebody_changed_meanwhile_is_left() {
    let (root, machine) = machine();
    plan(&machine).steps.iter().for_each(|step| machine.apply(&step.action).unwrap());
    fs::write(root.path().join("proc/sys/kernel/printk"), "6\t4\t1\t7\n").unwrap();
    let mut left = Vec::new();
    machine
        .undo(0, &mut |undo, undone| {
            if let Undone::Left(why) = undone {
                left.push(format!("{undo}: {why}"));
            }
        })
        .unwrap();
    assert_eq!(left, ["sysctl kernel.printk = 4: somebody has changed it meanwhile"]);
}

#[test]
fn the_journal_of_an_earlier_boot_says_nothing_about_this_one() {
    let (root, machine) = machine();
    plan(&machine).steps.iter().for_each(|step| machine.apply(&step.action).unwrap());
    let lasting = "etc/modprobe.d/bedside-patient.conf";
    fs::write(root.path().join("proc/sys/kernel/random/boot_id"), "b008\n").unwrap();
    fs::write(root.path().join("proc/sys/kernel/printk"), "8\t4\t1\t7\n").unwrap();
    undo(&machine);
    let level = fs::read_to_string(root.path().join("proc/sys/kernel/printk")).unwrap();
    assert_eq!(level, "8\t4\t1\t7\n");
    assert!(!root.path().join(lasting).exists());
}

#[test]
fn a_module_that_is_forbidden_or_missing_is_known_as_such() {
    use bedside_plan::facts::Module;
    let (root, machine) = machine();
    let conf = root.path().join("etc/modprobe.d/hard.conf");
    fs::write(&conf, "# x\ninstall netconsole /bin/false\n").unwrap();
    let forbidden = Module::Forbidden {
        file: "/etc/modprobe.d/hard.conf".into(),
        line: "install netconsole /bin/false".into(),
    };
    assert_eq!(machine.own_facts().unwrap().module, forbidden);
    fs::remove_file(conf).unwrap();
    assert_eq!(machine.own_facts().unwrap().module, Module::Loadable);
    fs::write(root.path().join("lib/modules/6.1.0-1-amd64/modules.dep"), "").unwrap();
    assert_eq!(machine.own_facts().unwrap().module, Module::Absent);
    let builtin = root.path().join("lib/modules/6.1.0-1-amd64/modules.builtin");
    fs::write(builtin, "kernel/drivers/net/netconsole.ko\n").unwrap();
    assert_eq!(machine.own_facts().unwrap().module, Module::BuiltIn);
}

/// Where DKMS has put it.
fn install_dumper(root: &Path) {
    let modules =
        "kernel/drivers/net/netconsole.ko: x.ko\nupdates/dkms/bedside_netconsole.ko.xz:\n";
    fs::write(root.join("lib/modules/6.1.0-1-amd64/modules.dep"), modules).unwrap();
}

#[test]
fn the_module_that_delivers_deaths_is_loaded_changed_and_unloaded() {
    let (root, machine) = machine();
    install_dumper(root.path());
    let before = everything(root.path());
    for _ in 0..2 {
        for step in plan(&machine).steps {
            machine.apply(&step.action).unwrap();
        }
    }
    let dumper = facts(&machine).dumper.unwrap();
    assert!(dumper.ours && dumper.is_armed() && dumper.live == "off", "{dumper:?}");
    assert!(dumper.sends_to("+r@10.0.0.7/,@10.0.0.2/02:02:02:02:02:02"), "{dumper:?}");
    let file = fs::read_to_string(root.path().join("etc/modprobe.d/bedside-patient.conf")).unwrap();
    assert!(file.ends_with(&format!("netconsole={} live=off\n", dumper.parameter)), "{file}");
    let (parameter, live) = ("@/,@10.0.0.3/".to_owned(), "on".to_owned());
    machine.apply(&Action::SetDumper { parameter, live }).unwrap();
    let dumper = facts(&machine).dumper.unwrap();
    assert_eq!((&*dumper.parameter, &*dumper.live), ("@/,@10.0.0.3/", "on"));
    undo(&machine);
    assert_eq!(everything(root.path()), before);
}

/// The module itself would show by which key it signs.
#[test]
fn the_module_gets_what_is_made_of_the_key_and_gives_it_back() {
    let (root, machine) = machine();
    install_dumper(root.path());
    let key = root.path().join("etc/bedside/patient.key");
    fs::create_dir_all(key.parent().unwrap()).unwrap();
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let dumper = root.path().join("sys/module/bedside_netconsole/parameters");
    let given = || fs::read_to_string(dumper.join("key")).unwrap();
    for _ in 0..3 {
        for step in plan(&machine).steps {
            machine.apply(&step.action).unwrap();
        }
    }
    // `printf bedside_netconsole | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`
    assert_eq!(given(), "92c58a1ccd2098850559bd7f4dfefd9c");
    let targets = dumper.join("targets");
    let shown = fs::read_to_string(&targets).unwrap();
    let Some(AgentKey::Usable(id)) = machine.own_facts().unwrap().key else { panic!("no key") };
    fs::write(&targets, shown.replace("signs=no", &format!("signs={id}"))).unwrap();
    let signs = |step: &Step| matches!(step.action, Action::SignDumper { .. });
    assert!(!plan(&machine).steps.iter().any(signs), "{:?}", plan(&machine));
    fs::remove_file(&key).unwrap();
    for step in plan(&machine).steps {
        machine.apply(&step.action).unwrap();
    }
    assert_eq!(given(), "", "taken away");
    undo(&machine);
    assert!(!dumper.exists());
}

#[test]
fn one_that_the_start_loaded_is_ours_if_our_files_say_so() {
    let (root, machine) = machine();
    install_dumper(root.path());
    let load = || {
        let modprobe = root.path().join("usr/sbin/modprobe");
        let words = ["bedside_netconsole", "netconsole=@/,@10.0.0.2/", "live=off"];
        assert!(std::process::Command::new(modprobe).args(words).status().unwrap().success());
    };
    load();
    let dumper = machine.own_facts().unwrap().dumper.unwrap();
    assert!(!dumper.ours && !dumper.from_start, "somebody's own");
    let conf = root.path().join("etc/modprobe.d/bedside-patient.conf");
    fs::write(conf, "# x\noptions bedside_netconsole netconsole=@/,@10.0.0.2/ live=off\n").unwrap();
    let dumper = machine.own_facts().unwrap().dumper.unwrap();
    assert!(!dumper.ours && dumper.from_start);
    let written = plan(&machine).steps.into_iter().map(|step| step.action);
    let of_modprobe = |action: &Action| matches!(action, Action::WriteFile { path, .. } if path.ends_with("modprobe.d/bedside-patient.conf"));
    machine.apply(&written.into_iter().find(of_modprobe).unwrap()).unwrap();
    let dumper = machine.own_facts().unwrap().dumper.unwrap();
    assert!(!dumper.from_start, "it was loaded before the file was written");
    fs::write(root.path().join("proc/sys/kernel/random/boot_id"), "b008\n").unwrap();
    let dumper = machine.own_facts().unwrap().dumper.unwrap();
    assert!(dumper.from_start, "the next start has read the file");
}

#[test]
fn another_file_for_netconsole_is_seen_and_which_of_both_counts() {
    let (root, machine) = machine();
    assert_eq!(machine.own_facts().unwrap().rival, None);
    let line = "options netconsole netconsole=@/,@10.0.0.9/ oops_only=0";
    for (name, wins) in [("a.conf", false), ("netconsole.conf", true)] {
        let file = format!("/etc/modprobe.d/{name}");
        fs::write(machine.at(&file), format!("# mine\n{line}\n")).unwrap();
        let rival = Rival { file, line: line.into(), wins };
        assert_eq!(machine.own_facts().unwrap().rival, Some(rival));
    }
    let notes = plan(&machine).notes;
    let note = notes.last().unwrap();
    assert!(note.starts_with("/etc/modprobe.d/netconsole.conf has `options"), "{note}");
    drop(root);
}

#[test]
fn a_setting_that_is_wished_no_more_is_taken_back() {
    let (root, machine) = machine();
    plan(&machine).steps.iter().for_each(|step| machine.apply(&step.action).unwrap());
    let file = root.path().join("etc/sysctl.d/60-bedside-patient.conf");
    assert!(file.exists());
    let words = vec!["10.0.0.2".into()];
    let wish = Wish { words, log_level: None, ..Wish::default() };
    for _ in 0..2 {
        let plan = arm(&facts(&machine), &wish, &wish.doctors().unwrap()).unwrap();
        plan.steps.iter().for_each(|step| machine.apply(&step.action).unwrap());
    }
    assert!(!file.exists());
    undo(&machine);
}

#[test]
fn a_key_is_roots_or_ones_own_and_nobody_elses_to_read() {
    let (root, machine) = machine();
    let key = root.path().join("etc/bedside/patient.key");
    fs::create_dir_all(key.parent().unwrap()).unwrap();
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    let held = || machine.own_facts().unwrap().key.unwrap();
    mode(0o644);
    assert!(matches!(held(), AgentKey::Unusable(why) if why.contains("has to be root's")));
    mode(0o600);
    assert!(matches!(held(), AgentKey::Usable(_)));
}

#[test]
fn a_target_that_the_module_cannot_send_to_is_an_error_with_its_reason() {
    let (root, machine) = machine();
    install_dumper(root.path());
    let (parameter, live) = ("@/,@10.0.0.9/".to_owned(), "off".to_owned());
    let error = machine.apply(&Action::LoadDumper { parameter, live }).unwrap_err().to_string();
    assert!(error.contains("can't send to @/,@10.0.0.9/: no-address"), "{error}");
    undo(&machine);
    assert!(!root.path().join("sys/module/bedside_netconsole").exists());
}

#[test]
fn a_crash_kernel_is_seen_and_whether_the_dumpers_come_first() {
    let (root, machine) = machine();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let seen = || machine.own_facts().unwrap().crash_kernel;
    assert_eq!(seen(), None);
    write("sys/kernel/kexec_crash_loaded", "0\n");
    assert_eq!(seen(), None);
    write("sys/kernel/kexec_crash_loaded", "1\n");
    write("sys/module/kernel/parameters/crash_kexec_post_notifiers", "N\n");
    assert_eq!(seen(), Some(false));
    write("sys/module/kernel/parameters/crash_kexec_post_notifiers", "Y\n");
    assert_eq!(seen(), Some(true));
}

#[test]
fn a_kernel_that_refuses_the_module_is_armed_without_it_until_it_is_tried_again() {
    let (root, machine) = machine();
    install_dumper(root.path());
    fs::write(root.path().join("refuses"), "").unwrap();
    let dumper = || machine.own_facts().unwrap().dumper.unwrap();
    let load =
        |live: &str| Action::LoadDumper { parameter: "@/,@10.0.0.2/".into(), live: live.into() };
    machine.apply(&load("off")).unwrap();
    assert_eq!(dumper().refused.as_deref(), Some("Key was rejected by service"));
    fs::remove_file(root.path().join("refuses")).unwrap();
    machine.retry_dumper().unwrap();
    assert_eq!(dumper().refused, None);
    machine.retry_dumper().unwrap();
    // Where there is no netconsole beside it, nothing would send.
    fs::write(root.path().join("refuses"), "").unwrap();
    assert!(machine.apply(&load("on")).unwrap_err().to_string().contains("Key was rejected"));
}

#[test]
fn an_agent_that_nobody_started_is_missed_where_user_space_sends() {
    let (root, machine) = machine();
    assert_eq!(machine.agent_runs(), None, "nothing is wished");
    let wish = "doctor = 10.0.0.2\nrelay = true\n";
    fs::create_dir_all(root.path().join("etc/bedside")).unwrap();
    fs::write(root.path().join("etc/bedside/patient.conf"), wish).unwrap();
    assert_eq!(machine.agent_runs(), Some(false));
    let shown = machine.show_agent().unwrap();
    assert_eq!(machine.agent_runs(), Some(true));
    drop(shown);
    assert_eq!(machine.agent_runs(), Some(false));
}
