/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stop replies; see gdb_stop.h. */
#include "cli/gdb_stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

/* Numbers of signals in the protocol: the same on every host (gdb/signals.def). */
enum gdb_signal {
	GDB_SIGNAL_INT = 2,
	GDB_SIGNAL_ILL = 4,
	GDB_SIGNAL_TRAP = 5,
	GDB_SIGNAL_ABRT = 6,
	GDB_SIGNAL_FPE = 8,
	GDB_SIGNAL_BUS = 10,
	GDB_SIGNAL_SEGV = 11,
	GDB_SIGNAL_SYS = 12,
	GDB_SIGNAL_TERM = 15,
	GDB_SIGNAL_XCPU = 24,
};

/* Kinds of faults by the names that VMs report; every other one is SIGSEGV. */
static const struct {
	const char *kind;
	enum gdb_signal signal;
} fault_signals[] = {
	{ "illegal-instruction", GDB_SIGNAL_ILL },
	{ "undefined-sysreg", GDB_SIGNAL_ILL },
	{ "unaligned", GDB_SIGNAL_BUS },
	{ "divide-error", GDB_SIGNAL_FPE },
	{ "fp-exception", GDB_SIGNAL_FPE },
	{ "breakpoint", GDB_SIGNAL_TRAP },
	{ "syscall", GDB_SIGNAL_SYS },
	{ "double-fault", GDB_SIGNAL_ABRT },
	{ "triple-fault", GDB_SIGNAL_ABRT },
	{ "exception", GDB_SIGNAL_ABRT },
};

static enum gdb_signal fault_signal(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(fault_signals); i++) {
		if (strcmp(fault_signals[i].kind, kind) == 0) {
			return fault_signals[i].signal;
		}
	}
	return GDB_SIGNAL_SEGV;
}

/* 0: the guest left by itself. */
static unsigned int end_signal(const struct proto_stopped *stop)
{
	switch (stop->reason) {
	case PROTO_STOP_FAULT:
		return fault_signal(stop->fault.kind);
	case PROTO_STOP_LIMIT:
		return GDB_SIGNAL_XCPU;
	case PROTO_STOP_ERROR:
		return GDB_SIGNAL_ABRT;
	case PROTO_STOP_REQUESTED:
		return GDB_SIGNAL_TERM;
	default:
		return 0;
	}
}

bool gdb_stop_is_end(const struct proto_stopped *stop)
{
	switch (stop->reason) {
	case PROTO_STOP_HALT:
	case PROTO_STOP_EXIT:
	case PROTO_STOP_LIMIT:
	case PROTO_STOP_FAULT:
	case PROTO_STOP_REQUESTED:
	case PROTO_STOP_ERROR:
		return true;
	default:
		return false;
	}
}

void gdb_stop_format_end(const struct proto_stopped *stop, char ret[GDB_STOP_TEXT])
{
	unsigned int signal = end_signal(stop);

	if (signal) {
		snprintf(ret, GDB_STOP_TEXT, "X%02x", signal);
	} else {
		snprintf(ret, GDB_STOP_TEXT, "W%02x",
			 stop->reason == PROTO_STOP_EXIT ? (unsigned int)stop->code & 0xff : 0);
	}
}

static void format_breakpoint(enum gdb_point point, const struct gdb_stop_features *features,
			      char ret[GDB_STOP_TEXT])
{
	const char *why = "";

	if (point == GDB_POINT_HW_BREAK && features->has_hwbreak) {
		why = "hwbreak:;";
	} else if (point == GDB_POINT_BREAK && features->has_swbreak) {
		why = "swbreak:;";
	}
	snprintf(ret, GDB_STOP_TEXT, "T%02x%sthread:1;", GDB_SIGNAL_TRAP, why);
}

static const char *watch_name(uint32_t kind)
{
	switch (kind) {
	case PROTO_POINT_WATCH_READ:
		return "rwatch";
	case PROTO_POINT_WATCH_ACCESS:
		return "awatch";
	default:
		return "watch";
	}
}

bool gdb_stop_format(const struct proto_stopped *stop, enum gdb_point point, bool was_interrupted,
		     const struct gdb_stop_features *features, char ret[GDB_STOP_TEXT])
{
	switch (stop->reason) {
	case PROTO_STOP_HALT:
	case PROTO_STOP_EXIT:
	case PROTO_STOP_REQUESTED:
		gdb_stop_format_end(stop, ret);
		return true;
	case PROTO_STOP_BREAKPOINT:
		format_breakpoint(point, features, ret);
		return false;
	case PROTO_STOP_WATCHPOINT:
		snprintf(ret, GDB_STOP_TEXT, "T%02x%s:%" PRIx64 ";thread:1;", GDB_SIGNAL_TRAP,
			 watch_name(stop->point), stop->address);
		return false;
	case PROTO_STOP_FAULT:
	case PROTO_STOP_LIMIT:
	case PROTO_STOP_ERROR:
		snprintf(ret, GDB_STOP_TEXT, "T%02xthread:1;", end_signal(stop));
		return false;
	default:
		snprintf(ret, GDB_STOP_TEXT, "T%02xthread:1;",
			 was_interrupted ? GDB_SIGNAL_INT : GDB_SIGNAL_TRAP);
		return false;
	}
}
