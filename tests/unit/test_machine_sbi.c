/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SBI answers as RISC-V SBI 2.0 says: every extension, every function number beyond its last, hart masks that name
 * harts that are not there, memory that is not there; and it touches no hart that it was not asked about.
 */
#include "machine/sbi.h"
#include "test_dev.h"

#define HARTS	4u
#define RAM_GPA 0x80000000ULL

#define BASE 0x10u
#define TIME 0x54494d45u
#define IPI  0x735049u
#define RFNC 0x52464e43u
#define HSM  0x48534du
#define SRST 0x53525354u
#define DBCN 0x4442434eu

#define NOT_SUPPORTED	  -2
#define INVALID_PARAM	  -3
#define INVALID_ADDRESS	  -5
#define ALREADY_AVAILABLE -6

/* What was done to harts: one bit per hart. */
static struct {
	enum sbi_hart_state state[HARTS];
	uint32_t interrupted, fenced, fenced_i, waited;
	uint64_t start_pc[HARTS], start_arg[HARTS], timer[HARTS];
} did;

static struct fake fake;
static uint8_t ram[PAGE_BYTES];
static struct mem *mem;
static struct sbi *sbi;

static enum sbi_hart_state state(void *opaque, uint32_t idx)
{
	(void)opaque;
	return did.state[idx];
}

static void start(void *opaque, uint32_t idx, uint64_t pc, uint64_t arg)
{
	(void)opaque;
	did.state[idx] = SBI_HART_STARTED;
	did.start_pc[idx] = pc;
	did.start_arg[idx] = arg;
}

static void stop(void *opaque, uint32_t idx)
{
	(void)opaque;
	did.state[idx] = SBI_HART_STOPPED;
}

static void wait(void *opaque, uint32_t idx)
{
	(void)opaque;
	did.waited |= 1u << idx;
}

static void interrupt(void *opaque, uint32_t idx)
{
	(void)opaque;
	did.interrupted |= 1u << idx;
}

static void set_timer(void *opaque, uint32_t idx, uint64_t ticks)
{
	(void)opaque;
	did.timer[idx] = ticks;
}

static void fence(void *opaque, uint32_t idx)
{
	(void)opaque;
	did.fenced |= 1u << idx;
}

static void fence_i(void *opaque, uint32_t idx)
{
	(void)opaque;
	did.fenced_i |= 1u << idx;
}

static void begin(void)
{
	struct sbi_config c = { .harts = { .n = HARTS,
					   .state = state,
					   .start = start,
					   .stop = stop,
					   .wait = wait,
					   .interrupt = interrupt,
					   .set_timer = set_timer,
					   .fence = fence,
					   .fence_i = fence_i },
				.chr = fake_chr(&fake),
				.host = fake_host(&fake) };
	struct mem_region r = { .base_gpa = RAM_GPA,
				.size_bytes = sizeof(ram),
				.perm = MEM_RWX,
				.hva = ram,
				.name = "ram" };

	fake = (struct fake){ 0 };
	memset(&did, 0, sizeof(did));
	for (uint32_t i = 1; i < HARTS; i++) {
		did.state[i] = SBI_HART_STOPPED;
	}
	mem = mem_new();
	CHECK_INT(mem_region_add(mem, &r, NULL), 0);
	c.mem = mem;
	sbi = sbi_new(&c);
}

static void end(void)
{
	sbi_free(sbi);
	mem_free(mem);
}

/* A call of hart 0 with up to three arguments: its error; *ret_value its value. */
static int64_t call(uint64_t eid, uint64_t fid, uint64_t a0, uint64_t a1, uint64_t a2,
		    uint64_t *ret_value)
{
	struct sbi_call c = { .a = { a0, a1, a2, 0, 0, 0, fid, eid } };

	CHECK_INT(sbi_call(sbi, 0, &c), SBI_DONE);
	if (ret_value) {
		*ret_value = c.a[1];
	}
	return (int64_t)c.a[0];
}

static void base_tells_what_there_is(void)
{
	static const uint64_t there[] = { BASE, TIME, IPI, RFNC, HSM, SRST, DBCN, 0, 1, 2, 8 };
	static const uint64_t absent[] = { 0x504d55, 0x53555350, 0x43505043, 4,		5,
					   6,	     7,		 9,	     UINT64_MAX };
	uint64_t v;

	begin();
	CHECK_INT(call(BASE, 0, 0, 0, 0, &v), 0);
	CHECK_INT(v, 2 << 24);
	for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
		CHECK_INT(call(BASE, 3, there[i], 0, 0, &v), 0);
		CHECK_INT(v, 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
		CHECK_INT(call(BASE, 3, absent[i], 0, 0, &v), 0);
		CHECK_INT(v, 0);
	}
	for (uint64_t fid = 1; fid <= 6; fid++) {
		CHECK_INT(call(BASE, fid, 0, 0, 0, NULL), 0);
	}
	end();
}

