/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A jailed VM process that outlives its controller: under a scheduler's grants it prints, loses its
 * controller in the middle, parks, waits, is met again by another one at its socket, tells what it
 * is, takes new pages and a new console, and runs to its end with the same answer.
 * Usage: test_reattach BUILD-DIR
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/grant.h"
#include "system/vmtest.h"
#include "unit/test.h"
#include "unit/vcpu_time.h"

#define SLICE_NS (2 * NS_PER_MS)

static char dir[] = "/tmp/pinfold-reattach-XXXXXX";
static char socket_path[64];

/* One scheduler's pages. */
struct pages {
	struct grant_page *grant;
	struct ack_page *ack;
	int grant_fd, ack_fd, notify_fd;
	uint64_t epoch;
};

static void *new_page(int *ret_fd)
{
	*ret_fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK_INT(ftruncate(*ret_fd, (off_t)PAGE_BYTES), 0);
	return mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
}

static void pages_new(struct pages *p)
{
	p->grant = new_page(&p->grant_fd);
	p->ack = new_page(&p->ack_fd);
	p->grant->magic = GRANT_MAGIC;
	p->ack->magic = ACK_MAGIC;
	p->grant->revision = p->ack->revision = GRANT_REVISION;
	CHECK_INT(fcntl(p->grant_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	p->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->epoch = 0;
}

static void grant(struct pages *p, pid_t pid)
{
	atomic_store(&p->grant->base_ns, vcpu_time_ns(pid));
	atomic_store(&p->grant->budget_ns, SLICE_NS);
	atomic_store(&p->grant->deadline_ns, GRANT_NO_END);
	atomic_store(&p->grant->epoch, ++p->epoch);
	atomic_fetch_add(&p->ack->wake, 1);
	host_futex_wake(&p->ack->wake);
}

/* Wait until the vCPU has given the grant back. @return what it says it wants */
static enum ack_state await_park(struct pages *p)
{
	for (int i = 0; i < 200; i++) {
		struct pollfd fd = { .fd = p->notify_fd, .events = POLLIN };
		uint32_t state = atomic_load(&p->ack->state);
		uint64_t n;

		if ((state == ACK_PARKED || state == ACK_BLOCKED) &&
		    atomic_load(&p->ack->epoch) == p->epoch) {
			return (enum ack_state)state;
		}
		if (poll(&fd, 1, 50) == 1 && read(p->notify_fd, &n, sizeof(n)) < 0) {
			break;
		}
	}
	printf("no park: state %u, epoch %" PRIu64 " of %" PRIu64 "\n", p->ack->state,
	       p->ack->epoch, p->epoch);
	test_failures++;
	return ACK_NEW;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	CHECK_INT(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_INT(listen(fd, 1), 0);
	return fd;
}

static size_t take_console(struct launch_vm *vm, char *out, size_t len, size_t max)
{
	for (;;) {
		ssize_t n = read(vm->console_fd, out + len, max - len);

		if (n <= 0) {
			return len;
		}
		len += (size_t)n;
	}
}

/* The first controller: starts the VM, grants some slices, and goes without a word. */
static pid_t first_controller(int listen_fd, char *out, size_t *len, size_t max)
{
	struct launch_options o;
	struct launch_vm vm = { 0 };
	struct errmsg e = { "" };
	struct pages p;
	pid_t pid;

	vmt_options(&o, "unicorn", vmt_guest("riscv64", "bench/mix.elf"));
	o.listen_fd = listen_fd;
	o.config.jail = PROTO_JAIL_OUTLIVE;
	pages_new(&p);
	if (launch_vm(&o, &vm, &e) < 0) {
		printf("no VM: %s\n", e.text);
		exit(1);
	}
	CHECK_INT(launch_vm_attach(&vm, p.grant_fd, p.ack_fd, p.notify_fd, &e), 0);
	CHECK_INT(launch_vm_request(&vm, PROTO_START, NULL, 0, -1, NULL, 0, NULL, &e), 0);
	for (int i = 0; i < 10; i++) {
		grant(&p, vm.pid);
		CHECK_INT(await_park(&p), ACK_PARKED);
	}
	grant(&p, vm.pid); /* in the middle of this one the controller dies */
	*len = take_console(&vm, out, *len, max);
	pid = vm.pid;
	close(vm.socket_fd);
	close(vm.console_fd);
	close(vm.pidfd);
	CHECK_INT(await_park(&p), ACK_PARKED); /* it finishes its slice and parks */
	munmap(p.grant, PAGE_BYTES);
	munmap(p.ack, PAGE_BYTES);
	close(p.grant_fd);
	close(p.ack_fd);
	close(p.notify_fd);
	return pid;
}

static void meet_again(pid_t pid, char *out, size_t *len, size_t max)
{
	struct launch_vm vm = { 0 };
	struct proto_stopped stop = { 0 };
	struct proto_status status = { 0 };
	struct errmsg e = { "" };
	struct pages p;
	int n_grants = 0;
	int r;

	r = launch_vm_reconnect(pid, socket_path, VMT_WAIT_MS, 0, &vm, &e);
	if (r < 0) {
		printf("not met: %s\n", e.text);
		test_failures++;
		return;
	}
	CHECK_STR(vm.ready.arch_name, "riscv64");
	CHECK_STR(vm.ready.engine, "unicorn");
	CHECK_INT(launch_vm_request(&vm, PROTO_GET_STATE, NULL, 0, -1, &status, sizeof(status),
				    NULL, &e),
		  0);
	CHECK_INT(status.state, PROTO_VM_RUNNING);
	CHECK_INT(launch_vm_request(&vm, PROTO_GET_LAST_STOP, NULL, 0, -1, &stop, sizeof(stop),
				    NULL, &e),
		  -ENOENT);
	pages_new(&p);
	CHECK_INT(launch_vm_attach(&vm, p.grant_fd, p.ack_fd, p.notify_fd, &e), 0);
	do {
		grant(&p, pid);
		n_grants++;
	} while (await_park(&p) == ACK_PARKED && n_grants < 100000);
	CHECK(n_grants > 10);
	CHECK_INT(launch_vm_request(&vm, PROTO_GET_LAST_STOP, NULL, 0, -1, &stop, sizeof(stop),
				    NULL, &e),
		  0);
	CHECK_INT(stop.reason, PROTO_STOP_EXIT);
	CHECK_INT(stop.code, 0);
	*len = take_console(&vm, out, *len, max);
	launch_vm_done(&vm);
	CHECK(kill(pid, 0) < 0 || waitpid(pid, NULL, WNOHANG) == pid);
}

int main(int argc, char **argv)
{
	char out[4096] = "";
	size_t len = 0;
	int listen_fd;
	pid_t pid;

	if (argc != 2) {
		fprintf(stderr, "usage: test_reattach BUILD-DIR\n");
		return 1;
	}
	vmt_init(argv[1]);
	CHECK(mkdtemp(dir) != NULL);
	snprintf(socket_path, sizeof(socket_path), "%s/vm", dir);
	listen_fd = listen_at(socket_path);
	pid = first_controller(listen_fd, out, &len, sizeof(out) - 1);
	close(listen_fd);
	meet_again(pid, out, &len, sizeof(out) - 1);
	out[len] = '\0';
	CHECK(strstr(out, "ok\n") != NULL);
	unlink(socket_path);
	rmdir(dir);
	printf("%s\n", test_failures ? "FAIL" : "pass");
	return test_failures || vmt_failures ? 1 : 0;
}
