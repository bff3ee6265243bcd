//! A program without std, alloc or an operating system that uses all of `netconsole-wire`.
//!
//! It is compiled and linked, never run: see `tests/no_std.rs`.
#![no_std]

use core::fmt::Write;

use netconsole_wire::{Datagram, SliceSink, parameter, parse, unescape_into};

/// Reads, writes, unescapes and explains, so that all of it must be linked.
pub extern "C" fn bare(payload: &[u8; 64], room: &mut [u8; 64]) -> usize {
    let mut used = match parse(payload) {
        Datagram::Extended(message) => {
            let record = message.record();
            record.fields.iter().map(|field| field.value.unescaped().count()).sum()
        }
        Datagram::Basic(basic) => basic.lines().map(|line| line.text.len()).sum(),
        Datagram::Syslog(message) => message.text.len(),
        Datagram::Raw(bytes) => bytes.len(),
    };
    parse(payload).emit(&mut SliceSink::new(room));
    used += unescape_into(payload, room);
    if let Ok(text) = core::str::from_utf8(payload) {
        let mut out = Length(0);
        let written = match parameter::parse(text) {
            Ok(parameter) => write!(out, "{}{parameter}", parameter.explain()),
            Err(error) => write!(out, "{error}"),
        };
        used += if written.is_ok() { out.0 } else { 0 };
    }
    used
}

struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// With std anywhere below there would be two of these, which rustc refuses.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
