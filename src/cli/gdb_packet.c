/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Framing of the GDB remote serial protocol; see gdb_packet.h. */
#include "cli/gdb_packet.h"

#define ESCAPE	    '}'
#define ESCAPE_FLIP 0x20
#define INTERRUPT   0x03

int gdb_hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

void gdb_hex_encode(char *to, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		to[2 * i] = digits[bytes[i] >> 4];
		to[2 * i + 1] = digits[bytes[i] & 15];
	}
}

bool gdb_hex_decode(uint8_t *to, const uint8_t *digits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int high = gdb_hex_digit(digits[2 * i]);
		int low = gdb_hex_digit(digits[2 * i + 1]);

		if (high < 0 || low < 0) {
			return false;
		}
		to[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

static void start_packet(struct gdb_parser *p)
{
	p->state = GDB_PARSER_BODY;
	p->is_broken = false;
	p->sum = 0;
	p->n_sum = 0;
	p->sum_got = 0;
	p->len = 0;
}

static enum gdb_event take_idle(struct gdb_parser *p, uint8_t c)
{
	switch (c) {
	case '$':
		start_packet(p);
		return GDB_EVENT_NONE;
	case '+':
		return GDB_EVENT_ACK;
	case '-':
		return GDB_EVENT_NAK;
	case INTERRUPT:
		return GDB_EVENT_INTERRUPT;
	default:
		return GDB_EVENT_NONE;
	}
}

static void put(struct gdb_parser *p, uint8_t c)
{
	if (p->len == GDB_PACKET_MAX) {
		p->is_broken = true; /* go on to its end, to stay in step */
		return;
	}
	p->payload[p->len++] = c;
}

static void take_body(struct gdb_parser *p, uint8_t c)
{
	if (c == '$') {
		start_packet(p); /* the client gave up on the last one */
		return;
	}
	if (c == '#') {
		/* An escape with nothing behind it makes no sense. */
		p->is_broken |= p->state == GDB_PARSER_ESCAPED;
		p->state = GDB_PARSER_SUM;
		return;
	}
	p->sum = (uint8_t)(p->sum + c);
	if (p->state == GDB_PARSER_ESCAPED) {
		put(p, c ^ ESCAPE_FLIP);
		p->state = GDB_PARSER_BODY;
	} else if (c == ESCAPE) {
		p->state = GDB_PARSER_ESCAPED;
	} else {
		put(p, c);
	}
}

static enum gdb_event take_sum(struct gdb_parser *p, uint8_t c)
{
	int digit = gdb_hex_digit(c);

	if (digit < 0) {
		p->is_broken = true;
		digit = 0;
	}
	p->sum_got = (uint8_t)(p->sum_got * 16 + digit);
	if (++p->n_sum < 2) {
		return GDB_EVENT_NONE;
	}
	p->state = GDB_PARSER_IDLE;
	if (p->is_broken || p->sum_got != p->sum) {
		return GDB_EVENT_BROKEN;
	}
	p->payload[p->len] = '\0';
	return GDB_EVENT_PACKET;
}

size_t gdb_parser_feed(struct gdb_parser *p, const uint8_t *bytes, size_t n,
		       enum gdb_event *ret_event)
{
	*ret_event = GDB_EVENT_NONE;
	for (size_t i = 0; i < n; i++) {
		if (p->state == GDB_PARSER_IDLE) {
			*ret_event = take_idle(p, bytes[i]);
		} else if (p->state == GDB_PARSER_SUM) {
			*ret_event = take_sum(p, bytes[i]);
		} else {
			take_body(p, bytes[i]);
		}
		if (*ret_event != GDB_EVENT_NONE) {
			return i + 1;
		}
	}
	return n;
}

size_t gdb_packet_encode(uint8_t *to, const void *payload, size_t n)
{
	const uint8_t *from = payload;
	uint8_t *at = to;
	uint8_t sum = 0;

	*at++ = '$';
	for (size_t i = 0; i < n; i++) {
		uint8_t c = from[i];

		if (c == '$' || c == '#' || c == ESCAPE || c == '*') {
			*at++ = ESCAPE;
			sum = (uint8_t)(sum + ESCAPE);
			c ^= ESCAPE_FLIP;
		}
		*at++ = c;
		sum = (uint8_t)(sum + c);
	}
	*at++ = '#';
	gdb_hex_encode((char *)at, &sum, 1);
	return (size_t)(at + 2 - to);
}
