//! Every bound of the core, by name, with its reason; and what is counted.

/// The bounds of a [`Core`](crate::Core). `Default` gives the values documented here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams that have proven themselves, held in memory at once (1,048,576; about 300 bytes
    /// each when silent).
    pub proven_streams: usize,
    /// Streams of few datagrams, held in memory at once (16,384; about 1.5 KiB each). They have
    /// room of their own, so that no flood of made-up senders pushes out a real one.
    pub unproven_streams: usize,
    /// From how many datagrams on a stream is proven (4).
    pub proven_after: u32,
    /// Proven streams whose memory is at hand (16,384; about 1 KiB more each). Beyond it that
    /// of one which has not spoken lately is packed, and unpacked when it speaks.
    pub awake_streams: usize,
    /// How long a proven stream must have been silent before its memory is packed, in microseconds
    /// (one minute), however few are awake.
    pub sleep_after_us: u64,
    /// Newcomers come in a crowd when they push each other out within this time, in microseconds
    /// (one hour). They are strangers then.
    pub crowd_us: u64,
    /// How long a proven stream must have been silent before it makes room for another, in
    /// microseconds (one hour), if it was not heard for longer before.
    pub tenure_us: u64,
    /// The largest message put together from fragments, in bytes (131,072: a kernel of 2026 can
    /// send about 68 KiB).
    pub message_bytes: usize,
    /// Bytes of fragments and cut lines held over all streams (32 MiB). Beyond it the oldest are
    /// given out incomplete.
    pub pending_bytes: usize,
    /// Unfinished messages per stream (4): fragments of one message are sent back to back.
    pub pending_messages: usize,
    /// The longest basic line put together from cut datagrams, in bytes (16,384; kernels print
    /// up to 8,192).
    pub line_bytes: usize,
    /// How long an unfinished message or cut line waits for its rest, in microseconds (500,000).
    pub pending_timeout_us: u64,
    /// How far a sender's clock may step back within a boot before it is another boot, in
    /// microseconds (2,000,000): records reserved on different CPUs pass each other.
    pub clock_slack_us: u64,
    /// Streams of one address that are looked at when a new one may go on with the numbers of an
    /// old one (8).
    pub siblings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            proven_streams: 1 << 20,
            unproven_streams: 16_384,
            proven_after: 4,
            awake_streams: 16_384,
            sleep_after_us: 60_000_000,
            crowd_us: 3_600_000_000,
            tenure_us: 3_600_000_000,
            message_bytes: 128 * 1024,
            pending_bytes: 32 * 1024 * 1024,
            pending_messages: 4,
            line_bytes: 16 * 1024,
            pending_timeout_us: 500_000,
            clock_slack_us: 2_000_000,
            siblings: 8,
        }
    }
}

/// What a [`Core`](crate::Core) has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams handled.
    pub datagrams: u64,
    /// Records given out.
    pub records: u64,
    /// Records known to be repeats and dropped.
    pub repeats: u64,
    /// Records that came after one with a higher number and filled a hole.
    pub late: u64,
    /// Records given out with a part missing.
    pub incomplete: u64,
    /// Fragments that could not belong to any message (beyond the largest, or past its end);
    /// given out as incomplete records of their own.
    pub odd_fragments: u64,
    /// Unfinished messages given out early because a bound was reached.
    pub pending_evicted: u64,
    /// Streams forgotten to make room, proven ones.
    pub evicted_proven: u64,
    /// Streams forgotten to make room, unproven ones.
    pub evicted_unproven: u64,
    /// Streams that came back from the catalogue.
    pub recalled: u64,
    /// Newcomers that came in a crowd: what a flood of made-up senders counts as.
    pub strangers: u64,
    /// Strangers that came back, and were proven by that.
    pub returned: u64,
    /// Times that a stream had sent enough to be proven, and there was no room for one more.
    pub unproven_for_want_of_room: u64,
    /// Runs begun.
    pub runs: u64,
    /// Notices of the sender that it dropped records.
    pub drop_notices: u64,
    /// Notices that a record is sent again.
    pub replay_notices: u64,
}
