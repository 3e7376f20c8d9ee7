/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rv_diff: random sequences on the interpreter and on qemu-riscv64; states must be equal bit for bit.
 *
 *   rv_diff --referee FILE [--count N] [--seed S] [--first I] [--diffs N] [--spoil OP] [--coverage]
 *
 * --spoil makes the interpreter compute one too much for an operation (a check of the check), --coverage also asks
 * that every operation of rv_insns.def was executed, but for those that sequences cannot have.
 * Exit status: 0 equal, 1 different (the shortest sequence is printed), 77 no qemu.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "rv_diff.h"
#include "rv_referee_link.h"

struct options {
	const char *referee;
	uint64_t count, seed, first, diffs;
	enum rv_op spoil;
	bool is_coverage;
};

/** A run of the program. */
struct diff {
	const struct options *o;
	struct rv_referee referee;
	struct rv_run run;
	struct rv_seq seqs[RV_WIRE_CASES_MAX];
	struct rv_case cases[RV_WIRE_CASES_MAX];
	struct rv_wire_state want[RV_WIRE_CASES_MAX];
	uint64_t n_different;
};

/* What ends a case spoils x31; x0 is never written. */
static bool is_equal(const struct rv_wire_state *a, const struct rv_wire_state *b)
{
	return memcmp(&a->x[1], &b->x[1], 30 * sizeof(a->x[0])) == 0 &&
	       memcmp(a->f, b->f, sizeof(a->f)) == 0 && a->fcsr == b->fcsr && a->pc == b->pc &&
	       a->signal == b->signal && memcmp(a->data, b->data, sizeof(a->data)) == 0;
}

/* Both sides of the first @p n cases. */
static int run_cases(struct diff *d, uint32_t n)
{
	int r;

	r = rv_referee_send(&d->referee, d->cases, n);
	if (r < 0) {
		return r;
	}
	for (uint32_t i = 0; i < n; i++) {
		rv_run_case(&d->run, &d->cases[i], i);
	}
	return rv_referee_receive(&d->referee, d->want, n);
}

static int run_one(struct diff *d, const struct rv_seq *s, bool *ret_equal)
{
	int r;

	rv_seq_assemble(s, 0, &d->cases[0]);
	r = run_cases(d, 1);
	*ret_equal = r < 0 || is_equal(&d->cases[0].state, &d->want[0]);
	return r;
}

/* Drop items as long as a difference is left. */
static int shorten(struct diff *d, struct rv_seq *s)
{
	bool is_shorter = true;

	while (is_shorter) {
		is_shorter = false;
		for (uint32_t i = 0; i < s->n && s->n > 1; i++) {
			struct rv_seq t = *s;
			bool is_same;
			int r;

			rv_seq_drop(&t, i);
			r = run_one(d, &t, &is_same);
			if (r < 0) {
				return r;
			}
			if (!is_same) {
				*s = t;
				is_shorter = true;
				break;
			}
		}
	}
	return 0;
}

static void print_code(const struct rv_case *c)
{
	for (uint32_t at = 0; at < c->end;) {
		struct rv_insn i;

		rv_decode((uint32_t)load_le(c->code + at, 4), &i);
		printf("  %#6x: %08x  %-10s rd %u rs1 %u rs2 %u rs3 %u rm %u imm %d\n", at, i.raw,
		       rv_op_name((enum rv_op)i.op), i.rd, i.rs1, i.rs2, i.rs3, i.rm, i.imm);
		at += i.bytes;
	}
}

static void print_value(const char *name, uint64_t start, uint64_t want, uint64_t got)
{
	printf("%c %-7s %016" PRIx64 "  %016" PRIx64 "  %016" PRIx64 "\n", want == got ? ' ' : '*',
	       name, start, want, got);
}

static void print_numbered(const char *name, unsigned int n, uint64_t start, uint64_t want,
			   uint64_t got)
{
	char text[16];

	snprintf(text, sizeof(text), "%s%u", name, n);
	print_value(text, start, want, got);
}

static void print_states(const struct rv_wire_state *start, const struct rv_wire_state *want,
			 const struct rv_wire_state *got)
{
	printf("          start             qemu              interpreter\n");
	for (unsigned int i = 1; i < 31; i++) {
		print_numbered("x", i, start->x[i], want->x[i], got->x[i]);
	}
	for (unsigned int i = 0; i < 32; i++) {
		print_numbered("f", i, start->f[i], want->f[i], got->f[i]);
	}
	print_value("fcsr", start->fcsr, want->fcsr, got->fcsr);
	print_value("pc", start->pc, want->pc, got->pc);
	print_value("signal", start->signal, want->signal, got->signal);
	for (unsigned int i = 0; i < RV_WIRE_DATA_BYTES; i += 8) {
		uint64_t w = load_le(want->data + i, 8);
		uint64_t g = load_le(got->data + i, 8);

		if (w != g) {
			print_numbered("mem", i, load_le(start->data + i, 8), w, g);
		}
	}
}

