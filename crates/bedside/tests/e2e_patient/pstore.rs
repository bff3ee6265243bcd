//! What netconsole missed of a death, and memory that outlives it has.

use anyhow::{Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::vm::{Death, Order};
use bedside_lab::wait;

use crate::ward::{KERNELS, LIFETIME, Ward, ensure_said, texts};

/// A machine that restarts itself keeps what is in its memory. It comes here twice: first to die
/// without a network, then with what that left.
const TWO_LIVES: &str = r#"
modprobe ramoops mem_address=0x10000000 mem_size=0x100000 record_size=0x20000
mount -t pstore pstore /sys/fs/pstore
ls /sys/fs/pstore
bedside-patient up --no-permanent DOCTOR; echo "up: $?"
if [ -e /sys/fs/pstore/dmesg-ramoops-0 ]; then
  head -n 1 /sys/fs/pstore/dmesg-ramoops-0
  bedside-patient agent
fi
ip link set eth0 down
echo '<6>lab: nobody heard this' > /dev/kmsg
"#;

#[test]
fn what_nobody_heard_of_a_death_comes_after_the_next_start() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let reserved = |order: &mut Order<'_>| {
            order.words = "memmap=1M$0x10000000".into();
            order.restarts = true;
        };
        let death = Death::PanicThenRestart;
        let machine = ward.admit_with(kernel, death, TWO_LIVES, reserved)?;
        let items = wait::until_within(LIFETIME, "what pstore has", || {
            let items = ward.bedside.log(&["-b", "1"])?;
            let told = items.iter().any(|item| matches!(item, Item::Pstore(_)));
            Ok(told.then_some(items))
        });
        let said = machine.said()?;
        let Ok(items) = items else { anyhow::bail!("{kernel}: nothing of pstore; {said}") };
        ensure_said(kernel, &said, &["up: 0", "dmesg-ramoops-0", "Panic#1 Part1"])?;
        let of_pstore: Vec<&str> = items
            .iter()
            .filter_map(|item| match item {
                Item::Pstore(line) => Some(&*line.text),
                _ => None,
            })
            .collect();
        for words in ["lab: nobody heard this", "Kernel panic - not syncing: sysrq triggered crash"]
        {
            let count = of_pstore.iter().filter(|text| text.contains(words)).count();
            ensure!(count == 1, "{kernel}: {words:?} {count} times in {of_pstore:#?}");
            ensure!(!texts(&items).iter().any(|text| text.contains(words)), "{words:?} was heard");
        }
        let boots = String::from_utf8(ward.bedside.run("boots", &[])?.stdout)?;
        ensure!(boots.contains("panicked, as its pstore tells"), "{kernel}: {boots}");
    }
    Ok(())
}
