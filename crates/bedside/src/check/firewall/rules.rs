//! What is of interest in a list of rules.

use std::ops::RangeInclusive;

/// Rules that name UDP ports, and the chain that drops the rest, if one does.
#[derive(Debug, Default)]
pub(super) struct Rules {
    named: Vec<Named>,
    pub(super) closed: Option<Closed>,
}

/// A chain for what comes in that drops whatever no rule accepts.
#[derive(Debug)]
pub(super) struct Closed {
    /// The program that made it, and its name for the program.
    program: &'static str,
    pub(super) chain: String,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Accept,
    Drop,
}

#[derive(Debug)]
struct Named {
    ports: Vec<RangeInclusive<u16>>,
    word: Word,
    rule: String,
}

impl Rules {
    /// Reads what `nft list ruleset` prints.
    pub(super) fn from_nft(text: &str) -> Self {
        let mut rules = Rules::default();
        let (mut table, mut chain, mut hears) = ("", String::new(), false);
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("table ") {
                table = name.trim_end_matches(" {");
            } else if let Some(name) = line.strip_prefix("chain ") {
                chain = format!("{table} {}", name.trim_end_matches(" {"));
                hears = false;
            } else if line.starts_with("type ") {
                hears = line.contains("hook input") || line.contains("hook prerouting");
                rules.close(hears && line.contains("policy drop"), "nft", &chain);
            } else {
                rules.read_nft(line, hears, &chain);
            }
        }
        rules
    }

    /// Reads what `iptables -S` or `ip6tables -S` prints.
    pub(super) fn from_iptables(program: &'static str, text: &str) -> Self {
        let mut rules = Rules::default();
        for line in text.lines().map(str::trim) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let target = after(&words, "-j").and_then(word);
            // Only a rule without a condition drops the rest.
            let rest = matches!(words[..], ["-A", "INPUT", "-j", ..]) && target == Some(Word::Drop);
            let policy = matches!(words[..], ["-P", "INPUT", "DROP" | "REJECT"]);
            rules.close(rest || policy, program, "INPUT");
            let ports = after(&words, "--dport").or_else(|| after(&words, "--dports"));
            if let (Some("udp"), Some(ports), Some(word)) = (after(&words, "-p"), ports, target) {
                let ports = ports.split(',').filter_map(|range| parse_range(range, ':')).collect();
                rules.named.push(Named { ports, word, rule: line.to_owned() });
            }
        }
        rules
    }

    /// What the first rule that names a port says of it.
    pub(super) fn word_on(&self, port: u16) -> Option<(Word, &str)> {
        let names = |named: &&Named| named.ports.iter().any(|ports| ports.contains(&port));
        self.named.iter().find(names).map(|named| (named.word, named.rule.as_str()))
    }

    /// One rule: conditions, statements, a verdict.
    fn read_nft(&mut self, line: &str, hears: bool, chain: &str) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some(found) = words.iter().find_map(|name| word(name)) else { return };
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
        self.close(hears && unconditional && found == Word::Drop, "nft", chain);
    }

    /// Notes the first chain that drops the rest.
    fn close(&mut self, closes: bool, program: &'static str, chain: &str) {
        if closes && self.closed.is_none() {
            self.closed = Some(Closed { program, chain: chain.to_owned() });
        }
    }
}

impl Closed {
    /// A rule that lets the port in.
    pub(super) fn cure(&self, port: u16) -> String {
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
