//! Whatever happens to the network, the agent mends it.

use anyhow::Result;
use bedside_lab::vm::Death;

use crate::ward::{KERNELS, Ward, ensure_said, said};

/// The machine has a network behind its cable, in which a namespace with the first card and the
/// cable's other end is the router to the doctor; so its own next hop can change, and whatever it
/// sends through.
const CHANGES: &str = r#"
unshare -n sleep 3600 & router=$!
in_router() { nsenter -t $router -n "$@"; }
apart() { [ "$(readlink /proc/$router/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
wait_for 10 apart
for card in eth0 eth2; do ip link set $card netns $router; done
in_router sh -c '
  ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
  ip addr add 192.168.7.1/24 dev eth2; ip link set eth2 up
  echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/eth0/proxy_arp'
route() { ip route add default via 192.168.7.1; }
ip addr add 192.168.7.2/24 dev eth1; ip link set eth1 up; route

bedside-patient up --no-permanent DOCTOR; echo "up: $?"
bedside-patient agent > /tmp/agent 2>&1 &
agent=$!
# mended WHEN: the agent has done its part, and the doctor hears.
mended() { wait_for 60 bedside-patient status || bedside-patient status; heard "$1"; }
mended 'through a router'

# replaced MAC HOW…: the router gets another card; sees that the agent follows by itself.
follows() { dmesg | grep -q "remote ethernet address $1"; }
replaced() {
  mac=$1; shift
  in_router ip link set eth2 down; in_router ip link set eth2 address $mac; in_router ip link set eth2 up
  "$@"
  begun=$(cut -d. -f1 /proc/uptime)
  wait_for 60 follows $mac && echo "$mac was followed after $(($(cut -d. -f1 /proc/uptime) - begun)) s"
}
replaced 02:00:00:00:00:01 in_router arping -q -U -c 1 -I eth2 192.168.7.1
heard 'a router that tells of itself'
replaced 02:00:00:00:00:02 true
heard 'a router that says nothing'

ip link set eth1 down; usleep 500000; ip link set eth1 up; route
mended 'down and up'
ip link set eth1 down; ip link set eth1 name lan0; ip link set lan0 up; route
mended 'another name'
ip addr del 192.168.7.2/24 dev lan0; ip addr add 192.168.7.3/24 dev lan0; route
mended 'another address'

modprobe bridge; brctl addbr br0; brctl addif br0 lan0; ip addr flush dev lan0
ip addr add 192.168.7.2/24 dev br0; ip link set br0 up; route
mended 'port of a bridge'
ip link set br0 down; brctl delbr br0; ip addr add 192.168.7.2/24 dev lan0; route
mended 'no bridge any more'

modprobe bonding; ip link set lan0 down; ip addr flush dev lan0
echo 100 > /sys/class/net/bond0/bonding/miimon
echo +lan0 > /sys/class/net/bond0/bonding/slaves
ip addr add 192.168.7.2/24 dev bond0; ip link set bond0 up; route
mended 'port of a bond'

modprobe 8021q
in_router vconfig add eth2 7; in_router ip addr flush dev eth2
in_router ip addr add 192.168.7.1/24 dev eth2.7; in_router ip link set eth2.7 up
vconfig add bond0 7; ip addr flush dev bond0
ip addr add 192.168.7.2/24 dev bond0.7; ip link set bond0.7 up; route
mended 'a VLAN on a bond'

modprobe -r netconsole
mended 'unloaded by somebody'
# Where configfs shows it.
shown=/sys/kernel/config/netconsole/cmdline0/enabled
[ ! -e $shown ] || echo 0 > $shown
mended 'disabled by somebody'

grep VmHWM /proc/$agent/status
bedside-patient up --no-permanent --no-test 10.0.2.2:9 > /dev/null; sleep 2
bedside-patient status | grep 'armed for 10.0.2.2:9, as wished'
bedside-patient down > /dev/null; wait $agent; echo "agent: $?"
cat /tmp/agent
"#;

#[test]
fn the_agent_follows_routers_names_addresses_bridges_bonds_and_vlans() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let machine =
            ward.admit_with(kernel, Death::PowerOff, CHANGES, |order| order.cable = true)?;
        let said = said(&machine)?;
        let when = [
            "through a router",
            "a router that tells of itself",
            "a router that says nothing",
            "down and up",
            "another name",
            "another address",
            "port of a bridge",
            "no bridge any more",
            "port of a bond",
            "a VLAN on a bond",
            "unloaded by somebody",
            "disabled by somebody",
        ];
        for when in when {
            ensure_said(kernel, &said, &[&format!("{when}: heard")])?;
        }
        let words = [
            "up: 0",
            "02:00:00:00:00:01 was followed",
            "02:00:00:00:00:02 was followed",
            "armed for 10.0.2.2:9, as wished",
            "nothing is wished of this machine any more",
            "agent: 0",
        ];
        ensure_said(kernel, &said, &words)?;
    }
    Ok(())
}
