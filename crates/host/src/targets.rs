//! netconsole's targets as configfs shows them.

use std::collections::BTreeMap;

use bedside_plan::facts::Target;
use bedside_plan::path;
use netconsole_wire::parameter::Mac;

use crate::Machine;

impl Machine {
    /// The targets that configfs shows.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let names = self.names(path::TARGETS).into_iter();
        names
            .filter(|name| self.is_dir(&format!("{}/{name}", path::TARGETS)))
            .map(|name| self.target(&name))
            .collect()
    }

    /// One target.
    pub(crate) fn target(&self, name: &str) -> Target {
        let dir = format!("{}/{name}", path::TARGETS);
        let word = |attribute: &str| self.word(&format!("{dir}/{attribute}"));
        let bit = |attribute: &str| word(attribute).map(|word| word == "1");
        let port = |attribute: &str| {
            word(attribute).and_then(|word| word.parse().ok()).unwrap_or_default()
        };
        let ip = |attribute: &str| {
            let address: std::net::IpAddr = word(attribute)?.parse().ok()?;
            (!address.is_unspecified()).then_some(address)
        };
        Target {
            name: name.to_owned(),
            enabled: bit("enabled").unwrap_or_default(),
            extended: bit("extended"),
            release: bit("release"),
            device: word("dev_name").unwrap_or_default(),
            local_ip: ip("local_ip"),
            local_port: port("local_port"),
            remote_ip: ip("remote_ip"),
            remote_port: port("remote_port"),
            remote_mac: word("remote_mac").and_then(|word| Mac::parse(&word)),
            transmit_errors: word("transmit_errors").and_then(|word| word.parse().ok()),
            userdata: self.userdata(&dir),
            sysdata: self.sysdata(&dir),
        }
    }

    fn userdata(&self, target: &str) -> Option<BTreeMap<String, String>> {
        let dir = format!("{target}/userdata");
        if !self.is_dir(&dir) {
            return None;
        }
        let keys = self.names(&dir).into_iter().filter(|key| self.is_dir(&format!("{dir}/{key}")));
        let value = |key: &String| self.word(&format!("{dir}/{key}/value")).unwrap_or_default();
        Some(keys.map(|key| (key.clone(), value(&key))).collect())
    }

    /// `userdata/cpu_nr_enabled` and its like, by their names without `_enabled`.
    fn sysdata(&self, target: &str) -> BTreeMap<String, bool> {
        let dir = format!("{target}/userdata");
        let names = self.names(&dir).into_iter();
        names
            .filter_map(|file| {
                let key = file.strip_suffix("_enabled")?;
                let on = self.word(&format!("{dir}/{file}"))? == "1";
                Some((key.to_owned(), on))
            })
            .collect()
    }
}
