//! CPU exceptions in the kernel, and `BUG()`.

use super::{Blame, Rule};
use crate::normal::normal;
use crate::report::Verdict;
use crate::{Kind, ReportLine, Severity};

const fn access(form: &'static str, title: &'static str, class: &'static str) -> Rule {
    Rule::new(form, title, Kind::Oops).class(class).blame(Blame::Innermost).alike("bad-access")
}

const fn paging(form: &'static str) -> Rule {
    access(form, "BUG: unable to handle kernel paging request", "MEMORY_SAFETY_BUG")
}

const fn null(form: &'static str) -> Rule {
    access(
        form,
        "BUG: unable to handle kernel NULL pointer dereference",
        "NULL-POINTER-DEREFERENCE",
    )
}

const fn trap(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Oops).class("DoS").blame(Blame::Innermost)
}

const fn ubsan_trap(form: &'static str) -> Rule {
    Rule::new(form, "UBSAN: {0}", Kind::Bug).class("UBSAN").blame(Blame::Innermost)
}

/// arch/x86/mm/fault.c `show_fault_oops`; arch/x86/kernel/traps.c; arch/x86/kernel/dumpstack.c
/// `__die_header`; arch/arm64/mm/fault.c `die_kernel_fault`, `do_mem_abort`;
/// arch/arm64/kernel/traps.c `__die`; arch/arm/mm/fault.c, arch/arm/mm/alignment.c;
/// arch/powerpc/mm/fault.c `bad_page_fault`; arch/riscv/mm/fault.c `die_kernel_fault`;
/// include/asm-generic/bug.h, lib/bug.c `report_bug`.
pub(super) const RULES: &[Rule] = &[
    null("BUG: unable to handle kernel NULL pointer dereference"),
    null("BUG: kernel NULL pointer dereference"),
    null("Unable to handle kernel NULL pointer dereference"),
    null("BUG: Kernel NULL pointer dereference"),
    null("Unable to handle kernel access to user memory without uaccess routines"),
    paging("BUG: unable to handle kernel paging request"),
    paging("BUG: unable to handle page fault for address"),
    paging("BUG: Unable to handle kernel data access"),
    paging("BUG: Unable to handle kernel instruction fetch"),
    paging("Unable to handle kernel paging request"),
    paging("Unable to handle kernel %S at virtual address"),
    paging("Unable to handle kernel pointer dereference in virtual kernel address space"),
    access("general protection fault: %x [#%d]", "general protection fault", "DoS"),
    access("general protection fault, probably for %s", "general protection fault", "DoS"),
    access("general protection fault%s: %x [#%d]", "general protection fault", "DoS"),
    access("Unhandled fault: ", "Unhandled fault", "DoS").refine(of_whom),
    access("Unhandled fault at ", "Unhandled fault", "DoS"),
    access("Unhandled prefetch abort: ", "Unhandled prefetch abort", "DoS").refine(of_whom),
    // arch/mips/mm/fault.c, arch/loongarch/mm/fault.c.
    paging("CPU %d Unable to handle kernel paging request at virtual address"),
    paging("Unable to handle kernel "),
    Rule::new("BUG: unable to handle kernel", "BUG: unable to handle kernel", Kind::Oops)
        .blame(Blame::Silent)
        .refine(cut),
    Rule::new("Alignment trap: not handling instruction", "Alignment trap", Kind::Oops)
        .class("DoS")
        .blame(Blame::Innermost)
        .refine(of_whom),
    // lib/ubsan.c: `report_ubsan_failure`, by way of arch/arm64/kernel/traps.c `ubsan_brk_handler`
    // and arch/x86/kernel/traps.c `handle_bug`: where undefined behaviour traps, it kills.
    ubsan_trap("Internal error: UBSAN: %s: %x [#%d]"),
    ubsan_trap("UBSAN: %s at %S"),
    access("Internal error: ", "Internal error", "DoS"),
    trap("divide error: ", "divide error"),
    trap("stack segment: ", "stack segment fault"),
    trap("invalid opcode: ", "invalid opcode"),
    trap("int3: %x [#%d]", "int3"),
    trap("bounds: %x [#%d]", "bounds"),
    trap("overflow: %x [#%d]", "overflow"),
    trap("alignment check: ", "alignment check"),
    trap("segment not present: ", "segment not present"),
    trap("invalid TSS: ", "invalid TSS"),
    trap("coprocessor segment overrun: ", "coprocessor segment overrun"),
    trap("fpu exception: ", "fpu exception"),
    trap("simd exception: ", "simd exception"),
    trap("iret exception: ", "iret exception"),
    trap("PANIC: early exception ", "PANIC: early exception"),
    trap("control protection fault: ", "control protection fault"),
    trap("stack guard page: ", "stack guard page"),
    trap("PANIC: double fault", "PANIC: double fault"),
    trap("double fault: ", "double fault"),
    trap("kernel stack overflow (double-fault): ", "BUG: stack guard page was hit")
        .blame(Blame::Entry)
        .alike("stack-overflow"),
    Rule::new("BUG: stack guard page was hit at %s", "BUG: stack guard page was hit", Kind::Oops)
        .blame(Blame::Entry)
        .alike("stack-overflow"),
    Rule::new(
        "BUG: TASK stack guard page was hit at %s",
        "BUG: stack guard page was hit",
        Kind::Oops,
    )
    .blame(Blame::Entry)
    .alike("stack-overflow"),
    Rule::new(
        "BUG: %S stack guard page was hit at %s",
        "BUG: stack guard page was hit",
        Kind::Oops,
    )
    .blame(Blame::Entry)
    .alike("stack-overflow"),
    // arch/arm64/kernel/traps.c: `panic_bad_stack`, `__panic_unhandled`; arch/riscv/kernel/traps.c:
    // `handle_bad_stack`. The panic follows.
    trap("Insufficient stack space to handle exception!", "kernel panic: kernel stack overflow")
        .blame(Blame::Entry)
        .alike("stack-overflow"),
    trap("Unhandled %s exception on CPU%d, ESR %x", "Unhandled exception"),
    Rule::new("kernel BUG at %s", "kernel BUG", Kind::Bug)
        .class("BUG")
        .blame(Blame::Innermost)
        .refine(bug),
    Rule::new("Kernel BUG at %s", "kernel BUG", Kind::Bug)
        .class("BUG")
        .blame(Blame::Innermost)
        .refine(bug),
    Rule::new("kernel BUG in %s", "kernel BUG", Kind::Bug).class("BUG").blame(Blame::Innermost),
    // kernel/cfi.c: `report_cfi_failure`.
    Rule::new("CFI failure at %S (", "CFI failure", Kind::Bug).class("BUG").blame(Blame::Innermost),
    Rule::new("CFI failure (target: ", "CFI failure", Kind::Bug)
        .class("BUG")
        .blame(Blame::Innermost),
    // arch/mips/kernel/traps.c: `do_trap_or_bp`.
    Rule::new("Kernel bug detected[#%d]:", "kernel BUG", Kind::Bug)
        .class("BUG")
        .blame(Blame::Innermost),
    // rust/kernel/lib.rs: `panic`, which prints what Rust says, and then calls BUG().
    Rule::new("rust_kernel: panicked at %s", "Rust panic", Kind::Bug)
        .blame(Blame::Innermost)
        .refine(message),
    trap("Oops: %x [#%d]", "Oops"),
    trap("Oops - %s", "Oops"),
    trap("Oops [#%d]", "Oops"),
    // arch/s390/kernel/dumpstack.c, arch/mips/kernel/traps.c, arch/loongarch/kernel/traps.c,
    // arch/riscv/kernel/traps.c: their `die`.
    trap("Oops: %x ilc:%d [#%d]", "Oops"),
    trap("%s ilc:%d [#%d]", "{0}").refine(without_code),
    trap("Oops[#%d]:", "Oops"),
    trap("Unhandled kernel unaligned access", "Unhandled kernel unaligned access"),
    trap("Reserved instruction in kernel code", "Reserved instruction in kernel code"),
    trap("Kernel BUG [#%d]", "kernel BUG"),
    // arch/x86/mm/fault.c: `pgtable_bad`; arch/x86/kernel/traps.c: `ve_raise_fault`,
    // `exc_alignment_check`; arch/x86/coco/sev/vc-handle.c: `vc_raw_handle_exception`.
    trap("Bad pagetable: %x [#%d]", "Bad pagetable"),
    trap("VE fault: %x [#%d]", "VE fault"),
    trap("Split lock detected", "Split lock detected"),
    // arch/sparc/kernel/traps_64.c, arch/parisc/kernel/traps.c: `die_if_kernel` draws a picture
    // above its words.
    trap("\\|/ ____ \\|/", "Oops").refine(below_picture),
    trap("< Your System ate a SPARC! Gah! >", "Oops").refine(below_picture),
    trap("PANIC: Unhandled #VC exception", "PANIC: unhandled #VC exception"),
];

