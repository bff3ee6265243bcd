//! The kernel's own answers about routes, neighbours and devices, in networks of the test's own.
//! Needs root: `cargo test -p bedside-host --features root --test network`.

use std::net::IpAddr;
use std::process::{Child, Command};

use anyhow::{Context, Result, ensure};
use bedside_host::{Changes, Machine, touch};
use bedside_lab::mounts::run;
use bedside_lab::networks::{ip, private};
use bedside_lab::wait;
use bedside_plan::Doctor;
use bedside_plan::facts::{Facts, Link, Route, RouteKind, Way};

/// Another network, at the other end of a wire.
struct Elsewhere(Child);

impl Elsewhere {
    /// Moves the device `v1` there, and gives it addresses.
    fn with_v1() -> Result<Self> {
        let child = Command::new("unshare").args(["-n", "sleep", "1000"]).spawn();
        let elsewhere = Self(child.context("unshare did not start")?);
        wait::until("a network of its own", || {
            let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net"));
            let apart = network(&elsewhere.0.id().to_string()).ok() != network("thread-self").ok();
            Ok(apart.then_some(()))
        })?;
        ip(&format!("link set v1 netns {}", elsewhere.0.id()))?;
        elsewhere.ip("link set v1 address 02:00:00:00:00:fe")?;
        elsewhere.ip("addr add 192.0.2.254/24 dev v1")?;
        elsewhere.ip("addr add fd00::254/64 dev v1 nodad")?;
        elsewhere.ip("link set v1 up")?;
        Ok(elsewhere)
    }

    fn ip(&self, words: &str) -> Result<()> {
        let mut command = Command::new("nsenter");
        command.args(["-n", "-t", &self.0.id().to_string(), "ip"]);
        run(command.args(words.split_whitespace()))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// `v0`, wired to a router elsewhere.
fn wired() -> Result<Elsewhere> {
    private()?;
    ip("link add v0 type veth peer name v1")?;
    let elsewhere = Elsewhere::with_v1()?;
    ip("addr add 192.0.2.1/24 dev v0")?;
    ip("addr add fd00::1/64 dev v0 nodad")?;
    ip("link set v0 up")?;
    ip("route add default via 192.0.2.254")?;
    ip("-6 route add default via fd00::254")?;
    Ok(elsewhere)
}

fn facts(doctors: &[&str]) -> Result<Facts> {
    let doctors: Vec<Vec<Doctor>> =
        doctors.iter().map(|word| Doctor::parse(word)).collect::<Result<_, _>>()?;
    Ok(Machine::new("/").facts(&doctors.concat())?)
}

fn routes(facts: &Facts) -> Vec<Option<&Route>> {
    fn route(way: &Way) -> Option<&Route> {
        match way {
            Way::Route(route) => Some(route),
            Way::Unresolved(_) | Way::NoRoute(..) => None,
        }
    }
    facts.ways.iter().map(route).collect()
}

#[test]
fn the_next_hop_is_found_and_asked_over_both_families() -> Result<()> {
    let _elsewhere = wired()?;
    let facts = facts(&["192.0.2.254", "198.51.100.7:514", "fd00::254", "2001:db8::7"])?;
    let v0 = facts.links.iter().find(|link| link.name == "v0").context("no v0")?;
    let hops = ["192.0.2.254", "192.0.2.254", "fd00::254", "fd00::254"];
    for (route, hop) in routes(&facts).into_iter().zip(hops) {
        let route = route.with_context(|| format!("{:?}", facts.ways))?;
        let hop: IpAddr = hop.parse()?;
        ensure!(route.next_hop == hop && route.kind == RouteKind::Unicast, "{route:?}");
        ensure!(route.device == v0.index, "{route:?}");
        let mac = route.mac.map(|mac| mac.to_string());
        ensure!(mac.as_deref() == Some("02:00:00:00:00:fe"), "{route:?}");
        let source = if hop.is_ipv4() { "192.0.2.1" } else { "fd00::1" };
        ensure!(route.source == Some(source.parse()?), "{route:?}");
    }
    Ok(())
}

#[test]
fn ways_that_lead_nowhere_are_told_apart() -> Result<()> {
    let _elsewhere = wired()?;
    ip("route add blackhole 203.0.113.0/24")?;
    ip("route add unreachable 198.51.100.0/24")?;
    let words = ["192.0.2.1", "192.0.2.255", "203.0.113.1", "198.51.100.1", "+@/none,@192.0.2.9/"];
    let facts = facts(&words)?;
    let kinds: Vec<Option<RouteKind>> =
        routes(&facts).into_iter().map(|route| route.map(|route| route.kind)).collect();
    let expected = [Some(RouteKind::Local), Some(RouteKind::Group), None, None, None];
    ensure!(kinds == expected, "{:?}", facts.ways);
    Ok(())
}

#[test]
fn devices_are_what_they_are() -> Result<()> {
    let _elsewhere = wired()?;
    for words in
        ["link add br0 type bridge", "link add w0 type veth peer name w1", "link set w0 master br0"]
    {
        ip(words)?;
    }
    let facts = facts(&[])?;
    let link = |name: &str| {
        facts.links.iter().find(|link| link.name == name).with_context(|| name.to_owned())
    };
    let kind = |link: &Link| link.kind.clone().unwrap_or_default();
    let (br0, w0, w1) = (link("br0")?, link("w0")?, link("w1")?);
    ensure!(kind(link("v0")?) == "veth" && link("v0")?.up && link("v0")?.carrier);
    ensure!(kind(br0) == "bridge" && !br0.up && br0.ethernet);
    ensure!(w0.master == Some(br0.index), "{w0:?}");
    ensure!(w0.below == Some(w1.index), "{w0:?}");
    // Its other end has a number in another network.
    ensure!(link("v0")?.below.is_none(), "{:?}", link("v0")?);
    let v0 = link("v0")?.index;
    for own in ["192.0.2.1", "fd00::1"] {
        let own = (v0, own.parse()?);
        ensure!(facts.addresses.contains(&own), "{own:?} is not in {:?}", facts.addresses);
    }
    let lo = link("lo")?;
    ensure!(lo.loopback && !lo.ethernet && lo.kind.is_none(), "{lo:?}");
    Ok(())
}

#[test]
fn a_router_that_is_replaced_without_a_word_is_news_once_it_is_looked_at() -> Result<()> {
    let elsewhere = wired()?;
    // What the kernel knows is to be old after a second, not after half a minute.
    for (what, value) in [("base_reachable_time_ms", "1000"), ("delay_first_probe_time", "1")] {
        std::fs::write(format!("/proc/sys/net/ipv4/neigh/v0/{what}"), value)?;
    }
    let doctors = ["198.51.100.7"];
    let before = facts(&doctors)?;
    elsewhere.ip("link set v1 address 02:00:00:00:00:99")?;
    let changes = Changes::listen()?;
    changes.take();
    let after = wait::until("the other router", || {
        touch(&before.ways);
        if !changes.take() {
            return Ok(None);
        }
        let now = facts(&doctors)?;
        let mac = routes(&now).first().copied().flatten().and_then(|route| route.mac);
        Ok(mac.filter(|mac| mac.to_string() == "02:00:00:00:00:99"))
    })?;
    ensure!(after.to_string() == "02:00:00:00:00:99");
    Ok(())
}
