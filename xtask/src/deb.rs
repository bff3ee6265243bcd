//! `cargo xtask deb`: the module as a Debian package, which DKMS builds on the machine that it is
//! installed on, for each of its kernels. Takes dpkg-deb and no network; the same to the byte
//! wherever it is made by the same dpkg-deb.
//!
//! ```text
//! /usr/src/bedside_netconsole-<version>/          the shim with the objects and dkms.conf
//! /usr/src/bedside_netconsole-<version>/source/   what the objects are made of, as the GPL asks
//! /usr/share/doc/bedside-netconsole-dkms/
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::kmod::{root, run};

const PACKAGE: &str = "bedside-netconsole-dkms";
const MODULE: &str = "bedside_netconsole";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What all files are dated to: 2026-01-01. A later date would be the machine's.
const DATE: &str = "1767225600";

/// What the package is made of: from where in the repository, to where below its source.
const SOURCES: [(&str, &str); 4] =
    [("kmod/shim", ""), ("kmod/src", "source/kmod"), ("crates/wire/src", "source/wire"), RECIPE];
const RECIPE: (&str, &str) = ("xtask/src/kmod.rs", "source/recipe.rs");

/// What a build leaves in the shim's folder is not packed, whatever is there.
const PACKED: [&str; 6] = ["c", "h", "bin", "rs", "conf", ""];

/// Makes the package; says where it is.
pub(crate) fn make() -> Result<PathBuf> {
    let home = root().join("target/deb");
    let tree = home.join(PACKAGE);
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("{} not removed", tree.display()))?;
    }
    is_one_version()?;
    let source = tree.join(format!("usr/src/{MODULE}-{VERSION}"));
    for (from, to) in SOURCES {
        copy(&root().join(from), &source.join(to))?;
    }
    let recipe = root().join("packaging/dkms");
    let docs = tree.join("usr/share/doc").join(PACKAGE);
    copy(&recipe.join("copyright"), &docs.join("copyright"))?;
    copy(&root().join("kmod/README.md"), &docs.join("README.md"))?;
    let size = size(&tree)?.div_ceil(1024);
    for (name, mode) in [("control", 0o644), ("postinst", 0o755), ("prerm", 0o755)] {
        let text = read(&recipe.join(name))?;
        let text = text.replace("@VERSION@", VERSION).replace("@SIZE@", &size.to_string());
        write(&tree.join("DEBIAN").join(name), text.as_bytes(), mode)?;
    }
    let package = home.join(format!("{PACKAGE}_{VERSION}_amd64.deb"));
    let mut build = Command::new("dpkg-deb");
    build.env("SOURCE_DATE_EPOCH", DATE).args(["--root-owner-group", "--build"]);
    run(build.arg(&tree).arg(&package))?;
    Ok(package)
}

/// DKMS, the module itself and the package say the same.
fn is_one_version() -> Result<()> {
    for (file, words) in [
        ("kmod/shim/dkms.conf", format!("PACKAGE_VERSION=\"{VERSION}\"\n")),
        ("kmod/shim/module.c", format!("MODULE_VERSION(\"{VERSION}\");\n")),
    ] {
        let there = read(&root().join(file))?.contains(&words);
        ensure!(there, "{file} does not say {:?}", words.trim());
    }
    Ok(())
}

/// A file, or all of a folder that is source.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        let bytes = fs::read(from).with_context(|| format!("{} not read", from.display()))?;
        return write(to, &bytes, 0o644);
    }
    let entries = fs::read_dir(from).with_context(|| format!("{} not listed", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let end = path.extension().unwrap_or_default();
        let hidden = name.to_string_lossy().starts_with('.');
        if !hidden && (path.is_dir() || PACKED.iter().any(|packed| end == *packed)) {
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}

/// With the folders above it. What the one who builds may do with new files is no matter.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let make = || {
        for dir in path.ancestors().skip(1).take_while(|dir| !dir.ends_with("deb")) {
            fs::create_dir_all(dir)?;
            fs::set_permissions(dir, PermissionsExt::from_mode(0o755))?;
        }
        fs::write(path, bytes)?;
        fs::set_permissions(path, PermissionsExt::from_mode(mode))
    };
    make().with_context(|| format!("{} not written", path.display()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} not read", path.display()))
}

/// Bytes of all files below.
fn size(path: &Path) -> Result<u64> {
    let meta = path.symlink_metadata().with_context(|| format!("{} not seen", path.display()))?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}
