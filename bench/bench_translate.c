/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What engine dbt takes to translate: CPU time per guest instruction. The code of a program is put into a guest's
 * RAM, and never run: first all of it is translated as blocks, each where the one before it ends; then each block to which a
 * jump leads backwards becomes a region, as if it were hot. The goal is 0.5 us per instruction in both tiers.
 *
 * Programs: the kernels of guests/kernels; U-Boot, where Debian's package of it is installed; Linux and busybox, where
 * scripts/riscv/packages has unpacked them.
 */
#include <elf.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "bench/bench.h"
#include "cpu/riscv/riscv.h"
#include "engine/dbt/dbt_engine.h"
#include "engine/dbt/dbt_priv.h"
#include "tests/unit/test_engine_side.h"

#define RAM_GPA	   0x80000000ULL
#define RAM_BYTES  (16 * BIT(20))
#define CODE_MAX   (6 * BIT(20)) /* of a program */
#define BLOCKS_MAX 30000u
#define ROUNDS	   5

enum tier { BLOCKS, REGIONS, TIERS };

struct figures {
	struct bench_series us_per_insn[TIERS];
	double insns[TIERS], pieces[TIERS];
};

/* In M-mode without paging, floating point on. */
static bool guest_open(struct side *g)
{
	struct cpu_mode mode = { 0 };
	struct cpu_state st = { 0 };

	if (!side_open(g, &dbt_engine_ops, (struct engine_config){ .arch = &rv64_arch })) {
		return false;
	}
	g->ram = side_add_ram(g, RAM_GPA, RAM_BYTES);
	rv64_arch.reset(&st, &mode);
	rv_state(&st)->mstatus |= RV_MSTATUS_FS;
	BUG_ON(g->eng->ops->set_state(g->eng, &st, NULL) < 0);
	return true;
}

/* The executable part of an ELF file, or all of any other. */
static size_t code_of(const uint8_t *file, size_t bytes, const uint8_t **ret)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(const void *)file;
	const Elf64_Phdr *ph;

	*ret = file;
	if (bytes < sizeof(*eh) || memcmp(file, ELFMAG, SELFMAG) != 0) {
		return bytes < CODE_MAX ? bytes : CODE_MAX;
	}
	for (size_t k = 0; k < eh->e_phnum; k++) {
		ph = (const Elf64_Phdr *)(const void *)(file + eh->e_phoff) + k;
		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X)) {
			*ret = file + ph->p_offset;
			return ph->p_filesz < CODE_MAX ? ph->p_filesz : CODE_MAX;
		}
	}
	return 0;
}

/* @return bytes of code that are in RAM now; 0: there is no such program */
static size_t load(uint8_t *ram, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const uint8_t *code;
	const uint8_t *file;
	struct stat st;
	size_t bytes;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return 0;
	}
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED) {
		return 0;
	}
	bytes = code_of(file, (size_t)st.st_size, &code);
	memcpy(ram, code, bytes);
	munmap((void *)(uintptr_t)file, (size_t)st.st_size);
	return bytes;
}

static void add_round(struct figures *f, enum tier t, double ms, double insns, size_t pieces)
{
	f->insns[t] = insns;
	f->pieces[t] = (double)pieces;
	bench_add(&f->us_per_insn[t], ms * 1000 / insns);
}

/* Jumps that lead backwards. */
static void note_heads(const struct ir_block *b, uint64_t *heads, size_t *n)
{
	const struct ir_insn *end = ir_block_end(b);

	if ((end->op == IR_BRANCH || end->op == IR_JUMP) && !(end->flags & IR_CALL) &&
	    b->target <= b->pc && b->target >= RAM_GPA && *n < BLOCKS_MAX) {
		heads[(*n)++] = b->target;
	}
}

/* All of the program, as blocks. @return how many loops begin somewhere */
static size_t blocks_translate(struct dbt_engine *d, size_t bytes, uint64_t *heads,
			       struct figures *f)
{
	double start = bench_clock_ms(CLOCK_THREAD_CPUTIME_ID);
	uint64_t pc = RAM_GPA;
	size_t n_heads = 0;
	size_t n_blocks = 0;
	double insns = 0;

