/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a VM process and talking to it: what the command line and the daemon share.
 *
 * launch_vm() opens everything the VM may have, starts pinfold-vm in new namespaces and hands it
 * the descriptors; the VM then jails itself (vm/jail.h) before a guest instruction runs. The
 * handle is the controller's end. Every answer from the VM is treated as hostile.
 *
 * Threads: a handle belongs to one thread.
 */
#ifndef PINFOLD_LAUNCH_LAUNCH_H
#define PINFOLD_LAUNCH_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/errmsg.h"
#include "launch/image_store.h"
#include "proto/proto.h"

/** A disk. config.disks_ro says which may only be read. */
struct launch_disk {
	const char *path; /* an image file or a block device; NULL: not there, unless fd is */
	int fd;		  /* instead of the path; borrowed; -1: none */
	/* Then the file is only read, and changes are kept in: */
	const char *overlay_path; /* made if it is not there or empty; NULL: none */
	int overlay_fd;		  /* instead of the path; borrowed; -1: none */
	bool is_snapshot;	  /* instead: a file without a name, gone with the VM */
	uint64_t bytes;	     /* of the disk, where an overlay is made; 0: as large as the file */
	uint64_t room_bytes; /* for changes, where an overlay is made; 0: all of the disk */
};

/** What to launch. Fill by launch_options_defaults() first. */
struct launch_options {
	/* fds, jail, uid and gid are filled in by launch_vm(). With a scheduler, flag PROTO_CFG_START starts it. */
	struct proto_config config;
	const char *
		image_path; /* read into a sealed, shared memfd; NULL only with context_path or kernel_path */
	const char *net; /* description of the network ("user,..."); NULL: none */
	const char *kernel_path, *initrd_path; /* or NULL */
	int kernel_fd, initrd_fd; /* instead of the paths: sealed memfds; borrowed; -1: none */
	struct launch_disk disks[PROTO_DISKS_MAX]; /* those behind the last are not there */
	int image_fd;		  /* instead of image_path: a sealed memfd; borrowed; -1: none */
	const char *plugin_path;  /* or NULL */
	const char *context_path; /* file for --load-context, or NULL */
	int context_fd;		  /* instead of context_path: a sealed memfd; borrowed; -1: none */
	int code_fd; /* translations to begin with, of launch_train(): a sealed memfd; borrowed; -1: none */
	int listen_fd;	/* where later controllers find the VM; borrowed; -1: nowhere */
	bool is_traced; /* make a trace pipe */
	const char *
		vm_program; /* pinfold-vm; NULL: beside the caller's program, then (not as root) $PATH */
	bool is_kvm_allowed; /* hand over /dev/kvm if it opens */
	uint32_t reply_ms;   /* longest wait for READY and for a reply */
	int cancel_fd;	     /* while it is readable nobody waits for the VM; 0: none */
	int cgroup_fd; /* cgroup v2 folder that the process is born into; borrowed; -1: none */
	bool is_unlimited; /* no cgroups for its limits: the caller moves it to where they would not hold */
	int join_fd; /* "tasks" of a cgroup v1 that it joins at its birth; borrowed; -1: none */
	int grant_fd, ack_fd,
		notify_fd;	      /* of a scheduler (launch_vm_attach()); borrowed; -1: none */
	struct launch_zygote *zygote; /* which makes it; borrowed; NULL: this process does */
};

/**
 * A process that has loaded pinfold-vm with its libraries and forks VM processes (docs/design.md,
 * section 8): for callers that make many. Any thread may use it.
 */
struct launch_zygote;

/** What the processes that it forks can run. */
enum launch_zygote_kind {
	LAUNCH_ZYGOTE_FULL, /**< every engine */
	LAUNCH_ZYGOTE_LEAN, /**< all but unicorn, whose library is most of what a fork copies */
	LAUNCH_ZYGOTES
};

/** A running VM process. */
struct launch_vm {
	pid_t pid;
	bool is_stranger; /* met by launch_vm_reconnect(): not our child */
	int pidfd;
	int socket_fd;	/* SOCK_SEQPACKET */
	int console_fd; /* stream: guest output to read, guest input to write; non-blocking */
	int trace_fd;	/* or -1 */
	int stderr_fd;	/* the VM's last words, if it breaks; non-blocking. Hostile text */
	uint32_t seq;
	uint32_t reply_ms;
	uint64_t console_from; /* output before this byte is lost (launch_vm_attach()). Hostile */
	/* As in launch_options; the caller may set it later. 0: none. While it is readable nobody waits for a
	 * reply: a VM that does not answer can't keep its user from ending it. */
	int cancel_fd;
	struct proto_ready ready;
	/* Stop events that arrived while a reply was awaited; launch_vm_event() gives them first. */
	bool has_event;
	struct proto_stopped event;
	uint32_t resets; /* of the guest, as the VM told last. Hostile */
	/* That a device of the guest has stopped, and why; "" or the last that nobody has told yet. Hostile, without control
	 * characters. */
	char device_note[PROTO_TEXT];
	pid_t net_pid; /* of the process that is its network; 0: none */
	int net_pidfd;
	/* The sealed image, kept open so that other controllers can share it; or -1. */
	int image_fd;
	char image_entry[IMAGE_STORE_PATH_BYTES];
	char cgroup_memory[256], cgroup_pids[256]; /* made for this VM; removed at the end; or "" */
};

/** A handle without a VM, which launch_vm_done() accepts. */
#define LAUNCH_VM_NONE                                                                           \
	{                                                                                        \
		.pidfd = -1, .socket_fd = -1, .console_fd = -1, .trace_fd = -1, .stderr_fd = -1, \
		.image_fd = -1                                                                   \
	}

