//! Times as people write them, and as we write them.

use std::fmt;

use bedside_stream::WallTime;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::friendly::SpanParser;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp, Zoned};

/// A time that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotATime(String);

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a time: give one like '2026-11-20 13:44:37', '13:44', 'yesterday', \
             '-1h30m', '2 days ago' or '@1763646277'",
            self.0
        )
    }
}

impl std::error::Error for NotATime {}

/// Reads an absolute or a relative time; what names no zone is meant in that of `now`.
///
/// A bare span lies in the past: a log has no lines from the future.
pub fn parse(text: &str, now: &Zoned, twice: Twice) -> Result<WallTime, NotATime> {
    let trimmed = text.trim();
    by_name(trimmed, now)
        .or_else(|| since_epoch(trimmed))
        .or_else(|| relative(trimmed, now))
        .or_else(|| absolute(trimmed, now, twice))
        .map(wall_time)
        .ok_or_else(|| NotATime(text.to_owned()))
}

/// Which moment is meant where the clock was put back, and a time of day came twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    /// The first: what begins there holds both.
    First,
    /// The second: what ends there holds both.
    Second,
}

/// Reads the beginning of a window as [`parse`] does, from this moment and in this machine's zone.
pub fn parse_since(text: &str) -> Result<WallTime, NotATime> {
    parse(text, &Zoned::now(), Twice::First)
}

/// Reads the end of one.
pub fn parse_until(text: &str) -> Result<WallTime, NotATime> {
    parse(text, &Zoned::now(), Twice::Second)
}

/// This moment.
pub fn now() -> WallTime {
    wall_time(Timestamp::now())
}

/// The moment as jiff knows it; what lies beyond the year 9999 becomes its last moment.
pub fn timestamp(time: WallTime) -> Timestamp {
    i64::try_from(time.0)
        .ok()
        .and_then(|micros| Timestamp::from_microsecond(micros).ok())
        .unwrap_or(Timestamp::MAX)
}

/// RFC 3339 in UTC with microseconds: `2026-11-20T13:44:37.545145Z`.
pub fn rfc3339(time: WallTime) -> String {
    format!("{:.6}", timestamp(time))
}

/// `2026-11-20 13:44:37.545` in the given zone, with as many decimals as asked for.
pub fn local(time: WallTime, zone: &TimeZone, decimals: usize) -> String {
    let moment = zone.to_datetime(timestamp(time));
    let fraction = format!("{:06}", moment.subsec_nanosecond() / 1_000);
    let point = if decimals == 0 { "" } else { "." };
    let decimals = fraction.get(..decimals.min(6)).unwrap_or_default();
    format!(
        "{} {:02}:{:02}:{:02}{point}{decimals}",
        moment.date(),
        moment.hour(),
        moment.minute(),
        moment.second()
    )
}

/// `Tuesday`, in the given zone.
pub fn weekday(time: WallTime, zone: &TimeZone) -> String {
    zone.to_datetime(timestamp(time)).strftime("%A").to_string()
}

/// A length of time in its one or two greatest units: `14 s`, `3 h 2 min`, `210 ms`.
pub fn length(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (great, small) = match seconds {
        0 => return format!("{} ms", micros / 1_000),
        1..60 => return format!("{seconds} s"),
        60..3_600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3_600..86_400 => ((seconds / 3_600, "h"), (seconds / 60 % 60, "min")),
        _ => ((seconds / 86_400, "d"), (seconds / 3_600 % 24, "h")),
    };
    match small.0 {
        0 => format!("{} {}", great.0, great.1),
        _ => format!("{} {} {} {}", great.0, great.1, small.0, small.1),
    }
}

/// How long ago `then` was: `14 s ago`, and `just now` when the clocks disagree.
pub fn ago(then: WallTime, now: WallTime) -> String {
    match now.0.checked_sub(then.0) {
        None | Some(0..1_000_000) => "just now".to_owned(),
        Some(micros) => format!("{} ago", length(micros)),
    }
}

fn wall_time(timestamp: Timestamp) -> WallTime {
    WallTime(u64::try_from(timestamp.as_microsecond()).unwrap_or(0))
}

fn by_name(text: &str, now: &Zoned) -> Option<Timestamp> {
    let day = match text {
        "now" => return Some(now.timestamp()),
        "today" => now.clone(),
        "yesterday" => now.yesterday().ok()?,
        "tomorrow" => now.tomorrow().ok()?,
        _ => return None,
    };
    Some(day.start_of_day().ok()?.timestamp())
}

/// `@` and seconds since 1970, with up to six decimals that count.
fn since_epoch(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = match text.strip_prefix('@')?.split_once('.') {
        Some((seconds, fraction)) => (seconds, fraction),
        None => (text.strip_prefix('@')?, "0"),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    Timestamp::from_microsecond(seconds.checked_mul(1_000_000)?.checked_add(micros)?).ok()
}

/// `-1h30m`, `+5min`, `2 days ago`, `90s`.
fn relative(text: &str, now: &Zoned) -> Option<Timestamp> {
    if text.contains(':') {
        return None; // A time of day: the span parser would take it for a length.
    }
    let ahead = text.starts_with('+');
    let span: Span = SpanParser::new().parse_span(text).ok()?;
    let past = if ahead || span.is_negative() { span } else { -span };
    Some(now.checked_add(past).ok()?.timestamp())
}

fn absolute(text: &str, now: &Zoned, twice: Twice) -> Option<Timestamp> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    let (text, zone) = match text.strip_suffix("UTC") {
        Some(rest) => (rest.trim_end(), TimeZone::UTC),
        None => (text, now.time_zone().clone()),
    };
    let moment = civil(text, now.date())?;
    let moment = zone.into_ambiguous_zoned(moment);
    let moment = match (moment.offset(), twice) {
        (AmbiguousOffset::Fold { .. }, Twice::Second) => moment.later(),
        // What never was, where the clock was put forward, counts on from before.
        _ => moment.compatible(),
    };
    // The last hours that can be written are not a moment everywhere: they are for ever.
    Some(moment.map_or(Timestamp::MAX, |zoned| zoned.timestamp()))
}

