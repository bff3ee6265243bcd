//! What is done to which machine.

mod dumper;
mod lasting;

use std::collections::BTreeMap;

use netconsole_wire::parameter::Mac;

use super::targets::SYSDATA;
use super::*;
use crate::facts::{Configfs, Target};
use crate::facts::{Identity, Limits, Link, Loaded, Route, RouteKind, Way};

const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 1]);
const FROM_10: &str = "+r@10.0.0.7/,@10.0.0.2/02:00:00:00:00:01";

/// A machine with a card, a module to load, and a way to 10.0.0.2.
fn machine() -> Facts {
    let card = Link { index: 2, name: "eth0".into(), up: true, ethernet: true, ..Link::default() };
    Facts {
        identity: Identity { host: "web1".into(), boot_id: "b007".into(), release: "6.1".into() },
        console_level: Some(4),
        links: vec![card],
        ways: vec![way("10.0.0.2")],
        ..Facts::default()
    }
}

fn way(address: &str) -> Way {
    Way::Route(Route {
        address: address.parse().unwrap(),
        device: 2,
        source: Some("10.0.0.7".parse().unwrap()),
        next_hop: address.parse().unwrap(),
        mac: Some(ROUTER),
        kind: RouteKind::Unicast,
    })
}

fn loaded(facts: Facts, parameter: &str) -> Facts {
    let loaded = Some(Loaded { parameter: parameter.into(), devices: vec![2] });
    Facts {
        module: Module::Loaded,
        configfs: Configfs::Ready,
        console_level: Some(8),
        loaded,
        ..facts
    }
}

/// What a new kernel shows once `bedside0` or `cmdline0` is as it should be.
fn target(name: &str) -> Target {
    let userdata = [("host", "web1"), ("boot_id", "b007")];
    Target {
        name: name.into(),
        enabled: true,
        extended: Some(true),
        release: Some(true),
        device: "eth0".into(),
        local_ip: Some("10.0.0.7".parse().unwrap()),
        local_port: 6665,
        remote_ip: Some("10.0.0.2".parse().unwrap()),
        remote_port: 6666,
        remote_mac: Some(ROUTER),
        transmit_errors: Some(0),
        userdata: Some(userdata.map(|(key, value)| (key.into(), value.into())).into()),
        sysdata: SYSDATA.iter().map(|key| ((*key).into(), true)).collect(),
    }
}

fn wish(words: &[&str]) -> Wish {
    let words = words.iter().map(ToString::to_string).collect();
    Wish { words, permanent: false, ..Wish::default() }
}

/// The steps as people read them, without the file of the wish.
fn steps(facts: &Facts, words: &[&str]) -> Vec<String> {
    let wish = wish(words);
    let plan = arm(facts, &wish, &wish.doctors().unwrap()).unwrap();
    let steps = plan.steps.iter().map(|step| step.action.to_string());
    steps.filter(|step| step != "write /run/bedside-patient/patient.conf").collect()
}

