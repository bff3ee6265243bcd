//! What kernels say on an ordinary day: texts of their usual lengths and kinds, with numbers that
//! differ from line to line. No line here is a kernel's last.

use std::io::Write as _;
use std::net::Ipv4Addr;

use bedside_lab::chance::Chance;

/// One kind of line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// Facility and level.
    pub(crate) prefix: u8,
    /// `%d` up to 99, `%n` up to a million, `%x` 8 hex digits, `%h` 16 of them, `%a` an IPv4
    /// address, `%m` a MAC address.
    text: &'static str,
    /// The dictionary of the device that it is about, if any: subsystem and device.
    pub(crate) device: Option<(&'static str, &'static str)>,
}

impl Kind {
    /// Any of the kinds.
    pub(crate) fn any(chance: &mut Chance) -> &'static Kind {
        chance.pick(KINDS)
    }

    /// Appends a line of this kind.
    pub(crate) fn write(&self, out: &mut Vec<u8>, chance: &mut Chance) {
        let mut rest = self.text;
        while let Some((before, after)) = rest.split_once('%') {
            out.extend_from_slice(before.as_bytes());
            let (kind, tail) = after.split_at(1);
            write_number(out, kind, chance);
            rest = tail;
        }
        out.extend_from_slice(rest.as_bytes());
    }
}

fn write_number(out: &mut Vec<u8>, kind: &str, chance: &mut Chance) {
    let number = chance.number();
    let hex = format!("{number:016x}");
    let pair = |at: usize| &hex[2 * at..2 * at + 2];
    // Writing into memory cannot fail.
    let written = match kind {
        "d" => write!(out, "{}", number % 100),
        "n" => write!(out, "{}", number % 1_000_000),
        "x" => out.write_all(&hex.as_bytes()[..8]),
        "h" => out.write_all(hex.as_bytes()),
        "a" => write!(out, "{}", Ipv4Addr::from_bits(number as u32)),
        _ => write!(out, "02:{}:{}:{}:{}:{}", pair(0), pair(1), pair(2), pair(3), pair(4)),
    };
    written.unwrap_or_default();
}

const fn plain(prefix: u8, text: &'static str) -> Kind {
    Kind { prefix, text, device: None }
}

const fn device(
    prefix: u8,
    text: &'static str,
    subsystem: &'static str,
    device: &'static str,
) -> Kind {
    Kind { prefix, text, device: Some((subsystem, device)) }
}

