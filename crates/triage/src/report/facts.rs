//! CPU, process, taint, release, hardware, modules, registers and code of a report.

use super::registers;
use crate::words::{between, number};
use crate::{Incident, ReportLine};

/// Fills in what the lines tell; the first to tell a thing is believed.
pub(super) fn gather(incident: &mut Incident, report: &[ReportLine]) {
    incident.registers.clear();
    incident.modules.clear();
    let mut in_user = false;
    for line in report {
        let text = line.text.trim();
        who(incident, text);
        in_user |= text.starts_with("RIP: 0033") || text.starts_with("RIP: 002b");
        if !in_user {
            registers::gather(&mut incident.registers, text);
        }
        if let Some(name) = text.strip_prefix("Hardware name: ") {
            incident.hardware.get_or_insert_with(|| name.trim().to_owned());
        } else if let Some(list) = text.strip_prefix("Modules linked in:") {
            if incident.modules.is_empty() {
                incident.modules = modules(list);
            }
        } else if let Some(bytes) = text.strip_prefix("Code: ")
            && !in_user
        {
            incident.code.get_or_insert_with(|| bytes.trim().to_owned());
        }
    }
}

/// Whose report it is, by its first lines: `WARNING: CPU: 1 PID: 12`, `by task name/12`,
/// `name/12 is trying`, `atomic: name/12/0x…`. A hung task's is told by another, and a stall's by
/// whoever looks.
pub(super) fn pid(report: &[ReportLine]) -> Option<u32> {
    let first = report.first()?.text.as_str();
    if let Some(pid) = first.strip_prefix("WARNING: ").and_then(|rest| between(rest, "PID: ", "")) {
        return number(pid);
    }
    let held = report
        .iter()
        .take(if first.contains("suspicious RCU usage") { 30 } else { 0 })
        .find_map(|line| between(&line.text, " held by ", ":"));
    let accessed = report.iter().take(4).find_map(|line| between(&line.text, " by task ", ""));
    accessed.or(held).and_then(|task| task.rsplit_once('/')).and_then(|(_, pid)| number(pid))
}

/// `CPU: 1 UID: 0 PID: 12 Comm: name Tainted: G W 6.12.0 #1` (lib/dump_stack.c:
/// `dump_stack_print_info`); before 3.10 `Pid: 12, comm: name Not tainted …`.
fn who(incident: &mut Incident, text: &str) {
    if incident.pid.is_none()
        && let Some(header) = text.strip_prefix("WARNING: ")
    {
        incident.cpu =
            between(header, "CPU: ", "").or_else(|| between(header, "CPU#", "")).and_then(number);
    }
    let line = text.strip_prefix("CPU: ");
    let Some(rest) = line
        .and_then(|line| between(line, " Comm: ", ""))
        .or_else(|| between(text, ", comm: ", ""))
    else {
        return;
    };
    if incident.release.is_some() {
        return;
    }
    incident.cpu = line.and_then(number).or(incident.cpu);
    incident.pid = between(text, "PID: ", "")
        .or_else(|| between(text, "Pid: ", ""))
        .and_then(number)
        .or(incident.pid);
    state(incident, rest);
}

/// `name Not tainted 6.12.0 #1` or `name Tainted: G W 6.12.0 #1`. A command may hold any words.
fn state(incident: &mut Incident, text: &str) {
    let clean = text.rsplit_once(" Not tainted ").map(|(command, rest)| (command, false, rest));
    let tainted = || text.rsplit_once(" Tainted: ").map(|(command, rest)| (command, true, rest));
    let Some((command, tainted, rest)) = clean.or_else(tainted) else { return };
    incident.command = Some(command.trim().to_owned());
    let mut words = rest.split_ascii_whitespace().peekable();
    // Red Hat's kernels have a mark for each flag that is not set.
    let flags = |word: &&str| word.chars().all(|flag| flag.is_ascii_uppercase() || flag == '-');
    while tainted && let Some(flags) = words.next_if(flags) {
        incident.taint.extend(flags.chars().filter_map(taint).map(str::to_owned));
    }
    incident.release = words.next().map(str::to_owned);
}

/// kernel/panic.c: `taint_flags`, in the words of Documentation/admin-guide/tainted-kernels.rst.
fn taint(flag: char) -> Option<&'static str> {
    Some(match flag {
        'P' => "proprietary module",
        'F' => "module loaded by force",
        'S' => "CPU out of specification",
        'R' => "module unloaded by force",
        'M' => "machine check",
        'B' => "bad page",
        'U' => "taint requested by user space",
        'D' => "died before",
        'A' => "ACPI table overridden",
        'W' => "warned before",
        'C' => "staging driver",
        'I' => "firmware bug worked around",
        'O' => "out-of-tree module",
        'E' => "unsigned module",
        'L' => "soft lockup before",
        'K' => "live patch",
        'X' => "auxiliary taint of the distribution",
        'T' => "randomized structures",
        'N' => "test",
        'J' => "fwctl's mutating debug commands",
        _ => return None,
    })
}

/// `a(O) b(E+) c [last unloaded: d]` (kernel/module/main.c: `print_modules`).
fn modules(list: &str) -> Vec<String> {
    let list = list.split(" [last unloaded").next().unwrap_or(list);
    let name = |word: &str| word.split('(').next().unwrap_or(word).to_owned();
    list.split_ascii_whitespace().map(name).collect()
}
