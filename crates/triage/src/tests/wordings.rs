//! Every sentence that begins a report, in its old and its new wordings, with a trace below it.

use crate::incidents;

/// What lib/dump_stack.c prints, and the frames that each report goes through.
const TRACE: &str = "\
CPU: 1 PID: 117 Comm: program Not tainted 6.12.94 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x1/0x2
 guilty_one+0x10/0x30
 vfs_write+0xcf/0x450
 ksys_write+0x65/0xe0
 __x64_sys_write+0x1/0x2
 do_syscall_64+0x1/0x2
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
";

/// What arch/x86/kernel/dumpstack.c prints.
const STATE: &str = "\
CPU: 1 PID: 117 Comm: program Not tainted 6.12.94 #1
RIP: 0010:guilty_one+0x10/0x30
Code: 00 00
Call Trace:
 <TASK>
 vfs_write+0xcf/0x450
 ksys_write+0x65/0xe0
 do_syscall_64+0x1/0x2
 </TASK>
---[ end trace 0000000000000000 ]---
";

fn check(below: &str, wordings: &[(&str, &str)]) {
    for (sentence, title) in wordings {
        let found = incidents(format!("{sentence}\n{below}").as_bytes());
        let titles: Vec<&str> = found.iter().map(|incident| &*incident.title).collect();
        assert_eq!(titles, [*title], "{sentence}");
        assert_eq!(found[0].corrupted, None, "{sentence}");
    }
}

/// mm/kasan/report.c, mm/kmsan/report.c, kernel/kcsan/report.c, mm/kfence/report.c, lib/ubsan.c.
#[test]
fn sanitizers() {
    check(
        TRACE,
        &[
            (
                "BUG: KASAN: slab-use-after-free in guilty_one+0x10/0x30\n\
                 Read of size 8 at addr ffff888012345678 by task program/117",
                "KASAN: slab-use-after-free Read in guilty_one",
            ),
            (
                "BUG: KASAN: use-after-free in guilty_one+0x10/0x30 at addr ffff888012345678\n\
                 Write of size 4 by task program/117",
                "KASAN: use-after-free Write in guilty_one",
            ),
            (
                "BUG: KASAN: slab-out-of-bounds in memcpy+0x10/0x30\n\
                 Write of size 8 at addr ffff888012345678 by task program/117",
                "KASAN: slab-out-of-bounds Write in guilty_one",
            ),
            (
                "BUG: KASAN: double-free in kfree+0x10/0x30\n\
                 Free of addr ffff888012345678 by task program/117",
                "KASAN: double-free in guilty_one",
            ),
            (
                "BUG: KASAN: double-free or invalid-free in guilty_one+0x10/0x30",
                "KASAN: double-free or invalid-free in guilty_one",
            ),
            (
                "BUG: KASAN: wild-memory-access on address ffffc90000000000\n\
                 Write of size 4 by task program/117",
                "KASAN: wild-memory-access Write in guilty_one",
            ),
            (
                "BUG: KASAN: invalid-access in guilty_one+0x10/0x30\n\
                 Read at addr f1ff888012345678 by task program/117",
                "KASAN: invalid-access Read in guilty_one",
            ),
            (
                "BUG: KASAN: invalid-access\nAsynchronous fault: no details available",
                "KASAN: invalid-access",
            ),
            (
                "BUG: KCSAN: data-race in first_one / second_one",
                "KCSAN: data-race in first_one / second_one",
            ),
            (
                "BUG: KCSAN: data-race in first_one.cold / _RNvCs2BlpNbLhQ5S_8rust_drv3foo",
                "KCSAN: data-race in first_one / rust_drv::foo",
            ),
            ("BUG: KCSAN: data-race in first_one+0x12/0x34", "KCSAN: data-race in first_one"),
            (
                "UBSAN: Undefined behaviour in fs/x.c:12:3",
                "UBSAN: undefined-behaviour in guilty_one",
            ),
            (
                "UBSAN: shift-out-of-bounds in fs/x.c:12:3",
                "UBSAN: shift-out-of-bounds in guilty_one",
            ),
        ],
    );
    for (report, title) in [
        (
            "BUG: KMSAN: kernel-infoleak in guilty_one+0x1/0x2",
            "KMSAN: kernel-infoleak in guilty_one",
        ),
        (
            "BUG: KFENCE: use-after-free write in guilty_one+0x1/0x2\n\n\
             Use-after-free write at 0xffff (in kfence-#1):",
            "KFENCE: use-after-free write in guilty_one",
        ),
    ] {
        check(" guilty_one+0x1/0x2\n do_syscall_64+0x1/0x2\n", &[(report, title)]);
    }
}

