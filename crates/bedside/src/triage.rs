//! `bedside triage`: the incidents in any text with a kernel's lines in it, without a store.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::Path;

use anyhow::Context as _;
use bedside_triage::{Event, Incident, Text};

use crate::cli::{Report, TriageArgs};
use crate::render::{self, Palette, incident};
use crate::{Exit, exit};

/// Shows the incidents of a file.
pub fn run(args: &TriageArgs) -> anyhow::Result<Exit> {
    let file = args.file.as_deref().filter(|path| *path != Path::new("-"));
    let name = file.map_or("standard input".to_owned(), |path| path.display().to_string());
    let input = open(file).with_context(|| format!("cannot open {name}"))?;
    let palette = Palette::new(render::colours_on_stdout());
    let (report, mut out) = (args.report(), render::stdout());
    let mut shown = 0;
    let mut show = |incident: &Incident| {
        shown += 1;
        show(report, incident, palette, &mut out)
    };
    let read = triage(input, &mut show).map_err(|failed| match failed {
        Failed::Read(error) => anyhow::Error::new(error).context(format!("cannot read {name}")),
        Failed::Show(error) => anyhow::Error::new(error),
    });
    out.flush()?;
    read?;
    Ok(match (shown, report) {
        (0, Report::Page) => exit::tell(Exit::Well, &format!("no incident in {name}")),
        _ => Exit::Well,
    })
}

/// Writes an incident as it is asked for.
pub fn show(
    report: Report,
    found: &Incident,
    palette: Palette,
    out: &mut dyn Write,
) -> io::Result<()> {
    match report {
        Report::Page => incident::page(found, &[], &[], palette, out)?,
        Report::Markdown => incident::markdown(found, &[], out)?,
        Report::Syz => incident::syz(found, out)?,
        Report::Json => return render::write_line(&incident::Told::new(found), out),
    }
    writeln!(out)
}

enum Failed {
    Read(io::Error),
    Show(io::Error),
}

/// Gives each incident out once it is closed, in the order of their first lines.
fn triage(
    mut input: impl BufRead,
    show: &mut dyn FnMut(&Incident) -> io::Result<()>,
) -> Result<(), Failed> {
    let (mut text, mut queue, mut line) = (Text::new(), Queue::default(), Vec::new());
    while read_line(&mut input, &mut line).map_err(Failed::Read)? {
        text.hear(&line, &mut |event| queue.take(event));
        queue.give(show).map_err(Failed::Show)?;
    }
    text.finish(&mut |event| queue.take(event));
    queue.give(show).map_err(Failed::Show)
}

/// Incidents by their first lines, until those before them are closed.
#[derive(Default)]
struct Queue {
    waiting: BTreeMap<(u64, u64), Option<Incident>>,
}

impl Queue {
    fn take(&mut self, event: Event<'_>) {
        let incident = event.incident();
        let closed = matches!(event, Event::Closed(_)).then(|| incident.clone());
        self.waiting.insert((incident.first_line, incident.id), closed);
    }

    fn give(&mut self, show: &mut dyn FnMut(&Incident) -> io::Result<()>) -> io::Result<()> {
        while let Some(first) = self.waiting.first_entry() {
            let Some(incident) = first.get() else { return Ok(()) };
            show(incident)?;
            first.remove();
        }
        Ok(())
    }
}

/// The next line without its newline, as far as `LINE`; false at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = input.by_ref().take(LINE).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if read as u64 == LINE {
        input.skip_until(b'\n')?;
    }
    Ok(read > 0)
}

fn open(file: Option<&Path>) -> io::Result<Box<dyn BufRead>> {
    let Some(path) = file else { return unpacked(io::stdin().lock()) };
    unpacked(BufReader::with_capacity(BUFFER, File::open(path)?))
}

fn unpacked(mut input: impl BufRead + 'static) -> io::Result<Box<dyn BufRead>> {
    if !input.fill_buf()?.starts_with(ZSTD) {
        return Ok(Box::new(input));
    }
    let decoder = zstd::Decoder::with_buffer(input)?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)))
}

/// The beginning of a zstd frame, RFC 8878 section 3.1.1.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What is read of a line; the kernel's own are shorter than 4 KiB.
const LINE: u64 = 64 << 10;
const BUFFER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_newlines_or_the_text_and_overlong_ones_are_cut() {
        let long = [b"x".repeat(LINE as usize + 9), b"\nafter\n\nlast".to_vec()].concat();
        let (mut input, mut line, mut lines) = (long.as_slice(), Vec::new(), Vec::new());
        while read_line(&mut input, &mut line).unwrap() {
            lines.push(line.len());
        }
        assert_eq!(lines, [LINE as usize, 5, 0, 4]);
    }
}
