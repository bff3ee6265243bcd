//! Waking whoever should be woken: rules, letters, and the courier who brings them.
//!
//! The thread that looks for incidents weighs each case by the rules and puts letters into the
//! book; another thread hands those that are due to the [`courier`], a process of its own that was
//! started before the doctor confined itself. `docs/adr/0018` has the reasons.

pub mod courier;
mod post;
mod template;
mod test;
mod way;
mod weigh;

pub(crate) use self::courier::Courier;
pub(crate) use self::post::{Bell, Post};
pub use self::template::Template;
pub use self::test::run as test;
pub(crate) use self::weigh::{Decision, Past, concerns, weigh};
