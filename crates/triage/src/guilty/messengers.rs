//! Those who only report, copy, lock, wait or allocate for others, with the reason.

use std::sync::LazyLock;

use super::names::Names;
use crate::Kind;

/// Messengers for every kind.
const ALWAYS: &[(&str, &str)] = &[
    (
        "print the report: lib/dump_stack.c, kernel/panic.c, lib/bug.c",
        "\
         dump_stack* __dump_stack __panic rust_helper_BUG *rust_begin_unwind* *core9panicking* \
         __set_page_owner show_stack* show_trace* dump_backtrace* unwind_backtrace \
         walk_stackframe panic panic_saved_regs vpanic nmi_panic get_taint printk_* __printk_* \
         console_unlock console_flush_all check_panic_on_warn print_tainted __warn* \
         warn_slowpath* warn_bogus* report_bug __report_bug handle_bug fixup_bug bug_handler \
         call_break_hook brk_handler bug_brk_handler sched_show_task _sched_show_task \
         show_regs* __show_regs dump_page __dump_page warn_alloc check_preemption_disabled \
         debug_smp_processor_id __this_cpu_preempt_check print_address_description* \
         print_report* print_track object_err slab_err slab_bug bad_page print_bad_pte printk \
         _printk vprintk* oops_end oops_begin crash_kexec __crash_kexec",
    ),
    (
        "enter and leave exceptions: arch/*/kernel/traps.c, arch/*/mm/fault.c, arch/*/entry",
        "\
         do_trap* do_error_trap do_invalid_op invalid_op exc_* asm_exc_* error_entry error_exit \
         die __die* die_* do_general_protection general_protection no_context bad_area* \
         __bad_area* page_fault* do_page_fault __do_page_fault do_kern_addr_fault \
         do_user_addr_fault __do_kernel_fault do_translation_fault do_tag_check* do_mem_abort \
         do_sea do_bad_area do_alignment_fault do_DataAbort do_PrefetchAbort el1_* el1h_64_* \
         do_debug_exception do_undefinstr do_int3 divide_error do_divide_error double_fault \
         do_double_fault program_check* do_trap_break handle_page_fault handle_exception \
         trace_page_fault async_page_fault do_async_page_fault irqentry_* entry_trap* retint_* \
         common_interrupt asm_common_interrupt ret_from_intr ret_from_exception asm_sysvec_* \
         sysvec_* math_error __x86_indirect_thunk_* __x86_return_thunk __do_pgm_check \
         pgm_check_handler do_report_trap data_access_common* instruction_access_* \
         bad_page_fault fixup_exception ex_handler_* spurious_* mce_* nmi end_repeat_nmi do_nmi \
         default_do_nmi nmi_handle",
    ),
    (
        "\
         instrumentation: mm/kasan, mm/kmsan, mm/kfence, kernel/kcsan, lib/ubsan.c, \
         kernel/kcov.c",
        "\
         kasan_* __kasan_* __asan_* asan_* __hwasan_* kmsan_* __msan_* msan_* kfence_* \
         __kfence_* kcsan_* __tsan_* ubsan_* __ubsan_* handle_overflow check_memory_region* \
         memory_is_* __sanitizer_* write_comp_data check_kcov_mode kcov_* perf_trace_* \
         trace_event_raw_* __traceiter_* do_perf_trace_* __bpf_trace_* bpf_trace_run* qlist_* \
         quarantine_* poison_* unpoison_* stack_depot_* depot_* set_track* save_stack* \
         __save_stack* stack_trace_* arch_stack_walk* unwind_* __unwind_* instrument_* \
         end_report start_report check_region_inline check_inlined_region",
    ),
    (
        "copy and compare memory: lib/string.c, lib/usercopy.c, arch/*/lib",
        "\
         memcpy* __memcpy* memset* __memset* memmove* __memmove* memcmp bcmp memchr* memscan \
         memcpy_fromio strlen strnlen_user strncpy_from_user sscanf vsscanf simple_strto* \
         kstrto* jhash* siphash* __siphash* strnlen strcpy strncpy strlcpy strlcat strcat \
         strscpy* sized_strscpy* strcmp strcasecmp strncmp strncasecmp strstr strnstr strchr \
         strnchr strrchr strsep strpbrk strim kstrdup* kmemdup* memdup_user* strndup_user \
         *copy_from_user* *copy_to_user* *copy_to_iter* *copy_from_iter* *copy_page_to_iter \
         _copy_* __copy_* copy_user_* copyin copyout raw_copy_* check_copy_size \
         __check_object_size check_object_size usercopy_abort report_usercopy \
         __check_heap_object check_heap_object __get_user* __put_user* rep_movs* rep_stos* \
         __clear_user clear_user* fortify_panic __fortify_* crc* __crc* csum_partial* string* \
         vsnprintf snprintf hex_string number address_val va_format* widen_string \
         string_nocheck format_decode ptr_to_id __dev_printk _dev_* dev_printk* dev_vprintk* \
         __netdev_printk netdev_info netdev_err netdev_warn netdev_printk sprintf vscnprintf \
         pointer number __writeb* __raw_* logic_in* logic_out* ioread* iowrite*",
    ),
    (
        "atomics, bits and counters: include/linux/atomic, lib/refcount.c, lib/percpu_counter.c",
        "\
         atomic_* atomic64_* arch_atomic* raw_atomic* refcount_* __refcount_* kref_* test_bit \
         find_first_bit find_next_bit _find_* bitmap_* __bitmap_* set_bit clear_bit test_and_* \
         __read_once* read_word_at_a_time percpu_ref_* xchg* cmpxchg*",
    ),
    (
        "\
         lists, trees and numbers: lib/list_debug.c, lib/rbtree.c, lib/radix-tree.c, \
         lib/xarray.c, lib/idr.c",
        "\
         __list_* list_* rb_insert_color* rb_erase* rb_next rb_prev rb_first* rb_last __rb_* \
         radix_tree_* __radix_tree_* xa_* __xa_* xas_* idr_* ida_* hlist_* llist_* klist_* \
         plist_* rht_* rhashtable_* __rhashtable_* interval_tree_*",
    ),
    (
        "locks and their validator: kernel/locking",
        "\
         lock_acquire* __lock_acquire* lock_release* __lock_release lock_is_held* \
         lock_downgrade* lock_set_* lockdep_* __lockdep_* register_lock_class assign_lock_key \
         validate_chain check_prev* check_noncircular check_deadlock check_lock* check_irq* \
         check_usage* check_wait_context mark_lock* mark_held_locks mark_usage print_* \
         debug_check_no_locks* debug_lock* debug_locks* trace_hardirqs* lookup_lock* \
         look_up_lock_class find_lock* match_held_lock __bfs* hlock_* _raw_* do_raw_* spin_* \
         __raw_spin* __raw_read* __raw_write* rwlock_* queued_* native_queued* pv_queued* \
         __pv_queued* mutex_* raw_spin_* raw_read_* raw_write_* osq_* iput debug_lockdep_rcu* \
         rcu_is_watching rcu_note_context_switch rcu_dynticks* __mutex_* ww_mutex_* __ww_mutex* \
         rt_mutex_* __rt_mutex_* rt_spin_* rt_read_* rt_write_* down down_interruptible \
         down_killable down_trylock down_timeout down_read* down_write* __down* up up_read* \
         up_write* __up* rwsem_* call_rwsem_* percpu_down* percpu_up* __percpu_* console_lock \
         reacquire_held_locks __task_rq_lock task_rq_lock* _atomic_dec_and_lock* folio_unlock* \
         rcu_lock* rcu_read_* __rcu_read_* seqcount_* bit_spin_* hlist_bl_lock arch_spin_* \
         arch_read_* arch_write_* local_bh_* __local_bh_* spin_bug spin_dump rwbase_* \
         semaphore_* inode_lock* i_mmap_lock* mmap_*_lock* lock_mm_and* lock_page* __lock_page* \
         folio_lock* __folio_lock* folio_wait_* wait_on_page_* lock_two_* lock_buffer* \
         __lock_buffer unlock_page debug_object_*lock* local_lock* task_lock device_lock \
         gup_*lock",
    ),
    (
        "wait and schedule: kernel/sched, kernel/time/timer.c, kernel/workqueue.c",
        "\
         schedule* __schedule* io_schedule* __wait_on_buffer wait_on_buffer context_switch \
         __switch_to* wait_for_completion* wait_for_common* __wait_for_common \
         do_wait_for_common wait_on_bit* __wait_on_bit* bit_wait* out_of_line_wait_* \
         prepare_to_wait* finish_wait finish_task_switch* wake_up wake_up_process wake_up_q \
         wake_up_state wake_up_bit __wake_up* autoremove_wake_function default_wake_function \
         try_to_wake_up preempt_schedule* preempt_count_* ___preempt* _cond_resched \
         __cond_resched* cond_resched ___might_sleep __might_sleep __might_resched \
         __might_fault might_fault might_resched kthread_stop* kthread_park kthread_flush* \
         wait_woken do_nanosleep msleep* lock_timer_base __try_to_del_timer* __timer_delete* \
         timer_delete* timer_shutdown* detach_if_pending detach_timer enqueue_timer \
         sk_stop_timer* sk_reset_timer usleep* wait_rcu_gp __wait_rcu_gp _synchronize_rcu* \
         __flush_work* flush_work __flush_workqueue flush_workqueue* flush_delayed_work \
         cancel_work_sync cancel_delayed_work_sync __cancel_work* start_flush_work \
         drain_workqueue destroy_workqueue touch_work_lockdep_map completion_* complete* \
         ktime_get* __delay __const_udelay __udelay delay_* ndelay timeout_* cpu_relax rep_nop \
         native_safe_halt hrtimer_nanosleep wait_event_*",
    ),
    (
        "\
         count, name and tear down objects for their owners: lib/kobject.c, lib/ref_tracker.c, \
         drivers/base, net/core/dev.c",
        "\
         kobject_* __kobject_* kset_* add_uevent_var get_device put_device get_device_parent \
         device_private_init device_add device_register device_del device_destroy \
         tty_unregister_device tty_register_device* device_create* device_unregister \
         device_release devres_release_* ref_tracker_* rollback_registered* \
         unregister_netdevice_many* unregister_netdevice_queue* unregister_netdev \
         unregister_netdev",
    ),
    (
        "\
         look up and drop pages of files: mm/filemap.c, mm/truncate.c, mm/swap.c; addresses of \
         memory: arch/*/mm/physaddr.c",
        "\
         find_get_* find_lock_* filemap_get_* __filemap_get_* pagecache_get_page \
         truncate_inode_page* do_read_cache_folio do_read_cache_page __phys_addr* \
         __virt_addr_valid virt_to_* __virt_to_phys*",
    ),
    (
        "free packets for others: net/core/skbuff.c",
        "kfree_skb* __kfree_skb skb_release_* skb_free_head sk_skb_reason_drop",
    ),
    (
        "\
         allocate and free: mm/slab*.c, mm/page_alloc.c, mm/vmalloc.c, mm/util.c, mm/percpu.c, \
         mm/mempool.c",
        "\
         *kmalloc* ___kmalloc* __do_kmalloc* kmem_cache_* kzalloc* kcalloc krealloc* \
         __do_krealloc kfree kfree_const kfree_sensitive kzfree __kfree __cache_free \
         ___cache_free kvfree* kvmalloc* __kvmalloc* vmalloc* __vmalloc* vzalloc* vfree* \
         __vfree* __vunmap vmap* slab_* __slab_* ___slab_* do_slab_free cache_alloc* \
         __do_cache_alloc ____cache_alloc* cache_grow* fallback_alloc new_slab* allocate_slab \
         free_debug_processing alloc_debug_processing alloc_pages* __alloc_pages* alloc_page_* \
         __alloc_frozen* folio_alloc* __folio_alloc* alloc_slab* get_page_from_freelist \
         post_alloc_hook prep_new_page prep_compound* free_pages* __free_pages* __free_frozen* \
         free_frozen* free_unref_* free_pcp* free_one_page free_the_page free_page_is_bad* \
         free_tail_page* __page_frag* page_frag_* mempool_* pcpu_* __alloc_percpu* \
         alloc_percpu* free_percpu devm_k* create_object* __create_object* kmemleak_* \
         debug_slab* alloc_skb* __alloc_skb* __netdev_alloc* __napi_alloc* memcg_* should_fail* \
         __should_fail* fail_dump should_failslab __debug_check_no_obj_freed \
         debug_check_no_obj_freed debug_object_* debug_print_object __debug_object* \
         ___free_pages* dma_alloc* dmam_* kasprintf kvasprintf* shrink_slab* alloc_object \
         __rmqueue* rmqueue* __pcs_* __kmem_cache* allocate_*",
    ),
];

