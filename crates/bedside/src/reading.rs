//! What the commands that read a store share: opening it, choosing machines, telling damage.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use bedside_store::read::{BootSummary, Reader, Window};
use bedside_stream::WallTime;
use globset::{GlobBuilder, GlobMatcher};

use crate::cli::DataArg;
use crate::config::Places;
use crate::pstore::{Death, Deaths};
use crate::render::escape::Escaped;
use crate::time;

/// Opens the store that was named, or the one that is read when none is, for these machines: with
/// `all`, or where nobody else is meant, with the strangers among them. What is `followed` is
/// opened as a whole: who is meant may turn out later.
pub(crate) fn open_for(
    data: &DataArg,
    hosts: &Hosts,
    all: bool,
    followed: bool,
) -> anyhow::Result<Reader> {
    let dir = dir(data)?;
    let mut reader = if hosts.are_all() || followed {
        Reader::open(&dir)?
    } else {
        Reader::open_of(&dir, |name, address| hosts.contain(name, [address]))?
    };
    let meant = || reader.boots(time::now()).iter().any(|boot| hosts.contain_boot(boot));
    if reader.stranger_records() > 0 && (all || !hosts.are_all() && !meant()) {
        // Who is known is no stranger.
        reader = Reader::open(&dir)?;
        reader.take_strangers_in(|stored| {
            let name = String::from_utf8_lossy(&stored.host_label()).into_owned();
            hosts.contain(&name, [stored.run.key.ip()])
        })?;
    }
    Ok(reader)
}

/// Tells on standard error of the strangers that are left out.
pub(crate) fn tell_strangers(reader: &Reader, hosts: &Hosts, all: bool) -> io::Result<()> {
    let records = reader.stranger_records();
    if records > 0 && hosts.are_all() && !all {
        writeln!(
            io::stderr(),
            "bedside: {records} records of strangers (new senders in a flood, heard no more than \
             a few times) are left out; --all shows them"
        )?;
    }
    Ok(())
}

/// What to do where a store can't be read.
pub(crate) const WHO_MAY_READ: &str =
    "be a member of the group that owns it (bedside, where the package made it), or root";

/// The directory of the store that was named, or of the one that is read when none is.
pub(crate) fn dir(data: &DataArg) -> anyhow::Result<PathBuf> {
    let dir = match &data.data {
        Some(dir) => dir.clone(),
        None => Places::here()
            .data_to_read()
            .context("no home directory is known, so there is no default store: give --data DIR")?,
    };
    match fs::metadata(dir.join("segments")) {
        Ok(segments) if segments.is_dir() => Ok(dir),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            bail!("cannot look into the store {}: {error}: {WHO_MAY_READ}", dir.display())
        }
        _ => bail!(
            "there is no store in {}: start `bedside serve`, or name the right directory with \
             --data",
            dir.display()
        ),
    }
}

/// The time that was asked for; none where it ends before it begins.
pub(crate) fn window(since: Option<WallTime>, until: Option<WallTime>) -> Option<Window> {
    let is_some = since.zip(until).is_none_or(|(since, until)| since <= until);
    is_some.then_some(Window { since, until })
}

/// What to say then.
pub(crate) const NO_TIME: &str = "--since names a later time than --until";

/// Tells on standard error what of the store could not be read.
pub(crate) fn tell_damage(reader: &Reader) -> io::Result<()> {
    const TOLD: usize = 5;
    let damage = reader.damage();
    let mut stderr = io::stderr().lock();
    for one in damage.iter().take(TOLD) {
        let (path, offset, what) = (one.path.display(), one.offset, &one.what);
        writeln!(stderr, "bedside: skipped a part of {path} at byte {offset}: {what}")?;
    }
    if damage.len() > TOLD {
        let more = damage.len() - TOLD;
        writeln!(stderr, "bedside: and {more} more; `bedside store verify` lists them all")?;
    }
    Ok(())
}

/// Tells on standard error of what was found in pstore and belongs to no boot.
pub(crate) fn tell_homeless(
    deaths: &Deaths,
    boots: &[BootSummary],
    hosts: &Hosts,
) -> io::Result<()> {
    let address = |death: &Death| death.source.ip();
    let is_meant =
        |death: &&Death| hosts.contain(death.host.as_deref().unwrap_or_default(), [address(death)]);
    for death in deaths.of_none(boots).filter(is_meant) {
        let host = death.host.clone().unwrap_or_else(|| address(death).to_string());
        let (lines, why, from) = (death.lines(), &death.why, &death.from);
        writeln!(
            io::stderr(),
            "bedside: {lines} lines of {} ({}, {}) tell of a boot that is not held; they lie in \
             the file `pstore` of the store",
            Escaped(host.as_bytes()),
            Escaped(why.as_bytes()),
            Escaped(from.as_bytes())
        )?;
    }
    Ok(())
}

/// The machines that were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    patterns: Vec<Pattern>,
    words: Vec<String>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Address(IpAddr),
    /// A word, and what it matches besides itself, if it is a pattern.
    Name(String, Option<GlobMatcher>),
}

impl Hosts {
    /// Reads names, addresses and globs; none at all stand for all machines.
    pub(crate) fn new(words: &[String]) -> Hosts {
        let patterns = words.iter().map(|word| pattern(word)).collect();
        Hosts { patterns, words: words.to_vec() }
    }

