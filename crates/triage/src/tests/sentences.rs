//! Sentences that no recorded log has, built to the kernel's own format strings.

use crate::{Incident, Kind, Severity, incidents};

/// The only incident of a text.
fn only(text: &str) -> Incident {
    let mut found = incidents(text.as_bytes());
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found.remove(0)
}

fn check(text: &str, kind: Kind, title: &str) -> Incident {
    let incident = only(text);
    assert_eq!((incident.kind, incident.title.as_str()), (kind, title), "{text}");
    incident
}

/// arch/x86/kernel/cpu/mce/core.c `__print_mce`, drivers/firmware/efi/cper.c
/// `cper_estatus_print`, drivers/edac/edac_mc.c `edac_ue_error`.
#[test]
fn hardware() {
    check(
        "mce: [Hardware Error]: CPU 3: Machine Check Exception: 5 Bank 4: be00000000800400\n\
         mce: [Hardware Error]: TSC 6ab21a7c4a ADDR fef1c140 MISC 228aa040101086\n\
         Kernel panic - not syncing: Fatal machine check\n",
        Kind::Mce,
        "Machine Check",
    );
    // Not in an exception: found by looking; bit 61 of the status says that it was not corrected.
    for (status, severity, title) in [
        ("8c00004000010090", Severity::Warning, "Machine check: corrected error"),
        ("bc00000000010090", Severity::Critical, "Machine check: uncorrected error"),
    ] {
        let line = format!("mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 7: {status}\n");
        assert_eq!(check(&line, Kind::Mce, title).severity, severity);
    }
    check(
        "{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 0\n\
         {1}[Hardware Error]: event severity: recoverable\n",
        Kind::Hardware,
        "Hardware error: recoverable",
    );
    let memory = check(
        "EDAC MC0: 1 UE memory read error on CPU_SrcID#0_MC#0_Chan#1_DIMM#0 (channel:1)\n",
        Kind::Hardware,
        "EDAC: uncorrected memory error",
    );
    assert_eq!(memory.severity, Severity::Critical);
    let corrected = only("EDAC MC0: 2 CE memory scrubbing error on DIMM_A1 (channel:0)\n");
    assert_eq!(corrected.severity, Severity::Warning);
}

/// drivers/pci/pcie/aer.c `aer_print_error`, arch/x86/kernel/nmi.c, arch/arm64/kernel/traps.c
/// `arm64_serror_panic`.
#[test]
fn buses_and_interrupts() {
    check(
        "pcieport 0000:00:1c.0: PCIe Bus Error: severity=Uncorrected (Fatal), \
         type=Transaction Layer, (Requester ID)\n",
        Kind::Hardware,
        "PCIe Bus Error: Uncorrected (Fatal), Transaction Layer",
    );
    check(
        "Uhhuh. NMI received for unknown reason 3d on CPU 0.\n\
         Dazed and confused, but trying to continue\n",
        Kind::Hardware,
        "NMI: unknown reason",
    );
    let dead = check(
        "SError Interrupt on CPU2, code 0x00000000bf000002 -- SError\n\
         Kernel panic - not syncing: Asynchronous SError Interrupt\n",
        Kind::Hardware,
        "SError Interrupt",
    );
    assert_eq!(dead.severity, Severity::Fatal);
}

/// block/blk-mq.c `blk_print_req_error`, fs/buffer.c `buffer_io_error`, drivers/nvme/host/pci.c,
/// drivers/ata/libata-eh.c `ata_eh_link_report`, drivers/md/raid1.c `raid1_error`.
#[test]
fn disks() {
    let cases = [
        (
            "I/O error, dev sda, sector 123456 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2",
            "I/O error",
        ),
        ("blk_update_request: I/O error, dev sdb, sector 0", "I/O error"),
        (
            "critical medium error, dev sdb, sector 8 op 0x1:(WRITE) flags 0x0",
            "critical medium error",
        ),
        (
            "Buffer I/O error on dev dm-1, logical block 17, lost async page write",
            "Buffer I/O error",
        ),
        (
            "nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0x10",
            "nvme: controller is down",
        ),
        (
            "nvme nvme1: Disabling device after reset failure: -19",
            "nvme: disabled after reset failure",
        ),
        ("ata2.00: exception Emask 0x0 SAct 0x4 SErr 0x0 action 0x6 frozen", "ata: exception"),
        ("md/raid1:md0: Disk failure on sdb1, disabling device.", "md: disk failure"),
        ("timeout error, dev nvme0n1, sector 12 op 0x0:(READ) flags 0x0", "timeout error"),
        (
            "recoverable transport error, dev sdc, sector 12 op 0x0:(READ)",
            "recoverable transport error",
        ),
        (
            "nvme nvme0: I/O tag 257 (1101) opcode 0x2 (I/O Cmd) QID 5 timeout, reset controller",
            "nvme: timeout, controller reset",
        ),
        (
            "nvme nvme0: I/O 8 QID 0 timeout, disable controller",
            "nvme: timeout, controller disabled",
        ),
    ];
    for (line, title) in cases {
        check(&format!("{line}\n"), Kind::Io, title);
    }
}