/// arch/*/mm/fault.c, arch/*/kernel/traps.c, lib/list_debug.c, mm/usercopy.c, kernel/cfi.c.
#[test]
fn exceptions() {
    const NULL: &str = "BUG: unable to handle kernel NULL pointer dereference in guilty_one";
    const PAGING: &str = "BUG: unable to handle kernel paging request in guilty_one";
    const FAULT: &str = "general protection fault in guilty_one";
    const LIST: &str = "BUG: corrupted list in guilty_one";
    check(
        STATE,
        &[
            ("BUG: unable to handle kernel NULL pointer dereference at           (null)", NULL),
            ("BUG: kernel NULL pointer dereference, address: 0000000000000020", NULL),
            ("Unable to handle kernel NULL pointer dereference at virtual address 00000000", NULL),
            ("BUG: unable to handle kernel paging request at ffffc90000000000", PAGING),
            ("BUG: unable to handle page fault for address: ffffc90000000000", PAGING),
            ("Unable to handle kernel paging request at virtual address dfff800000000000", PAGING),
            ("Unable to handle kernel write to read-only memory at virtual address ffff", PAGING),
            (
                "CPU 0 Unable to handle kernel paging request at virtual address 00000000, epc == 0",
                PAGING,
            ),
            ("general protection fault: 0000 [#1] PREEMPT SMP KASAN", FAULT),
            (
                "general protection fault, probably for non-canonical address 0xdf: 0000 [#1] SMP",
                FAULT,
            ),
            (
                "Oops: general protection fault, probably for non-canonical address 0xdf: 0000 [#1]",
                FAULT,
            ),
            ("divide error: 0000 [#1] SMP", "divide error in guilty_one"),
            ("Oops: divide error: 0000 [#1] SMP", "divide error in guilty_one"),
            ("simd exception: 0000 [#1] SMP", "simd exception in guilty_one"),
            ("traps: PANIC: double fault, error_code: 0x0", "PANIC: double fault in guilty_one"),
            (
                "BUG: IRQ stack guard page was hit at ffffc9 (stack is ffffc9..ffffca)\n\
                 stack guard page: 0000 [#1] SMP",
                "BUG: stack guard page was hit in guilty_one",
            ),
            (
                "kernel BUG at fs/x.c:123!\nOops: invalid opcode: 0000 [#1] PREEMPT SMP",
                "kernel BUG in guilty_one",
            ),
            (
                "kernel BUG at fs/x.c:123!\nInternal error: Oops - BUG: 00000000f2000800 [#1] SMP",
                "kernel BUG in guilty_one",
            ),
            ("Kernel bug detected[#1]:", "kernel BUG in guilty_one"),
            (
                "CFI failure at guilty_one+0x1/0x2 (target: other+0x0/0x2; expected type: 0x1)\n\
                 Oops: invalid opcode: 0000 [#1] SMP",
                "CFI failure in guilty_one",
            ),
            (
                "list_del corruption. prev->next should be ffff, but was ffff\n\
                 ------------[ cut here ]------------\n\
                 kernel BUG at lib/list_debug.c:53!\ninvalid opcode: 0000 [#1] SMP",
                LIST,
            ),
            (
                "------------[ cut here ]------------\nlist_del corruption, ffff->next is NULL\n\
                 WARNING: CPU: 1 PID: 117 at lib/list_debug.c:49 __list_del_entry_valid+0x1/0x2",
                LIST,
            ),
            (
                "usercopy: Kernel memory exposure attempt detected from SLUB object 'x'!\n\
                 kernel BUG at mm/usercopy.c:102!\ninvalid opcode: 0000 [#1] SMP",
                "BUG: bad usercopy in guilty_one",
            ),
        ],
    );
}

