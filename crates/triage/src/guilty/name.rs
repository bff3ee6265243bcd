//! A function's name as a title has it.

/// Without what compilers append: `.isra.0`, `.part.3`, `.constprop.0`, `.cold`, `.llvm.123`.
pub(crate) fn plain(function: &str) -> &str {
    match function.find('.') {
        Some(at) if at > 0 => &function[..at],
        _ => function,
    }
}

/// A function's name for the title and those that are as good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) others: Vec<String>,
}

/// The wrappers of system calls (include/linux/syscalls.h, arch/*/include/asm/syscall_wrapper.h):
/// which one is seen depends on the architecture and the compiler.
const WRAPPERS: &[&str] = &[
    "__x64_",
    "__ia32_",
    "__arm64_",
    "__s390x_",
    "__s390_",
    "__riscv_",
    "__se_",
    "__do_",
    "__powerpc_",
];

/// Ways of waiting for RCU that differ in haste only (kernel/rcu).
const RCU_WAITS: &[&str] = &[
    "synchronize_rcu_expedited",
    "synchronize_sched",
    "synchronize_sched_expedited",
    "synchronize_rcu_bh",
    "__synchronize_srcu",
    "synchronize_srcu",
    "synchronize_srcu_expedited",
    "synchronize_rcu_mult",
    "synchronize_rcu_normal",
];

/// Ways of calling other CPUs (kernel/smp.c).
const CROSS_CALLS: &[&str] = &[
    "smp_call_function",
    "smp_call_function_single",
    "smp_call_function_many",
    "smp_call_function_many_cond",
];

/// Whether a CPU waits in it for another: that one is guilty, and not who asked.
pub(super) fn is_cross_call(function: &str) -> bool {
    CROSS_CALLS.contains(&function)
}

/// The name as it stands in the source, Rust's too.
pub(crate) fn symbol(function: &str) -> String {
    let function = plain(function);
    let rust = function.starts_with("_R").then(|| rustc_demangle::try_demangle(function).ok());
    rust.flatten().map_or_else(|| function.to_owned(), |symbol| format!("{symbol:#}"))
}

/// The name that is the same on all architectures and for all variants.
pub(crate) fn named(function: &str) -> Named {
    let function = plain(function);
    if function.starts_with("_R") {
        return Named { name: symbol(function), others: Vec::new() };
    }
    let general = if RCU_WAITS.contains(&function) {
        "synchronize_rcu".to_owned()
    } else if CROSS_CALLS.contains(&function) {
        "smp_call_function".to_owned()
    } else if let Some(call) = system_call(function) {
        call
    } else {
        return Named { name: function.to_owned(), others: Vec::new() };
    };
    let mut others = vec![function.to_owned()];
    others.retain(|other| *other != general);
    if function.starts_with("__se_sys_") || function.starts_with("__do_sys_") {
        others.push(format!("sys_{general}"));
    }
    Named { name: general, others }
}

/// `__se_sys_x`, `ksys_x` and `sys_x` are `x`; the wrappers of an architecture are `sys_x`.
fn system_call(function: &str) -> Option<String> {
    let bare = ["__se_sys_", "__do_sys_", "ksys_", "sys_"];
    if let Some(call) = bare.iter().find_map(|bare| function.strip_prefix(bare)) {
        return Some(call.to_owned());
    }
    let mut wrapped = WRAPPERS.iter().filter_map(|wrapper| function.strip_prefix(wrapper));
    let call = wrapped.find_map(|rest| rest.strip_prefix("sys_"));
    call.or_else(|| function.strip_prefix("SyS_")).map(|call| format!("sys_{call}"))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_system_call_has_one_name() {
        for function in ["__x64_sys_bind", "__arm64_sys_bind.cold", "SyS_bind"] {
            assert_eq!(named(function).name, "sys_bind", "{function}");
        }
        assert_eq!(named("__se_sys_bind").name, "bind");
        assert_eq!(named("x.isra.0").name, "x");
        let mangled = "_RNvMs3_NtCshgDM7dBCdno_11rust_binder7processNtB5_7Process10update_ref";
        assert_eq!(named(mangled).name, "<rust_binder::process::Process>::update_ref");
        assert_eq!(named("synchronize_srcu").name, "synchronize_rcu");
        assert_eq!(named("smp_call_function").others, [""; 0], "its own name is no other");
    }
}
