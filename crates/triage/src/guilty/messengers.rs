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
         __cant_sleep __cant_migrate console_unlock check_panic_on_warn print_tainted __warn* \
         warn_slowpath* warn_bogus* \
         report_bug __report_bug handle_bug fixup_bug bug_handler call_break_hook brk_handler \
         bug_brk_handler sched_show_task _sched_show_task show_regs* __show_regs dump_page \
         __dump_page warn_alloc check_preemption_disabled debug_smp_processor_id \
         __this_cpu_preempt_check print_address_description* print_report* print_track \
         object_err slab_err slab_bug bad_page print_bad_pte printk _printk vprintk* oops_end \
         oops_begin crash_kexec __crash_kexec show_mem __show_mem show_free_areas \
         __stack_chk_fail add_taint nmi_cpu_backtrace* nmi_trigger_* console_trylock* \
         console_flush* console_emit* *console_sem wake_up_klogd* defer_console* df_debug \
         show_opcodes show_ip show_iret_regs slab_fix restore_bytes dump_mapping __print_bad* \
         lockdep_print* rust_panic* panic_bad_stack handle_bad_stack __bad_stack* bad_el0_sync \
         __panic_unhandled panic_unhandled arm64_serror_panic do_serror",
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
         do_double_fault program_check* handle_page_fault handle_exception trace_page_fault \
         async_page_fault do_async_page_fault irqentry_* entry_trap* retint_* common_interrupt \
         asm_common_interrupt ret_from_intr asm_sysvec_* sysvec_* math_error \
         __x86_indirect_thunk_* __x86_return_thunk __do_pgm_check pgm_check_handler \
         do_report_trap data_access_common* instruction_access_* bad_page_fault fixup_exception \
         ex_handler_* spurious_* mce_* nmi end_repeat_nmi do_nmi default_do_nmi nmi_handle \
         kernelmode_fixup_or_oops show_fault_oops pgtable_bad overflow bounds stack_segment \
         alignment_check machine_check coprocessor_error simd_coprocessor_error do_coprocessor* \
         do_simd* do_bounds do_overflow do_stack_segment do_alignment_check do_debug int3 debug \
         handle_invalid_op handle_stack_overflow do_sp_pc_abort do_sect_fault do_bad \
         ___do_page_fault hash__do_page_fault exception_common unrecoverable_exception \
         machine_check_* do_protection_exception do_dat_exception monitor_event_exception do_bp \
         handle_bp* do_ade handle_ade* ct_user_* ct_irq_* ct_nmi_* ct_kernel_* __ct_user_* \
         context_tracking_* __context_tracking_*",
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
         __save_stack* stack_trace_* arch_stack_walk* instrument_* \
         end_report start_report check_region_inline check_inlined_region __cfi_* \
         cfi_failure_handler",
    ),
    (
        "copy and compare memory: lib/string.c, lib/usercopy.c, arch/*/lib",
        "\
         memcpy* __memcpy* memset* __memset* memmove* __memmove* bcmp memchr* memscan strlen \
         strnlen_user sscanf vsscanf simple_strto* kstrto* jhash* siphash* __siphash* strnlen \
         strcpy strncpy strlcpy strlcat strcat strscpy* sized_strscpy* strcmp strcasecmp \
         strncmp strncasecmp strstr strnstr strchr strnchr strrchr strsep strpbrk strim \
         kstrdup* kmemdup* memdup_user* strndup_user *copy_from_user* *copy_to_user* \
         *copy_to_iter* *copy_from_iter* *copy_page_to_iter _copy_* __copy_* copy_user_* copyin \
         copyout raw_copy_* check_copy_size __check_object_size check_object_size \
         usercopy_abort report_usercopy __check_heap_object check_heap_object __get_user* \
         __put_user* rep_movs* rep_stos* __clear_user clear_user* fortify_panic __fortify_* \
         crc* __crc* csum_partial* string* vsnprintf snprintf hex_string number address_val \
         va_format* widen_string format_decode ptr_to_id __dev_printk _dev_* dev_printk* \
         dev_vprintk* __netdev_printk netdev_info netdev_err netdev_warn netdev_printk sprintf \
         vscnprintf pointer number __writeb* __raw_* logic_in* logic_out* ioread* iowrite* \
         memcmp* str_has_prefix strcspn strspn strchrnul strnchrnul strncat strreplace stpcpy \
         skip_spaces sysfs_streq match_string __sysfs_match_string memzero_explicit memweight \
         bsearch sort sort_r hex2bin bin2hex hex_to_bin hex_dump_to_buffer _parse_integer* \
         _kstrto* match_token match_int match_number match_strdup match_u64* match_one \
         *copy_from_kernel* *copy_to_kernel* probe_kernel_* probe_user_* copy_in_user copy_mc_* \
         strncpy_from_* do_strncpy_from_user do_strnlen_user check_zeroed_user \
         copy_struct_from_user csum_and_* *copy_page_from_iter* copy_folio_* iov_iter_zero \
         copy_page copy_page_regs clear_page clear_page_erms clear_page_rep clear_page_orig \
         copy_highpage* clear_highpage* kstrndup kvmemdup* vmemdup_user* xxh32* xxh64* \
         hsiphash* __hsiphash* vsprintf scnprintf vbin_printf bstr_printf bprintf seq_buf_* \
         put_dec* ip4_string ip6_string ip6_compressed_string ip4_addr_string* ip6_addr_string* \
         ip_addr_string mac_address_string uuid_string symbol_string resource_string \
         escaped_string bitmap_string bitmap_list_string dentry_name file_dentry_name bdev_name \
         netdev_bits flags_string fourcc_string device_node_string fwnode_string rtc_str \
         time64_str time_and_date error_string err_ptr check_pointer* restricted_pointer \
         default_pointer ptr_to_hashval special_hex_number __dynamic_* netdev_notice \
         netdev_emerg netdev_alert netdev_crit create_syslog_header pio_read* pio_write* \
         mmio_ins* mmio_outs* inb inw inl outb outw outl readb readw readl readq writeb writew \
         writel writeq insb insw insl outsb outsw outsl sha1_transform mmiocpy mmioset \
         arm_copy_* arm_clear_user* __arch_clear_user fallback_scalar_usercopy* \
         enter_vector_usercopy __asm_vector_usercopy* pa_memcpy* copypage_power7 __bzero memzero \
         __rmemcpy*",
    ),
    (
        "divide, return and trace for all code: arch/*/lib, arch/x86/lib/retpoline.S, ftrace's entry",
        "\
         __div0 Ldiv0* __aeabi_* __divsi3 __udivsi3 __modsi3 __umodsi3 __divdi3 __udivdi3 \
         __div64_32 __do_div64 div64_* div_s64_rem div_u64_rem *_return_thunk *_safe_ret \
         *untrain_ret ftrace_caller \
         ftrace_regs_caller ftrace_graph_caller ftrace_stub* return_to_handler",
    ),
    (
        "write back and drop caches: arch/arm64/mm/cache.S, arch/arm/mm/cache-v7.S, kernel/dma",
        "\
         dcache_* caches_clean_* icache_* __dma_inv_area __dma_flush_area __dma_clean_area \
         __dma_map_area __dma_unmap_area __flush_dcache_area __inval_dcache_area \
         __clean_dcache_area* v7_dma_* v7_flush_* arch_sync_dma_for_* arch_dma_prep_coherent",
    ),
    (
        "atomics, bits and counters: include/linux/atomic, lib/refcount.c, lib/percpu_counter.c",
        "\
         atomic_* atomic64_* arch_atomic* raw_atomic* refcount_* __refcount_* kref_* test_bit \
         find_first_bit find_next_bit _find_* bitmap_* __bitmap_* set_bit clear_bit test_and_* \
         __read_once* read_word_at_a_time percpu_ref_* xchg* cmpxchg* lockref_* rcuref_* \
         percpu_counter_* find_last_bit find_first_zero_bit find_next_zero_bit \
         find_next_and_bit find_nth_bit find_next_bit_le find_next_zero_bit_le change_bit \
         __set_bit __clear_bit __change_bit __test_and_* arch_test_bit clear_bit_unlock* \
         __sw_hweight* cpumask_*",
    ),
    (
        "\
         lists, trees and numbers: lib/list_debug.c, lib/rbtree.c, lib/radix-tree.c, \
         lib/xarray.c, lib/idr.c",
        "\
         __list_* list_* rb_insert_color* rb_erase* rb_next rb_prev rb_first* rb_last __rb_* \
         radix_tree_* __radix_tree_* xa_* __xa_* xas_* idr_* ida_* hlist_* llist_* klist_* \
         plist_* rht_* rhashtable_* __rhashtable_* interval_tree_* rhltable_* assoc_array_* \
         mas_* mtree_* __mt_* mt_find* sbitmap_* __sbitmap_* genradix_* __genradix_* kfifo_* \
         __kfifo_* sg_init_* sg_next sg_last sg_copy_* sg_miter_* sg_pcopy_* sg_alloc_table* \
         sg_free_table* __sg_* sg_zero_buffer rb_replace_node* bucket_table_* nla_* __nla_* \
         nlmsg_* __nlmsg_* gen_pool_*",
    ),
    (
        "locks and their validator: kernel/locking",
        "\
         lock_acquire* __lock_acquire* lock_release* __lock_release lock_is_held* \
         lock_downgrade* lock_set_* lockdep_* __lockdep_* register_lock_class assign_lock_key \
         validate_chain check_prev* check_noncircular check_deadlock check_lock* check_irq* \
         check_usage* check_wait_context mark_lock* mark_held_locks mark_usage print_* \
         debug_check_no_locks* debug_lock* trace_hardirqs* lookup_lock* look_up_lock_class \
         find_lock* match_held_lock __bfs* hlock_* _raw_* do_raw_* spin_* __raw_spin* \
         __raw_read* __raw_write* rwlock_* queued_* native_queued* pv_queued* mutex_* \
         raw_spin_* raw_read_* raw_write_* osq_* iput rcu_is_watching rcu_note_context_switch \
         rcu_dynticks* __mutex_* ww_mutex_* __ww_mutex* rt_mutex_* __rt_mutex_* rt_spin_* \
         rt_read_* rt_write_* down down_interruptible down_killable down_trylock down_timeout \
         down_read* down_write* __down* up up_read* up_write* __up* rwsem_* call_rwsem_* \
         percpu_down* percpu_up* __percpu_* console_lock reacquire_held_locks __task_rq_lock \
         task_rq_lock* _atomic_dec_and_lock* folio_unlock* rcu_lock* rcu_read_* __rcu_read_* \
         seqcount_* bit_spin_* hlist_bl_lock arch_spin_* arch_read_* arch_write_* local_bh_* \
         __local_bh_* rwbase_* semaphore_* inode_lock* i_mmap_lock* mmap_*_lock* lock_mm_and* \
         lock_page* __lock_page* folio_lock* __folio_lock* folio_wait_* wait_on_page_* \
         lock_two_* lock_buffer* __lock_buffer unlock_page debug_object_*lock* local_lock* \
         task_lock device_lock gup_*lock _mutex_lock* _down_write* downgrade_write read_lock* \
         read_unlock* write_lock* write_unlock* __init_rwsem __rwlock_init rtlock_slowlock* \
         percpu_rwsem_* pv_wait* pv_kick* __pv_* kvm_wait kvm_kick_cpu mcs_spin_* \
         rspin_until_writer_unlock find_usage_* find_held_lock copy_trace save_trace \
         add_lock_to_list alloc_list_entry lock_contended __lock_contended lock_pin_lock \
         __lock_pin_lock lock_unpin_lock __lock_unpin_lock lock_repin_lock lock_sync \
         __lock_is_held __lock_set_class __lock_downgrade graph_lock check_redundant check_path \
         check_chain_key check_flags add_chain_cache* lookup_chain_cache* is_dynamic_key \
         zap_class srcu_read_* __srcu_read_* __rwbase_* rcu_sync_* read_seq* write_seq* \
         debug_mutex_* debug_rt_mutex_* debug_spin_* debug_write_* try_to_take_rt_mutex \
         task_blocks_on_rt_mutex lock_sock* __lock_sock* release_sock dput fast_dput __dput \
         dput_to_list lock_task_sighand __lock_task_sighand",
    ),
    (
        "wait and schedule: kernel/sched, kernel/time/timer.c, kernel/workqueue.c",
        "\
         schedule* __schedule* io_schedule* context_switch __switch_to* wait_for_completion* \
         wait_for_common* __wait_for_common do_wait_for_common bit_wait* out_of_line_wait_* \
         prepare_to_wait* finish_wait finish_task_switch* wake_up wake_up_process wake_up_q \
         wake_up_state wake_up_bit __wake_up* autoremove_wake_function default_wake_function \
         try_to_wake_up preempt_schedule* preempt_count_* ___preempt* _cond_resched \
         __cond_resched* cond_resched ___might_sleep __might_sleep __might_resched \
         __might_fault might_fault might_resched kthread_stop* kthread_park kthread_flush* \
         wait_woken do_nanosleep msleep* lock_timer_base __try_to_del_timer* __timer_delete* \
         timer_delete* timer_shutdown* detach_if_pending detach_timer enqueue_timer \
         sk_stop_timer* sk_reset_timer usleep* wait_rcu_gp __wait_rcu_gp _synchronize_rcu* \
         __flush_work* flush_work flush_workqueue* flush_delayed_work cancel_work_sync \
         cancel_delayed_work_sync __cancel_work* start_flush_work drain_workqueue \
         destroy_workqueue touch_work_lockdep_map completion_* complete* ktime_get* __delay \
         __const_udelay __udelay delay_* ndelay timeout_* cpu_relax rep_nop native_safe_halt \
         hrtimer_nanosleep wait_event_* swake_up* __swake_up* finish_swait prepare_to_swait* \
         wait_on_* __wait_on_* sleep_on_* inode_wait rpc_wait_bit* nfs_wait_bit* ttwu_* \
         yield yield_to flush_rcu_work flush_scheduled_work \
         cancel_work cancel_delayed_work kthread_create* __kthread_create* kthread_unpark \
         kthread_queue_* kthread_cancel_* kthread_bind* mod_timer* __mod_timer add_timer* \
         del_timer* try_to_del_timer* hrtimer_start* hrtimer_cancel hrtimer_try_to_cancel \
         hrtimer_active init_timer_key insert_work __queue_work queue_work* \
         __queue_delayed_work queue_delayed_work* mod_delayed_work* queue_rcu_work \
         work_grab_pending try_to_grab_pending irq_work_queue* tasklet_kill tasklet_unlock_* \
         __tasklet_schedule* alloc_workqueue*",
    ),
    (
        "\
         count, name and tear down objects for their owners: lib/kobject.c, lib/ref_tracker.c, \
         drivers/base, net/core/dev.c",
        "\
         kobject_* __kobject_* kset_* add_uevent_var get_device put_device get_device_parent \
         device_private_init device_add device_register device_del device_destroy \
         tty_unregister_device tty_register_device* device_create* device_unregister \
         device_release ref_tracker_* rollback_registered* unregister_netdevice_many* \
         unregister_netdevice_queue* unregister_netdev unregister_netdev kobj_* \
         device_initialize device_link_* device_links_* device_add_* device_remove_* \
         device_bind_driver device_attach device_driver_* __device_attach* \
         device_release_driver* __device_release_driver bus_add_* bus_remove_* bus_probe_device \
         bus_for_each_* driver_register driver_unregister driver_attach __driver_attach \
         driver_probe_device __driver_probe_device really_probe class_create* __class_create \
         __class_register class_register class_unregister class_destroy devres_* \
         devm_add_action* release_nodes platform_device_* register_netdevice register_netdev",
    ),
    (
        "\
         look up and drop pages of files: mm/filemap.c, mm/truncate.c, mm/swap.c; addresses of \
         memory: arch/*/mm/physaddr.c",
        "\
         find_get_* find_lock_* filemap_get_* __filemap_get_* pagecache_get_page \
         truncate_inode_page* do_read_cache_folio do_read_cache_page __phys_addr* \
         __virt_addr_valid virt_to_* __virt_to_phys* pagevec_lookup* truncate_inode_folio \
         truncate_cleanup_* truncate_exceptional* truncate_folio_* folio_wake_bit \
         wake_up_page_bit put_page __put_page folio_put __folio_put* __put_compound_page \
         __put_single_page",
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
         __do_cache_alloc ____cache_alloc* cache_grow* fallback_alloc new_slab* \
         free_debug_processing alloc_debug_processing alloc_pages* __alloc_pages* alloc_page_* \
         __alloc_frozen* folio_alloc* __folio_alloc* alloc_slab* get_page_from_freelist \
         post_alloc_hook prep_new_page prep_compound* free_pages* __free_pages* __free_frozen* \
         free_frozen* free_unref_* free_pcp* free_one_page free_the_page free_page_is_bad* \
         free_tail_page* __page_frag* page_frag_* mempool_* pcpu_* __alloc_percpu* \
         alloc_percpu* free_percpu devm_k* create_object* __create_object* kmemleak_* \
         debug_slab* alloc_skb* __alloc_skb* __netdev_alloc* __napi_alloc* memcg_* should_fail* \
         __should_fail* fail_dump debug_object_* debug_print_object __debug_object* \
         ___free_pages* dma_alloc* dmam_* kasprintf kvasprintf* shrink_slab* alloc_object \
         __rmqueue* rmqueue* __pcs_* __kmem_cache* allocate_* ksize __ksize kmem_rcu_free \
         rcu_free_slab* free_to_partial_list free_slab __free_slab discard_slab deactivate_slab \
         get_partial* get_any_partial put_cpu_partial unfreeze_partials __unfreeze_partials \
         flush_cpu_slab flush_slab get_freepointer* set_freepointer check_object check_slab \
         check_bytes_and_report check_pad_bytes init_object setup_object* free_block \
         cache_flusharray drain_array* transfer_objects cache_free_* slabs_destroy \
         kmem_freepages __get_free_pages get_zeroed_page* free_hot_cold_page* __free_one_page \
         del_page_from_free_list check_new_page* free_contig_range free_large_kmalloc \
         __get_vm_area* get_vm_area* alloc_vmap_area free_vmap_area* free_unmap_vmap_area \
         __insert_vmap_area insert_vmap_area* remove_vm_area find_vmap_area __purge_vmap_area* \
         purge_vmap_area* vunmap* map_vm_area map_kernel_range* unmap_kernel_range* vm_map_ram \
         vm_unmap_ram vm_unmap_aliases _vm_unmap_aliases delayed_vfree_work \
         __alloc_reserved_percpu dma_pool_* dma_free* debug_check_no_obj* \
         lookup_object_or_alloc __debug_check*",
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
        "arm and disarm timers, work and RCU callbacks for others: kernel/time, kernel/rcu",
        "\
         call_rcu* __call_rcu* kfree_call_rcu* kvfree_call_rcu* timer_* init_timer* hrtimer_* \
         __init_work process_timeout",
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
         usb_interrupt_msg usb_kill_* usb_poison_* rcu_barrier*",
    ),
    (
        &[Kind::MemoryLeak, Kind::BadPage, Kind::AllocationFailure],
        "allocate for whoever called them, and say so in their names",
        "*alloc* debug_objects_* fill_pool skb_clone skb_copy* pskb_copy* __pskb_copy* page_pool_* \
         __page_pool_*",
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
         run_rebalance* irq_exit* __irq_exit* irq_enter* do_handle_IPI handle_IPI ipi_handler \
         do_IPI handle_riscv_irq riscv_intc_irq do_irq do_ext_irq __do_irq arch_do_signal_or_restart \
         do_signal get_signal exit_to_user_mode* exit_to_usermode_loop prepare_exit_to_usermode \
         syscall_return_slowpath do_notify_resume";

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
    // arm64's second name of what runs at any address (arch/arm64/include/asm/linkage.h:
    // `SYM_FUNC_START_PI` and its successors).
    let name = name.strip_prefix("__pi_").unwrap_or(name);
    ALWAYS_NAMES.has(name) || KINDS_NAMES.get(kind as usize).is_some_and(|names| names.has(name))
}
