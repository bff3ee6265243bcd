//! The dictionary, situation by situation.

use netconsole_wire::*;

fn all(dictionary: &[u8]) -> Vec<(&[u8], Text<'_>, Origin)> {
    Fields::new(b"", dictionary)
        .iter()
        .map(|field| (field.key, field.value, field.origin))
        .collect()
}

#[test]
fn subsystem_and_device_are_escaped_and_all_else_is_plain() {
    assert_eq!(
        all(b" SUBSYSTEM=acpi\n DEVICE=+acpi:PNP\\x0a\n esc=\\x0a\n"),
        [
            (&b"SUBSYSTEM"[..], Text::Escaped(b"acpi"), Origin::Kernel),
            (b"DEVICE", Text::Escaped(b"+acpi:PNP\\x0a"), Origin::Kernel),
            (b"esc", Text::Plain(b"\\x0a"), Origin::Userdata),
        ]
    );
}

#[test]
fn subsystem_after_anything_else_is_userdata() {
    for dictionary in [
        &b" a=1\n SUBSYSTEM=x\n"[..],
        b" DEVICE=1\n SUBSYSTEM=x\n",
        b" SUBSYSTEM=1\n SUBSYSTEM=x\n",
    ] {
        let last = all(dictionary).pop();
        assert_eq!(last, Some((&b"SUBSYSTEM"[..], Text::Plain(b"x"), Origin::Userdata)));
    }
}

#[test]
fn a_line_without_a_space_continues_the_value_before_it() {
    assert_eq!(
        all(b" a=one\ntwo=2\n six=6\n"),
        [
            (&b"a"[..], Text::Plain(b"one\ntwo=2"), Origin::Userdata),
            (b"six", Text::Plain(b"6"), Origin::Userdata),
        ]
    );
    assert_eq!(all(b" a=one\n\n b=2\n"), all(b" a=one\n\n b=2"));
    assert_eq!(all(b" a=one\n\n b=2\n")[0].1, Text::Plain(b"one\n"));
}

#[test]
fn a_first_line_without_a_space_is_an_entry() {
    assert_eq!(all(b"a=1\n b=2\n").len(), 2);
    assert_eq!(all(b"a=1\n b=2\n")[0].0, b"a");
}

#[test]
fn a_key_without_an_equals_sign_has_an_empty_value() {
    assert_eq!(all(b" key\n"), [(&b"key"[..], Text::Plain(b""), Origin::Userdata)]);
    assert_eq!(all(b" key\nmore=1\n"), [(&b"key"[..], Text::Plain(b"\nmore=1"), Origin::Userdata)]);
    assert_eq!(all(b" =v\n"), [(&b""[..], Text::Plain(b"v"), Origin::Userdata)]);
    assert_eq!(all(b" a=b=c\n"), [(&b"a"[..], Text::Plain(b"b=c"), Origin::Userdata)]);
}

#[test]
fn lines_of_nothing_are_no_entries() {
    assert_eq!(all(b""), []);
    assert_eq!(all(b"\n"), []);
    assert_eq!(all(b" \n \n"), []);
}

#[test]
fn a_task_that_forges_a_host_is_not_believed() {
    let fields = Fields::new(b"", b" host=true\n cpu=1\n taskname=z\n host=victim\n msgid=3\n");
    assert_eq!(fields.userdata([b"host"]), [Some(&b"true"[..])]);
    let fields = Fields::new(b"", b" cpu=1\n taskname=z\n host=victim\n msgid=3\n");
    assert_eq!(fields.userdata([b"host"]), [None]);
}

#[test]
fn the_first_of_several_userdata_entries_counts() {
    let fields = Fields::new(b",host=header", b" SUBSYSTEM=pci\n host=a\n host=b\n");
    assert_eq!(fields.userdata([b"host"]), [Some(&b"a"[..])]);
    assert_eq!(fields.userdata([b"SUBSYSTEM"]), [None]);
}

#[test]
fn sysdata_begins_at_the_first_of_its_keys() {
    for key in ["cpu", "taskname", "release", "msgid"] {
        let dictionary = format!(" a=1\n {key}=x\n b=2\n");
        let origins: Vec<_> = all(dictionary.as_bytes()).iter().map(|field| field.2).collect();
        assert_eq!(origins, [Origin::Userdata, Origin::Sysdata, Origin::Sysdata], "{key}");
    }
}

#[test]
fn the_last_msgid_counts() {
    let msgid = |dictionary: &'static [u8]| Fields::new(b",msgid=9", dictionary).msgid();
    assert_eq!(
        msgid(b" cpu=0\n taskname=x\n msgid=7\n y=1\n release=6\n msgid=4294967295\n"),
        Some(u32::MAX)
    );
    assert_eq!(msgid(b" msgid=4294967296\n"), None);
    assert_eq!(msgid(b" msgid=007\n"), None);
    assert_eq!(msgid(b" msgid=3\n msgid=x\n"), None);
    assert_eq!(msgid(b" cpu=0\n"), None);
    assert_eq!(Fields::EMPTY.msgid(), None);
}

#[test]
fn header_keys_come_first() {
    let fields = Fields::new(b",future=1,caller=T1,ncfrag=0/9", b" a=2\n");
    let keys: Vec<_> = fields.iter().map(|field| (field.key, field.origin)).collect();
    assert_eq!(keys, [(&b"future"[..], Origin::Header), (b"a", Origin::Userdata)]);
}

#[test]
fn nothing_is_empty() {
    assert!(Fields::EMPTY.is_empty());
    assert!(Fields::default().is_empty());
    assert!(Fields::new(b",caller=C0", b"\n").is_empty());
    assert!(!Fields::new(b",a", b"").is_empty());
}
