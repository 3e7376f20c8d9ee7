/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of room launch share. */
#ifndef PINFOLD_LAUNCH_LAUNCH_INTERNAL_H
#define PINFOLD_LAUNCH_LAUNCH_INTERNAL_H

#include "launch/launch.h"

/** Default of launch_options.reply_ms. */
#define LAUNCH_REPLY_MS 10000

/* isolation.c */

/**
 * Which of the wanted namespaces the kernel gives to the caller, by trying each.
 * @return the subset of @p flags (CLONE_NEW*) that works; without user namespaces an ordinary user
 *         gets none
 */
uint64_t isolation_namespaces(uint64_t flags);

/** The PROTO_JAIL_* flags for CLONE_NEW* flags. */
uint32_t isolation_jail_flags(uint64_t ns_flags);

/**
 * The user id (and group id) under which a VM runs: one of its own if the caller may give it,
 * else the caller's.
 * @return true for an own id
 */
bool isolation_own_id(pid_t pid, uint32_t *ret_id);

/** Whether the kernel has seccomp filters that kill the process. */
bool isolation_has_seccomp(void);

/* launch_cgroup.c */

/**
 * Put a process in cgroups of its own with limits on memory and number of tasks, as far as the
 * caller may. Removes empty ones of dead processes.
 * @param mem_bytes guest RAM; 0 if unknown
 * @param memory receives a path (256 bytes), or "" where there is none
 * @param pids   likewise
 */
void launch_cgroup_enter(pid_t pid, uint64_t mem_bytes, char *memory, char *pids);

/** Remove what launch_cgroup_enter() made, after the process is reaped. Clears the paths. */
void launch_cgroup_remove(char *memory, char *pids);

/**
 * Whether cgroup limits can be set here.
 * @param controller "memory" or "pids"
 * @param ret_path   folder in which the groups of VMs are made; 256 bytes
 * @return 1 or 2, the cgroup version; 0 when they can't
 */
int launch_cgroup_probe(const char *controller, char *ret_path);

/* launch_spawn.c */

/**
 * Start the VM program in its own namespaces, ids and cgroups. It waits for its configuration.
 * @param program_fd the VM program
 * @param cgroup_fd  cgroup v2 folder to be born into, or -1
 * @param vm         pid, pidfd, socket, stderr and cgroup paths are filled in, on failure too:
 *                   launch_vm_done() frees them
 * @param cfg        jail, uid and gid are filled in
 */
int launch_spawn(int program_fd, int cgroup_fd, struct launch_vm *vm, struct proto_config *cfg,
		 struct errmsg *e);

/* launch_client.c */

/**
 * Wait for the first message of a new VM.
 * @return 1 with *m, checked; -ETIMEDOUT; -EPIPE when the VM is gone; -EPROTO
 */
int launch_wait_first(struct launch_vm *vm, struct proto_msg *m, struct errmsg *e);

/** Say that the VM process is gone, with what it left on stderr. @return -EPIPE */
int launch_gone(struct launch_vm *vm, struct errmsg *e);

#endif