/// Messengers for some kinds only.
const FOR_KINDS: &[(&[Kind], &str, &str)] = &[
    (
        &[Kind::RcuStall, Kind::SoftLockup, Kind::HardLockup, Kind::Panic],
        "\
         watch over RCU, CPUs and stacks: kernel/rcu, kernel/time, kernel/watchdog.c, \
         lib/nmi_backtrace.c",
        WATCHERS,
    ),
    (
        &[Kind::Refcount],
        "count references for others: net/core, fs/file_table.c",
        "\
         kfree_skb* __kfree_skb consume_skb skb_release_* skb_unref sock_hold sock_put sk_free \
         dev_hold dev_put get_net* put_net* fput* get_file*",
    ),
    (
        &[Kind::Odebug, Kind::Lockdep],
        "\
         arm and disarm timers, work and RCU callbacks for others: kernel/time, \
         kernel/workqueue.c, kernel/rcu",
        "\
         call_rcu* __call_rcu* kfree_call_rcu* kvfree_call_rcu* queue_work* __queue_work* \
         queue_delayed_work* mod_timer* __mod_timer del_timer* timer_* try_to_del_timer* \
         init_timer* hrtimer_* __init_work add_timer* process_timeout",
    ),
    (
        &[Kind::Odebug],
        "are what a timer calls: it is free to go, and the softirq found it",
        "*timer*",
    ),
    (
        &[Kind::Lockdep],
        "hold or take locks that are no code of theirs: kernel/workqueue.c, fs/inode.c",
        "process_one_work process_scheduled_works worker_thread kthread",
    ),
    (
        &[Kind::HungTask],
        "wait for others: drivers/usb/core/message.c, kernel/rcu/tree.c",
        "\
         usb_start_wait_urb usb_internal_control_msg usb_control_msg* usb_bulk_msg \
         usb_interrupt_msg usb_kill_urb rcu_barrier*",
    ),
    (
        &[Kind::MemoryLeak],
        "allocate by way of an object's own function: kernel/bpf, lib/debugobjects.c",
        "debug_objects_* fill_pool *_map_alloc *alloc_inode",
    ),
    (
        &[Kind::BadPage],
        "allocate a page for its owner: mm/filemap.c, net/core/page_pool.c",
        "\
         filemap_alloc_folio* page_pool_* __page_pool_* __page_cache_alloc* folio_alloc* \
         vma_alloc*",
    ),
    (
        &[Kind::Warning, Kind::Bug],
        "drop a name for its holder: fs/dcache.c",
        "dput fast_dput __dput",
    ),
    (
        &[Kind::Lockdep],
        "lock a socket for its owner: net/core/sock.c",
        "lock_sock* __lock_sock* release_sock",
    ),
    (
        &[Kind::Kasan],
        "put work into a queue for others: kernel/workqueue.c",
        "insert_work __queue_work queue_work_on __queue_delayed_work queue_delayed_work_on",
    ),
    (
        &[Kind::Warning],
        "make entries for their owners: fs/proc/generic.c",
        "proc_register proc_create* proc_mkdir* proc_symlink _proc_mkdir",
    ),
    (&[Kind::Warning], "check what drivers submit: drivers/usb/core/urb.c", "usb_submit_urb"),
    (
        &[Kind::Bug],
        "check a packet's room or a folio's lock: net/core/skbuff.c, mm/filemap.c",
        "\
         skb_panic skb_over_panic skb_under_panic skb_put* skb_push* skb_pull* __skb_pull \
         sg_init_* assertfail *_panic",
    ),
];

