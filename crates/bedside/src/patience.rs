//! How long the sockets are left alone once they are empty.

use std::time::Duration;

use bedside_stream::Monotonic;
use bedside_udp::Socket;

use crate::config::Config;
use crate::doctor::Doctor;

/// What the patience depends on, besides the configuration and who follows.
pub(crate) struct Patience {
    /// Every socket has room for what may come in a longer while.
    roomy: bool,
}

impl Patience {
    /// For listening on `sockets`.
    pub(crate) fn with<'a>(mut sockets: impl Iterator<Item = &'a Socket>) -> Patience {
        Patience { roomy: sockets.all(|socket| socket.receive_buffer() >= ROOMY) }
    }

    /// Who follows wants to see a line at once, and so does who is to be told of a death; if nobody
    /// does, waking up seldom is worth more.
    pub(crate) fn at(&self, now: Monotonic, config: &Config, doctor: &Doctor) -> Duration {
        let Config { patience, patience_unfollowed, .. } = config;
        let calm = doctor.alarmed().is_none_or(|at| now.0.saturating_sub(at.0) >= ALARM_US);
        let long = self.roomy && calm && !doctor.writer().is_followed();
        if long { patience.0.max(patience_unfollowed.0) } else { patience.0 }
    }
}

/// For so long after the first line of what may be an incident the others are expected.
const ALARM_US: u64 = 1_000_000;

/// Bytes of receive buffer, as the kernel counts them. In 20 ms 400,000 datagrams/s of the largest
/// lines, with what the kernel counts beside them, take up half of it.
const ROOMY: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use bedside_store::read::Reader;
    use bedside_stream::{StreamKey, WallTime};

    use super::*;

    #[test]
    fn it_is_long_where_nobody_follows_and_there_is_room() {
        let (dir, config) = (tempfile::tempdir().unwrap(), Config::default());
        let (doctor, _) = Doctor::open(dir.path(), &config, None, false).unwrap();
        let millis = |roomy| Patience { roomy }.at(Monotonic(0), &config, &doctor).as_millis();
        assert_eq!((millis(true), millis(false)), (20, 3));
        let _follower = Reader::open(dir.path()).unwrap().follow().unwrap();
        assert_eq!((millis(true), millis(false)), (3, 3));
    }

    #[test]
    fn it_is_short_while_a_machine_may_be_dying() {
        let (dir, config) = (tempfile::tempdir().unwrap(), Config::default());
        let (mut doctor, _) = Doctor::open(dir.path(), &config, None, false).unwrap();
        let key = StreamKey::new("10.0.0.1:6665".parse().unwrap(), 6666);
        let lines = [&b"4,1,9,-;all is well\n"[..], b"0,2,9,-;Kernel panic - not syncing: lab\n"];
        let millis = lines.map(|line| {
            doctor.hear(Monotonic(5), &key, WallTime(7), line);
            let at = |now| Patience { roomy: true }.at(Monotonic(now), &config, &doctor);
            [6, 2_000_000].map(|now| at(now).as_millis())
        });
        assert_eq!(millis, [[20, 20], [3, 20]]);
    }
}
