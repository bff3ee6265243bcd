// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel module of netconsole's sender: what needs the kernel's own structures and macros is
 * here and in send.c and open.c; whatever can be decided without them is decided in Rust
 * (logic.h).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/console.h>
#include <linux/delay.h>
#include <linux/kmsg_dump.h>
#include <linux/module.h>
#include <linux/nmi.h>
#include <linux/panic.h>
#include <linux/timekeeping.h>
#include <linux/utsname.h>

#include "port.h"

static char netconsole[256];
module_param_string(netconsole, netconsole, sizeof(netconsole), 0444);
MODULE_PARM_DESC(netconsole,
	" netconsole=[+][r][src-port]@[src-ip]/[dev|src-mac],[tgt-port]@<tgt-ip>/[tgt-mac][;...]");

static bool live = true;
module_param(live, bool, 0444);
MODULE_PARM_DESC(live, "send lines as they are printed (default y); n: the death only");

static unsigned int tail_kib = 64;
module_param(tail_kib, uint, 0444);
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

static void write_extended(struct console *console, const char *text, unsigned int length)
{
	bn_live(true, text, length);
}

static void write_basic(struct console *console, const char *text, unsigned int length)
{
	bn_live(false, text, length);
}

/* With CON_PRINTBUFFER the ring buffer comes first, then what is printed. */
static struct console extended_console = {
	.name = "bedside_ext",
	.flags = CON_ENABLED | CON_EXTENDED | CON_PRINTBUFFER,
	.write = write_extended,
	.index = -1,
};

static struct console basic_console = {
	.name = "bedside",
	.flags = CON_ENABLED | CON_PRINTBUFFER,
	.write = write_basic,
	.index = -1,
};

static bool speaks_extended, speaks_basic;

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
	int err, count, i;

	BUILD_BUG_ON((int)KMSG_DUMP_PANIC != 1 || (int)KMSG_DUMP_OOPS != 2);
	open_init();
	bn_set_tail((size_t)tail_kib * 1024);
	count = bn_configure(netconsole, strlen(netconsole));
	if (count < 0) {
		err = count;
		goto close;
	}
	err = watch_devices();
	if (err)
		goto close;
	for (i = 0; i < count; i++)
		arm(i);
	err = kmsg_dump_register(&dumper);
	if (err)
		goto unwatch;
	speaks_extended = live && bn_any(true);
	speaks_basic = live && bn_any(false);
	if (speaks_extended)
		register_console(&extended_console);
	if (speaks_basic)
		register_console(&basic_console);
	pr_info("network logging started\n");
	return 0;

unwatch:
	unwatch_devices();
close:
	pr_err("cleaning up\n");
	close_ports();
	return err;
}

static void __exit bn_exit(void)
{
	if (speaks_extended)
		unregister_console(&extended_console);
	if (speaks_basic)
		unregister_console(&basic_console);
	kmsg_dump_unregister(&dumper);
	unwatch_devices();
	close_ports();
	open_exit();
}

module_init(bn_init);
module_exit(bn_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("netconsole's sender that also delivers the kernel's death");
MODULE_AUTHOR("The bedside authors");
MODULE_VERSION("0.1.0");