fn refused(facts: &Facts, words: &[&str]) -> String {
    let wish = wish(words);
    let refusals = arm(facts, &wish, &wish.doctors().unwrap()).unwrap_err();
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_level_comes_before_the_module_so_that_the_whole_boot_log_is_sent() {
    let expected = [
        "sysctl kernel.printk = 8".to_owned(),
        format!("modprobe netconsole netconsole={FROM_10}"),
    ];
    assert_eq!(steps(&machine(), &["10.0.0.2"]), expected);
}

#[test]
fn a_level_that_is_as_wished_or_not_to_be_touched_is_left() {
    let module = [format!("modprobe netconsole netconsole={FROM_10}")];
    let high = Facts { console_level: Some(9), ..machine() };
    assert_eq!(steps(&high, &["10.0.0.2"]), module);
    let ignored = Facts { command_line: "quiet ignore_loglevel".into(), ..machine() };
    assert_eq!(steps(&ignored, &["10.0.0.2"]), module);
    let doctors = wish(&["10.0.0.2"]).doctors().unwrap();
    let leave = Wish { log_level: None, ..wish(&["10.0.0.2"]) };
    let plan = arm(&machine(), &leave, &doctors).unwrap();
    assert_eq!(plan.steps[0].action.to_string(), module[0]);
    let five = Wish { log_level: Some(5), ..leave };
    let loud = Facts { console_level: Some(7), ..machine() };
    let plan = arm(&loud, &five, &doctors).unwrap();
    assert_eq!(plan.steps[0].action.to_string(), "sysctl kernel.printk = 5");
    assert_eq!(plan.steps[0].why, "lines of level 5 and above are not to be sent, as you said");
    let plan = arm(&machine(), &five, &doctors).unwrap();
    let why = "at 4 the kernel keeps lines of level 4 and above from every console";
    assert_eq!(plan.steps[0].why, why);
}

#[test]
fn what_the_kernel_is_to_do_when_it_dies_is_set_where_it_differs_and_can_be_set() {
    let has = [("panic", 10), ("panic_on_oops", 1)].map(|(name, value)| (name.into(), value));
    let facts = Facts { panic: has.into(), ..loaded(machine(), FROM_10) };
    let wanted = [("panic", 0), ("panic_on_oops", 1), ("hung_task_panic", 1)];
    let panic = wanted.map(|(name, value)| (name.into(), value)).into();
    let wish = Wish { panic, ..wish(&["10.0.0.2"]) };
    for relay in [false, true] {
        let wish = Wish { relay, ..wish.clone() };
        let plan = arm(&facts, &wish, &wish.doctors().unwrap()).unwrap();
        let steps = plan.steps.iter().map(|step| step.action.to_string());
        let settings: Vec<String> = steps.filter(|step| step.starts_with("sysctl")).collect();
        assert_eq!(settings, ["sysctl kernel.panic = 0"]);
    }
}

#[test]
fn a_doctor_that_is_named_twice_is_sent_to_once() {
    let facts = Facts { ways: vec![way("10.0.0.2"), way("10.0.0.2")], ..machine() };
    let once = steps(&machine(), &["10.0.0.2"]);
    assert_eq!(steps(&facts, &["10.0.0.2", "doctor.example"]), once);
    let doubled = vec![target("cmdline0"), target("bedside0")];
    let doubled = Facts { targets: doubled, ..loaded(machine(), FROM_10) };
    assert_eq!(steps(&doubled, &["10.0.0.2"]), ["remove the target bedside0"]);
}

#[test]
fn of_a_machine_that_is_armed_nothing_is_left_to_do() {
    let hidden = loaded(machine(), FROM_10);
    assert_eq!(steps(&hidden, &["10.0.0.2"]), Vec::<String>::new());
    let not_dynamic = Facts { configfs: Configfs::Never, ..hidden };
    assert_eq!(steps(&not_dynamic, &["10.0.0.2"]), Vec::<String>::new());
    for name in ["cmdline0", "bedside0"] {
        let shown = Facts { targets: vec![target(name)], ..loaded(machine(), FROM_10) };
        assert_eq!(steps(&shown, &["10.0.0.2"]), Vec::<String>::new(), "{name}");
    }
    let old =
        Target { userdata: None, release: None, sysdata: BTreeMap::new(), ..target("bedside0") };
    let old = Facts { targets: vec![old], loaded: None, ..loaded(machine(), "") };
    assert_eq!(steps(&old, &["10.0.0.2"]), Vec::<String>::new());
}

#[test]
fn a_module_that_others_loaded_gets_a_target_of_its_own() {
    let facts = Facts { loaded: None, ..loaded(machine(), "") };
    let expected = [
        "make the target bedside0",
        "bedside0: dev_name = eth0",
        "bedside0: local_port = 6665",
        "bedside0: remote_port = 6666",
        "bedside0: local_ip = 10.0.0.7",
        "bedside0: remote_ip = 10.0.0.2",
        "bedside0: remote_mac = 02:00:00:00:00:01",
        "bedside0: extended = 1",
        "bedside0: release = 1 (where the kernel has it)",
        "bedside0: make the userdata host",
        "bedside0: userdata/host/value = web1 (where the kernel has it)",
        "bedside0: make the userdata boot_id",
        "bedside0: userdata/boot_id/value = b007 (where the kernel has it)",
        "bedside0: userdata/cpu_nr_enabled = 1 (where the kernel has it)",
        "bedside0: userdata/taskname_enabled = 1 (where the kernel has it)",
        "bedside0: userdata/release_enabled = 1 (where the kernel has it)",
        "bedside0: userdata/msgid_enabled = 1 (where the kernel has it)",
        "bedside0: enabled = 1",
    ];
    assert_eq!(steps(&facts, &["10.0.0.2"]), expected);
    let unmounted = Facts { configfs: Configfs::NotYet, ..facts };
    assert_eq!(steps(&unmounted, &["10.0.0.2"]), ["mount -t configfs configfs /sys/kernel/config"]);
}

#[test]
fn the_basic_format_takes_neither_number_nor_name() {
    let facts = Facts { loaded: None, ..loaded(machine(), "") };
    let steps = steps(&facts, &["@10.0.0.2"]);
    assert!(steps.contains(&"bedside0: extended = 0".into()), "{steps:?}");
    let release = "bedside0: release = 0 (where the kernel has it)";
    assert!(steps.contains(&release.into()), "the kernel refuses it without `extended`");
    assert!(!steps.iter().any(|step| step.contains("userdata") || step.contains("_enabled")));
    assert_eq!(
        self::steps(&machine(), &["@10.0.0.2"])[1],
        format!("modprobe netconsole netconsole={}", &FROM_10[2..])
    );
}

#[test]
fn a_kernel_that_shows_its_parameters_targets_is_not_loaded_again() {
    let mut facts = loaded(machine(), FROM_10);
    facts.loaded.as_mut().unwrap().devices.clear();
    facts.ways = vec![way("10.0.0.3")];
    facts.targets = vec![target("cmdline0")];
    let steps = self::steps(&facts, &["10.0.0.3"]);
    assert_eq!(steps[..2], ["remove the target cmdline0", "make the target bedside0"]);
    let other = Target { remote_ip: Some([10, 0, 0, 3].into()), ..target("bedside0") };
    facts.targets = vec![other];
    assert_eq!(self::steps(&facts, &["10.0.0.3"]), Vec::<String>::new());
}

#[test]
fn what_the_start_of_the_machine_loaded_is_taken_over() {
    let facts = Facts { from_start: true, ..loaded(machine(), FROM_10) };
    assert_eq!(steps(&facts, &["10.0.0.2"]), [format!("take over netconsole={FROM_10}")]);
}

#[test]
fn a_target_takes_another_format() {
    let facts = Facts { targets: vec![target("bedside0")], loaded: None, ..loaded(machine(), "") };
    let changed = [
        "bedside0: enabled = 0",
        "bedside0: extended = 0",
        "bedside0: release = 0 (where the kernel has it)",
        "bedside0: enabled = 1",
    ];
    assert_eq!(steps(&facts, &["@10.0.0.2"]), changed);
    // A kernel that can't add its release.
    let basic = Target { extended: Some(false), release: None, ..target("bedside0") };
    let facts = Facts { targets: vec![basic], ..facts };
    let changed = ["bedside0: enabled = 0", "bedside0: extended = 1", "bedside0: enabled = 1"];
    assert_eq!(steps(&facts, &["10.0.0.2"]), changed);
}

#[test]
fn a_router_that_was_replaced_is_followed() {
    let other = Target { remote_mac: Some(Mac([2; 6])), ..target("bedside0") };
    let facts = Facts { targets: vec![other.clone()], ..loaded(machine(), FROM_10) };
    let facts = Facts { loaded: None, ..facts };
    let mended = [
        "bedside0: enabled = 0",
        "bedside0: remote_mac = 02:00:00:00:00:01",
        "bedside0: enabled = 1",
    ];
    assert_eq!(steps(&facts, &["10.0.0.2"]), mended);
    // Disabled by the kernel meanwhile, say because its device went away.
    let down = Facts { targets: vec![Target { enabled: false, ..other }], ..facts };
    assert_eq!(steps(&down, &["10.0.0.2"]), mended[1..]);
    let only_down = Target { enabled: false, ..target("bedside0") };
    let facts = Facts { targets: vec![only_down], ..down };
    assert_eq!(steps(&facts, &["10.0.0.2"]), mended[2..]);
}

#[test]
fn where_the_parameters_targets_are_hidden_the_module_is_loaded_again() {
    let old = loaded(machine(), &FROM_10.replace("01", "09").replace("+r", "+"));
    let again = format!(
        "modprobe -r netconsole && modprobe netconsole netconsole={}",
        FROM_10.replace("+r", "+")
    );
    assert_eq!(
        steps(&old, &["10.0.0.2"]),
        std::slice::from_ref(&again),
        "this kernel refused `r` before"
    );
    // A device of the same name that is another one.
    let anew = loaded(machine(), &FROM_10.replace("+r", "+"));
    let anew =
        Facts { loaded: Some(Loaded { devices: vec![9], ..anew.loaded.clone().unwrap() }), ..anew };
    assert_eq!(steps(&anew, &["10.0.0.2"]), [again]);
    // Not under others.
    let others = Target { name: "other".into(), remote_port: 514, ..target("x") };
    let shared = Facts { targets: vec![others], ..anew };
    assert_eq!(steps(&shared, &["10.0.0.2"]), Vec::<String>::new());
}

#[test]
fn a_doctor_who_is_wanted_no_more_is_dropped_and_a_new_one_added() {
    let gone = Target { remote_ip: Some("10.0.0.9".parse().unwrap()), ..target("bedside0") };
    let facts = Facts { targets: vec![gone], loaded: None, ..loaded(machine(), "") };
    let steps = steps(&facts, &["10.0.0.2"]);
    assert_eq!(steps[..2], ["remove the target bedside0", "make the target bedside1"]);
}

#[test]
fn doctors_that_the_parameter_has_no_room_for_come_through_configfs() {
    let words: Vec<String> = (1..=8).map(|n| format!("10.0.0.{n}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ways = words.iter().map(|word| way(word)).collect();
    let facts = Facts { ways, console_level: Some(8), ..machine() };
    let steps = steps(&facts, &words);
    let parameter = steps[0].strip_prefix("modprobe netconsole netconsole=").unwrap();
    assert!(parameter.len() <= MAX_LENGTH && parameter.split(';').count() == 6, "{steps:?}");
    let mut there = loaded(facts, parameter);
    there.loaded.as_mut().unwrap().devices = vec![2; 6];
    let then = self::steps(&there, &words);
    let made: Vec<&String> =
        then.iter().filter(|step| step.starts_with("make the target")).collect();
    assert_eq!(made, ["make the target bedside0", "make the target bedside1"]);
}

#[test]
fn others_targets_are_neither_changed_nor_doubled() {
    let other = Target { name: "nc0".into(), ..target("nc0") };
    let facts = Facts { targets: vec![other.clone()], loaded: None, ..loaded(machine(), "") };
    assert!(refused(&facts, &["10.0.0.2"]).starts_with("the target nc0, which another tool made"));
    let elsewhere = Target { remote_port: 514, ..other };
    let facts = Facts { targets: vec![elsewhere], ..facts };
    assert!(steps(&facts, &["10.0.0.2"]).iter().all(|step| !step.contains("nc0")));
}

/// The routing table would rather have 10.0.0.7; the target shown, or the parameter, has 10.0.0.8.
#[test]
fn an_address_that_is_still_the_machines_own_is_sent_from_as_before() {
    let other: std::net::IpAddr = "10.0.0.8".parse().unwrap();
    let shown = Target { local_ip: Some(other), ..target("bedside0") };
    let shown = Facts { targets: vec![shown], loaded: None, ..loaded(machine(), "") };
    let hidden = loaded(machine(), &FROM_10.replace("10.0.0.7", "10.0.0.8"));
    for facts in [shown, hidden] {
        let has = |device| Facts { addresses: vec![(device, other)], ..facts.clone() };
        assert_eq!(steps(&has(2), &["10.0.0.2"]), [""; 0]);
        for facts in [has(3), facts.clone()] {
            let steps = steps(&facts, &["10.0.0.2"]).join("\n");
            assert!(steps.contains("local_ip = 10.0.0.7") || steps.contains(FROM_10), "{steps}");
        }
    }
}

#[test]
fn what_stands_in_the_way_is_told_all_at_once_and_with_its_cure() {
    let limits = Limits {
        missing_capabilities: vec!["CAP_SYS_MODULE".into()],
        container: Some("docker".into()),
        ..Limits::default()
    };
    let facts =
        Facts { limits, module: Module::Absent, distribution: "ubuntu".into(), ..machine() };
    let ways = vec![Way::NoRoute("10.0.0.2".parse().unwrap(), "Network is unreachable".into())];
    let said = refused(&Facts { ways, ..facts }, &["10.0.0.2"]);
    for words in [
        "this is a container (docker)",
        "arming a kernel takes CAP_SYS_MODULE (CAP_SYS_MODULE to load netconsole)",
        "the kernel 6.1 has no netconsole",
        "try: `apt install linux-modules-extra-6.1`",
        "there is no way to 10.0.0.2: Network is unreachable",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
}

#[test]
fn a_kernel_without_netconsole_is_told_with_the_package_that_has_it() {
    for (distribution, package) in [
        ("debian", "`apt install linux-image-6.1`"),
        ("ubuntu", "`apt install linux-modules-extra-6.1`"),
        ("rocky", "`dnf install kernel-modules-extra-6.1 "),
        ("openwrt", "`apk add kmod-netconsole`"),
        ("alpine", "`apk add linux-lts`"),
        ("gentoo", "CONFIG_NETCONSOLE=m"),
    ] {
        let distribution = distribution.to_owned();
        let facts = Facts { module: Module::Absent, distribution, ..machine() };
        let said = refused(&facts, &["10.0.0.2"]);
        assert!(said.contains(package), "{said}");
    }
}

#[test]
fn each_way_that_leads_nowhere_is_refused() {
    let route = |change: fn(&mut Route)| {
        let Way::Route(mut route) = way("10.0.0.2") else { unreachable!() };
        change(&mut route);
        Facts { ways: vec![Way::Route(route)], ..machine() }
    };
    for (facts, words) in [
        (route(|route| route.kind = RouteKind::Local), "10.0.0.2 is this machine itself"),
        (route(|route| route.kind = RouteKind::Group), "10.0.0.2 is no single machine's address"),
        (route(|route| route.address = [239, 0, 0, 1].into()), "239.0.0.1 is no single machine's"),
        (route(|route| route.address = [0; 4].into()), "0.0.0.0 is no single machine's address"),
        (route(|route| route.address = [127, 0, 0, 2].into()), "127.0.0.2 is this machine itself"),
        (
            route(|route| route.mac = None),
            "10.0.0.2, the doctor, does not tell its hardware address on eth0",
        ),
        (
            route(|route| {
                route.mac = None;
                route.next_hop = [10, 0, 0, 254].into();
            }),
            "10.0.0.254, the router to 10.0.0.2, does not tell",
        ),
        (route(|route| route.mac = Some(Mac::BROADCAST)), "ff:ff:ff:ff:ff:ff is no machine's"),
        (route(|route| route.source = None), "eth0 has no address to send from"),
        (
            Facts {
                links: vec![Link { name: "a;b".into(), ..machine().links.remove(0) }],
                ..machine()
            },
            "netconsole's parameter can't name the device \"a;b\"",
        ),
        (route(|route| route.device = 7), "the device number 7 of the route has gone"),
    ] {
        let said = refused(&facts, &["10.0.0.2"]);
        assert!(said.starts_with(words), "{said}");
    }
    let unresolved = Facts { ways: vec![Way::Unresolved("no such name".into())], ..machine() };
    assert!(refused(&unresolved, &["doctor"]).starts_with("doctor has no address: no such name"));
}

#[test]
fn a_kernel_that_cannot_be_changed_while_it_runs_says_what_to_do() {
    let built_in = Facts { module: Module::BuiltIn, configfs: Configfs::Never, ..machine() };
    let said = refused(&built_in, &["10.0.0.2"]);
    assert!(
        said.contains(&format!("put `netconsole={FROM_10}` on the kernel's command line")),
        "{said}"
    );
    let loaded = Facts { module: Module::Loaded, ..built_in };
    assert!(refused(&loaded, &["10.0.0.2"]).contains("try: `modprobe -r netconsole`"));
}
