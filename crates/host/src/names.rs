//! Names that are looked up by somebody who can't wait: a resolver whose servers are silent takes
//! many seconds for each.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bedside_plan::Host;

type Answer = io::Result<Vec<IpAddr>>;

/// What is known of names. An answer that comes late is taken the next time.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<BTreeMap<String, Name>>);

#[derive(Debug, Default)]
struct Name {
    last: Option<Vec<IpAddr>>,
    asked: Option<Receiver<Answer>>,
}

impl Names {
    /// What `resolve` says if it says it soon; else what it said last.
    pub(crate) fn soon(
        &self,
        host: &Host,
        patience: Duration,
        resolve: fn(&Host) -> Answer,
    ) -> Answer {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = names.entry(host.to_string()).or_default();
        let asked = match name.asked.take() {
            Some(asked) => asked,
            None => ask(host.clone(), resolve)?,
        };
        match asked.recv_timeout(patience) {
            Ok(answer) => {
                if let Ok(addresses) = &answer {
                    name.last = Some(addresses.clone());
                }
                answer
            }
            Err(RecvTimeoutError::Timeout) => {
                name.asked = Some(asked);
                name.last.clone().ok_or_else(|| io::Error::other("no name server answers"))
            }
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("nobody looks it up")),
        }
    }
}

fn ask(host: Host, resolve: fn(&Host) -> Answer) -> io::Result<Receiver<Answer>> {
    let (tell, answer) = sync_channel(1);
    thread::Builder::new().spawn(move || drop(tell.send(resolve(&host))))?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Answers at once, then never.
    fn once(host: &Host) -> Answer {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        if ASKED.fetch_add(1, Ordering::Relaxed) > 0 {
            return never(host);
        }
        Ok(vec![[10, 0, 0, 2].into()])
    }

    fn never(_: &Host) -> Answer {
        loop {
            thread::park();
        }
    }

    #[test]
    fn a_name_that_nobody_tells_soon_is_what_it_was() {
        let (names, host) = (Names::default(), Host::Name("doctor".into()));
        let known = vec![IpAddr::from([10, 0, 0, 2])];
        assert_eq!(names.soon(&host, Duration::from_mins(1), once).unwrap(), known);
        for _ in 0..2 {
            assert_eq!(names.soon(&host, Duration::ZERO, once).unwrap(), known);
        }
        let other = Host::Name("nurse".into());
        assert!(names.soon(&other, Duration::ZERO, never).is_err());
    }
}
