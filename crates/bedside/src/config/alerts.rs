//! Rules by which somebody is told of incidents, as the file says them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use bedside_triage::{Kind, Severity};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use ureq::http::{HeaderName, HeaderValue, Uri};

use super::Length;
use crate::alerts::Template;

/// A rule: which incidents, and who is told how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is called, by who tests it and in what it tells.
    pub name: String,
    /// Only these kinds; all, where it is empty.
    pub kind: Vec<Kind>,
    /// Only those that are as bad, or worse.
    pub severity: Severity,
    /// Only these machines: names, addresses, globs; all, where it is empty.
    pub host: Vec<String>,
    /// Only what was never seen before among these, or came back after it was resolved.
    pub new: bool,
    /// Only if it happened so many times, among these,
    pub count: u64,
    /// within this time.
    pub within: Duration,
    /// At most once in this time for each bug.
    pub every: Duration,
    /// What is above so many a minute is told in one letter.
    pub storm: u64,
    /// Who is told.
    pub way: Way,
    /// How long that may take.
    pub timeout: Duration,
}

/// How somebody is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// A program and its arguments; the incident comes on its standard input.
    Command(Vec<String>),
    /// A POST to this address.
    Webhook {
        /// `https://…`, or `http://…`.
        url: String,
        /// What is sent; the incident's own JSON without it.
        template: Option<Template>,
        /// Headers and their values.
        headers: Vec<(String, String)>,
        /// Certificates, PEM, that the other end's is checked with; the public ones without it.
        ca_file: Option<PathBuf>,
    },
}

/// The keys as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    name: String,
    #[serde(default)]
    kind: Vec<Kind>,
    #[serde(default)]
    severity: Severity,
    #[serde(default)]
    host: Vec<String>,
    #[serde(default)]
    new: bool,
    #[serde(default = "one")]
    count: u64,
    #[serde(default = "an_hour")]
    within: Length,
    #[serde(default = "an_hour")]
    every: Length,
    #[serde(default = "ten")]
    storm: u64,
    #[serde(default = "ten_seconds")]
    timeout: Length,
    command: Option<Vec<String>>,
    webhook: Option<String>,
    template: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    ca_file: Option<PathBuf>,
}

impl TryFrom<Said> for Alert {
    type Error = String;

    fn try_from(said: Said) -> Result<Alert, String> {
        let way = said.way()?;
        if said.name.trim().is_empty() || said.name.contains(char::is_control) {
            return Err("`name` is a word or some, on one line".to_owned());
        }
        if said.count == 0 || said.storm == 0 || said.timeout.0.is_zero() {
            return Err("`count` and `storm` are at least 1, and `timeout` is some time".to_owned());
        }
        said.host.iter().try_for_each(|word| crate::reading::glob(word).map(drop))?;
        Ok(Alert {
            name: said.name,
            kind: said.kind,
            severity: said.severity,
            host: said.host,
            new: said.new,
            count: said.count,
            within: said.within.0,
            every: said.every.0,
            storm: said.storm,
            timeout: said.timeout.0,
            way,
        })
    }
}

impl Said {
    fn way(&self) -> Result<Way, String> {
        let of_webhook = self.template.is_some() || self.ca_file.is_some();
        match (&self.command, &self.webhook) {
            (Some(command), None) if of_webhook || !self.headers.is_empty() => Err(format!(
                "`template`, `headers` and `ca_file` are a webhook's, not {command:?}'s"
            )),
            (Some(command), None) if command.first().is_some_and(|it| it.starts_with('/')) => {
                Ok(Way::Command(command.clone()))
            }
            (Some(_), None) => Err("`command` begins with the path of a program: /…".to_owned()),
            (None, Some(url)) if url.starts_with("https://") || url.starts_with("http://") => {
                has_a_host(url)?;
                if self.ca_file.is_some() && !url.starts_with("https://") {
                    return Err("`ca_file` is for an address that begins with https://".to_owned());
                }
                let template = self.template.as_deref().map(Template::parse).transpose()?;
                self.headers.iter().try_for_each(|(name, value)| can_be_sent(name, value))?;
                let headers = self.headers.clone().into_iter().collect();
                let ca_file = self.ca_file.clone();
                Ok(Way::Webhook { url: url.clone(), template, headers, ca_file })
            }
            (None, Some(_)) => Err("`webhook` begins with https:// or http://".to_owned()),
            _ => Err("an alert has either a `command` or a `webhook`".to_owned()),
        }
    }
}

fn has_a_host(url: &str) -> Result<(), String> {
    let host = url.parse::<Uri>().ok().and_then(|url| url.host().map(str::len));
    match host {
        None | Some(0) => Err("`webhook` names no host that could be asked".to_owned()),
        Some(_) => Ok(()),
    }
}

/// The value is not told: it may be a password.
fn can_be_sent(name: &str, value: &str) -> Result<(), String> {
    let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
    if is_name && HeaderValue::from_str(value).is_ok() {
        return Ok(());
    }
    Err(format!("`headers`: {name:?} and its value are no header of HTTP"))
}

/// All rules.
pub(super) fn rules<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Alert>, D::Error> {
    Ok(from.deserialize_seq(List)?.into_iter().map(|Rule(alert)| alert).collect())
}

/// What is wrong where two have the same name, by which letters are kept.
pub(super) fn twins(rules: &[Alert]) -> Option<String> {
    let mut names = HashSet::new();
    let twin = rules.iter().find(|alert| !names.insert(&alert.name))?;
    Some(format!("two alerts have the name {:?}", twin.name))
}

/// A rule that knows its place in the file, when something is wrong with it.
#[derive(Deserialize)]
struct Rule(#[serde(deserialize_with = "rule")] Alert);

fn rule<'de, D: Deserializer<'de>>(from: D) -> Result<Alert, D::Error> {
    let said = Said::deserialize(from)?;
    let name = said.name.clone();
    Alert::try_from(said).map_err(|why| D::Error::custom(format!("alert {name:?}: {why}")))
}

struct List;

impl<'de> Visitor<'de> for List {
    type Value = Vec<Rule>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("rules that begin with [[alert]], in two pairs of brackets")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, rules: A) -> Result<Vec<Rule>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(rules))
    }
}

fn one() -> u64 {
    1
}

fn ten() -> u64 {
    10
}

fn ten_seconds() -> Length {
    Length(Duration::from_secs(10))
}

fn an_hour() -> Length {
    Length(Duration::from_hours(1))
}