/// `die` of words that no other rule has: arch/x86/kernel/dumpstack.c `__die_header` since 6.8,
/// arch/powerpc/kernel/traps.c `__die`, arch/xtensa/kernel/traps.c.
pub(super) const OF_WORDS: &[Rule] = &[
    trap("Oops: sig: %d [#%d]", "Oops"),
    trap("Oops: %s, sig: %d [#%d]", "{0}"),
    trap("Oops: %s: %x [#%d]", "{0}"),
];

/// What no rule before names.
pub(super) const OTHERS: &[Rule] = &[
    Rule::new("SYZFAIL: %s", "SYZFAIL: {0}", Kind::Program).class("SYZ_FAILURE"),
    Rule::new("SYZFATAL: %s", "SYZFATAL: {0}", Kind::Program).class("SYZ_FAILURE"),
    Rule::new("BUG: Object already free", "BUG: Object already free", Kind::Bug)
        .blame(Blame::Silent),
    Rule::new("BUG: Dentry %s still in use", "BUG: Dentry still in use", Kind::Filesystem)
        .blame(Blame::Innermost),
    Rule::new("BUG: %s", "BUG: {0}", Kind::Bug).blame(Blame::Silent),
];

/// A BUG() whose message says more than its place: lib/list_debug.c, mm/usercopy.c.
fn bug(lines: &[ReportLine], verdict: &mut Verdict) {
    let Some(header) = lines.first() else { return };
    if header.text.contains("lib/list_debug.c") {
        verdict.head = "BUG: corrupted list".into();
        verdict.kind = Kind::ListCorruption;
        verdict.class = Some("MEMORY_SAFETY_BUG");
        verdict.alike = Some("bad-access");
    } else if header.text.contains("mm/usercopy.c") {
        verdict.head = "BUG: bad usercopy".into();
    }
}

