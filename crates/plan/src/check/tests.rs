//! Each fault is a verdict with its evidence and its cure.

use super::*;
use crate::facts::{
    AgentKey, Configfs, Console, Dumper, DumperTarget, Init, Link, Loaded, Module, Route,
    RouteKind, Target, Way,
};
use crate::rules::{self, Rules};
use netconsole_wire::parameter::Mac;

/// A machine that is armed for 10.0.0.2 and has no fault.
fn well() -> Facts {
    let card = Link {
        index: 2,
        name: "eth0".into(),
        up: true,
        carrier: true,
        ethernet: true,
        ..Link::default()
    };
    let route = Route {
        address: [10, 0, 0, 2].into(),
        device: 2,
        source: Some([10, 0, 0, 7].into()),
        next_hop: [10, 0, 0, 2].into(),
        mac: Some(Mac([2; 6])),
        kind: RouteKind::Unicast,
    };
    let parameter = "+r@10.0.0.7/,@10.0.0.2/02:02:02:02:02:02".into();
    let wish = wish();
    Facts {
        module: Module::Loaded,
        configfs: Configfs::Ready,
        loaded: Some(Loaded { parameter, devices: vec![2] }),
        console_level: Some(8),
        links: vec![card],
        ways: vec![Way::Route(route)],
        consoles: vec![console("EC  p  ")],
        panic: [("panic".to_owned(), 0)].into(),
        files: [(crate::path::WISH_UNTIL_REBOOT.to_owned(), wish.to_string())].into(),
        ..Facts::default()
    }
}

/// The way to a broadcast address, or to a multicast group.
fn group(address: std::net::IpAddr) -> Way {
    let Some(Way::Route(route)) = well().ways.pop() else { panic!() };
    Way::Route(Route { address, next_hop: address, mac: None, kind: RouteKind::Group, ..route })
}

fn console(flags: &str) -> Console {
    Console { name: "netcon_ext0".into(), flags: flags.into() }
}

fn wish() -> Wish {
    Wish { words: vec!["10.0.0.2".into()], permanent: false, ..Wish::default() }
}

/// A table of these rules for what goes out, and for what comes in.
fn rules(outgoing: &str, incoming: &str) -> Vec<(Rules, Rules)> {
    let chain = |name, rules: &str| {
        let (policy, rules) = match rules.strip_prefix("policy drop") {
            Some(rules) => ("drop", rules),
            None => ("accept", rules),
        };
        format!(
            "chain {name} {{\ntype filter hook {name} priority 0; policy {policy};\n{rules}\n}}\n"
        )
    };
    let text =
        format!("table inet f {{\n{}{}}}", chain("output", outgoing), chain("input", incoming));
    vec![(Rules::from_nft(&text, rules::Way::Out), Rules::from_nft(&text, rules::Way::In))]
}

fn problems(facts: &Facts) -> Vec<String> {
    let wish = wish();
    let verdicts = check(facts, &wish, &wish.doctors().unwrap());
    let faults = verdicts.into_iter().filter(|verdict| verdict.state != State::Ok);
    faults
        .map(|verdict| {
            assert!(verdict.cure.is_some_and(|cure| !cure.is_empty()), "{}", verdict.evidence);
            format!("{}: {}", verdict.what, verdict.evidence)
        })
        .collect()
}

#[test]
fn of_a_machine_that_is_armed_nothing_is_wrong() {
    assert_eq!(problems(&well()), Vec::<String>::new());
}

