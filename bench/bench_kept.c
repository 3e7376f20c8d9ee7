/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it is worth to begin with kept translations (docs/engine-dbt.md): CPU time, user and system, of a VM process that boots Debian's
 * stock RISC-V kernel to a shell and powers off, with and without them, in turns; and what making them costs, once.
 */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "bench/bench.h"
#include "bench/linux_images.h"
#include "launch/launch.h"

#define WAIT_MS	  120000
#define RAM_BYTES (256ULL << 20)

/* With translations and without. */
struct kind {
	struct bench_series cpu_ms, made;
};

/* Let it print until it has ended. */
static bool await_end(struct launch_vm *vm, struct proto_stopped *ret)
{
	struct pollfd p[] = { { vm->socket_fd, POLLIN, 0 }, { vm->console_fd, POLLIN, 0 } };
	char buf[4096];
	int r = 0;

	while (r == 0) {
		if (poll(p, 2, WAIT_MS) <= 0) {
			return false;
		}
		if (p[1].revents && recv(vm->console_fd, buf, sizeof(buf), MSG_DONTWAIT) == 0) {
			p[1].fd = -1;
		}
		r = launch_vm_event(vm, ret, NULL);
	}
	return r > 0;
}

static bool boot(const struct launch_options *o, struct kind *k)
{
	struct launch_vm vm = LAUNCH_VM_NONE;
	struct proto_stopped stopped;
	struct rusage usage;
	int status;
	bool is_done;

	is_done = launch_vm(o, &vm, NULL) == 0 &&
		  launch_vm_request(&vm, PROTO_START, NULL, 0, -1, NULL, 0, NULL, NULL) == 0 &&
		  await_end(&vm, &stopped) &&
		  launch_vm_request(&vm, PROTO_QUIT, NULL, 0, -1, NULL, 0, NULL, NULL) == 0 &&
		  launch_vm_wait(&vm, &status, &usage) == 0;
	launch_vm_done(&vm);
	if (is_done) {
		bench_add(&k->cpu_ms, bench_rusage_ms(&usage));
		bench_add(&k->made, (double)stopped.usage.code_made);
	}
	return is_done;
}

static void options_fill(struct launch_options *o, const struct linux_images *im,
			 const char *program)
{
	launch_options_defaults(o);
	o->vm_program = program;
	snprintf(o->config.board, sizeof(o->config.board), "virt");
	o->kernel_path = im->kernel;
	o->initrd_path = im->initrd;
	o->config.args_bytes =
		(uint32_t)snprintf(o->config.args, sizeof(o->config.args), "console=ttyS0 quiet");
	o->config.limits.mem_bytes = RAM_BYTES;
	o->reply_ms = WAIT_MS;
}

/* @return sealed translations and what they cost; -1 */
static int train(const struct launch_options *o, double *ret_cpu_ms)
{
	const struct launch_train t = { .cpu_ns = 60 * NS_PER_S, .wall_ns = 120 * NS_PER_S };
	struct rusage before;
	struct rusage after;
	struct errmsg e = { 0 };
	int fd;

	getrusage(RUSAGE_CHILDREN, &before);
	if (launch_train(o, &t, &fd, &e) < 0) {
		printf("no translations: %s\n", e.text);
		return -1;
	}
	getrusage(RUSAGE_CHILDREN, &after);
	*ret_cpu_ms = bench_rusage_ms(&after) - bench_rusage_ms(&before);
	return fd;
}

static void print(const struct kind kinds[2], double train_ms, double file_mib)
{
	struct bench_table t = { 0 };
	char c[2][32];

	printf("Linux for RISC-V from power-on to a shell and power-off, CPU ms of the VM "
	       "process\n");
	bench_row(&t, "boot|CPU ms|translated blocks and regions");
	for (int k = 0; k < 2; k++) {
		bench_row(&t, "%s|%s|%s", k ? "with kept translations" : "without",
			  bench_figure(c[0], bench_median(&kinds[k].cpu_ms), 0),
			  bench_figure(c[1], bench_median(&kinds[k].made), 0));
	}
	bench_row(&t, "making %.1f MiB of them, once|%s|", file_mib,
		  bench_figure(c[0], train_ms, 0));
	bench_print(&t);
}

int main(int argc, char **argv)
{
	struct kind kinds[2] = { 0 };
	struct launch_options o;
	struct linux_images im;
	struct bench_env env;
	char program[BENCH_PATH];
	double train_ms;
	struct stat st;
	int fd;

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	if (!linux_images_make(&im)) {
		printf("skipped: needs what scripts/riscv/packages fetches\n");
		return 77;
	}
	options_fill(&o, &im, bench_path(&env, program, "bin/pinfold-vm"));
	fd = train(&o, &train_ms);
	for (int k = 0; fd >= 0 && k < (env.is_quick ? 2 : 14); k++) {
		o.code_fd = k % 2 ? fd : -1;
		boot(&o, &kinds[k % 2]);
	}
	unlink(im.initrd);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return EXIT_FAILURE;
	}
	print(kinds, train_ms, (double)st.st_size / (double)BIT(20));
	close(fd);
	return EXIT_SUCCESS;
}
