/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RISC-V host-target interface: the `tohost` and `fromhost` words of an ELF image, which lie in
 * ordinary RAM. No access reaches the model, so the machine looks at tohost now and then.
 */
#ifndef PINFOLD_DEV_HTIF_H
#define PINFOLD_DEV_HTIF_H

#include "dev/device.h"
#include "mem/mem.h"

/** What a tohost word asks for. */
enum htif_kind {
	HTIF_NONE,
	HTIF_EXIT,
	HTIF_SYSCALL, /* a proxied system call: a block of eight 64-bit fields in guest memory */
	HTIF_PUTC,
	HTIF_GETC,
	HTIF_UNKNOWN, /* a device or command that this interface does not have */
};

/** A decoded tohost word. */
struct htif_request {
	enum htif_kind kind;
	uint64_t code;	 /* EXIT: the guest's status */
	gpa_t block_gpa; /* SYSCALL */
	uint8_t c;	 /* PUTC */
};

/** Take a tohost word apart: device in bits 63:56, command in 55:48, payload in 47:0. */
struct htif_request htif_decode(uint64_t tohost);

/** What the model works with. */
struct htif_config {
	struct mem *mem;
	struct chr_backend chr;
	struct dev_host host;
	gpa_t tohost_gpa;
	gpa_t fromhost_gpa;
	bool has_fromhost; /* false: nothing is answered */
};

struct htif;

/** For state and destroy; it has no registers. */
extern const struct dev_ops htif_ops;

/** @return the model; NULL when out of memory. Free it with htif_ops.destroy. */
struct htif *htif_new(const struct htif_config *config);

/**
 * Look at tohost and serve one request. Cheap when there is none.
 * @return DEV_OK; DEV_STOP when the guest asked to end
 */
enum dev_result htif_poll(struct htif *h);

#endif
