//! Registers, as each architecture prints them.

/// Name and value.
type Register = (String, String);

/// `RAX: 0000000000000000 RBX: …`, `RSP: 0018:ffff… EFLAGS: …`, `x29: … x28: …`, `sp : …`; riscv's
/// `epc : … ra : …`, powerpc's `MSR:  8000… <SF,EE>  CR: …` and `GPR04: … … … …`, 32-bit arm's
/// `pc : [<c0101234>]` (arch/*/kernel/process.c, arch/s390/kernel/dumpstack.c: `show_registers`).
pub(super) fn gather(known: &mut Vec<Register>, text: &str) {
    if row(known, text) {
        return;
    }
    let mut rest = text;
    while let Some((name, after)) = rest.split_once(':') {
        // powerpc spells out the bits of the register before.
        let name = name.trim().rsplit_once('>').map_or(name, |(_, name)| name).trim();
        let after = after.trim_start();
        let end = after.find(' ').unwrap_or(after.len());
        let value = after[..end].trim_start_matches("[<").trim_end_matches(">]");
        if !is_register(name) || !is_value(value) {
            return;
        }
        keep(known, name, value);
        rest = &after[end..];
    }
}

/// powerpc's `GPR04: v v v v`; s390's `Krnl PSW : mask address`, and its `Krnl GPRS: v v v v`, of
/// which three more rows have no name.
fn row(known: &mut Vec<Register>, text: &str) -> bool {
    let numbered = text.strip_prefix("GPR").and_then(|rest| rest.split_once(':'));
    if let Some((first, values)) = numbered.and_then(|(n, values)| Some((n.parse().ok()?, values)))
    {
        return general(known, first, values);
    }
    if let Some(values) = text.strip_prefix("Krnl GPRS:") {
        return general(known, 0, values);
    }
    if let Some(values) = text.strip_prefix("Krnl PSW :") {
        for (name, value) in ["pswm", "pswa"].into_iter().zip(values.split_ascii_whitespace()) {
            keep(known, name, value);
        }
        return true;
    }
    let last = known.last().and_then(|(name, _)| name.strip_prefix('r')?.parse().ok());
    last.is_some_and(|last: usize| last < 15 && last % 4 == 3 && general(known, last + 1, text))
}

/// Four general registers from this one on, if the line has nothing else.
fn general(known: &mut Vec<Register>, first: usize, values: &str) -> bool {
    let values: Vec<&str> = values.split_ascii_whitespace().collect();
    let whole = |value: &&str| matches!(value.len(), 8 | 16) && is_value(value);
    if values.len() != 4 || !values.iter().all(whole) {
        return false;
    }
    for (index, value) in values.into_iter().enumerate() {
        keep(known, &format!("r{}", first + index), value);
    }
    true
}

/// The first to tell a register is believed.
fn keep(known: &mut Vec<Register>, name: &str, value: &str) {
    if !known.iter().any(|(other, _)| other == name) {
        known.push((name.to_owned(), value.to_owned()));
    }
}

fn is_value(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'(' | b')');
    !text.is_empty() && text.bytes().all(part)
}

#[rustfmt::skip]
const NAMES: &[&str] = &[
    "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "RSP", "EFLAGS", "R08", "R09", "R10", "R11",
    "R12", "R13", "R14", "R15", "ORIG_RAX", "FS", "GS", "knlGS", "CS", "DS", "ES", "SS", "CR0",
    "CR2", "CR3", "CR4", "EAX", "EBX", "ECX", "EDX", "ESI", "EDI", "EBP", "ESP", "pstate", "sp",
    "lr", "pc", "ip", "fp", "psr", "FAR", "ESR", "epc", "ra", "gp", "tp", "status", "badaddr",
    "cause", "NIP", "LR", "CTR", "MSR", "CR", "XER", "CFAR", "DAR", "DSISR", "DEAR", "IRQMASK",
];

fn is_register(name: &str) -> bool {
    let numbered = |letter: char| {
        name.strip_prefix(letter)
            .is_some_and(|number| number.len() <= 2 && number.parse::<u8>().is_ok_and(|n| n < 32))
    };
    NAMES.contains(&name) || ['x', 'r', 'a', 's', 't'].into_iter().any(numbered)
}

#[cfg(test)]
mod tests {
    use super::gather;

    fn shown(lines: &[&str]) -> String {
        let mut known = Vec::new();
        for line in lines {
            gather(&mut known, line.trim());
        }
        let words: Vec<String> =
            known.iter().map(|(name, value)| format!("{name}={value}")).collect();
        words.join(" ")
    }

    #[test]
    fn registers_of_all_architectures() {
        for (lines, expected) in [
            (
                &["RSP: 0018:ff01 EFLAGS: 00010246", "RAX: 01 RBX: 02"][..],
                "RSP=0018:ff01 EFLAGS=00010246 RAX=01 RBX=02",
            ),
            (&["FS:  00(0000) GS:ff(0000) knlGS:00"], "FS=00(0000) GS=ff(0000) knlGS=00"),
            (&["x29: ff80 x28: ff00", "sp : ff"], "x29=ff80 x28=ff00 sp=ff"),
            (
                &[
                    "epc : foo_write+0x1e/0x40 [foo]",
                    "epc : ffd2 ra : ff27 sp : ff20",
                    " gp : ff t0 : 00",
                    "status: 0120 badaddr: 08 cause: 0d",
                ],
                "epc=ffd2 ra=ff27 sp=ff20 gp=ff t0=00 status=0120 badaddr=08 cause=0d",
            ),
            (
                &[
                    "NIP:  c05b LR: c05a CTR: c059",
                    "MSR:  8000000000009033 <SF,EE,ME,IR,DR,RI,LE>  CR: 24002822  XER: 00000000",
                    "GPR04: c00000000b2b1c00 0000000000000002 0000000000000001 0000000000000000 ",
                    "NIP [c0000000005b8a4c] broken_store+0x5c/0x110",
                ],
                "NIP=c05b LR=c05a CTR=c059 MSR=8000000000009033 CR=24002822 XER=00000000 r4=c00000000b2b1c00 r5=0000000000000002 r6=0000000000000001 r7=0000000000000000",
            ),
            (
                &[
                    "Krnl PSW : 0704d00180000000 000003ff7fe6a0c2 (broken_op+0x22/0x60 [foo])",
                    "           R:0 T:1 IO:1 EX:1 Key:0 M:1 W:0 P:0 AS:3 CC:1 PM:0 RI:0 EA:3",
                    "Krnl GPRS: 0000000000000001 0000000000000002 0000000000000003 0000000000000004",
                    "           0000000000000005 0000000000000006 0000000000000007 0000000000000008",
                    "Krnl Code: 000003ff7fe6a0b8: c0e5000003c4",
                ],
                "pswm=0704d00180000000 pswa=000003ff7fe6a0c2 r0=0000000000000001 r1=0000000000000002 r2=0000000000000003 r3=0000000000000004 r4=0000000000000005 r5=0000000000000006 r6=0000000000000007 r7=0000000000000008",
            ),
            (
                &["pc : [<c0101234>]    lr : [<c0101230>]    psr: 60000013", "r10: c0 r9 : 00"],
                "pc=c0101234 lr=c0101230 psr=60000013 r10=c0 r9=00",
            ),
            (&["task: 0 stack: 0", "dead 00000000 00000000 00000000"], ""),
        ] {
            assert_eq!(shown(lines), expected);
        }
    }
}
