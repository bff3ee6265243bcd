//! What the kernel prints when something is wrong: the tables of all families.

mod fault;
mod hang;
mod hardware;
mod lock;
mod memory;
mod panic;
mod resource;
mod rest;
mod sanitizer;
mod storage;
mod warning;

use std::sync::LazyLock;

use crate::form;
use crate::prefilter;
use crate::report::Verdict;
use crate::{Kind, ReportLine, Severity};

/// A sentence of the kernel that begins an incident.
pub(crate) struct Rule {
    /// The kernel's format string, with the holes of [`form::holes`].
    pub(crate) form: &'static str,
    /// The title without the function; `{0}` is the form's first hole.
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
    /// The word of the corpus.
    pub(crate) class: Option<&'static str>,
    /// Who is named in the title.
    pub(crate) blame: Blame,
    /// What the title begins with in an alternative that does not tell the ways apart.
    pub(crate) alike: Option<&'static str>,
    /// What other lines of the report say to it.
    pub(crate) refine: Option<fn(&[ReportLine], &mut Verdict)>,
    /// How bad it is, where it is not as bad as its kind.
    pub(crate) severity: Option<Severity>,
}

/// Which function is guilty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// None: the title is complete.
    Nobody,
    /// None in the title; the trace's first one all the same.
    Silent,
    /// The innermost one that is no messenger.
    Innermost,
    /// The one that a dispatcher called last: for what goes round in circles, the innermost one
    /// is chance.
    Entry,
    /// The one that stands in this hole of the form, trace or not.
    Hole(usize),
    /// The innermost one, or, where the trace is missing, the one in this hole.
    InnermostOr(usize),
    /// The innermost one, or the one that the sentence names, if there is a trace without it: the
    /// line that says where the CPU stood is lost.
    Stated,
    /// Whoever took the lock that the report names, or the innermost one.
    Locker,
    /// The other way round.
    InnermostOrLocker,
    /// Whoever stands in the first history: where a lock was taken as it must not be from now on.
    Past,
    /// Whoever took the lock that the report names; no trace is printed.
    OnlyLocker,
    /// Who allocated the memory: who stumbles over its state is chance (mm/page_owner.c).
    Owner,
}

impl Rule {
    pub(crate) const fn new(form: &'static str, title: &'static str, kind: Kind) -> Rule {
        Rule {
            form,
            title,
            kind,
            class: None,
            blame: Blame::Nobody,
            alike: None,
            refine: None,
            severity: None,
        }
    }

    pub(crate) const fn class(mut self, class: &'static str) -> Rule {
        self.class = Some(class);
        self
    }

    pub(crate) const fn blame(mut self, blame: Blame) -> Rule {
        self.blame = blame;
        self
    }

    pub(crate) const fn alike(mut self, alike: &'static str) -> Rule {
        self.alike = Some(alike);
        self
    }

    pub(crate) const fn severity(mut self, severity: Severity) -> Rule {
        self.severity = Some(severity);
        self
    }

    pub(crate) const fn refine(mut self, refine: fn(&[ReportLine], &mut Verdict)) -> Rule {
        self.refine = Some(refine);
        self
    }
}

/// All tables; a sentence belongs to the first rule that it fits.
pub(crate) const TABLES: &[&[Rule]] = &[
    sanitizer::RULES,
    lock::RULES,
    hang::RULES,
    memory::RULES,
    fault::RULES,
    warning::RULES,
    resource::RULES,
    panic::RULES,
    hardware::RULES,
    storage::RULES,
    fault::OTHERS,
];

/// What may stand before a sentence: the `pr_fmt` of its file, and x86's `Oops: ` since 6.8.
pub(crate) const PREFIXES: &[&str] = &[
    "rcu: ",
    "watchdog: ",
    "NMI watchdog: ",
    "Watchdog: ",
    "traps: ",
    "Oops: ",
    "usercopy: ",
    "[ ",
    "sysrq: ",
    "mce: ",
    "kernel: ",
    "kasan: GPF could be caused by NULL-ptr deref or user memory access",
    "segment-related ",
    LAST,
];

/// The last line of a panic repeats the first (kernel/panic.c: `vpanic`).
pub(crate) const LAST: &str = "---[ end ";

/// The first rule that a line fits, with the line's holes.
pub(crate) fn rule_of(text: &str) -> Option<(&'static Rule, Vec<&str>)> {
    let whole = text.trim();
    let whole = whole.strip_suffix(" ]---").unwrap_or(whole);
    let mut text = whole;
    loop {
        let found = fitting(&BY_FIRST[usize::from(text.bytes().next()?)], text);
        if found.is_some() {
            return found;
        }
        let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) else {
            let named =
                || prefilter::has_middle(text.as_bytes()).then(|| fitting(&NAME_FIRST, text));
            return fitting(&OF_WORDS, whole).or_else(|| named().flatten());
        };
        text = rest;
    }
}

/// The rule for what is left of a report whose first line was lost, if the line stands near the
/// beginning of one.
pub(crate) fn rule_of_rest(text: &str) -> Option<(&'static Rule, Vec<&str>)> {
    let text = text.trim();
    rest::RULES.iter().find_map(|rule| Some((rule, form::holes(rule.form, text)?)))
}

fn fitting<'t>(rules: &[Indexed], text: &'t str) -> Option<(&'static Rule, Vec<&'t str>)> {
    let mut begun = rules.iter().filter(|(beginning, _)| text.starts_with(beginning));
    begun.find_map(|(_, rule)| Some((*rule, form::holes(rule.form, text)?)))
}

/// A rule, behind the literal that its form begins with.
type Indexed = (&'static str, &'static Rule);

fn indexed(rule: &'static Rule) -> Indexed {
    (form::beginning(rule.form), rule)
}

/// Those that fit what no prefix explains.
static OF_WORDS: LazyLock<Vec<Indexed>> =
    LazyLock::new(|| fault::OF_WORDS.iter().map(indexed).collect());

/// The rules by the byte that their sentences begin with.
static BY_FIRST: LazyLock<Vec<Vec<Indexed>>> = LazyLock::new(|| {
    (0..=u8::MAX)
        .map(|first| {
            let begun = |rule: &&Rule| rule.form.as_bytes()[0] == first && first != b'%';
            rules().filter(begun).map(indexed).collect()
        })
        .collect()
});

/// Those whose sentences begin with a name.
static NAME_FIRST: LazyLock<Vec<Indexed>> =
    LazyLock::new(|| rules().filter(|rule| rule.form.starts_with('%')).map(indexed).collect());

fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The forms that begin with words of their own, for the prefilter.
pub(crate) fn worded() -> impl Iterator<Item = &'static str> {
    forms().filter(|form| !form.starts_with('%'))
}

/// The first literals of sentences that begin with a name.
pub(crate) fn middles() -> impl Iterator<Item = &'static str> {
    forms().filter(|form| form.starts_with('%')).map(|form| form::beginning(&form[2..]))
}

fn forms() -> impl Iterator<Item = &'static str> {
    rules().chain(fault::OF_WORDS).chain(rest::RULES).map(|rule| rule.form)
}
