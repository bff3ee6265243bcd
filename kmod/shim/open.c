// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening a port, and closing it when it is told to or its device goes.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/irq_work.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/vmalloc.h>
#include <net/addrconf.h>
#include <net/net_namespace.h>

#include "port.h"

struct port ports[BN_PORTS];

static void empty_pool(struct pool *pool)
{
	while (pool->count)
		kfree_skb(pool->skbs[--pool->count]);
	kvfree(pool->skbs);
	pool->skbs = NULL;
}

static int fill_pool(struct pool *pool, struct net_device *dev, unsigned int count)
{
	struct sk_buff *skb;

	if (!pool->skbs)
		pool->skbs = kvcalloc(count, sizeof(*pool->skbs), GFP_KERNEL);
	if (!pool->skbs)
		return -ENOMEM;
	while (pool->count < count) {
		skb = alloc_skb(room_of(dev), GFP_KERNEL);
		if (!skb)
			return -ENOMEM;
		pool->skbs[pool->count++] = skb;
	}
	return 0;
}

static void refill(struct work_struct *work)
{
	u32 i;

	for (i = 0; i < BN_PORTS; i++) {
		if (!bn_enter(i))
			continue;
		if (!ports[i].shared) {
			fill_pool(&ports[i].death, ports[i].np.dev, SINGLE);
			fill_pool(&ports[i].spare, ports[i].np.dev, SPARE);
		}
		bn_leave(i);
	}
}
static DECLARE_WORK(refill_work, refill);

static void refill_soon(struct irq_work *work)
{
	schedule_work(&refill_work);
}
static struct irq_work refill_irq;

/* From anywhere, NMI included. */
void refill_later(void)
{
	irq_work_queue(&refill_irq);
}

bool bn_enter(u32 index)
{
	struct port *port = &ports[index];

	atomic_inc(&port->users);
	smp_mb__after_atomic();
	if (atomic_read(&port->armed))
		return true;
	atomic_dec(&port->users);
	return false;
}

void bn_leave(u32 index)
{
	smp_mb__before_atomic();
	atomic_dec(&ports[index].users);
}

/* Waits until nobody uses the port. A death on another CPU has its limit. */
void bn_disarm(u32 index)
{
	struct port *port = &ports[index];

	atomic_set(&port->armed, 0);
	smp_mb();
	while (atomic_read(&port->users))
		msleep(1);
}

static void empty_port(struct port *port)
{
	skb_queue_purge(&port->held);
	empty_pool(&port->death);
	empty_pool(&port->spare);
}

/* With rtnl held: netpoll_cleanup() would take it again. */
static void detach(struct port *port)
{
#ifdef HAVE_DO_NETPOLL_CLEANUP
	do_netpoll_cleanup(&port->np);
#else
	__netpoll_cleanup(&port->np);
	netdev_put(port->np.dev, &port->np.dev_tracker);
	port->np.dev = NULL;
#endif
	empty_port(port);
}

void bn_close(u32 index)
{
	bn_disarm(index);
	rtnl_lock();
	if (ports[index].np.dev)
		detach(&ports[index]);
	rtnl_unlock();
}

static struct net_device *find_device(const struct bn_wish *wish)
{
	struct net *net = current->nsproxy->net_ns;
	struct net_device *dev;

	ASSERT_RTNL();
	if (!wish->by_mac)
		return __dev_get_by_name(net, wish->device);
	rcu_read_lock();
	dev = dev_getbyhwaddr_rcu(net, ARPHRD_ETHER, wish->mac);
	rcu_read_unlock();
	return dev;
}

static int refuse(struct net_device *dev)
{
	if (dev->type != ARPHRD_ETHER)
		return -EPFNOSUPPORT;
	if (netdev_master_upper_dev_get(dev))
		return -EBUSY;
#if IS_ENABLED(CONFIG_CFG80211)
	if (dev->ieee80211_ptr)
		return -EOPNOTSUPP;
#endif
	if (dev->priv_flags & IFF_DISABLE_NETPOLL)
		return -ENOTSUPP;
	return 0;
}

/* As netpoll_setup() does: brought up, and its carrier waited for without rtnl. */
static int bring_up(struct net_device *dev)
{
	unsigned long until;

	if (netif_running(dev))
		return 0;
	pr_info("device %s not up yet, forcing it\n", dev->name);
	if (dev_open(dev, NULL))
		return -ENETDOWN;
	rtnl_unlock();
	until = jiffies + carrier_timeout * HZ;
	while (!netif_carrier_ok(dev) && time_before(jiffies, until))
		msleep(1);
	rtnl_lock();
	return dev->reg_state == NETREG_REGISTERED ? 0 : -ENODEV;
}

static int find_v4(struct net_device *dev, u8 *source)
{
	struct in_device *in_dev = __in_dev_get_rtnl(dev);
	const struct in_ifaddr *ifa;

	ifa = in_dev ? rtnl_dereference(in_dev->ifa_list) : NULL;
	if (!ifa)
		return -EADDRNOTAVAIL;
	memcpy(source, &ifa->ifa_local, sizeof(ifa->ifa_local));
	return 0;
}

