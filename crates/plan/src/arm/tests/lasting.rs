//! What the next start finds.

use super::*;

#[test]
fn what_is_to_last_is_written_down_once() {
    let lasting = Wish { permanent: true, ..wish(&["10.0.0.2"]) };
    let doctors = lasting.doctors().unwrap();
    let mut facts = loaded(machine(), FROM_10);
    facts.init = crate::facts::Init::Systemd;
    facts.program = "/usr/bin/bedside-patient".into();
    let plan = arm(&facts, &lasting, &doctors).unwrap();
    let words: Vec<String> = plan.steps.iter().map(|step| step.action.to_string()).collect();
    assert_eq!(
        words,
        [
            "write /etc/bedside/patient.conf",
            "write /etc/sysctl.d/60-bedside-patient.conf",
            "write /etc/modprobe.d/bedside-patient.conf",
            "write /etc/modules-load.d/bedside-patient.conf",
            "when undone: systemctl daemon-reload",
            "write /etc/systemd/system/bedside-patient.service",
            "systemctl enable bedside-patient.service",
            "systemctl restart bedside-patient.service",
        ]
    );
    for step in plan.steps {
        if let Action::WriteFile { path, content, .. } = step.action {
            assert!(!content.contains('@') || path.contains("modprobe"), "{content}");
            facts.files.insert(path, content);
        }
    }
    let plan = arm(&facts, &lasting, &doctors).unwrap();
    let enable = "systemctl enable bedside-patient.service";
    assert!(plan.steps.iter().any(|step| step.action.to_string() == enable), "it was not yet");
    facts.files.insert(crate::permanent::WANTS.into(), String::new());
    assert!(arm(&facts, &lasting, &doctors).unwrap().is_empty());
    facts.agent = Some(false);
    let plan = arm(&facts, &lasting, &doctors).unwrap();
    let words: Vec<String> = plan.steps.iter().map(|step| step.action.to_string()).collect();
    assert_eq!(words, ["systemctl start bedside-patient.service"]);
    let options = &facts.files[path::MODPROBE];
    assert!(
        options.ends_with(&format!("\noptions netconsole netconsole={FROM_10}\n")),
        "{options}"
    );
}

#[test]
fn the_command_line_of_each_kernel_takes_the_parameter_by_its_own_name() {
    use crate::facts::Initramfs;
    for (module, name, hook) in
        [(Module::Loaded, "netconsole.netconsole", true), (Module::BuiltIn, "netconsole", false)]
    {
        let wish = Wish { early: true, permanent: true, ..wish(&["10.0.0.2"]) };
        let there = Facts { targets: vec![target("bedside0")], ..loaded(machine(), FROM_10) };
        let facts = Facts { module, initramfs: Initramfs::Tools, ..there };
        let plan = arm(&facts, &wish, &wish.doctors().unwrap()).unwrap();
        let line = format!("`{name}={FROM_10}` on the kernel's command line");
        assert!(plan.notes.iter().any(|note| note.contains(&line)), "{:?}", plan.notes);
        let writes = format!("write {}", path::INITRAMFS_HOOK);
        let written = plan.steps.iter().any(|step| step.action.to_string() == writes);
        assert_eq!(written, hook, "there is a module to put into the initramfs, or none");
    }
}

/// Whatever the kernel can't: neither a module nor a card is asked for.
#[test]
fn a_relay_is_written_down_and_started() {
    let wish = Wish { relay: true, permanent: true, ..wish(&["10.0.0.2"]) };
    let doctors = wish.doctors().unwrap();
    let facts = Facts { module: Module::Absent, init: crate::facts::Init::Systemd, ..machine() };
    let plan = arm(&facts, &wish, &doctors).unwrap();
    let words: Vec<String> = plan.steps.iter().map(|step| step.action.to_string()).collect();
    assert_eq!(
        words,
        [
            "write /etc/bedside/patient.conf",
            "when undone: systemctl daemon-reload",
            "write /etc/systemd/system/bedside-patient.service",
            "systemctl enable bedside-patient.service",
            "systemctl restart bedside-patient.service",
        ]
    );
    let unit = plan.steps.iter().find_map(|step| match &step.action {
        Action::WriteFile { path, content, .. } if path == crate::path::UNIT => Some(content),
        _ => None,
    });
    assert!(unit.unwrap().contains("\nDeviceAllow=/dev/kmsg r\n"), "it reads the kernel's log");
    assert_eq!(plan.notes, Vec::<String>::new());
    let able = Facts { module: Module::Loadable, ..facts.clone() };
    let notes = arm(&able, &wish, &doctors).unwrap().notes;
    assert_eq!(notes, ["the kernel itself could send, without user space: `up` without --relay"]);
    for word in ["@10.0.0.2", "+@10.0.0.7/,@10.0.0.2/"] {
        let wish = Wish { words: vec![word.into()], ..wish.clone() };
        assert_eq!(arm(&facts, &wish, &wish.doctors().unwrap()).unwrap_err().len(), 1, "{word}");
    }
    let limits = Limits { container: Some("lxc".into()), ..Limits::default() };
    assert_eq!(arm(&Facts { limits, ..facts }, &wish, &doctors).unwrap_err().len(), 1);
}

