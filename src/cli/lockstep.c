/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two engines, one guest. Both VMs run the same number of instructions, then their registers are
 * compared; the number doubles while they agree. When they differ, both start again, run up to the
 * last agreement, and save a context there; from it the first differing instruction is found by
 * halving:
 *
 *     0 ... agreed at n ......... differ at n + chunk
 *                |--- load context, run k, compare ---|
 *
 * Registers are compared by class, all but the privileged ones; RAM once, at the common end.
 */
#include "cli/lockstep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/fnv.h"
#include "cli/commands.h"
#include "cli/disas.h"
#include "cli/regs.h"
#include "host/fd.h"

#define LOCKSTEP_DIFFERS 1 /* exit status */

#define CHUNK_FIRST 1000
#define CHUNK_MAX   1000000
#define INPUT_MAX   8192
/* What the VM takes from its console at once, at least. */
#define INPUT_STEP 512

/* One of the two. */
struct side {
	struct launch_vm vm;
	struct regs regs;
	struct proto_stopped stop;
	int context_fd;
	uint64_t out_bytes, out_hash; /* of the console */
};

struct lockstep {
	const struct run_options *o;
	struct side side[2];
	uint64_t agreed; /* instructions */
	size_t n_input;
	char input[INPUT_MAX];
	struct disas *disas;
};

/* What came out. */
struct outcome {
	bool is_same;
	bool is_limit;
	uint64_t insns;
	char what[ERRMSG_SIZE]; /* one sentence */
	uint64_t pc;
	char insn[DISAS_TEXT_BYTES];
	char bytes[DISAS_BYTES_TEXT_BYTES];
};

static void side_stop(struct side *s)
{
	launch_vm_done(&s->vm);
	if (s->context_fd >= 0) {
		close(s->context_fd);
	}
	s->context_fd = -1;
}

/* All input before the first instruction, so that both see the same of it at any time. */
static int side_feed(struct side *s, const char *input, size_t n, struct errmsg *e)
{
	struct proto_status status;
	int r = 0;

	if (n > 0 && send(s->vm.console_fd, input, n, MSG_NOSIGNAL) != (ssize_t)n) {
		return errmsg_set(e, -EIO, "the console does not take the input");
	}
	shutdown(s->vm.console_fd, SHUT_WR);
	/* The VM looks at its console before it answers. */
	for (size_t i = 0; r == 0 && i < n / INPUT_STEP + 2; i++) {
		r = launch_vm_request(&s->vm, PROTO_GET_STATE, NULL, 0, -1, &status, sizeof(status),
				      NULL, e);
	}
	return r;
}

static int side_start(struct lockstep *l, size_t i, struct errmsg *e)
{
	struct launch_options options = l->o->launch;
	struct side *s = &l->side[i];
	int r;

	s->out_bytes = 0;
	s->out_hash = FNV64_START;
	snprintf(options.config.engine, sizeof(options.config.engine), "%s", l->o->engines[i]);
	r = launch_vm(&options, &s->vm, e);
	if (r < 0) {
		return r;
	}
	r = regs_describe(&s->vm, &s->regs, e);
	r = r < 0 ? r : side_feed(s, l->input, l->n_input, e);
	return r < 0 ? r : regs_read(&s->vm, &s->regs, e);
}

static int start_both(struct lockstep *l, struct errmsg *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		side_stop(&l->side[i]);
		r = side_start(l, i, e);
	}
	if (r == 0 && l->side[0].vm.ready.arch != l->side[1].vm.ready.arch) {
		r = errmsg_set(e, -EPROTO, "the two VMs disagree on the architecture");
	}
	if (r == 0 && !l->disas) {
		l->disas = disas_new(l->side[0].vm.ready.arch);
		r = l->disas ? 0 : errmsg_set(e, -ENOMEM, "out of memory");
	}
	return r;
}

