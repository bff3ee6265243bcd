/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the shim (module.c, targets.c, open.c, send.c, locks.c) and the logic (Rust,
 * src/kernel.rs). No structure of the kernel's passes here: only numbers, bytes, and the three
 * structures below.
 *
 * A port is a target's place: 0 to BN_PORTS - 1. It is used only between bn_enter(), which says
 * whether it is armed, and bn_leave(); closing waits for that.
 */
#ifndef BEDSIDE_LOGIC_H
#define BEDSIDE_LOGIC_H

#include <linux/types.h>

#define BN_PORTS 16

/* What a target asks for. Addresses of IPv4 take the first four bytes. */
struct bn_wish {
	char device[16];
	u8 mac[6];
	bool by_mac;
	bool v6;
	bool has_source;
	u8 target[16];
	u8 source[16];
};

/* What was found for it. */
struct bn_found {
	char device[16];
	u8 mac[6];
	u8 source[16];
};

/* Ethernet, IP and UDP in front, the datagram behind. */
struct bn_frame {
	const u8 *header;
	size_t header_length;
	const u8 *payload;
	size_t payload_length;
};

/* The logic offers. */
int bn_configure(const u8 *text, size_t length, u32 *fresh);
int bn_set_key(const u8 *text, size_t length, u32 *fresh);
size_t bn_show(bool wish, char *room, size_t size);
void bn_backfill(bool extended, u32 fresh);
void bn_set_tail(size_t bytes);
void bn_live(bool extended, const u8 *text, size_t length);
void bn_dump(int reason);
bool bn_any(bool extended);

/* The shim offers. What returns int returns 0 or a negative error. */
u64 bn_now_us(void);
void bn_pause(void);
void bn_rest(void);
u64 bn_nonce(void);
bool bn_record(u64 from, char *room, size_t size, size_t *length, u64 *seq);
int bn_open(u32 port, const struct bn_wish *wish, struct bn_found *found);
void bn_arm(u32 port);
void bn_disarm(u32 port);
bool bn_is_armed(u32 port);
void bn_close(u32 port);
bool bn_enter(u32 port);
void bn_leave(u32 port);
int bn_begin(u32 port, bool alone);
int bn_ready(u32 port);
void bn_poll(u32 port);
void bn_force(u32 port);
int bn_send(u32 port, const struct bn_frame *frame, bool death);
bool bn_at_rest(u32 port);
void bn_end(u32 port, bool alone);
void bn_say(int level, const char *text, size_t length);
const u8 *bn_release(size_t *length);

#endif
