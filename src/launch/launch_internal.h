/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of room launch share. */
#ifndef PINFOLD_LAUNCH_LAUNCH_INTERNAL_H
#define PINFOLD_LAUNCH_LAUNCH_INTERNAL_H

#include "host/birth.h"
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
 * Make cgroups with limits on memory and number of tasks for a process, as far as the caller may,
 * and put it there (version 2) or say what it is to join (version 1, see host/birth.c).
 * @param is_many  the caller makes many: groups of dead processes are looked for only once
 * @param mem_bytes guest RAM; 0 if unknown
 * @param memory receives a path (256 bytes), or "" where there is none
 * @param pids   likewise
 * @param joins  descriptors for its order, owned by the caller: at most 2 more
 */
void launch_cgroup_make(pid_t pid, bool is_many, uint64_t mem_bytes, char *memory, char *pids,
			int *joins, size_t *n_joins);

/** See that a process that is ready is where it belongs; clears the paths of those where it is not. */
void launch_cgroup_settle(pid_t pid, char *memory, char *pids);

/**
 * Remove what launch_cgroup_make() made, or keep it for another VM, after the process is reaped.
 * Clears the paths.
 */
void launch_cgroup_remove(char *memory, char *pids);

/** Remove what is kept: no more VMs are made. */
void launch_cgroup_remove_spares(void);

/**
 * Whether cgroup limits can be set here.
 * @param controller "memory" or "pids"
 * @param ret_path   folder in which the groups of VMs are made; 256 bytes
 * @return 1 or 2, the cgroup version; 0 when they can't
 */
int launch_cgroup_probe(const char *controller, char *ret_path);

/* launch_spawn.c */

/**
 * Start a VM process in its own namespaces, ids and cgroups. It waits for its configuration.
 * @param program_fd the VM program; -1: opened if it is needed
 * @param vm         pid, pidfd, socket, stderr and cgroup paths are filled in, on failure too:
 *                   launch_vm_done() frees them
 * @param cfg        jail, uid and gid are filled in
 */
int launch_spawn(const struct launch_options *o, int program_fd, struct launch_vm *vm,
		 struct proto_config *cfg, struct errmsg *e);

/* launch_zygote.c */

/**
 * Let the zygote make a process; this process is its parent.
 * @param fds those of the child; stay with the caller
 * @return its pid; negative errno: nothing was made
 */
pid_t launch_zygote_clone(struct launch_zygote *z, uint64_t ns_flags, int cgroup_fd,
			  const struct host_birth_fds *fds, int *ret_pidfd);

/** What is being run: the next VM is likely to be of the same kind. @param ready of a VM: hostile */
void launch_zygote_learn(struct launch_zygote *z, const struct proto_ready *ready);

/** Open the VM program. @param option path, or NULL: beside this program, then $PATH */
int launch_open_program(const char *option, int *ret_fd, struct errmsg *e);

/* launch_disk.c */

/** A copy of a descriptor that stays with the caller. @return 0; negative errno with a sentence */
int launch_give_fd(int fd, int *ret, struct errmsg *e);

/**
 * Open a disk and its overlay, which is made if there is none yet. Untouched: what there is not.
 * @return 0; negative errno with a sentence
 */
int launch_disk_open(const struct launch_disk *d, bool is_ro, int *ret_fd, int *ret_overlay_fd,
		     struct errmsg *e);

/* launch_client.c */

/**
 * Wait for the first message of a new VM.
 * @return 1 with *m, checked; -ETIMEDOUT; -EPIPE when the VM is gone; -EPROTO
 */
int launch_wait_first(struct launch_vm *vm, struct proto_msg *m, struct errmsg *e);

/** Say that the VM process is gone, with what it left on stderr. @return -EPIPE */
int launch_gone(struct launch_vm *vm, struct errmsg *e);

/**
 * Start the process that is a VM's network; it ends when the VM does, at the latest in launch_vm_done().
 * @param o      net: its description; its program lies beside vm_program
 * @param ret_fd the VM's end
 * @return 0; negative errno with the network's own sentence
 */
int launch_net_start(const struct launch_options *o, struct launch_vm *vm, int *ret_fd,
		     struct errmsg *e);

/** End it, if there is one. */
void launch_net_end(struct launch_vm *vm);

/** Open a program that lies beside another one (NULL: the one that runs now). @return descriptor; -1 with errno */
int launch_open_beside(const char *program, const char *name);

#endif