static void unknown_numbers_are_not_supported(void)
{
	static const struct {
		uint64_t eid, fid;
	} unknown[] = { { BASE, 7 }, { TIME, 1 }, { IPI, 1 },  { RFNC, 3 },
			{ HSM, 4 },  { SRST, 1 }, { DBCN, 3 }, { 0x12345, 0 } };

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		CHECK_INT(call(unknown[i].eid, unknown[i].fid, 0, 0, 0, NULL), NOT_SUPPORTED);
	}
	CHECK_INT(did.interrupted | did.fenced | did.fenced_i | did.waited, 0);
	CHECK_INT(fake.stops, 0);
	end();
}

static void masks_name_harts(void)
{
	begin();
	CHECK_INT(call(IPI, 0, 5, 1, 0, NULL), 0); /* 1 and 3 */
	CHECK_INT(did.interrupted, 0xa);
	did.interrupted = 0;
	CHECK_INT(call(IPI, 0, 0, UINT64_MAX, 0, NULL), 0); /* all, whatever the mask */
	CHECK_INT(did.interrupted, 0xf);
	did.interrupted = 0;
	CHECK_INT(call(IPI, 0, 0, 99, 0, NULL), 0); /* none */
	CHECK_INT(call(IPI, 0, 0x10, 0, 0, NULL), INVALID_PARAM);
	CHECK_INT(call(IPI, 0, 3, 3, 0, NULL), INVALID_PARAM);
	CHECK_INT(call(IPI, 0, 1, 4, 0, NULL), INVALID_PARAM);
	CHECK_INT(call(IPI, 0, 1, 1ULL << 63, 0, NULL), INVALID_PARAM);
	CHECK_INT(did.interrupted, 0);
	end();
}

static void fences_reach_their_harts(void)
{
	begin();
	CHECK_INT(call(RFNC, 0, 2, 0, 0, NULL), 0);
	CHECK_INT(did.fenced_i, 2);
	CHECK_INT(call(RFNC, 1, 4, 0, 0x1000, NULL), 0);
	CHECK_INT(call(RFNC, 2, 8, 0, 0x1000, NULL), 0);
	CHECK_INT(did.fenced, 0xc);
	CHECK_INT(did.fenced_i, 2);
	end();
}

static void harts_start_and_stop(void)
{
	struct sbi_call c = { .a = { 0, 0, 0, 0, 0, 0, 1, HSM } };
	uint64_t v;

	begin();
	CHECK_INT(call(HSM, 2, 1, 0, 0, &v), 0);
	CHECK_INT(v, SBI_HART_STOPPED);
	CHECK_INT(call(HSM, 0, 1, RAM_GPA + 0x20, 77, NULL), 0);
	CHECK_INT(did.start_pc[1], RAM_GPA + 0x20);
	CHECK_INT(did.start_arg[1], 77);
	CHECK_INT(call(HSM, 0, 1, RAM_GPA, 0, NULL), ALREADY_AVAILABLE);
	CHECK_INT(call(HSM, 0, 4, RAM_GPA, 0, NULL), INVALID_PARAM);
	CHECK_INT(call(HSM, 0, UINT64_MAX, RAM_GPA, 0, NULL), INVALID_PARAM);
	CHECK_INT(call(HSM, 0, 2, 0x1000, 0, NULL), INVALID_ADDRESS);
	CHECK_INT(call(HSM, 0, 2, RAM_GPA + 1, 0, NULL), INVALID_ADDRESS);
	CHECK_INT(call(HSM, 0, 2, RAM_GPA + sizeof(ram) - 1, 0, NULL), INVALID_ADDRESS);
	CHECK_INT(did.state[2], SBI_HART_STOPPED);
	CHECK_INT(call(HSM, 2, 4, 0, 0, NULL), INVALID_PARAM);
	CHECK_INT(sbi_call(sbi, 1, &c), SBI_STARTS_ANEW);
	CHECK_INT(did.state[1], SBI_HART_STOPPED);
	CHECK_INT(call(HSM, 3, 0, 0, 0, NULL), 0);
	CHECK_INT(did.waited, 1);
	CHECK_INT(call(HSM, 3, 0x80000000, RAM_GPA, 0, NULL), NOT_SUPPORTED);
	CHECK_INT(call(HSM, 3, 1ULL << 32, 0, 0, NULL), INVALID_PARAM);
	end();
}

static void the_timer_is_the_callers(void)
{
	struct sbi_call legacy = { .a = { 4242, 0, 0, 0, 0, 0, 0, 0 } };

	begin();
	CHECK_INT(call(TIME, 0, 1234, 0, 0, NULL), 0);
	CHECK_INT(did.timer[0], 1234);
	CHECK_INT(sbi_call(sbi, 2, &legacy), SBI_DONE);
	CHECK_INT(did.timer[2], 4242);
	CHECK_INT(did.timer[0], 1234);
	end();
}

