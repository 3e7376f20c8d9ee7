/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/fd.h"

void bench_vm_options(const struct bench_env *env, const char *engine, const char *guest,
		      char path[BENCH_PATH], struct launch_options *ret)
{
	launch_options_defaults(ret);
	ret->image_path = bench_path(env, path, "guests/%s", guest);
	ret->is_kvm_allowed = strcmp(engine, "kvm") == 0;
	snprintf(ret->config.engine, sizeof(ret->config.engine), "%s", engine);
	snprintf(ret->config.image_name, sizeof(ret->config.image_name), "%s", guest);
	snprintf(ret->config.name, sizeof(ret->config.name), "bench");
}

static void read_console(struct launch_vm *vm, struct bench_vm_run *run)
{
	size_t have = strlen(run->output);
	char buf[4096];
	ssize_t n = read(vm->console_fd, buf, sizeof(buf));

	if (n > 0) {
		size_t room = sizeof(run->output) - 1 - have;
		size_t take = (size_t)n < room ? (size_t)n : room;

		memcpy(run->output + have, buf, take);
		run->output[have + take] = '\0';
	}
}

static void read_trace(struct launch_vm *vm, struct bench_vm_run *run)
{
	char buf[65536];
	ssize_t n = read(vm->trace_fd, buf, sizeof(buf));

	if (n > 0) {
		run->trace_bytes += (uint64_t)n;
	}
}

int bench_vm_wait_stop(struct launch_vm *vm, struct bench_vm_run *run, struct errmsg *e)
{
	for (;;) {
		struct pollfd fds[3] = {
			{ .fd = vm->socket_fd, .events = POLLIN },
			{ .fd = vm->console_fd, .events = POLLIN },
			{ .fd = vm->trace_fd, .events = POLLIN },
		};
		int r = launch_vm_event(vm, &run->stopped, e);

		if (r != 0) {
			return r < 0 ? r : 0;
		}
		if (poll(fds, 3, -1) < 0 && errno != EINTR) {
			return errmsg_set(e, -errno, "poll: %s", strerror(errno));
		}
		if (fds[1].revents & POLLIN) {
			read_console(vm, run);
		}
		if (fds[2].revents & POLLIN) {
			read_trace(vm, run);
		}
	}
}

static double status_mib(const char *status, const char *field)
{
	const char *p = strstr(status, field);
	unsigned long kib = 0;

	if (p) {
		sscanf(p + strlen(field), "%lu", &kib);
	}
	return (double)kib / 1024;
}

static void read_resident(pid_t pid, struct bench_vm_run *run)
{
	char path[64];
	char status[4096];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : host_fd_read_full(fd, status, sizeof(status) - 1);
	status[n > 0 ? n : 0] = '\0';
	run->anon_mib = status_mib(status, "RssAnon:");
	run->file_mib = status_mib(status, "RssFile:");
	run->shmem_mib = status_mib(status, "RssShmem:");
}

/* The rest of the output, and the process's own account of itself. */
static int finish(struct launch_vm *vm, struct bench_vm_run *run, struct errmsg *e)
{
	struct rusage usage = { 0 };
	int status = 0;
	int r;

	read_console(vm, run);
	read_resident(vm->pid, run);
	r = launch_vm_request(vm, PROTO_QUIT, NULL, 0, -1, NULL, 0, NULL, e);
	if (r == 0) {
		r = launch_vm_wait(vm, &status, &usage);
	}
	if (r < 0) {
		return r;
	}
	run->process_ms = bench_rusage_ms(&usage);
	return 0;
}

static int run_launched(struct launch_vm *vm, struct bench_vm_run *run, struct errmsg *e)
{
	int r = launch_vm_request(vm, PROTO_START, NULL, 0, -1, NULL, 0, NULL, e);

	r = r < 0 ? r : bench_vm_wait_stop(vm, run, e);
	if (r < 0) {
		return r;
	}
	if (run->stopped.reason != PROTO_STOP_HALT && run->stopped.reason != PROTO_STOP_EXIT) {
		return errmsg_set(e, -EIO, "the guest did not end by itself: %s",
				  run->stopped.text);
	}
	return finish(vm, run, e);
}

int bench_vm_run_input(const struct launch_options *o, const char *input, struct bench_vm_run *ret,
		       struct errmsg *e)
{
	size_t len = input ? strlen(input) : 0;
	struct bench_vm_run run = { 0 };
	struct launch_vm vm = { 0 };
	int r;

	r = launch_vm(o, &vm, e);
	if (r < 0) {
		return r;
	}
	if (input && write(vm.console_fd, input, len) != (ssize_t)len) {
		r = errmsg_set(e, -EIO, "the console does not take the input");
	}
	r = r < 0 ? r : run_launched(&vm, &run, e);
	launch_vm_done(&vm);
	if (r == 0) {
		*ret = run;
	}
	return r;
}

int bench_vm_run(const struct launch_options *o, struct bench_vm_run *ret, struct errmsg *e)
{
	return bench_vm_run_input(o, NULL, ret, e);
}

bool bench_vm_has_kvm(const struct bench_env *env)
{
	struct bench_vm_run run;
	struct launch_options o;
	struct errmsg e = { 0 };
	char path[BENCH_PATH];

	bench_vm_options(env, "kvm", "x64/sum.elf", path, &o);
	if (bench_vm_run(&o, &run, &e) < 0) {
		printf("(no figures for kvm: %s)\n", e.text);
		return false;
	}
	return true;
}
