//! Those who call everybody: what they called is what the kernel was doing.

use std::sync::LazyLock;

use super::names::Names;

/// Dispatchers by what they dispatch, each with the kernel's place.
const DISPATCHERS: &[(&str, &str)] = &[
    (
        "system calls: arch/*/entry, arch/arm64/kernel/syscall.c",
        "\
         do_syscall_64 do_syscall_x64 x64_sys_call ia32_sys_call do_fast_syscall_32 \
         __do_fast_syscall_32 do_int80_syscall_32 do_int80_emulation do_SYSENTER_32 \
         do_syscall_32_irqs_on entry_SYSCALL_64* entry_SYSENTER* entry_INT80* el0_svc* \
         do_el0_svc* invoke_syscall __invoke_syscall ret_fast_syscall __sys_trace_return \
         system_call* syscall_exit* do_trap_ecall_u do_syscall __do_syscall \
         int_ret_from_sys_call tracesys* sysenter_dispatch ret_from_syscall",
    ),
    (
        "threads and work: kernel/kthread.c, kernel/workqueue.c, kernel/task_work.c",
        "\
         kthread cpu_startup_entry do_idle start_secondary ret_from_fork* process_one_work \
         process_scheduled_works worker_thread task_work_run smpboot_thread_fn \
         kthread_worker_fn",
    ),
    (
        "interrupts and what they put off: kernel/softirq.c, kernel/time",
        "\
         call_timer_fn __hrtimer_run_queues __run_hrtimer tasklet_action* \
         __handle_irq_event_percpu __napi_poll napi_poll net_rx_action rcu_do_batch expire_timers \
         irq_thread irq_thread_fn irq_forced_thread_fn irq_work_single irq_work_run_list \
         flush_smp_call_function_queue __flush_smp_call_function_queue do_one_initcall",
    ),
    (
        "\
         files: fs/read_write.c, fs/open.c, fs/ioctl.c, fs/file_table.c, fs/splice.c, \
         block/ioctl.c",
        "\
         __vfs_read __vfs_write vfs_read vfs_write new_sync_read new_sync_write do_iter_read \
         do_iter_write do_iter_readv_writev do_loop_readv_writev *sys_ioctl SyS_ioctl vfs_ioctl \
         compat_SyS_ioctl \
         do_vfs_ioctl vfs_open proc_reg_* full_proxy_* do_dentry_open __fput ____fput vfs_fsync* do_fsync \
         __blkdev_driver_ioctl blkdev_driver_ioctl blkdev_ioctl compat_blkdev_ioctl block_ioctl \
         iterate_dir vfs_splice_read do_splice_to do_splice_from direct_splice_actor \
         iter_file_splice_write vfs_iter_write vfs_poll do_poll notify_change vfs_fallocate",
    ),
    (
        "mappings: mm/mmap.c, mm/memory.c",
        "mmap_region __mmap_region call_mmap do_mmap vm_mmap_pgoff remove_vma",
    ),
    (
        "sockets: net/socket.c",
        "\
         sock_sendmsg* __sock_sendmsg sock_ioctl sock_do_ioctl sock_close sock_release \
         __sock_release ___sys_sendmsg ____sys_sendmsg __sys_sendmsg __sys_setsockopt \
         __sys_sendto sock_write_iter sock_common_setsockopt do_sock_setsockopt __sys_connect \
         __sys_bind",
    ),
    (
        "netlink: net/netlink, net/core/rtnetlink.c, net/netfilter/nfnetlink.c",
        "\
         rtnetlink_rcv_msg nfnetlink_rcv_msg nfnetlink_rcv_batch nfnetlink_rcv netlink_dump \
         __netlink_dump_start sock_diag_rcv_msg xfrm_user_rcv_msg genl_dumpit",
    ),
    (
        "packets: net/core/dev.c",
        "\
         __netif_receive_skb* netif_receive_skb* process_backlog deliver_skb \
         __netif_receive_skb_one_core",
    ),
];

/// What passes a call on to its like: it is the entry only if it called nothing else.
const RELAYS: &str = "*_compat_ioctl";

/// Beyond these there is user space, or nothing.
const BOUNDARIES: &str = "\
         entry_SYSCALL* do_syscall_64 do_fast_syscall_32 ret_fast_syscall ret_from_fork* \
         el0_svc el0_sync* el0t_64_sync* entry_SYSENTER* int_ret_from_sys_call x64_sys_call";

static DISPATCHER_NAMES: LazyLock<Names> =
    LazyLock::new(|| Names::of(DISPATCHERS.iter().map(|(_, names)| *names)));

static RELAY_NAMES: LazyLock<Names> = LazyLock::new(|| Names::of([RELAYS].into_iter()));

static BOUNDARY_NAMES: LazyLock<Names> = LazyLock::new(|| Names::of([BOUNDARIES].into_iter()));

pub(super) fn is_dispatcher(name: &str) -> bool {
    DISPATCHER_NAMES.has(name)
}

pub(super) fn is_relay(name: &str) -> bool {
    RELAY_NAMES.has(name)
}

pub(super) fn is_boundary(name: &str) -> bool {
    BOUNDARY_NAMES.has(name)
}
