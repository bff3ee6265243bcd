//! What `serve` hears, shown on its terminal as it comes, whether or not the disk takes it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use bedside_store::Tap;
use bedside_store::follow::Tapped;
use jiff::tz::TimeZone;

use crate::cli::Output;
use crate::render::{self, Live, Look, Palette};

/// A thread that shows lines; ends with its last [`Tap`] and when it is dropped.
#[derive(Debug)]
pub(crate) struct Show {
    lines: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Show {
    /// Begins to show on standard output what will be kept in `data`.
    pub(crate) fn start(data: &Path) -> anyhow::Result<Show> {
        let (sender, receiver) = sync_channel(BATCHES);
        let data: PathBuf = data.to_owned();
        let thread = std::thread::Builder::new()
            .name("show".into())
            .spawn(move || show(&data, &receiver))
            .context("cannot start the thread that shows lines")?;
        Ok(Show { lines: Some(sender), thread: Some(thread) })
    }

    /// What takes the lines. A terminal that is too slow misses some: hearing goes first, and
    /// `bedside log` has them all.
    pub(crate) fn tap(&self) -> Tap {
        let lines = self.lines.clone();
        Box::new(move |text| {
            if let Some(lines) = &lines
                && lines.try_send(text.to_vec()).is_err()
            {
                tracing::debug!("the terminal is too slow; `bedside log` has every line");
            }
        })
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that shows lines has panicked");
        }
    }
}

fn show(data: &Path, batches: &Receiver<Vec<u8>>) {
    if let Err(error) = try_show(data, batches) {
        tracing::warn!("lines are no longer shown here: {error:#}; `bedside log -f` shows them");
    }
}

fn try_show(data: &Path, batches: &Receiver<Vec<u8>>) -> anyhow::Result<()> {
    let mut tapped: Option<Tapped> = None;
    let look = Look {
        palette: Palette::new(render::colours_on_stdout()),
        zone: TimeZone::system(),
        several_hosts: true,
        ..Look::default()
    };
    let mut live = Live::new(Output::Short, look);
    let mut out = io::stdout().lock();
    for batch in batches {
        // The store is there once the first batch is.
        let tapped = match &mut tapped {
            Some(tapped) => tapped,
            none => none.insert(Tapped::open(data)?),
        };
        for line in batch.split_inclusive(|byte| *byte == b'\n') {
            for item in tapped.take(line) {
                live.show(&item, None, &mut out)?;
            }
        }
        live.settle(&mut out)?;
        out.flush()?;
    }
    Ok(())
}

/// How many batches may wait for the terminal.
const BATCHES: usize = 256;
