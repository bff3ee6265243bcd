//! The values of the file, written as on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::cli::values;

/// `ADDR:PORT`, `[V6]:PORT` or `PORT`: where to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// A network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub IpNet);

/// A number of bytes: `"8MiB"` or a plain integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// As room in memory, which no program has more of than an `isize` counts.
    pub fn in_memory(self) -> usize {
        self.0.min(isize::MAX as u64) as usize
    }
}

/// A length of time: `"200ms"`, `"30d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub Duration);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        written(from, values::listen).map(Self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        written(from, values::network).map(Self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        written(from, values::length).map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SizeVisitor).map(Self)
    }
}

/// A directory, which has a name.
pub(super) fn directory<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(from)?;
    if path.as_os_str().is_empty() {
        return Err(D::Error::custom("give a directory, or leave the key out"));
    }
    Ok(Some(path))
}

/// A share of a whole.
pub(super) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(from)?;
    if share > 0.0 && share <= 1.0 {
        Ok(share)
    } else {
        Err(D::Error::custom("a share is above 0.0 and at most 1.0"))
    }
}

/// A size of which there must be some.
pub(super) fn above_zero<'de, D: Deserializer<'de>>(from: D) -> Result<Size, D::Error> {
    values::above_zero(Size::deserialize(from)?.0).map(Size).map_err(D::Error::custom)
}

/// The size of a segment, which holds some lines.
pub(super) fn segment_size<'de, D: Deserializer<'de>>(from: D) -> Result<Size, D::Error> {
    match Size::deserialize(from)? {
        Size(0..4096) => Err(D::Error::custom(format!("{TOO_MANY}: give a size of 4KiB or more"))),
        size => Ok(size),
    }
}

/// The age of a segment, which holds some lines.
pub(super) fn segment_age<'de, D: Deserializer<'de>>(from: D) -> Result<Length, D::Error> {
    match Length::deserialize(from)? {
        age if age.0 < Duration::from_secs(1) => {
            Err(D::Error::custom(format!("{TOO_MANY}: give an age of 1s or more")))
        }
        age => Ok(age),
    }
}

const TOO_MANY: &str = "each line would be a segment, a file of its own";

/// An age of which there must be some, if it is given at all.
pub(super) fn age<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Length>, D::Error> {
    match Length::deserialize(from)? {
        Length(Duration::ZERO) => Err(D::Error::custom(
            "nothing is kept for no time: give an age like \"90d\", or leave the key out",
        )),
        age => Ok(Some(age)),
    }
}

/// A count of which there must be at least one.
pub(super) fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match usize::deserialize(from)? {
        0 => Err(D::Error::custom("give at least 1")),
        count => Ok(count),
    }
}

/// A string that one of the command line's own parsers reads.
fn written<'de, D: Deserializer<'de>, T>(
    from: D,
    parse: fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).map_err(|hint| D::Error::custom(format!("{text:?}: {hint}")))
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = u64;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a size like \"500M\" or a number of bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        values::size(text).map_err(|hint| E::custom(format!("{text:?}: {hint}")))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<u64, E> {
        u64::try_from(bytes).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
    }
}