/// `sh -n` is all that can be said of those that can't be run here.
#[test]
fn the_init_scripts_are_sound_shell() {
    use crate::facts::Init;
    for init in [Init::OpenRc, Init::Procd, Init::SysV] {
        let wish = Wish { permanent: true, ..wish(&["10.0.0.2"]) };
        let facts =
            Facts { init, program: "/bin/bedside-patient".into(), ..loaded(machine(), FROM_10) };
        let plan = arm(&facts, &wish, &wish.doctors().unwrap()).unwrap();
        let script = plan.steps.iter().find_map(|step| match &step.action {
            Action::WriteFile { path, content, executable: true, .. } => Some((path, content)),
            _ => None,
        });
        let (path, content) = script.unwrap();
        assert_eq!(path, "/etc/init.d/bedside-patient");
        let sound = std::process::Command::new("sh").args(["-n", "-c", content]).status().unwrap();
        assert!(sound.success() && content.contains("/bin/bedside-patient"), "{content}");
        assert!(plan.notes.iter().any(|note| note.contains("not tried")));
    }
}

#[test]
fn early_is_in_the_initramfs_and_goes_out_of_it_again() {
    use crate::facts::Initramfs;
    for (initramfs, file, command) in [
        (Initramfs::Tools, path::INITRAMFS_HOOK, "update-initramfs -u"),
        (Initramfs::Dracut, path::DRACUT, "dracut --force"),
    ] {
        let wish = Wish { early: true, permanent: true, ..wish(&["10.0.0.2"]) };
        let mut facts = Facts { initramfs, ..loaded(machine(), FROM_10) };
        let doctors = wish.doctors().unwrap();
        let plan = arm(&facts, &wish, &doctors).unwrap();
        let words: Vec<String> = plan.steps.iter().map(|step| step.action.to_string()).collect();
        let at = words.iter().position(|word| *word == format!("write {file}")).unwrap();
        assert_eq!(words[at - 1], format!("when undone: {command}"));
        assert_eq!(words[at + 1], command);
        let line = format!("`netconsole.netconsole={FROM_10}` on the kernel's command line");
        assert!(plan.notes.iter().any(|note| note.contains(&line)), "{:?}", plan.notes);
        let Action::WriteFile { content, .. } = &plan.steps[at].action else { unreachable!() };
        let sound = std::process::Command::new("sh").args(["-n", "-c", content]).status().unwrap();
        assert!(sound.success());
        for step in &plan.steps {
            if let Action::WriteFile { path, content, .. } = &step.action {
                facts.files.insert(path.clone(), content.clone());
            }
        }
        let steps = |facts: &Facts, wish: &Wish| -> Vec<String> {
            let plan = arm(facts, wish, &doctors).unwrap();
            plan.steps.iter().map(|step| step.action.to_string()).collect()
        };
        assert!(!steps(&facts, &wish).contains(&command.to_owned()));
        let late = steps(&facts, &Wish { early: false, ..wish.clone() });
        assert!(late.ends_with(&[format!("take back {file}"), command.to_owned()]), "{late:?}");
        facts.files.insert(path::MODPROBE.into(), "another parameter".into());
        assert!(
            steps(&facts, &wish).ends_with(&[command.to_owned()]),
            "it is made with the new one"
        );
    }
}
