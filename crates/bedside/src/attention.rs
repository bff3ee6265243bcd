//! What looks for incidents while the doctor hears, and tells of them.

use std::io;
use std::path::Path;

use bedside_store::follow::Nudge;

use crate::alerts::{Courier, Post};
use crate::config::Config;
use crate::incidents::{Alarm, Sight, Watch};

/// The doctor's attention to what it hears.
#[derive(Debug)]
pub(crate) struct Attention {
    watch: Option<Watch>,
    post: Option<Post>,
}

impl Attention {
    /// Starts the courier of alerts, if there are any: while the doctor may still run programs.
    pub(crate) fn courier(config: &Config) -> anyhow::Result<Option<Courier>> {
        (!config.alert.is_empty()).then(|| Courier::start(&config.alert)).transpose()
    }

    /// Begins to look at what is stored in `data`, whenever its writer says that it is worth it.
    pub(crate) fn begin(
        data: &Path,
        config: &Config,
        courier: Option<Courier>,
        nudge: Nudge,
    ) -> io::Result<Attention> {
        let post = courier.map(|courier| Post::start(data, &config.alert, courier)).transpose()?;
        let alarm = post.as_ref().map(|post| {
            let (rules, data) = (config.alert.clone(), data.to_owned());
            Alarm { rules, bell: post.bell(), data }
        });
        let watch = Watch::start(data, config.store.incidents.0, alarm, nudge);
        // Incidents are found later then, by the next doctor.
        let watch = watch.inspect_err(|error| tracing::warn!(%error, "cannot look for incidents"));
        Ok(Attention { watch: watch.ok(), post })
    }

    /// How the search for incidents goes.
    pub(crate) fn sight(&self) -> Sight {
        let blind = || Sight { trouble: Some("no thread".to_owned()), ..Sight::default() };
        self.watch.as_ref().map_or_else(blind, Watch::sight)
    }

    /// Whether nobody is told of incidents any more, though rules want that.
    pub(crate) fn is_silenced(&self) -> bool {
        self.post.as_ref().is_some_and(Post::is_silenced)
    }

    /// Looks at what is stored by now, and ends.
    pub(crate) fn end(self) {
        self.watch.into_iter().for_each(Watch::finish);
        self.post.into_iter().for_each(Post::finish);
    }
}
