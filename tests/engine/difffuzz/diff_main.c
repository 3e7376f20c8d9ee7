/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: random valid instruction sequences end with the same registers, flags, memory and fault on an engine and
 * on a referee: the CPU itself for x86 and x64, qemu-user for the others.
 *
 * Sequence number i of a seed is always the same one, so that a difference is repeated by its seed and number. A
 * sequence that differs is shortened, instruction by instruction, while it still does.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/parse.h"
#include "diff.h"

#define EXIT_SKIP     77
#define TEXT_BYTES    4096
#define NAMES_MAX     1024
#define DIFFS_DEFAULT 1

static const struct diff_isa *const isas[] = { &diff_isa_x86,	&diff_isa_x64, &diff_isa_arm,
					       &diff_isa_thumb, &diff_isa_a64, &diff_isa_rv64 };

/** What was asked for. */
struct options {
	const struct diff_isa *isa;
	const char *engine;
	const char *referees;
	const char *inject;
	struct diff_shape shape;
	uint64_t seed, count, first, max_diffs;
	bool has_seed, shows_known;
};

/** How often each template ran. */
struct tally {
	const char *name;
	uint64_t n;
};

/** The fuzzer's own state. */
struct fuzz {
	struct options o;
	struct diff_rules rules;
	struct diff_engine *engine;
	struct diff_referee *referee;
	uint64_t n_diffs, n_faults, n_insns, n_used;
	struct tally tallies[NAMES_MAX];
	size_t n_tallies;
	struct diff_seq seqs[WIRE_BATCH_MAX];
	struct diff_code codes[WIRE_BATCH_MAX];
	struct wire_case cases[WIRE_BATCH_MAX];
	struct wire_result want[WIRE_BATCH_MAX];
	uint64_t numbers[WIRE_BATCH_MAX];
};

static void count_name(struct fuzz *f, const char *name)
{
	size_t i = 0;

	while (i < f->n_tallies && strcmp(f->tallies[i].name, name) != 0) {
		i++;
	}
	if (i == NAMES_MAX) {
		return;
	}
	if (i == f->n_tallies) {
		f->tallies[f->n_tallies++] = (struct tally){ .name = name };
	}
	f->tallies[i].n++;
}

/** Both results of a sequence and what differs. */
struct verdict {
	struct wire_result want, got;
	uint64_t parts; /* 0: nothing */
	char text[TEXT_BYTES];
};

/* @param v want is filled */
static int check(struct fuzz *f, const struct diff_seq *s, const struct diff_code *code, struct verdict *v,
		 struct errmsg *e)
{
	int r;

	r = diff_engine_run(f->engine, &code->c, &v->got, e);
	if (r < 0) {
		return r;
	}
	if (f->o.inject) {
		diff_inject(f->o.inject, s, code, &v->got, f->o.isa->first_gpr);
	}
	v->parts = diff_compare(&f->rules, s, code, &v->want, &v->got, v->text, sizeof(v->text));
	return 0;
}

static int check_alone(struct fuzz *f, const struct diff_seq *s, struct verdict *v, struct errmsg *e)
{
	struct diff_code code;
	int r;

	v->parts = 0;
	if (!diff_seq_assemble(f->o.isa, s, &code)) {
		return 0;
	}
	r = diff_referee_run(f->referee, &code.c, 1, &v->want, e);
	return r < 0 ? r : check(f, s, &code, v, e);
}

/*
 * Drop instructions for as long as it still differs. A difference may depend on what ran before: the result of the
 * last run that differed counts.
 * @param v of the whole sequence
 */