/// `modprobe(117): Kernel illegal instruction [#1]`, `cat (pid 117): Illegal instruction (code 8)`.
fn below_picture(lines: &[ReportLine], verdict: &mut Verdict) {
    let words = lines.iter().take(8).find_map(|line| {
        let (words, _) =
            line.text.rsplit_once(" [#").or_else(|| line.text.rsplit_once(" (code "))?;
        words.split_once("): ").map(|(_, words)| words)
    });
    if let Some(words) = words {
        verdict.head = normal(words);
    }
}

/// 32-bit arm, and arm64 before 4.20, say the same of a program's fault, which ends only that: the
/// kernel's own goes on in `die` (arch/arm/kernel/traps.c: `arm_notify_die`).
fn of_whom(lines: &[ReportLine], verdict: &mut Verdict) {
    if !lines.iter().any(|line| line.text.contains("Internal error: ")) {
        verdict.severity = Some(Severity::Error);
        verdict.blame = Blame::Nobody;
    }
}

/// s390's interruption code is a number, whatever it means.
fn without_code(_: &[ReportLine], verdict: &mut Verdict) {
    verdict.head.truncate(verdict.head.rfind(": ").unwrap_or(verdict.head.len()));
}

/// The other half of the sentence is another line's.
fn cut(_: &[ReportLine], verdict: &mut Verdict) {
    verdict.garbled = true;
}

/// Rust's message stands in the line after the place.
fn message(lines: &[ReportLine], verdict: &mut Verdict) {
    let Some(header) = lines.first() else { return };
    verdict.place = header.text.split("panicked at ").nth(1).map(str::to_owned);
    if let Some(message) = lines.get(1).filter(|line| !line.text.trim().is_empty()) {
        verdict.head = normal(&message.text);
    }
}
