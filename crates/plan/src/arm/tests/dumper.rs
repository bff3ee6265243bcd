//! The module that delivers a death, beside netconsole or instead of it.

use super::*;
use netconsole_wire::tag::KeyId;

use crate::facts::{AgentKey, Console, Dumper, DumperTarget};

/// A machine on which it is installed, and stock netconsole armed already.
fn installed() -> Facts {
    let dumper = Some(Dumper { module: Module::Loadable, ..Dumper::default() });
    let armed = loaded(machine(), FROM_10);
    Facts { dumper, targets: vec![target("cmdline0")], ..armed }
}

/// It is loaded with this, and can send.
fn with(parameter: &str) -> Facts {
    let target =
        DumperTarget { parameter: parameter.into(), enabled: true, ..DumperTarget::default() };
    let dumper = Dumper {
        module: Module::Loaded,
        ours: true,
        parameter: parameter.into(),
        live: "off".into(),
        targets: vec![target],
        ..Dumper::default()
    };
    Facts { dumper: Some(dumper), ..installed() }
}

fn change(facts: &Facts, how: fn(&mut Dumper)) -> Facts {
    let mut facts = facts.clone();
    how(facts.dumper.as_mut().unwrap());
    facts
}

#[test]
fn where_it_is_installed_it_is_loaded_beside_netconsole_for_the_death_only() {
    let first = Facts { dumper: installed().dumper, ..machine() };
    let words = steps(&first, &["10.0.0.2"]);
    assert!(!words.iter().any(|step| step.contains("bedside_netconsole")), "{words:?}");
    let expected = [format!("modprobe bedside_netconsole netconsole={FROM_10} live=off")];
    assert_eq!(steps(&installed(), &["10.0.0.2"]), expected);
    assert_eq!(steps(&with(FROM_10), &["10.0.0.2"]), Vec::<String>::new());
    assert_eq!(
        steps(&with("+r@10.0.0.7/eth0,@10.0.0.2/02:00:00:00:00:01"), &["10.0.0.2"]).len(),
        0
    );
}

#[test]
fn why_it_is_used_is_what_the_kernels_own_would_do() {
    let why = |flags: &str, seconds| {
        let console = Console { name: "netcon_ext0".into(), flags: flags.into() };
        let panic = [("panic".to_owned(), seconds)].into();
        let facts = Facts { consoles: vec![console], panic, ..installed() };
        let wish = wish(&["10.0.0.2"]);
        arm(&facts, &wish, &wish.doctors().unwrap()).unwrap().steps.remove(0).why
    };
    let silent = "kernel.panic = 1, and this kernel's own netconsole sends nothing of a panic";
    assert!(why("EN  p", 1).starts_with(silent));
    assert!(why("EN  p", 0).starts_with("it is installed: when the kernel dies"));
    assert!(why("E   p", 1).starts_with("it is installed: when the kernel dies"));
}

#[test]
fn what_differs_is_written_while_it_runs() {
    let written = [format!("bedside_netconsole: netconsole = {FROM_10}, live = off")];
    for facts in [
        with("+r@10.0.0.7/,@10.0.0.2/02:00:00:00:00:09"),
        change(&with(FROM_10), |dumper| dumper.live = "on".into()),
        change(&with(FROM_10), |dumper| dumper.targets[0].enabled = false),
        // As the machine's start loaded it.
        change(&with(FROM_10), |dumper| (dumper.ours, dumper.from_start) = (false, true)),
    ] {
        assert_eq!(steps(&facts, &["10.0.0.2"]), written);
    }
}

