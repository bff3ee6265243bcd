// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel dies in the way and the context that are asked for: insmod lethal.ko how=NAME
 * [device=eth0]. For machines that are there to die.
 */
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/panic.h>
#include <linux/smp.h>
#include <linux/timer.h>

static char *how = "";
module_param(how, charp, 0444);

static char *device = "eth0";
module_param(device, charp, 0444);

static void write_to_null(void)
{
	*(volatile int *)NULL = 0;
}

static void bug(void)
{
	BUG();
}

static void on_timer(struct timer_list *unused)
{
	write_to_null();
}
static DEFINE_TIMER(soon, on_timer);

static void from_softirq(void)
{
	mod_timer(&soon, jiffies);
	msleep(10000);
}

static void on_irq(struct irq_work *work)
{
	write_to_null();
}
static struct irq_work irq_work = IRQ_WORK_INIT_HARD(on_irq);

static void from_hardirq(void)
{
	irq_work_queue(&irq_work);
	msleep(10000);
}

static int deeper(volatile int *above);
static int (*volatile next)(volatile int *above) = deeper;

static int deeper(volatile int *above)
{
	volatile int room[64];

	room[0] = *above + 1;
	return next(room) + room[0];
}

static void overflow(void)
{
	volatile int first = 0;

	deeper(&first);
}

static void lock_up(void)
{
	preempt_disable();
	for (;;)
		cpu_relax();
}

static bool is_held;

static void hold(void *data)
{
	struct net_device *dev = data;
	unsigned int i;

	for (i = 0; i < dev->num_tx_queues; i++)
		__netif_tx_lock(netdev_get_tx_queue(dev, i), smp_processor_id());
	WRITE_ONCE(is_held, true);
}

static void hold_for_good(void *data)
{
	hold(data);
	for (;;)
		cpu_relax();
}

/* The other processor holds the device's transmit locks when it is stopped. */
static void with_lock_elsewhere(void)
{
	struct net_device *dev = dev_get_by_name(&init_net, device);
	int other;

	preempt_disable();
	other = cpumask_any_but(cpu_online_mask, smp_processor_id());
	smp_call_function_single(other, hold_for_good, dev, false);
	while (!READ_ONCE(is_held))
		cpu_relax();
	panic("lethal: a transmit lock is held by processor %d", other);
}

static void with_lock(void)
{
	local_bh_disable();
	hold(dev_get_by_name(&init_net, device));
	panic("lethal: a transmit lock is held by this processor");
}

/* In the middle of sending, as a driver's own warnings are. */
static void print_while_sending(void)
{
	struct net_device *dev = dev_get_by_name(&init_net, device);
	unsigned int i;

	local_bh_disable();
	hold(dev);
	pr_emerg("lethal: a line of a processor that sends\n");
	for (i = 0; i < dev->num_tx_queues; i++)
		__netif_tx_unlock(netdev_get_tx_queue(dev, i));
	local_bh_enable();
	panic("lethal: it has sent");
}

/* As a processor leaves it that is stopped before it has told what the card has sent. */
static void over_limit(void)
{
	struct net_device *dev = dev_get_by_name(&init_net, device);
	unsigned int i;

	netif_tx_lock_bh(dev);
	for (i = 0; i < dev->num_tx_queues; i++)
		netdev_tx_sent_queue(netdev_get_tx_queue(dev, i), 1 << 20);
	netif_tx_unlock_bh(dev);
	panic("lethal: the transmit queues are over their limits");
}

static int on_packet(struct sk_buff *skb, struct net_device *dev, struct packet_type *type,
		     struct net_device *from)
{
	if (in_serving_softirq() && skb->pkt_type != PACKET_OUTGOING)
		panic("lethal: in the poll of %s", from->name);
	kfree_skb(skb);
	return 0;
}

/* The next packet that comes in brings it down. */
static struct packet_type any_packet = { .type = cpu_to_be16(ETH_P_ALL), .func = on_packet };

static void in_poll(void)
{
	dev_add_pack(&any_packet);
}

static const struct {
	const char *name;
	void (*die)(void);
} ways[] = {
	{ "null", write_to_null },
	{ "bug", bug },
	{ "softirq", from_softirq },
	{ "hardirq", from_hardirq },
	{ "stack", overflow },
	{ "lockup", lock_up },
	{ "lock-elsewhere", with_lock_elsewhere },
	{ "lock", with_lock },
	{ "print", print_while_sending },
	{ "limit", over_limit },
	{ "poll", in_poll },
};

static int __init lethal_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (strcmp(ways[i].name, how))
			continue;
		ways[i].die();
		return 0;
	}
	return -EINVAL;
}
module_init(lethal_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Kills the kernel that loads it");
