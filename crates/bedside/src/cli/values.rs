//! What options take, read with errors that say what would do.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// `ADDR:PORT`, `[V6]:PORT`, or a port alone for all addresses of both families.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("*:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    text.parse().map_err(|_| {
        "give an address and a port, like 0.0.0.0:6666 or [::]:6666, or a port alone".to_owned()
    })
}

/// A directory, which has a name. A script whose variable is empty means none that is meant.
pub(crate) fn directory(name: OsString) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("give a directory, or leave --data and $BEDSIDE_DATA out".to_owned());
    }
    Ok(PathBuf::from(name))
}

/// A network in CIDR form, or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "give a network like 10.0.0.0/8 or fd00::/8, or one address".to_owned())
}

/// How many of something.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "give a number like 100".to_owned())
}

/// A number of bytes: `500M`, `20G`, `1.5T`; the letters count in powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[number.len()..].to_ascii_uppercase();
    let unit = unit.strip_suffix("IB").or_else(|| unit.strip_suffix('B')).unwrap_or(&unit);
    let power = ["", "K", "M", "G", "T"].iter().zip(0..).find(|(name, _)| **name == unit);
    let bytes =
        number.parse::<f64>().ok().zip(power).map(|(n, (_, power))| n * 1024_f64.powi(power));
    bytes
        .filter(|bytes| (0.0..1e19).contains(bytes))
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "give a size like 500M or 20G".to_owned())
}

/// A size of which there must be some.
pub(crate) fn size_above_zero(text: &str) -> Result<u64, String> {
    above_zero(size(text)?)
}

/// Refuses a size of which there is nothing.
pub(crate) fn above_zero(bytes: u64) -> Result<u64, String> {
    match bytes {
        0 => Err("nothing fits into 0 bytes: give a size like 500M".to_owned()),
        bytes => Ok(bytes),
    }
}

/// A length of time: `30d`, `12h`, `2 weeks`; a day has 24 hours.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    let hint = || "give a length of time like 30d or 12h".to_owned();
    let span: jiff::Span = text.parse().map_err(|_| hint())?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| hint())?;
    Duration::try_from(length).map_err(|_| hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_in_powers_of_1024() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("500M"), Ok(500 << 20));
        assert_eq!(size("1.5GiB"), Ok(3 << 29));
        assert_eq!(size("2tb"), Ok(2 << 40));
        for text in ["", "M", "-1", "5X", "1e99", "nan", "G5"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_spans() {
        assert_eq!(length("30d"), Ok(Duration::from_hours(30 * 24)));
        assert_eq!(length("2 weeks"), Ok(Duration::from_hours(14 * 24)));
        assert_eq!(length("1h30m"), Ok(Duration::from_mins(90)));
        for text in ["", "-1h", "soon", "1 month"] {
            assert!(length(text).is_err(), "{text}");
        }
    }
}
