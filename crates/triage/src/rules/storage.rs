//! Disks, their controllers, and file systems: what they say when data is at stake.

use super::{Blame, Rule};
use crate::normal::normal;
use crate::report::Verdict;
use crate::{Kind, ReportLine, Severity};

const fn io(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Io)
}

const fn filesystem(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Filesystem)
}

pub(super) const RULES: &[Rule] = &[
    // block/blk-mq.c: `blk_print_req_error`, with block/blk-core.c's `blk_errors`; the names of
    // functions stood in front before 5.16. fs/buffer.c: `buffer_io_error`.
    io("I/O error, dev %S", "I/O error"),
    io("critical %S error, dev %S", "critical {0} error"),
    io("timeout error, dev %S", "timeout error"),
    io("recoverable transport error, dev %S", "recoverable transport error"),
    io("protection error, dev %S", "protection error"),
    io("device offline error, dev %S", "device offline error"),
    io("reservation conflict error, dev %S", "reservation conflict error"),
    io("kernel resource error, dev %S", "kernel resource error"),
    io("blk_update_request: %s error, dev %S", "{0} error"),
    io("print_req_error: %s error, dev %S", "{0} error"),
    io("end_request: %s error, dev %S", "{0} error"),
    io("Buffer I/O error on dev", "Buffer I/O error"),
    // drivers/nvme/host/pci.c: `nvme_warn_reset`, `nvme_reset_work`; drivers/nvme/host/core.c:
    // `nvme_wait_ready`.
    io("nvme %w: controller is down; will reset: %s", "nvme: controller is down"),
    io("nvme nvme%d: controller is down; will reset: %s", "nvme: controller is down"),
    io("nvme nvme%d: Removing after probe failure", "nvme: removed after probe failure"),
    io("nvme nvme%d: Disabling device after reset failure", "nvme: disabled after reset failure")
        .severity(Severity::Critical),
    io("nvme nvme%d: Device not ready; aborting", "nvme: device not ready"),
    io("nvme nvme%d: frozen state error detected", "nvme: frozen state error"),
    // drivers/nvme/host/pci.c: `nvme_timeout`; a command that is aborted alone may be slow only.
    io("nvme nvme%d: I/O %s timeout, reset controller", "nvme: timeout, controller reset"),
    io("nvme nvme%d: I/O %s timeout, disable controller", "nvme: timeout, controller disabled"),
    // drivers/ata/libata-eh.c: `ata_eh_link_report`, `ata_dev_disable`.
    io("ata%d.%d: exception Emask %s", "ata: exception"),
    io("ata%d: exception Emask %s", "ata: exception"),
    io("ata%d.%d: disable device", "ata: device disabled").severity(Severity::Critical),
    io("ata%d.%d: disabled", "ata: device disabled").severity(Severity::Critical),
    // drivers/scsi/scsi_lib.c: `scsi_device_state_check`; drivers/scsi/scsi_error.c:
    // `scsi_eh_offline_sdevs`.
    io("sd %w: rejecting I/O to offline device", "scsi: I/O to offline device"),
    io("sd %w: Device offlined - not ready after error recovery", "scsi: device offlined"),
    // drivers/md/raid1.c, raid10.c, raid5.c: their `error` functions.
    io("md/raid%w: Disk failure on %S", "md: disk failure").severity(Severity::Critical),
    io("md/raid%w: Cannot continue operation", "md: cannot continue").severity(Severity::Critical),
    io("md/raid%w: %S unrecoverable I/O read error", "md: unrecoverable read error"),
    // drivers/md/dm-mpath.c: `fail_path`; dm-thin.c: `notify_of_pool_mode_change`;
    // dm-verity-target.c: `verity_handle_err`.
    io("device-mapper: multipath: %w: Failing path", "dm-multipath: path failed"),
    io("device-mapper: thin: %w: switching pool to out-of-data-space", "dm-thin: out of space"),
    io("device-mapper: thin: %w: switching pool to read-only", "dm-thin: read-only"),
    io("device-mapper: thin: %w: switching pool to fail", "dm-thin: failed"),
    io("device-mapper: verity: %w: %S block %d is corrupted", "dm-verity: {1} block corrupted"),
    // drivers/mtd/ubi/misc.c: `ubi_err`.
    io("ubi%d error: %s: %s", "UBI error").blame(Blame::Hole(1)),
    // drivers/mmc/host/sdhci.c: `sdhci_timeout_timer`; drivers/scsi/scsi_lib.c: `scsi_complete`;
    // drivers/scsi/megaraid, drivers/scsi/mpt3sas, drivers/scsi/hpsa.c.
    io("mmc%d: Timeout waiting for hardware", "mmc: timeout"),
    io("sd %w: [%S tag#%d timing out command", "scsi: command timed out"),
    io("megaraid_sas %w: FW in FAULT state", "megaraid_sas: firmware fault"),
    io("mpt3sas_cm%d: fault_state(", "mpt3sas: firmware fault"),
    io("hpsa %w: Controller lockup detected", "hpsa: controller lockup"),
    // fs/ext4/super.c: `__ext4_error`, `__ext4_error_inode`, `ext4_handle_error`,
    // `__ext4_std_error`.
    filesystem("EXT4-fs error (device %s): %s:%d: %s", "EXT4-fs error").blame(Blame::Hole(1)),
    filesystem("EXT4-fs error (device %s) in %s:%d: %s", "EXT4-fs error").blame(Blame::Hole(1)),
    filesystem("EXT3-fs error (device %s): %s: %s", "EXT3-fs error").blame(Blame::Hole(1)),
    filesystem("EXT2-fs (%w): error: %s: %s", "EXT2-fs error").blame(Blame::Hole(1)),
    filesystem("EXT4-fs (%w): Remounting filesystem read-only", "EXT4-fs: remounted read-only"),
    filesystem("Aborting journal on device %s", "JBD2: journal aborted"),
    filesystem("JBD2: Detected IO errors", "JBD2: I/O errors"),
    // fs/jbd2/journal.c: `jbd2_write_superblock`.
    filesystem("JBD2: Error %d detected when updating journal", "JBD2: superblock not written"),
    filesystem("JBD2: I/O error when updating journal", "JBD2: superblock not written"),
    // fs/xfs/xfs_error.c: `xfs_error_report`, `xfs_corruption_error`, `xfs_buf_verifier_error`;
    // fs/xfs/xfs_fsops.c: `xfs_do_force_shutdown`; fs/xfs/xfs_log.c, xfs_buf.c.
    filesystem(
        "XFS (%w): Internal error %s at line %d of file %S Caller %S",
        "XFS: internal error",
    )
    .blame(Blame::Hole(4)),
    filesystem(
        "XFS (%w): Internal error %s at line %d of file %S  Caller %S",
        "XFS: internal error",
    )
    .blame(Blame::Hole(4)),
    filesystem("XFS (%w): Corruption detected", "XFS: corruption detected"),
    filesystem("XFS (%w): Metadata %s detected at %S", "XFS: metadata {1} detected")
        .blame(Blame::Hole(2)),
    filesystem("XFS (%w): Corruption of in-memory data", "XFS: corruption of in-memory data"),
    filesystem(
        "XFS (%w): Filesystem has been shut down due to %s (%x)",
        "XFS: shut down due to {1}",
    )
    .severity(Severity::Critical),
    filesystem("XFS (%w): xfs_do_force_shutdown(", "XFS: forced shutdown")
        .severity(Severity::Critical),
    filesystem("XFS (%w): log I/O error", "XFS: log I/O error"),
    filesystem("XFS (%w): metadata I/O error", "XFS: metadata I/O error"),
    // fs/btrfs/messages.c: `_btrfs_printk`, `__btrfs_handle_fs_error`.
    filesystem("BTRFS: error (device %s) in %s:%d: %s", "BTRFS: error").blame(Blame::Hole(1)),
    filesystem("BTRFS error (device %s): %s", "BTRFS error").refine(message),
    filesystem("BTRFS critical (device %s): %s", "BTRFS critical").refine(message),
    // fs/ext4/inode.c: `mpage_map_and_submit_extent`; fs/ext4/page-io.c: `ext4_end_io_end`.
    filesystem("EXT4-fs (%w): Delayed block allocation failed for", "EXT4-fs: data lost"),
    filesystem("EXT4-fs (%w): failed to convert unwritten extents to", "EXT4-fs: data lost"),
    // fs/ubifs/misc.c: `ubifs_err`.
    filesystem("UBIFS error (ubi%w pid %d): %s: %s", "UBIFS error").blame(Blame::Hole(2)),
    // fs/fat/misc.c: `__fat_fs_error`.
    filesystem("FAT-fs (%w): error, %s", "FAT-fs error: {1}"),
];

/// What is wrong, the same on every disk: without its name, and whatever the size of numbers.
fn message(lines: &[ReportLine], verdict: &mut Verdict) {
    let Some((_, message)) = lines.first().and_then(|line| line.text.split_once("): ")) else {
        return;
    };
    let general = |word: &str| {
        let name = word.trim_end_matches([',', ':', '.', ')']);
        let mark = &word[name.len()..];
        let digits = name.rsplit('=').next().unwrap_or(name);
        if name.starts_with("/dev/") {
            format!("DEV{mark}")
        } else if digits.len() > 1 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("{}0{mark}", &name[..name.len() - digits.len()])
        } else {
            word.to_owned()
        }
    };
    let words: Vec<String> = message.trim().split(' ').map(general).collect();
    verdict.head = format!("{}: {}", verdict.head, normal(&words.join(" ")));
}
