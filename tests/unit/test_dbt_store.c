/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations that are kept: random hot programs run on one engine, which then saves what it has translated; another one
 * loads that and runs them like the interpreter does, whatever of the programs has been changed before or meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/dbt/dbt_priv.h"
#include "test.h"
#include "test_dbt_hot_rig.h"

#define INSNS_MAX 8000u
#define PROGRAMS  (200u / TEST_SLOWDOWN)

static struct side hot, warm, cold;

static struct engine_code counts(const struct side *s)
{
	struct engine_code c;

	s->eng->ops->count_code(s->eng, &c);
	return c;
}

static int new_file(void)
{
	int fd = memfd_create("translations", MFD_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static int save(struct side *s)
{
	struct errmsg e = { "" };
	int fd = new_file();

	CHECK_INT(s->eng->ops->save_code(s->eng, fd, &e), 0);
	return fd;
}

static int load(struct side *s, int fd)
{
	struct errmsg e = { "" };
	int r = s->eng->ops->load_code(s->eng, fd, &e);

	CHECK((r < 0) == (e.text[0] != '\0'));
	return r;
}

/* Somewhere; often with a page's end within. */
static void place(struct program *p)
{
	p->at = rng_pct(p->r, 50) ? 4096 - 4 * rng_below(p->r, 100) + 2 * rng_below(p->r, 2)
				  : 4 * rng_below(p->r, 4096);
}

/* Put an instruction that is harmless anywhere, or one of another program, in some places. */
static void change(struct program *p, uint32_t n)
{
	static struct program other;

	other.r = p->r;
	make_program(&other);
	while (n-- > 0) {
		uint32_t k = 8 + rng_below(p->r, (uint32_t)p->n - 8);

		p->code[k] = rng_pct(p->r, 70) ? 0x13 | (10 + rng_below(p->r, 22)) << 7 |
							 (10 + rng_below(p->r, 22)) << 15 |
							 rng_below(p->r, 4096) << 20
					       : other.code[8 + k % 8];
	}
}

static void put_program(struct side *s, const struct program *p)
{
	memcpy(s->ram + p->at, p->code, sizeof(p->code));
	s->eng->ops->code_changed(s->eng, CODE_GPA + p->at, sizeof(p->code));
}

/* Two sides, in stretches. @return whether they agree */
static bool race(struct side *fast, const struct program *p, uint64_t seed, uint32_t changes)
{
	static struct program now;
	struct rng own = { seed }; /* the same blocks, if it runs the same */
	enum vm_exit_kind a = VM_EXIT_INSN_LIMIT;
	enum vm_exit_kind b = VM_EXIT_INSN_LIMIT;

	now = *p;
	start(fast, &now, seed);
	start(&cold, &now, seed);
	while (a == VM_EXIT_INSN_LIMIT && fast->insns < INSNS_MAX) {
		uint64_t stretch = 1 + rng_below(&own, 3000);

		a = side_run(fast, stretch, UINT64_MAX).kind;
		b = side_run(&cold, stretch, 1).kind;
		if (!is_same(fast, a, &cold, b)) {
			return false;
		}
		if (changes) {
			change(&now, rng_below(p->r, changes));
			put_program(fast, &now);
			put_program(&cold, &now);
		}
	}
	return true;
}

static void test_loaded(void)
{
	static struct program p;
	struct rng r = { 77 };
	uint64_t n_hot = 0;
	uint64_t n_warm = 0;

	p.r = &r;
	for (unsigned int n = 0; n < PROGRAMS; n++) {
		uint64_t seed = rng_next(&r);
		uint64_t made = counts(&hot).made;
		bool is_ok;
		int fd;

		make_program(&p);
		place(&p);
		is_ok = race(&hot, &p, seed, 0);
		n_hot += counts(&hot).made - made;
		fd = save(&hot);
		CHECK_INT(load(&warm, fd), 0);
		close(fd);
		made = counts(&warm).made;
		is_ok = is_ok && race(&warm, &p, seed, 0);
		n_warm += counts(&warm).made - made;
		/* Saving has changed nothing for who saved. */
		if (!is_ok || !race(&hot, &p, rng_next(&r), 0)) {
			printf("program %u\n", n);
			return;
		}
		CHECK(counts(&warm).loaded > 0);
		dbt_code_reset((struct dbt_engine *)hot.eng);
	}
	printf("%" PRIu64 " translations, %" PRIu64 " of them again\n", n_hot, n_warm);
	CHECK(n_warm * 8 < n_hot);
}

static void test_changed(void)
{
	static struct program p;
	struct rng r = { 78 };

	p.r = &r;
	for (unsigned int n = 0; n < PROGRAMS; n++) {
		uint64_t seed = rng_next(&r);
		int fd;

		make_program(&p);
		place(&p);
		race(&hot, &p, seed, 0);
		fd = save(&hot);
		CHECK_INT(load(&warm, fd), 0);
		close(fd);
		change(&p, 1 + rng_below(&r, 3));
		if (!race(&warm, &p, seed, rng_pct(&r, 50) ? 3 : 0)) {
			printf("program %u\n", n);
			return;
		}
		dbt_code_reset((struct dbt_engine *)hot.eng);
	}
}

/* A page whose translations were never used is another one by now; it becomes the old one again. */
static void test_unused_until_later(void)
{
	static struct program p;
	static struct program other;
	struct rng r = { 79 };
	uint64_t made;
	int fd;

	p.r = other.r = &r;
	make_program(&p);
	make_program(&other);
	other.at = 8192;
	race(&hot, &p, 1, 0);
	race(&hot, &other, 2, 0);
	fd = save(&hot);
	CHECK_INT(load(&warm, fd), 0);
	close(fd);
	memset(warm.ram + other.at, 0xff, sizeof(other.code));
	warm.eng->ops->code_changed(warm.eng, CODE_GPA + other.at, sizeof(other.code));
	CHECK(race(&warm, &p, 1, 0));
	made = counts(&warm).made;
	CHECK(race(&warm, &other, 2, 0));
	CHECK_INT(counts(&warm).made, made);
}

/*
 * A loop over the end of a page, of which only what is in the second page has changed.
 * @param at    where it begins
 * @param which instruction is the changed one
 */
static void race_loop(uint32_t at, size_t which)
{
	static struct program p;
	static const uint32_t code[] = {
		0x00150513, /* loop: addi a0, a0, 1 */
		0x00160613, /* addi a2, a2, 1 */
		0x00158593, /* addi a1, a1, 1 */
		0xfff28293, /* addi t0, t0, -1 */
		0xfe0298e3, /* bnez t0, loop */
		0x0000006f, /* j . */
	};
	struct side *const sides[] = { &hot, &warm, &cold };
	enum vm_exit_kind ends[3];

	memcpy(p.code, code, sizeof(code));
	p.at = at;
	dbt_code_reset((struct dbt_engine *)hot.eng);
	for (size_t k = 0; k < ARRAY_SIZE(sides); k++) {
		struct cpu_state st = { 0 };
		struct errmsg e = { "" };

		if (sides[k] == &warm) {
			int fd = save(&hot);

			CHECK_INT(load(&warm, fd), 0);
			close(fd);
			p.code[which] ^= 0x00300000; /* 2 instead of 1 */
		}
		start(sides[k], &p, 1);
		sides[k]->eng->ops->get_state(sides[k]->eng, &st, &e);
		rv_state(&st)->x[OUTER] = 200;
		CHECK_INT(sides[k]->eng->ops->set_state(sides[k]->eng, &st, &e), 0);
		ends[k] = side_run(sides[k], 700, sides[k] == &cold ? 1 : UINT64_MAX).kind;
	}
	is_same(&warm, ends[1], &cold, ends[2]);
}

static void test_second_page(void)
{
	race_loop(4096 - 8, 2);	 /* a region over both pages */
	race_loop(4096 - 10, 2); /* an instruction over both, with what is changed in the second */
	race_loop(4096 - 4, 1);
	race_loop(4096 - 6, 1);
}

/* A byte of the head, or the end, is not as it was: nothing of it is used. */
static void test_not_ours(void)
{
	static struct program p;
	struct rng r = { 80 };
	uint8_t byte;
	int fd;

	p.r = &r;
	make_program(&p);
	race(&hot, &p, 1, 0);
	fd = save(&hot);
	for (off_t at = 0; at < 64; at++) {
		CHECK(pread(fd, &byte, 1, at) == 1);
		byte ^= 0x10;
		CHECK(pwrite(fd, &byte, 1, at) == 1);
		CHECK_INT(load(&warm, fd), at < 24 ? -EBADMSG : -ESTALE);
		byte ^= 0x10;
		CHECK(pwrite(fd, &byte, 1, at) == 1);
	}
	CHECK(ftruncate(fd, 100) == 0);
	CHECK(load(&warm, fd) < 0);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK_INT(load(&warm, fd), -EBADMSG);
	close(fd);
	CHECK(race(&warm, &p, 1, 0));
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "loaded translations run like new ones", test_loaded },
		{ "a guest that is another, or changes", test_changed },
		{ "pages are compared when they are used", test_unused_until_later },
		{ "only the second page of a loop is another", test_second_page },
		{ "files of others", test_not_ours },
	};

	if (!hot_side_open(&hot) || !hot_side_open(&warm) || !hot_side_open(&cold)) {
		return 77;
	}
	return test_main(cases, ARRAY_SIZE(cases));
}
