/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile GDB client: the packet parser, its mirror image, and the whole server in front of a
 * fake VM. First byte: byte order, how the guest stops, and whether the rest is sent as it is or
 * each line of it as the payload of a well-formed packet.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/gdb_command.h"
#include "cli/gdb_packet.h"
#include "cli/gdb_server.h"
#include "fuzz.h"
#include "gdb_fake.h"

#define INPUT_MAX 4096

static struct sockaddr_un place = { .sun_family = AF_UNIX };
static char where[sizeof(place.sun_path) + 8];

int LLVMFuzzerInitialize(int *argc, char ***argv);

static void remove_place(void)
{
	unlink(place.sun_path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	snprintf(place.sun_path, sizeof(place.sun_path), "/tmp/fuzz_gdb.%d", (int)getpid());
	snprintf(where, sizeof(where), "unix:%s", place.sun_path);
	atexit(remove_place);
	stderr = fopen("/dev/null", "we"); /* what the server tells people */
	BUG_ON(!stderr);
	return 0;
}

/* Whatever was a packet is one again when it is encoded anew. */
static void check_mirror(const struct gdb_parser *p)
{
	static uint8_t wire[GDB_PACKET_ENCODED(GDB_PACKET_MAX)];
	static struct gdb_parser again;
	enum gdb_event event;
	size_t n = gdb_packet_encode(wire, p->payload, p->len);

	BUG_ON(p->len > GDB_PACKET_MAX || n > GDB_PACKET_ENCODED(p->len));
	BUG_ON(gdb_parser_feed(&again, wire, n, &event) != n || event != GDB_EVENT_PACKET);
	BUG_ON(again.len != p->len || memcmp(again.payload, p->payload, p->len) != 0);
}

static void fuzz_parser(const uint8_t *data, size_t n)
{
	static struct gdb_command cmd;
	struct gdb_parser *p = calloc(1, sizeof(*p));
	enum gdb_event event;

	BUG_ON(!p);
	while (n > 0) {
		size_t taken = gdb_parser_feed(p, data, n, &event);

		BUG_ON(taken == 0 || taken > n);
		data += taken;
		n -= taken;
		if (event == GDB_EVENT_PACKET) {
			check_mirror(p);
			gdb_command_parse(p->payload, p->len, &cmd);
			BUG_ON(cmd.n_data > GDB_PACKET_MAX || cmd.bytes > GDB_PACKET_MAX);
		}
	}
	free(p);
}

/* Lines as packets. */
static size_t frame(const uint8_t *data, size_t n, uint8_t *to)
{
	size_t done = 0;

	while (n > 0) {
		const uint8_t *line_end = memchr(data, '\n', n);
		size_t len = line_end ? (size_t)(line_end - data) : n;

		done += gdb_packet_encode(to + done, data, len);
		len += line_end ? 1 : 0;
		data += len;
		n -= len;
	}
	return done;
}

/* The guest goes and stops at once, in turn for every reason that there is. */
static void stop_guest(struct gdb_server *s, uint32_t *reason)
{
	struct proto_stopped stop = { .reason = *reason % PROTO_STOP_COUNT, .pc = FAKE_BASE };

	++*reason;
	fake.state = stop.reason == PROTO_STOP_FAULT || stop.reason == PROTO_STOP_ERROR
			     ? PROTO_VM_FAULTED
		     : stop.reason >= PROTO_STOP_HALT ? PROTO_VM_STOPPED
						      : PROTO_VM_PAUSED;
	stop.state = fake.state;
	gdb_server_on_stop(s, &stop);
}

static void serve_all(struct gdb_server *s, int client, uint32_t reason)
{
	char sink[4096];
	bool is_busy = true;

	while (is_busy && !gdb_server_is_over(s)) {
		struct pollfd fds[GDB_SERVER_FDS];
		size_t n = gdb_server_pollfds(s, fds);

		is_busy = poll(fds, n, 0) > 0;
		BUG_ON(gdb_server_handle(s, fds, n, NULL) < 0);
		if (fake.state == PROTO_VM_RUNNING) {
			stop_guest(s, &reason);
			is_busy = true;
		}
		while (recv(client, sink, sizeof(sink), MSG_DONTWAIT) > 0) {
			is_busy = true;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t wire[4 * INPUT_MAX + 4];
	struct gdb_server *s = NULL;
	size_t len = n - 1;
	struct launch_vm vm;
	int client;

	if (n == 0 || n > INPUT_MAX) {
		return 0;
	}
	if (data[0] & 0x80) {
		memcpy(wire, data + 1, len);
	} else {
		len = frame(data + 1, len, wire);
	}
	fuzz_parser(wire, len);
	fake_reset(&vm, data[0] & 1 ? PROTO_CFG_BIG_ENDIAN : 0);
	BUG_ON(gdb_server_new(&vm, "fuzz", where, &s, NULL) < 0);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	BUG_ON(client < 0 || connect(client, (struct sockaddr *)&place, sizeof(place)) < 0);
	BUG_ON(send(client, wire, len, MSG_NOSIGNAL) != (ssize_t)len);
	shutdown(client, SHUT_WR);
	serve_all(s, client, data[0] >> 1 & 0x3f);
	close(client);
	gdb_server_free(s);
	return 0;
}
