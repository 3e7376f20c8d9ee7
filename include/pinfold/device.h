/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pinfold device plug-ins: the C interface, revision 1. This file is all that a plug-in needs.
 *
 * A plug-in is a shared object that exports one function, pinfold_plugin_v1(), which returns a
 * constant table. It claims ports or addresses; it may lie on top of one of the board's devices,
 * and then forward accesses to it, change them or refuse them. It may also filter the console
 * output. Everything is called from one thread at a time.
 *
 *	const struct pinfold_plugin *pinfold_plugin_v1(void);
 *
 * Build: cc -shared -fPIC -I include my_device.c -o my_device.so
 * Use:   pinfold run IMAGE --plugin ./my_device.so
 *
 * Compatibility: a layout change raises PINFOLD_ABI_REVISION. New members are only ever added at
 * the end of a struct, which struct_bytes tells apart. Interrupt lines are reserved for a later
 * revision. The full contract is in docs/plugins.md.
 */
#ifndef PINFOLD_DEVICE_H
#define PINFOLD_DEVICE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PINFOLD_ABI_MAGIC    0x44564650u /* "PFVD" in memory */
#define PINFOLD_ABI_REVISION 1u

/** Name of the exported function. */
#define PINFOLD_PLUGIN_SYMBOL "pinfold_plugin_v1"

/** Limits that Pinfold checks. */
#define PINFOLD_NAME_BYTES_MAX 32u /* name and version, with the closing NUL */
#define PINFOLD_RANGES_MAX     8u
#define PINFOLD_FILTER_BYTES   16u /* that a console filter may make out of one character */

/** Where a range lies. */
enum pinfold_space {
	PINFOLD_PORT = 1, /* x86 I/O ports, 0 to 0xffff */
	PINFOLD_MMIO = 2, /* guest physical addresses */
};

/** What became of an access. */
enum pinfold_result {
	PINFOLD_OK = 0,
	PINFOLD_UNMAPPED = 1, /* nothing there: reads give all ones, writes are ignored */
	PINFOLD_STOP = 2,     /* the machine must stop; stop_exit() or stop_error() was called */
};

/** Ports or addresses that a plug-in claims: [base, base + size). */
struct pinfold_range {
	uint32_t space; /* enum pinfold_space */
	uint32_t flags; /* 0 */
	uint64_t base;
	uint64_t size;
};

/** One access of the guest. Its first byte lies in a claimed range; the rest may lie behind it. */
struct pinfold_access {
	uint32_t struct_bytes; /* sizeof(struct pinfold_access) of the caller */
	uint32_t space;	       /* enum pinfold_space */
	uint64_t address;
	uint32_t bytes;	   /* of one value: 1 to 8 */
	uint32_t count;	   /* of values: more than 1 for string instructions */
	uint32_t is_write; /* 1: values were written; 0: values are to be filled in */
	uint32_t reserved; /* 0 */
	uint8_t *values;   /* count * bytes bytes, little endian; writable in both directions */
};

/** What Pinfold offers to a plug-in; valid from init() to destroy(). */
struct pinfold_host {
	uint32_t magic;
	uint32_t revision;
	uint32_t struct_bytes;
	uint32_t reserved; /* 0 */
	void *opaque;	   /* first argument of every function */
	/** Print one character on the guest's console, past the plug-in's own filter. */
	void (*console_put)(void *opaque, uint8_t c);
	/** End the run with the guest's exit code. */
	void (*stop_exit)(void *opaque, uint64_t code);
	/** End the run with an error. @param sentence one line for people; copied */
	void (*stop_error)(void *opaque, const char *sentence);
	/** A message for the log. @param sentence one line for people; copied */
	void (*log)(void *opaque, const char *sentence);
	/**
	 * Hand an access to what lies below: the board's device at that address.
	 * @return enum pinfold_result; return PINFOLD_STOP on when it is that
	 */
	int (*forward)(void *opaque, struct pinfold_access *a);
};

/** The table. Pinfold copies it once. Members may be NULL where that is said. */
struct pinfold_plugin {
	uint32_t magic;	       /* PINFOLD_ABI_MAGIC */
	uint32_t revision;     /* PINFOLD_ABI_REVISION */
	uint32_t struct_bytes; /* sizeof(struct pinfold_plugin) */
	uint32_t n_ranges;     /* up to PINFOLD_RANGES_MAX; 0 for a pure console filter */
	const char *name;      /* printable ASCII without blanks, 1 to 31 characters */
	const char *version;   /* the same */
	const struct pinfold_range *ranges;
	/**
	 * Make one instance; several machines may each have one.
	 * @param ret_state handed to the other functions; may be left NULL
	 * @return 0; anything else: refused, the run does not start
	 */
	int (*init)(const struct pinfold_host *host, void **ret_state);
	/** Undo init(). May be NULL. */
	void (*destroy)(void *state);
	/** @return enum pinfold_result. NULL only without ranges. */
	int (*access)(void *state, struct pinfold_access *a);
	/**
	 * Change the console output: one character in, up to PINFOLD_FILTER_BYTES out.
	 * @return number of characters stored at @p ret_out; 0 drops the character. May be NULL.
	 */
	uint32_t (*console_filter)(void *state, uint8_t c, uint8_t *ret_out);
};

/** The type of the exported function. */
typedef const struct pinfold_plugin *pinfold_plugin_fn(void);

/** Exported by every plug-in. @return its table, which stays valid; never NULL */
__attribute__((visibility("default"))) const struct pinfold_plugin *pinfold_plugin_v1(void);

#ifdef __cplusplus
}
#endif

#endif
