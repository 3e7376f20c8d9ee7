/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the GDB server share: gdb_server.c (connections), gdb_serve.c (packets),
 * gdb_points.c (breakpoints and watchpoints), gdb_session.c (the VM's side and the replies).
 */
#ifndef PINFOLD_CLI_GDB_SESSION_H
#define PINFOLD_CLI_GDB_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "cli/gdb_command.h"
#include "cli/gdb_listen.h"
#include "cli/gdb_packet.h"
#include "cli/gdb_stop.h"
#include "cli/regs.h"
#include "launch/launch.h"
#include "proto/proto.h"

#define GDB_POINTS_MAX 128
/* The widest watchpoint that a message to the VM may ask for. */
#define GDB_WATCH_BYTES_MAX 4096
/* Answers to one packet, encoded, with acknowledgements. */
#define GDB_OUT_BYTES (4 * GDB_PACKET_MAX)

/** A breakpoint or watchpoint as the client set it. */
struct gdb_set_point {
	enum gdb_point type;
	uint32_t bytes;
	uint64_t addr;
};

/** One client and one VM. */
struct gdb_server {
	struct launch_vm *vm;
	char name[PROTO_NAME];
	struct gdb_place place;
	int listen_fd;
	enum proto_vm_state state;
	bool has_ended;	  /* last says how */
	bool has_stopped; /* last is valid */
	bool is_killed;	  /* by the client */
	struct proto_stopped last;
	int broken; /* the VM does not answer: negative errno */
	struct errmsg broken_why;

	struct regs regs;
	bool are_regs_fresh;
	char *xml;
	size_t xml_len;

	/* The client; -1 if there is none. What follows is for one connection. */
	int client_fd;
	bool is_no_ack;
	struct gdb_stop_features features;
	bool owes_stop;	      /* the client waits for a stop reply */
	bool was_interrupted; /* by the client */
	bool is_leaving;      /* close when all output is gone */
	bool is_held;	      /* cmd waits for the guest to stand */
	struct gdb_set_point points[GDB_POINTS_MAX];
	size_t n_points;
	struct gdb_parser parser;
	struct gdb_command cmd;
	uint8_t in[4096];
	size_t in_at, in_len;
	uint8_t out[GDB_OUT_BYTES];
	size_t out_at, out_len;
	uint8_t last_packet[GDB_PACKET_ENCODED(GDB_PACKET_MAX)]; /* to be sent again */
	size_t last_packet_len;
};

/* gdb_session.c */

/**
 * A request to the VM. A refusal is the client's to see; a VM that is gone ends everything.
 * @return see launch_vm_request()
 */
int gdb_ask(struct gdb_server *s, enum proto_type type, const void *body, size_t bytes, void *reply,
	    size_t reply_max, size_t *ret_bytes, struct errmsg *e);

/** The same without an answer. */
int gdb_tell(struct gdb_server *s, enum proto_type type, const void *body, size_t bytes);

/** Learn the VM's state. */
int gdb_get_state(struct gdb_server *s, struct errmsg *e);

/** Whether the vCPU runs. */
bool gdb_is_running(const struct gdb_server *s);

/** Let the guest go on, or for one instruction. */
int gdb_let_go(struct gdb_server *s, bool is_step);

/** Make a running guest stand; its stop is reported later. */
void gdb_interrupt(struct gdb_server *s);

/** Have the registers as they are now in s->regs. */
int gdb_refresh_regs(struct gdb_server *s);

/** Send bytes as they are. */
void gdb_put_bytes(struct gdb_server *s, const void *bytes, size_t n);

/** Send a packet. @param n at most GDB_PACKET_MAX */
void gdb_reply(struct gdb_server *s, const void *payload, size_t n);

/** Send a packet of text. */
__attribute__((format(printf, 2, 3))) void gdb_reply_text(struct gdb_server *s, const char *fmt,
							  ...);

/** Send a negative errno. */
void gdb_reply_error(struct gdb_server *s, int err);

/** Send OK, or a negative errno. */
void gdb_reply_result(struct gdb_server *s, int r);

/** Send how the guest stopped. */
void gdb_reply_stop(struct gdb_server *s);

/* gdb_points.c */

/** Add a point, as often as the client likes: it may repeat a packet. */
int gdb_point_add(struct gdb_server *s, const struct gdb_set_point *p);

/** Remove one; one that is not there is none. */
int gdb_point_remove(struct gdb_server *s, const struct gdb_set_point *p);

/** Remove all. */
void gdb_points_clear(struct gdb_server *s);

/* gdb_serve.c */

/** Carry out s->cmd and answer; the vCPU stands. */
void gdb_serve(struct gdb_server *s);

#endif