static int report(struct diff *d, uint64_t index, struct rv_seq *s)
{
	struct rv_case start;
	bool is_same;
	int r;

	r = shorten(d, s);
	if (r < 0) {
		return r;
	}
	r = run_one(d, s, &is_same);
	rv_seq_assemble(s, 0, &start);
	printf("different: --seed %" PRIu64 " --first %" PRIu64 " --count 1; shortest sequence:\n",
	       d->o->seed, index);
	print_code(&start);
	print_states(&start.state, &d->want[0], &d->cases[0].state);
	return r;
}

static int compare_batch(struct diff *d, uint64_t first, uint32_t n)
{
	static struct rv_seq different[RV_WIRE_CASES_MAX];
	uint64_t numbers[RV_WIRE_CASES_MAX];
	uint32_t n_different = 0;
	int r;

	for (uint32_t i = 0; i < n; i++) {
		rv_seq_make(d->o->seed, first + i, &d->seqs[i]);
		rv_seq_assemble(&d->seqs[i], i, &d->cases[i]);
	}
	r = run_cases(d, n);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		if (!is_equal(&d->cases[i].state, &d->want[i])) {
			numbers[n_different] = first + i;
			different[n_different++] = d->seqs[i];
		}
	}
	for (uint32_t i = 0; r == 0 && i < n_different && d->n_different < d->o->diffs; i++) {
		d->n_different++;
		r = report(d, numbers[i], &different[i]);
	}
	return r;
}

/* @return whether everything that can be was executed */
static bool has_coverage(const struct rv_run *run)
{
	bool is_full = true;

	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		if (!rv_is_generated(op)) {
			printf("not among the sequences: %s\n", rv_op_name(op));
		} else if (run->executed[op] == 0) {
			printf("never executed: %s\n", rv_op_name(op));
			is_full = false;
		}
	}
	return is_full;
}

/* Look for the referee's known mistake: ctzw x5, x6 of a word that is zero. */
static int probe(struct diff *d)
{
	static struct rv_seq s = {
		.items = { { .bytes = { 0x9b, 0x12, 0x13, 0x60 }, .n_bytes = 4 } },
		.n = 1,
		.start = { .x[6] = BIT(45) },
	};
	bool is_same;
	int r;

	r = run_one(d, &s, &is_same);
	if (r == 0 && !is_same && d->want[0].x[5] == 45) {
		printf("known mistake of this qemu: ctzw of a zero word counts on\n");
		d->run.is_ctzw_wrong = true;
	}
	return r;
}

static int run_all(struct diff *d)
{
	uint64_t done = 0;
	uint32_t n = 0;
	int r;

	r = probe(d);
	while (r == 0 && done < d->o->count && d->n_different < d->o->diffs) {
		uint64_t left = d->o->count - done;

		n = left < RV_WIRE_CASES_MAX ? (uint32_t)left : RV_WIRE_CASES_MAX;

		r = compare_batch(d, d->o->first + done, n);
		done += n;
	}
	if (r < 0) {
		fprintf(stderr,
			"rv_diff: the referee is gone, within --first %" PRIu64 " --count %u: %s\n",
			d->o->first + done - n, n, strerror(-r));
		return 1;
	}
	printf("%" PRIu64 " sequences of seed %" PRIu64 ", %" PRIu64 " ended by exceptions"
	       ", known mistakes %" PRIu64 ", different %" PRIu64 "\n",
	       done, d->o->seed, d->run.exceptions, d->run.imitated, d->n_different);
	if (d->o->is_coverage && !has_coverage(&d->run)) {
		return 1;
	}
	return d->n_different ? 1 : 0;
}

static enum rv_op op_by_name(const char *name)
{
	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		if (strcmp(rv_op_name(op), name) == 0) {
			return op;
		}
	}
	fprintf(stderr, "rv_diff: no operation '%s'\n", name);
	exit(2);
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "referee", required_argument, NULL, 'r' },
		{ "count", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "first", required_argument, NULL, 'f' },
		{ "diffs", required_argument, NULL, 'd' },
		{ "spoil", required_argument, NULL, 'x' },
		{ "coverage", no_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		const char *arg = optarg ? optarg : "";
		uint64_t n = strtoull(arg, NULL, 0);

		switch (c) {
		case 'r':
			o->referee = arg;
			break;
		case 'n':
			o->count = n;
			break;
		case 's':
			o->seed = n;
			break;
		case 'f':
			o->first = n;
			break;
		case 'd':
			o->diffs = n;
			break;
		case 'x':
			o->spoil = op_by_name(arg);
			break;
		case 'c':
			o->is_coverage = true;
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	static struct diff d;
	struct options o = { .count = 1000, .seed = 1, .diffs = 1 };
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv, &o);
	if (!o.referee) {
		fprintf(stderr, "rv_diff: --referee is missing\n");
		return 2;
	}
	d.o = &o;
	d.run.spoil = o.spoil;
	r = rv_referee_open(o.referee, &d.referee);
	if (r < 0) {
		printf("skipped: qemu-riscv64: %s\n", strerror(-r));
		return 77;
	}
	r = run_all(&d);
	rv_referee_close(&d.referee);
	return r;
}