/**
 * Start a zygote, on the cores of the calling thread.
 * @param vm_program as in launch_options
 * @param ret        give it to launch_zygote_free()
 */
int launch_zygote_start(const char *vm_program, enum launch_zygote_kind kind,
			struct launch_zygote **ret, struct errmsg *e);

/** The smallest that can run an engine. @param engine as in a configuration, "auto" too */
enum launch_zygote_kind launch_zygote_kind_of(const char *engine);

/** Whether it failed lately: VMs are made without it for a while. */
bool launch_zygote_is_broken(const struct launch_zygote *z);

/** End it; VMs that it made stay. NULL is allowed. */
void launch_zygote_free(struct launch_zygote *z);

/** Defaults: engine auto, board bare, 10 ms slices, no limits, KVM allowed. */
void launch_options_defaults(struct launch_options *o);

/**
 * Start a VM process and wait until it is ready (stopped before its first instruction).
 * @param ret initialised on success; give it to launch_vm_done()
 * @return 0; negative errno with one clear sentence
 */
int launch_vm(const struct launch_options *o, struct launch_vm *ret, struct errmsg *e);

/** Least size of what launch_train() keeps: to translate less than that anew costs no millisecond. */
#define LAUNCH_CODE_BYTES_MIN (1ULL << 20)
/** Most. */
#define LAUNCH_CODE_BYTES_MAX (256ULL << 20)

/** How long a guest is watched. */
struct launch_train {
	uint64_t cpu_ns, wall_ns;
	int cancel_fd; /* while it is readable nobody waits; 0: none */
};

/**
 * Let a guest run in a VM process of its own to see what its engine translates: without disks, network, input, plug-in or
 * context, so that only what it was made from decides what comes out.
 * @param o      as for the VMs that are to begin with it; names and limits of processor time are of no matter
 * @param ret_fd a sealed memory file for launch_options.code_fd. Its contents are as hostile as the guest: it is for VMs that run
 *               the very same
 * @return 0; -ENOTSUP its engine has nothing to keep; -ENODATA it is too little; -ETIMEDOUT; -ECANCELED; errors of launch_vm()
 */
int launch_train(const struct launch_options *o, const struct launch_train *t, int *ret_fd,
		 struct errmsg *e);

/** Kill what is left, reap, remove its cgroups, close all. Accepts a zeroed or done handle. */
void launch_vm_done(struct launch_vm *vm);

/**
 * Send a request and wait for its reply.
 * @param body  request body; may be NULL if @p bytes is 0
 * @param fd    descriptor to pass, or -1
 * @param reply receives the reply payload; may be NULL
 * @param ret_bytes payload size, at most @p reply_max; may be NULL
 * @return the VM's result; -EPIPE when the VM process is gone; -EPROTO when it answers nonsense;
 *         -ETIMEDOUT; -ECANCELED by cancel_fd: the VM may still carry the request out
 */
int launch_vm_request(struct launch_vm *vm, enum proto_type type, const void *body, size_t bytes,
		      int fd, void *reply, size_t reply_max, size_t *ret_bytes, struct errmsg *e);

/**
 * Take the next stop event, without waiting.
 * @return 1 with *ret; 0 when there is none now; -EPIPE when the VM is gone; -EPROTO
 */
int launch_vm_event(struct launch_vm *vm, struct proto_stopped *ret, struct errmsg *e);

/**
 * Ask for the last stop of a VM, as after launch_vm_reconnect().
 * @return 0; -ENOENT when there was none; -EPROTO; errors of launch_vm_request()
 */
int launch_vm_last_stop(struct launch_vm *vm, struct proto_stopped *ret, struct errmsg *e);

/**
 * Put a scheduler in charge of a VM (proto/grant.h) and give it a new console, which begins with the
 * oldest output that the VM still has: see console_from.
 * @param grant_fd  memory file with the grant page
 * @param ack_fd    memory file with the ack page
 * @param notify_fd eventfd that the VM writes when the ack page has changed; all stay with the caller
 * @return 0; the VM's refusal; -EPIPE; -EPROTO
 */
int launch_vm_attach(struct launch_vm *vm, int grant_fd, int ack_fd, int notify_fd,
		     struct errmsg *e);

/**
 * Meet a VM process again that outlived its controller (PROTO_JAIL_OUTLIVE, listen_fd).
 * @param pid         the process; the caller has made sure that it is still the same one
 * @param socket_path where it listens
 * @param reply_ms    longest wait for it, now and later
 * @param cancel_fd   as in the handle, which keeps it; 0: none
 * @param ret         a handle without a console until launch_vm_attach(); launch_vm_wait() can't tell
 *                    how it ended
 * @return 0; -ESRCH when the process is gone; -ECONNREFUSED, -ENOENT; -EPROTO
 */
int launch_vm_reconnect(pid_t pid, const char *socket_path, uint32_t reply_ms, int cancel_fd,
			struct launch_vm *ret, struct errmsg *e);

/** End the VM at once, whatever it does. Returns when it is dead (then launch_vm_wait() is quick). */
void launch_vm_force_stop(struct launch_vm *vm);

/**
 * Reap the VM process.
 * @param ret_status wait status
 * @param ret_usage  its resource usage; may be NULL
 * @return 0; negative errno
 */
int launch_vm_wait(struct launch_vm *vm, int *ret_status, struct rusage *ret_usage);

/** How a VM process ended, as a sentence. @param code exit status, or the signal that killed it */
void launch_describe_end(bool has_exited, int code, char *buf, size_t size);

#endif