static void the_machine_is_reset(void)
{
	static const struct {
		uint64_t type, reason;
		bool is_refused;
		enum dev_stop_kind kind;
	} cases[] = {
		{ 0, 0, false, DEV_STOP_EXIT },
		{ 0, 1, false, DEV_STOP_EXIT },
		{ 1, 0, false, DEV_STOP_RESET },
		{ 2, 0, false, DEV_STOP_RESET },
		{ 3, 0, true, 0 },
		{ 0, 2, true, 0 },
		{ UINT64_MAX, 0, true, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sbi_call c = { .a = { cases[i].type, cases[i].reason, 0, 0, 0, 0, 0,
					     SRST } };

		begin();
		CHECK_INT(sbi_call(sbi, 0, &c), cases[i].is_refused ? SBI_DONE : SBI_STOP);
		CHECK_INT(fake.stops, cases[i].is_refused ? 0 : 1);
		if (cases[i].is_refused) {
			CHECK_INT((int64_t)c.a[0], INVALID_PARAM);
		} else {
			CHECK_INT(fake.stop_kind, cases[i].kind);
			CHECK_INT(fake.stop_code, cases[i].reason);
		}
		end();
	}
}

static void the_console_moves_bytes(void)
{
	uint64_t v;

	begin();
	memcpy(ram, "hello", 5);
	CHECK_INT(call(DBCN, 0, 5, RAM_GPA, 0, &v), 0);
	CHECK_INT(v, 5);
	CHECK_INT(call(DBCN, 2, '!', 0, 0, NULL), 0);
	CHECK_STR(fake.out, "hello!");
	CHECK_INT(call(DBCN, 0, 5, RAM_GPA + sizeof(ram) - 4, 0, NULL), INVALID_PARAM);
	CHECK_INT(call(DBCN, 0, 5, RAM_GPA, 1, NULL), INVALID_PARAM);
	CHECK_INT(call(DBCN, 0, UINT64_MAX, RAM_GPA, 0, &v), 0); /* as much as one call moves */
	CHECK_INT(v, sizeof(ram));
	fake.in = "abc";
	CHECK_INT(call(DBCN, 1, 2, RAM_GPA + 0x100, 0, &v), 0);
	CHECK_INT(v, 2);
	CHECK(memcmp(ram + 0x100, "ab", 2) == 0);
	CHECK_INT(call(DBCN, 1, 8, 0x1000, 0, NULL), INVALID_PARAM);
	CHECK_STR(fake.in, "c"); /* none is lost */
	CHECK_INT(call(DBCN, 1, 8, RAM_GPA, 0, &v), 0);
	CHECK_INT(v, 1);
	CHECK_INT(call(DBCN, 1, 8, RAM_GPA, 0, &v), 0);
	CHECK_INT(v, 0);
	end();
}

static void legacy_calls_answer_in_a0(void)
{
	struct sbi_call put = { .a = { 'x', 55, 0, 0, 0, 0, 0, 1 } };
	struct sbi_call get = { .a = { 0, 55, 0, 0, 0, 0, 0, 2 } };
	struct sbi_call off = { .a = { 0, 0, 0, 0, 0, 0, 0, 8 } };

	begin();
	CHECK_INT(sbi_call(sbi, 0, &put), SBI_DONE);
	CHECK_INT(put.a[0], 0);
	CHECK_INT(put.a[1], 55);
	CHECK_STR(fake.out, "x");
	CHECK_INT(sbi_call(sbi, 0, &get), SBI_DONE);
	CHECK_INT((int64_t)get.a[0], -1);
	fake.in = "y";
	CHECK_INT(sbi_call(sbi, 0, &get), SBI_DONE);
	CHECK_INT(get.a[0], 'y');
	CHECK_INT(sbi_call(sbi, 0, &off), SBI_STOP);
	CHECK_INT(fake.stop_kind, DEV_STOP_EXIT);
	end();
}

static const struct test_case cases[] = {
	{ "base_tells_what_there_is", base_tells_what_there_is },
	{ "unknown_numbers_are_not_supported", unknown_numbers_are_not_supported },
	{ "masks_name_harts", masks_name_harts },
	{ "fences_reach_their_harts", fences_reach_their_harts },
	{ "harts_start_and_stop", harts_start_and_stop },
	{ "the_timer_is_the_callers", the_timer_is_the_callers },
	{ "the_machine_is_reset", the_machine_is_reset },
	{ "the_console_moves_bytes", the_console_moves_bytes },
	{ "legacy_calls_answer_in_a0", legacy_calls_answer_in_a0 },
};

TEST_MAIN(cases)
