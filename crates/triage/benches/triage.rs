//! What it costs to look at ordinary lines, and at a death.

use bedside_triage::{Line, Text, Triage};
use divan::Bencher;
use divan::counter::BytesCount;

fn main() {
    divan::main();
}

/// Lines as machines write them all day.
const ORDINARY: &[&str] = &[
    "igb 0000:03:00.0 eth0: NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX/TX",
    "usb 1-4: New USB device found, idVendor=0bda, idProduct=8153, bcdDevice=31.00",
    "audit: type=1400 audit(1515564644.623:7): avc:  denied  { map } for  pid=3502 comm=\"agetty\"",
    "CPU0: Core temperature is above threshold, cpu clock is throttled (total events = 8)",
    "EXT4-fs (nvme0n1p2): mounted filesystem with ordered data mode. Quota mode: none.",
    "nvme nvme0: 15/0/0 default/read/poll queues",
    "IPv6: ADDRCONF(NETDEV_CHANGE): eth0: link becomes ready",
    "systemd[1]: Started Daily apt download activities.",
];

const DEATH: &str = "\
BUG: unable to handle page fault for address: ffffffffc0a00000
#PF: supervisor read access in kernel mode
Oops: 0000 [#1] PREEMPT SMP NOPTI
CPU: 0 PID: 117 Comm: init Tainted: G           OE      6.1.0-50-amd64 #1  Debian 6.1.176-1
RIP: 0010:first_function+0x10/0x30 [crashme]
RAX: 0000000000000000 RBX: 0000000000000000 RCX: 0000000000000000
Call Trace:
 <TASK>
 second_function+0x5a/0xa0 [crashme]
 vfs_write+0xcf/0x450
 ksys_write+0x6b/0xe0
 do_syscall_64+0xc4/0x560
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
---[ end trace 0000000000000000 ]---
";

#[divan::bench]
fn ordinary_lines(bencher: Bencher) {
    let bytes: usize = ORDINARY.iter().map(|line| line.len() + 1).sum();
    let mut triage = Triage::new();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        for (at, text) in ORDINARY.iter().enumerate() {
            let text = divan::black_box(text.as_bytes());
            let line = Line { text, time: Some(1), at: at as u64, ..Line::default() };
            triage.hear(line, &mut |_| {});
        }
    });
}

#[divan::bench]
fn ordinary_lines_of_a_file(bencher: Bencher) {
    let lines: Vec<String> =
        ORDINARY.iter().map(|line| format!("[ 1234.567890] [  T123] {line}")).collect();
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    let mut text = Text::new();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        for line in &lines {
            text.hear(divan::black_box(line.as_bytes()), &mut |_| {});
        }
    });
}

#[divan::bench]
fn a_death(bencher: Bencher) {
    bencher.counter(BytesCount::of_str(DEATH)).bench(|| {
        let mut count = 0;
        let mut triage = Triage::new();
        for (at, text) in DEATH.lines().enumerate() {
            let line = Line { text: text.as_bytes(), at: at as u64, ..Line::default() };
            triage.hear(divan::black_box(line), &mut |_| count += 1);
        }
        triage.finish(&mut |_| count += 1);
        count
    });
}
