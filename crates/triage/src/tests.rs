//! What is found in real logs, and in lines built to the kernel's own format strings.

mod captures;
mod cases;
mod renamed;
mod score;