#[test]
fn each_fault_is_named() {
    let with = |change: fn(&mut Facts)| {
        let mut facts = well();
        change(&mut facts);
        facts
    };
    let route = |change: fn(&mut Route)| {
        let mut facts = well();
        if let Way::Route(route) = &mut facts.ways[0] {
            change(route);
        }
        facts
    };
    for (facts, begins) in vec![
        (with(|f| f.console_level = Some(4)), "log level: lines of level 4 and above are kept"),
        (with(|f| f.command_line = "quiet".into()), ""),
        (with(|f| (f.console_level, f.command_line) = (Some(4), "ignore_loglevel".into())), ""),
        (with(|f| f.oops_only = true), "armed: netconsole was loaded with oops_only"),
        (with(|f| f.links[0].carrier = false), "device: has no carrier"),
        (with(|f| f.links[0].up = false), "device: is switched off"),
        (with(|f| f.links[0].wireless = true), "way: the way leads through eth0: it is Wi-Fi"),
        (route(|r| r.mac = None), "way: 10.0.0.2, the doctor, does not tell its hardware address"),
        (route(|r| r.kind = RouteKind::Local), "way: 10.0.0.2 is this machine itself"),
        (route(|r| r.kind = RouteKind::Group), "way: 10.0.0.2 is no single machine's address"),
        (route(|r| r.mac = Some(Mac([4; 6]))), "armed: a step is missing: modprobe -r"),
        (with(|f| f.limits.container = Some("lxc".into())), "container: this is a container (lxc)"),
        (with(|f| f.limits.lockdown = Some("integrity".into())), ""),
        (
            with(|f| {
                f.limits.lockdown = Some("integrity".into());
                f.module = Module::Loadable;
            }),
            "lockdown: the kernel is locked",
        ),
        (with(|f| f.limits.modules_disabled = true), ""),
        (
            with(|f| {
                f.limits.modules_disabled = true;
                f.module = Module::Loadable;
            }),
            "module loading: no module may be loaded",
        ),
        (
            with(|f| f.key = Some(AgentKey::Unusable("the key x is not used".into()))),
            "key: the key x is not used",
        ),
        (with(|f| f.rules = rules("udp dport 6666 drop", "")), "firewall: `udp dport 6666 drop`"),
        (with(|f| f.rules = rules("policy drop", "")), "firewall: inet f output drops what"),
        (with(|f| f.rules = rules("policy drop\nudp dport 6666 accept", "")), ""),
        (with(|f| f.rules = rules("", "policy drop")), "firewall: inet f input drops a doctor's"),
        (with(|f| f.rules = rules("", "policy drop\nct state established accept")), ""),
        (with(|f| f.module = Module::Absent), "module: the kernel  has no netconsole"),
        (with(|f| f.panic.clear()), "panic: kernel.panic can't be read"),
    ] {
        let found = problems(&facts);
        let first = found.first().map_or("", String::as_str);
        assert!(first.starts_with(begins), "{found:?} does not begin with {begins:?}");
        assert_eq!(first.is_empty(), begins.is_empty(), "{found:?}");
    }
}

/// Each of these is a verdict that could be taken for its opposite.
#[test]
fn what_is_well_is_told_as_it_is() {
    let ok = |what: &str, change: &dyn Fn(&mut Facts)| {
        let mut facts = well();
        change(&mut facts);
        let wish = wish();
        let verdicts = check(&facts, &wish, &wish.doctors().unwrap()).into_iter();
        let mut of_it = verdicts.filter(|verdict| verdict.what == what);
        of_it.find(|verdict| verdict.state == State::Ok).map(|verdict| verdict.evidence).unwrap()
    };
    let behind_a_router = |f: &mut Facts| {
        if let Way::Route(route) = &mut f.ways[0] {
            route.next_hop = [10, 0, 0, 254].into();
        }
    };
    let installed = |f: &mut Facts| {
        f.dumper = Some(Dumper { module: Module::Loadable, ..Dumper::default() });
    };
    let locked = |f: &mut Facts| {
        installed(f);
        f.limits.modules_disabled = true;
    };
    let alone = |f: &mut Facts| {
        f.module = Module::Absent;
        f.dumper = Some(Dumper { module: Module::Loadable, ..Dumper::default() });
    };
    let oops = |f: &mut Facts, value| f.panic.extend([("panic_on_oops".to_owned(), value)]);
    for (what, change, words) in [
        (
            "way",
            &(|_: &mut Facts| ()) as &dyn Fn(&mut Facts),
            "through eth0, where the doctor itself answers",
        ),
        ("way", &behind_a_router, "through eth0 to the router 10.0.0.254"),
        ("module", &|f: &mut Facts| f.module = Module::BuiltIn, "netconsole is part of the kernel"),
        ("module", &alone, "the kernel has no netconsole; bedside_netconsole is there"),
        ("death", &installed, "bedside_netconsole is installed; `up` loads it"),
        ("death", &locked, "bedside_netconsole is installed, but no module may be loaded"),
        (
            "trouble",
            &|f: &mut Facts| oops(f, 0),
            "kernel.panic_on_oops = 0: after an oops it goes on as it can",
        ),
        (
            "trouble",
            &|f: &mut Facts| oops(f, 1),
            "kernel.panic_on_oops = 1: after an oops it panics",
        ),
    ] {
        let told = ok(what, change);
        assert!(told.contains(words), "{told:?} is not {words:?}");
    }
}

