//! Incidents of the machines that a doctor hears: found in what is stored, kept in a book of
//! their own, grouped by their fingerprints.
//!
//! A thread follows the store as any reader does: what a burst leaves unread, or what
//! was heard while there was no such doctor, is read later. `docs/adr/0017` has the reasons.

mod alarm;
mod book;
mod case;
mod finder;
mod flatline;
mod group;
mod ledger;
mod list;
mod marks;
mod one;
mod packed;
mod rates;
mod round;
mod runs;
mod story;
mod watch;

pub(crate) use self::alarm::Alarm;
pub use self::alarm::letter;
pub(crate) use self::book::{Book, Letter, Overdue, Row, set_aside_foreign};
pub use self::group::State;
pub use self::list::run as list;
pub(crate) use self::marks::{OfBoots, OfRecords};
pub use self::one::run as one;
pub(crate) use self::watch::{Sight, Watch, catch_up, rebuild};
