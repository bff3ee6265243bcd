//! A heart stops: the book has a flatline, a program is run, an address gets a letter; and what
//! the machine is called harms neither.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, Result, ensure};
use bedside_lab::doctor::Bedside;
use bedside_lab::wait;
use netconsole_wire::heartbeat::Heartbeat;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// What a machine may be called by whoever sends in its name.
const EVIL: &str = "$(id)`id`\"};<!channel>";

const BEAT: Heartbeat<'_> = Heartbeat {
    host: Some(EVIL),
    pid: 7,
    goodbye: false,
    boot_id: "49450e1b-6f9f-446b-96fa-3286d3c662f0",
    uptime_s: 100,
    every_s: 1,
    armed: true,
    errors: 0,
};

#[test]
fn a_flatline_is_told_to_a_program_and_an_address_that_fails_at_first() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let told = dir.path().join("told");
    let config = dir.path().join("bedside.toml");
    fs::write(&config, rules(&told.display().to_string(), server.local_addr()?))?;
    let (posts, posted) = channel();
    thread::spawn(move || serve(&server, &posts));

    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let config = config.to_str().context("a path in UTF-8")?;
    let listen = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let doctor = bedside.serve(&listen, &["--config", config])?;
    let patient = UdpSocket::bind("127.0.0.1:0")?;
    patient.connect(doctor.addresses()[0])?;
    patient.send(BEAT.to_string().as_bytes())?;

    let letter = wait::until("the program to be told", || Ok(fs::read(&told).ok()))?;
    let letter: Value = serde_json::from_slice(&letter)?;
    ensure!(letter["kind"] == "flatline" && letter["rule"] == "page", "{letter}");
    ensure!(letter["host"] == EVIL && letter["count"] == 1, "{letter}");
    let tries: Vec<String> = posted.iter().take(2).collect();
    ensure!(tries[0] == tries[1], "the same once more: {tries:?}");
    let text: Value = serde_json::from_str(&tries[0])?;
    let named = "flatline of $(id)`id`\"};&lt;!channel&gt;";
    ensure!(text == serde_json::json!({ "text": named, "severity": "critical" }), "{text}");

    let list = bedside.run("incidents", &["--kind", "flatline", "--json"])?.stdout;
    let list: Value = serde_json::from_slice(&list)?;
    let incident = &list["incidents"][0];
    ensure!(incident["count"] == 1 && incident["state"] == "open", "{list}");
    let id = incident["id"].as_str().context("an id")?.to_owned();
    bedside.run("incident", &[&id, "resolve", "a cable"])?;
    let list = String::from_utf8(bedside.run("incidents", &["--state", "resolved"])?.stdout)?;
    ensure!(list.contains(&id) && !list.contains('\u{1b}'), "{list}");
    let page = String::from_utf8(bedside.run("incident", &[&id])?.stdout)?;
    ensure!(page.contains("resolved") && page.contains("a cable"), "{page}");
    doctor.terminate()
}

fn rules(told: &str, server: SocketAddr) -> String {
    format!(
        r#"
        [[alert]]
        name = "page"
        kind = ["flatline"]
        command = ["/bin/sh", "-c", "cat > $0.new && mv $0.new $0", "{told}"]
        [[alert]]
        name = "room"
        webhook = "http://{server}/hook"
        template = '{{"text": "{{{{title|html}}}}", "severity": "{{{{severity}}}}"}}'
        [[alert]]
        name = "never"
        kind = ["panic"]
        command = ["/bin/false"]
        "#
    )
}

/// Answers the first with an error, all others well, and tells what it was sent.
fn serve(server: &TcpListener, posts: &Sender<String>) -> Result<()> {
    for status in ["500 Not Now"].into_iter().chain(std::iter::repeat("200 OK")) {
        let (mut stream, _) = server.accept()?;
        posts.send(answer(&mut stream, status)?)?;
    }
    Ok(())
}

/// Answers one request; what was sent.
fn answer(stream: &mut (impl Read + Write), status: &str) -> Result<String> {
    let mut reader = BufReader::new(&mut *stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    stream.flush()?;
    Ok(String::from_utf8(body)?)
}

#[test]
fn a_rule_is_tried_by_hand() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (told, config) = (dir.path().join("told"), dir.path().join("bedside.toml"));
    let server = TcpListener::bind("127.0.0.1:0")?;
    fs::write(&config, rules(&told.display().to_string(), server.local_addr()?))?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let test = |rule: &str| {
        bedside.command().args(["alert", "test", rule, "--config"]).arg(&config).output()
    };
    let output = test("page")?;
    ensure!(output.status.success(), "{output:?}");
    let letter: Value = serde_json::from_slice(&fs::read(&told)?)?;
    ensure!(letter["letter"] == "test" && letter["rule"] == "page", "{letter}");
    let output = test("never")?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout)?;
    ensure!(said == "never: not delivered: /bin/false: exit status: 1\n", "{said}");
    ensure!(test("nobody")?.status.code() == Some(1), "no such rule");
    Ok(())
}

/// Who signs certificates, and one of theirs.
struct Authority {
    pem: String,
    server: Arc<ServerConfig>,
}