/// kernel/panic.c `__warn`, lib/refcount.c, lib/debugobjects.c, kernel/locking, mm, fs/proc.
#[test]
fn warnings() {
    check(
        STATE,
        &[
            ("WARNING: CPU: 0 PID: 117 at fs/x.c:12 guilty_one+0x10/0x30", "WARNING in guilty_one"),
            ("WARNING: fs/x.c:12 at guilty_one+0x10/0x30, CPU#0: x/117", "WARNING in guilty_one"),
            (
                "refcount_t: underflow; use-after-free.\n\
                 WARNING: lib/refcount.c:28 at refcount_warn_saturate+0x1/0x2, CPU#0: x/117",
                "WARNING: refcount bug in guilty_one",
            ),
            (
                "ODEBUG: free active (active state 0) object type: timer_list hint: x+0x0/0x1\n\
                 WARNING: CPU: 0 PID: 117 at lib/debugobjects.c:514 debug_print_object+0x1/0x2",
                "WARNING: ODEBUG bug in guilty_one",
            ),
            (
                "WARNING: CPU: 0 PID: 117 at kernel/locking/lockdep.c:232 hlock_class+0x1/0x2",
                "WARNING: locking bug in guilty_one",
            ),
            (
                "Division by zero in kernel.\nCall trace:\n dump_stack from Ldiv0+0x8/0x10\n\
                 \x20Ldiv0 from guilty_one+0x10/0x30",
                "Division by zero in kernel in guilty_one",
            ),
            (
                "kobject: '(null)' (ff): is not initialized, yet kobject_put() is being called.\n\
                 WARNING: CPU: 0 PID: 117 at lib/kobject.c:734 kobject_put+0x1/0x2",
                "WARNING: kobject bug in guilty_one",
            ),
            (
                "WARNING: CPU: 0 PID: 117 at mm/util.c:600 kvmalloc_node+0x1/0x2",
                "WARNING: kmalloc bug in guilty_one",
            ),
            (
                "usb 1-1: BOGUS urb xfer, pipe 1 != type 3\n\
                 WARNING: CPU: 0 PID: 117 at drivers/usb/core/urb.c:504 usb_submit_urb+0x1/0x2",
                "WARNING in guilty_one/usb_submit_urb",
            ),
        ],
    );
}

/// The line with the place may be lost: the sentence has it, too.
#[test]
fn a_warning_without_its_place_has_the_same_function() {
    let fingerprint = |state: &str, title: &str| {
        let text = format!(
            "WARNING: CPU: 0 PID: 117 at fs/x.c:12 guilty_one.llvm.1234+0x10/0x30\n{state}"
        );
        let found = incidents(text.as_bytes());
        assert_eq!(found[0].title, title);
        found[0].fingerprint
    };
    let title = "WARNING in guilty_one";
    let lost: Vec<&str> = STATE.split_inclusive('\n').filter(|l| !l.starts_with("RIP")).collect();
    assert_eq!(fingerprint(STATE, title), fingerprint(&lost.concat(), title));
}

/// kernel/locking/lockdep.c, lib/smp_processor_id.c, kernel/sched/core.c, kernel/workqueue.c.
#[test]
fn locks() {
    check(
        TRACE,
        &[
            (
                "WARNING: possible circular locking dependency detected\n\
                 6.12.0 #1 Not tainted\nprogram/117 is trying to acquire lock:\n\
                 ffff (&a){+.+.}-{3:3}, at: guilty_lock+0x10/0x30\n\nstack backtrace:",
                "possible deadlock in guilty_lock",
            ),
            (
                "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected\n\
                 6.12.0 #1 Not tainted\nprogram/117 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:\n\
                 ffff (&a){+.+.}-{3:3}, at: guilty_lock+0x10/0x30\n\
                 ... which became HARDIRQ-irq-safe at:\n  lock_acquire+0x1/0x2\n\
                 \x20 _raw_spin_lock+0x1/0x2\n  became_safe+0x1/0x2\n\nstack backtrace:",
                "possible deadlock in became_safe",
            ),
            (
                "[ BUG: Invalid wait context ]\n6.12.0 #1 Not tainted\n\
                 program/117 is trying to lock:\n\
                 ffff (&a){+.+.}-{3:3}, at: guilty_lock+0x10/0x30\n\nstack backtrace:",
                "BUG: Invalid wait context in guilty_lock",
            ),
            (
                "BUG: spinlock wrong owner on CPU#0, x/117",
                "BUG: spinlock wrong owner in guilty_one",
            ),
            ("BUG: rwlock recursion on CPU#1, x/117, ffff", "BUG: rwlock recursion in guilty_one"),
            (
                "BUG: using __this_cpu_add() in preemptible [00000000] code: x/117",
                "BUG: using __this_cpu_add() in preemptible code in guilty_one",
            ),
            (
                "BUG: scheduling in a non-blocking section: x/117/1",
                "BUG: scheduling in a non-blocking section in guilty_one",
            ),
            (
                "BUG: assuming atomic context at mm/x.c:12",
                "BUG: assuming atomic context in guilty_one",
            ),
            (
                "BUG: assuming non migratable context at mm/x.c:12\nCall Trace:\n __cant_migrate+0x1/0x2",
                "BUG: assuming non migratable context in guilty_one",
            ),
            (
                "BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[12]\n\
                 \x20    preempt=0x00000000 lock=0->1 RCU=0->0 workfn=guilty_work",
                "BUG: workqueue leaked atomic, lock or RCU in guilty_work",
            ),
        ],
    );
}

