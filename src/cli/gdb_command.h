/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a packet from a GDB client asks for: the payload, checked and taken apart. Pure. Numbers
 * are bounded here; what they mean for the VM at hand is checked where they are used.
 */
#ifndef PINFOLD_CLI_GDB_COMMAND_H
#define PINFOLD_CLI_GDB_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/gdb_packet.h"

/** Longest reply to `monitor` and longest line that is accepted. */
#define GDB_MONITOR_MAX 128u

enum gdb_command_kind {
	GDB_CMD_UNKNOWN, /* not ours: the reply is empty */
	GDB_CMD_BAD,	 /* ours, but malformed */
	GDB_CMD_WHY,	 /* ? */
	GDB_CMD_READ_REGS,
	GDB_CMD_WRITE_REGS, /* data */
	GDB_CMD_READ_REG,   /* reg */
	GDB_CMD_WRITE_REG,  /* reg, data */
	GDB_CMD_READ_MEM,   /* addr, bytes */
	GDB_CMD_WRITE_MEM,  /* addr, bytes, data */
	GDB_CMD_CONTINUE,
	GDB_CMD_STEP,
	GDB_CMD_ADD_POINT,    /* point, addr, bytes */
	GDB_CMD_REMOVE_POINT, /* point, addr, bytes */
	GDB_CMD_DETACH,
	GDB_CMD_KILL,	    /* no reply */
	GDB_CMD_KILL_REPLY, /* vKill */
	GDB_CMD_OK,	    /* nothing to do: OK */
	GDB_CMD_THREAD,	    /* qC */
	GDB_CMD_THREADS_FIRST,
	GDB_CMD_THREADS_NEXT,
	GDB_CMD_ATTACHED,
	GDB_CMD_SUPPORTED, /* has_swbreak, has_hwbreak */
	GDB_CMD_NO_ACK,
	GDB_CMD_VCONT_QUERY,
	GDB_CMD_READ_XML, /* addr: offset, bytes */
	GDB_CMD_MONITOR,  /* data: a line with its NUL */
};

/** Kinds of points: the digit of Z and z. */
enum gdb_point {
	GDB_POINT_BREAK,
	GDB_POINT_HW_BREAK,
	GDB_POINT_WATCH_WRITE,
	GDB_POINT_WATCH_READ,
	GDB_POINT_WATCH_ACCESS,
};

/** One command; the fields that its kind does not name are zero. */
struct gdb_command {
	enum gdb_command_kind kind;
	enum gdb_point point;
	uint32_t reg;
	uint64_t addr;
	uint32_t bytes; /* at most GDB_PACKET_MAX */
	bool has_swbreak;
	bool has_hwbreak;
	size_t n_data;
	uint8_t data[GDB_PACKET_MAX];
};

/**
 * Take a payload apart.
 * @param payload from gdb_parser_feed(); a NUL stands behind its last byte
 * @param len     without that NUL; at most GDB_PACKET_MAX
 */
void gdb_command_parse(const uint8_t *payload, size_t len, struct gdb_command *ret);

#endif