#[test]
fn it_gets_the_machines_key_and_gives_it_back() {
    let with_key = Facts { key: Some(AgentKey::Usable(KeyId(0x12))), ..with(FROM_10) };
    let says = |facts: &Facts, signs: Option<&str>| {
        let mut facts = facts.clone();
        facts.dumper.as_mut().unwrap().targets[0].signs = signs.map(str::to_owned);
        steps(&facts, &["10.0.0.2"])
    };
    let sign = ["bedside_netconsole: sign with /etc/bedside/patient.key"];
    assert_eq!(says(&with_key, Some("no")), sign);
    assert_eq!(says(&with_key, Some("00000013")), sign, "another key");
    assert_eq!(says(&with_key, Some("00000012")), Vec::<String>::new());
    assert_eq!(says(&with_key, None), Vec::<String>::new(), "a version that can't");
    assert_eq!(says(&with(FROM_10), Some("00000012")), ["bedside_netconsole: sign no more"]);
    assert_eq!(says(&with(FROM_10), Some("no")), Vec::<String>::new());
    let unreadable = Facts { key: Some(AgentKey::Unusable("mode 0644".into())), ..with(FROM_10) };
    assert_eq!(says(&unreadable, Some("00000012")), Vec::<String>::new());
}

#[test]
fn one_that_somebody_else_loaded_is_left_and_told() {
    let theirs = change(&with("@/,@10.0.0.9/"), |dumper| dumper.ours = false);
    let said = refused(&theirs, &["10.0.0.2"]);
    assert!(said.contains("was loaded by somebody else, with netconsole=@/,@10.0.0.9/"), "{said}");
    assert!(said.contains("`modprobe -r bedside_netconsole`"), "{said}");
}

#[test]
fn one_that_may_not_be_loaded_is_done_without() {
    let line = Module::Forbidden { file: "/etc/modprobe.d/x".into(), line: "install".into() };
    let mut facts = installed();
    facts.dumper.as_mut().unwrap().module = line;
    assert_eq!(steps(&facts, &["10.0.0.2"]), Vec::<String>::new());
    let mut facts = installed();
    facts.dumper.as_mut().unwrap().refused = Some("Key was rejected by service".into());
    assert_eq!(steps(&facts, &["10.0.0.2"]), Vec::<String>::new());
    let mut facts = installed();
    facts.limits.modules_disabled = true;
    assert_eq!(steps(&facts, &["10.0.0.2"]), Vec::<String>::new());
}

#[test]
fn a_kernel_without_netconsole_sends_with_it_alone() {
    let dumper = installed().dumper;
    let facts = Facts { module: Module::Absent, dumper, console_level: Some(8), ..machine() };
    let lasting = Wish { permanent: true, ..wish(&["10.0.0.2"]) };
    let plan = arm(&facts, &lasting, &lasting.doctors().unwrap()).unwrap();
    let first = plan.steps[0].action.to_string();
    assert_eq!(first, format!("modprobe bedside_netconsole netconsole={FROM_10} live=on"));
    assert!(plan.steps[0].why.starts_with("this kernel has no netconsole"));
    let written = |path: &str| written(&plan, path);
    let options = format!("options bedside_netconsole netconsole={FROM_10} live=on\n");
    assert!(written(path::MODPROBE).ends_with(&format!("away.\n{options}")));
    assert!(written(path::MODULES_LOAD).ends_with("away.\nbedside_netconsole\n"));
    let without = Facts { module: Module::Absent, ..machine() };
    assert!(refused(&without, &["10.0.0.2"]).contains("has no netconsole"));
}

#[test]
fn the_next_start_loads_both() {
    let lasting = Wish { permanent: true, early: true, ..wish(&["10.0.0.2"]) };
    let facts = Facts { initramfs: crate::facts::Initramfs::Tools, ..with(FROM_10) };
    let plan = arm(&facts, &lasting, &lasting.doctors().unwrap()).unwrap();
    let both = format!(
        "options netconsole netconsole={FROM_10}\noptions bedside_netconsole \
         netconsole={FROM_10} live=off\n"
    );
    assert!(written(&plan, path::MODPROBE).ends_with(&both));
    assert!(written(&plan, path::MODULES_LOAD).ends_with("\nnetconsole\nbedside_netconsole\n"));
    let hook = written(&plan, path::INITRAMFS_HOOK);
    assert!(hook.contains("for module in netconsole bedside_netconsole; do"), "{hook}");
}

/// What a plan writes to a file.
fn written(plan: &Plan, file: &str) -> String {
    let content = plan.steps.iter().find_map(|step| match &step.action {
        Action::WriteFile { path, content, .. } if path == file => Some(content.clone()),
        _ => None,
    });
    content.unwrap()
}
