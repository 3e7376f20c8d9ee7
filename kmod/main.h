/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the module proper offer each other, where it is too little for a header of their own. Each file
 * says at its head in which contexts what happens.
 */
#ifndef PINFOLD_GUARD_MAIN_H
#define PINFOLD_GUARD_MAIN_H

#include <linux/types.h>

#include "core/guard.h"

/* main.c */
extern struct guard main_guard;
extern u64 main_instance; /* random, one per loading */

/** Write what happened into the log. Any context. @param terminal 0 A, 1 B; ARBITER_NONE */
void main_log(enum pinfold_guard_kind kind, u8 terminal, int result, const char *text);
/** The RESULT of a terminal's command, if there is one whose thread was lost before it wrote that. Any context. */
void main_log_lost(u8 terminal, int result);
/** Wake-up sources that are on: PINFOLD_GUARD_CHORD ... */
u32 main_sources(void);

/* logmem.c: begins main_guard.chain in memory of its own */
int logmem_init(void);
void logmem_exit(void);

/* logdev.c */
int logdev_init(void);
void logdev_exit(void);
/** A record was written. Any context. */
void logdev_has_news(void);
/** The last one was: what wakes readers is over when this returns. */
void logdev_drain(void);

/* device.c */
int device_init(void);
void device_exit(void);
/** The registry's generation may be another. Process context. */
void device_changed(void);
/** Drop VMs that ended by themselves, unless somebody else is busy with the registry. Process context. */
void device_tidy(void);
bool device_has_registrar(void);

/* key.c */
int guard_key_init(void);
void guard_key_exit(void);
bool guard_key_is_loaded(void);
/** Operations of struct guard_ops. */
int guard_key_hmac(const void *bytes, size_t n, u8 ret[32]);
int guard_key_passphrase(const char *text, size_t n);

/* actions.c: operations of struct guard_ops */
int actions_kill(const struct registry_vm *vm, u64 *ret_us);
int actions_freeze(const struct registry_vm *vm, u64 *ret_us);
int actions_thaw(const struct registry_vm *vm, u64 *ret_us);
bool actions_is_stopped(const struct registry_vm *vm);
int actions_move(const struct registry_vm *vm, u32 core, const u64 *taken);
bool actions_is_on_core(const struct registry_vm *vm, u32 core);
u64 actions_cpu_ns(const struct registry_vm *vm);
void actions_see_core(u32 core, struct guard_core *ret);

/* status.c */
void status_write(struct text *out);

#endif