	while (pc < RAM_GPA + bytes && n_blocks < BLOCKS_MAX) {
		d->front->set_pc(d->cpu, pc);
		if (!dbt_code_find(d, pc)) {
			pc += 2; /* no instruction */
			continue;
		}
		insns += (double)d->ir.n_guests;
		n_blocks++;
		note_heads(&d->ir, heads, &n_heads);
		pc = d->ir.next;
	}
	add_round(f, BLOCKS, bench_clock_ms(CLOCK_THREAD_CPUTIME_ID) - start, insns, n_blocks);
	return n_heads;
}

static void regions_translate(struct dbt_engine *d, const uint64_t *heads, size_t n_heads,
			      struct figures *f)
{
	double start = bench_clock_ms(CLOCK_THREAD_CPUTIME_ID);
	size_t n_regions = 0;

	for (size_t k = 0; k < n_heads; k++) {
		struct dbt_block *b = dbt_code_at(d, heads[k], heads[k]);

		if (b && !b->is_region && !b->is_stale) {
			b->heat = DBT_HOT - 1;
			d->front->set_pc(d->cpu, heads[k]);
			dbt_region_count(d, heads[k]);
			n_regions += b->is_region;
		}
	}
	add_round(f, REGIONS, bench_clock_ms(CLOCK_THREAD_CPUTIME_ID) - start,
		  (double)d->n_region_guests, n_regions);
}

static bool measure(const char *path, struct figures *f)
{
	static uint64_t heads[BLOCKS_MAX];
	struct dbt_engine *d;
	struct side g;
	size_t bytes;

	if (!guest_open(&g)) {
		return false;
	}
	d = (struct dbt_engine *)(void *)g.eng;
	bytes = load(g.ram, path);
	dbt_context_enter(d);
	regions_translate(d, heads, blocks_translate(d, bytes, heads, f), f);
	side_close(&g);
	return true;
}

/* The first file of that name, if there is one. */
static bool find(const struct bench_env *env, const char *pattern, char path[BENCH_PATH])
{
	bool is_found;
	glob_t files;

	if (pattern[0] != '/' && pattern[0] != '.') {
		bench_path(env, path, "%s", pattern);
		pattern = path;
	}
	is_found = glob(pattern, 0, NULL, &files) == 0;
	if (is_found) {
		snprintf(path, BENCH_PATH, "%s", files.gl_pathv[0]);
		globfree(&files);
	}
	return is_found;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name, *pattern;
	} programs[] = {
		{ "kernels", "guests/riscv64/kernels.elf" },
		{ "U-Boot", "/usr/lib/u-boot/qemu-riscv64/u-boot.bin" },
		{ "busybox", "./build/riscv/linux-image-*/busybox" },
		{ "Linux", "./build/riscv/linux-image-*/vmlinux" },
	};
	static const char *const tiers[TIERS] = { "blocks", "regions" };
	struct bench_table t = { 0 };
	struct bench_env env;
	char path[BENCH_PATH];
	char buf[32];

	if (!bench_args(argc, argv, &env)) {
		return 2;
	}
	bench_row(&t, "translation of|into|pieces|guest instructions|us each");
	for (size_t k = 0; k < ARRAY_SIZE(programs); k++) {
		if (env.only && !strstr(programs[k].name, env.only)) {
			continue;
		}
		struct figures f = { 0 };

		if (!find(&env, programs[k].pattern, path)) {
			printf("(no figures for %s: not here)\n", programs[k].name);
			continue;
		}
		for (int round = 0; round < (env.is_quick ? 1 : ROUNDS); round++) {
			if (!measure(path, &f)) {
				return 77;
			}
		}
		for (size_t i = 0; i < TIERS; i++) {
			bench_row(&t, "%s|%s|%.0f|%.0f|%s", programs[k].name, tiers[i], f.pieces[i],
				  f.insns[i],
				  bench_figure(buf, bench_median(&f.us_per_insn[i]), 3));
		}
	}
	bench_print(&t);
	return 0;
}
