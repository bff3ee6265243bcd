//! What the hardware reports: machine checks, memory, buses, NMIs without a cause.

use super::{Blame, Rule};
use crate::report::Verdict;
use crate::words::between;
use crate::{Kind, ReportLine, Severity};

const fn hardware(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Hardware)
}

const fn mce(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Mce)
}

const fn uncorrected(form: &'static str) -> Rule {
    hardware(form, "PCIe Bus Error: Uncorrected ({1}), {2}").severity(Severity::Critical)
}

const fn corrected(form: &'static str) -> Rule {
    hardware(form, "PCIe Bus Error: Corrected, {1}").severity(Severity::Warning)
}

pub(super) const RULES: &[Rule] = &[
    // arch/x86/kernel/cpu/mce/core.c: `__print_mce`, `mce_notify_irq`, `mce_panic`.
    mce("[Hardware Error]: CPU %d: Machine Check Exception: %x Bank %d: %s", "Machine Check"),
    mce(
        "[Hardware Error]: CPU %d: Machine Check: %x Bank %d: %x",
        "Machine check: corrected error",
    )
    .severity(Severity::Warning)
    .refine(status),
    mce("[Hardware Error]: Machine check events logged", "Machine check events logged")
        .severity(Severity::Warning),
    // drivers/edac/mce_amd.c: `decode_error_status`.
    mce("[Hardware Error]: Corrected error, no action required", "Machine check: corrected error")
        .severity(Severity::Warning),
    mce("[Hardware Error]: Deferred error, no action required", "Machine check: deferred error")
        .severity(Severity::Error),
    mce("[Hardware Error]: Uncorrected, software", "Machine check: uncorrected error"),
    mce("[Hardware Error]: System Fatal error", "Machine check: fatal error"),
    // arch/x86/kernel/cpu/mce/core.c: `queue_task_work`, `kill_me_maybe`; mm/memory-failure.c.
    mce("Uncorrected hardware memory error in user-access", "Machine check: memory in use"),
    hardware("Memory failure: %x: %s", "Memory failure"),
    // drivers/firmware/efi/cper.c: `cper_estatus_print`.
    hardware("{%d}[Hardware Error]: event severity: fatal", "Hardware error: fatal")
        .severity(Severity::Critical),
    hardware("{%d}[Hardware Error]: event severity: recoverable", "Hardware error: recoverable"),
    hardware("{%d}[Hardware Error]: event severity: corrected", "Hardware error: corrected")
        .severity(Severity::Warning),
    // drivers/edac/edac_mc.c: `edac_ue_error`, `edac_ce_error`.
    hardware("EDAC %w: %d UE %s", "EDAC: uncorrected memory error").severity(Severity::Critical),
    hardware("EDAC %w: %d CE %s", "EDAC: corrected memory error").severity(Severity::Warning),
    hardware("EDAC %w: UE %s", "EDAC: uncorrected memory error").severity(Severity::Critical),
    hardware("EDAC %w: CE %s", "EDAC: corrected memory error").severity(Severity::Warning),
    // drivers/pci/pcie/aer.c: `aer_print_error`, before 3.x `AER:` in front; since 6.8
    // `Uncorrectable` and `Correctable`.
    uncorrected("%s: PCIe Bus Error: severity=Uncorrected (%s), type=%s, (%s)"),
    uncorrected("%s: PCIe Bus Error: severity=Uncorrectable (%s), type=%s, (%s)"),
    corrected("%s: PCIe Bus Error: severity=Corrected, type=%s, (%s)"),
    corrected("%s: PCIe Bus Error: severity=Correctable, type=%s, (%s)"),
    // drivers/iommu/intel/dmar.c: `dmar_fault_do_one`; drivers/iommu/amd/iommu.c:
    // `amd_iommu_report_page_fault`, `iommu_print_event`.
    hardware("DMAR: [%S Read%s] Request device [%s] fault addr %x", "DMAR: read fault"),
    hardware("DMAR: [%S Write%s] Request device [%s] fault addr %x", "DMAR: write fault"),
    hardware("AMD-Vi: Event logged [%S ", "AMD-Vi: {0}"),
    hardware("%s: AMD-Vi: Event logged [%S ", "AMD-Vi: {1}"),
    // kernel/irq/spurious.c: `__report_bad_irq`.
    hardware("irq %d: nobody cared", "irq: nobody cared"),
    // net/sched/sch_generic.c: `dev_watchdog` since 6.7; before, it is a warning.
    hardware(
        "%s: NETDEV WATCHDOG: CPU: %d: transmit queue %d timed out %d ms",
        "NETDEV WATCHDOG: transmit queue timed out",
    ),
    // drivers/thermal/thermal_core.c: `handle_critical_trips`, `thermal_zone_device_critical`;
    // kernel/reboot.c: `__hw_protection_trigger`.
    hardware("thermal thermal_zone%d: %s: critical temperature reached", "Critical temperature")
        .severity(Severity::Critical),
    hardware("reboot: HARDWARE PROTECTION %S (%s)", "HARDWARE PROTECTION {0} ({1})")
        .severity(Severity::Critical),
    hardware("HARDWARE PROTECTION %S (%s)", "HARDWARE PROTECTION {0} ({1})")
        .severity(Severity::Critical),
    // drivers/net/ethernet/intel: what they say before they reset themselves; drivers/usb/core/hcd.c:
    // `usb_hc_died`; drivers/hwmon/raspberrypi-hwmon.c.
    hardware("%s: Detected Hardware Unit Hang", "Network card: hardware unit hang"),
    hardware("%s: Detected Tx Unit Hang", "Network card: transmit unit hang"),
    // net/core/dev.c: `do_netdev_rx_csum_fault`.
    hardware("%s: hw csum failure", "Network card: checksum failure").severity(Severity::Warning),
    hardware("%s: HC died; cleaning up", "USB host controller died"),
    hardware("hwmon hwmon%d: Undervoltage detected!", "Undervoltage").severity(Severity::Warning),
    hardware("AMD-Vi: Completion-Wait loop timed out", "AMD-Vi: completion timed out"),
    // Graphics: drivers/gpu/drm/amd/amdgpu/amdgpu_job.c `amdgpu_job_timedout`, with `DRM_ERROR`
    // in front before 6.7; drivers/gpu/drm/i915/i915_gpu_error.c `i915_error_state_store`; NVIDIA's
    // kernel-open/nvidia/nv.c and its documentation of Xids.
    hardware("amdgpu %w: amdgpu: ring %S timeout, signaled", "amdgpu: ring timeout"),
    hardware("[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring %S timeout", "amdgpu: ring timeout"),
    hardware("i915 %w: [drm] GPU HANG: ecode %s", "i915: GPU hang"),
    hardware("NVRM: Xid (%s): %d, %s", "NVRM: Xid").refine(xid),
    // arch/x86/kernel/nmi.c: `pci_serr_error`, `io_check_error`, `unknown_nmi_error`.
    hardware(
        "NMI: PCI system error (SERR) for reason %x on CPU %d",
        "NMI: PCI system error (SERR)",
    ),
    hardware("NMI: IOCK error (debug interrupt?) for reason %x on CPU %d", "NMI: IOCK error"),
    hardware("Uhhuh. NMI received for unknown reason %x on CPU %d", "NMI: unknown reason"),
    // arch/arm64/kernel/traps.c: `arm64_serror_panic`, `__show_regs` before it, `bad_mode`.
    hardware("SError Interrupt on CPU%d, code %x", "SError Interrupt")
        .severity(Severity::Critical)
        .blame(Blame::Silent),
    hardware("Bad mode in %s handler detected on CPU%d, code %x", "Bad mode in {0} handler")
        .severity(Severity::Critical)
        .blame(Blame::Silent),
];

/// Its number says what it is, and is none that differs from machine to machine.
fn xid(lines: &[ReportLine], verdict: &mut Verdict) {
    let number = lines.first().and_then(|line| between(&line.text, "): ", ","));
    if let Some(number) = number.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())) {
        verdict.head = format!("NVRM: Xid {number}");
    }
}

/// `MCI_STATUS_UC`: the hardware could not correct it (arch/x86/include/asm/mce.h).
fn status(lines: &[ReportLine], verdict: &mut Verdict) {
    let status = lines.first().and_then(|line| line.text.trim().rsplit(' ').next());
    let status = status.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    if status.is_some_and(|status| status >> 61 & 1 != 0) {
        verdict.head = "Machine check: uncorrected error".into();
        verdict.severity = Some(Severity::Critical);
    }
}
