//! A kernel dies of a NULL dereference: somebody is told, and the page shows the trace.

use std::fs;

use anyhow::{Context, Result, ensure};
use bedside_lab::vm::Death;
use bedside_lab::wait;
use serde_json::Value;

use crate::ward::{Desk, Ward};

const SCRIPT: &str = "
insmod /bedside_netconsole.ko netconsole=+@/eth0,DOCTOR || poweroff -f
sleep 1
insmod /lethal.ko how=null
";

#[test]
fn a_null_dereference_runs_the_command_and_has_a_page() -> Result<()> {
    let data = tempfile::tempdir()?;
    let (told, config) = (data.path().join("told"), data.path().join("bedside.toml"));
    let command = r#"["/bin/sh", "-c", "cat > $0.new && mv $0.new $0", "#;
    let rule = format!("[[alert]]\nname = \"page\"\ncommand = {command}{:?}]", told.display());
    fs::write(&config, rule)?;
    let words = ["--config", config.to_str().context("a path in UTF-8")?];
    let desk = Desk { data, words: &words, ports: [0; 3] };
    let mut ward = Ward::admit_to(desk, "7", Death::PanicThenRestart, SCRIPT, |order| {
        order.words = "oops=panic".to_owned();
    })?;
    ward.machine.wait_for_end()?;
    let letter = wait::until("the command to be run", || Ok(fs::read(&told).ok()))?;
    let letter: Value = serde_json::from_slice(&letter)?;
    let title = "BUG: unable to handle kernel NULL pointer dereference in ";
    ensure!(letter["title"].as_str().is_some_and(|it| it.starts_with(title)), "{letter}");
    ensure!(letter["kind"] == "oops" && letter["trace"][0]["module"] == "lethal", "{letter}");

    let dead = wait::until("the incident to be a death", || {
        let list = ward.bedside.run("incidents", &["--json"])?.stdout;
        let list: Value = serde_json::from_slice(&list)?;
        Ok((list["incidents"][0]["severity"] == "fatal").then_some(list))
    })?;
    ensure!(dead["incidents"].as_array().is_some_and(|all| all.len() == 1), "{dead}");
    let id = dead["incidents"][0]["id"].as_str().context("an id")?;
    let page = String::from_utf8(ward.bedside.run("incident", &[id])?.stdout)?;
    let function = letter["function"].as_str().context("a function")?;
    ensure!(page.contains(&format!("\n  > {function}+0x")), "{page}");
    ensure!(page.contains("its death is here whole, "), "{page}");
    Ok(())
}