/// scripts/decode_stacktrace.sh puts places where offsets were.
#[test]
fn decoded_reports() {
    const DECODED: &str = "\
CPU: 1 PID: 117 Comm: program Not tainted 6.12.94 #1
RIP: 0010:memcpy_orig (arch/x86/lib/memcpy_64.S:77)
Code: 00 00 All code
========
   0:\t00 00                \tadd    %al,(%rax)
Call Trace:
 <TASK>
 ? __die (arch/x86/kernel/dumpstack.c:421 arch/x86/kernel/dumpstack.c:434)
 guilty_one (drivers/foo/foo.c:123 (discriminator 3)) foo
 vfs_write (fs/read_write.c:684)
 do_syscall_64 (arch/x86/entry/common.c:52 arch/x86/entry/common.c:83)
 </TASK>
";
    check(
        DECODED,
        &[
            (
                "BUG: unable to handle page fault for address: ffffc90000000000",
                "BUG: unable to handle kernel paging request in guilty_one",
            ),
            (
                "BUG: KASAN: slab-out-of-bounds in memcpy_orig (arch/x86/lib/memcpy_64.S:77)\n\
                 Read of size 8 at addr ffff888012345678 by task program/117",
                "KASAN: slab-out-of-bounds Read in guilty_one",
            ),
            (
                "WARNING: possible recursive locking detected\n\
                 6.12.0 #1 Not tainted\nprogram/117 is trying to acquire lock:\n\
                 ffff (&a){+.+.}-{3:3}, at: guilty_lock (fs/foo.c:12) foo\n\nstack backtrace:",
                "possible deadlock in guilty_lock",
            ),
        ],
    );
}

/// kernel/rcu, kernel/hung_task.c, kernel/watchdog.c.
#[test]
fn stalls() {
    const STALL: &str = "INFO: rcu detected stall in guilty_one";
    check(
        TRACE,
        &[
            ("INFO: rcu_preempt self-detected stall on CPU", STALL),
            ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", STALL),
            ("rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 0-... } 12", STALL),
            ("INFO: rcu_tasks_trace detected stalls on tasks:", STALL),
            (
                "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [x:117]",
                "BUG: soft lockup in guilty_one",
            ),
            (
                "INFO: task x:117 blocked for more than 143 seconds.",
                "INFO: task hung in guilty_one",
            ),
            (
                "INFO: task x:117 blocked for more than 120 seconds.\nCall Trace:\n\
                 \x20[<ffffffff8163a839>] schedule+0x29/0x70\n\
                 \x20[<ffffffff81639ef8>] io_schedule+0x18/0x20\n\
                 \x20[<ffffffff811f9f5e>] sleep_on_buffer+0xe/0x20\n\
                 \x20[<ffffffff816386b0>] __wait_on_bit+0x60/0x90\n\
                 \x20[<ffffffff811fb4fa>] guilty_one+0x2a/0x30",
                "INFO: task hung in guilty_one",
            ),
            (
                "INFO: task x:117 blocked in I/O wait for more than 143 seconds.",
                "INFO: task hung in guilty_one",
            ),
        ],
    );
}

