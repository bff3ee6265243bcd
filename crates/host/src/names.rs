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

use crate::resolve;

type Answer = io::Result<Vec<IpAddr>>;

/// A host whose name is looked up by a thread of its own, by one at a time.
#[derive(Debug)]
pub struct Name {
    host: Host,
    resolve: fn(&Host) -> Answer,
    last: Option<Vec<IpAddr>>,
    asked: Option<Receiver<Answer>>,
}

impl Name {
    /// Nothing is known of it yet; `resolve` looks it up, however long that takes.
    pub fn new(host: Host, resolve: fn(&Host) -> Answer) -> Self {
        Self { host, resolve, last: None, asked: None }
    }

    /// What it stands for now if that is said within `patience`; else what it stood for last.
    pub fn soon(&mut self, patience: Duration) -> Answer {
        let known = self.answer(patience);
        let last = || self.last.clone().ok_or_else(|| io::Error::other("no name server answers"));
        known.unwrap_or_else(last)
    }

    /// The answer to a question that is asked now, unless an earlier one has not been answered;
    /// nothing if none comes within `patience`.
    pub fn answer(&mut self, patience: Duration) -> Option<Answer> {
        if let Host::Address(address) = self.host {
            return Some(Ok(vec![address]));
        }
        let asked = match self.asked.take().map_or_else(|| self.ask(), Ok) {
            Ok(asked) => asked,
            Err(error) => return Some(Err(error)),
        };
        match asked.recv_timeout(patience) {
            Ok(answer) => {
                if let Ok(addresses) = &answer {
                    self.last = Some(addresses.clone());
                }
                Some(answer)
            }
            Err(RecvTimeoutError::Timeout) => {
                self.asked = Some(asked);
                None
            }
            Err(RecvTimeoutError::Disconnected) => {
                Some(Err(io::Error::other("nobody looks it up")))
            }
        }
    }

    /// Whether a question has not been answered yet.
    pub fn is_awaited(&self) -> bool {
        self.asked.is_some()
    }

    fn ask(&self) -> io::Result<Receiver<Answer>> {
        let (host, resolve, (tell, answer)) = (self.host.clone(), self.resolve, sync_channel(1));
        thread::Builder::new().spawn(move || drop(tell.send(resolve(&host))))?;
        Ok(answer)
    }
}

/// What is known of names.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<BTreeMap<String, Name>>);

impl Names {
    /// As [`Name::soon`].
    pub(crate) fn soon(&self, host: &Host, patience: Duration) -> Answer {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = names.entry(host.to_string());
        name.or_insert_with(|| Name::new(host.clone(), resolve)).soon(patience)
    }
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
        let mut name = Name::new(Host::Name("doctor".into()), once);
        let known = vec![IpAddr::from([10, 0, 0, 2])];
        assert_eq!(name.soon(Duration::from_mins(1)).unwrap(), known);
        for _ in 0..2 {
            assert_eq!(name.soon(Duration::ZERO).unwrap(), known);
            assert!(name.is_awaited() && name.answer(Duration::ZERO).is_none(), "no news");
        }
        let mut other = Name::new(Host::Name("nurse".into()), never);
        assert!(other.soon(Duration::ZERO).is_err());
    }

    #[test]
    fn an_address_is_asked_of_nobody() {
        let address = IpAddr::from([10, 0, 0, 2]);
        let mut name = Name::new(Host::Address(address), never);
        assert_eq!(name.answer(Duration::ZERO).unwrap().unwrap(), [address]);
    }
}
