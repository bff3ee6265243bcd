//! The doctor.
fn main() {}
