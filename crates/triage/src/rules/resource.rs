//! What runs out or is not given back.

use super::{Blame, Rule};
use crate::Kind;

/// mm/kmemleak.c `print_unreferenced` (by way of its readers), net/core/dev.c
/// `netdev_wait_allrefs`, mm/oom_kill.c `oom_kill_process`, mm/page_alloc.c `warn_alloc`,
/// fs/super.c `generic_shutdown_super`.
pub(super) const RULES: &[Rule] = &[
    Rule::new("BUG: memory leak", "memory leak", Kind::MemoryLeak)
        .class("LEAK")
        .blame(Blame::Innermost),
    Rule::new(
        "unregister_netdevice: waiting for %s to become free",
        "unregister_netdevice: waiting for DEV to become free",
        Kind::MemoryLeak,
    )
    .class("DoS"),
    Rule::new(
        "VFS: Busy inodes after unmount of %s",
        "VFS: Busy inodes after unmount (use-after-free)",
        Kind::Filesystem,
    )
    .class("DoS"),
];
