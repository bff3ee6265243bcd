//! Which receivers there are.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{Doctor, Receiver, floor, peers};
use crate::site::{self, Site};

/// A receiver that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// A loop over recvmmsg that counts
    Floor,
    /// The floor that learns who sent
    FloorSource,
    /// The floor that learns who sent, and when the kernel received it
    FloorTime,
    /// The same, and it lets datagrams gather once there are no more
    FloorPatient,
    /// The doctor
    Bedside,
    /// rsyslog into one file
    Rsyslog,
    /// rsyslog into a file per source
    RsyslogFiles,
    /// syslog-ng into a file per source
    SyslogNg,
    /// socat | tee into one file
    Socat,
}

impl Kind {
    /// The floor and the doctor.
    pub(crate) const OURS: [Kind; 4] =
        [Kind::Floor, Kind::FloorSource, Kind::FloorTime, Kind::Bedside];
    /// All others.
    pub(crate) const PEERS: [Kind; 4] =
        [Kind::Rsyslog, Kind::RsyslogFiles, Kind::SyslogNg, Kind::Socat];

    /// Its name in tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Floor => "floor",
            Kind::FloorSource => "floor, told the source",
            Kind::FloorTime => "floor, told source and time",
            Kind::FloorPatient => "floor, patient, told source and time",
            Kind::Bedside => "bedside",
            Kind::Rsyslog => "rsyslog, one file",
            Kind::RsyslogFiles => "rsyslog, a file per source",
            Kind::SyslogNg => "syslog-ng, a file per source",
            Kind::Socat => "socat \\| tee, one file",
        }
    }

    /// Whether it can be started here.
    pub(crate) fn is_installed(self) -> bool {
        self.program().is_none_or(|name| site::installed(name).is_some())
    }

    /// Starts it on a free port, in a new folder.
    pub(crate) fn start(self, site: &Site) -> Result<(Receiver, SocketAddrV4)> {
        let address = site::free_address()?;
        let dir = site.folder(&format!("{self:?}"))?;
        let receiver = match self {
            Kind::Floor => floor::start(address, &[], &dir),
            Kind::FloorSource => floor::start(address, &["--source"], &dir),
            Kind::FloorTime => floor::start(address, &["--source", "--time"], &dir),
            Kind::FloorPatient => {
                floor::start(address, &["--source", "--time", "--patience-ms", "3"], &dir)
            }
            Kind::Bedside => Doctor::new(site, &dir).serve(address, ""),
            Kind::Rsyslog => peers::rsyslog(&self.path()?, address, false, &dir),
            Kind::RsyslogFiles => peers::rsyslog(&self.path()?, address, true, &dir),
            Kind::SyslogNg => peers::syslog_ng(&self.path()?, address, &dir),
            Kind::Socat => peers::socat(&self.path()?, address, &dir),
        };
        Ok((receiver.with_context(|| format!("{} does not start", self.as_str()))?, address))
    }

    fn path(self) -> Result<PathBuf> {
        let name = self.program().unwrap_or_default();
        site::installed(name).with_context(|| format!("{name} is not installed"))
    }

    fn program(self) -> Option<&'static str> {
        match self {
            Kind::Floor
            | Kind::FloorSource
            | Kind::FloorTime
            | Kind::FloorPatient
            | Kind::Bedside => None,
            Kind::Rsyslog | Kind::RsyslogFiles => Some("rsyslogd"),
            Kind::SyslogNg => Some("syslog-ng"),
            Kind::Socat => Some("socat"),
        }
    }
}
