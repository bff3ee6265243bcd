//! Letters over TLS: a server that cannot prove who it is gets none.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, Result, ensure};
use bedside_lab::doctor::Bedside;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::{ANYWHERE, BEAT, answer};

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
        posts.send(answer(&mut stream, "200 OK", ""))?;
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
    let doctor = bedside.serve(&[ANYWHERE], &["--config", config.to_str().context("UTF-8")?])?;
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
