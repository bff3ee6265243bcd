//! Giving up what the doctor does not need, before it hears its first datagram.
//!
//! Its sockets are open by then, so that it needs no capability any more; of files it needs its
//! store and, to read it again, its configuration. Threads inherit this from the one that starts
//! them, so it comes before all of them.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::unistd::Uid;

use crate::exit;

/// What is left to the thread that asked for it, and to those that it starts.
///
/// - Files: everything but running them in `data`, which is made where it is not there, and
///   reading in the directory of `config`. What an older kernel does not know is left out; one
///   without landlock limits nothing.
/// - Network: no TCP. What is bound stays bound.
/// - Privileges: no new ones, ever, and no capability. Only when `data` or `config`, or a directory
///   on the way there, is somebody else's, root keeps the right to go past their permissions.
///
/// A doctor that cannot be confined hears all the same, and says so.
pub(crate) fn confine(data: &Path, config: Option<&Path>) {
    // It must be there for a rule to name it. Without it opening the store fails, and says why
    // better than this could.
    drop(DirBuilder::new().recursive(true).mode(0o750).create(data));
    if let Err(error) = drop_capabilities(&needed(data, config)) {
        tracing::warn!(%error, "cannot give up all capabilities");
    }
    match restrict(data, config) {
        Ok(RulesetStatus::FullyEnforced) => tracing::debug!("confined to the store"),
        Ok(RulesetStatus::PartiallyEnforced) => {
            tracing::debug!("confined to the store as far as this kernel can");
        }
        Ok(RulesetStatus::NotEnforced) => {
            tracing::info!("this kernel has no landlock: not confined to the store");
        }
        Err(error) => tracing::warn!("not confined to the store: {}", exit::words(&error)),
    }
}

fn restrict(data: &Path, config: Option<&Path>) -> anyhow::Result<RulesetStatus> {
    nix::sys::prctl::set_no_new_privs()?;
    let mut scopes: BitFlags<Scope> = Scope::Signal.into();
    let notify = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
    if !notify.as_encoded_bytes().starts_with(b"@") {
        scopes |= Scope::AbstractUnixSocket;
    }
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(scopes)?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new(data)?, kept()))?;
    // An editor may put another file in its place: the directory counts. It may be a link.
    let named = config.map(Path::to_owned).and_then(|path| std::path::absolute(path).ok());
    let meant = config.and_then(|path| path.canonicalize().ok());
    for config in named.into_iter().chain(meant) {
        let beside = PathFd::new(config.parent().unwrap_or(&config))?;
        ruleset = ruleset.add_rule(PathBeneath::new(beside, AccessFs::ReadFile))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// What is done to files of the store.
fn kept() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
}

/// Root is above permissions by a capability only; also on the way to a file.
fn needed(data: &Path, config: Option<&Path>) -> CapsHashSet {
    let me = Uid::effective();
    let is_others = |path: &Path| path.metadata().is_ok_and(|found| found.uid() != me.as_raw());
    let paths = [Some(data), config].into_iter().flatten();
    let whole = paths.filter_map(|path| path.canonicalize().ok());
    let others = whole.flat_map(|path| path.ancestors().map(is_others).collect::<Vec<bool>>());
    let others = me.is_root() && others.into_iter().any(|others| others);
    others.then_some(Capability::CAP_DAC_OVERRIDE).into_iter().collect()
}

/// Leaves a process, and what it runs, nothing that is more than its user may.
pub(crate) fn drop_all_capabilities() -> Result<(), caps::errors::CapsError> {
    drop_capabilities(&CapsHashSet::new())
}

fn drop_capabilities(needed: &CapsHashSet) -> Result<(), caps::errors::CapsError> {
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding)?;
    }
    // The ambient ones, which old kernels have not, go with these (capabilities(7)).
    caps::clear(None, CapSet::Inheritable)?;
    let held = caps::read(None, CapSet::Permitted)?;
    let left = held.intersection(needed).copied().collect();
    caps::set(None, CapSet::Effective, &left)?;
    caps::set(None, CapSet::Permitted, &left)
}

#[cfg(test)]
mod tests {
    use std::{fs, io};

    use super::*;

    /// In a thread of its own, which alone is confined.
    fn confined<T: Send>(data: &Path, config: Option<&Path>, f: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                confine(data, config);
                f()
            });
            thread.join().unwrap()
        })
    }

    #[test]
    fn the_store_can_be_written_and_the_configuration_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (data, etc) = (dir.path().join("a/store"), dir.path().join("etc"));
        fs::create_dir(&etc).unwrap();
        let config = etc.join("bedside.toml");
        fs::write(&config, "live = \"never\"").unwrap();
        fs::write(dir.path().join("other"), "secret").unwrap();
        confined(&data, Some(&config), || {
            fs::create_dir(data.join("segments")).unwrap();
            fs::write(data.join("segments/1"), "x").unwrap();
            fs::rename(data.join("segments/1"), data.join("segments/2")).unwrap();
            fs::remove_file(data.join("segments/2")).unwrap();
            fs::File::open(data.join("segments")).unwrap().sync_all().unwrap();
            assert_eq!(fs::read_to_string(&config).unwrap(), "live = \"never\"");
            for denied in [
                fs::write(&config, "x"),
                fs::write(dir.path().join("new"), "x"),
                fs::read(dir.path().join("other")).map(drop),
                fs::read("/etc/passwd").map(drop),
                fs::read_dir("/").map(drop),
                std::process::Command::new("/bin/true").status().map(drop),
            ] {
                assert_eq!(denied.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            }
            assert!(std::net::TcpListener::bind("127.0.0.1:0").is_err());
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        });
        assert!(fs::read("/etc/passwd").is_ok(), "this thread is not");
    }

    #[test]
    fn no_capability_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let held = confined(dir.path(), None, || {
            let sets = [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable];
            sets.map(|set| caps::read(None, set).unwrap().len())
        });
        assert_eq!(held, [0, 0, 0]);
    }
}
