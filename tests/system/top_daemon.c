/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for the daemon in test_top.sh and in the measurement of what top costs: answers what top
 * asks for, about a made-up fleet whose counters grow with the clock, and prints what it was told to do.
 *
 * Usage: top_daemon SOCKET VMS CORES    until it is killed
 * VM n is "vm-n"; the first core of all is the control core. The VMs of core c are those with n % pool == c,
 * 10 ms each in turn.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX   16
#define REQUEST_BYTES 4096u
#define VMS_MAX	      100000u
#define SLICE_NS      10000000u
#define NS_PER_S      1000000000u

struct client {
	int fd;
	char text[REQUEST_BYTES];
	size_t n;
};

static struct {
	uint32_t n_vms, n_pool;
	const char **state; /* of each VM */
	uint32_t pinned;    /* VM, or n_vms: none */
	uint64_t start_ns;
} fleet;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t age_ns(void)
{
	return now_ns() - fleet.start_ns;
}

/* VMs that take turns with this one. */
static uint32_t peers(uint32_t n)
{
	uint32_t core = n % fleet.n_pool;

	return (fleet.n_vms - core + fleet.n_pool - 1) / fleet.n_pool;
}

/* The VM that holds a core of the pool now. */
static uint32_t holder(uint32_t core)
{
	uint32_t turn = (uint32_t)(age_ns() / SLICE_NS);

	return core + fleet.n_pool * (turn % peers(core));
}

static json_t *make_vm(uint32_t n)
{
	uint64_t slices = age_ns() / SLICE_NS / peers(n);
	uint32_t core = n % fleet.n_pool;
	bool is_running = strcmp(fleet.state[n], "running") == 0;
	char id[32];
	char name[32];
	json_t *vm;

	snprintf(id, sizeof(id), "%016" PRIx32, n + 1);
	snprintf(name, sizeof(name), "vm-%" PRIu32, n);
	vm = json_pack("{s:s,s:s,s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:s}", "name", name, "id", id, "owner",
		       n % 2 ? "ann" : "root", "owner_uid", n % 2 ? 1000 : 0, "arch",
		       n % 3 ? "riscv64" : "arm64", "engine", "unicorn", "engine_reason",
		       "the fastest that works here", "board", "bare", "image_name", "endless.elf",
		       "state", fleet.state[n]);
	json_object_set_new(vm, "core",
			    is_running && holder(core) == n ? json_integer(core + 2) : json_null());
	json_object_set_new(vm, "exclusive", json_boolean(fleet.pinned == n));
	json_object_set_new(vm, "prio", json_integer(3));
	json_object_set_new(vm, "slice_ns", json_integer(SLICE_NS));
	json_object_set_new(vm, "cpu_ns", json_integer((json_int_t)(slices * SLICE_NS)));
	json_object_set_new(vm, "wait_ns",
			    json_integer((json_int_t)(slices * SLICE_NS * (peers(n) - 1))));
	json_object_set_new(vm, "waiting_ns", json_integer((json_int_t)(n % 7) * 1000000));
	json_object_set_new(vm, "slices", json_integer((json_int_t)slices));
	json_object_set_new(vm, "preemptions", json_integer((json_int_t)slices));
	json_object_set_new(vm, "memory_bytes", json_integer(8 << 20));
	json_object_set_new(vm, "mem_bytes", json_integer(16 << 20));
	json_object_set_new(vm, "created_at", json_string("2026-11-20T16:00:00Z"));
	json_object_set_new(vm, "runs", json_integer(1));
	return vm;
}

static json_t *make_vms(void)
{
	json_t *list = json_array();

	for (uint32_t n = 0; n < fleet.n_vms; n++) {
		if (strcmp(fleet.state[n], "killed") != 0) {
			json_array_append_new(list, make_vm(n));
		}
	}
	return list;
}

