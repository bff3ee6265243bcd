//! The `netconsole=` parameter, situation by situation.

use std::net::IpAddr;

use netconsole_wire::parameter::{Device, MAX_LENGTH, Mac, Problem, Target, parse};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn only(text: &str) -> Target<'_> {
    let parameter = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let targets: Vec<_> = parameter.targets().collect();
    assert_eq!(targets.len(), 1);
    targets[0]
}

#[test]
fn the_shortest_parameter_has_all_defaults() {
    let target = only("@/,@192.168.0.2/");
    assert_eq!(target, Target::to(ip("192.168.0.2")));
    assert_eq!((target.source_port, target.port), (6665, 6666));
    assert_eq!(target.device, Device::Name("eth0"));
    assert_eq!(target.mac, Mac([0xff; 6]));
    assert!(!target.extended && !target.release);
}

#[test]
fn all_is_given() {
    let text = "+r4444@10.0.0.1/enp1s0,9353@10.0.0.2/12:34:56:78:9A:bc";
    let target = only(text);
    assert!(target.extended && target.release);
    assert_eq!((target.source_port, target.port), (4444, 9353));
    assert_eq!(target.source_ip, Some(ip("10.0.0.1")));
    assert_eq!(target.device, Device::Name("enp1s0"));
    assert_eq!(target.mac, Mac([0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]));
    assert_eq!(target.to_string(), text.to_lowercase());
}

#[test]
fn ipv6_and_a_source_mac() {
    let target = only("@fd00::1/02:00:00:00:00:01,@fd00::2/");
    assert_eq!(target.source_ip, Some(ip("fd00::1")));
    assert_eq!(target.device, Device::Mac(Mac([2, 0, 0, 0, 0, 1])));
    assert_eq!(target.ip, ip("fd00::2"));
}

#[test]
fn several_targets() {
    let parameter = parse("@/,@10.0.0.1/;+@/eth1,@10.0.0.2/;@/,514@fd00::1/").unwrap();
    let ports: Vec<_> = parameter.targets().map(|target| target.port).collect();
    assert_eq!(ports, [6666, 6666, 514]);
    assert_eq!(parameter.to_string(), parameter.as_str());
}

