/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guard's core takes from the world around it: types, a few string functions, a lock. Nothing
 * else is included by the core, so it builds into the module and into tests alike. Services that can
 * fail or differ at run time are in ops.h.
 */
#ifndef PINFOLD_GUARD_PORT_H
#define PINFOLD_GUARD_PORT_H

#ifdef __KERNEL__

#include <asm/byteorder.h>
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>

/* Held for microseconds, also with interrupts off; nothing that can wait happens under it. */
struct port_lock {
	raw_spinlock_t lock;
	unsigned long flags; /* the holder's */
};

static inline void port_lock_init(struct port_lock *l)
{
	raw_spin_lock_init(&l->lock);
}

static inline void port_lock(struct port_lock *l)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&l->lock, flags);
	l->flags = flags;
}

static inline void port_unlock(struct port_lock *l)
{
	unsigned long flags = l->flags;

	raw_spin_unlock_irqrestore(&l->lock, flags);
}

#else

#include <endian.h>
#include <errno.h>
#include <linux/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define cpu_to_le16(x)	       htole16(x)
#define cpu_to_le32(x)	       htole32(x)
#define cpu_to_le64(x)	       htole64(x)
#define le16_to_cpu(x)	       le16toh(x)
#define le32_to_cpu(x)	       le32toh(x)
#define le64_to_cpu(x)	       le64toh(x)
/* The compiler must not know what value it has. */
#define OPTIMIZER_HIDE_VAR(v)  __asm__("" : "+r"(v))
#define memzero_explicit(p, n) explicit_bzero((p), (n))
#define ARRAY_SIZE(a)	       (sizeof(a) / sizeof((a)[0]))
#define BUG_ON(condition)        \
	do {                     \
		if (condition) { \
			abort(); \
		}                \
	} while (0)

struct port_lock {
	pthread_mutex_t mutex;
};

static inline void port_lock_init(struct port_lock *l)
{
	pthread_mutex_init(&l->mutex, NULL);
}

static inline void port_lock(struct port_lock *l)
{
	pthread_mutex_lock(&l->mutex);
}

static inline void port_unlock(struct port_lock *l)
{
	pthread_mutex_unlock(&l->mutex);
}

#endif
#endif
