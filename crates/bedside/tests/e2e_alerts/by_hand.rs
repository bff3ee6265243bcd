//! `bedside alert test`: a rule is tried by hand, and what is in its way is said.

use std::fs;
use std::net::TcpListener;
use std::thread;

use anyhow::{Result, ensure};
use bedside_lab::doctor::Bedside;
use serde_json::Value;

use super::{answer, room, rules};

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

/// Such as one of http:// that sends all on to https://.
#[test]
fn an_address_that_is_elsewhere_now_is_told_as_such() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (server, config) = room(&dir)?;
    thread::spawn(move || -> Result<String> {
        let elsewhere = "301 Moved Permanently\r\nlocation: https://a.example/hook";
        answer(&mut server.accept()?.0, elsewhere, "")
    });
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let output = bedside.command().args(["alert", "test", "--config", &config]).output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(said.ends_with("answers 301 Moved Permanently; no redirect is followed\n"), "{said}");
    Ok(())
}

/// So that a template can be put right; and of an address only the host is told.
#[test]
fn what_an_address_has_against_a_letter_is_said() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("bedside.toml");
    let server = TcpListener::bind("127.0.0.1:0")?;
    let host = format!("http://{}", server.local_addr()?);
    let rule = format!("[[alert]]\nname = \"room\"\nwebhook = \"{host}/hook/secret?it\"\n");
    fs::write(&config, rule)?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    thread::spawn(move || -> Result<()> {
        for words in ["no_text\u{1b}\nin /hook/secret?it\n", ""] {
            answer(&mut server.accept()?.0, "400 Bad Request", words)?;
        }
        Ok(())
    });
    for told in [r": no_text\x1b\x0ain /…", ""] {
        let output = bedside.command().args(["alert", "test", "--config"]).arg(&config).output()?;
        let said = String::from_utf8(output.stdout)?;
        let expected = format!("room: not delivered: {host} answers 400 Bad Request{told}\n");
        ensure!(said == expected && output.status.code() == Some(1), "{said}");
    }
    Ok(())
}

/// The environment names a proxy that nobody is; but not for this address.
#[test]
fn a_proxy_that_is_in_the_way_is_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("bedside.toml");
    let server = TcpListener::bind("127.0.0.1:0")?;
    let host = format!("http://{}", server.local_addr()?);
    fs::write(&config, format!("[[alert]]\nname = \"room\"\nwebhook = \"{host}/hook\"\n"))?;
    let gone = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let said = |without: &str| -> Result<String> {
        let mut test = bedside.command();
        test.env("ALL_PROXY", format!("http://{gone}")).env("NO_PROXY", without);
        let output = test.args(["alert", "test", "--config"]).arg(&config).output()?;
        Ok(String::from_utf8(output.stdout)?)
    };
    let (blocked, named) = (said("")?, format!("cannot post to {host} through the proxy {gone}: "));
    ensure!(blocked.starts_with(&format!("room: not delivered: {named}")), "{blocked}");
    thread::spawn(move || answer(&mut server.accept()?.0, "200 OK", ""));
    let past = said("127.0.0.1")?;
    ensure!(past == "room: delivered\n", "{past}");
    Ok(())
}
