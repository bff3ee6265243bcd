//! The kernel's drop counter, which is 32 bits wide and wraps, as a count that does not.

/// Turns readings of a socket's drop counter into what is new in each.
///
/// Readings come from two places: with a datagram (`SO_RXQ_OVFL`: the counter when that datagram
/// was queued) and on request (`SO_MEMINFO`: the counter now). So a reading can be older than
/// the one before; it then says nothing new.
#[derive(Debug)]
pub(crate) struct DropCounter {
    last: u32,
}

impl DropCounter {
    /// Starts at what was counted before anybody listened here.
    pub(crate) fn starting_at(last: u32) -> Self {
        Self { last }
    }

    /// How many were dropped since the newest reading so far.
    pub(crate) fn news(&mut self, reading: u32) -> u64 {
        let ahead = reading.wrapping_sub(self.last);
        if ahead > u32::MAX / 2 {
            return 0;
        }
        self.last = reading;
        u64::from(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::DropCounter;

    #[test]
    fn each_drop_is_news_once() {
        let mut counter = DropCounter::starting_at(0);
        assert_eq!([0, 3, 3, 10].map(|reading| counter.news(reading)), [0, 3, 0, 7]);
    }

    #[test]
    fn an_older_reading_says_nothing_and_hides_nothing() {
        let mut counter = DropCounter::starting_at(5);
        assert_eq!([9, 7, 9, 12].map(|reading| counter.news(reading)), [4, 0, 0, 3]);
    }

    #[test]
    fn the_counter_wraps() {
        let mut counter = DropCounter::starting_at(u32::MAX - 1);
        assert_eq!([u32::MAX, 1].map(|reading| counter.news(reading)), [1, 2]);
    }
}
