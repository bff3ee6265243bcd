//! Whom to hear.

use std::net::IpAddr;

use ipnet::IpNet;

/// A list of networks that may send; everybody may where it is empty.
#[derive(Clone, Debug, Default)]
pub struct Allow {
    /// Disjoint and sorted, so that one search finds the only one that can hold an address.
    networks: Vec<IpNet>,
    refused: u64,
}

impl Allow {
    /// Hears senders of these networks only, or everybody where there are none.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let mut networks = IpNet::aggregate(&networks.into_iter().collect());
        networks.sort_by_key(IpNet::network);
        Self { networks, refused: 0 }
    }

    /// Takes over the networks of a configuration that was read again; goes on counting.
    pub fn replace(&mut self, networks: impl IntoIterator<Item = IpNet>) {
        self.networks = Self::new(networks).networks;
    }

    /// Whether this sender is heard; counts it where not.
    pub fn admits(&mut self, sender: IpAddr) -> bool {
        let admitted = self.networks.is_empty() || self.holds(sender);
        self.refused += u64::from(!admitted);
        admitted
    }

    /// How many datagrams were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn holds(&self, sender: IpAddr) -> bool {
        let behind = self.networks.partition_point(|network| network.network() <= sender);
        behind.checked_sub(1).is_some_and(|at| self.networks[at].contains(&sender))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(networks: &[&str]) -> Allow {
        Allow::new(networks.iter().map(|text| text.parse().unwrap()))
    }

    #[test]
    fn without_networks_everybody_is_heard() {
        let mut allow = allow(&[]);
        assert!(allow.admits("203.0.113.9".parse().unwrap()));
        assert!(allow.admits("2001:db8::1".parse().unwrap()));
        assert_eq!(allow.refused(), 0);
    }

    #[test]
    fn one_search_agrees_with_asking_every_network() {
        let texts = [
            "10.0.0.0/8",
            "10.1.0.0/16",
            "192.168.0.0/24",
            "192.168.1.0/24",
            "203.0.113.7/32",
            "fd00::/8",
            "2001:db8::/64",
            "2001:db8:0:1::/64",
            "0.0.0.1/32",
        ];
        let networks: Vec<IpNet> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let mut allow = allow(&texts);
        let mut refused = 0;
        for sender in [
            "9.255.255.255",
            "10.0.0.0",
            "10.1.2.3",
            "10.255.255.255",
            "11.0.0.0",
            "192.168.0.1",
            "192.168.1.255",
            "192.168.2.0",
            "203.0.113.7",
            "203.0.113.8",
            "0.0.0.0",
            "0.0.0.1",
            "255.255.255.255",
            "::",
            "fd00::1",
            "fe00::",
            "2001:db8::ffff",
            "2001:db8:0:1::",
            "2001:db8:0:2::",
            "fcff::",
        ] {
            let sender: IpAddr = sender.parse().unwrap();
            let expected = networks.iter().any(|network| network.contains(&sender));
            assert_eq!(allow.admits(sender), expected, "{sender}");
            refused += u64::from(!expected);
        }
        assert_eq!(allow.refused(), refused);
    }

    #[test]
    fn a_new_list_goes_on_counting() {
        let mut allow = allow(&["10.0.0.0/8"]);
        let sender = "192.0.2.1".parse().unwrap();
        assert!(!allow.admits(sender));
        allow.replace(["192.0.2.0/24".parse().unwrap()]);
        assert!(allow.admits(sender));
        assert_eq!(allow.refused(), 1);
    }
}