/* Of the target's kind: link-local or not. */
static int find_v6(struct net_device *dev, const u8 *target, u8 *source)
{
	int err = -EADDRNOTAVAIL;
#if IS_ENABLED(CONFIG_IPV6)
	struct inet6_dev *idev = __in6_dev_get(dev);
	const struct in6_addr *to = (const struct in6_addr *)target;
	struct inet6_ifaddr *ifp;

	if (!idev)
		return err;
	read_lock_bh(&idev->lock);
	list_for_each_entry(ifp, &idev->addr_list, if_list) {
		if (!!(ipv6_addr_type(&ifp->addr) & IPV6_ADDR_LINKLOCAL) !=
		    !!(ipv6_addr_type(to) & IPV6_ADDR_LINKLOCAL))
			continue;
		memcpy(source, &ifp->addr, sizeof(ifp->addr));
		err = 0;
		break;
	}
	read_unlock_bh(&idev->lock);
#endif
	return err;
}

static int find_source(struct net_device *dev, const struct bn_wish *wish, struct bn_found *found)
{
	if (wish->has_source) {
		memcpy(found->source, wish->source, sizeof(found->source));
		return 0;
	}
	if (wish->v6)
		return find_v6(dev, wish->target, found->source);
	return find_v4(dev, found->source);
}

static int fill_pools(struct port *port, struct net_device *dev)
{
	int err;

	port->shared = dev->priv_flags & IFF_TX_SKB_SHARING;
	err = fill_pool(&port->death, dev, port->shared ? SHARED : SINGLE);
	if (err)
		return err;
	return fill_pool(&port->spare, dev, SPARE);
}

/* With rtnl; np.dev has been held. */
static int attach(struct port *port, struct net_device *dev, const struct bn_wish *wish,
		  struct bn_found *found)
{
	int err;

	err = refuse(dev);
	if (!err)
		err = bring_up(dev);
	if (!err)
		err = find_source(dev, wish, found);
	if (err)
		return err;
	err = fill_pools(port, dev);
	if (err)
		return err;
	port->np.name = KBUILD_MODNAME;
	err = __netpoll_setup(&port->np, dev);
	if (err)
		return err;
	strscpy(found->device, dev->name, sizeof(found->device));
	ether_addr_copy(found->mac, dev->dev_addr);
	return 0;
}

int bn_open(u32 index, const struct bn_wish *wish, struct bn_found *found)
{
	struct port *port = &ports[index];
	struct net_device *dev;
	int err;

	memset(&port->np, 0, sizeof(port->np));
	memset(&port->below, 0, sizeof(port->below));
	skb_queue_head_init(&port->held);
	port->queue = 0;
	rtnl_lock();
	dev = find_device(wish);
	if (!dev) {
		rtnl_unlock();
		return -ENODEV;
	}
	netdev_hold(dev, &port->np.dev_tracker, GFP_KERNEL);
	err = attach(port, dev, wish, found);
	if (err) {
		port->np.dev = NULL;
		netdev_put(dev, &port->np.dev_tracker);
		empty_port(port);
	}
	rtnl_unlock();
	return err;
}

/* Unless its device went meanwhile. */
void bn_arm(u32 index)
{
	rtnl_lock();
	if (ports[index].np.dev)
		atomic_set_release(&ports[index].armed, 1);
	rtnl_unlock();
}

bool bn_is_armed(u32 index)
{
	return atomic_read(&ports[index].armed);
}

/* A device that goes, or gets a master, is let go, as netconsole does. */
static int on_device(struct notifier_block *this, unsigned long event, void *data)
{
	struct net_device *dev = netdev_notifier_info_to_dev(data);
	u32 i;

	if (event != NETDEV_UNREGISTER && event != NETDEV_RELEASE && event != NETDEV_JOIN)
		return NOTIFY_DONE;
	for (i = 0; i < BN_PORTS; i++) {
		if (ports[i].np.dev != dev)
			continue;
		bn_disarm(i);
		detach(&ports[i]);
		pr_info("network logging stopped on interface %s as it %s\n", dev->name,
			event == NETDEV_UNREGISTER ? "unregistered" :
			event == NETDEV_JOIN ? "is joining a master device" : "released its slaves");
	}
	return NOTIFY_DONE;
}

static struct notifier_block device_notifier = { .notifier_call = on_device };

void open_init(void)
{
	u32 i;

	init_irq_work(&refill_irq, refill_soon);
	for (i = 0; i < BN_PORTS; i++)
		skb_queue_head_init(&ports[i].held);
}

int watch_devices(void)
{
	return register_netdevice_notifier(&device_notifier);
}

void unwatch_devices(void)
{
	unregister_netdevice_notifier(&device_notifier);
}

/* After the ports were closed, when nobody asks for a refill any more. */
void open_exit(void)
{
	stop_hurry();
	irq_work_sync(&refill_irq);
	cancel_work_sync(&refill_work);
}
