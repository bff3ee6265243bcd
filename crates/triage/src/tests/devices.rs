//! What hardware, disks and file systems say when they fail, by the kernel's own formats.

use super::sentences::{check, only};
use crate::{Kind, Severity, incidents};

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
        (
            "md/raid1:md0: sdb1: unrecoverable I/O read error for block 8",
            "md: unrecoverable read error",
        ),
        ("device-mapper: multipath: 253:2: Failing path 8:16.", "dm-multipath: path failed"),
        (
            "device-mapper: thin: 253:2: switching pool to out-of-data-space (error IO) mode",
            "dm-thin: out of space",
        ),
        ("device-mapper: thin: 253:2: switching pool to read-only mode", "dm-thin: read-only"),
        (
            "device-mapper: verity: 8:1: data block 123 is corrupted",
            "dm-verity: data block corrupted",
        ),
        ("mmc0: Timeout waiting for hardware interrupt.", "mmc: timeout"),
        ("sd 0:0:0:0: [sda] tag#12 timing out command, waited 180s", "scsi: command timed out"),
        (
            "megaraid_sas 0000:01:00.0: FW in FAULT state, Fault code:0x10000 subcode:0x0 func:f",
            "megaraid_sas: firmware fault",
        ),
        (
            "ubi0 error: ubi_io_read: error -74 (ECC error) while reading 64 bytes from PEB 12:2048",
            "UBI error in ubi_io_read",
        ),
        ("mpt3sas_cm0: fault_state(0x5862)!", "mpt3sas: firmware fault"),
        ("hpsa 0000:03:00.0: Controller lockup detected: 0x13 after 30", "hpsa: controller lockup"),
    ];
    for (line, title) in cases {
        check(&format!("{line}\n"), Kind::Io, title);
    }
    let back = "device-mapper: thin: 253:2: switching pool to write mode\n";
    assert_eq!(incidents(back.as_bytes()), []);
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
            "EXT4-fs (sda1): Delayed block allocation failed for inode 12 at logical offset 0 with max blocks 1 with error 5",
            "EXT4-fs: data lost",
        ),
        (
            "EXT4-fs (sda1): failed to convert unwritten extents to written extents -- potential data loss!  (inode 12, error -30)",
            "EXT4-fs: data lost",
        ),
        (
            "UBIFS error (ubi0:0 pid 117): ubifs_read_node: bad node type (255 but expected 1)",
            "UBIFS error in ubifs_read_node",
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
            "e1000e 0000:00:1f.6 eth0: Detected Hardware Unit Hang:",
            Error,
            "Network card: hardware unit hang",
        ),
        ("igb 0000:01:00.0: Detected Tx Unit Hang", Error, "Network card: transmit unit hang"),
        ("xhci_hcd 0000:00:14.0: HC died; cleaning up", Error, "USB host controller died"),
        ("hwmon hwmon1: Undervoltage detected!", Warning, "Undervoltage"),
        ("AMD-Vi: Completion-Wait loop timed out", Error, "AMD-Vi: completion timed out"),
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
