//! What a capture holds that is no datagram for us, counted by reason.

use super::Frame;
use super::packet::Reason;

/// Frames and datagrams that were passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Frames that carry no UDP: ARP, TCP, ICMP, …
    pub not_udp: u64,
    /// Pieces of datagrams that IP has cut; a netconsole never sends such.
    pub ip_fragments: u64,
    /// Frames of which the capture kept only the beginning.
    pub cut: u64,
    /// Frames whose headers contradict each other.
    pub malformed: u64,
    /// Frames of a link type that we can't read.
    pub unknown_link: u64,
    /// The first such link type, as numbered at tcpdump.org.
    pub link: Option<u16>,
    /// Datagrams to another port than those that were asked for.
    pub other_port: u64,
}

impl Skipped {
    /// Whether a datagram to this port is wanted; counts it where not.
    pub(super) fn admits(&mut self, wanted: &[u16], port: u16) -> bool {
        let admitted = wanted.is_empty() || wanted.contains(&port);
        self.other_port += u64::from(!admitted);
        admitted
    }

    pub(super) fn count(&mut self, reason: Reason, frame: &Frame<'_>) {
        match reason {
            Reason::NotUdp => self.not_udp += 1,
            Reason::IpFragment => self.ip_fragments += 1,
            Reason::Malformed if !frame.whole => self.cut += 1,
            Reason::Malformed => self.malformed += 1,
            Reason::UnknownLink => {
                self.unknown_link += 1;
                self.link.get_or_insert(frame.link);
            }
        }
    }

    /// How many of what.
    pub fn counts(&self) -> [(u64, &'static str); 6] {
        [
            (self.not_udp, "packets that are not UDP"),
            (self.ip_fragments, "fragments of IP packets"),
            (self.cut, "packets that the capture cut off"),
            (self.malformed, "malformed packets"),
            (self.unknown_link, "packets of an unknown link type"),
            (self.other_port, "datagrams to other ports"),
        ]
    }
}
