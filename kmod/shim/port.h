/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shim's own: a target's place and its buffers.
 */
#ifndef BEDSIDE_PORT_H
#define BEDSIDE_PORT_H

#include <linux/netdevice.h>
#include <linux/netpoll.h>
#include <linux/skbuff.h>

#include "logic.h"

/* The longest datagram, and the headers in front of it. */
#define DATAGRAM 1000
#define HEADERS 62

/*
 * Buffers that are there before anything happens. Where a device may share them they come back
 * and are used again; elsewhere (bond, VLAN, bridge) each serves once, and is made anew when the
 * kernel has lived on.
 */
#define SHARED 64
#define SINGLE 1400
#define SPARE 16
/* Nobody tells when a device has sent a buffer that serves once: it gets that long. */
#define SINGLE_REST_US 20000

/* A device and all below it; a bridge with more has its lines sent by netpoll's worker. */
#define DEVICES 128

struct pool {
	struct sk_buff **skbs;
	unsigned int count;
	unsigned int next;
};

struct port {
	struct netpoll np;
	/* To send through a device below np.dev. */
	struct netpoll below;
	atomic_t armed;
	atomic_t users;
	struct pool death;
	/* For live lines while an oops is in progress, when nothing may be allocated. */
	struct pool spare;
	/* What hold_polls() holds. */
	struct netpoll_info *unpolled[DEVICES];
	unsigned int unpolled_count;
	/* Frames taken off netpoll's parked queues, to be sent in their order. */
	struct sk_buff_head held;
	u64 sent_us;
	u16 queue;
	bool shared;
	/* In a death: no other CPU runs. */
	bool alone;
};

extern struct port ports[BN_PORTS];
extern unsigned int carrier_timeout;

/* A port that was entered, or is being opened, keeps its device's netpoll_info. */
static inline struct netpoll_info *info_of(struct net_device *dev)
{
	return rcu_dereference_raw(dev->npinfo);
}

static inline unsigned int room_of(struct net_device *dev)
{
	return LL_RESERVED_SPACE(dev) + HEADERS + DATAGRAM + dev->needed_tailroom;
}

typedef int (*visit_t)(struct net_device *dev, struct netdev_nested_priv *priv);

int each_device(struct port *port, visit_t visit, void *data);

/* Visits: see locks.c. */
int look_at_locks(struct net_device *dev, struct netdev_nested_priv *priv);
int disown(struct net_device *dev, struct netdev_nested_priv *priv);
int free_polls(struct net_device *dev, struct netdev_nested_priv *priv);
int is_locked(struct net_device *dev, struct netdev_nested_priv *priv);
int is_sending(struct net_device *dev, struct netdev_nested_priv *priv);

bool hold_polls(struct port *port);
void release_polls(struct port *port);
void leave_lockdep(void);
void stop_hurry(void);
void open_init(void);
void open_exit(void);
int watch_devices(void);
void unwatch_devices(void);
void refill_later(void);
int targets_init(void);
void targets_exit(void);

#endif