/* Console output is shown once, and compared. */
static void side_drain(struct side *s, bool is_shown)
{
	char buf[4096];
	ssize_t n;

	while ((n = recv(s->vm.console_fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		s->out_hash = fnv64(s->out_hash, buf, (size_t)n);
		s->out_bytes += (uint64_t)n;
		if (is_shown) {
			fwrite(buf, 1, (size_t)n, stdout);
		}
	}
}

static int side_wait(struct side *s, bool is_shown, struct errmsg *e)
{
	int r;

	while ((r = launch_vm_event(&s->vm, &s->stop, e)) == 0) {
		struct pollfd p[2] = { { s->vm.socket_fd, POLLIN, 0 },
				       { s->vm.console_fd, POLLIN, 0 } };

		poll(p, 2, -1);
		side_drain(s, is_shown);
	}
	side_drain(s, is_shown);
	return r < 0 ? r : regs_read(&s->vm, &s->regs, e);
}

/* Both at the same time. */
static int step_both(struct lockstep *l, uint64_t n, bool is_shown, struct errmsg *e)
{
	struct proto_step step = { .insns = n };
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		r = launch_vm_request(&l->side[i].vm, PROTO_STEP, &step, sizeof(step), -1, NULL, 0,
				      NULL, e);
	}
	for (size_t i = 0; r == 0 && i < 2; i++) {
		r = side_wait(&l->side[i], is_shown && i == 0, e);
	}
	if (r < 0) {
		errmsg_prefix(e, "--lockstep: ");
	}
	return r;
}

/* The privileged ones hold counters and reset values that are an engine's own. */
static bool is_compared(const struct reg *r)
{
	return r->desc.cls != PROTO_REG_SYS;
}

static bool is_reg_same(const struct reg *a, const struct reg *b)
{
	return !is_compared(a) || memcmp(a->value, b->value, sizeof(a->value)) == 0;
}

static bool are_regs_same(const struct lockstep *l)
{
	for (size_t i = 0; i < l->side[0].regs.n; i++) {
		if (!is_reg_same(&l->side[0].regs.reg[i], &l->side[1].regs.reg[i])) {
			return false;
		}
	}
	return true;
}

static bool is_same(const struct lockstep *l)
{
	const struct side *a = &l->side[0];
	const struct side *b = &l->side[1];

	return a->stop.reason == b->stop.reason && a->stop.code == b->stop.code &&
	       strcmp(a->stop.fault.kind, b->stop.fault.kind) == 0 &&
	       a->stop.fault.address == b->stop.fault.address && a->out_bytes == b->out_bytes &&
	       a->out_hash == b->out_hash && are_regs_same(l);
}

/* Time ran out on one of them: says nothing about the guest. */
static bool is_time_over(const struct lockstep *l)
{
	for (size_t i = 0; i < 2; i++) {
		const struct proto_stopped *s = &l->side[i].stop;

		if (s->reason == PROTO_STOP_LIMIT && s->limit != PROTO_LIMIT_INSNS) {
			return true;
		}
	}
	return false;
}

static int save_both(struct lockstep *l, struct errmsg *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		int fd = memfd_create("pinfold-context", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		if (fd < 0) {
			return errmsg_set(e, -errno, "no memory file: %s", strerror(errno));
		}
		l->side[i].context_fd = fd;
		r = launch_vm_request(&l->side[i].vm, PROTO_SAVE_CONTEXT, NULL, 0, fd, NULL, 0,
				      NULL, e);
		if (r == 0 && fcntl(fd, F_ADD_SEALS,
				    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
			r = errmsg_set(e, -errno, "the context can't be sealed: %s",
				       strerror(errno));
		}
	}
	return r;
}

/* From the last agreement, n instructions. */
static int replay(struct lockstep *l, uint64_t n, struct errmsg *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		struct side *s = &l->side[i];

		s->out_bytes = 0;
		s->out_hash = 0;
		r = launch_vm_request(&s->vm, PROTO_LOAD_CONTEXT, NULL, 0, s->context_fd, NULL, 0,
				      NULL, e);
		r = r < 0 ? r : regs_read(&s->vm, &s->regs, e);
	}
	return r < 0 || n == 0 ? r : step_both(l, n, false, e);
}

/* How the next instruction is decoded: the CPU may have changed its mode since the start. */
static uint32_t insn_flags(const struct side *s)
{
	uint32_t flags = s->vm.ready.flags & ~(uint32_t)(PROTO_CFG_THUMB | PROTO_CFG_16BIT);

	for (size_t i = 0; i < s->regs.n; i++) {
		const struct reg *r = &s->regs.reg[i];

		if (strcmp(r->desc.name, "cpsr") == 0 && r->value[0] & 0x20) {
			flags |= PROTO_CFG_THUMB;
		}
		if (strcmp(r->desc.name, "cr0") == 0 && !(r->value[0] & 1)) {
			flags |= PROTO_CFG_16BIT;
		}
	}
	return flags;
}

/* Both stand before the instruction in question. */
static int describe_insn(struct lockstep *l, uint64_t pc, struct outcome *out, struct errmsg *e)
{
	struct proto_mem where = { .gva = pc, .bytes = 16 };
	uint8_t bytes[16];
	size_t n = 0;
	size_t used;
	int r;

	r = launch_vm_request(&l->side[0].vm, PROTO_READ_MEM, &where, sizeof(where), -1, bytes,
			      sizeof(bytes), &n, e);
	if (r < 0) {
		return r;
	}
	used = disas_one(l->disas, insn_flags(&l->side[0]), pc, bytes, n, out->insn);
	disas_bytes(bytes, used ? used : n < 4 ? n : 4, out->bytes);
	return 0;
}

/* Find the first k with different states after k instructions; 0 < k <= n. */
static int find_first(struct lockstep *l, uint64_t n, uint64_t *ret, struct errmsg *e)
{
	uint64_t low = 0;
	uint64_t high = n;

	while (high - low > 1) {
		uint64_t k = low + (high - low) / 2;
		int r = replay(l, k, e);

		if (r < 0) {
			return r;
		}
		if (is_same(l)) {
			low = k;
		} else {
			high = k;
		}
	}
	*ret = high;
	return 0;
}

/* Where the vCPU stands before its first instruction. */
static uint64_t first_pc(const struct side *s)
{
	for (size_t i = 0; i < s->regs.n; i++) {
		const struct reg *r = &s->regs.reg[i];

		if (strcmp(r->desc.name, "pc") == 0 || strcmp(r->desc.name, "eip") == 0 ||
		    strcmp(r->desc.name, "rip") == 0) {
			return load_le(r->value, 8);
		}
	}
	return s->vm.ready.entry_gva;
}

/* Leaves both sides standing after the first instruction that they do not agree about. */
static int locate(struct lockstep *l, uint64_t chunk, struct outcome *out, struct errmsg *e)
{
	uint64_t base_pc;
	uint64_t k = 0;
	int r;

	r = start_both(l, e);
	if (r == 0 && l->agreed) {
		r = step_both(l, l->agreed, false, e);
	}
	r = r < 0 ? r : save_both(l, e);
	if (r < 0) {
		return r;
	}
	base_pc = l->agreed ? l->side[0].stop.pc : first_pc(&l->side[0]);
	r = find_first(l, chunk, &k, e);
	r = r < 0 ? r : replay(l, k - 1, e);
	if (r < 0) {
		return r;
	}
	out->insns = l->agreed + k;
	out->pc = k > 1 ? l->side[0].stop.pc : base_pc;
	r = describe_insn(l, out->pc, out, e);
	return r < 0 ? r : step_both(l, 1, false, e);
}

static int read_ram(struct side *s, uint64_t gpa, uint8_t *buf, size_t *ret_n, struct errmsg *e)
{
	struct proto_mem where = { .gva = gpa, .bytes = PROTO_MEM_MAX, .is_physical = 1 };
	uint64_t end = s->vm.ready.ram_base_gpa + s->vm.ready.ram_bytes;

	if (end - gpa < PROTO_MEM_MAX) {
		where.bytes = (uint32_t)(end - gpa);
	}
	return launch_vm_request(&s->vm, PROTO_READ_MEM, &where, sizeof(where), -1, buf,
				 PROTO_MEM_MAX, ret_n, e);
}

/* All RAM, when both have come to the same end. */
static int compare_ram(struct lockstep *l, struct outcome *out, struct errmsg *e)
{
	static uint8_t buf[2][PROTO_MEM_MAX];
	const struct proto_ready *ready = &l->side[0].vm.ready;
	size_t n[2];

	for (uint64_t off = 0; off < ready->ram_bytes; off += PROTO_MEM_MAX) {
		uint64_t gpa = ready->ram_base_gpa + off;
		size_t at = 0;

		for (size_t i = 0; i < 2; i++) {
			int r = read_ram(&l->side[i], gpa, buf[i], &n[i], e);

			if (r < 0) {
				return r;
			}
		}
		if (n[0] == n[1] && memcmp(buf[0], buf[1], n[0]) == 0) {
			continue;
		}
		while (at < n[0] && at < n[1] && buf[0][at] == buf[1][at]) {
			at++;
		}
		out->is_same = false;
		snprintf(out->what, sizeof(out->what),
			 "the engines end with the same registers, but RAM differs at 0x%" PRIx64,
			 gpa + at);
		return 0;
	}
	return 0;
}

static void describe_agreement(struct lockstep *l, struct outcome *out)
{
	const struct proto_stopped *s = &l->side[0].stop;

	out->is_same = true;
	out->is_limit = s->reason == PROTO_STOP_LIMIT;
	out->insns = s->usage.insns;
	snprintf(out->what, sizeof(out->what),
		 "the engines agree over %" PRIu64 " instructions (%.200s)", out->insns, s->text);
}

/* Chunk by chunk, until the guest ends or the engines differ. */
static int compare(struct lockstep *l, struct outcome *out, struct errmsg *e)
{
	uint64_t chunk = CHUNK_FIRST;
	int r;

	r = start_both(l, e);
	while (r == 0) {
		r = step_both(l, chunk, true, e);
		if (r < 0) {
			break;
		}
		if (is_time_over(l)) {
			out->is_same = true;
			out->is_limit = true;
			out->insns = l->agreed;
			snprintf(out->what, sizeof(out->what),
				 "a time limit ended the comparison; the engines agree over the "
				 "first %" PRIu64 " instructions",
				 l->agreed);
			return 0;
		}
		if (!is_same(l)) {
			r = locate(l, chunk, out, e);
			if (r == 0) {
				snprintf(out->what, sizeof(out->what),
					 "the engines differ after instruction %" PRIu64,
					 out->insns);
			}
			return r;
		}
		if (l->side[0].stop.reason != PROTO_STOP_STEPPED) {
			describe_agreement(l, out);
			return compare_ram(l, out, e);
		}
		l->agreed += chunk;
		chunk = chunk * 2 > CHUNK_MAX ? CHUNK_MAX : chunk * 2;
	}
	return r;
}

/* Files and pipes only: what a person types comes at no fixed instruction. */
static void take_input(struct lockstep *l)
{
	ssize_t n;

	if (isatty(STDIN_FILENO)) {
		return;
	}
	n = host_fd_read_full(STDIN_FILENO, l->input, sizeof(l->input));
	l->n_input = n > 0 ? (size_t)n : 0;
}

static void print_differences(const struct lockstep *l)
{
	char a[REGS_TEXT_BYTES];
	char b[REGS_TEXT_BYTES];

	printf("  %-10s %-24s %s\n", "", l->o->engines[0], l->o->engines[1]);
	for (size_t i = 0; i < l->side[0].regs.n; i++) {
		const struct reg *ra = &l->side[0].regs.reg[i];
		const struct reg *rb = &l->side[1].regs.reg[i];

		if (is_reg_same(ra, rb)) {
			continue;
		}
		regs_format(ra->value, ra->desc.bytes, a);
		regs_format(rb->value, rb->desc.bytes, b);
		printf("  %-10s %-24s %s\n", ra->desc.name, a, b);
	}
	if (strcmp(l->side[0].stop.text, l->side[1].stop.text) != 0) {
		printf("  %-10s %-24s %s\n", "stopped", l->side[0].stop.text, l->side[1].stop.text);
	}
}

static void print_text(const struct lockstep *l, const struct outcome *out)
{
	printf("%s\n", out->what);
	if (!out->is_same && out->insn[0]) {
		printf("  0x%" PRIx64 "  %s  %s\n", out->pc, out->bytes, out->insn);
		print_differences(l);
	}
}

static json_t *json_differences(const struct lockstep *l)
{
	json_t *o = json_object();

	for (size_t i = 0; i < l->side[0].regs.n; i++) {
		char text[2][REGS_TEXT_BYTES];

		if (is_reg_same(&l->side[0].regs.reg[i], &l->side[1].regs.reg[i])) {
			continue;
		}
		for (size_t k = 0; k < 2; k++) {
			const struct reg *r = &l->side[k].regs.reg[i];

			regs_format(r->value, r->desc.bytes, text[k]);
		}
		json_object_set_new(o, l->side[0].regs.reg[i].desc.name,
				    json_pack("[s,s]", text[0], text[1]));
	}
	return o;
}

static void print_json(const struct lockstep *l, const struct outcome *out)
{
	json_t *o = json_object();
	char pc[24];

	snprintf(pc, sizeof(pc), "0x%" PRIx64, out->pc);
	json_object_set_new(o, "arch", json_string(l->side[0].vm.ready.arch_name));
	json_object_set_new(o, "engines", json_pack("[s,s]", l->o->engines[0], l->o->engines[1]));
	json_object_set_new(o, "agree", json_boolean(out->is_same));
	json_object_set_new(o, "limit", json_boolean(out->is_limit));
	json_object_set_new(o, "instructions", json_integer((json_int_t)out->insns));
	json_object_set_new(o, "message", json_string(out->what));
	if (!out->is_same && out->insn[0]) {
		json_object_set_new(o, "pc", json_string(pc));
		json_object_set_new(o, "insn", json_string(out->bytes));
		json_object_set_new(o, "disassembly", json_string(out->insn));
		json_object_set_new(o, "registers", json_differences(l));
	}
	json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
	putchar('\n');
	json_decref(o);
}

static int run(struct lockstep *l, struct errmsg *e)
{
	struct outcome out = { 0 };

	take_input(l);
	if (compare(l, &out, e) < 0) {
		return EXIT_STATUS_ERROR;
	}
	if (l->o->is_json) {
		print_json(l, &out);
	} else {
		print_text(l, &out);
	}
	if (!out.is_same) {
		return LOCKSTEP_DIFFERS;
	}
	return out.is_limit ? EXIT_STATUS_LIMIT : 0;
}

int lockstep_run(const struct run_options *o, struct errmsg *e)
{
	_cleanup_free_ struct lockstep *l = calloc(1, sizeof(*l));
	int status = EXIT_STATUS_ERROR;

	if (!l) {
		errmsg_set(e, -ENOMEM, "out of memory");
		return status;
	}
	l->o = o;
	l->side[0].context_fd = -1;
	l->side[1].context_fd = -1;
	status = run(l, e);
	side_stop(&l->side[0]);
	side_stop(&l->side[1]);
	disas_free(l->disas);
	return status;
}