/// arch/*/lib: who copies for others, under the names that kallsyms finds.
#[test]
fn who_copies_is_not_guilty() {
    for name in [
        "__pi_memcpy_generic",
        "__pi_strlen",
        "__arch_copy_to_user",
        "__arch_clear_user",
        "mmioset",
        "mmiocpy",
        "arm_copy_from_user",
        "fallback_scalar_usercopy",
        "memcpy_power7",
        "rep_movs_alternative",
        "dcache_clean_poc",
        "v7_dma_inv_range",
        "__aeabi_uidivmod",
        "srso_alias_return_thunk",
    ] {
        let text = format!(
            "Unable to handle kernel paging request at virtual address 00700000\n\
             Internal error: Oops: 5 [#1]\npc : {name}+0x1/0x2\nCall trace:\n\
             \x20{name}+0x1/0x2\n guilty_one+0x1/0x2\n el0_svc+0x1/0x2\n"
        );
        assert_eq!(incidents(text.as_bytes())[0].function.as_deref(), Some("guilty_one"), "{name}");
    }
}

/// mm/page_poison.c `check_poison_mem`, net/core/dev.c `do_netdev_rx_csum_fault`.
#[test]
fn bits_that_are_wrong() {
    check(
        TRACE,
        &[
            (
                "pagealloc: single bit error\n\
                 ffff888012345678: aa aa ab aa aa aa aa aa aa aa aa aa aa aa aa aa  ................",
                "pagealloc: single bit error",
            ),
            ("pagealloc: memory corruption", "pagealloc: memory corruption"),
            ("eth0: hw csum failure", "Network card: checksum failure"),
        ],
    );
}

/// mm/memory.c `print_bad_pte`: the count of those that were not shown stands above the next one.
#[test]
fn what_was_suppressed_is_no_incident_beside_the_next() {
    let map = "BUG: Bad page map in process x  pte:8000000012345067 pmd:12346067";
    let suppressed = format!("BUG: Bad page map: 12 messages suppressed\n{map}");
    check(TRACE, &[(map, "BUG: Bad page map"), (&suppressed, "BUG: Bad page map")]);
}

/// kernel/hung_task.c `debug_show_blocker` shows the owner's stack below, too.
#[test]
fn who_holds_the_lock_hangs_not() {
    let text = format!(
        "INFO: task a:117 blocked for more than 143 seconds.\n{TRACE}\
         INFO: task a:117 is blocked on a mutex likely owned by task b:118.\n\
         task:b state:S stack:0 pid:118\nCall Trace:\n schedule+0x1/0x2\n holder+0x1/0x2\n"
    );
    let found = incidents(text.as_bytes());
    let titles: Vec<&str> = found.iter().map(|incident| &*incident.title).collect();
    assert_eq!(titles, ["INFO: task hung in guilty_one"]);
}

/// kernel/panic.c: a panic without the report before it, which explains it, is only part of one.
#[test]
fn panics() {
    let cases = [
        (
            "stack-protector: Kernel stack is corrupted in: guilty_two+0x1/0x2",
            "stack is corrupted in guilty_two",
        ),
        (
            "stack-protector: Kernel stack is corrupted in: ffffffff81234567",
            "stack is corrupted in guilty_one",
        ),
        ("Attempted to kill init! exitcode=0x00000009", "Attempted to kill init!"),
        ("Out of memory and no killable processes...", "Out of memory and no killable processes"),
        ("kernel: panic_on_warn set ...", "panic_on_warn set"),
        ("KASAN: panic_on_warn set ...", "panic_on_warn set"),
        ("hung_task: blocked tasks", "hung_task: blocked tasks"),
        ("Couldn't open N_TTY ldisc for ttyS12 --- error -12.", "Couldn't open N_TTY ldisc"),
    ];
    for (words, title) in cases {
        let found = incidents(format!("Kernel panic - not syncing: {words}\n{TRACE}").as_bytes());
        assert_eq!(found[0].title, format!("kernel panic: {title}"));
        assert_eq!(found[0].corrupted.is_some(), title.starts_with("panic_on_warn"), "{words}");
    }
}

/// lib/fault-inject.c `fail_dump`: what another CPU shows of it is no trace of this report.
#[test]
fn an_injected_failure_is_another_s() {
    let text = "WARNING: CPU: 1 PID: 117 at fs/x.c:12 guilty_one+0x10/0x30\n\
                CPU: 0 PID: 9 Comm: other Not tainted 6.12.94 #1\nCall Trace:\n\
                \x20dump_stack+0x1/0x2\n should_fail.cold+0xa/0x15\n should_failslab+0x9/0x14\n\
                \x20__kmalloc+0x71/0x740\n pty_write+0x133/0x200\n";
    let found = incidents(format!("{text}{STATE}").as_bytes());
    assert_eq!(found[0].title, "WARNING in corrupted");
    assert!(found[0].corrupted.is_some());
}
