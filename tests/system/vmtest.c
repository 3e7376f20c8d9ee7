/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers of the system tests; see vmtest.h. */
#include "system/vmtest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/fd.h"
#include "host/timer.h"

const struct vmt_variant vmt_variants[] = {
	{ "x86", PROTO_ARCH_X86, true },     { "x64", PROTO_ARCH_X64, true },
	{ "x64-ring3", PROTO_ARCH_X64, true }, { "arm", PROTO_ARCH_ARM, false },
	{ "thumb", PROTO_ARCH_ARM, false },  { "armeb", PROTO_ARCH_ARM, false },
	{ "arm64", PROTO_ARCH_A64, false },  { "riscv64", PROTO_ARCH_RV64, false },
};
const size_t vmt_variant_count = ARRAY_SIZE(vmt_variants);

static char build_dir[2048];
static char vm_program[2200];

int vmt_failures;

void vmt_init(const char *dir)
{
	snprintf(build_dir, sizeof(build_dir), "%s", dir);
	snprintf(vm_program, sizeof(vm_program), "%s/bin/pinfold-vm", dir);
	if (access(vm_program, X_OK) < 0 || access(vmt_guest("x86", "sum.elf"), R_OK) < 0) {
		printf("%s has no bin/pinfold-vm or no guests\n", dir);
		exit(1);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
}

const char *vmt_guest(const char *variant, const char *file)
{
	static char path[2400];

	snprintf(path, sizeof(path), "%s/guests/%s/%s", build_dir, variant, file);
	return path;
}

void vmt_options(struct launch_options *o, const char *engine, const char *image_path)
{
	launch_options_defaults(o);
	snprintf(o->config.engine, sizeof(o->config.engine), "%s", engine);
	snprintf(o->config.image_name, sizeof(o->config.image_name), "image");
	o->config.limits.mem_bytes = 8 << 20;
	o->image_path = image_path;
	o->vm_program = vm_program;
	o->reply_ms = VMT_WAIT_MS;
}

bool vmt_launch(struct vmt_vm *t, const struct launch_options *o)
{
	struct errmsg e = { 0 };

	t->out_len = 0;
	memset(&t->vm, 0, sizeof(t->vm));
	if (launch_vm(o, &t->vm, &e) < 0) {
		printf("launch %s on %s: %s\n", o->image_path ? o->image_path : "(context)",
		       o->config.engine, e.text);
		vmt_failures++;
		return false;
	}
	return true;
}

bool vmt_has_engine(const char *engine, const struct vmt_variant *v)
{
	static bool is_said;
	struct launch_options o;
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };

	if (strcmp(engine, "kvm") == 0 && !v->is_kvm) {
		return false;
	}
	vmt_options(&o, engine, vmt_guest(v->name, "sum.elf"));
	if (launch_vm(&o, &vm, &e) < 0) {
		if (!is_said) {
			printf("engine %s is left out: %s\n", engine, e.text);
			is_said = true;
		}
		return false;
	}
	launch_vm_done(&vm);
	return true;
}

void vmt_done(struct vmt_vm *t)
{
	launch_vm_done(&t->vm);
}

int vmt_ask(struct vmt_vm *t, enum proto_type type, const void *body, size_t bytes, int fd,
	    struct errmsg *e)
{
	return launch_vm_request(&t->vm, type, body, bytes, fd, NULL, 0, NULL, e);
}

bool vmt_do(struct vmt_vm *t, enum proto_type type, const void *body, size_t bytes, int fd)
{
	struct errmsg e = { 0 };
	int r = vmt_ask(t, type, body, bytes, fd, &e);

	if (r < 0) {
		printf("request %d failed with %d: %s\n", (int)type, r, e.text);
		vmt_failures++;
	}
	return r >= 0;
}

enum proto_vm_state vmt_state(struct vmt_vm *t)
{
	struct proto_status s = { .state = PROTO_VM_STATE_COUNT };
	struct errmsg e = { 0 };

	launch_vm_request(&t->vm, PROTO_GET_STATE, NULL, 0, -1, &s, sizeof(s), NULL, &e);
	return (enum proto_vm_state)s.state;
}

struct proto_usage vmt_usage(struct vmt_vm *t)
{
	struct proto_usage u = { 0 };
	struct errmsg e = { 0 };

	if (launch_vm_request(&t->vm, PROTO_GET_USAGE, NULL, 0, -1, &u, sizeof(u), NULL, &e) < 0) {
		printf("no usage: %s\n", e.text);
		vmt_failures++;
	}
	return u;
}

