// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handing frames to a device, live and in a death.
 *
 * In a death nothing is allocated, nothing sleeps, and no lock is taken that was not seen to be
 * free: its holder may have been stopped.
 */
#include <linux/etherdevice.h>
#include <linux/udp.h>

#include "port.h"

static bool may_send(struct net_device *dev)
{
	return netif_running(dev) && netif_device_present(dev) && netif_carrier_ok(dev);
}

void bn_force(u32 index)
{
	each_device(&ports[index], free_polls, NULL);
}

static bool is_stopped(struct net_device *dev, u16 queue)
{
	struct netdev_queue *txq;

	txq = netdev_get_tx_queue(dev, queue < dev->real_num_tx_queues ? queue : 0);
	return netif_xmit_frozen_or_stopped(txq) || spin_is_locked(&txq->_xmit_lock);
}

/*
 * A driver tells a queue's byte limit (BQL) what its card has sent when it has been through all of
 * it: a CPU that was stopped before leaves the queue over its limit for good. Alone, nobody needs it.
 */
static int lift_limits(struct net_device *dev, struct netdev_nested_priv *priv)
{
	unsigned int i;

	for (i = 0; i < dev->num_tx_queues; i++)
		clear_bit(__QUEUE_STATE_STACK_XOFF, &netdev_get_tx_queue(dev, i)->state);
	return 0;
}

/*
 * What netpoll could not send it parks for a worker, and from then on parks everything. After a
 * panic no worker comes: the frames are taken back, in front of those taken before.
 */
static int take_parked(struct net_device *dev, struct netdev_nested_priv *priv)
{
	struct port *port = priv->data;
	struct netpoll_info *info = info_of(dev);
	unsigned long flags;

	if (!info || skb_queue_empty_lockless(&info->txq))
		return 0;
	if (!spin_trylock_irqsave(&info->txq.lock, flags))
		return -EAGAIN;
	skb_queue_splice_init(&info->txq, &port->held);
	spin_unlock_irqrestore(&info->txq.lock, flags);
	return 0;
}

/* Sends what is held as far as queues take it; -EAGAIN if some is left. */
static int send_held(struct port *port)
{
	struct netpoll_info *info;
	struct net_device *dev;
	struct sk_buff *skb;

	while ((skb = skb_peek(&port->held))) {
		dev = skb->dev;
		if (port->alone)
			lift_limits(dev, NULL);
		if (is_stopped(dev, skb_get_queue_mapping(skb)))
			return -EAGAIN;
		__skb_unlink(skb, &port->held);
		port->below.dev = dev;
		netpoll_send_skb(&port->below, skb);
		info = info_of(dev);
		if (info && !skb_queue_empty_lockless(&info->txq))
			return -EAGAIN;
	}
	return 0;
}

int bn_begin(u32 index, bool alone)
{
	struct port *port = &ports[index];

	if (!may_send(port->np.dev))
		return -ENETDOWN;
	port->alone = alone;
	leave_lockdep();
	if (alone)
		each_device(port, disown, NULL);
	return each_device(port, look_at_locks, &alone);
}

int bn_ready(u32 index)
{
	struct port *port = &ports[index];
	int err;

	if (!may_send(port->np.dev))
		return -ENETDOWN;
	err = each_device(port, take_parked, port);
	if (err)
		return err;
	err = send_held(port);
	if (err)
		return err;
	if (port->alone)
		each_device(port, lift_limits, NULL);
	return is_stopped(port->np.dev, port->queue) ? -EAGAIN : 0;
}

static int poll_one(struct net_device *dev, struct netdev_nested_priv *priv)
{
	if (info_of(dev))
		netpoll_poll_dev(dev);
	return 0;
}

void bn_poll(u32 index)
{
	each_device(&ports[index], poll_one, NULL);
}

/* One that nobody has; to be shared with the device, if that may be, so that it comes back. */
static struct sk_buff *take(struct pool *pool, bool shared)
{
	struct sk_buff *skb;
	unsigned int i;

	if (!shared)
		return pool->count ? pool->skbs[--pool->count] : NULL;
	for (i = 0; i < pool->count; i++) {
		pool->next = (pool->next + 1) % pool->count;
		skb = pool->skbs[pool->next];
		if (refcount_read(&skb->users) == 1)
			return skb_get(skb);
	}
	return NULL;
}

static void give_back(struct pool *pool, struct sk_buff *skb, bool shared)
{
	if (shared)
		refcount_dec(&skb->users);
	else
		pool->skbs[pool->count++] = skb;
}

/* Also of one that has been sent before: all that a device may have moved is set anew. */
static bool fill(struct sk_buff *skb, struct net_device *dev, const struct bn_frame *frame)
{
	unsigned int reserved = LL_RESERVED_SPACE(dev);

	skb->data = skb->head;
	skb_reset_tail_pointer(skb);
	skb->len = 0;
	skb->next = NULL;
	skb->prev = NULL;
	if (skb_tailroom(skb) < reserved + frame->header_length + frame->payload_length)
		return false;
	skb_reserve(skb, reserved);
	skb_reset_mac_header(skb);
	skb_put_data(skb, frame->header, frame->header_length);
	skb_put_data(skb, frame->payload, frame->payload_length);
	/* Whichever it has now. */
	ether_addr_copy(eth_hdr(skb)->h_source, dev->dev_addr);
	skb_set_network_header(skb, ETH_HLEN);
	skb_set_transport_header(skb, frame->header_length - sizeof(struct udphdr));
	skb->protocol = eth_hdr(skb)->h_proto;
	skb->ip_summed = CHECKSUM_NONE;
	skb->dev = dev;
	return true;
}

