//! How to arm a kernel with netconsole: facts about a machine and a wish, and out come the steps
//! with their reasons, or refusals with the way out. No I/O, no clock.
//!
//! [`arm`] compares what is with what is wanted and gives the difference; of a machine that is as
//! it should be the difference is empty, so carrying it out again changes nothing. Whoever wants
//! to keep a machine armed gathers the facts again whenever something happened, and does the same.
//!
//! - [`Doctor`]: who is to hear, in every notation that people use.
//! - [`Facts`]: what a machine is like. Gathering them is somebody else's work.
//! - [`Plan`], [`Step`], [`Action`]: what to do; [`Undo`]: how it is undone, as a line of a journal.
//! - [`check()`]: what keeps lines from being heard, as a list of [`Verdict`]s.
//!
//! Deliberately absent: netlink, files, processes, and guesses from a kernel's version; what a
//! kernel can is what its files show.

mod arm;
mod check;
mod device;
mod doctor;
pub mod facts;
mod permanent;
mod refusal;
pub mod rules;
mod step;
mod target;
mod undo;
mod wish;

pub use arm::{Maker, arm};
pub use check::{State, Verdict, check, faults, mortal_faults};
pub use doctor::{Doctor, Format, Host, NotADoctor};
pub use facts::Facts;
pub use refusal::Refusal;
pub use step::{Action, Plan, Step};
pub use target::{Wanted, wanted};
pub use undo::Undo;
pub use wish::{BadWish, PANIC_SETTINGS, Wish, parse_heartbeat, parse_level};

/// Paths that both steps and facts name, as the machine sees them.
pub mod path {
    /// Where configfs is mounted.
    pub const CONFIGFS: &str = "/sys/kernel/config";
    /// netconsole's targets, with `CONFIG_NETCONSOLE_DYNAMIC`.
    pub const TARGETS: &str = "/sys/kernel/config/netconsole";
    /// Four numbers, the first of which is the console log level (proc_sys_kernel(5)).
    pub const PRINTK: &str = "/proc/sys/kernel/printk";
    /// What the agent keeps true; of a machine that is to stay armed.
    pub const WISH: &str = "/etc/bedside/patient.conf";
    /// The same until the next start only.
    pub const WISH_UNTIL_REBOOT: &str = "/run/bedside-patient/patient.conf";
    /// The key that the machine shares with its doctors; put there by whoever wants one.
    pub const KEY: &str = "/etc/bedside/patient.key";
    /// The module's parameter at every start.
    pub const MODPROBE: &str = "/etc/modprobe.d/bedside-patient.conf";
    /// Loads the module at every start.
    pub const MODULES_LOAD: &str = "/etc/modules-load.d/bedside-patient.conf";
    /// The console log level at every start.
    pub const SYSCTL: &str = "/etc/sysctl.d/60-bedside-patient.conf";
    /// Loads the module in an initramfs of initramfs-tools.
    pub const INITRAMFS_HOOK: &str = "/etc/initramfs-tools/hooks/bedside-patient";
    /// Loads the module in an initramfs of dracut.
    pub const DRACUT: &str = "/etc/dracut.conf.d/bedside-patient.conf";
    /// systemd's unit for the agent.
    pub const UNIT: &str = "/etc/systemd/system/bedside-patient.service";
    /// Every regular file that a plan may write, and the link that shows that the service is on.
    pub const WRITTEN: [&str; 10] = [
        INITRAMFS_HOOK,
        DRACUT,
        WISH,
        WISH_UNTIL_REBOOT,
        MODPROBE,
        MODULES_LOAD,
        SYSCTL,
        UNIT,
        crate::permanent::WANTS,
        crate::permanent::SCRIPT,
    ];
}
