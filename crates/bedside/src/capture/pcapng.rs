//! The pcapng format, as Wireshark writes it (draft-ietf-opsawg-pcapng).
//!
//! Blocks: `type u32, length u32, body, length u32`, the length being that of the whole block, a
//! multiple of 4. A section header begins anew: with a byte order and with interfaces of its own.

use super::Frame;
use super::input::{Input, Problem};
use super::pcap::{LONGEST_FRAME, Order};

/// What is known of the present section.
#[derive(Debug, Default)]
pub(super) struct PcapNg {
    order: Order,
    interfaces: Vec<Interface>,
    /// Stands in for the time that a simple packet has not.
    last_us: u64,
}

/// How the frames of an interface are to be read.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    /// The longest piece of a frame that was kept; 0: any.
    longest: u32,
    units_per_second: u64,
    offset_seconds: i64,
}

impl PcapNg {
    /// Whether a file begins so.
    pub(super) fn recognise(magic: &[u8]) -> bool {
        magic.starts_with(&SECTION_HEADER.to_le_bytes())
    }

    /// The next frame.
    pub(super) fn frame<'a>(&mut self, input: &'a mut Input) -> Result<Option<Frame<'a>>, Problem> {
        loop {
            let Some(head) = input.take(HEAD)? else { return Ok(None) };
            let kind = self.order.u32(head, 0).unwrap_or_default();
            let length = [head[4], head[5], head[6], head[7]];
            if kind == SECTION_HEADER {
                self.begin_section(length, input)?;
                continue;
            }
            let body = self.body_length(length, HEAD + TAIL, input)?;
            match kind {
                INTERFACE => self.add_interface(input, body)?,
                ENHANCED_PACKET | OBSOLETE_PACKET | SIMPLE_PACKET => {
                    return self.packet(kind, input, body).map(Some);
                }
                // Names, statistics, secrets, and what is yet to be invented.
                _ => {
                    input.pass(body as u64)?;
                    self.tail(input, body)?;
                }
            }
        }
    }

    /// How long the body of a block is, of which `other` bytes are no part.
    fn body_length(&self, length: [u8; 4], other: usize, input: &Input) -> Result<usize, Problem> {
        let length = self.order.u32(&length, 0).unwrap_or_default() as usize;
        match length.checked_sub(other) {
            Some(body) if length.is_multiple_of(4) => Ok(body),
            _ => Err(input.damaged(format!("a block of {length} bytes"))),
        }
    }

    /// The byte order stands behind the length, which is written in it.
    fn begin_section(&mut self, length: [u8; 4], input: &mut Input) -> Result<(), Problem> {
        self.order = match input.need(ORDER)? {
            [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
            [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
            _ => return Err(input.damaged("a section without a byte order")),
        };
        self.interfaces.clear();
        let rest = self.body_length(length, HEAD + ORDER + TAIL, input)?;
        input.pass(rest as u64)?;
        self.tail(input, rest + ORDER)
    }

    /// The body of a block that is looked into.
    fn body<'a>(&self, input: &'a mut Input, length: usize) -> Result<&'a [u8], Problem> {
        if length > LONGEST_FRAME + BESIDE_FRAME {
            return Err(input.damaged(format!("a block of {length} bytes")));
        }
        let at = input.at();
        let bytes = input.need(length + TAIL)?;
        let (body, tail) = bytes.split_at(length);
        self.check_tail(tail, length, at)?;
        Ok(body)
    }

    /// The end of a block whose body was passed over.
    fn tail(&self, input: &mut Input, length: usize) -> Result<(), Problem> {
        let at = input.at();
        self.check_tail(input.need(TAIL)?, length, at)
    }

    /// The length stands at both ends of a block.
    fn check_tail(&self, tail: &[u8], length: usize, at: u64) -> Result<(), Problem> {
        if self.order.u32(tail, 0) == Some((HEAD + length + TAIL) as u32) {
            return Ok(());
        }
        Err(Problem::Damaged { at, what: "a block with two different lengths".to_owned() })
    }

    fn add_interface(&mut self, input: &mut Input, length: usize) -> Result<(), Problem> {
        if self.interfaces.len() == MOST_INTERFACES {
            return Err(input.damaged(format!("more than {MOST_INTERFACES} interfaces")));
        }
        let interface = Interface::parse(self.order, self.body(input, length)?);
        self.interfaces.push(interface.ok_or_else(|| input.damaged("a senseless interface"))?);
        Ok(())
    }

    fn packet<'a>(
        &mut self,
        kind: u32,
        input: &'a mut Input,
        length: usize,
    ) -> Result<Frame<'a>, Problem> {
        let at = input.at();
        let body = self.body(input, length)?;
        let frame = match kind {
            ENHANCED_PACKET => self.timed(self.order.u32(body, 0), body),
            OBSOLETE_PACKET => self.timed(self.order.u16(body, 0).map(u32::from), body),
            _ => self.untimed(body),
        };
        let frame =
            frame.ok_or_else(|| Problem::Damaged { at, what: "a senseless packet".to_owned() })?;
        self.last_us = frame.received_us;
        Ok(frame)
    }

    /// A packet that came at a known time over the interface of that number.
    fn timed<'a>(&self, interface: Option<u32>, body: &'a [u8]) -> Option<Frame<'a>> {
        let interface = self.interfaces.get(interface? as usize)?;
        let word = |at| self.order.u32(body, at);
        let units = (u64::from(word(4)?) << 32) | u64::from(word(8)?);
        let (length, whole) = (word(12)?, word(16)?);
        Some(Frame {
            received_us: interface.micros(units),
            link: interface.link,
            bytes: body.get(20..)?.get(..length as usize)?,
            whole: length >= whole,
        })
    }

    /// A packet of the first interface that has no time: it is given that of the one before.
    fn untimed<'a>(&self, body: &'a [u8]) -> Option<Frame<'a>> {
        let interface = self.interfaces.first()?;
        let whole = self.order.u32(body, 0)?;
        let longest = if interface.longest == 0 { u32::MAX } else { interface.longest };
        Some(Frame {
            received_us: self.last_us,
            link: interface.link,
            bytes: body.get(4..)?.get(..whole.min(longest) as usize)?,
            whole: whole <= longest,
        })
    }
}