/* netpoll_send_skb() takes the buffer, whatever it returns. */
static int send_from(struct port *port, struct pool *pool, const struct bn_frame *frame)
{
	struct sk_buff *skb = take(pool, port->shared);

	if (!skb)
		return -ENOMEM;
	if (!fill(skb, port->np.dev, frame)) {
		give_back(pool, skb, port->shared);
		return -ENOMEM;
	}
	if (netpoll_send_skb(&port->np, skb) != NETDEV_TX_OK)
		return -ENETDOWN;
	if (port->shared)
		port->queue = skb_get_queue_mapping(skb);
	port->sent_us = bn_now_us();
	return 0;
}

static int has_parked(struct net_device *dev, struct netdev_nested_priv *priv)
{
	struct netpoll_info *info = info_of(dev);

	return info && !skb_queue_empty_lockless(&info->txq) ? -EAGAIN : 0;
}

static int hurry_one(struct net_device *dev, struct netdev_nested_priv *priv)
{
	struct netpoll_info *info = info_of(dev);
	bool *has_more = priv->data;

	if (!has_parked(dev, NULL))
		return 0;
	cancel_delayed_work(&info->tx_work);
	schedule_delayed_work(&info->tx_work, 0);
	*has_more = true;
	return 0;
}

static void hurry(struct work_struct *work);
static DECLARE_DELAYED_WORK(hurry_work, hurry);
static int ticks_left;

/*
 * Where a queue is full netpoll's worker looks again after a tenth of a second, long after the card
 * has sent all that it had: it is made to look with each tick, for a second after the last line.
 */
static void hurry(struct work_struct *work)
{
	bool has_more = false;
	u32 i;

	for (i = 0; i < BN_PORTS; i++) {
		if (!bn_enter(i))
			continue;
		each_device(&ports[i], hurry_one, &has_more);
		bn_leave(i);
	}
	if (has_more && ticks_left-- > 0)
		schedule_delayed_work(&hurry_work, 1);
}

/* After the ports were closed. */
void stop_hurry(void)
{
	cancel_delayed_work_sync(&hurry_work);
}

static struct sk_buff *new_skb(struct net_device *dev, const struct bn_frame *frame)
{
	struct sk_buff *skb = alloc_skb(room_of(dev), GFP_ATOMIC | __GFP_NOWARN);

	if (skb && !fill(skb, dev, frame)) {
		kfree_skb(skb);
		skb = NULL;
	}
	return skb;
}

/* What can't be sent at once is left to netpoll's worker. */
static int send_new(struct port *port, struct sk_buff *skb, bool unpolled)
{
	if (!unpolled || each_device(port, is_sending, NULL))
		skb_queue_tail(&info_of(port->np.dev)->txq, skb);
	else if (netpoll_send_skb(&port->np, skb) != NETDEV_TX_OK)
		return -ENETDOWN;
	if (each_device(port, has_parked, NULL)) {
		WRITE_ONCE(ticks_left, HZ);
		schedule_delayed_work(&hurry_work, 0);
	}
	return has_parked(port->np.dev, NULL);
}

/*
 * From a console: in a task, with interrupts off or on; in a panic from anywhere, NMI included.
 * While an oops is in progress nothing is allocated and no lock waited for: what can't be sent
 * then comes with the death.
 */
static int send_live(struct port *port, const struct bn_frame *frame)
{
	bool in_oops = oops_in_progress || in_nmi();
	struct sk_buff *skb = NULL;
	bool unpolled;
	int err;

	if (!may_send(port->np.dev))
		return -ENETDOWN;
	if (in_oops && each_device(port, is_locked, NULL))
		return -EAGAIN;
	if (in_oops)
		leave_lockdep();
	else
		skb = new_skb(port->np.dev, frame);
	if (!in_oops && !skb)
		return -ENOMEM;
	rcu_read_lock();
	unpolled = hold_polls(port);
	if (skb)
		err = send_new(port, skb, unpolled);
	else
		err = unpolled ? send_from(port, &port->spare, frame) : -EAGAIN;
	if (unpolled)
		release_polls(port);
	rcu_read_unlock();
	return err;
}

int bn_send(u32 index, const struct bn_frame *frame, bool death)
{
	struct port *port = &ports[index];

	return death ? send_from(port, &port->death, frame) : send_live(port, frame);
}

bool bn_at_rest(u32 index)
{
	struct port *port = &ports[index];
	unsigned int i;

	if (!skb_queue_empty(&port->held))
		return false;
	if (!port->shared)
		return bn_now_us() - port->sent_us >= SINGLE_REST_US;
	for (i = 0; i < port->death.count; i++)
		if (refcount_read(&port->death.skbs[i]->users) != 1)
			return false;
	return true;
}

/* Back to the worker: also frames of others, as a device has one queue for all of netpoll. */
static void park_again(struct sk_buff *skb)
{
	struct netpoll_info *info = info_of(skb->dev);
	unsigned long flags;

	if (!info || !spin_trylock_irqsave(&info->txq.lock, flags)) {
		dev_kfree_skb_irq(skb);
		return;
	}
	__skb_queue_head(&info->txq, skb);
	spin_unlock_irqrestore(&info->txq.lock, flags);
	if (!in_nmi())
		schedule_delayed_work(&info->tx_work, 0);
}

/* The kernel may live on: its worker gets what is left, pools are made full. */
void bn_end(u32 index, bool alone)
{
	struct port *port = &ports[index];
	struct sk_buff *skb;

	if (alone)
		return;
	while ((skb = __skb_dequeue_tail(&port->held)))
		park_again(skb);
	if (!port->shared)
		refill_later();
}