size_t vmt_regs(struct vmt_vm *t, uint8_t regs[VMT_REGS_MAX])
{
	struct errmsg e = { 0 };
	size_t n = 0;

	if (launch_vm_request(&t->vm, PROTO_GET_REGS, NULL, 0, -1, regs, VMT_REGS_MAX, &n, &e) <
	    0) {
		printf("no registers: %s\n", e.text);
		vmt_failures++;
	}
	return n;
}

void vmt_take_output(struct vmt_vm *t)
{
	while (t->out_len < sizeof(t->out)) {
		ssize_t n = read(t->vm.console_fd, t->out + t->out_len,
				 sizeof(t->out) - t->out_len);

		if (n <= 0) {
			break;
		}
		t->out_len += (size_t)n;
	}
}

bool vmt_wait(struct vmt_vm *t, uint32_t timeout_ms, struct proto_stopped *ret)
{
	ns_t until_ns = host_clock_monotonic_ns() + timeout_ms * NS_PER_MS;

	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = t->vm.socket_fd, .events = POLLIN },
			{ .fd = t->vm.console_fd, .events = POLLIN },
		};
		struct errmsg e = { 0 };
		int r = launch_vm_event(&t->vm, ret, &e);
		ns_t now_ns = host_clock_monotonic_ns();

		vmt_take_output(t);
		if (r == 1) {
			return true;
		}
		if (r < 0 || now_ns >= until_ns) {
			printf("no event: %s\n", r < 0 ? e.text : "time is over");
			vmt_failures++;
			return false;
		}
		if (t->out_len == sizeof(t->out)) {
			fds[1].fd = -1;
		}
		poll(fds, 2, (int)((until_ns - now_ns) / NS_PER_MS) + 1);
	}
}

bool vmt_step(struct vmt_vm *t, uint64_t n, struct proto_stopped *ret)
{
	struct proto_step step = { .insns = n };

	return vmt_do(t, PROTO_STEP, &step, sizeof(step), -1) && vmt_wait(t, VMT_WAIT_MS, ret);
}

bool vmt_finish(struct vmt_vm *t, enum proto_type how, struct vmt_end *ret)
{
	if (!vmt_do(t, how, NULL, 0, -1) || !vmt_wait(t, VMT_WAIT_MS, &ret->stop)) {
		return false;
	}
	ret->regs_bytes = vmt_regs(t, ret->regs);
	return true;
}

bool vmt_same_end(const struct vmt_end *a, const struct vmt_end *b, const char *what)
{
	const struct proto_stopped *s = &a->stop;
	const struct proto_stopped *u = &b->stop;

	if (s->reason != u->reason || s->code != u->code || s->pc != u->pc ||
	    strcmp(s->text, u->text) != 0) {
		printf("%s: \"%s\" at pc 0x%" PRIx64 ", but \"%s\" at pc 0x%" PRIx64 "\n", what,
		       s->text, s->pc, u->text, u->pc);
		return false;
	}
	if (a->regs_bytes != b->regs_bytes || memcmp(a->regs, b->regs, a->regs_bytes) != 0) {
		size_t at = 0;

		while (at < a->regs_bytes && a->regs[at] == b->regs[at]) {
			at++;
		}
		printf("%s: registers differ at byte %zu of %zu\n", what, at, a->regs_bytes);
		return false;
	}
	return true;
}

uint8_t *vmt_slurp(int fd, size_t *ret_n)
{
	struct stat st;
	uint8_t *p;

	if (fstat(fd, &st) < 0) {
		perror("context file");
		exit(1);
	}
	p = malloc((size_t)st.st_size + 1);
	if (!p || pread(fd, p, (size_t)st.st_size, 0) != st.st_size) {
		perror("context file");
		exit(1);
	}
	*ret_n = (size_t)st.st_size;
	return p;
}

/* As the launcher seals images and contexts. */
static void seal(int fd)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0) {
		perror("sealing");
		exit(1);
	}
}

int vmt_seal(const void *bytes, size_t n)
{
	int fd = memfd_create("context", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || host_fd_write_full(fd, bytes, n) < 0) {
		perror("memory file");
		exit(1);
	}
	seal(fd);
	return fd;
}

int vmt_save(struct vmt_vm *t)
{
	int fd = memfd_create("context", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || !vmt_do(t, PROTO_SAVE_CONTEXT, NULL, 0, fd)) {
		close(fd);
		return -1;
	}
	seal(fd);
	return fd;
}

uint64_t vmt_random(uint64_t *state)
{
	/* xorshift64* */
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}
