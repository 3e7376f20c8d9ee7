/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a controller and its zygote (pinfold-vm --zygote) say to each other over a packet socket.
 * They are the same version of one program: the controller starts the zygote itself.
 */
#ifndef PINFOLD_PROTO_ZYGOTE_H
#define PINFOLD_PROTO_ZYGOTE_H

#include <stdint.h>

/** Argument of pinfold-vm: one that can do everything. */
#define ZYGOTE_OPTION "--zygote"
/** The same without libunicorn: it and its children are much smaller, and can't run that engine. */
#define ZYGOTE_LEAN_OPTION "--zygote-lean"

/** Its name in lists of processes. */
#define ZYGOTE_NAME "pinfold-zygote"

/** Descriptors of a request: socket and stderr of the child; last the cgroup. */
#define ZYGOTE_FDS 3

/** Make a process. */
struct zygote_request {
	uint64_t ns_flags;   /**< CLONE_NEW* */
	uint32_t has_cgroup; /**< a third descriptor: cgroup v2 folder to be born into */
	uint32_t likely; /**< enum proto_arch of a guest that unicorn may have to run; 0: none */
};

/** One when it runs, then one for each request; with a pidfd when a process was made. */
struct zygote_answer {
	int32_t pid; /**< or negative errno; 0 in the first */
};

#endif
