//! What is found in real logs, and in lines built to the kernel's own format strings.

mod captures;
mod cases;
mod devices;
mod events;
mod headless;
mod renamed;
mod rewritten;
mod score;
mod sentences;
mod together;
mod uncalled;
mod wordings;