#[test]
fn each_doctors_way_is_its_own() {
    let wish = Wish { words: vec!["10.0.0.2".into(), "10.0.0.3".into()], ..wish() };
    let lost = Way::NoRoute([10, 0, 0, 3].into(), "unreachable".into());
    let facts = Facts { ways: vec![well().ways.remove(0), lost], ..well() };
    let verdicts = check(&facts, &wish, &wish.doctors().unwrap()).into_iter();
    let ways = verdicts.filter(|verdict| verdict.what == "way");
    let ways: Vec<(String, State)> = ways.map(|way| (way.on.unwrap(), way.state)).collect();
    let expected = [("10.0.0.2", State::Ok), ("10.0.0.3", State::Problem)];
    assert_eq!(ways, expected.map(|(on, state)| (on.to_owned(), state)));
}

#[test]
fn an_agent_that_does_not_run_is_started_as_the_init_system_has_it() {
    for (init, cure) in [
        (Init::Systemd, "`systemctl start bedside-patient.service`"),
        (Init::OpenRc, "have `bedside-patient agent` started"),
        (Init::Unknown, "have `bedside-patient agent` started"),
    ] {
        let facts = Facts { init, agent: Some(false), ..well() };
        let found = faults(&facts, &wish(), &wish().doctors().unwrap()).into_iter();
        let agent = found.filter(|fault| fault.what == "agent").map(|fault| fault.cure.unwrap());
        let cures: Vec<String> = agent.collect();
        assert!(cures.len() == 1 && cures[0].starts_with(cure), "{cures:?}");
    }
}

#[test]
fn of_a_machine_without_a_wish_only_a_console_of_netconsoles_sends() {
    for (name, sends) in
        [("netcon_ext0", true), ("netcon0", true), ("bedside0", true), ("ttyS0", false)]
    {
        let consoles = vec![Console { name: name.into(), flags: "E  p".into() }];
        let facts = Facts { consoles, ways: Vec::new(), ..well() };
        let verdicts = check(&facts, &Wish::default(), &[]);
        let armed = verdicts.into_iter().find(|verdict| verdict.what == "armed").unwrap();
        assert_eq!(armed.state == State::Ok, sends, "{name}: {}", armed.evidence);
    }
}

/// Wi-Fi, without a module, its lines kept from consoles: what a relay needs none of.
#[test]
fn a_relays_faults_are_its_own() {
    let relay = |change: fn(&mut Facts)| {
        let mut facts = well();
        facts.links[0].wireless = true;
        facts.module = Module::Absent;
        facts.console_level = Some(4);
        change(&mut facts);
        let wish = Wish { relay: true, ..wish() };
        let written = (crate::path::WISH_UNTIL_REBOOT.to_owned(), wish.to_string());
        facts.files = [written].into();
        let verdicts = check(&facts, &wish, &wish.doctors().unwrap());
        let faults = verdicts.into_iter().filter(|verdict| verdict.state != State::Ok);
        faults.map(|fault| format!("{}: {}", fault.what, fault.evidence)).collect::<Vec<_>>()
    };
    for (change, faults) in [
        ((|_| ()) as fn(&mut Facts), vec![]),
        (
            |f| f.ways[0] = Way::Unresolved("no such name".into()),
            vec!["way: 10.0.0.2 has no address: no such name"],
        ),
        (
            |f| f.ways[0] = group([10, 0, 0, 255].into()),
            vec![
                "way: 10.0.0.255 is no single machine's address",
                "armed: it can't be, as told beside",
            ],
        ),
        (|f| f.ways[0] = group([239, 0, 0, 1].into()), vec![]),
        (
            |f| f.rules = rules("udp dport 6666 drop", ""),
            vec!["firewall: `udp dport 6666 drop` drops what the agent says itself"],
        ),
        (
            |f| f.agent = Some(false),
            vec![
                "agent: does not run: nobody sends the kernel's log, or says that the machine lives",
            ],
        ),
    ] {
        assert_eq!(relay(change), faults);
    }
}

#[test]
fn each_fault_of_a_target_is_named() {
    let target = Target { name: "x".into(), enabled: true, ..Target::default() };
    for (target, words) in [
        (Target { enabled: false, ..target.clone() }, "target: is disabled"),
        (Target { transmit_errors: Some(3), ..target.clone() }, "target: 3 datagrams could not"),
        (Target { remote_mac: Some(Mac::BROADCAST), ..target }, "target: sends to every machine"),
    ] {
        let facts = Facts { targets: vec![target], ..well() };
        let found = problems(&facts);
        assert!(found.iter().any(|problem| problem.starts_with(words)), "{found:?}");
    }
}

