//! bedside's own kernel module, which delivers a death.

use std::net::IpAddr;

use netconsole_wire::parameter;
use netconsole_wire::tag::KeyId;

use super::Module;

/// `bedside_netconsole`, a kmsg dumper: where the kernel dies it sends the tail of its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dumper {
    /// Whether it is loaded; it is never part of a kernel.
    pub module: Module,
    /// `up` loaded it, or took it over, since the machine started.
    pub ours: bool,
    /// It was loaded at the machine's start, as our files have it, and not taken over since.
    pub from_start: bool,
    /// What modprobe said when the kernel refused it: mostly that it is not signed with a key that
    /// the kernel knows. It is not tried again until `up` is.
    pub refused: Option<String>,
    /// Whom it sends to, as its parameter has it now.
    pub parameter: String,
    /// Whether it sends the lines of a living machine too: `on`, `off`, `auto`.
    pub live: String,
    /// Its targets, in the parameter's order.
    pub targets: Vec<DumperTarget>,
}

/// One of its targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DumperTarget {
    /// As a kernel parameter has it.
    pub parameter: String,
    /// Whether a death would be sent to it.
    pub enabled: bool,
    /// Why not, in one word of the module's: `no-device`, `wifi`.
    pub reason: Option<String>,
    /// Which key signs what is sent to it, or `no`; nothing, where the module knows of none.
    pub signs: Option<String>,
    /// Datagrams that were sent.
    pub sent: u64,
    /// Datagrams that could not be sent, for any reason.
    pub unsent: u64,
}

impl Dumper {
    /// Whether it would deliver a death.
    pub fn is_armed(&self) -> bool {
        self.module == Module::Loaded && self.targets.iter().any(|target| target.enabled)
    }

    /// Whom it sends to, and from where.
    pub fn sources(&self) -> impl Iterator<Item = ((IpAddr, u16), Option<IpAddr>)> {
        super::sources(&self.parameter)
    }

    /// Whether it sends to whom this parameter names, and as that says, as far as it can.
    pub fn sends_to(&self, wanted: &str) -> bool {
        let targets = |text| parameter::parse(text).map(|all| all.targets().collect::<Vec<_>>());
        let same = targets(&self.parameter).is_ok_and(|held| targets(wanted) == Ok(held));
        same && self.targets.iter().all(|target| target.enabled)
    }
}

impl DumperTarget {
    /// Whether it is signed with another key than this, or with one where there is none. The basic
    /// format has no place for it.
    pub fn signs_otherwise(&self, key: Option<KeyId>) -> bool {
        let wanted = key.map_or_else(|| UNSIGNED.to_owned(), |key| key.to_string());
        self.parameter.starts_with('+') && self.signs.as_ref().is_some_and(|it| *it != wanted)
    }

    /// Reads a line of the module's list of targets: its state, its parameter, `key=value`s.
    pub fn parse(line: &str) -> Option<DumperTarget> {
        let mut words = line.split_whitespace();
        let enabled = words.next()? == "enabled";
        let mut target =
            DumperTarget { enabled, parameter: words.next()?.to_owned(), ..Self::default() };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let count = value.parse().unwrap_or(0);
            match key {
                "signs" => target.signs = Some(value.to_owned()),
                "reason" => target.reason = Some(value.to_owned()),
                "sent" => target.sent = count,
                "queue_stopped" | "no_memory" | "device_down" => target.unsent += count,
                _ => {}
            }
        }
        Some(target)
    }
}

/// The module's word for no key.
pub const UNSIGNED: &str = "no";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_modules_tells_a_target() {
        let line = "enabled +@/eth0,@10.0.2.2/ device=eth0 local=10.0.2.15 signs=no sent=123 \
                    queue_stopped=1 no_memory=2 device_down=0 more=x";
        let target = DumperTarget::parse(line).unwrap();
        assert!(target.enabled && target.signs_otherwise(Some(KeyId(0x12))));
        assert!(!target.signs_otherwise(None));
        assert_eq!(
            (target.sent, target.unsent, &*target.parameter),
            (123, 3, "+@/eth0,@10.0.2.2/")
        );
        let line = "disabled +@/eth7,@10.0.2.2/ reason=no-device sent=0";
        let target = DumperTarget::parse(line).unwrap();
        assert_eq!((target.enabled, target.reason.as_deref()), (false, Some("no-device")));
        assert_eq!(DumperTarget::parse(""), None);
    }

    #[test]
    fn defaults_may_be_written_out_or_not() {
        let target = DumperTarget { enabled: true, ..DumperTarget::default() };
        let parameter = "+r@10.0.0.7/,@10.0.0.2/".to_owned();
        let mut dumper = Dumper { parameter, targets: vec![target], ..Dumper::default() };
        assert!(dumper.sends_to("+r6665@10.0.0.7/eth0,6666@10.0.0.2/ff:ff:ff:ff:ff:ff"));
        assert!(!dumper.sends_to("+r@10.0.0.7/,@10.0.0.3/"));
        assert!(!dumper.sends_to("+r@10.0.0.7/,@10.0.0.2/;+r@10.0.0.7/,@10.0.0.3/"));
        dumper.targets[0].enabled = false;
        assert!(!dumper.sends_to("+r@10.0.0.7/,@10.0.0.2/"));
    }
}
