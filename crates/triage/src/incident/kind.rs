//! The closed lists: kinds and severities.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares [`Kind`] with its names, severities and words, so that no list can lack one.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident $name:literal $severity:ident $(#[$default:ident])?,)+) => {
        /// What sort of thing an incident is.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(Serialize, Deserialize)]
        pub enum Kind {
            $($(#[doc = $doc])+ $(#[$default])? #[serde(rename = $name)] $kind,)+
        }

        impl Kind {
            /// Every kind, in the order of the man page.
            pub const ALL: &[Kind] = &[$(Kind::$kind),+];

            /// Its name in JSON, on the command line and in the man page.
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$kind => $name),+ }
            }

            /// What it means, in a sentence for the man page.
            pub fn meaning(self) -> &'static str {
                match self { $(Kind::$kind => concat!($($doc),+).trim_ascii()),+ }
            }

            /// How bad one is, as long as the kernel does not panic over it.
            pub fn severity(self) -> Severity {
                match self { $(Kind::$kind => Severity::$severity),+ }
            }

            /// The kind of this name.
            pub fn parse(name: &str) -> Option<Kind> {
                Kind::ALL.iter().copied().find(|kind| kind.as_str() == name)
            }
        }
    };
}

kinds! {
    /// The kernel gave up, and no other incident says why.
    Panic "panic" Fatal #[default],
    /// A CPU exception in the kernel: page fault, general protection, divide error, invalid
    /// opcode, stack or double fault; arm64's Internal error and Unhandled fault.
    Oops "oops" Critical,
    /// `BUG()`, or another state that the kernel calls a BUG.
    Bug "bug" Critical,
    /// `WARN_ON()` and its kin.
    Warning "warning" Warning,
    /// The address sanitizer: a bad memory access.
    Kasan "kasan" Critical,
    /// The memory sanitizer: use of an uninitialized value, or its leak.
    Kmsan "kmsan" Error,
    /// The concurrency sanitizer: a data race.
    Kcsan "kcsan" Warning,
    /// The electric fence: a bad access to a sampled allocation.
    Kfence "kfence" Critical,
    /// The undefined behaviour sanitizer.
    Ubsan "ubsan" Error,
    /// The lock validator: a possible deadlock, an inconsistent state, a lock held too long or
    /// given back wrongly, a suspicious use of RCU.
    Lockdep "lockdep" Error,
    /// Sleeping or scheduling where the kernel must not.
    AtomicSleep "atomic-sleep" Error,
    /// A reference count that overflowed or fell below zero.
    Refcount "refcount" Critical,
    /// A linked list whose neighbours disagree.
    ListCorruption "list-corruption" Critical,
    /// A CPU that did not schedule for long.
    SoftLockup "soft-lockup" Critical,
    /// A CPU that took no interrupt for long.
    HardLockup "hard-lockup" Critical,
    /// RCU waits in vain for a CPU or a task.
    RcuStall "rcu-stall" Critical,
    /// A task that slept without being woken for long.
    HungTask "hung-task" Error,
    /// A pool of workers that gets nothing done.
    WorkqueueLockup "workqueue-lockup" Error,
    /// The object debugger: an object used in the wrong state.
    Odebug "odebug" Error,
    /// Memory, or a reference, that nobody gives back.
    MemoryLeak "memory-leak" Warning,
    /// A page or page table in a state that it must not be in.
    BadPage "bad-page" Critical,
    /// Memory that could not be had.
    AllocationFailure "allocation-failure" Warning,
    /// The kernel killed a process because memory ran out.
    OomKill "oom-kill" Error,
    /// The kernel panicked because memory ran out.
    OomPanic "oom-panic" Fatal,
    /// A machine check.
    Mce "mce" Critical,
    /// Hardware reports an error: EDAC, AER, GHES, an NMI without a cause.
    Hardware "hardware" Error,
    /// A disk or its controller fails: nvme, ata, scsi, md, block layer.
    Io "io" Error,
    /// A file system found itself damaged or gave up.
    Filesystem "filesystem" Error,
    /// The first process died, and the kernel with it.
    InitDeath "init-death" Fatal,
    /// A program that tests the kernel says that the kernel failed it (syzkaller's executor).
    Program "program" Error,
    /// A report whose first line was lost, and of which nothing else says what it was about.
    Unknown "unknown" Error,
    /// A heartbeat that failed to come; no line says it, so it is never found in lines.
    Flatline "flatline" Critical,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad it is; the later, the worse.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something is wrong, and all goes on.
    #[default]
    Warning,
    /// Something was lost or stands still: a process, some data, a task.
    Error,
    /// The kernel can't be trusted any more.
    Critical,
    /// The machine is dead.
    Fatal,
}

impl Severity {
    /// Every severity, from the mildest on.
    pub const ALL: &[Severity] =
        &[Severity::Warning, Severity::Error, Severity::Critical, Severity::Fatal];

    /// Its name in JSON, on the command line and in the man page.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
            Severity::Fatal => "fatal",
        }
    }

    /// The severity of this name.
    pub fn parse(name: &str) -> Option<Severity> {
        Severity::ALL.iter().copied().find(|severity| severity.as_str() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
