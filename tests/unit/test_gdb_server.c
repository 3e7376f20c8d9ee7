/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The GDB server in front of a fake VM: conversations byte by byte, and clients that misbehave. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/gdb_packet.h"
#include "cli/gdb_server.h"
#include "gdb_fake.h"
#include "test.h"

static struct launch_vm vm;
static struct gdb_server *server;
static struct sockaddr_un place = { .sun_family = AF_UNIX };
static char where[sizeof(place.sun_path) + 8];
static char got[65536];

static void start(uint32_t flags)
{
	struct errmsg e = { 0 };

	fake_reset(&vm, flags);
	snprintf(place.sun_path, sizeof(place.sun_path), "/tmp/test_gdb.%d", (int)getpid());
	snprintf(where, sizeof(where), "unix:%s", place.sun_path);
	if (gdb_server_new(&vm, "test", where, &server, &e) < 0) {
		printf("no server: %s\n", e.text);
		exit(1);
	}
}

static void end(void)
{
	struct stat st;

	gdb_server_free(server);
	server = NULL;
	CHECK(lstat(place.sun_path, &st) < 0);
}

static int handle(void)
{
	struct pollfd fds[GDB_SERVER_FDS];
	struct errmsg e;
	int r = 0;

	for (;;) {
		size_t n = gdb_server_pollfds(server, fds);

		if (poll(fds, n, 0) <= 0 || r < 0) {
			return r;
		}
		r = gdb_server_handle(server, fds, n, &e);
	}
}

static int connect_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(connect(fd, (struct sockaddr *)&place, sizeof(place)) == 0);
	handle();
	return fd;
}

/* All that has come, as text; "closed" when the server has closed and nothing came. */
static const char *receive(int fd)
{
	ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);

	got[n > 0 ? n : 0] = '\0';
	return n == 0 ? "closed" : got;
}

static void put(int fd, const char *payload)
{
	uint8_t wire[GDB_PACKET_ENCODED(1024)];
	size_t n = gdb_packet_encode(wire, payload, strlen(payload));

	CHECK_INT(send(fd, wire, n, MSG_NOSIGNAL), n);
	handle();
}

static void stop_guest(enum proto_stop reason, enum proto_vm_state state)
{
	const struct proto_stopped stop = {
		.reason = reason, .state = state, .pc = 0x1010, .code = 5
	};

	fake.state = state;
	gdb_server_on_stop(server, &stop);
}

