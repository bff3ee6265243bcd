//! Whether rules of a packet filter are in the way, as far as they can be read.
//!
//! A rule set is a program; no attempt is made to run it. What is looked for: rules that name the
//! port, and chains that drop whatever no rule accepts.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use bedside_plan::rules::{Rules, Way, Word};

use super::{Verdict, netlink};

/// Looks at the rules for each of these UDP ports.
pub(super) fn firewall(ports: &[u16]) -> Vec<Verdict> {
    let sources = [
        ask("nft", &["list", "ruleset"]).map(|text| Rules::from_nft(&text, Way::In)),
        ask("iptables", &["-S"]).map(|text| Rules::from_iptables("iptables", &text, Way::In)),
        ask("ip6tables", &["-S"]).map(|text| Rules::from_iptables("ip6tables", &text, Way::In)),
    ];
    let manager = Manager::here();
    let read: Vec<&Rules> = sources.iter().filter_map(|source| source.as_ref().ok()).collect();
    if read.is_empty() {
        return vec![without_programs(
            sources.iter().any(|source| matches!(source, Err(Silence::Refused))),
            &netlink::tables(),
            &legacy_tables(),
            manager,
        )];
    }
    ports.iter().map(|port| judge(&read, *port, manager).on(format!("udp {port}"))).collect()
}

/// Why a program said nothing of use.
enum Silence {
    Absent,
    Refused,
}

/// What looks after the rules here, if something does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Nobody,
    Ufw,
    Firewalld,
}

impl Manager {
    fn here() -> Self {
        let ufw = fs::read_to_string("/etc/ufw/ufw.conf").unwrap_or_default();
        if ufw.lines().any(|line| line.trim() == "ENABLED=yes") {
            Manager::Ufw
        } else if Path::new("/run/firewalld").exists() {
            Manager::Firewalld
        } else {
            Manager::Nobody
        }
    }

    /// How to let a port in, where nobody looks after the rules.
    fn cure(self, port: u16, otherwise: &str) -> String {
        match self {
            Manager::Nobody => otherwise.to_owned(),
            Manager::Ufw => format!("`ufw allow {port}/udp`"),
            Manager::Firewalld => {
                format!("`firewall-cmd --permanent --add-port={port}/udp && firewall-cmd --reload`")
            }
        }
    }
}

/// What a program says. Those of the system's administrator are looked for too.
fn ask(program: &str, args: &[&str]) -> Result<String, Silence> {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":/usr/sbin:/sbin"));
    let mut command = Command::new(program);
    match command.args(args).env("PATH", path).env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Silence::Absent),
        _ => Err(Silence::Refused),
    }
}

/// The tables of the older packet filter; none, where it is not there.
fn legacy_tables() -> io::Result<usize> {
    let mut tables = 0;
    for names in ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"] {
        match fs::read_to_string(names) {
            Ok(text) => tables += text.lines().count(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tables)
}

/// Where no program shows the rules, there may still be none to show.
fn without_programs(
    refused: bool,
    tables: &io::Result<usize>,
    legacy: &io::Result<usize>,
    manager: Manager,
) -> Verdict {
    let none = |tables: &io::Result<usize>| matches!(tables, Ok(0));
    // A kernel built without nftables doesn't know the question.
    let no_nft = none(tables)
        || tables.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::PermissionDenied);
    if no_nft && none(legacy) {
        return Verdict::ok("firewall", "the kernel has no table of rules");
    }
    let on = match manager {
        Manager::Nobody => "",
        Manager::Ufw => "ufw is on; ",
        Manager::Firewalld => "firewalld is on; ",
    };
    if refused || tables.is_err() || legacy.is_err() {
        let evidence = format!("{on}the rules cannot be read by this user");
        return Verdict::unknown("firewall", evidence, "`sudo bedside check`");
    }
    let evidence = format!("{on}there are rules, but neither nft nor iptables to show them");
    Verdict::unknown("firewall", evidence, "install nftables, and check again")
}