#[test]
fn defaults_are_left_out_when_printed() {
    for (given, printed) in [
        ("6665@/eth0,6666@10.0.0.1/ff:ff:ff:ff:ff:ff", "@/,@10.0.0.1/"),
        ("netconsole=@/,@10.0.0.1/", "@/,@10.0.0.1/"),
        ("netconsole.netconsole=06665@/,@10.0.0.1/", "@/,@10.0.0.1/"),
        ("@/,@0:0:0:0:0:0:0:1/", "@/,@::1/"),
    ] {
        assert_eq!(parse(given).unwrap().to_string(), printed);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, problem, offset) in [
        ("", Problem::NoTarget, 0),
        ("netconsole=", Problem::NoTarget, 11),
        ("@/,@10.0.0.1/;", Problem::NoTarget, 14),
        ("@/,@10.0.0.1/;;@/,@10.0.0.2/", Problem::NoTarget, 14),
        ("@/,@10.0.0.1/ ;", Problem::Blank, 13),
        ("@/,@10.0.0.1/\n", Problem::Blank, 13),
        ("@/\u{e9}th0,@10.0.0.1/", Problem::Blank, 2),
        ("r@/,@10.0.0.1/", Problem::ReleaseWithoutExtended, 0),
        ("r+@/,@10.0.0.1/", Problem::ReleaseWithoutExtended, 0),
        ("++@/,@10.0.0.1/", Problem::BadPort, 1),
        ("+6665", Problem::NoSourceAt, 5),
        ("6665@10.0.0.1", Problem::NoSourceSlash, 13),
        ("@/eth0", Problem::NoComma, 6),
        ("@/eth0,6666", Problem::NoTargetAt, 11),
        ("@/,@10.0.0.1", Problem::NoTargetSlash, 12),
        ("@/,@/", Problem::NoTargetAddress, 4),
        ("65536@/,@10.0.0.1/", Problem::BadPort, 0),
        ("@/,66x@10.0.0.1/", Problem::BadPort, 3),
        ("@/,-1@10.0.0.1/", Problem::BadPort, 3),
        ("@/,0@10.0.0.1/", Problem::PortZero, 3),
        ("@/,@doctor.example/", Problem::BadAddress, 4),
        ("@/,@10.0.0.256/", Problem::BadAddress, 4),
        ("@/,@[fd00::1]/", Problem::BadAddress, 4),
        ("@/,@fe80::1%eth0/", Problem::BadAddress, 4),
        ("@10.0.0/,@10.0.0.1/", Problem::BadAddress, 1),
        ("@10.0.0.1/,@fd00::1/", Problem::MixedFamilies, 12),
        ("@/eth0123456789012,@10.0.0.1/", Problem::DeviceTooLong, 2),
        ("@/eth/0,@10.0.0.1/", Problem::BadDevice, 2),
        ("@/..,@10.0.0.1/", Problem::BadDevice, 2),
        ("@/eth0:1,@10.0.0.1/", Problem::BadSourceMac, 2),
        ("@/ff:ff:ff:ff:ff:ff,@10.0.0.1/", Problem::BadSourceMac, 2),
        ("@/,@10.0.0.1/00:11:22:33:44", Problem::BadTargetMac, 13),
        ("@/,@10.0.0.1/00:11:22:33:44:55:66", Problem::BadTargetMac, 13),
        ("@/,@10.0.0.1/00-11-22-33-44-55", Problem::BadTargetMac, 13),
        ("@/,@10.0.0.1/0:11:22:33:44:555", Problem::BadTargetMac, 13),
        ("@/,@10.0.0.1/+0:11:22:33:44:55", Problem::BadTargetMac, 13),
        ("@/,@10.0.0.1/;@/,@10.0.0.2/x", Problem::BadTargetMac, 27),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!((error.problem, error.offset), (problem, offset), "{text:?}");
        assert!(error.to_string().starts_with(&format!("netconsole parameter, byte {offset}: ")));
    }
}

#[test]
fn the_parameter_may_be_255_bytes_long_and_no_longer() {
    let target = "@/,@10.0.0.100/;";
    let mut text = target.repeat(15) + "@/,@10.0.0.101/";
    assert_eq!(text.len(), MAX_LENGTH);
    assert!(parse(&text).is_ok());
    assert!(parse(&format!("netconsole={text}")).is_ok());
    text.insert(0, '+');
    let error = parse(&text).unwrap_err();
    assert_eq!((error.problem, error.offset), (Problem::TooLong, 255));
}

#[test]
fn the_longest_device_name_is_taken() {
    assert_eq!(only("@/eth012345678901,@10.0.0.1/").device, Device::Name("eth012345678901"));
}

#[test]
fn it_is_explained_line_by_line() {
    let parameter =
        parse("+r@/eth1,@192.168.0.2/02:00:00:00:00:01;9@10.0.0.1/,514@10.0.0.2/").unwrap();
    assert_eq!(
        parameter.explain().to_string(),
        "\
target 1: extended format (number, level, time, keys), with the kernel's release in each message
  from the device's own address port 6665 (the default)
  through eth1
  to 192.168.0.2 port 6666 (the default)
  in frames to hardware address 02:00:00:00:00:01 (kept until the parameter is changed)
target 2: basic format (the text of a serial console; no number, no level)
  from 10.0.0.1 port 9
  through eth0 (the default)
  to 10.0.0.2 port 514
  in frames to every machine of the network (the default; some switches drop it, and no router \
passes it on: give the receiver's hardware address, or the router's on the way to it)
"
    );
}
