//! The module is loaded, used, and unloaded, again and again.

use std::io::ErrorKind::{Interrupted, WouldBlock};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bedside_lab::vm::Death;
use nix::sys::socket::{setsockopt, sockopt};

use crate::ward::{Ward, chosen_or, rounds_or};

/// A line after each round, of all that was counted so far: datagrams that were handed to the
/// card, those that were left to netpoll's worker, those that were lost; then what the kernel has
/// in use: KiB that are not free, and skbs. Pages that a processor keeps for itself are not free in
/// that sum, and since 6.7 how many these are follows the load (`mm/page_alloc.c`): some MiB, more
/// than what is looked for, so that they are held at their least.
const ROUNDS: &str = r#"
echo 1000000 > /proc/sys/vm/percpu_pagelist_high_fraction
echo on > /proc/sys/kernel/printk_devkmsg
seq LINES | awk '{ printf "<6>lab: line %07d of a flood, of sixty-four bytes, each one.\n", $1 }' > /tmp/flood
round() {
  insmod /bedside_netconsole.ko "netconsole=+@/eth0,DOCTOR" || { echo "load: $?"; return; }
  echo N > /sys/class/tty/ttyS0/console
  dd if=/tmp/flood of=/dev/kmsg bs=64 2> /dev/null || echo "flood: $?"
  echo Y > /sys/class/tty/ttyS0/console
  ip link set eth0 down
  say "said while the card was down"
  ip link set eth0 up
  wait_for carrier
  say "said with the card up again"
  virtio=$(basename $(readlink /sys/class/net/eth0/device))
  echo $virtio > /sys/bus/virtio/drivers/virtio_net/unbind
  say "said without a card"
  cat $parameters/targets >> /tmp/counted
  echo $virtio > /sys/bus/virtio/drivers/virtio_net/bind
  ip addr add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  wait_for carrier
  cat $parameters/netconsole > $parameters/netconsole
  say "said with a new card"
  cat $parameters/targets >> /tmp/counted
  rmmod bedside_netconsole || echo "unload: $?"
  dmesg | grep -E 'BUG|WARNING|Oops|leak'
}
count() { sed "s/.* $1=\([0-9]*\).*/\1/" /tmp/counted | awk '{ all += $1 } END { print all }'; }
used() { awk '/^MemTotal/ { all = $2 } /^MemFree/ { free = $2 } END { print all - free }' /proc/meminfo; }
skbs() { awk '/^skbuff/ { all += $2 } END { print all }' /proc/slabinfo; }
rounds=0
while [ $rounds -lt ROUNDS ]; do
  round
  rounds=$((rounds + 1))
  lost=$(($(count no_memory) + $(count device_down)))
  echo "round $(count sent) $(count queue_stopped) $lost $(used) $(skbs)"
done
wc -l < /tmp/counted
grep -c enabled /tmp/counted
grep -c reason=gone /tmp/counted
echo "taint $(cat /proc/sys/kernel/tainted)"
"#;

/// Rounds, for which `BEDSIDE_ROUNDS` may give another number, and lines of a flood in each.
#[cfg(not(feature = "heavy"))]
const MANY: (usize, u64) = (20, 500);
#[cfg(feature = "heavy")]
const MANY: (usize, u64) = (200, 100_000);

/// A module that is not the kernel's own, and that nobody has signed; nothing that went wrong
/// (`Documentation/admin-guide/tainted-kernels.rst`).
const TAINT: u32 = 1 << 12 | 1 << 13;

#[test]
fn loading_and_unloading_leaves_nothing_behind() -> Result<()> {
    chosen_or(&["6.1", "7"]).iter().try_for_each(|kernel| go_round(kernel))
}

#[expect(clippy::print_stdout, reason = "figures for who wants to know")]
fn go_round(kernel: &str) -> Result<()> {
    let (many, lines) = MANY;
    let many = rounds_or(many)?;
    let counter = Counter::start()?;
    let script = ROUNDS.replace("ROUNDS", &many.to_string()).replace("LINES", &lines.to_string());
    let script = script.replace("DOCTOR", &format!("{}@10.0.2.2/", counter.port));
    let ward = Ward::admit(kernel, Death::PowerOff, &script, |_| {})?;
    let said = ward.said_within(Duration::from_hours(1))?;
    let rounds = rounds(&said)?;
    ensure!(rounds.len() == many, "{kernel}: {} rounds:\n{said}", rounds.len());
    for words in ["load: ", "unload: ", "flood: ", "waited in vain", "BUG", "WARNING", "Oops"] {
        ensure!(!said.contains(words), "{kernel}: {words}:\n{said}");
    }
    ensure!(said.contains(&format!("taint {TAINT}\n")), "{kernel}: something went wrong:\n{said}");
    let [sent, parked, lost, ..] = *rounds.last().context("no rounds")?;
    // All that was handed to the card came out of it; what was parked may have.
    let heard = counter.end();
    let told = sent..=sent + parked;
    ensure!(told.contains(&heard), "{kernel}: {heard} heard, {sent} and {parked} told");
    let all = sent + parked + lost;
    let (rounds_told, log) = (many as u64, 500);
    ensure!(all > rounds_told * (lines + log), "{kernel}: {all} told");
    ensure!(lost >= rounds_told, "{kernel}: {lost} lost in {many} rounds");
    println!("{kernel}: {many} rounds, {sent} sent, {parked} parked, {lost} lost, {heard} heard");
    ensure_nothing_grows(&rounds).with_context(|| format!("{kernel}:\n{said}"))
}

/// A port has buffers of a quarter MiB, and 80 skbs: kept once a round they would show. What a flood
/// has left is given back a while later: the least counts, in the second quarter and in the last.
fn ensure_nothing_grows(rounds: &[[u64; 5]]) -> Result<()> {
    let (quarter, half) = (rounds.len() / 4, rounds.len() as u64 / 2);
    let (before, after) = (&rounds[quarter..2 * quarter], &rounds[3 * quarter..]);
    for (name, column, most) in [("KiB", 3, half * 128), ("skbs", 4, half * 40)] {
        let least = |rounds: &[[u64; 5]]| rounds.iter().map(|round| round[column]).min();
        let grown = least(after).context("no rounds")?.saturating_sub(least(before).unwrap_or(0));
        ensure!(grown < most, "{grown} {name} more are in use after half of the rounds");
    }
    Ok(())
}

fn rounds(said: &str) -> Result<Vec<[u64; 5]>> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("round "));
    let read = |line: &str| -> Result<[u64; 5]> {
        let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        numbers.try_into().map_err(|_| anyhow::anyhow!("no five numbers: {line}"))
    };
    lines.map(read).collect()
}

/// Counts datagrams.
struct Counter {
    port: u16,
    heard: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Counter {
    fn start() -> Result<Counter> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        setsockopt(&socket, sockopt::RcvBufForce, &(64 << 20))
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &(64 << 20)))?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let port = socket.local_addr()?.port();
        let (heard, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, ended) = (Arc::clone(&heard), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            let mut room = [0; 2000];
            loop {
                match socket.recv(&mut room) {
                    Ok(_) => {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    // Nothing came for a while, or this process was held still in between.
                    Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => {
                        if ended.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                    Err(_) => return,
                }
            }
        });
        Ok(Counter { port, heard, ends, thread })
    }

    /// How many there were, when nothing is left.
    fn end(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
        self.heard.load(Ordering::Relaxed)
    }
}
