//! Sentences that no recorded log has, built to the kernel's own format strings.

use crate::{Incident, Kind, Severity, incidents};

/// The only incident of a text.
pub(super) fn only(text: &str) -> Incident {
    let mut found = incidents(text.as_bytes());
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found.remove(0)
}

pub(super) fn check(text: &str, kind: Kind, title: &str) -> Incident {
    let incident = only(text);
    assert_eq!((incident.kind, incident.title.as_str()), (kind, title), "{text}");
    incident
}

/// arch/*/kernel/traps.c: the ways in which `die` is called, where no sentence stands before.
#[test]
fn deaths_of_other_words() {
    for (line, title) in [
        ("Oops: VE fault: 0000 [#1] PREEMPT SMP", "VE fault in guilty_one"),
        ("Bad pagetable: 000f [#1] PREEMPT SMP", "Bad pagetable in guilty_one"),
        ("Oops: Bad pagetable: 000f [#2] SMP NOPTI", "Bad pagetable in guilty_one"),
        (
            "Oops: Kernel access of bad area, sig: 11 [#1]",
            "Kernel access of bad area in guilty_one",
        ),
        ("Oops: Machine check, sig: 7 [#1]", "Machine check in guilty_one"),
        ("Oops: general protection fault: 0000 [#1] SMP", "general protection fault in guilty_one"),
        ("Oops: Oops: 0002 [#1] SMP NOPTI", "Oops in guilty_one"),
        ("illegal operation: 0001 ilc:1 [#1] SMP ", "illegal operation in guilty_one"),
        ("Oops: 0004 ilc:3 [#1] SMP ", "Oops in guilty_one"),
        ("Oops[#1]:", "Oops in guilty_one"),
        ("Unhandled fault at 0xffff800008000000", "Unhandled fault in guilty_one"),
    ] {
        let text = format!(
            "{line}\nCPU: 1 PID: 117 Comm: program Not tainted 6.12.94 #1\n\
             RIP: 0010:guilty_one+0x10/0x30 [drv]\nCall Trace:\n its_caller+0xcf/0x450\n\
             Kernel panic - not syncing: Fatal exception\n"
        );
        let incident = check(&text, Kind::Oops, title);
        assert!(incident.panicked, "{line}");
    }
}

/// `CONFIG_UBSAN_TRAP` (lib/ubsan.c: `report_ubsan_failure`) on arm64, and on x86.
#[test]
fn undefined_behaviour_that_traps() {
    for first in [
        "Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1] PREEMPT SMP",
        "UBSAN: array index out of bounds at guilty_one+0x10/0x30 [drv]\n\
         Oops: invalid opcode: 0000 [#1] SMP NOPTI",
    ] {
        let text = format!(
            "{first}\nCPU: 1 UID: 0 PID: 117 Comm: program Not tainted 6.12.94 #1\n\
             RIP: 0010:guilty_one+0x10/0x30 [drv]\nCall Trace:\n its_caller+0xcf/0x450\n\
             Kernel panic - not syncing: Fatal exception\n"
        );
        let incident = check(&text, Kind::Bug, "UBSAN: array index out of bounds in guilty_one");
        assert_eq!((incident.corrupted, incident.panicked), (None, true), "{first}");
    }
}

/// arch/sparc/kernel/traps_64.c, arch/parisc/kernel/traps.c: `die_if_kernel`, `show_regs`.
#[test]
fn deaths_below_a_picture() {
    check(
        "              \\|/ ____ \\|/\n              \"@'/ .. \\`@\"\n\
         \x20             /_| \\__/ |_\\\n                 \\__U_/\n\
         modprobe(117): Kernel illegal instruction [#1]\n\
         CPU: 1 PID: 117 Comm: modprobe Not tainted 5.10.0 #1\n\
         TPC: <guilty_one+0x10/0x30 [foo]>\nRPC: <its_caller+0x8/0x20 [foo]>\n\
         Call Trace:\n [00000000004279a8] do_one_initcall+0x28/0x180\n",
        Kind::Oops,
        "Kernel illegal instruction in guilty_one",
    );
    check(
        "      _______________________________ \n     < Your System ate a SPARC! Gah! >\n\
         \x20     ------------------------------- \n             \\   ^__^\n\
         cat (pid 117): Data TLB miss fault (code 15)\n\
         CPU: 0 PID: 117 Comm: cat Not tainted 5.10.0 #1\n IAOQ[0]: guilty_one+0x10/0x30\n\
         \x20RP(r2): its_caller+0x8/0x20\nBacktrace:\n [<40234567>] vfs_read+0x10/0x40\n",
        Kind::Oops,
        "Data TLB miss fault in guilty_one",
    );
}