/// A date, a date and a time, or a time of `today`.
fn civil(text: &str, today: Date) -> Option<DateTime> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if let Ok(moment) = text.parse::<DateTime>() {
        return Some(moment);
    }
    // `2026` is a year to most, and no time of day.
    if text.contains(':')
        && let Ok(time) = text.parse::<Time>()
    {
        return Some(today.to_datetime(time));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Friday 2026-11-20, 14:44:37.5 in Paris, one hour ahead of UTC.
    fn now() -> Zoned {
        "2026-11-20T14:44:37.5+01:00[Europe/Paris]".parse().unwrap()
    }

    fn check(text: &str, utc: &str) {
        let read = parse(text, &now(), Twice::First).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(rfc3339(read), utc, "{text}");
    }

    #[test]
    fn absolute_times_are_local_unless_they_name_a_zone() {
        check("2026-11-20", "2026-11-19T23:00:00.000000Z");
        check("2026-11-20 13:44", "2026-11-20T12:44:00.000000Z");
        check("2026-11-20 13:44:37", "2026-11-20T12:44:37.000000Z");
        check("2026-11-20T13:44:37.545145", "2026-11-20T12:44:37.545145Z");
        check("2026-11-20T13:44:37.545145Z", "2026-11-20T13:44:37.545145Z");
        check("2026-11-20 13:44:37+02:00", "2026-11-20T11:44:37.000000Z");
        check("2026-11-20 13:44 UTC", "2026-11-20T13:44:00.000000Z");
        check("13:44", "2026-11-20T12:44:00.000000Z");
        check("9999-12-31", "9999-12-30T22:00:00.999999Z");
        check("13:44:37.25", "2026-11-20T12:44:37.250000Z");
        check("@1763646277", "2025-11-20T13:44:37.000000Z");
        check("@1763646277.5", "2025-11-20T13:44:37.500000Z");
    }

    #[test]
    fn relative_times_count_from_now() {
        check("now", "2026-11-20T13:44:37.500000Z");
        check("today", "2026-11-19T23:00:00.000000Z");
        check("yesterday", "2026-11-18T23:00:00.000000Z");
        check("tomorrow", "2026-11-20T23:00:00.000000Z");
        check("-1h", "2026-11-20T12:44:37.500000Z");
        check("-1h30m", "2026-11-20T12:14:37.500000Z");
        check("-5min", "2026-11-20T13:39:37.500000Z");
        check("1h", "2026-11-20T12:44:37.500000Z");
        check("2 days ago", "2026-11-18T13:44:37.500000Z");
        check("1 hour ago", "2026-11-20T12:44:37.500000Z");
        check("+5min", "2026-11-20T13:49:37.500000Z");
        check(" -90s ", "2026-11-20T13:43:07.500000Z");
    }

    #[test]
    fn a_time_that_summer_skipped_is_taken_as_the_one_after() {
        check("2026-03-29 02:30", "2026-03-29T01:30:00.000000Z");
    }

    #[test]
    fn a_window_holds_both_hours_where_the_clock_was_put_back() {
        let text = "2026-10-25 02:30";
        check(text, "2026-10-25T00:30:00.000000Z");
        let end = parse(text, &now(), Twice::Second).unwrap();
        assert_eq!(rfc3339(end), "2026-10-25T01:30:00.000000Z");
    }

    #[test]
    fn nonsense_is_refused_with_examples() {
        for text in [
            "",
            "noon",
            "@",
            "@-1",
            "@1.x",
            "-",
            "web1",
            "2026-13-01",
            "25:00",
            "2026",
            "-99999999y",
        ] {
            assert_eq!(parse(text, &now(), Twice::First), Err(NotATime(text.to_owned())), "{text}");
        }
        let error = parse("noon", &now(), Twice::First).unwrap_err().to_string();
        assert!(error.starts_with("\"noon\" is not a time: give one like"), "{error}");
    }

    #[test]
    fn before_1970_is_the_beginning() {
        check("1969-01-01", "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn moments_beyond_the_calendar_do_not_panic() {
        assert!(rfc3339(WallTime(u64::MAX)).starts_with("9999-12-30"));
        local(WallTime(u64::MAX), &TimeZone::UTC, 6);
    }

    #[test]
    fn local_times_have_the_decimals_asked_for() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let time = WallTime(1_763_646_277_045_145);
        assert_eq!(local(time, &zone, 6), "2025-11-20 14:44:37.045145");
        assert_eq!(local(time, &zone, 3), "2025-11-20 14:44:37.045");
        assert_eq!(local(time, &zone, 0), "2025-11-20 14:44:37");
    }

    #[test]
    fn lengths_have_two_units_at_most() {
        let s = 1_000_000;
        for (micros, text) in [
            (0, "0 ms"),
            (210_400, "210 ms"),
            (14 * s, "14 s"),
            (62 * s, "1 min 2 s"),
            (120 * s, "2 min"),
            (3_600 * s, "1 h"),
            (10_920 * s, "3 h 2 min"),
            (200_000 * s, "2 d 7 h"),
        ] {
            assert_eq!(length(micros), text);
        }
        assert_eq!(ago(WallTime(5 * s), WallTime(19 * s)), "14 s ago");
        assert_eq!(ago(WallTime(5 * s), WallTime(4 * s)), "just now");
    }
}