static json_t *make_cores(void)
{
	json_t *list = json_pack("[{s:i,s:[s],s:b,s:b},{s:i,s:[s],s:b,s:b}]", "host_core", 0,
				 "roles", "control", "is_pool", 0, "online", 1, "host_core", 1,
				 "roles", "housekeeping", "is_pool", 0, "online", 1);

	for (uint32_t c = 0; c < fleet.n_pool; c++) {
		uint32_t n = holder(c);
		bool is_idle = n >= fleet.n_vms || strcmp(fleet.state[n], "running") != 0;
		json_t *core = json_pack("{s:i,s:[s],s:b,s:b,s:b,s:b,s:I}", "host_core", (int)c + 2,
					 "roles", "pool", "is_pool", 1, "online", 1, "exclusive",
					 fleet.pinned == n && !is_idle, "is_idle", is_idle,
					 "foreign_ns", (json_int_t)(age_ns() / 50));
		json_t *vm = is_idle ? json_object() : make_vm(n);

		json_object_set(core, "holder", json_object_get(vm, "name"));
		json_object_set(core, "holder_id", json_object_get(vm, "id"));
		json_decref(vm);
		json_array_append_new(list, core);
	}
	return list;
}

static json_t *make_status(void)
{
	return json_pack("{s:s,s:i,s:I,s:b,s:s,s:{s:i,s:i,s:i,s:i},s:{s:i,s:i}}", "version",
			 "9.8.7", "pid", (int)getpid(), "uptime_ns", (json_int_t)age_ns(),
			 "is_rootless", 0, "backend", "made-up", "vms", "defined", (int)fleet.n_vms,
			 "running", (int)fleet.n_vms, "paused", 0, "faulted", 0, "exclusive", "cap",
			 1, "used", fleet.pinned < fleet.n_vms ? 1 : 0);
}

static json_t *make_error(const char *code, const char *message)
{
	return json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message);
}

/* "/v1/vms/ID/pause": carry it out. Returns the HTTP status. */
static int change(const char *method, const char *path, json_t **ret)
{
	unsigned long id = strtoul(path + strlen("/v1/vms/"), NULL, 16);
	const char *verb = strrchr(path, '/') + 1;
	uint32_t n = (uint32_t)id - 1;

	printf("%s %s\n", method, path);
	fflush(stdout);
	if (id == 0 || id > fleet.n_vms) {
		*ret = make_error("not_found", "there is no such VM");
		return 404;
	}
	if (strcmp(verb, "pin") == 0) {
		bool is_pin = strcmp(method, "PUT") == 0;

		if (is_pin && fleet.pinned < fleet.n_vms) {
			*ret = make_error("quota", "all exclusive cores are in use");
			return 422;
		}
		fleet.pinned = is_pin ? n : fleet.n_vms;
	} else {
		fleet.state[n] = strcmp(verb, "pause") == 0  ? "paused"
				 : strcmp(verb, "kill") == 0 ? "killed"
							     : "running";
	}
	*ret = json_pack("{s:s}", "state", fleet.state[n]);
	return 200;
}

/* Returns the HTTP status. */
static int answer(const char *method, const char *path, json_t **ret)
{
	if (strcmp(method, "GET") != 0) {
		return change(method, path, ret);
	}
	if (strncmp(path, "/v1/vms/", 8) == 0) {
		unsigned long id = strtoul(path + 8, NULL, 16);

		*ret = id > 0 && id <= fleet.n_vms ? make_vm((uint32_t)id - 1)
						   : make_error("not_found", "no such VM");
		return json_object_get(*ret, "error") ? 404 : 200;
	}
	if (strncmp(path, "/v1/vms", 7) == 0) {
		*ret = make_vms();
	} else if (strcmp(path, "/v1/cores") == 0) {
		*ret = make_cores();
	} else if (strcmp(path, "/v1/status") == 0) {
		*ret = make_status();
	} else if (strcmp(path, "/v1/faults") == 0) {
		*ret = json_pack("[{s:s,s:s,s:s,s:s,s:s,s:s,s:s}]", "vm", "wild", "id", "ff",
				 "owner", "ann", "kind", "illegal-instruction", "pc", "0x8000",
				 "message", "the guest ran into data", "faulted_at",
				 "2026-11-20T16:00:00Z");
	} else if (strncmp(path, "/v1/sched/log", 13) == 0) {
		*ret = make_error("forbidden", "only administrators see decisions");
		return 403;
	} else {
		*ret = json_array();
	}
	return 200;
}

