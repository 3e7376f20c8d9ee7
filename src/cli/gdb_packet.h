/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Framing of the GDB remote serial protocol: bytes to packets and back.
 *
 *     $payload#cs     cs: sum of the bytes between $ and #, modulo 256, as two hex digits
 *     }c              inside a payload: the byte c ^ 0x20
 *     + -             a packet was received well, or not
 *     0x03            interrupt, outside of packets
 *
 * Pure: no memory, no descriptors. The bytes come from a hostile client.
 */
#ifndef PINFOLD_CLI_GDB_PACKET_H
#define PINFOLD_CLI_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Largest payload, either way; what qSupported calls PacketSize. */
#define GDB_PACKET_MAX 16384u
/** Room that gdb_packet_encode() needs for a payload of n bytes. */
#define GDB_PACKET_ENCODED(n) (2 * (n) + 4)

/** What the next bytes were. */
enum gdb_event {
	GDB_EVENT_NONE,	     /* not complete yet, or noise between packets */
	GDB_EVENT_PACKET,    /* payload and len are valid until the next call */
	GDB_EVENT_INTERRUPT, /* Ctrl-C */
	GDB_EVENT_ACK,
	GDB_EVENT_NAK,
	GDB_EVENT_BROKEN, /* a packet with a wrong checksum or over GDB_PACKET_MAX */
};

/** The receiving side. Zero-initialise. */
struct gdb_parser {
	enum { GDB_PARSER_IDLE, GDB_PARSER_BODY, GDB_PARSER_ESCAPED, GDB_PARSER_SUM } state;
	bool is_broken;	 /* the packet at hand is already beyond use */
	uint8_t sum;	 /* of the raw bytes so far */
	uint8_t n_sum;	 /* digits of the checksum seen */
	uint8_t sum_got; /* from the client */
	size_t len;
	uint8_t payload[GDB_PACKET_MAX + 1]; /* NUL behind the last byte */
};

/**
 * Take bytes up to and including the first that completes an event.
 * @param ret_event what it was; NONE when all bytes were taken without one
 * @return bytes taken; at least 1 if @p n is
 */
size_t gdb_parser_feed(struct gdb_parser *p, const uint8_t *bytes, size_t n,
		       enum gdb_event *ret_event);

/**
 * Make a packet of a payload; bytes that have a meaning in the protocol are escaped.
 * @param to at least GDB_PACKET_ENCODED(n) bytes
 * @return bytes written
 */
size_t gdb_packet_encode(uint8_t *to, const void *payload, size_t n);

/** Value of a hex digit; -1 if it is none. */
int gdb_hex_digit(uint8_t c);

/** Write 2 * @p n lower-case hex digits; no NUL. */
void gdb_hex_encode(char *to, const uint8_t *bytes, size_t n);

/** Read 2 * @p n hex digits. @return false when one of them is none: then @p to is undefined */
bool gdb_hex_decode(uint8_t *to, const uint8_t *digits, size_t n);

#endif
