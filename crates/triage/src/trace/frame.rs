//! One line of a trace to a frame.

use crate::words::{hex, is_function};
use crate::{Frame, Section};

/// Reads a line as a call: `[<addr>] ? function+0x12/0x34 [module] file.c:12 [inline]`
/// (lib/vsprintf.c: `symbol_string`; kernel/kallsyms.c: `__sprint_symbol`; the places and
/// `[inline]` are what symbolizers add), or as `function (file.c:12) module`.
pub(crate) fn frame(text: &str) -> Option<Frame> {
    let text = text.trim();
    // mm/kmemleak.c: `print_unreferenced` writes it in front of each line.
    let text = text.strip_prefix("kmemleak:").unwrap_or(text).trim_start();
    let (text, mut reliable) = after_address(text);
    let text = match text.strip_prefix("? ") {
        Some(rest) => {
            reliable = false;
            rest.trim_start()
        }
        None => text,
    };
    let text = callee_of_arm(text).unwrap_or(text).trim_ascii_start();
    let (symbol, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    let rest = rest.trim();
    let mut frame =
        symbolized(symbol).or_else(|| inlined(symbol, rest)).or_else(|| decoded(symbol, rest))?;
    frame.reliable = reliable;
    attributes(rest, &mut frame);
    Some(frame)
}

/// `function+0x12/0x34`, or without the size; arm64 puts flags behind (`+0x12/0x34 (P)`).
pub(crate) fn symbolized(symbol: &str) -> Option<Frame> {
    let symbol = symbol.trim_matches(['(', ')']);
    let (function, position) = symbol.rsplit_once('+')?;
    let (offset, size) = match position.split_once('/') {
        Some((offset, size)) => (hex(offset)?, Some(hex(size)?)),
        None => (hex(position)?, None),
    };
    let function = is_function(function).then(|| function.to_owned())?;
    Some(Frame { function, offset: Some(offset), size, ..Frame::default() })
}

/// `function file.c:12 [inline]`: only a symbolizer says so, and there is no offset.
fn inlined(symbol: &str, rest: &str) -> Option<Frame> {
    let inline = rest.ends_with("[inline]") && place(rest.split(' ').next()?).is_some();
    (inline && is_function(symbol)).then(|| Frame {
        function: symbol.to_owned(),
        inline: true,
        ..Frame::default()
    })
}

/// `function (file.c:12 (discriminator 3)) module`, with the places of inlined callees in front:
/// what scripts/decode_stacktrace.sh makes of a call.
fn decoded(symbol: &str, rest: &str) -> Option<Frame> {
    let (places, after) = rest.strip_prefix('(')?.rsplit_once(')')?;
    let source = places.split([' ', ')']).next()?;
    (place(source).is_some() && is_function(symbol)).then(|| Frame {
        function: symbol.to_owned(),
        source: Some(source.to_owned()),
        module: Some(after.trim().to_owned()).filter(|module| is_module(module)),
        ..Frame::default()
    })
}

/// Takes `[<ffffffff81d91149>]` and `[c0000000f] [c00000]` away.
fn after_address(mut text: &str) -> (&str, bool) {
    while let Some(rest) = text.strip_prefix('[') {
        let Some((inner, rest)) = rest.split_once(']') else { break };
        let inner = inner.trim_matches(['<', '>']).trim();
        if inner != "inline"
            && !inner.trim_start_matches("0x").bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            break;
        }
        text = rest.trim_start();
    }
    (text, true)
}

/// 32-bit arm names callee and caller: `(dump_backtrace) from [<c010b2c4>] (show_stack+0x18/0x1c)`
/// and, since 5.18, `dump_backtrace from show_stack+0x18/0x1c` (arch/arm/kernel/traps.c:
/// `dump_backtrace_entry`). The caller, which has the offset, is the frame.
fn callee_of_arm(text: &str) -> Option<&str> {
    let (callee, rest) = text.split_once(" from ")?;
    if !is_function(callee.trim_matches(['(', ')'])) {
        return None;
    }
    let (symbol, _) = after_address(rest);
    Some(symbol.trim_start_matches('('))
}

/// The callee that the first line of such a trace names and no frame would.
pub(crate) fn first_callee(text: &str) -> Option<&str> {
    let (text, _) = after_address(text.trim());
    let (callee, _) = text.split_once(" from ")?;
    let callee = callee.trim_matches(['(', ')']);
    is_function(callee).then_some(callee)
}