/// Kernel 6.x's own wordings.
const KINDS: &[Kind] = &[
    plain(
        6,
        "audit: type=1400 audit(17%n.%d:%d): apparmor=\"ALLOWED\" operation=\"open\" profile=\"/usr/sbin/sssd\" name=\"/proc/%n/cmdline\" pid=%n comm=\"sssd_nss\" requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0",
    ),
    plain(
        6,
        "audit: type=1326 audit(17%n.%d:%d): auid=4294967295 uid=1000 gid=1000 ses=4294967295 pid=%n comm=\"chrome\" sig=0 arch=c000003e syscall=%d compat=0 ip=0x%h code=0x7ffc0000",
    ),
    plain(
        4,
        "[UFW BLOCK] IN=eth0 OUT= MAC=%m:%m:08:00 SRC=%a DST=%a LEN=40 TOS=0x00 PREC=0x00 TTL=2%d ID=%n PROTO=TCP SPT=%n DPT=%d WINDOW=1024 RES=0x00 SYN URGP=0",
    ),
    plain(
        4,
        "[UFW BLOCK] IN=eth0 OUT= MAC=%m:%m:08:00 SRC=%a DST=%a LEN=60 TOS=0x00 PREC=0x00 TTL=5%d ID=%n DF PROTO=UDP SPT=%n DPT=%n LEN=40",
    ),
    plain(6, "TCP: request_sock_TCP: Possible SYN flooding on port %a:443. Sending cookies."),
    plain(
        6,
        "TCP: eth0: Driver has suspect GRO implementation, TCP performance may be compromised.",
    ),
    plain(4, "nfs: server storage%d.example.net not responding, still trying"),
    plain(4, "nfs: server storage%d.example.net OK"),
    plain(
        6,
        "perf: interrupt took too long (%n > %n), lowering kernel.perf_event_max_sample_rate to %n",
    ),
    plain(
        4,
        "workqueue: drm_fb_helper_damage_work [drm_kms_helper] hogged CPU for >10000us %d times, consider switching to WQ_UNBOUND",
    ),
    plain(
        6,
        "EXT4-fs (dm-%d): mounted filesystem %x-%d-%d-%d-%x with ordered data mode. Quota mode: none.",
    ),
    plain(
        4,
        "EXT4-fs warning (device dm-%d): ext4_dx_add_entry:2512: Directory (ino: %n) index full, reach max htree level :2",
    ),
    plain(6, "XFS (nvme0n1p%d): Ending clean mount"),
    plain(6, "XFS (nvme%dn1p1): Mounting V5 Filesystem %x-%d-%d-%d-%x"),
    plain(4, "md: data-check of RAID array md%d"),
    plain(6, "md: md%d: data-check done."),
    plain(6, "device veth%x entered promiscuous mode"),
    plain(6, "br-%h: port %d(veth%x) entered blocking state"),
    plain(6, "br-%h: port %d(veth%x) entered forwarding state"),
    plain(6, "br-%h: port %d(veth%x) entered disabled state"),
    plain(6, "veth%x: renamed from eth0"),
    plain(6, "docker0: port %d(veth%x) entered disabled state"),
    plain(6, "IPv6: ADDRCONF(NETDEV_CHANGE): veth%x: link becomes ready"),
    plain(6, "cgroup: fork rejected by pids controller in /system.slice/docker-%h%h%h%h.scope"),
    plain(
        6,
        "oom_reaper: reaped process %n (java), now anon-rss:0kB, file-rss:%nkB, shmem-rss:0kB",
    ),
    plain(
        6,
        "Memory cgroup stats for /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod%x_%d_%d.slice:",
    ),
    plain(
        6,
        "nginx[%n]: segfault at %h ip %h sp %h error 4 in libc.so.6[%h+155000] likely on CPU %d (core %d, socket 0)",
    ),
    plain(6, "traps: node[%n] trap invalid opcode ip:%h sp:%h error:0 in node[400000+%x]"),
    plain(6, "process '/usr/local/bin/agent' started with executable stack"),
    plain(6, "hrtimer: interrupt took %n ns"),
    plain(
        4,
        "clocksource: timekeeping watchdog on CPU%d: Marking clocksource 'tsc' as unstable because the skew is too large:",
    ),
    plain(
        4,
        "mce: CPU%d: Core temperature above threshold, cpu clock throttled (total events = %n)",
    ),
    plain(6, "mce: CPU%d: Core temperature/speed normal"),
    plain(
        6,
        "EDAC MC%d: Giving out device to module sb_edac controller Broadwell SrcID#0_Ha#0: DEV 0000:7f:12.0 (INTERRUPT)",
    ),
    plain(6, "Bluetooth: hci0: Opcode 0x%d failed: -110"),
    plain(4, "kauditd_printk_skb: %d callbacks suppressed"),
    plain(
        12,
        "systemd-journald[%n]: /var/log/journal/%h%h/system.journal: Journal header limits reached or header out-of-date, rotating.",
    ),
    plain(30, "systemd[1]: Started session-%n.scope - Session %n of User root."),
    device(6, "usb 1-%d: new high-speed USB device number %d using xhci_hcd", "usb", "c189:1"),
    device(
        6,
        "usb 1-%d: New USB device found, idVendor=0bda, idProduct=%d, bcdDevice=%d.04",
        "usb",
        "c189:1",
    ),
    device(6, "usb 1-%d: USB disconnect, device number %d", "usb", "c189:3"),
    device(
        6,
        "igb 0000:0%d:00.0 eth0: igb: eth0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX",
        "pci",
        "+pci:0000:03:00.0",
    ),
    device(
        4,
        "mlx5_core 0000:%d:00.0: poll_health:%d:(pid 0): device's health compromised - reached miss count",
        "pci",
        "+pci:0000:41:00.0",
    ),
    device(
        4,
        "pcieport 0000:00:1c.%d: AER: Correctable error message received from 0000:0%d:00.0",
        "pci",
        "+pci:0000:00:1c.0",
    ),
    device(
        4,
        "nvme nvme%d: I/O tag %d (%x) opcode 0x2 (I/O Cmd) QID %d timeout, aborting req_op:READ(0) size:%n",
        "nvme",
        "c243:0",
    ),
    device(6, "sd %d:0:0:0: [sda] Synchronizing SCSI cache", "scsi", "+scsi:0:0:0:0"),
    device(6, "ata%d.00: configured for UDMA/133", "ata_port", "+ata_port:ata1"),
    device(
        5,
        "sd %d:0:0:0: [sdb] 7814037168 512-byte logical blocks: (4.00 TB/3.64 TiB), %d-byte physical blocks, write cache enabled",
        "block",
        "b8:16",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_kernels_lines_are() {
        let mut chance = Chance::new(1);
        let mut text = Vec::new();
        for _ in 0..10_000 {
            Kind::any(&mut chance).write(&mut text, &mut chance);
        }
        assert!((80..=100).contains(&(text.len() / 10_000)), "{} bytes", text.len() / 10_000);
        assert!(text.iter().all(|&byte| (b' '..=b'~').contains(&byte) && byte != b'\\'));
    }
}
