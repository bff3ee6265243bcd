//! Bars in SVG, legible on light and on dark ground.

use std::fmt::{self, Write as _};

use crate::measure::figures::thousands;

/// Bars with an axis of their own.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
    /// Where the axis ends; longer bars are cut, and say how long they are.
    pub(super) most: f64,
    /// From one mark of the axis to the next.
    pub(super) step: f64,
    /// Multiples of the first bar that are marked.
    pub(super) lines: Vec<f64>,
}

/// One bar.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    /// What was put off, drawn behind it.
    pub(super) later: f64,
    pub(super) ours: bool,
}

/// Draws panels below each other.
pub(super) fn draw(title: &str, axis: &str, panels: &[Panel]) -> String {
    let height = HEAD + panels.iter().map(Panel::height).sum::<f64>() + FOOT;
    let mut out = String::new();
    // Writing into memory cannot fail.
    write_picture(&mut out, (title, axis), panels, height).unwrap_or_default();
    out
}

fn write_picture(
    out: &mut String,
    (title, axis): (&str, &str),
    panels: &[Panel],
    height: f64,
) -> fmt::Result {
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui,sans-serif\" font-size=\"13\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <text class=\"h\" x=\"{MARGIN}\" y=\"24\">{title}</text>"
    )?;
    let mut top = HEAD;
    for panel in panels {
        panel.write(out, top)?;
        top += panel.height();
    }
    let x = LEFT + (WIDTH - LEFT - MARGIN) / 2.0;
    writeln!(
        out,
        "<text class=\"n\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{axis}</text>",
        top + 8.0
    )?;
    out.write_str("</svg>\n")
}

impl Panel {
    fn height(&self) -> f64 {
        TITLE + self.bars.len() as f64 * ROW + AXIS
    }

    fn write(&self, out: &mut String, top: f64) -> fmt::Result {
        writeln!(
            out,
            "<text class=\"t\" x=\"{MARGIN}\" y=\"{}\">{}</text>",
            top + 16.0,
            self.title
        )?;
        let rows = top + TITLE;
        let foot = rows + self.bars.len() as f64 * ROW;
        self.write_axis(out, rows, foot)?;
        for (at, bar) in self.bars.iter().enumerate() {
            self.write_bar(out, bar, rows + at as f64 * ROW)?;
        }
        self.write_lines(out, rows, foot)
    }

    fn write_axis(&self, out: &mut String, top: f64, foot: f64) -> fmt::Result {
        for mark in 0..=(self.most / self.step) as u32 {
            let value = f64::from(mark) * self.step;
            let x = self.x(value);
            writeln!(
                out,
                "<path class=\"g\" d=\"M{x:.1} {top}V{foot}\"/>\
                 <text class=\"n\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                foot + 15.0,
                thousands(value as u64)
            )?;
        }
        Ok(())
    }

    fn write_bar(&self, out: &mut String, bar: &Bar, top: f64) -> fmt::Result {
        let class = if bar.ours { "o" } else { "b" };
        let (y, height) = (top + 3.0, ROW - 6.0);
        let base = top + ROW / 2.0 + 4.5;
        let (end, last) = (self.x(bar.value), self.x(bar.value + bar.later));
        let width = end - LEFT;
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\"/>",
            LEFT - 8.0,
            bar.name
        )?;
        if bar.later > 0.0 {
            let width = last - end;
            writeln!(
                out,
                "<rect class=\"l\" x=\"{end:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\"/>"
            )?;
        }
        // What is cut is named inside.
        let (class, x, anchor) = if bar.value > self.most {
            ("i", last - 6.0, "end")
        } else {
            ("v", last + 6.0, "start")
        };
        let words = bar.words(self.most);
        writeln!(
            out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{base:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        )
    }

    fn write_lines(&self, out: &mut String, top: f64, foot: f64) -> fmt::Result {
        let first = self.bars.first().map_or(0.0, |bar| bar.value);
        for line in &self.lines {
            let x = self.x(first * line);
            writeln!(
                out,
                "<path class=\"r\" d=\"M{x:.1} {top}V{foot}\"/>\
                 <text class=\"n\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{line}×</text>",
                top - 4.0
            )?;
        }
        Ok(())
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value / self.most).min(1.0) * (WIDTH - LEFT - MARGIN - VALUE)
    }
}

impl Bar {
    fn words(&self, most: f64) -> String {
        let value = thousands(self.value.round() as u64);
        match self {
            Bar { later, .. } if *later > 0.0 => {
                format!("{value} + {} put off", thousands(later.round() as u64))
            }
            Bar { value: long, .. } if *long > most => format!("{value} →"),
            _ => value,
        }
    }
}

const WIDTH: f64 = 860.0;
const MARGIN: f64 = 16.0;
/// Where bars begin.
const LEFT: f64 = 220.0;
/// Room for a figure behind the longest bar.
const VALUE: f64 = 40.0;
const HEAD: f64 = 40.0;
const TITLE: f64 = 40.0;
const ROW: f64 = 24.0;
const AXIS: f64 = 34.0;
const FOOT: f64 = 16.0;
const STYLE: &str = "text{fill:#24292f}.h{font-weight:600;font-size:15px}.t{font-weight:600}\
    .n{fill:#57606a;font-size:11px}.i{fill:#fff}.g{stroke:#8c959f;stroke-opacity:.3}\
    .r{stroke:#cf222e;stroke-dasharray:4 3}.b{fill:#6e7781}.o{fill:#0969da}.l{fill:#0969da;fill-opacity:.35}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}.r{stroke:#f85149}\
    .b{fill:#656c76}.o{fill:#1f6feb}.l{fill:#1f6feb;fill-opacity:.45}.i{fill:#fff}}";