static bool send_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t k = send(fd, text, n, MSG_NOSIGNAL);

		if (k <= 0) {
			return false;
		}
		text += k;
		n -= (size_t)k;
	}
	return true;
}

static bool reply(int fd, const char *method, const char *path)
{
	json_t *body = NULL;
	int status = answer(method, path, &body);
	char *text = json_dumps(body, JSON_COMPACT);
	char head[160];
	bool is_sent;

	snprintf(head, sizeof(head),
		 "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		 status, strlen(text));
	is_sent = send_all(fd, head, strlen(head)) && send_all(fd, text, strlen(text));
	free(text);
	json_decref(body);
	return is_sent;
}

/* One whole request at the start of the text? Its length, or 0. */
static size_t whole(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n");
	const char *length = strcasestr(text, "\r\ncontent-length:");
	size_t n;

	if (!end) {
		return 0;
	}
	n = (size_t)(end + 4 - text);
	if (length && length < end) {
		n += strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
	}
	return strlen(text) >= n ? n : 0;
}

/* False: the client is gone, or writes what makes no sense. */
static bool serve(struct client *c)
{
	ssize_t k = recv(c->fd, c->text + c->n, sizeof(c->text) - 1 - c->n, 0);
	size_t n;

	if (k <= 0) {
		return false;
	}
	c->n += (size_t)k;
	c->text[c->n] = '\0';
	while ((n = whole(c->text)) > 0) {
		char method[16];
		char path[256];

		if (sscanf(c->text, "%15s %255s", method, path) != 2 ||
		    !reply(c->fd, method, path)) {
			return false;
		}
		memmove(c->text, c->text + n, c->n - n + 1);
		c->n -= n;
	}
	return true;
}

static int open_socket(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0) {
		fprintf(stderr, "top_daemon: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return fd;
}

static void loop(int listener)
{
	static struct client client[CLIENTS_MAX];
	struct pollfd fds[CLIENTS_MAX + 1];

	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		client[i].fd = -1;
	}
	for (;;) {
		for (size_t i = 0; i < CLIENTS_MAX; i++) {
			fds[i] = (struct pollfd){ .fd = client[i].fd, .events = POLLIN };
		}
		fds[CLIENTS_MAX] = (struct pollfd){ .fd = listener, .events = POLLIN };
		if (poll(fds, CLIENTS_MAX + 1, -1) < 0) {
			return;
		}
		for (size_t i = 0; i < CLIENTS_MAX; i++) {
			if (client[i].fd >= 0 && fds[i].revents && !serve(&client[i])) {
				close(client[i].fd);
				client[i].fd = -1;
			} else if (client[i].fd < 0 && fds[CLIENTS_MAX].revents) {
				client[i] = (struct client){ .fd = accept(listener, NULL, NULL) };
				fds[CLIENTS_MAX].revents = 0;
			}
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: top_daemon SOCKET VMS CORES\n");
		return 1;
	}
	fleet.n_vms = (uint32_t)strtoul(argv[2], NULL, 10);
	fleet.n_pool = (uint32_t)strtoul(argv[3], NULL, 10);
	if (fleet.n_vms < 1 || fleet.n_vms > VMS_MAX || fleet.n_pool < 1 ||
	    fleet.n_pool > fleet.n_vms) {
		fprintf(stderr, "top_daemon: 1 to %u VMs, at most as many cores\n", VMS_MAX);
		return 1;
	}
	fleet.state = calloc(fleet.n_vms, sizeof(*fleet.state));
	for (uint32_t n = 0; fleet.state && n < fleet.n_vms; n++) {
		fleet.state[n] = "running";
	}
	fleet.pinned = fleet.n_vms;
	fleet.start_ns = now_ns();
	loop(open_socket(argv[1]));
	return 0;
}
