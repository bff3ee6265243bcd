//! `down`: a machine is what it was, to the letter, wherever `up` was killed.

use anyhow::Result;
use bedside_lab::vm::Death;

use crate::ward::{KERNELS, Ward, ensure_said, said};

const UP_AND_DOWN: &str = r#"
dmesg -n 5
mkdir -p /etc/modprobe.d && echo 'blacklist pcspkr' > /etc/modprobe.d/mine.conf
as_it_was() { look > /tmp/after; diff /tmp/before /tmp/after && echo "as it was after: $*"; }

look > /tmp/before
bedside-patient up --heartbeat 7 DOCTOR; echo "up: $?"
look > /tmp/between
cmp -s /tmp/before /tmp/between || echo "up changed something"
bedside-patient check --set-panic panic=9 --set-panic panic_on_oops=1; echo "set: $?"
bedside-patient down; echo "down: $?"
as_it_was down
[ -e /run/bedside-patient ] || echo "nothing in /run"
bedside-patient down

# Killed where modprobe is, before it loads and after.
mkdir -p /usr/sbin
cat > /usr/sbin/modprobe << 'END'
#!/bin/sh
[ $(cat /tmp/when) = after ] && /bin/modprobe "$@"
kill -9 $PPID
END
chmod 755 /usr/sbin/modprobe
for when in before after; do
  echo $when > /tmp/when
  bedside-patient up --no-test DOCTOR > /tmp/up; echo "killed $when: $?"
  mv /usr/sbin/modprobe /usr/sbin/killer
  bedside-patient down; as_it_was being killed $when modprobe
  mv /usr/sbin/killer /usr/sbin/modprobe
done
rm /usr/sbin/modprobe

# Killed whenever.
for moment in 1 2 3 4 5 6 7 8 9 10; do
  bedside-patient up --no-test DOCTOR > /tmp/up & up=$!
  usleep $((moment * 20000)); kill -9 $up; wait $up 2> /dev/null
  echo "killed after: $(grep -v '^ ' /tmp/up | tail -n 1)"
  bedside-patient down > /tmp/down; as_it_was moment $moment
done

# And one that is killed is gone on with.
echo after > /tmp/when; mv /usr/sbin/killer /usr/sbin/modprobe 2> /dev/null
bedside-patient up --no-test DOCTOR > /tmp/up & up=$!
usleep 150000; kill -9 $up; wait $up 2> /dev/null
bedside-patient up DOCTOR; echo "second up: $?"
bedside-patient down > /tmp/down; as_it_was a second up
"#;

#[test]
fn down_makes_a_machine_what_it_was_wherever_up_was_killed() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::PowerOff, UP_AND_DOWN)?;
        let said = said(&machine)?;
        let words = ["up: 0", "up changed something", "set: 0", "down: 0", "nothing to take"];
        ensure_said(kernel, &said, &words)?;
        ensure_said(kernel, &said, &["nothing in /run"])?;
        ensure_said(kernel, &said, &["killed before: 137", "killed after: 137", "second up: 0"])?;
        let after = ["down", "being killed before", "being killed after", "a second up"];
        let moments = (1..=10).map(|moment| format!("moment {moment}"));
        for after in after.into_iter().map(str::to_owned).chain(moments) {
            ensure_said(kernel, &said, &[&format!("as it was after: {after}")])?;
        }
    }
    Ok(())
}
