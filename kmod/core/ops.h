/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a dialogue needs of the kernel. The module has one such table, tests have another. Nothing here
 * is called with a lock held.
 */
#ifndef PINFOLD_GUARD_OPS_H
#define PINFOLD_GUARD_OPS_H

#include "port.h"
#include "registry.h"
#include "text.h"

/* What runs on a core at the moment. */
struct guard_core {
	u32 core;
	bool is_online;
	s32 pid;       /* the running task's process; 0: idle */
	char task[16]; /* its name */
	u8 policy;   /* 'o' ordinary, 'f' FIFO, 'r' round robin, 'd' deadline, 'k' kernel thread */
	u8 priority; /* of FIFO and round robin */
};

struct guard_ops {
	u64 (*boot_ns)(void *ctx);
	void (*random)(void *ctx, void *buf, size_t n);

	/*
	 * Whether the thread that holder stands for still is its terminal: false once it was given up. A
	 * thread that comes back from an op late must do and write nothing more. Told to leave is not given up.
	 * Also called with the log's lock held: whoever gives a thread up and then looks what it wrote knows all of it.
	 */
	bool (*is_current)(void *ctx, const void *holder);

	/* Whether a key is loaded. */
	bool (*is_keyed)(void *ctx);
	/* HMAC-SHA-256 under the loaded key. 0; -ENOKEY: none is loaded */
	int (*hmac)(void *ctx, const void *bytes, size_t n, u8 ret[32]);
	/* 0; -EKEYREJECTED; -ENOKEY: none was set. Takes milliseconds on purpose. */
	int (*passphrase)(void *ctx, const char *text, size_t n);
	/* 0: the USB token is not plugged in; else a number that is another one each time it is. */
	u64 (*token)(void *ctx);

	/*
	 * Each acts on the process of an earlier copy of an entry, and only if it still is that process:
	 * else -ESRCH. They wait for the effect, for 100 ms at most: -EINPROGRESS then, it was asked for.
	 * ret_us: how long it took.
	 */
	int (*kill)(void *ctx, const struct registry_vm *vm, u64 *ret_us);
	int (*freeze)(void *ctx, const struct registry_vm *vm, u64 *ret_us);
	int (*thaw)(void *ctx, const struct registry_vm *vm, u64 *ret_us);
	/*
	 * Let every thread run on any online core but core and the control core; and but those of taken, a set of
	 * PINFOLD_GUARD_CORES, if there are others.
	 */
	int (*move)(void *ctx, const struct registry_vm *vm, u32 core, const u64 *taken);
	/* Whether a thread of it runs on this core now, or may run nowhere else. */
	bool (*is_on_core)(void *ctx, const struct registry_vm *vm, u32 core);
	/* Whether a signal has stopped its process, whoever sent it. */
	bool (*is_stopped)(void *ctx, const struct registry_vm *vm);
	/* CPU time that its process has used so far; 0: it has ended. */
	u64 (*cpu_ns)(void *ctx, const struct registry_vm *vm);

	u32 (*cores)(void *ctx);				   /* how many there are */
	void (*core)(void *ctx, u32 core, struct guard_core *ret); /* one of them */
	/*
	 * Lines for "status": what is awake, spares, abandoned threads, sources, daemon attached. At most 12
	 * of them, of 80 characters, each with its newline.
	 */
	void (*status)(void *ctx, struct text *ret);
};

#endif
