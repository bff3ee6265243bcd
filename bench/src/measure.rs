//! What is measured, each way in a file of its own.

pub(crate) mod drain;
pub(crate) mod figures;
pub(crate) mod full;
