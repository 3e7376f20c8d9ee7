/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control thread of a VM process: requests from the controller, console bytes, stop events. */
#ifndef PINFOLD_VM_CONTROL_H
#define PINFOLD_VM_CONTROL_H

#include <pthread.h>
#include <stdbool.h>

#include "proto/proto.h"
#include "vm/vm.h"

#define CONTROL_EVENTS_MAX 4

/** The control thread's side of a VM process. */
struct control {
	struct vm *vm;
	int socket_fd;	/* packets to and from the controller; -1 while there is none */
	int listen_fd;	/* where a new controller comes in, or -1 */
	int notify_fd;	/* the scheduler's eventfd, or -1; ours to close */
	int console_fd; /* stream, or -1 */
	int wake_fd;	/* eventfd: the vCPU thread has something to say */
	bool is_quitting;
	bool is_input_over;
	bool has_reader; /* of console_fd */
	uint32_t event_seq;
	uint32_t resets_told;	  /* to this controller */
	struct proto_ready ready; /* what the first controller was told */
	pthread_mutex_t lock;	  /* protects events */
	size_t n_events;
	struct proto_stopped events[CONTROL_EVENTS_MAX];
	/* Console bytes that the socket did not take yet. */
	size_t n_pending, pending_at;
	uint8_t pending[8192];
};

/**
 * @param socket_fd  connected to the controller
 * @param console_fd stream, or -1
 * @param listen_fd  where the next controller comes in, or -1: then losing the controller ends us
 * @return 0; negative errno
 */
int control_init(struct control *c, int socket_fd, int console_fd, int listen_fd, struct errmsg *e);

/** For vm_new(). */
struct vm_callbacks control_callbacks(struct control *c);

/** Serve until the controller says QUIT or goes away. @return exit status of the process */
int control_loop(struct control *c);

/** Send a message without descriptors. @return 0; negative errno */
int control_send(int socket_fd, enum proto_type type, uint32_t seq, const void *body, size_t bytes,
		 const void *more, size_t more_bytes);

#endif
