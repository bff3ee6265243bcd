// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel module of netconsole's sender: what needs the kernel's own structures and macros is
 * here and in send.c, locks.c and open.c; whatever can be decided without them is decided in Rust
 * (logic.h).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kmsg_dump.h>
#include <linux/module.h>
#include <linux/nmi.h>
#include <linux/panic.h>
#include <linux/random.h>
#include <linux/timekeeping.h>
#include <linux/utsname.h>

#include "port.h"

static int set_tail(const char *text, const struct kernel_param *param)
{
	int err = param_set_uint(text, param);

	if (!err)
		bn_set_tail((size_t)*(unsigned int *)param->arg * 1024);
	return err;
}

static unsigned int tail_kib = 64;
static const struct kernel_param_ops tail_ops = { .set = set_tail, .get = param_get_uint };
module_param_cb(tail_kib, &tail_ops, &tail_kib, 0644);
MODULE_PARM_DESC(tail_kib, "KiB of the log that a death brings (default 64)");

unsigned int carrier_timeout = 4;
module_param(carrier_timeout, uint, 0444);
MODULE_PARM_DESC(carrier_timeout, "seconds to wait for the carrier of a device that was down");

u64 bn_now_us(void)
{
	return ktime_get_mono_fast_ns() / NSEC_PER_USEC;
}

void bn_pause(void)
{
	touch_nmi_watchdog();
	udelay(20);
}

void bn_rest(void)
{
	usleep_range(1000, 2000);
}

u64 bn_nonce(void)
{
	return get_random_u64();
}

/* kmsg_dump_get_line() leaves the number after the record in cur_seq. */
bool bn_record(u64 from, char *room, size_t size, size_t *length, u64 *seq)
{
	struct kmsg_dump_iter iter = { .cur_seq = from, .next_seq = U64_MAX };

	if (!kmsg_dump_get_line(&iter, true, room, size, length))
		return false;
	*seq = iter.cur_seq - 1;
	return true;
}

void bn_say(int level, const char *text, size_t length)
{
	switch (level) {
	case 0:
		pr_emerg("%.*s\n", (int)length, text);
		break;
	case 3:
		pr_err("%.*s\n", (int)length, text);
		break;
	default:
		pr_info("%.*s\n", (int)length, text);
	}
}

const u8 *bn_release(size_t *length)
{
	const char *release = init_uts_ns.name.release;

	*length = strnlen(release, __NEW_UTS_LEN);
	return release;
}

static long (*blinks_after_us)(int state);

static void dump(int reason)
{
	unsigned long flags;

	local_irq_save(flags);
	bn_dump(reason);
	local_irq_restore(flags);
}

/*
 * panic() calls this while it waits to restart, or for ever: what it has printed since the dump
 * goes out, "---[ end Kernel panic" among it, which comes after all else.
 */
static long blink(int state)
{
	dump(KMSG_DUMP_PANIC);
	return blinks_after_us ? blinks_after_us(state) : 0;
}

static void on_reason(enum kmsg_dump_reason reason)
{
	if (reason == KMSG_DUMP_PANIC && panic_blink != blink) {
		blinks_after_us = panic_blink;
		panic_blink = blink;
	}
	dump(reason);
}

#ifdef HAVE_KMSG_DUMP_DETAIL
static void on_dump(struct kmsg_dumper *dumper, struct kmsg_dump_detail *detail)
{
	on_reason(detail->reason);
}
#else
static void on_dump(struct kmsg_dumper *dumper, enum kmsg_dump_reason reason)
{
	on_reason(reason);
}
#endif

static struct kmsg_dumper dumper = { .dump = on_dump, .max_reason = KMSG_DUMP_EMERG };

static int __init bn_init(void)
{
	int err;

	BUILD_BUG_ON((int)KMSG_DUMP_PANIC != 1 || (int)KMSG_DUMP_OOPS != 2);
	open_init();
	err = watch_devices();
	if (err)
		return err;
	err = kmsg_dump_register(&dumper);
	if (err)
		goto unwatch;
	err = targets_init();
	if (err)
		goto unregister;
	pr_info("network logging started\n");
	return 0;

unregister:
	kmsg_dump_unregister(&dumper);
unwatch:
	unwatch_devices();
	return err;
}

static void __exit bn_exit(void)
{
	kmsg_dump_unregister(&dumper);
	targets_exit();
	unwatch_devices();
	open_exit();
}

module_init(bn_init);
module_exit(bn_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("netconsole's sender that also delivers the kernel's death");
MODULE_AUTHOR("The bedside authors");
MODULE_VERSION("0.1.0");