/// fs/ext4/super.c `__ext4_error`, fs/xfs/xfs_error.c, fs/xfs/xfs_fsops.c `xfs_do_force_shutdown`,
/// fs/btrfs/messages.c, fs/jbd2/journal.c `__jbd2_journal_abort_hard`.
#[test]
fn file_systems() {
    let error = check(
        "EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls: reading directory\n",
        Kind::Filesystem,
        "EXT4-fs error in ext4_find_entry",
    );
    assert_eq!(error.function.as_deref(), Some("ext4_find_entry"));
    let cases = [
        (
            "XFS (dm-0): Metadata corruption detected at xfs_agf_read_verify+0x7a/0xb0 [xfs], xfs_agf block 0x1",
            "XFS: metadata corruption detected in xfs_agf_read_verify",
        ),
        (
            "XFS (sda1): Filesystem has been shut down due to log error (0x2).",
            "XFS: shut down due to log error",
        ),
        (
            "BTRFS: error (device sda2) in btrfs_commit_transaction:2323: errno=-5 IO failure",
            "BTRFS: error in btrfs_commit_transaction",
        ),
        (
            "BTRFS error (device sdb): parent transid verify failed on 30457856 wanted 5 found 7",
            "BTRFS error: parent transid verify failed on NUM wanted NUM found NUM",
        ),
        (
            "BTRFS error (device sda1 state EA): parent transid verify failed on logical 736384 mirror 1 wanted 12345678 found 10",
            "BTRFS error: parent transid verify failed on logical NUM mirror NUM wanted NUM found NUM",
        ),
        (
            "BTRFS error (device nvme0n1p3): bdev /dev/nvme0n1p3 errs: wr 2, rd 0, flush 0, corrupt 0, gen 0",
            "BTRFS error: bdev DEV errs: wr NUM, rd NUM, flush NUM, corrupt NUM, gen NUM",
        ),
        (
            "BTRFS critical (device sda1): corrupt leaf: root=5 block=30736384 slot=3, invalid root key",
            "BTRFS critical: corrupt leaf: root=NUM block=NUM slot=NUM, invalid root key",
        ),
        ("Aborting journal on device sda1-8.", "JBD2: journal aborted"),
        (
            "EXT4-fs error (device dm-0) in ext4_evict_inode:254: IO failure",
            "EXT4-fs error in ext4_evict_inode",
        ),
        (
            "XFS (sda1): Internal error ltbno + ltlen > bno at line 1955 of file fs/xfs/libxfs/xfs_alloc.c.  Caller xfs_free_ag_extent+0x3f8/0x870 [xfs]",
            "XFS: internal error in xfs_free_ag_extent",
        ),
    ];
    for (line, title) in cases {
        check(&format!("{line}\n"), Kind::Filesystem, title);
    }
}

#[test]
fn what_file_systems_only_warn_of_is_no_incident() {
    let text = "EXT4-fs (sda1): warning: mounting fs with errors, running e2fsck is recommended\n\
                BTRFS warning (device sdb): csum failed root 5 ino 257 off 0\n\
                BTRFS info (device sdb): using crc32c\n\
                XFS (dm-0): Ending clean mount\n\
                nvme nvme0: I/O 12 QID 4 timeout, aborting\n\
                ata1: SATA link up 6.0 Gbps (SStatus 133 SControl 300)\n";
    assert_eq!(incidents(text.as_bytes()), []);
}

/// drivers/pci/pcie/aer.c since 6.8, drivers/iommu, kernel/irq/spurious.c, net/sched/sch_generic.c
/// since 6.7, drivers/thermal, kernel/reboot.c, mm/memory-failure.c, drivers/edac/mce_amd.c.
#[test]
fn hardware_that_fails() {
    use Severity::{Critical, Error, Warning};
    for (line, severity, title) in [
        (
            "pcieport 0000:00:1c.0: PCIe Bus Error: severity=Uncorrectable (Fatal), type=Transaction Layer, (Requester ID)",
            Critical,
            "PCIe Bus Error: Uncorrected (Fatal), Transaction Layer",
        ),
        (
            "pcieport 0000:00:1c.0: PCIe Bus Error: severity=Correctable, type=Physical Layer, (Receiver ID)",
            Warning,
            "PCIe Bus Error: Corrected, Physical Layer",
        ),
        (
            "DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0xfe000000 [fault reason 0x05] PTE Write access is not set",
            Error,
            "DMAR: write fault",
        ),
        (
            "nvme 0000:03:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000e address=0xfe000000 flags=0x0020]",
            Error,
            "AMD-Vi: IO_PAGE_FAULT",
        ),
        (
            "amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 timeout, signaled seq=1234, emitted seq=1236",
            Error,
            "amdgpu: ring timeout",
        ),
        (
            "[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring sdma0 timeout, signaled seq=1, emitted seq=3",
            Error,
            "amdgpu: ring timeout",
        ),
        (
            "i915 0000:00:02.0: [drm] GPU HANG: ecode 9:1:85dffffb, in Xorg [1234]",
            Error,
            "i915: GPU hang",
        ),
        (
            "NVRM: Xid (PCI:0000:01:00): 79, pid=1234, name=Xorg, GPU has fallen off the bus.",
            Error,
            "NVRM: Xid 79",
        ),
        (
            "irq 16: nobody cared (try booting with the \"irqpoll\" option)",
            Error,
            "irq: nobody cared",
        ),
        (
            "e1000e 0000:00:1f.6 eth0: NETDEV WATCHDOG: CPU: 2: transmit queue 0 timed out 5632 ms",
            Error,
            "NETDEV WATCHDOG: transmit queue timed out",
        ),
        (
            "thermal thermal_zone0: acpitz: critical temperature reached, shutting down",
            Critical,
            "Critical temperature",
        ),
        (
            "reboot: HARDWARE PROTECTION shutdown (Temperature too high)",
            Critical,
            "HARDWARE PROTECTION shutdown (Temperature too high)",
        ),
        (
            "Memory failure: 0x3f2d1c: recovery action for dirty LRU page: Recovered",
            Error,
            "Memory failure",
        ),
    ] {
        let incident = check(&format!("{line}\n"), Kind::Hardware, title);
        assert_eq!(incident.severity, severity, "{line}");
    }
    check(
        "[Hardware Error]: Corrected error, no action required.\n",
        Kind::Mce,
        "Machine check: corrected error",
    );
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
