//! What it costs to find a datagram's stream and its record's place in it.

use std::net::{Ipv4Addr, SocketAddr};

use bedside_stream::{Core, Event, Limits, Memory, Monotonic, RunId, StreamKey, WallTime, World};
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

/// Datagrams of one measurement; as many go before it.
const COUNT: usize = 50_000;

#[divan::bench(args = [1, 100, 10_000])]
fn extended(bencher: Bencher, sources: usize) {
    hear(bencher, sources, |nth| {
        format!(
            "6,{},{},-;igb 0000:03:00.0 eth0: NIC Link is Up\n",
            100_000 + nth,
            10_000_000 + nth * 50
        )
    });
}

#[divan::bench(args = [1, 100, 10_000])]
fn basic(bencher: Bencher, sources: usize) {
    hear(bencher, sources, |nth| {
        format!(
            "[{:>5}.{:06}] igb 0000:03:00.0 eth0: NIC Link is Up\n",
            1000 + nth / 100,
            nth % 100
        )
    });
}

/// `payload` says what a source sends as its nth datagram.
fn hear(bencher: Bencher, sources: usize, payload: impl Fn(usize) -> String) {
    let datagram = |at: usize| (key(scatter(at % sources, sources)), payload(at / sources));
    let datagrams: Vec<(StreamKey, String)> = (0..2 * COUNT).map(datagram).collect();
    let (before, measured) = datagrams.split_at(COUNT);
    let warm = || {
        let mut core = Core::new(Limits::default(), RunId(1));
        take(&mut core, before);
        core
    };
    bencher
        .counter(ItemsCount::new(COUNT))
        .with_inputs(warm)
        .bench_local_refs(|core| take(core, measured));
}

fn take(core: &mut Core, datagrams: &[(StreamKey, String)]) {
    for (key, payload) in datagrams {
        let received = WallTime(1_700_000_000_000_000);
        core.handle_datagram(Monotonic(1), key, received, payload.as_bytes(), &mut Nobody);
    }
}

/// Neighbours in time are no neighbours in memory.
fn scatter(at: usize, sources: usize) -> usize {
    at * 7919 % sources
}

fn key(source: usize) -> StreamKey {
    let address = Ipv4Addr::from_bits(0x0a00_0000 + source as u32);
    StreamKey::new(SocketAddr::from((address, 6665)), 6666)
}

/// A world that keeps nothing.
struct Nobody;

impl World for Nobody {
    fn event(&mut self, event: Event<'_>) {
        divan::black_box(&event);
    }

    fn recall(&mut self, _: &StreamKey) -> Option<Memory> {
        None
    }
}