static int minimise(struct fuzz *f, struct diff_seq *s, struct verdict *v, struct errmsg *e)
{
	struct verdict trial;
	bool has_shrunk = true;
	int r;

	while (has_shrunk) {
		has_shrunk = false;
		for (size_t i = s->n; i-- > 0;) {
			struct diff_seq t = *s;

			if (s->n == 1 || !diff_seq_drop(&t, i)) {
				continue;
			}
			r = check_alone(f, &t, &trial, e);
			if (r < 0) {
				return r;
			}
			if (trial.parts) {
				*s = t;
				*v = trial;
				has_shrunk = true;
			}
		}
	}
	return 0;
}

static void disassemble(const struct fuzz *f, const struct diff_code *code)
{
	char path[] = "/tmp/difffuzz-XXXXXX";
	char command[512];
	char line[512];
	int fd = mkstemp(path);
	FILE *p;

	if (fd < 0) {
		return;
	}
	if (write(fd, code->c.code, code->c.code_bytes) == (ssize_t)code->c.code_bytes) {
		snprintf(command, sizeof(command), "%s --adjust-vma=0x%x %s 2>/dev/null", f->o.isa->objdump,
			 WIRE_CODE_ADDR, path);
		p = popen(command, "re");
		while (p && fgets(line, sizeof(line), p)) {
			if (strstr(line, ":\t")) {
				printf("  %s", line);
			}
		}
		if (p) {
			pclose(p);
		}
	}
	close(fd);
	unlink(path);
}

static void print_start(const struct fuzz *f, const struct wire_state *s)
{
	printf("registers at the start:\n");
	for (unsigned int i = f->o.isa->first_gpr; i < f->o.isa->first_gpr + f->o.isa->n_gpr; i++) {
		printf("  %2u 0x%016" PRIx64 "%s", i, s->gpr[i], i % 4 == 3 ? "\n" : "");
	}
	printf("\n  flags 0x%" PRIx64 ", FP control 0x%" PRIx64 "\n", s->flags, s->fp_control);
}

static void print_difference(const struct fuzz *f, size_t at, const struct diff_seq *s, const char *text,
			     const char *short_text)
{
	struct diff_code code;

	printf("DIFFERENCE %s %s seed %" PRIu64 " sequence %" PRIu64 "\n%s", f->o.engine, f->o.isa->name,
	       f->o.seed, f->numbers[at], text);
	printf("shortest, %zu instructions:", s->n);
	for (size_t i = 0; i < s->n; i++) {
		printf(" [%s]", s->insns[i].name);
	}
	printf("\n%s", short_text);
	if (diff_seq_assemble(f->o.isa, s, &code)) {
		disassemble(f, &code);
	}
	print_start(f, &s->start);
	printf("repeat: scripts/fuzz diff --arch %s --engine %s --seed %" PRIu64 " --first %" PRIu64
	       " --count 1 --known\n\n",
	       f->o.isa->name, f->o.engine, f->o.seed, f->numbers[at]);
}

static int take_difference(struct fuzz *f, size_t at, const struct verdict *whole, struct errmsg *e)
{
	struct diff_seq s = f->seqs[at];
	struct verdict v = *whole;
	struct diff_code code;
	const char *heading;
	int r;

	r = minimise(f, &s, &v, e);
	if (r < 0) {
		return r;
	}
	BUG_ON(!diff_seq_assemble(f->o.isa, &s, &code));
	heading = diff_explain(&f->rules, &s, &code, &v.want, &v.got, v.parts);
	f->n_diffs += heading == NULL;
	if (!heading || f->o.shows_known) {
		printf("%s%s", heading ? heading : "", heading ? ": " : "");
		print_difference(f, at, &s, whole->text, v.text);
	}
	return 0;
}

