//! Ways to die.

use bedside_lab::vm::{Death, Order};

/// How a kernel dies, and what its machine is like.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// Before anything sends; may set `card`, which is sent through.
    pub(crate) before: &'static str,
    /// What the script does at the end.
    pub(crate) action: &'static str,
    /// What the machine does after the script.
    pub(crate) death: Death,
    /// More for the kernel's command line.
    pub(crate) words: &'static str,
    pub(crate) more: fn(&mut Order<'_>),
    /// Behind the kernel's name: which of Debian's builds has what it takes.
    pub(crate) flavour: &'static str,
    /// An NMI comes when the machine is ready.
    pub(crate) nmi: bool,
    /// There is a cable that takes tagged frames.
    pub(crate) wire: bool,
}

impl Way {
    const fn new(name: &'static str, action: &'static str) -> Way {
        let (before, death, words) = ("", Death::PanicThenRestart, "");
        let (more, flavour, nmi, wire) = (|_: &mut Order<'_>| {}, "", false, false);
        Way { name, before, action, death, words, more, flavour, nmi, wire }
    }
}

const OOPS: &str = "oops=panic";

/// The build with all drivers; those for clouds have few.
pub(crate) const ALL_HARDWARE: &str = "-amd64";

pub(crate) const WAYS: [Way; 30] = [
    Way { death: Death::Panic, ..Way::new("sysrq-c, panic=0", "") },
    Way::new("sysrq-c, panic=1", ""),
    Way { words: "panic=-1", ..Way::new("sysrq-c, panic=-1", "") },
    Way { death: Death::PowerOff, ..Way::new("an oops that the kernel survives", OOPS_AND_ON) },
    Way { words: OOPS, ..Way::new("NULL dereference in a task", NULL) },
    Way { words: OOPS, ..Way::new("BUG()", "insmod /lethal.ko how=bug") },
    Way::new("NULL dereference in a softirq", "insmod /lethal.ko how=softirq"),
    Way::new("NULL dereference in a hard irq", "insmod /lethal.ko how=hardirq"),
    Way { words: OOPS, ..Way::new("stack overflow", "insmod /lethal.ko how=stack") },
    Way { nmi: true, words: "unknown_nmi_panic", ..Way::new("NMI", NMI) },
    Way { before: SOFT_LOCKUP, ..Way::new("soft lockup", "insmod /lethal.ko how=lockup") },
    Way::new("out of memory", OUT_OF_MEMORY),
    Way { death: Death::InitEnds, ..Way::new("init's end", "") },
    Way { death: Death::Reboot, ..Way::new("sysrq-b", "echo b > /proc/sysrq-trigger") },
    Way::new("panic in the card's poll", "insmod /lethal.ko how=poll\nping -c 1 10.0.2.2"),
    Way::new("transmit lock held elsewhere", "insmod /lethal.ko how=lock-elsewhere"),
    Way::new("transmit lock held by the dying CPU", "insmod /lethal.ko how=lock"),
    Way::new("a line printed while sending", "insmod /lethal.ko how=print"),
    Way::new("transmit queue over its limit", "insmod /lethal.ko how=limit"),
    Way { before: FLOOD, ..Way::new("3,000 lines before", "") },
    Way { before: FLOOD, more: slow, ..Way::new("slow card, 3,000 lines before", "") },
    Way { more: |order| order.processors = 1, ..Way::new("one CPU", "") },
    Way { more: |order| order.processors = 4, ..Way::new("four CPUs", "") },
    Way { more: |order| order.card = "vmxnet3".into(), ..Way::new("vmxnet3", "") },
    Way { more: e1000, flavour: ALL_HARDWARE, ..Way::new("e1000", "") },
    Way { before: BOND, ..Way::new("bond", "") },
    Way { before: VLAN, wire: true, ..Way::new("VLAN", "") },
    Way { before: BRIDGE, ..Way::new("bridge", "") },
    Way { words: "crash_kexec_post_notifiers", ..Way::new("crash_kexec_post_notifiers", "") },
    Way { flavour: "-rt", ..Way::new("PREEMPT_RT", "") },
];

/// When nothing is on its way any more: who dies while it hands a frame to the driver is another way.
const NMI: &str = "sleep 1\necho ready\nsleep 100";

/// Those in whose names is one of the words that `BEDSIDE_DEATHS` gives, with `;` between; without
/// it all.
#[cfg(feature = "heavy")]
pub(crate) fn chosen() -> Vec<&'static Way> {
    let words = std::env::var("BEDSIDE_DEATHS").unwrap_or_default();
    WAYS.iter().filter(|way| words.split(';').any(|word| way.name.contains(word))).collect()
}

const NULL: &str = "insmod /lethal.ko how=null";

const OOPS_AND_ON: &str = "insmod /lethal.ko how=null\nsay 'it lives on'";

const SOFT_LOCKUP: &str = "
echo 1 > /proc/sys/kernel/watchdog_thresh
echo 1 > /proc/sys/kernel/softlockup_panic
";

const OUT_OF_MEMORY: &str = "
echo 2 > /proc/sys/vm/panic_on_oom
dd if=/dev/zero of=/dev/null bs=1000M count=1
";

const FLOOD: &str = r#"
flood() {
  i=0
  while [ $i -lt 3000 ]; do
    echo "<6>lab: line $i of a flood that comes just before the panic" > /dev/kmsg
    i=$((i + 1))
  done
}
"#;

/// A card that sends its queue every 50 ms only.
fn slow(order: &mut Order<'_>) {
    order.card += ",tx=timer,x-txtimer=50000000";
}

fn e1000(order: &mut Order<'_>) {
    order.card = "e1000".into();
}

const BOND: &str = "
modprobe bonding
card=bond0
[ -d /sys/class/net/bond0 ] || ip link add bond0 type bond
ip addr flush dev eth0
ip link set eth0 down
echo +eth0 > /sys/class/net/bond0/bonding/slaves
ip addr add 10.0.2.15/24 dev bond0
ip link set bond0 up
wait_for carrier bond0
";

const VLAN: &str = "
modprobe 8021q
card=eth0.5
ip link add link eth0 name eth0.5 type vlan id 5
ip addr flush dev eth0
ip addr add 10.0.2.15/24 dev eth0.5
ip link set eth0.5 up
wait_for carrier eth0.5
";

const BRIDGE: &str = "
modprobe bridge
card=br0
ip link add br0 type bridge
ip addr flush dev eth0
ip link set eth0 master br0
ip addr add 10.0.2.15/24 dev br0
ip link set br0 up
wait_for carrier br0
";