/// Beside the watchers themselves: the interrupts that bring them.
const WATCHERS: &str = "\
         *timer* nmi_* arch_trigger_* trigger_* rcu_dump_* rcu_check_* rcu_sched_clock* \
         rcu_pending __rcu_pending print_cpu_stall print_other_cpu_stall check_cpu_stall \
         dump_cpu_task update_process_times tick_* hrtimer_interrupt hrtimer_run_queues \
         *apic_timer_interrupt apic_timer_interrupt local_apic_timer* smp_apic* \
         watchdog_timer_fn watchdog_* arch_timer_* handle_percpu_devid* generic_handle* \
         handle_domain_irq __handle_domain_irq handle_irq_desc gic_handle* __gic_handle* \
         gic_irq* __irq_svc el1h_64_irq* el1_irq* el1_interrupt do_interrupt_handler \
         call_on_irq_stack __do_softirq handle_softirqs run_timer_softirq __run_timers \
         __run_timer_base do_el0_irq* smp_call_function_interrupt __sysvec* run_timer_base \
         run_rebalance*";

static ALWAYS_NAMES: LazyLock<Names> =
    LazyLock::new(|| Names::of(ALWAYS.iter().map(|(_, names)| *names)));

static KINDS_NAMES: LazyLock<Vec<Names>> = LazyLock::new(|| {
    Kind::ALL
        .iter()
        .map(|kind| {
            let of_kind = FOR_KINDS.iter().filter(|(kinds, ..)| kinds.contains(kind));
            Names::of(of_kind.map(|(.., names)| *names))
        })
        .collect()
});

pub(super) fn is_messenger(name: &str, kind: Kind) -> bool {
    ALWAYS_NAMES.has(name) || KINDS_NAMES.get(kind as usize).is_some_and(|names| names.has(name))
}
