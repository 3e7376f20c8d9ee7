/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The jail of a VM process, entered after everything is loaded and opened and before the first
 * guest instruction (docs/design.md, section 8): empty root, own uid, no capabilities,
 * no_new_privs, rlimits, seccomp with default kill. What the launcher could not set up (namespaces)
 * is told by enum proto_jail_flag.
 */
#ifndef PINFOLD_VM_JAIL_H
#define PINFOLD_VM_JAIL_H

#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

/** What the jail depends on. */
struct jail_options {
	uint32_t flags;	       /* enum proto_jail_flag */
	uint32_t uid, gid;     /* with PROTO_JAIL_SETUID */
	uint64_t mem_bytes;    /* guest RAM, for the address space limit */
	uint64_t disk_bytes;   /* the largest disk image that it writes; 0: none */
	uint64_t window_bytes; /* more address space for engines that map it several times */
	int kvm_fd;	       /* the KVM ioctls are allowed if >= 0 */
};

/** One allowed system call; docs and the system call test read the same table. */
struct jail_syscall {
	int nr;
	const char *name;
	const char *reason;
};

extern const struct jail_syscall jail_syscall_table[];
extern const size_t jail_syscall_count;

/**
 * For a process that forks VM processes into pid namespaces of their own: compile their filters.
 * Without it, or if it fails, each compiles its own.
 */
void jail_prepare(void);

/**
 * Give up in advance, before there is a second thread or a byte of an image was read, what making a
 * VM does not need: all rights, in a child of a zygote, whose root is empty already and which has
 * nothing to load; else only the bounding set.
 * @return 0; negative errno with a sentence
 */
int jail_begin(const struct jail_options *o, struct errmsg *e);

/**
 * Give up the capabilities of a thread that was made before the jail: capabilities belong to
 * threads. Every thread but the one that calls jail_enter() calls this before anything else, in
 * particular before it allocates memory.
 * @return 0; negative errno with a sentence
 */
int jail_thread_enter(struct errmsg *e);

/**
 * Give everything up. All threads of the process exist already and have called
 * jail_thread_enter(), which is checked where /proc can be seen, or after jail_begin() has given up
 * all rights; user and group, no_new_privs and seccomp are set for all of them here.
 *
 * Guest RAM of @p o->mem_bytes may be mapped already. An executable mapping can't be made
 * afterwards, nor can memory become executable; mappings that are writable and executable already
 * (Unicorn's code buffer) stay so.
 * @param ret_flags enum proto_jail_flag that are in force afterwards; a mount namespace in which
 *                  the host forbids mounts is not
 * @return 0; negative errno with a sentence (the caller must not run a guest then)
 * System calls after it: jail_syscall_table.
 */
int jail_enter(const struct jail_options *o, uint32_t *ret_flags, struct errmsg *e);

#endif