/// arch/powerpc/kernel/watchdog.c, kernel/smp.c.
#[test]
fn cpus_that_do_not_answer() {
    check(
        "watchdog: CPU 12 self-detected hard LOCKUP @ broken_loop+0x2c/0x60 [foo]\n\
         watchdog: CPU 12 TB:1043240323427, last heartbeat TB:1037089311228 (12013ms ago)\n\
         NIP [c008000000260074] broken_loop+0x2c/0x60 [foo]\nCall Trace:\n\
         [c000000012343b10] [c0000000007c6b7c] do_one_initcall+0x60/0x2c0\n\
         watchdog: CPU 3 detected hard LOCKUP on other CPUs 12\n",
        Kind::HardLockup,
        "BUG: hard lockup",
    );
    check(
        "smp: csd: Detected non-responsive CSD lock (#1) on CPU#3, waiting 5000000000 ns for CPU#05\n",
        Kind::HardLockup,
        "smp: non-responsive CSD lock",
    );
}

/// mm/kmemleak.c `print_unreferenced`, `kmemleak_scan`.
#[test]
fn memory_that_nobody_gave_back() {
    check(
        "kmemleak: 12 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n",
        Kind::MemoryLeak,
        "kmemleak: new suspected memory leaks",
    );
    check(
        "kmemleak: unreferenced object 0xffff888012345678 (size 32):\n\
         kmemleak:   comm \"modprobe\", pid 117, jiffies 4294671234\n\
         kmemleak:   backtrace (crc 0):\n\
         kmemleak:     [<000000001234abcd>] __kmalloc_noprof+0x1/0x2\n\
         kmemleak:     [<000000001234abcd>] guilty_one+0x1/0x2 [drv]\n\
         kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n",
        Kind::MemoryLeak,
        "memory leak in guilty_one",
    );
}

/// kernel/panic.c `__warn` since 6.18: what was checked may stand in front of the place.
#[test]
fn a_warning_names_what_it_checked() {
    for checked in ["", "[ptr == NULL] ", "[x ? y : z[1]] "] {
        let incident = check(
            &format!(
                "WARNING: {checked}drivers/foo/foo.c:85 at foo_do+0x20/0x410, CPU#0: swapper/0/1\n\
                 RIP: 0010:foo_do+0x20/0x410\nCall Trace:\n foo_init+0x10/0x20\n"
            ),
            Kind::Warning,
            "WARNING in foo_do",
        );
        assert_eq!(incident.file.as_deref(), Some("drivers/foo/foo.c"), "{checked}");
        assert_eq!((incident.line, incident.cpu), (Some(85), Some(0)), "{checked}");
    }
}

/// kernel/panic.c `print_tainted`; the kernels of RHEL 6 and 7 write `-` for some of the flags.
#[test]
fn a_release_stands_behind_the_taint() {
    for (taint, flags) in [
        ("Not tainted", 0),
        ("Tainted: GF          O--------------  ", 2),
        ("Tainted: G      D    ---------------   ", 1),
        ("Tainted: P        W  OE    ", 4),
    ] {
        let text = format!(
            "WARNING: at fs/x.c:12 guilty_one+0x10/0x30()\n\
             CPU: 1 PID: 12 Comm: cat {taint} 3.10.0-123.el7.x86_64 #1\n\
             Call Trace:\n guilty_one+0x10/0x30\n"
        );
        let incident = only(&text);
        assert_eq!(incident.release.as_deref(), Some("3.10.0-123.el7.x86_64"), "{taint}");
        assert_eq!(incident.taint.len(), flags, "{taint}");
    }
}

/// mm/oom_kill.c `dump_header`, `__oom_kill_process`, `out_of_memory`.
#[test]
fn memory_that_ran_out() {
    let killed = "dd invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0\n\
                  CPU: 1 PID: 124 Comm: dd Not tainted 6.1.0 #1\n\
                  Call Trace:\n dump_header+0x10/0x20\n out_of_memory+0x10/0x20\n\
                  Mem-Info:\n\
                  Out of memory: Killed process 124 (dd) total-vm:2050268kB, anon-rss:418636kB\n";
    let incident = check(killed, Kind::OomKill, "Out of memory: Killed process");
    assert_eq!(incident.command.as_deref(), Some("dd"));
    let group = killed.replace("Out of memory", "Memory cgroup out of memory");
    check(&group, Kind::OomKill, "Memory cgroup out of memory: Killed process");
    let panic = killed.replace(
        "Out of memory: Killed process 124 (dd)",
        "Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled",
    );
    check(&panic, Kind::OomPanic, "kernel panic: Out of memory");
    check(
        "kworker/0:1: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL), nodemask=(null)\n\
         CPU: 0 PID: 9 Comm: kworker/0:1 Not tainted 6.1.0 #1\n\
         Call Trace:\n warn_alloc+0x1/0x2\n __alloc_pages+0x1/0x2\n rx_refill+0x1/0x2 [driver]\n",
        Kind::AllocationFailure,
        "page allocation failure in rx_refill",
    );
}