    /// Whether nothing was asked for in particular.
    pub(crate) fn are_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether more than one machine may be meant.
    pub(crate) fn may_be_several(&self) -> bool {
        let is_name = |word: &String| !word.contains(['*', '?', '[', '{']);
        self.words.len() != 1 || !self.words.iter().all(is_name)
    }

    /// Whether the machine with this name, or with one of these addresses, was asked for.
    pub(crate) fn contain(&self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) -> bool {
        self.are_all()
            || self.patterns.iter().any(|pattern| pattern.names(name))
            || addresses.into_iter().any(|of| self.patterns.iter().any(|it| it.is_at(of)))
    }

    /// Whether this boot's machine was asked for.
    pub(crate) fn contain_boot(&self, boot: &BootSummary) -> bool {
        self.contain(&boot.host, addresses(boot))
    }

    /// Tells on standard error of whom nothing was heard, if of some something was.
    pub(crate) fn tell_unheard(&self, boots: &[BootSummary]) -> io::Result<()> {
        let mut unheard: Vec<_> = self.patterns.iter().zip(&self.words).collect();
        for boot in boots {
            unheard
                .retain(|(it, _)| !it.names(&boot.host) && !addresses(boot).any(|at| it.is_at(at)));
        }
        if unheard.is_empty() || unheard.len() == self.words.len() {
            return Ok(());
        }
        let words: Vec<&String> = unheard.into_iter().map(|(_, word)| word).collect();
        writeln!(io::stderr(), "bedside: {}", not_held(&words))
    }

    /// What to say when the store holds none of them.
    pub(crate) fn not_held(&self) -> String {
        not_held(&self.words)
    }
}

impl Pattern {
    fn is_at(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Pattern::Address(named) => *named == address,
            Pattern::Name(_, glob) => {
                glob.as_ref().is_some_and(|glob| glob.is_match(address.to_string()))
            }
        }
    }

    fn names(&self, name: &str) -> bool {
        match self {
            Pattern::Address(address) => {
                name.parse::<IpAddr>().is_ok_and(|named| named.to_canonical() == *address)
            }
            Pattern::Name(word, glob) => {
                glob.as_ref().is_some_and(|glob| glob.is_match(name))
                    || word == name
                    // Without a backslash nothing in it is escaped.
                    || word.contains('\\') && *word == Escaped(name.as_bytes()).to_string()
            }
        }
    }
}

fn addresses(boot: &BootSummary) -> impl Iterator<Item = IpAddr> {
    boot.sources.iter().map(SocketAddr::ip)
}

fn not_held(words: &[impl AsRef<str>]) -> String {
    let words: Vec<String> =
        words.iter().map(|word| Escaped(word.as_ref().as_bytes()).to_string()).collect();
    format!("nothing was heard of {}: `bedside hosts` lists who was heard", words.join(", "))
}

/// A name may hold whatever its machine liked: a word stands also for the name that is written so,
/// plain or as it is shown, and for nothing else where it is no pattern.
fn pattern(word: &str) -> Pattern {
    match word.parse::<IpAddr>() {
        Ok(address) => Pattern::Address(address.to_canonical()),
        Err(_) => Pattern::Name(word.to_owned(), glob(word).ok()),
    }
}

/// Reads a word as a pattern; what is wrong with one that is none.
pub(crate) fn glob(word: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(word).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| format!("{word:?} is no name or pattern: {}", error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(words: &[&str]) -> Hosts {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Hosts::new(&words)
    }

    fn contain(words: &[&str], name: &str, address: &str) -> bool {
        hosts(words).contain(name, [address.parse().unwrap()])
    }

    #[test]
    fn none_are_all() {
        assert!(contain(&[], "web1", "10.0.0.7"));
    }

    #[test]
    fn names_addresses_and_globs_match() {
        assert!(contain(&["web1"], "web1", "10.0.0.7"));
        assert!(contain(&["10.0.0.7"], "web1", "10.0.0.7"));
        assert!(contain(&["db*", "web[0-9]"], "web1", "10.0.0.7"));
        assert!(contain(&["{web,db}1"], "db1", "10.0.0.7"));
        assert!(contain(&["10.0.0.*"], "web1", "10.0.0.7"));
        assert!(!contain(&["web"], "web1", "10.0.0.7"));
        assert!(!contain(&["web?"], "web12", "10.0.0.70"));
        assert!(!contain(&["10.0.0.7"], "web1", "10.0.0.70"));
    }

    #[test]
    fn an_address_has_many_spellings() {
        assert!(contain(&["2001:db8:0::1"], "x", "2001:db8::1"));
        assert!(contain(&["::ffff:10.0.0.7"], "10.0.0.7", "::ffff:10.0.0.7"));
        assert!(contain(&["10.0.0.7"], "x", "::ffff:10.0.0.7"));
    }

    #[test]
    fn one_name_is_one_machine() {
        assert!(!hosts(&["web1"]).may_be_several());
        assert!(hosts(&["web*"]).may_be_several());
        assert!(hosts(&[]).may_be_several());
        assert!(hosts(&["web1", "web2"]).may_be_several());
    }

    #[test]
    fn a_name_can_be_given_as_it_is_shown() {
        for (word, name) in [
            (r"w\x1b[2Jx", "w\u{1b}[2Jx"),
            ("web[", "web["),
            ("[fe80]", "[fe80]"),
            ("{a,b}", "{a,b}"),
            (r"a\b", r"a\b"),
        ] {
            assert!(contain(&[word], name, "10.0.0.7"), "{word}");
            assert!(!contain(&[word], "web1", "10.0.0.7"), "{word}");
        }
    }
}