impl Authority {
    /// It signs a certificate for whoever is called so.
    fn of(name: &str) -> Result<Authority> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        let (own, issuer) = (KeyPair::generate()?, Issuer::new(params, key));
        let signed = CertificateParams::new([name.to_owned()])?.signed_by(&own, &issuer)?;
        let key = PrivateKeyDer::try_from(own.serialize_der()).map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![signed.der().clone()], key)?;
        Ok(Authority { pem, server: Arc::new(server) })
    }
}

/// Answers over TLS with these certificates, one after the other, and tells what it was sent, or
/// why it was sent nothing.
fn serve_tls(
    server: &TcpListener,
    certificates: Vec<Arc<ServerConfig>>,
    posts: &Sender<Result<String>>,
) -> Result<()> {
    for certificate in certificates {
        let (stream, _) = server.accept()?;
        let mut stream = StreamOwned::new(ServerConnection::new(certificate)?, stream);
        posts.send(answer(&mut stream, "200 OK"))?;
        stream.conn.send_close_notify();
        stream.flush().ok();
    }
    Ok(())
}

#[test]
fn https_is_checked_with_certificates_of_ones_own() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (ours, theirs) = (Authority::of("127.0.0.1")?, Authority::of("127.0.0.1")?);
    let elsewhere = Authority::of("elsewhere.example")?;
    let both = [ours.pem.as_str(), &elsewhere.pem].concat();
    let (pem, empty) = (dir.path().join("ca.pem"), dir.path().join("empty.pem"));
    fs::write(&pem, both)?;
    fs::write(&empty, "no certificate\n")?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("https://{}/hook/secret", server.local_addr()?);
    let shown = format!("https://{}", server.local_addr()?);
    let config = dir.path().join("bedside.toml");
    let with = |more: &str| format!("[[alert]]\nname = \"room\"\nwebhook = \"{url}\"\n{more}");
    let with_ours = with(&format!("ca_file = \"{}\"", pem.display()));
    let with_empty = with(&format!("ca_file = \"{}\"", empty.display()));
    let certificates = [&ours, &theirs, &elsewhere, &ours].map(|it| Arc::clone(&it.server));
    let (posts, posted) = channel();
    thread::spawn(move || serve_tls(&server, certificates.into(), &posts));

    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let unknown = format!(
        "room: not delivered: {shown} shows a certificate that was not signed by any in {}\n",
        pem.display()
    );
    let foreign = format!("room: not delivered: {shown} shows a certificate of somebody else: ");
    let public = format!(
        "room: not delivered: {shown} shows a certificate that was not signed by any public \
         authority; `ca_file` names one of your own\n"
    );
    for (rule, status, said, arrives) in [
        (&with_ours, 0, "room: delivered\n", true),
        (&with_ours, 1, &*unknown, false),
        (&with_ours, 1, &*foreign, false),
        (&with(""), 1, &*public, false),
    ] {
        fs::write(&config, rule)?;
        let output = bedside.command().args(["alert", "test", "--config"]).arg(&config).output()?;
        let told = String::from_utf8(output.stdout)?;
        ensure!(told.starts_with(said) && output.status.code() == Some(status), "{told}");
        ensure!(posted.recv()?.is_ok() == arrives, "{told}");
    }
    fs::write(&config, with_empty)?;
    let output = bedside.command().args(["alert", "test", "--config"]).arg(&config).output()?;
    let told = String::from_utf8(output.stdout)?;
    ensure!(told.contains("empty.pem has no certificate in PEM"), "{told}");
    Ok(())
}

/// A server that cannot prove who it is gets nothing, and the letter is kept for the next try.
#[test]
fn a_letter_waits_until_the_server_proves_who_it_is() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (ours, theirs) = (Authority::of("127.0.0.1")?, Authority::of("127.0.0.1")?);
    let (pem, config) = (dir.path().join("ca.pem"), dir.path().join("bedside.toml"));
    fs::write(&pem, &ours.pem)?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let rule = format!(
        "[[alert]]\nname = \"room\"\nwebhook = \"https://{}/hook\"\nca_file = \"{}\"\n",
        server.local_addr()?,
        pem.display()
    );
    fs::write(&config, rule)?;
    let (posts, posted) = channel();
    thread::spawn(move || serve_tls(&server, vec![theirs.server, ours.server], &posts));
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let listen = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let doctor = bedside.serve(&listen, &["--config", config.to_str().context("UTF-8")?])?;
    let patient = UdpSocket::bind("127.0.0.1:0")?;
    patient.connect(doctor.addresses()[0])?;
    patient.send(BEAT.to_string().as_bytes())?;

    ensure!(posted.recv()?.is_err(), "told to somebody else");
    let letter: Value = serde_json::from_str(&posted.recv()??)?;
    ensure!(letter["kind"] == "flatline" && letter["letter"] == "incident", "{letter}");
    let said = doctor.said().join("\n");
    let told = "an alert was not delivered: https://127.0.0.1:";
    ensure!(said.contains(told) && said.contains("tries=1"), "{said}");
    doctor.terminate()
}
