//! Disks, their controllers, and file systems.

use super::Rule;

/// Filled below the families that the corpus has.
pub(super) const RULES: &[Rule] = &[];
