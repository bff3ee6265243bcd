//! What is of interest in a packet filter's rules: those that name UDP ports, and chains that drop
//! the rest.
//!
//! A rule set is a program; no attempt is made to run it.

use std::ops::RangeInclusive;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To this machine.
    In,
    /// From this machine.
    Out,
}

/// Rules for one way that name UDP ports, and the chain that drops the rest, if one does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    named: Vec<Named>,
    closed: Option<Closed>,
    answers: bool,
}

/// A chain that drops whatever no rule accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The program that made it, and its name for the program.
    program: &'static str,
    chain: String,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Lets a packet pass.
    Accept,
    /// Drops it, with or without a word to its sender.
    Drop,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    ports: Vec<RangeInclusive<u16>>,
    word: Word,
    rule: String,
}

impl Way {
    fn hooks(self) -> [&'static str; 2] {
        match self {
            Way::In => ["hook input", "hook prerouting"],
            Way::Out => ["hook output", "hook postrouting"],
        }
    }

    /// iptables' chain, and that of the other way.
    fn chains(self) -> [&'static str; 2] {
        match self {
            Way::In => ["INPUT", "OUTPUT"],
            Way::Out => ["OUTPUT", "INPUT"],
        }
    }
}

impl Rules {
    /// Reads what `nft list ruleset` prints.
    pub fn from_nft(text: &str, way: Way) -> Self {
        let mut rules = Rules::default();
        // A chain without a hook may be called by one that has it.
        let (mut table, mut chain, mut hooked, mut meant) = ("", String::new(), false, true);
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("table ") {
                table = name.trim_end_matches(" {");
            } else if let Some(name) = line.strip_prefix("chain ") {
                chain = format!("{table} {}", name.trim_end_matches(" {"));
                (hooked, meant) = (false, true);
            } else if line.starts_with("type ") {
                hooked = way.hooks().iter().any(|hook| line.contains(hook));
                meant = hooked;
                rules.close(hooked && line.contains("policy drop"), "nft", &chain);
            } else if meant {
                rules.read_nft(line, hooked, &chain);
            }
        }
        rules
    }

    /// Reads what `iptables -S` or `ip6tables -S` prints.
    pub fn from_iptables(program: &'static str, text: &str, way: Way) -> Self {
        let mut rules = Rules::default();
        let [ours, other] = way.chains();
        for line in text.lines().map(str::trim) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            if words.get(1) == Some(&other) {
                continue;
            }
            let target = after(&words, "-j").and_then(word);
            // Only a rule without a condition drops the rest.
            let [first, chain, option, ..] = [0, 1, 2].map(|at| words.get(at).copied());
            let rest = (first, chain, option) == (Some("-A"), Some(ours), Some("-j"));
            let rest = rest && target == Some(Word::Drop);
            let policy = (first, chain) == (Some("-P"), Some(ours))
                && matches!(option, Some("DROP" | "REJECT"));
            rules.close(rest || policy, program, ours);
            rules.answers |= target == Some(Word::Accept) && line.contains("ESTABLISHED");
            let ports = after(&words, "--dport").or_else(|| after(&words, "--dports"));
            if let (Some("udp"), Some(ports), Some(word)) = (after(&words, "-p"), ports, target) {
                let ports = ports.split(',').filter_map(|range| parse_range(range, ':')).collect();
                rules.named.push(Named { ports, word, rule: line.to_owned() });
            }
        }
        rules
    }

    /// The chain that drops what no rule accepts.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// Whether answers to what was sent pass whatever their port.
    pub fn lets_answers_pass(&self) -> bool {
        self.closed.is_none() || self.answers
    }

    /// What the first rule that names a port says of it.
    pub fn word_on(&self, port: u16) -> Option<(Word, &str)> {
        let names = |named: &&Named| named.ports.iter().any(|ports| ports.contains(&port));
        self.named.iter().find(names).map(|named| (named.word, named.rule.as_str()))
    }

    /// One rule: conditions, statements, a verdict.
    fn read_nft(&mut self, line: &str, hooked: bool, chain: &str) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some(found) = words.iter().find_map(|name| word(name)) else { return };
        self.answers |= found == Word::Accept && line.contains("established");
        if let Some((_, list)) = line.split_once("udp dport ") {
            let list = match list.strip_prefix('{') {
                Some(set) => set.split('}').next().unwrap_or_default(),
                None => list.split(' ').next().unwrap_or_default(),
            };
            let ports =
                list.split(',').filter_map(|range| parse_range(range.trim(), '-')).collect();
            self.named.push(Named { ports, word: found, rule: line.to_owned() });
        }
        let unconditional = matches!(words.first(), Some(&("drop" | "reject" | "counter" | "log")));
        self.close(hooked && unconditional && found == Word::Drop, "nft", chain);
    }

    /// Notes the first chain that drops the rest.
    fn close(&mut self, closes: bool, program: &'static str, chain: &str) {
        if closes && self.closed.is_none() {
            self.closed = Some(Closed { program, chain: chain.to_owned() });
        }
    }
}