static void test_session(void)
{
	struct stat st;
	int fd;

	start(0);
	CHECK_INT(stat(place.sun_path, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	fd = connect_client();
	put(fd, "?");
	CHECK_STR(receive(fd), "+$T05thread:1;#d7");
	put(fd, "QStartNoAckMode");
	CHECK_STR(receive(fd), "+$OK#9a");
	put(fd, "vCont;c");
	CHECK_STR(receive(fd), "");
	CHECK_INT(fake.n_requests[PROTO_START], 1);
	stop_guest(PROTO_STOP_BREAKPOINT, PROTO_VM_PAUSED);
	CHECK_STR(receive(fd), "$T05thread:1;#d7");
	put(fd, "s");
	CHECK_INT(fake.n_requests[PROTO_STEP], 1);
	stop_guest(PROTO_STOP_EXIT, PROTO_VM_STOPPED);
	CHECK_STR(receive(fd), "$W05#bc");
	CHECK_STR(receive(fd), "closed");
	CHECK(gdb_server_is_over(server) && !gdb_server_is_killed(server));
	close(fd);
	end();
}

static void test_byte_order(void)
{
	int fd;

	start(PROTO_CFG_BIG_ENDIAN);
	fd = connect_client();
	put(fd, "QStartNoAckMode");
	receive(fd);
	store_le(fake.reg[0], 0x11223344, 4);
	put(fd, "p0");
	CHECK_STR(receive(fd), "$11223344#94");
	put(fd, "P0=a1b2c3d4");
	CHECK_STR(receive(fd), "$OK#9a");
	CHECK_INT(load_le(fake.reg[0], 4), 0xa1b2c3d4);
	put(fd, "p1"); /* number 1 is pc: hidden does not count */
	CHECK_STR(receive(fd), "$0000000000000000#00");
	put(fd, "p3");
	CHECK_STR(receive(fd), "$E16#ac");
	put(fd, "P1=00");
	CHECK_STR(receive(fd), "$E16#ac");
	close(fd);
	end();
}

static void test_memory(void)
{
	int fd;

	start(0);
	fd = connect_client();
	put(fd, "QStartNoAckMode");
	receive(fd);
	put(fd, "M1ffe,2:abcd");
	CHECK_STR(receive(fd), "$OK#9a");
	put(fd, "m1ffe,4"); /* to the end of memory, no further */
	CHECK_STR(receive(fd), "$abcd#8a");
	put(fd, "m2000,4");
	CHECK_STR(receive(fd), "$E0e#da");
	put(fd, "M1fff,2:0000");
	CHECK_STR(receive(fd), "$E0e#da");
	close(fd);
	end();
}

static void test_points(void)
{
	int fd;

	start(0);
	fd = connect_client();
	put(fd, "QStartNoAckMode");
	receive(fd);
	put(fd, "Z0,1000,4");
	put(fd, "Z0,1000,4"); /* repeated */
	put(fd, "Z1,1000,4"); /* the same to the VM */
	CHECK_STR(receive(fd), "$OK#9a$OK#9a$OK#9a");
	CHECK_INT(fake.n_points, 1);
	put(fd, "z0,1000,4");
	CHECK_INT(fake.n_points, 1);
	put(fd, "z1,1000,4");
	CHECK_INT(fake.n_points, 0);
	receive(fd);
	put(fd, "Z3,1000,4");
	CHECK_STR(receive(fd), "$E5f#e0");
	put(fd, "Z2,1000,1001"); /* the VM would take the message for an attack */
	CHECK_STR(receive(fd), "$E16#ac");
	put(fd, "Z2,1000,4");
	put(fd, "D");
	CHECK_STR(receive(fd), "$OK#9a$OK#9a");
	CHECK_INT(fake.n_points, 0);
	CHECK_INT(fake.state, PROTO_VM_RUNNING);
	close(fd);
	end();
}

static void test_interrupt_and_hold(void)
{
	int fd;

	start(0);
	fd = connect_client();
	put(fd, "QStartNoAckMode");
	receive(fd);
	put(fd, "c");
	put(fd, "p0"); /* held back while the guest runs */
	CHECK_STR(receive(fd), "");
	CHECK_INT(fake.n_requests[PROTO_GET_REGS], 0);
	stop_guest(PROTO_STOP_PAUSED, PROTO_VM_PAUSED);
	CHECK_STR(receive(fd), "$T05thread:1;#d7$00000000#80");
	put(fd, "c");
	CHECK_INT(send(fd, "\x03", 1, 0), 1);
	handle();
	CHECK_INT(fake.n_requests[PROTO_PAUSE], 1);
	stop_guest(PROTO_STOP_PAUSED, PROTO_VM_PAUSED);
	CHECK_STR(receive(fd), "$T02thread:1;#d4");
	close(fd);
	end();
}

static void test_lost_client(void)
{
	int fd;

	start(0);
	fd = connect_client();
	put(fd, "Z0,1000,4");
	put(fd, "c");
	close(fd);
	handle();
	CHECK_INT(fake.n_requests[PROTO_PAUSE], 1);
	CHECK_INT(fake.n_points, 0);
	CHECK(!gdb_server_is_over(server));
	stop_guest(PROTO_STOP_PAUSED, PROTO_VM_PAUSED);
	fd = connect_client();
	put(fd, "?");
	CHECK_STR(receive(fd), "+$T05thread:1;#d7");
	put(fd, "k");
	CHECK(gdb_server_is_over(server) && gdb_server_is_killed(server));
	close(fd);
	end();
}

static void test_attach_running(void)
{
	int fd;

	start(0);
	fd = connect_client();
	put(fd, "D");
	close(fd);
	handle();
	CHECK_INT(fake.state, PROTO_VM_RUNNING);
	fd = connect_client();
	CHECK_INT(fake.n_requests[PROTO_PAUSE], 1);
	put(fd, "?");
	CHECK_STR(receive(fd), "+");
	stop_guest(PROTO_STOP_PAUSED, PROTO_VM_PAUSED);
	CHECK_STR(receive(fd), "$T05thread:1;#d7");
	close(fd);
	end();
}

static void test_second_client(void)
{
	int fd, other;

	start(0);
	fd = connect_client();
	other = connect_client();
	CHECK_STR(receive(other), "closed");
	put(fd, "?");
	CHECK_STR(receive(fd), "+$T05thread:1;#d7");
	close(other);
	close(fd);
	end();
}

static void test_nak(void)
{
	int fd;

	start(0);
	fd = connect_client();
	CHECK_INT(send(fd, "$?#00", 5, 0), 5);
	handle();
	CHECK_STR(receive(fd), "-");
	put(fd, "qC");
	CHECK_STR(receive(fd), "+$QC1#c5");
	CHECK_INT(send(fd, "-", 1, 0), 1);
	handle();
	CHECK_STR(receive(fd), "$QC1#c5");
	close(fd);
	end();
}

static void test_vm_gone(void)
{
	struct gdb_server *none = NULL;
	struct errmsg e = { 0 };
	int fd;

	start(0);
	fd = connect_client();
	fake.fails_with = -EPIPE;
	CHECK_INT(send(fd, "$g#67", 5, 0), 5);
	CHECK_INT(handle(), -EPIPE);
	CHECK_INT(gdb_server_new(&vm, "test", "1", &none, &e), -EPIPE);
	CHECK(!none);
	close(fd);
	end();
}

static void test_socket_file(void)
{
	struct gdb_server *second = NULL;
	struct errmsg e = { 0 };
	int fd;

	start(0);
	/* In use. */
	CHECK_INT(gdb_server_new(&vm, "test", where, &second, &e), -EADDRINUSE);
	CHECK(!second);
	end();
	/* Left over. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_INT(bind(fd, (struct sockaddr *)&place, sizeof(place)), 0);
	close(fd);
	start(0);
	end();
	/* Not a socket. */
	fd = open(place.sun_path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_INT(gdb_server_new(&vm, "test", where, &second, &e), -EEXIST);
	CHECK_INT(unlink(place.sun_path), 0);
	close(fd);
}

static const struct test_case cases[] = {
	{ "a session", test_session },
	{ "byte order of registers", test_byte_order },
	{ "memory", test_memory },
	{ "breakpoints and watchpoints", test_points },
	{ "interrupt, packets while the guest runs", test_interrupt_and_hold },
	{ "a client that disappears", test_lost_client },
	{ "attaching to a running guest", test_attach_running },
	{ "a second client", test_second_client },
	{ "damaged and repeated packets", test_nak },
	{ "a VM that is gone", test_vm_gone },
	{ "socket files", test_socket_file },
};
TEST_MAIN(cases)