/// Measured on stock kernels: 6.1 sends all of a panic before it restarts, 7.2 and 7.3 nothing.
#[test]
fn a_kernel_that_sends_from_a_thread_and_restarts_itself_says_nothing() {
    let facts = |flags: &str, seconds| Facts {
        consoles: vec![console(flags)],
        panic: [("panic".to_owned(), seconds)].into(),
        ..well()
    };
    for seconds in [1, 10, -1] {
        let found = problems(&facts("EN  p  ", seconds));
        let said =
            format!("panic: kernel.panic = {seconds}, and this kernel's netconsole sends from");
        assert!(found[0].starts_with(&said), "{found:?}");
        assert!(problems(&facts("E   p  ", seconds)).is_empty());
    }
    assert!(problems(&facts("EN  p  ", 0)).is_empty());
}

/// With the module that delivers a death, as `up` has loaded it.
fn with_dumper(facts: Facts, target: DumperTarget) -> Facts {
    let dumper = Dumper {
        module: Module::Loaded,
        ours: true,
        parameter: facts.loaded.clone().unwrap().parameter,
        live: "off".into(),
        targets: vec![target],
        ..Dumper::default()
    };
    Facts { dumper: Some(dumper), ..facts }
}

#[test]
fn the_module_that_delivers_a_death_cures_silence_and_says_what_ails_itself() {
    let enabled = DumperTarget { enabled: true, ..DumperTarget::default() };
    let facts = |target| Facts {
        consoles: vec![console("EN  p  ")],
        panic: [("panic".to_owned(), 1)].into(),
        ..with_dumper(well(), target)
    };
    assert_eq!(problems(&facts(enabled.clone())), Vec::<String>::new());
    let unsent = DumperTarget { unsent: 2, sent: 9, ..enabled };
    let found = problems(&facts(unsent));
    assert_eq!(found, ["death: 2 datagrams of bedside_netconsole could not be sent, 9 were"]);
    let reason = Some("wifi".to_owned());
    let found = problems(&facts(DumperTarget { reason, ..DumperTarget::default() }));
    assert_eq!(found[1], "death: bedside_netconsole can't send: wifi");
    assert!(found[0].starts_with("armed: a step is missing: bedside_netconsole: "));
    assert!(found[2].starts_with("panic: kernel.panic = 1, and this kernel's netconsole sends"));
}

/// What is told to be tried works.
#[test]
fn a_cure_for_silence_is_one_where_no_module_may_be_loaded() {
    let dumper = Some(Dumper { module: Module::Loadable, ..Dumper::default() });
    let panic = [("panic".to_owned(), 1)].into();
    let mut facts = Facts { dumper, panic, consoles: vec![console("EN  p  ")], ..well() };
    for (locked, begins) in [
        (false, "`bedside-patient up …`, which loads bedside_netconsole"),
        (true, "start the machine without kernel.modules_disabled, then `bedside-patient up"),
    ] {
        facts.limits.modules_disabled = locked;
        let cure = mortal_faults(&facts).remove(0).cure.unwrap();
        assert!(cure.starts_with(begins), "{cure}");
    }
}

#[test]
fn one_that_the_kernel_refuses_is_named_with_what_to_do() {
    let refused = Some("Key was rejected by service".to_owned());
    let dumper = Some(Dumper { refused, ..Dumper::default() });
    let found = problems(&Facts { dumper, ..well() });
    assert_eq!(
        found,
        ["death: the kernel refuses bedside_netconsole: Key was rejected by service"]
    );
}

#[test]
fn a_crash_kernel_that_comes_before_the_death_is_named() {
    let enabled = DumperTarget { enabled: true, ..DumperTarget::default() };
    for (crash_kernel, armed, begins) in [
        (Some(false), true, "kdump: a crash kernel is loaded: it takes over in a panic before"),
        (Some(true), true, ""),
        (None, true, ""),
        (Some(false), false, ""),
    ] {
        let facts = if armed { with_dumper(well(), enabled.clone()) } else { well() };
        let panic = [("panic".to_owned(), 1)].into();
        let found = problems(&Facts { panic, crash_kernel, ..facts });
        let first = found.first().map_or("", String::as_str);
        assert!(first.starts_with(begins) && first.is_empty() == begins.is_empty(), "{found:?}");
    }
}
