//! Delivering a letter: to a program's standard input, or to an address.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustls::CertificateError;
use serde_json::Value;
use ureq::http::uri::PathAndQuery;
use ureq::http::{HeaderValue, Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Body, Proxy};

use crate::config::{Alert, Way};

/// An address does not take a letter.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Refused {
    what: String,
    /// In how many seconds it may, and any other before that not either.
    pub(super) later: Option<u64>,
}

/// Delivers it, or says why not.
pub(super) fn deliver(rule: &Alert, body: &str) -> anyhow::Result<()> {
    match &rule.way {
        Way::Command(command) => run(command, body, rule.timeout),
        Way::Webhook { .. } => post(rule, body),
    }
}

/// Nothing of a letter is part of the command line or of the environment. Its input is a file in
/// memory, so that a program which reads nothing keeps nobody waiting.
fn run(words: &[String], body: &str, timeout: Duration) -> anyhow::Result<()> {
    let (program, args) = words.split_first().context("there is no program")?;
    let mut input = File::from(memfd_create("incident", MFdFlags::MFD_CLOEXEC)?);
    writeln!(input, "{body}")?;
    input.rewind()?;
    let said = File::from(memfd_create("stderr", MFdFlags::MFD_CLOEXEC)?);
    let mut command = Command::new(program);
    command.args(args).current_dir("/").process_group(0);
    command.stdin(input).stdout(Stdio::null()).stderr(said.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if began.elapsed() >= timeout => {
                killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL)?;
                child.wait()?;
                bail!("{program} did not end within {timeout:?}");
            }
            None => thread::sleep(LOOK_AGAIN),
        }
    };
    anyhow::ensure!(status.success(), "{program}: {status}{}", last_words(said));
    Ok(())
}

/// What it said at first on standard error.
fn last_words(mut said: File) -> String {
    let mut words = Vec::new();
    let read = said.rewind().and_then(|()| said.take(SAID).read_to_end(&mut words));
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    if read.is_err() || words.is_empty() { String::new() } else { format!(": {words}") }
}

fn post(rule: &Alert, body: &str) -> anyhow::Result<()> {
    let Way::Webhook { url, template, headers, ca_file } = &rule.way else { bail!("no address") };
    let agent = agent(rule.timeout, ca_file.as_deref())?;
    let filled = match template {
        Some(template) => template.fill(&serde_json::from_str::<Value>(body)?),
        None => body.to_owned(),
    };
    let mut request = agent.post(url).header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let host = without_secrets(url);
    let answer = request.send(&filled).or_else(|error| {
        let whom = || host.to_owned() + &by_proxy(&agent, url);
        match distrust(&error) {
            Some(why) => bail!("{host} {}", in_words(why, ca_file.as_deref())),
            None if matches!(error, ureq::Error::Timeout(_)) => {
                bail!("{} did not answer within {:?}", whom(), rule.timeout)
            }
            None => Err(error).with_context(|| format!("cannot post to {}", whom())),
        }
    })?;
    if answer.status().is_success() {
        return Ok(());
    }
    let (status, later) = (answer.status(), retry_after(&answer));
    let elsewhere = if status.is_redirection() { "; no redirect is followed" } else { "" };
    let what = format!("{host} answers {status}{elsewhere}{}", reason(url, answer));
    Err(Refused { what, later }.into())
}

/// One that trusts the certificates in `ca_file`, if there is one, and the system's else.
fn agent(timeout: Duration, ca_file: Option<&Path>) -> anyhow::Result<ureq::Agent> {
    let mut tls = TlsConfig::builder();
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let own = certificates(&pem);
        anyhow::ensure!(!own.is_empty(), "{} has no certificate in PEM", path.display());
        tls = tls.root_certs(RootCerts::from(own));
    }
    let config = ureq::Agent::config_builder().tls_config(tls.build());
    let config = config.timeout_global(Some(timeout)).max_redirects(0);
    Ok(config.http_status_as_error(false).build().into())
}

/// In how many seconds it wants to be asked again (RFC 9110, section 10.2.3); a date is not read.
fn retry_after(answer: &Response<Body>) -> Option<u64> {
    answer.headers().get("Retry-After")?.to_str().ok()?.trim().parse().ok()
}

/// Through whom the address is asked, where the environment names somebody.
fn by_proxy(agent: &ureq::Agent, url: &str) -> String {
    let is_asked = |proxy: &&Proxy| url.parse().is_ok_and(|url| !proxy.is_no_proxy(&url));
    let proxy = agent.config().proxy().filter(is_asked);
    let name = |proxy: &Proxy| format!(" through the proxy {}:{}", proxy.host(), proxy.port());
    proxy.map(name).unwrap_or_default()
}

/// What an answer says at first, where that is for people who send letters and not for browsers. Of
/// the address, which it may repeat, only the host is told.
fn reason(url: &str, answer: Response<Body>) -> String {
    let is_page = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/html");
    if answer.headers().get("Content-Type").is_some_and(is_page) {
        return String::new();
    }
    let mut words = Vec::new();
    let read = answer.into_body().into_reader().take(SAID).read_to_end(&mut words);
    let words = String::from_utf8_lossy(&words);
    let path = url.parse::<Uri>().ok().and_then(|url| url.path_and_query().cloned());
    let words = match path.as_ref().map(PathAndQuery::as_str).filter(|path| path.len() > 1) {
        Some(path) => words.replace(path, "/…"),
        None => words.into_owned(),
    };
    let words = words.trim();
    if read.is_err() || words.is_empty() { String::new() } else { format!(": {words}") }
}

/// What was wrong with the other end's certificate, if it was that.
fn distrust(error: &ureq::Error) -> Option<&CertificateError> {
    let cause = match error {
        ureq::Error::Rustls(cause) => cause,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref()?,
        _ => return None,
    };
    match cause {
        rustls::Error::InvalidCertificate(why) => Some(why),
        _ => None,
    }
}

fn in_words(why: &CertificateError, ca_file: Option<&Path>) -> String {
    use CertificateError::{BadSignature, UnknownIssuer};
    match (why, ca_file) {
        (UnknownIssuer | BadSignature, Some(path)) => {
            format!("shows a certificate that was not signed by any in {}", path.display())
        }
        (UnknownIssuer | BadSignature, None) => {
            "shows a certificate that was not signed by any public authority; `ca_file` names one \
             of your own"
                .to_owned()
        }
        (
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            _,
        ) => format!("shows a certificate of somebody else: {why}"),
        _ => format!("shows a certificate that cannot be trusted: {why}"),
    }
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let items = parse_pem(pem).filter_map(Result::ok);
    let certificate = |item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    items.filter_map(certificate).collect()
}

/// Whose address it is; what follows is often a password.
fn without_secrets(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find(['/', '?', '#']));
    let end = end.map_or(url.len(), |at| host + at);
    let whole = url.get(..end).unwrap_or(url);
    // A user and a password may stand before the host.
    whole.rsplit_once('@').map_or(whole, |(_, host)| host)
}

const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Bytes that are told of what a program or an answer said.
const SAID: u64 = 512;