/// What these rules mean for a port. A rule that names it decides, else how the chains end.
fn judge(read: &[&Rules], port: u16, manager: Manager) -> Verdict {
    let mut let_in = None;
    for rules in read {
        match rules.word_on(port) {
            Some((Word::Drop, rule)) => {
                let cure = manager.cure(port, "take this rule away");
                return Verdict::problem("firewall", format!("dropped by `{rule}`"), cure);
            }
            Some((Word::Accept, rule)) => let_in = Some(rule),
            None => {
                if let Some(closed) = rules.closed() {
                    let evidence = format!(
                        "{} drops what no rule accepts, and no rule names this port",
                        closed.chain()
                    );
                    let cure = manager.cure(port, &closed.cure(port));
                    return Verdict::problem("firewall", evidence, cure);
                }
            }
        }
    }
    Verdict::ok(
        "firewall",
        match let_in {
            Some(rule) => format!("let in by `{rule}`"),
            None => "no rule that drops it was found".to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    const NFT: &str = "\
table inet filter {
\tset allowed {
\t\ttype ipv4_addr
\t}
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t\tct state established,related accept
\t\tudp dport { 53, 6000-6700 } accept
\t\tudp dport 514 counter packets 0 bytes 0 drop
\t\ttcp dport 7777 accept
\t}
\tchain output {
\t\ttype filter hook output priority filter; policy drop;
\t}
}
";

    fn state(rules: &[&Rules], port: u16) -> (State, String, String) {
        let verdict = judge(rules, port, Manager::Nobody);
        (verdict.state, verdict.evidence, verdict.cure.unwrap_or_default())
    }

    #[test]
    fn nft_rules_that_name_the_port_decide() {
        let rules = Rules::from_nft(NFT, Way::In);
        let (verdict, evidence, _) = state(&[&rules], 6666);
        assert_eq!(verdict, State::Ok);
        assert_eq!(evidence, "let in by `udp dport { 53, 6000-6700 } accept`");
        let (verdict, evidence, _) = state(&[&rules], 514);
        assert_eq!(verdict, State::Problem);
        assert_eq!(evidence, "dropped by `udp dport 514 counter packets 0 bytes 0 drop`");
    }

    #[test]
    fn a_chain_that_drops_the_rest_is_in_the_way() {
        let (verdict, evidence, cure) = state(&[&Rules::from_nft(NFT, Way::In)], 7777);
        assert_eq!(verdict, State::Problem);
        assert!(evidence.starts_with("inet filter input drops what no rule accepts"), "{evidence}");
        assert_eq!(cure, "`nft insert rule inet filter input udp dport 7777 accept`");
        let rejecting = NFT.replace("policy drop", "policy accept").replace(
            "\t\ttcp dport",
            "\t\tcounter packets 3 bytes 9 reject with icmp port-unreachable\n\t\ttcp dport",
        );
        assert_eq!(state(&[&Rules::from_nft(&rejecting, Way::In)], 7777).0, State::Problem);
        let open = NFT.replace("policy drop", "policy accept");
        assert_eq!(state(&[&Rules::from_nft(&open, Way::In)], 7777).0, State::Ok);
    }

    const IPTABLES: &str = "\
-P INPUT DROP
-P FORWARD DROP
-P OUTPUT ACCEPT
-N ufw-user-input
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -j ufw-user-input
-A ufw-user-input -p udp -m udp --dport 6666 -j ACCEPT
-A ufw-user-input -p udp -m multiport --dports 100,200:300 -m comment --comment syslog -j ACCEPT
-A ufw-user-input -p udp -m udp --dport 514 -j REJECT --reject-with icmp-port-unreachable
-A ufw-user-input -p tcp -m tcp --dport 7777 -j ACCEPT
";

    #[test]
    fn iptables_rules_are_read_alike() {
        let rules = Rules::from_iptables("iptables", IPTABLES, Way::In);
        for (port, expected) in [
            (6666, State::Ok),
            (100, State::Ok),
            (250, State::Ok),
            (301, State::Problem),
            (514, State::Problem),
            (7777, State::Problem),
        ] {
            assert_eq!(state(&[&rules], port).0, expected, "{port}");
        }
        let (_, _, cure) = state(&[&rules], 7777);
        assert_eq!(cure, "`iptables -I INPUT -p udp --dport 7777 -j ACCEPT`");
        let ufw = judge(&[&rules], 7777, Manager::Ufw);
        assert_eq!(ufw.cure.unwrap(), "`ufw allow 7777/udp`");
        let rejecting =
            "-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT --reject-with x";
        let rules = Rules::from_iptables("ip6tables", rejecting, Way::In);
        assert_eq!(state(&[&rules], 6666).0, State::Problem);
        let open = Rules::from_iptables("iptables", "-P INPUT ACCEPT\n-P FORWARD DROP", Way::In);
        assert_eq!(state(&[&open], 6666).0, State::Ok);
    }

    #[test]
    fn one_packet_filter_that_closes_outweighs_one_that_lets_in() {
        let open = Rules::from_nft(NFT, Way::In);
        let closed = Rules::from_iptables("ip6tables", "-P INPUT DROP", Way::In);
        assert_eq!(state(&[&open, &closed], 6666).0, State::Problem);
    }

    #[test]
    fn without_programs_the_kernel_may_still_have_nothing() {
        let denied = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let absent = || Err(io::Error::from(io::ErrorKind::InvalidInput));
        let verdict = |tables, legacy| without_programs(false, &tables, &legacy, Manager::Nobody);
        assert_eq!(verdict(Ok(0), Ok(0)).state, State::Ok);
        assert_eq!(verdict(absent(), Ok(0)).state, State::Ok);
        assert_eq!(verdict(denied(), Ok(0)).cure.unwrap(), "`sudo bedside check`");
        assert_eq!(verdict(Ok(1), Ok(0)).cure.unwrap(), "install nftables, and check again");
        assert_eq!(verdict(Ok(0), Ok(2)).state, State::Unknown);
        let ufw = without_programs(true, &denied(), &denied(), Manager::Ufw);
        assert_eq!(ufw.evidence, "ufw is on; the rules cannot be read by this user");
    }
}