/// What follows the symbol: `[module]`, `[module 1234abcd]`, `file.c:12`, `[inline]`,
/// `(unreliable)`.
fn attributes(rest: &str, frame: &mut Frame) {
    for word in rest.split_ascii_whitespace() {
        match word {
            "[inline]" => frame.inline = true,
            "(unreliable)" => frame.reliable = false,
            _ => {
                if let Some(module) = word.strip_prefix('[') {
                    let module = module.trim_end_matches(']');
                    if is_module(module) && frame.module.is_none() {
                        frame.module = Some(module.to_owned());
                    }
                } else if frame.source.is_none() && place(word).is_some() {
                    frame.source = Some(word.to_owned());
                }
            }
        }
    }
}

fn is_module(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// `dir/file.c:12` or with a column: the file and the line.
pub(crate) fn place(word: &str) -> Option<(&str, u32)> {
    let mut parts = word.split(':');
    let (file, line) = (parts.next()?, parts.next()?);
    let line = line.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()?;
    let extension = file.rsplit_once('.')?.1;
    matches!(extension, "c" | "h" | "S" | "rs" | "y" | "l").then_some((file, line))
}

/// Where the traces of `<IRQ>`, `<TASK>`, `<NMI>` … begin and end
/// (arch/x86/kernel/dumpstack_64.c: `stack_type_name`).
pub(crate) fn section(text: &str) -> Option<Section> {
    let name = text.trim().strip_prefix('<')?.strip_suffix('>')?;
    Some(match name {
        "TASK" | "/TASK" | "/IRQ" | "/NMI" | "/SOFTIRQ" | "EOI" | "EOE" | "<EOI>" => Section::Task,
        "IRQ" => Section::Irq,
        "SOFTIRQ" => Section::Softirq,
        "NMI" => Section::Nmi,
        _ if name.len() < 24
            && name.bytes().all(|b| b.is_ascii_uppercase() || b"#/_ 0123456789".contains(&b)) =>
        {
            if name.starts_with('/') {
                Section::Task
            } else {
                Section::Exception
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::frame;

    fn shown(text: &str) -> String {
        frame(text).map_or_else(String::new, |frame| {
            let mark = if frame.reliable { "" } else { "? " };
            let module = frame.module.map(|module| format!(" [{module}]")).unwrap_or_default();
            let size = frame.size.unwrap_or(0);
            format!("{mark}{}+{:x}/{size:x}{module}", frame.function, frame.offset.unwrap_or(0))
        })
    }

    #[test]
    fn calls_of_all_architectures_and_ages() {
        let calls = [
            (" [<ffffffff81d91149>] dump_stack+0xc1/0x128", "dump_stack+c1/128"),
            ("  ? schedule+0xd0/0x2a0 [ext4]", "? schedule+d0/2a0 [ext4]"),
            ("  [<ffffffff81d91149>] ? a.isra.5+0x1/0x2", "? a.isra.5+1/2"),
            (
                "[<8010e300>] (show_stack) from [<8018de80>] (rcu_check+0x7a0/0x7a8)",
                "rcu_check+7a0/7a8",
            ),
            (" dump_backtrace from show_stack+0x18/0x1c", "show_stack+18/1c"),
            (" dump_backtrace from  show_stack+0x18/0x1c", "show_stack+18/1c"),
            ("a from \tab\u{fffd}", ""),
            ("[c00000001] [c000000002] warn+0x12/0x34 (unreliable)", "? warn+12/34"),
            (" vfs_read+0x10/0x20 [nfs 0123abcd]", "vfs_read+10/20 [nfs]"),
            (" __dump_stack lib/dump_stack.c:15 [inline]", "__dump_stack+0/0"),
            (" do_el0_svc+0x48/0x58 (P)", "do_el0_svc+48/58"),
            ("? a (fs/a.h:1 fs/a.c:12 (discriminator 3)) nfs ", "? a+0/0 [nfs]"),
            (" a.cold (fs/a.c:12) ", "a.cold+0/0"),
            ("see (the manual) or a (b)", ""),
            (" 0xffffffffffffffff", ""),
            ("RAX: 0000000000000000 RBX: ffff8801db12ca40", ""),
        ];
        for (text, expected) in calls {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
