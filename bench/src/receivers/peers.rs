//! Log daemons and tools that hear netconsole in the field, each set up as well as its manual
//! says how to: no look-ups of names, every file open that it wants open, lines as they come.

use std::fs;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::Receiver;
use crate::site::installed;

/// rsyslog with what was received, unparsed, in one file, or in a file per source.
pub(super) fn rsyslog(
    program: &Path,
    address: SocketAddrV4,
    per_source: bool,
    dir: &Path,
) -> Result<Receiver> {
    let path = dir.join("rsyslog.conf");
    fs::write(&path, rsyslog_config(address, per_source, dir))?;
    let mut command = Command::new(program);
    command.arg("-n").arg("-f").arg(&path).arg("-i").arg(dir.join("pid"));
    if let Some(modules) = modules_of(program) {
        command.arg("-M").arg(modules);
    }
    Receiver::start(command, address, dir)
}

fn rsyslog_config(address: SocketAddrV4, per_source: bool, dir: &Path) -> String {
    let (ip, port, work) = (address.ip(), address.port(), dir.display());
    let file = if per_source {
        format!(
            "template(name=\"file\" type=\"string\" string=\"{work}/%fromhost-ip%.log\")\n\
             ruleset(name=\"in\") {{ action(type=\"omfile\" dynaFile=\"file\" \
             dynaFileCacheSize=\"20000\" template=\"raw\") }}"
        )
    } else {
        format!(
            "ruleset(name=\"in\") {{ action(type=\"omfile\" file=\"{work}/all.log\" \
             template=\"raw\") }}"
        )
    };
    format!(
        "global(workDirectory=\"{work}\" net.enableDNS=\"off\")\n\
         module(load=\"imudp\" batchSize=\"128\")\n\
         template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
         {file}\n\
         input(type=\"imudp\" address=\"{ip}\" port=\"{port}\" ruleset=\"in\")\n"
    )
}

/// Where rsyslog's modules are if it was unpacked rather than installed.
fn modules_of(program: &Path) -> Option<PathBuf> {
    let libraries = program.parent()?.parent()?.join("lib");
    let places = fs::read_dir(libraries).ok()?;
    places.map_while(Result::ok).map(|place| place.path().join("rsyslog")).find(|dir| dir.is_dir())
}

/// syslog-ng with a file per source.
pub(super) fn syslog_ng(program: &Path, address: SocketAddrV4, dir: &Path) -> Result<Receiver> {
    let (ip, port, work) = (address.ip(), address.port(), dir.display());
    let config = format!(
        "@version: current\n\
         options {{ use-dns(no); stats-freq(0); flush-lines(100); }};\n\
         source s {{ network(transport(\"udp\") ip({ip}) port({port}) flags(no-parse)); }};\n\
         destination d {{ file(\"{work}/${{SOURCEIP}}.log\" template(\"${{MESSAGE}}\\n\")); }};\n\
         log {{ source(s); destination(d); }};\n"
    );
    let path = dir.join("syslog-ng.conf");
    fs::write(&path, config)?;
    let mut command = Command::new(program);
    command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(&path);
    for (option, name) in
        [("--persist-file", "persist"), ("--control", "ctl"), ("--pidfile", "pid")]
    {
        command.arg(option).arg(dir.join(name));
    }
    Receiver::start(command, address, dir)
}

/// `socat -u UDP-RECV:PORT - | tee FILE`: what many write into a unit file.
pub(super) fn socat(program: &Path, address: SocketAddrV4, dir: &Path) -> Result<Receiver> {
    let tee = installed("tee").context("there is no tee")?;
    let mut tee = Command::new(tee);
    tee.arg(dir.join("all.log")).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut tee = tee.spawn().context("tee did not start")?;
    let mut command = Command::new(program);
    let recv = format!("UDP-RECV:{},bind={}", address.port(), address.ip());
    command.arg("-u").arg(recv).arg("STDOUT");
    command.stdout(tee.stdin.take().context("tee takes nothing")?);
    Receiver::start_with(command, Some(tee), address, dir)
}
