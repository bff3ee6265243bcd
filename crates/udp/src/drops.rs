//! The kernel's drop counter, which is 32 bits wide and wraps, as a count that does not.

/// Turns readings of a socket's drop counter into what is new in each.
///
/// Readings are asked for (`SO_MEMINFO`) and don't come with each datagram (`SO_RXQ_OVFL`), which
/// costs every one of them a look, and tells what was dropped only once one more has come.
#[derive(Debug)]
pub(crate) struct DropCounter {
    last: u32,
}

impl DropCounter {
    /// Starts at what was counted before anybody listened here.
    pub(crate) fn starting_at(last: u32) -> Self {
        Self { last }
    }

    /// How many were dropped since the reading before.
    pub(crate) fn news(&mut self, reading: u32) -> u64 {
        u64::from(reading.wrapping_sub(std::mem::replace(&mut self.last, reading)))
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
    fn the_counter_wraps() {
        let mut counter = DropCounter::starting_at(u32::MAX - 1);
        assert_eq!([u32::MAX, 1].map(|reading| counter.news(reading)), [1, 2]);
    }
}
