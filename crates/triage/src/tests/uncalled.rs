//! Reports of kernels without `CONFIG_PRINTK_CALLER`: no line says whose it is.

use std::fmt::Write as _;

use super::cases;
use crate::{Incident, incidents};

const KFENCE: &str = "\
==================================================================
BUG: KFENCE: use-after-free read in foo_read+0x2c/0x60 [foo]

Use-after-free read at 0x00000000abcd1234 (in kfence-#12):
 foo_read+0x2c/0x60 [foo]
 vfs_read+0x1a0/0x8a0
 do_syscall_64+0x82/0x190

kfence-#12: 0x00000000abcd1234-0x00000000abcd1253, size=32, cache=kmalloc-32

allocated by task 4100 on cpu 0 at 49.123456s (0.9s ago):
 foo_open+0x2c/0x60 [foo]
 do_dentry_open+0x23d/0x480

freed by task 4101 on cpu 0 at 49.223456s (0.8s ago):
 foo_release+0x2c/0x60 [foo]

CPU: 1 UID: 0 PID: 4242 Comm: cat Not tainted 6.12.0 #1
==================================================================
";

const OOM: &str = "\
stress invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
CPU: 1 UID: 1000 PID: 4242 Comm: stress Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_header+0x44/0x1a0
 out_of_memory+0x1ee/0x4d0
 </TASK>
memory: usage 51200kB, limit 51200kB, failcnt 52
Memory cgroup stats for /system.slice/web.service:
anon 52297728
file 0
kernel 1024
kernel_stack 0
pagetables 0
percpu 0
sock 0
vmalloc 0
shmem 0
zswap 0
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
[   4242]  1000  4242   262400    12800    12672      128         0   147456        0             0 stress
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,task=stress,pid=4242,uid=1000
Memory cgroup out of memory: Killed process 4242 (stress) total-vm:1049600kB, anon-rss:50688kB
";

const SLUB: &str = "\
=============================================================================
BUG kmalloc-64 (Tainted: G    B      OE     ): Right Redzone overwritten
-----------------------------------------------------------------------------

0xffff888012345640-0xffff888012345643 @offset=1600. First byte 0x41 instead of 0xcc
Allocated in foo_open+0x2c/0x60 [foo] age=12 cpu=1 pid=4242
 __kmalloc+0x123/0x200
 foo_open+0x2c/0x60 [foo]
Slab 0xffffea000048d140 objects=16 used=16 fp=0x0000000000000000 flags=0xfffffc0000200
Object 0xffff888012345600 @offset=1536 fp=0x0000000000000000

Redzone  ffff8880123455c0: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc  ................
Object   ffff888012345600: 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41  AAAAAAAAAAAAAAAA
Padding  ffff888012345684: 5a 5a 5a 5a                                      ZZZZ
CPU: 1 UID: 0 PID: 4242 Comm: cat Tainted: G    B      OE      6.12.0 #1
Call Trace:
 <TASK>
 check_object+0x2bd/0x3a0
 kfree+0x2c0/0x300
 foo_release+0x1c/0x30 [foo]
 </TASK>
FIX kmalloc-64: Restoring Right Redzone 0xffff888012345640-0xffff888012345643=0xcc
";

fn only(text: &str) -> Incident {
    let mut found = incidents(text.as_bytes());
    assert_eq!(found.len(), 1, "{text}");
    found.remove(0)
}

fn stamped(report: &str, caller: &str) -> String {
    let stamp = |line: &str| format!("[   50.000001]{caller} {line}\n");
    report.lines().map(stamp).collect()
}

#[test]
fn a_report_is_as_whole_as_one_with_callers() {
    for report in [KFENCE, OOM, SLUB] {
        let (told, untold) = (only(&stamped(report, "[ T4242]")), only(&stamped(report, "")));
        let shown = |incident: Incident| {
            let lines = incident.lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
            let trace = incident.trace.into_iter().map(|frame| frame.function).collect::<Vec<_>>();
            (lines, trace, incident.title, incident.fingerprint)
        };
        let (told, untold) = (shown(told), shown(untold));
        assert_eq!(told.0.len(), report.lines().count());
        assert_eq!(told, untold);
    }
}

#[test]
fn what_stands_between_reports_is_in_neither() {
    let warning = "WARNING: CPU: 1 PID: 1 at drivers/x.c:25 x_check+0xe5/0x110\n\
                   Call Trace:\n <TASK>\n x_probe+0x2c/0x60\n </TASK>\n";
    let mut text = stamped(warning, "");
    for port in 0..30 {
        writeln!(text, "[   50.100000] usb 1-{port}: new device").unwrap();
    }
    writeln!(text, "[   50.100000]  sda: sda1 sda2").unwrap();
    let found = only(&text);
    assert!(found.lines.iter().all(|line| !line.text.contains("usb")), "{:?}", found.lines);
    let later =
        stamped(warning, "") + "[   58.000000] usb 1-1: new device\n[   58.000001]  sda: sda1\n";
    assert!(only(&later).lines.iter().all(|line| !line.text.contains("usb")));
}

/// Every recorded log whose kernel names callers, with and without them.
#[test]
fn nearly_all_get_the_title_and_fingerprint_that_callers_would_give() {
    let (mut all, mut other) = (0, Vec::new());
    for case in cases::all() {
        let bare: String = case.log.lines().map(|line| without_caller(line) + "\n").collect();
        if bare.len() + 1 < case.log.len() {
            all += 1;
            let first = |text: &str| {
                let first = incidents(text.as_bytes()).into_iter().next();
                first.map(|incident| (incident.title, incident.fingerprint))
            };
            if first(&bare) != first(&case.log) {
                other.push(case.name);
            }
        }
    }
    assert!(all > 150, "{all}");
    assert!(other.len() * 50 < all, "{other:?} of {all}");
}

/// `[   50.000001][ T4242] text` without the second bracket.
fn without_caller(line: &str) -> String {
    match line.split_once("][") {
        Some((stamp, rest)) if stamp.starts_with('[') && stamp.len() < 20 => {
            let text = rest.split_once(']').map_or("", |(_, text)| text);
            format!("{stamp}]{text}")
        }
        _ => line.to_owned(),
    }
}