/// kernel/workqueue.c `wq_watchdog_timer_fn`, kernel/watchdog.c `watchdog_hardlockup_check`.
#[test]
fn what_stands_still() {
    check(
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 34s!\n\
         Showing busy workqueues and worker pools:\n",
        Kind::WorkqueueLockup,
        "BUG: workqueue lockup",
    );
    for sentence in [
        "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3",
        "watchdog: CPU1: Watchdog detected hard LOCKUP on cpu 3",
        "watchdog: Watchdog detected hard LOCKUP on cpu 3",
    ] {
        check(&format!("{sentence}\n"), Kind::HardLockup, "BUG: hard lockup");
    }
}

/// kernel/workqueue.c `show_pwq`, `show_cpu_pool_hog`.
#[test]
fn a_pool_that_stands_still_names_its_work() {
    let mut fingerprints = Vec::new();
    for work in ["foo_work", "bar_work"] {
        let text = format!(
            "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 34s!\n\
             Showing busy workqueues and worker pools:\nworkqueue events: flags=0x0\n\
             \x20 pwq 2: cpus=0 node=0 flags=0x0 nice=0 active=1 refcnt=3\n\
             \x20   in-flight: 7:another_work\n\
             \x20 pwq 6: cpus=1 node=0 flags=0x0 nice=0 active=2 refcnt=3\n\
             \x20   in-flight: 98:{work} [foo] ,99:last_work\n    pending: vmstat_shepherd\n"
        );
        let incident = check(&text, Kind::WorkqueueLockup, "BUG: workqueue lockup");
        assert_eq!(incident.function.as_deref(), Some(work));
        fingerprints.push(incident.fingerprint);
    }
    assert_ne!(fingerprints[0], fingerprints[1]);
}

/// fs/open.c `filp_flush`, fs/super.c `generic_shutdown_super`.
#[test]
fn files_that_are_used_after_they_were_freed() {
    for (line, title) in [
        (
            "VFS: Close: file count is 0 (f_op=foo_fops)",
            "VFS: Close: file count is zero (use-after-free)",
        ),
        (
            "VFS: Busy inodes after unmount of sda1 (ext4)",
            "VFS: Busy inodes after unmount (use-after-free)",
        ),
    ] {
        let incident = check(&format!("{line}\n"), Kind::Filesystem, title);
        assert_eq!(incident.severity, Severity::Critical);
    }
}

/// kernel/exit.c `do_exit`.
#[test]
fn the_first_process_dies() {
    let text = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n\
                CPU: 0 PID: 1 Comm: init Not tainted 5.10.0 #1\nCall Trace:\n panic+0x1/0x2\n";
    check(text, Kind::InitDeath, "kernel panic: Attempted to kill init!");
}

/// arch/arm64/kernel/traps.c `panic_bad_stack`, `__panic_unhandled`: the guilty one stands in the
/// trace before the panic, and behind the messengers in the panic's.
#[test]
fn arm64_says_first_what_it_panics_of() {
    let below = |function: &str| {
        format!(
            "CPU: 1 UID: 0 PID: 321 Comm: bash Not tainted 6.12.0 #1\n\
             pc : {function}+0xc/0x40 [foo]\nlr : {function}+0x24/0x40 [foo]\nCall trace:\n\
             \x20{function}+0xc/0x40 [foo] (P)\n {function}+0x24/0x40 [foo]\n\
             \x20{function}_write+0x24/0x40 [foo]\n vfs_write+0xc8/0x3a0\n\
             \x20el0t_64_sync+0x198/0x1a0\n"
        )
    };
    let panic = |words: &str, messengers: &str, function: &str| {
        format!(
            "Kernel panic - not syncing: {words}\nCall trace:\n show_stack+0x18/0x24 (C)\n\
             \x20panic+0x168/0x360\n{messengers} {function}+0xc/0x40 [foo]\n\
             \x20{function}_write+0x24/0x40 [foo]\n"
        )
    };
    let overflow = " nmi_panic+0x48/0x94\n panic_bad_stack+0xfc/0x11c\n\
                    \x20handle_bad_stack+0x34/0x60\n __bad_stack+0x88/0x8c\n";
    let unhandled = " __panic_unhandled+0xfc/0x11c\n el1h_64_error_handler+0x88/0x8c\n";
    let mut fingerprints = Vec::new();
    for function in ["guilty_one", "another_one"] {
        let told = check(
            &format!(
                "Insufficient stack space to handle exception!\nESR: 0x0000000096000047\n{}{}",
                below(function),
                panic("kernel stack overflow", overflow, function)
            ),
            Kind::Oops,
            &format!("kernel panic: kernel stack overflow in {function}_write"),
        );
        assert!(told.panicked);
        fingerprints.push(told.fingerprint);
        let alone = check(
            &panic("kernel stack overflow", overflow, function),
            Kind::Panic,
            "kernel panic: kernel stack overflow",
        );
        assert_eq!(alone.function.as_deref(), Some(function));
        fingerprints.push(alone.fingerprint);
        let told = check(
            &format!(
                "Unhandled 64-bit el1h sync exception on CPU1, ESR 0x0000000034000003 -- BTI\n{}{}",
                below(function),
                panic("Unhandled exception", unhandled, function)
            ),
            Kind::Oops,
            &format!("Unhandled exception in {function}"),
        );
        assert!(told.panicked);
        fingerprints.push(told.fingerprint);
    }
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 6);
}

