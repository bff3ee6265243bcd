// SPDX-License-Identifier: GPL-2.0-only
/*
 * The targets as an administrator sees and changes them, in
 * /sys/module/bedside_netconsole/parameters, and the consoles that bring them their lines.
 *
 * All of this runs in tasks, one at a time by the lock that the kernel has for the parameters of
 * a module. Nothing is done before the module has begun, nor after it has ended.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/console.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "port.h"

/* At load: kept until the module begins. */
static char wished[256];
static bool runs, has_ended;

enum { OFF, ON, AUTO };
static const char *const live_words[] = { "off", "on", "auto" };
static int live = ON;

static void write_extended(struct console *console, const char *text, unsigned int length)
{
	bn_live(true, text, length);
}

static void write_basic(struct console *console, const char *text, unsigned int length)
{
	bn_live(false, text, length);
}

static struct console extended_console = { .name = "bedside_ext", .write = write_extended };
static struct console basic_console = { .name = "bedside", .write = write_basic };
static bool speaks_extended, speaks_basic;

/* Whether the kernel's own netconsole sends lines. */
static bool has_netconsole(void)
{
	struct console *console;
	bool found = false;

#ifdef HAVE_CONSOLE_LIST_LOCK
	console_list_lock();
#else
	console_lock();
#endif
	for_each_console(console)
		found |= !strcmp(console->name, "netcon") || !strcmp(console->name, "netcon_ext");
#ifdef HAVE_CONSOLE_LIST_LOCK
	console_list_unlock();
#else
	console_unlock();
#endif
	return found;
}

/* Lines come from now on, or no more; then the log so far, to ports that are new. */
static void speak(struct console *console, bool *speaks, bool extended, u32 fresh)
{
	bool wanted = bn_any(extended) && (live == ON || (live == AUTO && !has_netconsole()));

	if (wanted && !*speaks) {
		console->flags = CON_ENABLED | (extended ? CON_EXTENDED : 0);
		console->index = -1;
		register_console(console);
	} else if (!wanted && *speaks) {
		unregister_console(console);
	}
	*speaks = wanted;
	bn_backfill(extended, fresh);
}

static void speak_all(u32 fresh)
{
	speak(&extended_console, &speaks_extended, true, fresh);
	speak(&basic_console, &speaks_basic, false, fresh);
}

static int apply(const char *text)
{
	u32 fresh = 0;
	int err;

	err = bn_configure(text, strlen(text), &fresh);
	speak_all(fresh);
	return err;
}

static int set_targets(const char *text, const struct kernel_param *param)
{
	if (has_ended)
		return -ENODEV;
	if (runs)
		return apply(text);
	return strscpy(wished, text, sizeof(wished)) < 0 ? -ENOSPC : 0;
}

static int get_wish(char *page, const struct kernel_param *param)
{
	return bn_show(true, page, PAGE_SIZE);
}

static const struct kernel_param_ops targets_ops = { .set = set_targets, .get = get_wish };
module_param_cb(netconsole, &targets_ops, NULL, 0644);
MODULE_PARM_DESC(netconsole,
	" netconsole=[+][r][src-port]@[src-ip]/[dev|src-mac],[tgt-port]@<tgt-ip>/[tgt-mac][;...]");

static int get_targets(char *page, const struct kernel_param *param)
{
	return bn_show(false, page, PAGE_SIZE);
}

static const struct kernel_param_ops shown_ops = { .get = get_targets };
module_param_cb(targets, &shown_ops, NULL, 0444);
MODULE_PARM_DESC(targets, "the targets, and what became of what was sent to each (read-only)");

static int set_live(const char *text, const struct kernel_param *param)
{
	int found = sysfs_match_string(live_words, text);
	bool on;

	if (found < 0 && kstrtobool(text, &on))
		return -EINVAL;
	if (has_ended)
		return -ENODEV;
	live = found < 0 ? on : found;
	if (runs)
		speak_all(0);
	return 0;
}

static int get_live(char *page, const struct kernel_param *param)
{
	return sysfs_emit(page, "%s\n", live_words[live]);
}

static const struct kernel_param_ops live_ops = { .set = set_live, .get = get_live };
module_param_cb(live, &live_ops, NULL, 0644);
MODULE_PARM_DESC(live,
	"send lines as they are printed: on (default), off (deaths only), auto (on without netconsole)");

/*
 * Not at load: what is given there stands in files and command lines that everybody may read. It
 * is no error, or the kernel would print the key with it (parse_args() in kernel/params.c). The log
 * so far goes out once more, signed, so that the doctor knows whose words are to come.
 */
static int set_key(const char *text, const struct kernel_param *param)
{
	u32 fresh = 0;
	int err;

	if (has_ended)
		return -ENODEV;
	if (!runs) {
		pr_err("the key is not taken at load: write it to /sys/module/%s/parameters/key\n", KBUILD_MODNAME);
		return 0;
	}
	err = bn_set_key(text, strlen(text), &fresh);
	speak_all(fresh);
	return err;
}

static const struct kernel_param_ops key_ops = { .set = set_key };
module_param_cb(key, &key_ops, NULL, 0200);
MODULE_PARM_DESC(key, "sign with this key, 32 hex digits (write-only, not at load; empty: no more)");

int targets_init(void)
{
	int err;

	kernel_param_lock(THIS_MODULE);
	err = apply(wished);
	runs = !err;
	kernel_param_unlock(THIS_MODULE);
	return err;
}

void targets_exit(void)
{
	u32 fresh;

	kernel_param_lock(THIS_MODULE);
	runs = false;
	has_ended = true;
	bn_set_key("", 0, &fresh);
	apply("");
	kernel_param_unlock(THIS_MODULE);
}
