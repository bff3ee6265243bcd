//! Where the store is when nobody has said so.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

/// What the surroundings say about places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// `$STATE_DIRECTORY`, which systemd sets: one path, or several with colons between.
    pub state_directory: Option<OsString>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state_home: Option<PathBuf>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// Whether this is root.
    pub root: bool,
}

impl Places {
    /// What is so for this process.
    pub fn here() -> Self {
        let uid = Uid::effective();
        let from_users = || User::from_uid(uid).ok().flatten().map(|user| user.dir);
        Self {
            state_directory: env::var_os("STATE_DIRECTORY"),
            xdg_state_home: env::var_os("XDG_STATE_HOME").map(PathBuf::from),
            home: env::var_os("HOME").map(PathBuf::from).or_else(from_users),
            root: uid.is_root(),
        }
    }

    /// The store's directory: that of the service manager, else the system's for root, else
    /// one under the user's state directory. Paths that are not absolute are passed over.
    pub fn data(&self) -> Option<PathBuf> {
        let absolute = |path: &PathBuf| path.is_absolute();
        let managed =
            self.state_directory.as_deref().and_then(|list| env::split_paths(list).next());
        if let Some(managed) = managed.filter(absolute) {
            return Some(managed);
        }
        if self.root {
            return Some(PathBuf::from(SYSTEM));
        }
        let state = self.xdg_state_home.clone().filter(absolute);
        let home = || self.home.clone().filter(absolute).map(|home| home.join(".local/state"));
        state.or_else(home).map(|state| state.join("bedside"))
    }

    /// The store's directory for one who only reads: [`Places::data`] where that exists, else
    /// the system's where that does.
    pub fn data_to_read(&self) -> Option<PathBuf> {
        match self.data() {
            Some(own) if !own.exists() && Path::new(SYSTEM).exists() => Some(SYSTEM.into()),
            own => own,
        }
    }
}

const SYSTEM: &str = "/var/lib/bedside";

#[cfg(test)]
mod tests {
    use super::*;

    fn data(places: &Places) -> Option<String> {
        places.data().map(|path| path.display().to_string())
    }

    #[test]
    fn the_service_manager_then_the_system_then_the_user() {
        let mut places = Places {
            state_directory: Some("/var/lib/a:/var/lib/b".into()),
            xdg_state_home: Some("/home/u/state".into()),
            home: Some("/home/u".into()),
            root: true,
        };
        assert_eq!(data(&places).as_deref(), Some("/var/lib/a"));
        places.state_directory = None;
        assert_eq!(data(&places).as_deref(), Some("/var/lib/bedside"));
        places.root = false;
        assert_eq!(data(&places).as_deref(), Some("/home/u/state/bedside"));
        places.xdg_state_home = Some("relative".into());
        assert_eq!(data(&places).as_deref(), Some("/home/u/.local/state/bedside"));
        places.home = None;
        assert_eq!(data(&places), None);
    }

    #[test]
    fn an_empty_state_directory_is_none() {
        let places = Places { state_directory: Some("".into()), root: true, ..Places::default() };
        assert_eq!(data(&places).as_deref(), Some("/var/lib/bedside"));
    }
}
