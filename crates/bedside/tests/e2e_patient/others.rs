//! What was there before: somebody else's target, and what `up` was told before.

use anyhow::Result;
use bedside_lab::vm::Death;

use crate::ward::{KERNELS, Ward, ensure_said, said};

const OTHERS: &str = r#"
modprobe netconsole netconsole=+4444@/eth0,7777@10.0.2.2/
mkdir -p /etc/modprobe.d
look > /tmp/before
bedside-patient up DOCTOR; echo "beside another: $?"
bedside-patient down; echo "down: $?"
look > /tmp/after; diff /tmp/before /tmp/after && echo "as it was"
modprobe -r netconsole

bedside-patient up --no-test DOCTOR DOCTOR; echo "twice the same: $?"
bedside-patient up DOCTOR; echo "once: $?"
doctor=DOCTOR
bedside-patient up "${doctor##*:}@10.0.2.2"; echo "basic: $?"
bedside-patient up DOCTOR; echo "extended: $?"

mount -o bind /etc /etc && mount -o remount,ro,bind /etc
bedside-patient up --no-test 10.0.2.3; echo "to nowhere: $?"
bedside-patient test; echo "still: $?"
umount /etc
echo 'options netconsole netconsole=@/,@10.0.2.9/' > /etc/modprobe.d/netconsole.conf
bedside-patient check | grep 'of two parameters the kernel takes one'
bedside-patient down > /tmp/down; echo "last: $?"
"#;

#[test]
fn what_was_there_before_stays_or_comes_back() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::PowerOff, OTHERS)?;
        let said = said(&machine)?;
        let words = ["beside another: 0", "down: 0", "as it was", "twice the same: 0", "once: 0"];
        ensure_said(kernel, &said, &words)?;
        ensure_said(kernel, &said, &["basic: 0", "extended: 0"])?;
        let words = ["it is mounted read-only", "arming it again for", "to nowhere: 3", "still: 0"];
        ensure_said(kernel, &said, &words)?;
        ensure_said(kernel, &said, &["of two parameters the kernel takes one", "last: 0"])?;
    }
    Ok(())
}
