//! What the hardware reports: machine checks, memory, buses, NMIs without a cause.

use super::{Blame, Rule};
use crate::{Kind, Severity};

const fn hardware(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Hardware)
}

const fn mce(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Mce)
}

pub(super) const RULES: &[Rule] = &[
    // arch/x86/kernel/cpu/mce/core.c: `__print_mce`, `mce_notify_irq`, `mce_panic`.
    mce("[Hardware Error]: CPU %d: Machine Check%s: %x Bank %d: %s", "Machine Check"),
    mce("[Hardware Error]: Machine check events logged", "Machine check events logged")
        .severity(Severity::Warning),
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
    // drivers/pci/pcie/aer.c: `aer_print_error`, before 3.x `AER:` in front.
    hardware(
        "%s: PCIe Bus Error: severity=Uncorrected (%s), type=%s, (%s)",
        "PCIe Bus Error: Uncorrected ({1}), {2}",
    )
    .severity(Severity::Critical),
    hardware(
        "%s: PCIe Bus Error: severity=Corrected, type=%s, (%s)",
        "PCIe Bus Error: Corrected, {1}",
    )
    .severity(Severity::Warning),
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
