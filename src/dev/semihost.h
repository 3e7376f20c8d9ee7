/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arm semihosting 2.0 (and RISC-V semihosting, which shares it): a guest asks its host for console,
 * time, command line, memory layout and exit. Files are refused: the only names that open are the
 * console ":tt" and the list of extensions ":semihosting-features".
 */
#ifndef PINFOLD_DEV_SEMIHOST_H
#define PINFOLD_DEV_SEMIHOST_H

#include "dev/device.h"
#include "mem/mem.h"

/** Operation numbers. */
enum semihost_op {
	SEMIHOST_OPEN = 0x01,
	SEMIHOST_CLOSE = 0x02,
	SEMIHOST_WRITEC = 0x03,
	SEMIHOST_WRITE0 = 0x04,
	SEMIHOST_WRITE = 0x05,
	SEMIHOST_READ = 0x06,
	SEMIHOST_READC = 0x07,
	SEMIHOST_ISERROR = 0x08,
	SEMIHOST_ISTTY = 0x09,
	SEMIHOST_SEEK = 0x0a,
	SEMIHOST_FLEN = 0x0c,
	SEMIHOST_TMPNAM = 0x0d,
	SEMIHOST_REMOVE = 0x0e,
	SEMIHOST_RENAME = 0x0f,
	SEMIHOST_CLOCK = 0x10,
	SEMIHOST_TIME = 0x11,
	SEMIHOST_SYSTEM = 0x12,
	SEMIHOST_ERRNO = 0x13,
	SEMIHOST_GET_CMDLINE = 0x15,
	SEMIHOST_HEAPINFO = 0x16,
	SEMIHOST_EXIT = 0x18,
	SEMIHOST_EXIT_EXTENDED = 0x20,
	SEMIHOST_ELAPSED = 0x30,
	SEMIHOST_TICKFREQ = 0x31,
};

/** What became of a call. */
enum semihost_result {
	SEMIHOST_DONE,	      /* hand the result to the guest and step behind the call */
	SEMIHOST_WOULD_BLOCK, /* nothing changed: repeat the call when there is input */
	SEMIHOST_STOP,	      /* the machine must stop: dev_host was told why */
};

/** What the model works with; copied. */
struct semihost_config {
	struct mem *mem;
	/** Virtual to physical address for MEM_R or MEM_W; false: refused. NULL: they are equal. */
	bool (*translate)(void *opaque, gva_t gva, uint32_t access, gpa_t *ret_gpa);
	void *translate_opaque;
	struct chr_backend chr;
	struct clock_backend clock;
	struct dev_host host;
	const char *cmdline; /* must outlive the model; NULL: empty */
	uint64_t heap_base, heap_limit, stack_base, stack_limit; /* 0: unknown */
};

struct semihost;

/** For state and destroy; it has no registers. */
extern const struct dev_ops semihost_ops;

/** @return the model; NULL when out of memory. Free it with semihost_ops.destroy. */
struct semihost *semihost_new(const struct semihost_config *config);

/**
 * Serve one call.
 * @param op            operation number
 * @param param         address of the parameter block, or a value
 * @param field_bytes   size of a field of the block: 4 or 8
 * @param is_big_endian byte order of the fields
 * @param ret_value     result for the guest, cut to @p field_bytes; set if DONE
 */
enum semihost_result semihost_call(struct semihost *s, uint64_t op, uint64_t param,
				   uint8_t field_bytes, bool is_big_endian, uint64_t *ret_value);

/** Calls with an unknown number so far. */
uint64_t semihost_unknown_count(const struct semihost *s);

#endif