/// arch/arm/mm/fault.c `do_DataAbort`, arch/arm/mm/alignment.c; arch/arm/kernel/traps.c
/// `arm_notify_die`.
#[test]
fn a_program_s_fault_is_not_the_kernel_s() {
    for sentence in ["alignment exception (0x801)", "external abort on non-linefetch (0x1818)"] {
        let user = format!(
            "8<--- cut here ---\nUnhandled fault: {sentence} at 0xb6f5c000\n\
             [b6f5c000] *pgd=6e3b5831, *pte=00000000, *ppte=00000000\n"
        );
        let incident = check(&user, Kind::Oops, "Unhandled fault");
        assert_eq!(incident.severity, Severity::Error);
        let kernel = format!(
            "{user}Internal error: : 1818 [#1] SMP ARM\n\
             CPU: 0 PID: 117 Comm: a Not tainted 6.12.0 #1\nPC is at guilty_one+0x14/0x3c\n\
             Call trace:\n guilty_one from its_caller+0x90/0x12c\n"
        );
        let incident = check(&kernel, Kind::Oops, "Unhandled fault in guilty_one");
        assert_eq!(incident.severity, Severity::Critical);
    }
}

/// arch/arm64/mm/fault.c `die_kernel_fault`, `mem_abort_decode`; arch/arm64/kernel/process.c
/// `__show_regs`.
#[test]
fn arm64() {
    let incident = check(
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\n\
         Mem abort info:\n  ESR = 0x0000000096000004\n\
         Internal error: Oops: 0000000096000004 [#1] SMP\n\
         Modules linked in: first(O) second\n\
         CPU: 2 PID: 77 Comm: my task Tainted: G        W  O       6.6.0-arm64 #1\n\
         Hardware name: Raspberry Pi 4 Model B Rev 1.4 (DT)\n\
         pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)\n\
         pc : guilty_one+0x18/0x40 [first]\nlr : its_caller+0x2c/0x60 [first]\nsp : ffff80000a5b3c50\n\
         x29: ffff80000a5b3c50 x28: ffff000004a91dc0 x27: 0000000000000000\n\
         Call trace:\n guilty_one+0x18/0x40 [first]\n its_caller+0x2c/0x60 [first]\n\
         el0_svc+0x2c/0x84\nCode: d503233f a9bf7bfd 910003fd (f9400000)\n\
         ---[ end trace 0000000000000000 ]---\n",
        Kind::Oops,
        "BUG: unable to handle kernel NULL pointer dereference in guilty_one",
    );
    assert_eq!((incident.cpu, incident.pid), (Some(2), Some(77)));
    assert_eq!(incident.command.as_deref(), Some("my task"));
    assert_eq!(incident.release.as_deref(), Some("6.6.0-arm64"));
    assert_eq!(incident.hardware.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4 (DT)"));
    assert_eq!(incident.modules, ["first", "second"]);
    assert_eq!(incident.taint, ["warned before", "out-of-tree module"]);
    assert_eq!(incident.code.as_deref(), Some("d503233f a9bf7bfd 910003fd (f9400000)"));
    let x29 = ("x29".to_owned(), "ffff80000a5b3c50".to_owned());
    assert!(incident.registers.contains(&x29), "{:?}", incident.registers);
    let functions: Vec<&str> = incident.trace.iter().map(|frame| &*frame.function).collect();
    assert_eq!(functions, ["guilty_one", "its_caller", "el0_svc"]);
    assert_eq!(incident.trace[0].module.as_deref(), Some("first"));
}
