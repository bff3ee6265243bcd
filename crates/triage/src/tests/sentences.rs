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
            "BTRFS error: parent transid verify failed on ADDR wanted NUM found NUM",
        ),
        ("Aborting journal on device sda1-8.", "JBD2: journal aborted"),
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

/// kernel/exit.c `do_exit`.
#[test]
fn the_first_process_dies() {
    let text = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n\
                CPU: 0 PID: 1 Comm: init Not tainted 5.10.0 #1\nCall Trace:\n panic+0x1/0x2\n";
    check(text, Kind::InitDeath, "kernel panic: Attempted to kill init!");
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