/* What a referee must not say: that an instruction is not one. Then the generator is wrong. */
static int check_valid(struct fuzz *f, size_t at, struct errmsg *e)
{
	const struct diff_seq *s = &f->seqs[at];
	const struct wire_result *w = &f->want[at];
	size_t i = diff_code_index(s, &f->codes[at], w->state.pc);

	for (size_t k = 0; k < s->n && (i == SIZE_MAX || k < i); k++) {
		count_name(f, s->insns[k].name);
		f->n_insns++;
	}
	f->n_faults += i != s->n;
	if (i == s->n || (w->end != WIRE_END_ILLEGAL && w->end != WIRE_END_GENERAL)) {
		return 0;
	}
	printf("the referee refuses [%s] at 0x%" PRIx64 ", sequence %" PRIu64 "\n",
	       i == SIZE_MAX ? "inside" : s->insns[i].name, w->state.pc, f->numbers[at]);
	disassemble(f, &f->codes[at]);
	return errmsg_set(e, -1, "the generator made an instruction that is none");
}

static int run_batch(struct fuzz *f, uint32_t n, struct errmsg *e)
{
	struct verdict v;
	int r;

	r = diff_referee_run(f->referee, f->cases, n, f->want, e);
	for (uint32_t i = 0; r == 0 && i < n && f->n_diffs < f->o.max_diffs; i++) {
		r = check_valid(f, i, e);
		if (r < 0) {
			return r;
		}
		v.want = f->want[i];
		r = check(f, &f->seqs[i], &f->codes[i], &v, e);
		if (r < 0) {
			print_difference(f, i, &f->seqs[i], "  the engine broke\n", "");
		} else if (v.parts) {
			r = take_difference(f, i, &v, e);
		}
	}
	return r;
}

static int run_all(struct fuzz *f, struct errmsg *e)
{
	uint64_t number = f->o.first;
	uint32_t n = 0;
	int r = 0;

	while (r == 0 && f->n_used < f->o.count && f->n_diffs < f->o.max_diffs) {
		diff_seq_make(f->o.isa, &f->o.shape, f->o.seed, number, &f->seqs[n]);
		if (!diff_seq_assemble(f->o.isa, &f->seqs[n], &f->codes[n])) {
			return errmsg_set(e, -EINVAL, "sequence %" PRIu64 " uses undefined flags", number);
		}
		f->cases[n] = f->codes[n].c;
		f->numbers[n++] = number++;
		f->n_used++;
		if (n == WIRE_BATCH_MAX || f->n_used == f->o.count) {
			r = run_batch(f, n, e);
			n = 0;
		}
	}
	return r;
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: difffuzz --arch NAME [--engine unicorn|kvm|dbt] [--referees DIR] [--count N] [--seed S]\n"
		"                [--first I] [--diffs N] [--known] [--inject TEMPLATE]\n"
		"                [--only TEMPLATE,...] [--insns N] [--turns N]\n"
		"  --first I    number of the first sequence\n"
		"  --diffs N    stop after so many differences (1)\n"
		"  --known      show known differences too\n"
		"  --inject T   self-check: pretend that the engine gets instructions of this template wrong\n"
		"  --only T,... instructions of these templates only\n"
		"  --insns N    at most so many in a sequence\n"
		"  --turns N    each sequence in a loop (arm64)\n");
}

static int parse_number(const char *text, uint64_t *ret)
{
	struct errmsg e = { 0 };

	if (parse_u64(text, ret, &e) < 0) {
		fprintf(stderr, "difffuzz: %s\n", e.text);
		return -1;
	}
	return 0;
}

/* 1 to @p max */
static int parse_count(const char *text, uint32_t max, uint32_t *ret)
{
	uint64_t n;

	if (parse_number(text, &n) < 0 || n == 0 || n > max) {
		return -1;
	}
	*ret = (uint32_t)n;
	return 0;
}

