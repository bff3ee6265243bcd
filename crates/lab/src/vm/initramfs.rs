//! An initramfs: busybox, the modules in the order in which they load, and the init script.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Writes a machine's own archive to `archive`.
pub(super) fn build(modules: &Path, busybox: &Path, archive: &Path) -> Result<()> {
    let loaded = load_order(modules, &WANTED)?;
    let early = load_order(modules, &EARLY)?;
    let early: Vec<String> = early.iter().map(|(name, _)| format!("{name}.ko")).collect();
    let busybox = fs::read(busybox).with_context(|| format!("{} not read", busybox.display()))?;
    let mut cpio = Cpio::default();
    cpio.directory("bin");
    cpio.directory("modules");
    cpio.directory("modules/kernel");
    cpio.file("init", 0o755, include_bytes!("../../vm/init"));
    cpio.file("bin/busybox", 0o755, &busybox);
    cpio.file("modules/order", 0o644, early.join("\n").as_bytes());
    cpio.file("modules/modules.dep", 0o644, modules_dep(&loaded).as_bytes());
    for (name, module) in &loaded {
        cpio.file(&format!("modules/kernel/{name}.ko"), 0o644, module);
    }
    fs::write(archive, cpio.end()).with_context(|| format!("{} not written", archive.display()))
}

/// An archive of files that are added to a machine's own: path, mode, content.
pub(super) fn overlay<'f>(files: impl IntoIterator<Item = (&'f str, u32, &'f [u8])>) -> Vec<u8> {
    let mut cpio = Cpio::default();
    for (path, mode, content) in files {
        // One that is there already is left as it is.
        for (end, _) in path.match_indices('/') {
            cpio.directory(&path[..end]);
        }
        cpio.file(path, mode, content);
    }
    cpio.end()
}

/// Writes an archive of a whole tree to `archive`.
pub(super) fn pack(tree: &Path, archive: &Path) -> Result<()> {
    let mut cpio = Cpio::default();
    add(tree, "", &mut cpio)?;
    fs::write(archive, cpio.end()).with_context(|| format!("{} not written", archive.display()))
}

/// What is in a directory that the machine knows as `below`, which is empty or ends with a `/`.
fn add(dir: &Path, below: &str, cpio: &mut Cpio) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("{} not listed", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{below}{name}");
        let meta = path.symlink_metadata()?;
        if meta.is_dir() {
            cpio.directory(&name);
            add(&path, &(name + "/"), cpio)?;
        } else if meta.is_symlink() {
            cpio.link(&name, fs::read_link(&path)?.as_os_str().as_encoded_bytes());
        } else {
            cpio.file(&name, meta.permissions().mode() & 0o7777, &fs::read(&path)?);
        }
    }
    Ok(())
}

/// The modules wanted with all that they depend on, dependencies first.
fn load_order(modules: &Path, wanted: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = BTreeMap::new();
    find_modules(modules, &mut files)?;
    ensure!(files.contains_key("netconsole"), "no netconsole in {}", modules.display());
    let mut loaded = Vec::new();
    for name in wanted {
        load(name, &files, &mut loaded)?;
    }
    Ok(loaded)
}

/// What modprobe goes by: each module's file with all that it needs, the next one first
/// (modules.dep(5)).
fn modules_dep(loaded: &[(String, Vec<u8>)]) -> String {
    let mut text = String::new();
    let mut needs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, module) in loaded {
        let mut all: Vec<String> = Vec::new();
        for direct in dependencies(module) {
            let below = needs.get(direct.as_str()).cloned();
            // What is built in is not among them.
            let Some(below) = below else { continue };
            all.extend(std::iter::once(direct).chain(below));
        }
        let files: Vec<String> = all.iter().map(|name| format!("kernel/{name}.ko")).collect();
        let line = ["kernel/", name, ".ko: ", &files.join(" "), "\n"];
        text.extend(line);
        needs.insert(name, all);
    }
    text
}

fn load(
    name: &str,
    files: &BTreeMap<String, PathBuf>,
    loaded: &mut Vec<(String, Vec<u8>)>,
) -> Result<()> {
    // What has no file is built in.
    let Some(file) = files.get(name) else { return Ok(()) };
    if loaded.iter().any(|(known, _)| known == name) {
        return Ok(());
    }
    let module = read_module(file)?;
    for dependency in dependencies(&module) {
        load(&dependency, files, loaded)?;
    }
    loaded.push((name.to_owned(), module));
    Ok(())
}

/// Module names use `_` where their files may have `-`.
fn find_modules(dir: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("{} not listed", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find_modules(&path, files)?;
            continue;
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(name) = file.strip_suffix(".xz").unwrap_or(&file).strip_suffix(".ko") {
            files.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

fn read_module(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(file).with_context(|| format!("{} not read", file.display()));
    }
    let output = Command::new("xz").arg("-dc").arg(file).output().context("xz did not start")?;
    ensure!(output.status.success(), "xz can't unpack {}", file.display());
    Ok(output.stdout)
}

/// The module's own word: `depends=a,b` among the strings of its `.modinfo` section.
fn dependencies(module: &[u8]) -> Vec<String> {
    let mut strings = module.split(|&byte| byte == 0);
    let list = strings.find_map(|string| string.strip_prefix(b"depends="));
    let list = String::from_utf8_lossy(list.unwrap_or_default()).into_owned();
    list.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

/// An archive in cpio's "newc" form, as the kernel unpacks it
/// (`Documentation/driver-api/early-userspace/buffer-format.rst`).
#[derive(Default)]
struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
}

impl Cpio {
    fn directory(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entry(name, 0o100_000 | mode, content);
    }

    fn link(&mut self, name: &str, to: &[u8]) {
        self.entry(name, 0o120_777, to);
    }

    fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    /// Thirteen numbers of eight hexadecimal digits, the name, the content; each padded to four.
    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let (size, name_size) = (content.len() as u32, name.len() as u32 + 1);
        let links = 1;
        let numbers = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for number in numbers {
            self.bytes.extend_from_slice(format!("{number:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// What a machine loads as it starts; all else comes as a dependency.
const EARLY: [&str; 4] = ["virtio_pci", "virtio_net", "vmxnet3", "e1000"];

/// What there is to load: devices that netconsole takes, and such as it refuses.
const WANTED: [&str; 16] = [
    "virtio_pci",
    "virtio_net",
    "vmxnet3",
    "e1000",
    "netconsole",
    "bridge",
    "bonding",
    "8021q",
    "dummy",
    "veth",
    "tun",
    "wireguard",
    "mac80211_hwsim",
    // A firewall, and a memory that outlives a panic.
    "nf_tables",
    "nft_ct",
    "ramoops",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_header_name_and_content_each_padded() {
        let mut cpio = Cpio::default();
        cpio.file("ab", 0o644, b"xyz");
        let header = "07070100000001000081a4000000000000000000000001000000000000000300000000\
            0000000000000000000000000000000300000000";
        assert_eq!(cpio.bytes, [header.as_bytes(), b"ab\0\0\0\0xyz\0"].concat()[..]);
    }

    #[test]
    fn a_module_says_what_it_depends_on() {
        let module = b"ELF\0license=GPL\0depends=net-failover,virtio\0name=x\0";
        assert_eq!(dependencies(module), ["net_failover", "virtio"]);
        assert!(dependencies(b"depends=\0").is_empty());
    }
}