impl Closed {
    /// Its name.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// What adds a rule that lets the port pass.
    pub fn cure(&self, port: u16) -> String {
        let Closed { program, chain } = self;
        if *program == "nft" {
            return format!("`nft insert rule {chain} udp dport {port} accept`");
        }
        format!("`{program} -I {chain} -p udp --dport {port} -j ACCEPT`")
    }
}

fn after<'a>(words: &[&'a str], option: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == option)?;
    words.get(at + 1).copied()
}

fn word(name: &str) -> Option<Word> {
    match name {
        "accept" | "ACCEPT" => Some(Word::Accept),
        "drop" | "reject" | "DROP" | "REJECT" => Some(Word::Drop),
        _ => None,
    }
}

/// `514` or, with `-` or `:`, `6000-6700`.
fn parse_range(text: &str, between: char) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once(between).unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NFT: &str = "\
table inet filter {
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t\tct state established,related accept
\t\tudp dport 53 accept
\t}
\tchain mine {
\t\tudp dport 123 accept
\t}
\tchain output {
\t\ttype filter hook output priority filter; policy drop;
\t\tudp dport 6666 accept
\t\tudp dport 514 drop
\t}
}
";
    const OUT: &str =
        "table inet f {\nchain out {\ntype filter hook output priority 0; policy accept;";
    const IPTABLES: &str = "\
-P INPUT DROP
-P OUTPUT DROP
-N mine
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p udp -m udp --dport 53 -j ACCEPT
-A mine -p udp -m udp --dport 123 -j ACCEPT
-A OUTPUT -p udp -m udp --dport 6666 -j ACCEPT
-A OUTPUT -p udp -m udp --dport 514 -j DROP
";

    #[test]
    fn only_a_chain_that_drops_the_rest_is_closed_and_its_cure_opens_it() {
        for (text, closed) in [
            ("-P INPUT DROP\n-P OUTPUT ACCEPT", false),
            ("-P OUTPUT DROP", true),
            ("-P OUTPUT REJECT", true),
            ("-P FORWARD DROP", false),
            ("-A OUTPUT -j REJECT --reject-with icmp-port-unreachable", true),
            ("-A OUTPUT -j ACCEPT", false),
            ("-A OUTPUT -p tcp -j DROP", false),
            ("-N mine\n-A mine -j DROP", false),
        ] {
            let rules = Rules::from_iptables("ip6tables", text, Way::Out);
            let cure = rules.closed().map(|closed| closed.cure(6666));
            let expected = "`ip6tables -I OUTPUT -p udp --dport 6666 -j ACCEPT`";
            assert_eq!(cure.as_deref(), closed.then_some(expected), "{text}");
        }
        for (rule, closed) in [
            ("drop", true),
            ("counter packets 3 bytes 200 drop", true),
            ("log prefix \"out: \" reject", true),
            ("tcp dport 25 drop", false),
            ("accept", false),
        ] {
            let text = format!("{OUT}\n{rule}\n}}\n}}");
            let rules = Rules::from_nft(&text, Way::Out);
            let cure = rules.closed().map(|closed| closed.cure(6666));
            let expected = "`nft insert rule inet f out udp dport 6666 accept`";
            assert_eq!(cure.as_deref(), closed.then_some(expected), "{rule}");
        }
    }

    #[test]
    fn ports_are_named_alone_in_lists_and_in_ranges() {
        for (rule, dropped) in [
            ("udp dport 6666 drop", true),
            ("udp dport { 53, 6666 } drop", true),
            ("udp dport 6000-6700 drop", true),
            ("udp dport { 53, 6000-6665 } drop", false),
            ("tcp dport 6666 drop", false),
        ] {
            let text = format!("{OUT}\n{rule}\n}}\n}}");
            let rules = Rules::from_nft(&text, Way::Out);
            assert_eq!(rules.word_on(6666).is_some(), dropped, "{rule}");
        }
        for (rule, dropped) in [
            ("-p udp -m udp --dport 6666 -j DROP", true),
            ("-p udp -m udp --dport 6000:6700 -j DROP", true),
            ("-p udp -m multiport --dports 53,6666 -j DROP", true),
            ("-p udp -m multiport --dports 53,6000:6665 -j DROP", false),
            ("-p tcp -m tcp --dport 6666 -j DROP", false),
        ] {
            let rules = Rules::from_iptables("iptables", &format!("-A OUTPUT {rule}"), Way::Out);
            assert_eq!(rules.word_on(6666).is_some(), dropped, "{rule}");
        }
    }

    #[test]
    fn rules_count_for_the_way_that_they_are_for() {
        let read =
            |way| [Rules::from_nft(NFT, way), Rules::from_iptables("iptables", IPTABLES, way)];
        for rules in read(Way::Out) {
            let word = |port| rules.word_on(port).map(|(word, _)| word);
            assert_eq!(word(6666), Some(Word::Accept));
            assert_eq!(word(514), Some(Word::Drop));
            assert_eq!(word(123), Some(Word::Accept), "it may be called");
            assert_eq!(word(53), None, "that is for what comes in");
            assert!(rules.closed().is_some() && !rules.lets_answers_pass());
        }
        for rules in read(Way::In) {
            assert_eq!(rules.word_on(6666), None);
            assert!(rules.closed().is_some() && rules.lets_answers_pass());
        }
    }
}