impl Interface {
    fn parse(order: Order, body: &[u8]) -> Option<Self> {
        let mut interface = Self {
            link: order.u16(body, 0)?,
            longest: order.u32(body, 4)?,
            units_per_second: 1_000_000,
            offset_seconds: 0,
        };
        let mut options = body.get(8..)?;
        while let Some(code @ 1..) = order.u16(options, 0) {
            let length = usize::from(order.u16(options, 2)?);
            let value = options.get(4..)?.get(..length)?;
            match code {
                RESOLUTION => interface.units_per_second = units_per_second(*value.first()?)?,
                OFFSET => interface.offset_seconds = order.u64(value, 0)?.cast_signed(),
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..)?;
        }
        Some(interface)
    }

    /// Units of this interface's clock as microseconds since 1970.
    fn micros(self, units: u64) -> u64 {
        let since = u128::from(units) * 1_000_000 / u128::from(self.units_per_second);
        let offset = i128::from(self.offset_seconds) * 1_000_000;
        u64::try_from(since.cast_signed() + offset).unwrap_or(0)
    }
}

/// A power of ten, or of two with the highest bit set.
fn units_per_second(resolution: u8) -> Option<u64> {
    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(u32::from(resolution & 0x7f))
}

/// Bytes of a block around its body, and of a section's byte order.
const HEAD: usize = 8;
const ORDER: usize = 4;
const TAIL: usize = 4;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Options of an interface.
const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;

/// Room for a packet block's header and options.
const BESIDE_FRAME: usize = 64 * 1024;

const MOST_INTERFACES: usize = 4096;
