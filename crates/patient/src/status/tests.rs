//! What is told of which machine.

use super::*;
use bedside_plan::Action;
use bedside_plan::facts::Init;

/// A kernel that sends to somebody whom `up` never heard of.
fn machine() -> Facts {
    let target = Target {
        name: "by-hand".into(),
        enabled: true,
        device: "eth0".into(),
        remote_ip: Some([10, 0, 0, 2].into()),
        remote_port: 6666,
        transmit_errors: Some(4),
        ..Target::default()
    };
    Facts {
        module: Module::Loaded,
        console_level: Some(8),
        consoles: vec![Console { name: "netcon_ext0".into(), flags: "E  p".into() }],
        targets: vec![target],
        ..Facts::default()
    }
}

fn object(facts: &Facts) -> (Value, bool) {
    let status = Status::of(facts, None, &[]).unwrap();
    (status.object(), status.is_well())
}

#[test]
fn targets_that_others_made_are_told_with_their_maker() {
    let (told, well) = object(&machine());
    assert!(well, "it sends");
    assert_eq!(told["module"], "loaded");
    assert_eq!(told["targets"][0]["made_by"], "configfs");
    assert_eq!(told["targets"][0]["to"], "10.0.0.2:6666");
    assert_eq!(told["hidden_target"], Value::Null);
    assert!(told["faults"][0]["evidence"].as_str().unwrap().starts_with("4 datagrams"));
    assert!(told["faults"][0]["cure"].is_string());
    let mut facts = machine();
    facts.targets[0].name = "cmdline0".into();
    assert_eq!(object(&facts).0["targets"][0]["made_by"], "parameter");
}

#[test]
fn a_target_that_configfs_does_not_show_is_told_too() {
    let mut facts = machine();
    facts.targets.clear();
    facts.command_line = "quiet netconsole=@/,@10.0.0.2/".into();
    let (told, _) = object(&facts);
    assert_eq!(told["hidden_target"]["made_by"], "parameter");
    assert_eq!(told["hidden_target"]["parameter"], "@/,@10.0.0.2/");
    facts.consoles.clear();
    let (told, well) = object(&facts);
    assert!(told["hidden_target"].is_null() && !well, "nothing sends");
}

#[test]
fn a_doctor_that_answers_and_never_heard_it_is_a_fault_and_a_mute_one_is_none() {
    let (facts, doctor) = (machine(), Doctor::parse("10.0.0.2").unwrap().remove(0));
    let mut status = Status::of(&facts, None, &[]).unwrap();
    for (last, well) in [
        (Last::Heard { seconds: 3, source_port: 6665 }, true),
        (Last::Unknown("no answer came".into()), true),
        (Last::Never, false),
    ] {
        assert_eq!(last.fault(&doctor).is_none(), well);
        status.heard = vec![(&doctor, last)];
        assert_eq!(status.is_well(), well);
    }
}

#[test]
fn a_machine_whose_user_space_sends_is_well_without_a_console() {
    let wish = Wish { relay: true, words: vec!["10.0.0.2".into()], ..Wish::default() };
    let program = "/usr/bin/bedside-patient".to_owned();
    let mut facts = Facts { init: Init::Systemd, program, ..Facts::default() };
    let object = |facts: &Facts| Status::of(facts, Some(wish.clone()), &[]).unwrap().object();
    let told = object(&facts);
    assert_eq!((&told["relay"], &told["sends"]), (&json!(true), &json!(false)), "not yet");
    for step in arm(&facts, &wish, &[]).unwrap().steps {
        if let Action::WriteFile { path, content, .. } = step.action {
            facts.files.insert(path, content);
        }
    }
    let wants = "/etc/systemd/system/multi-user.target.wants/bedside-patient.service";
    facts.files.insert(wants.into(), String::new());
    facts.agent = Some(true);
    assert_eq!(object(&facts)["sends"], true);
    facts.agent = Some(false);
    let told = object(&facts);
    assert_eq!((&told["sends"], &told["as_wished"]), (&json!(false), &json!(false)));
    assert!(told["faults"][0]["cure"].as_str().unwrap().contains("up --relay 10.0.0.2"));
    let nobody_starts_it = Facts { init: Init::Unknown, ..facts };
    let told = object(&nobody_starts_it);
    assert_eq!((&told["sends"], &told["as_wished"]), (&json!(false), &json!(true)));
    assert!(told["faults"][0]["cure"].as_str().unwrap().contains("bedside-patient agent"));
}
