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

/* netpoll would have the driver wait for a lock that only this CPU can give back. */
int is_sending(struct net_device *dev, struct netdev_nested_priv *priv)
{
	unsigned int i;

	for (i = 0; i < dev->num_tx_queues; i++)
		if (READ_ONCE(netdev_get_tx_queue(dev, i)->xmit_lock_owner) == raw_smp_processor_id())
			return -EAGAIN;
	return 0;
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
