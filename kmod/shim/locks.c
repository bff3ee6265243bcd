// SPDX-License-Identifier: GPL-2.0-only
/*
 * The locks of a device and of netpoll's: looked at before anything takes them, as a holder may have
 * been stopped, or be what this CPU was at.
 */
#include <linux/debug_locks.h>
#include <linux/delay.h>

#include "port.h"

/* No CPU, and not free. */
#define NOBODY NR_CPUS

/* Ends with the first visit that returns an error. */
int each_device(struct port *port, visit_t visit, void *data)
{
	struct netdev_nested_priv priv = { .data = data };
	int err;

	err = visit(port->np.dev, &priv);
	if (err)
		return err;
	rcu_read_lock();
	err = netdev_walk_all_lower_dev_rcu(port->np.dev, visit, &priv);
	rcu_read_unlock();
	return err;
}

/* Bounded: a lock that a running CPU holds is free again in microseconds. */
#define is_free_soon(is_locked, lock) ({		\
	int tries = 0;					\
							\
	while (is_locked(lock) && tries++ < 200)	\
		udelay(5);				\
	!is_locked(lock);				\
})

static bool is_polled(struct net_device *dev)
{
	struct napi_struct *napi;

	list_for_each_entry_rcu(napi, &dev->napi_list, dev_list)
		if (READ_ONCE(napi->poll_owner) != -1)
			return true;
	return false;
}

/*
 * netpoll and drivers take these locks for good while they poll: one whose holder was stopped
 * would hang the machine for ever, restart or not. Alone, such a lock is made anew; but a device
 * that this very CPU was sending with when it died is left alone.
 */
int look_at_locks(struct net_device *dev, struct netdev_nested_priv *priv)
{
	bool alone = *(bool *)priv->data;
	struct netpoll_info *info = info_of(dev);
	unsigned int i;

	for (i = 0; i < dev->num_tx_queues; i++) {
		struct netdev_queue *txq = netdev_get_tx_queue(dev, i);

		if (!spin_is_locked(&txq->_xmit_lock))
			continue;
		if (READ_ONCE(txq->xmit_lock_owner) == smp_processor_id())
			return -EAGAIN;
		if (alone) {
			spin_lock_init(&txq->_xmit_lock);
			WRITE_ONCE(txq->xmit_lock_owner, -1);
		} else if (!is_free_soon(spin_is_locked, &txq->_xmit_lock)) {
			return -EAGAIN;
		}
	}
	if (info && spin_is_locked(&info->txq.lock)) {
		if (alone)
			spin_lock_init(&info->txq.lock);
		else if (!is_free_soon(spin_is_locked, &info->txq.lock))
			return -EAGAIN;
	}
	/* A semaphore that is tried takes a lock of its own. */
	if (info && raw_spin_is_locked(&info->dev_lock.lock)) {
		if (alone)
			raw_spin_lock_init(&info->dev_lock.lock);
		else if (!is_free_soon(raw_spin_is_locked, &info->dev_lock.lock))
			return -EAGAIN;
	}
	/* Its holder was stopped while it sent a line (hold_polls()). */
	if (info && alone && READ_ONCE(info->dev_lock.count) == 0 && !is_polled(dev))
		sema_init(&info->dev_lock, 1);
	return 0;
}

/*
 * netpoll sends nothing where this CPU polls the device, as it does when a packet that came in
 * brought it down. It never goes back there: it is no owner any more, but nobody else is either,
 * so the poll that was cut off is not begun again.
 */
int disown(struct net_device *dev, struct netdev_nested_priv *priv)
{
	struct napi_struct *napi;

	list_for_each_entry_rcu(napi, &dev->napi_list, dev_list)
		cmpxchg(&napi->poll_owner, smp_processor_id(), NOBODY);
	return 0;
}

/*
 * A poll that was cut off, by the stop of its CPU or by the panic, keeps all others out for ever,
 * and a queue that is full stays so. When nothing else has helped, alone, it is begun again.
 */
int free_polls(struct net_device *dev, struct netdev_nested_priv *priv)
{
	struct netpoll_info *info = info_of(dev);
	struct napi_struct *napi;
	bool was_owned = false;

	list_for_each_entry_rcu(napi, &dev->napi_list, dev_list) {
		if (READ_ONCE(napi->poll_owner) == -1)
			continue;
		clear_bit(NAPI_STATE_NPSVC, &napi->state);
		WRITE_ONCE(napi->poll_owner, -1);
		was_owned = true;
	}
	if (info && was_owned && READ_ONCE(info->dev_lock.count) == 0)
		sema_init(&info->dev_lock, 1);
	return 0;
}

int is_locked(struct net_device *dev, struct netdev_nested_priv *priv)
{
	struct netpoll_info *info = info_of(dev);
	unsigned int i;

	for (i = 0; i < dev->num_tx_queues; i++)
		if (!is_free_soon(spin_is_locked, &netdev_get_tx_queue(dev, i)->_xmit_lock))
			return -EAGAIN;
	if (info && !is_free_soon(raw_spin_is_locked, &info->dev_lock.lock))
		return -EAGAIN;
	return 0;
}

/* netpoll would try in vain for a tick: only this CPU can give the lock back. */
int is_sending(struct net_device *dev, struct netdev_nested_priv *priv)
{
	unsigned int i;

	for (i = 0; i < dev->num_tx_queues; i++)
		if (READ_ONCE(netdev_get_tx_queue(dev, i)->xmit_lock_owner) == raw_smp_processor_id())
			return -EAGAIN;
	return 0;
}

static int hold_poll(struct net_device *dev, struct netdev_nested_priv *priv)
{
	struct port *port = priv->data;
	struct netpoll_info *info = info_of(dev);
	unsigned int i;

	if (!info)
		return 0;
	for (i = 0; i < port->unpolled_count; i++)
		if (port->unpolled[i] == info)
			return 0;
	if (i == ARRAY_SIZE(port->unpolled) || down_trylock(&info->dev_lock))
		return -EAGAIN;
	port->unpolled[port->unpolled_count++] = info;
	return 0;
}

/*
 * netpoll polls a device that does not take a frame at once, and a driver's poll waits for a
 * transmit lock, whose holder may wait for the console that this CPU has. It polls none whose
 * dev_lock somebody holds: of all that a frame may go through, or of none, until release_polls(),
 * under rcu. What is held is written down by who holds the first.
 */
bool hold_polls(struct port *port)
{
	struct netpoll_info *info = info_of(port->np.dev);

	if (down_trylock(&info->dev_lock))
		return false;
	port->unpolled[0] = info;
	port->unpolled_count = 1;
	if (!each_device(port, hold_poll, port))
		return true;
	release_polls(port);
	return false;
}

/* The first last: then the list is another's. */
void release_polls(struct port *port)
{
	unsigned int i = port->unpolled_count;

	while (i--)
		up(&port->unpolled[i]->dev_lock);
}

/*
 * lockdep objects to locks that are taken in a hard irq or an NMI, and elsewhere with interrupts on:
 * it can't know that each was seen free. An oops has it switched off, and a panic a little later.
 */
void leave_lockdep(void)
{
	if (in_hardirq() || in_nmi())
		debug_locks_off();
}