static int parse_option(struct options *o, int c)
{
	switch (c) {
	case 'a':
		for (size_t i = 0; i < ARRAY_SIZE(isas); i++) {
			if (strcmp(isas[i]->name, optarg) == 0) {
				o->isa = isas[i];
			}
		}
		return o->isa ? 0 : -1;
	case 'e':
		o->engine = optarg;
		return 0;
	case 'r':
		o->referees = optarg;
		return 0;
	case 'o':
		o->shape.only = optarg;
		return 0;
	case 'm':
		return parse_count(optarg, DIFF_INSNS_MAX, &o->shape.insns_max);
	case 'i':
		o->inject = optarg;
		return 0;
	case 'n':
		return parse_number(optarg, &o->count);
	case 's':
		o->has_seed = true;
		return parse_number(optarg, &o->seed);
	case 'f':
		return parse_number(optarg, &o->first);
	case 'k':
		o->shows_known = true;
		return 0;
	case 't':
		return parse_count(optarg, UINT16_MAX, &o->shape.turns);
	case 'd':
		return parse_number(optarg, &o->max_diffs);
	default:
		return -1;
	}
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "arch", required_argument, NULL, 'a' },     { "engine", required_argument, NULL, 'e' },
		{ "referees", required_argument, NULL, 'r' }, { "inject", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },    { "seed", required_argument, NULL, 's' },
		{ "only", required_argument, NULL, 'o' },     { "insns", required_argument, NULL, 'm' },
		{ "turns", required_argument, NULL, 't' },
		{ "first", required_argument, NULL, 'f' },    { "diffs", required_argument, NULL, 'd' },      { "known", no_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .engine = "unicorn", .referees = DIFFFUZZ_REFEREES, .count = 10000,
			       .max_diffs = DIFFS_DEFAULT, .shape = { .insns_max = DIFF_INSNS_MAX } };
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (parse_option(o, c) < 0) {
			return -1;
		}
	}
	if (!o->has_seed && getrandom(&o->seed, 4, 0) != 4) {
		return -1;
	}
	return o->isa && (o->isa->loop_head || !o->shape.turns) && optind == argc ? 0 : -1;
}

static void print_summary(const struct fuzz *f)
{
	uint64_t least = UINT64_MAX;
	const char *name = "";

	for (size_t i = 0; i < f->n_tallies; i++) {
		if (f->tallies[i].n < least) {
			least = f->tallies[i].n;
			name = f->tallies[i].name;
		}
	}
	diff_print_exclusions(&f->rules);
	printf("%s %s: %" PRIu64 " sequences from seed %" PRIu64 "%s, %" PRIu64 " instructions of %zu kinds (the "
	       "rarest %" PRIu64 " times: %s), %" PRIu64 " ended by a fault, %" PRIu64 " differences\n",
	       f->o.engine, f->o.isa->name, f->n_used, f->o.seed, f->o.shape.has_fp ? "" : " without floating point",
	       f->n_insns, f->n_tallies, least, name, f->n_faults, f->n_diffs);
}

int main(int argc, char **argv)
{
	static struct fuzz f;
	struct errmsg e = { 0 };
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (parse_options(argc, argv, &f.o) < 0) {
		usage(stderr);
		return 2;
	}
	f.rules = (struct diff_rules){ .isa = f.o.isa, .engine = f.o.engine };
	r = diff_referee_new(f.o.isa, f.o.referees, &f.referee, &e);
	if (r == 0) {
		r = diff_engine_new(f.o.isa, f.o.engine, kvm_fd, &f.engine, &e);
		if (r == -ENODEV || r == -ENOTSUP) {
			printf("skipped: engine %s: %s\n", f.o.engine, e.text);
			diff_referee_free(f.referee);
			return EXIT_SKIP;
		}
	}
	if (r == 0) {
		f.o.shape.has_fp = diff_engine_has_fp(f.engine);
		r = run_all(&f, &e);
	}
	if (r < 0) {
		fprintf(stderr, "difffuzz: %s (seed %" PRIu64 ")\n", e.text, f.o.seed);
	} else {
		print_summary(&f);
	}
	diff_engine_free(f.engine);
	diff_referee_free(f.referee);
	if (kvm_fd >= 0) {
		close(kvm_fd);
	}
	return r < 0 || f.n_diffs ? 1 : 0;
}
