//! The number of a boot, as `/proc/sys/kernel/random/boot_id` has it.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 32 hex digits, written with hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BootId(u128);

impl BootId {
    /// Reads it, wherever its hyphens stand; nothing, if it is longer.
    pub(crate) fn parse(text: &str) -> Option<BootId> {
        u128::from_str_radix(&text.replace('-', ""), 16).ok().map(BootId)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
        out.write_str(&parts.join("-"))
    }
}

impl Serialize for BootId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BootId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BootId::parse(&text).ok_or_else(|| D::Error::custom("no boot_id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "49450e1b-6f9f-446b-96fa-3286d3c662f0";
        assert_eq!(BootId::parse(text).unwrap().to_string(), text);
        assert_eq!(BootId::parse(&format!("{text}0")), None, "longer than 32 digits");
        assert_eq!(BootId::parse("-"), None);
    }
}
