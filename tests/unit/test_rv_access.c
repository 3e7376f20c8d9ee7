/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for the interpreter: what leads to RAM, to a device, to nothing, and what only RAM can do. */
#include <string.h>

#include "cpu/riscv/rv_access.h"
#include "mem/mem.h"
#include "test_rv.h"

/* Two pages of RAM, whose host addresses don't follow each other; a page that is mapped, but not for this; a device. */
#define RAM	  0x80000000ULL
#define RAM_PAGES 2u
#define REFUSED	  (RAM + RAM_PAGES * PAGE_BYTES)
#define DEVICE	  0x10000000ULL
#define NOWHERE	  0x20000000ULL

struct guest {
	struct rv_hart hart;
	struct rv_access a;
	struct mem *mem;
	_Alignas(PAGE_BYTES) uint8_t ram[RAM_PAGES][2 * PAGE_BYTES];
	uint8_t refused[PAGE_BYTES];
	uint64_t reg; /* the device's; writing 0 ends the run */
};

static enum rv_mem_result find(void *opaque, gva_t gva, uint8_t bytes, uint32_t access,
			       struct rv_place *ret)
{
	struct guest *g = opaque;
	struct rv_translation t;
	enum rv_mem_result r = rv_access_translate(&g->a, gva, bytes, access, &t);

	if (r != RV_MEM_OK) {
		return r;
	}
	*ret = (struct rv_place){ NULL, t.gpa };
	if (range_within(t.gpa, bytes, RAM, RAM_PAGES * PAGE_BYTES)) {
		ret->host = g->ram[(t.gpa - RAM) / PAGE_BYTES] + t.gpa % PAGE_BYTES;
	}
	return RV_MEM_OK;
}

static enum rv_mem_result device(void *opaque, gpa_t gpa, uint8_t bytes, bool is_write,
				 uint64_t *value)
{
	struct guest *g = opaque;

	if (gpa != DEVICE) {
		return RV_MEM_FAULT;
	}
	CHECK(is_write || *value == 0);
	if (!is_write) {
		*value = low_bytes(g->reg, bytes);
		return RV_MEM_OK;
	}
	g->reg = *value;
	return g->reg ? RV_MEM_OK : RV_MEM_STOP;
}

static void open_guest(struct guest *g)
{
	static const struct rv_access_ops ops = { .find = find, .device = device };
	struct mem_region refused = { REFUSED, PAGE_BYTES, MEM_R, g->refused, "refused" };

	memset(g, 0, sizeof(*g));
	g->mem = mem_new();
	CHECK_INT(mem_region_add(g->mem, &refused, NULL), 0);
	rv_open(&g->hart, g->mem);
	rv_access_init(&g->a, &g->hart, &ops, g);
}

static enum rv_mem_result store(struct guest *g, gva_t gva, uint8_t bytes, uint64_t value)
{
	const struct rv_memory *m = &g->a.memory;

	return m->access(m->opaque, &g->a.exec, gva, bytes, MEM_W, &value);
}

static uint64_t load(struct guest *g, gva_t gva, uint8_t bytes)
{
	const struct rv_memory *m = &g->a.memory;
	uint64_t value = 0;

	CHECK_INT(m->access(m->opaque, &g->a.exec, gva, bytes, MEM_R, &value), RV_MEM_OK);
	return value;
}

static void check_refused(struct guest *g, enum rv_mem_result r, uint64_t cause, gva_t tval)
{
	CHECK_INT(r, RV_MEM_FAULT);
	CHECK_INT(g->a.exec.cause, cause);
	CHECK_INT(g->a.exec.tval, tval);
	CHECK(g->a.has_refused);
	CHECK_INT(g->a.refused_gpa, tval);
}

static void ram_takes_every_size_anywhere(void)
{
	static const uint64_t value = 0xf1e2d3c4b5a69788;
	struct guest g;

	open_guest(&g);
	for (uint8_t bytes = 1; bytes <= 8; bytes = (uint8_t)(bytes * 2)) {
		for (gva_t gva = RAM + PAGE_BYTES - 9; gva < RAM + PAGE_BYTES + 9; gva++) {
			CHECK_INT(store(&g, gva, bytes, low_bytes(value, bytes)), RV_MEM_OK);
			CHECK_INT(load(&g, gva, bytes), low_bytes(value, bytes));
		}
	}
	CHECK_INT(store(&g, RAM + PAGE_BYTES - 3, 8, value), RV_MEM_OK);
	CHECK_INT(load_le(g.ram[0] + PAGE_BYTES - 3, 3), value & 0xffffff);
	CHECK_INT(load_le(g.ram[1], 5), value >> 24);
	mem_free(g.mem);
}

static void half_an_access_does_nothing(void)
{
	struct guest g;

	open_guest(&g);
	check_refused(&g, store(&g, REFUSED - 2, 4, 0x12345678), RV_STORE_ACCESS, REFUSED);
	CHECK_INT(load(&g, REFUSED - 2, 2), 0);
	mem_free(g.mem);
}

static void devices_take_aligned_loads_and_stores(void)
{
	struct guest g;

	open_guest(&g);
	CHECK_INT(store(&g, DEVICE, 4, 0x87654321), RV_MEM_OK);
	CHECK_INT(load(&g, DEVICE, 2), 0x4321);
	CHECK_INT(store(&g, DEVICE, 4, 0), RV_MEM_STOP);
	CHECK(!g.a.has_refused);
	check_refused(&g, store(&g, NOWHERE, 4, 1), RV_STORE_ACCESS, NOWHERE);
	check_refused(&g, store(&g, DEVICE + 1, 2, 1), RV_STORE_ACCESS, DEVICE + 1);
	mem_free(g.mem);
}

static uint64_t add_1(void *arg, uint64_t old)
{
	return old + *(uint64_t *)arg;
}

static void atomics_need_ram(void)
{
	struct guest g;
	const struct rv_memory *m = &g.a.memory;
	uint64_t one = 1;
	uint64_t old = 0;
	bool is_stored = false;

	open_guest(&g);
	store_le(g.ram[0], 0x1fffffffe, 8);
	for (unsigned int i = 0; i < 2; i++) {
		CHECK_INT(m->modify(m->opaque, &g.a.exec, RAM, 4, add_1, &one, &old), RV_MEM_OK);
		CHECK_INT(old, 0xfffffffe + i);
	}
	CHECK_INT(load(&g, RAM, 8), 0x100000000);
	CHECK_INT(m->modify(m->opaque, &g.a.exec, RAM, 8, add_1, &one, &old), RV_MEM_OK);
	CHECK_INT(old, 0x100000000);
	CHECK_INT(load(&g, RAM, 8), 0x100000001);
	check_refused(&g, m->modify(m->opaque, &g.a.exec, DEVICE, 4, add_1, &one, &old),
		      RV_STORE_ACCESS, DEVICE);
	check_refused(&g, m->reserve(m->opaque, &g.a.exec, DEVICE, 4, &old), RV_LOAD_ACCESS,
		      DEVICE);
	check_refused(&g, m->store_conditional(m->opaque, &g.a.exec, DEVICE, 4, 1, &is_stored),
		      RV_STORE_ACCESS, DEVICE);
	check_refused(&g, m->block(m->opaque, &g.a.exec, DEVICE, true), RV_STORE_ACCESS, DEVICE);
	mem_free(g.mem);
}

/* LR at one address, SC at another. @return whether it stored */
static bool is_pair(struct guest *g, gva_t lr, gva_t sc)
{
	const struct rv_memory *m = &g->a.memory;
	uint64_t old = 0;
	bool is_stored = false;

	CHECK_INT(m->reserve(m->opaque, &g->a.exec, lr, 8, &old), RV_MEM_OK);
	CHECK_INT(m->store_conditional(m->opaque, &g->a.exec, sc, 8, old + 1, &is_stored),
		  RV_MEM_OK);
	CHECK(!g->hart.has_reservation);
	return is_stored;
}

static void reservations_are_blocks(void)
{
	struct guest g;

	open_guest(&g);
	CHECK(is_pair(&g, RAM + 64, RAM + 64));
	CHECK_INT(load(&g, RAM + 64, 8), 1);
	CHECK(is_pair(&g, RAM + 64, RAM + 120));
	CHECK(!is_pair(&g, RAM + 64, RAM + 128));
	CHECK(!is_pair(&g, RAM + 64, RAM + 56));
	CHECK_INT(load(&g, RAM + 56, 8), 0);
	mem_free(g.mem);
}

static void blocks_are_zeroed_whole(void)
{
	struct guest g;
	const struct rv_memory *m = &g.a.memory;

	open_guest(&g);
	memset(g.ram[0], 0xff, 192);
	CHECK_INT(m->block(m->opaque, &g.a.exec, RAM + 70, false), RV_MEM_OK);
	CHECK_INT(load(&g, RAM + 64, 8), UINT64_MAX);
	CHECK_INT(m->block(m->opaque, &g.a.exec, RAM + 70, true), RV_MEM_OK);
	for (unsigned int i = 0; i < 192; i++) {
		CHECK_INT(g.ram[0][i], i / 64 == 1 ? 0 : 0xff);
	}
	CHECK_INT(m->block(m->opaque, &g.a.exec, REFUSED + 7, true), RV_MEM_FAULT);
	CHECK_INT(g.a.exec.tval, REFUSED + 7);
	mem_free(g.mem);
}

/* What a block's page allows, as S-mode with page tables, and what becomes of it. */
static void blocks_are_managed_if_loads_or_stores_are(void)
{
	enum { V = 1, R = 2, W = 4, X = 8, A = 64, D = 128, OK = 0 };
	static const struct {
		uint64_t pte;
		uint64_t pmpcfg; /* first RAM's, then everything's */
		uint64_t status;
		uint64_t managed, zeroed; /* causes */
	} rows[] = {
		{ V | R | W | A | D, 0x1f1f, 0, OK, OK },
		{ V | R | A, 0x1f1f, 0, OK, RV_STORE_PAGE },
		{ V | R | W | A, 0x1f1f, 0, OK, RV_STORE_PAGE },
		{ V | X | A, 0x1f1f, 0, RV_STORE_PAGE, RV_STORE_PAGE },
		{ V | X | A, 0x1f1f, RV_MSTATUS_MXR, OK, RV_STORE_PAGE },
		{ V | R | W | D, 0x1f1f, 0, RV_STORE_PAGE, RV_STORE_PAGE },
		{ V | R | W | A | D, 0x1f19, 0, OK, RV_STORE_ACCESS },
		{ V | R | W | A | D, 0x1f18, 0, RV_STORE_ACCESS, RV_STORE_ACCESS },
		{ V | R | A, 0x1f18, 0, RV_STORE_ACCESS, RV_STORE_PAGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		bool zero = i % 2;
		uint64_t cause = zero ? rows[i / 2].zeroed : rows[i / 2].managed;
		enum rv_mem_result r;
		struct guest g;

		open_guest(&g);
		store_le(g.refused + (RAM >> 30) * 8, rows[i / 2].pte | RAM >> 2, 8);
		g.hart.s.satp = 8ULL << 60 | REFUSED >> 12;
		g.hart.s.priv = RV_PRIV_S;
		g.hart.s.mstatus |= rows[i / 2].status;
		g.hart.s.pmpaddr[0] = RAM >> 2 | (RAM_PAGES * PAGE_BYTES / 8 - 1);
		g.hart.s.pmpaddr[1] = UINT64_MAX >> 10;
		g.hart.s.pmpcfg[0] = rows[i / 2].pmpcfg;
		r = g.a.memory.block(g.a.memory.opaque, &g.a.exec, RAM + 70, zero);
		CHECK_INT(r, cause == OK ? RV_MEM_OK : RV_MEM_FAULT);
		if (cause != OK) {
			CHECK_INT(g.a.exec.cause, cause);
			CHECK_INT(g.a.exec.tval, RAM + 70);
		}
		mem_free(g.mem);
	}
}

static void fetches_are_of_halves(void)
{
	struct rv_insn i;
	struct guest g;

	open_guest(&g);
	g.a.exec.effects = RV_EFFECT_IRQ;
	g.a.has_refused = true;
	g.hart.s.pc = RAM + PAGE_BYTES - 2;
	store_le(g.ram[0] + PAGE_BYTES - 2, 0x12300513 & 0xffff, 2); /* li a0, 0x123 */
	store_le(g.ram[1], 0x12300513 >> 16, 2);
	CHECK(rv_access_fetch(&g.a, &i));
	CHECK_INT(i.op, RV_OP_ADDI);
	CHECK_INT(i.imm, 0x123);
	CHECK_INT(g.a.exec.effects, 0);
	CHECK(!g.a.has_refused);
	g.hart.s.pc = REFUSED - 2;
	store_le(g.ram[1] + PAGE_BYTES - 2, 0x8082, 2); /* ret: needs no second half */
	CHECK(rv_access_fetch(&g.a, &i));
	CHECK_INT(i.op, RV_OP_JALR);
	store_le(g.ram[1] + PAGE_BYTES - 2, 0x0513, 2);
	CHECK(!rv_access_fetch(&g.a, &i));
	check_refused(&g, RV_MEM_FAULT, RV_INSN_ACCESS, REFUSED);
	mem_free(g.mem);
}

static void faults_of_programs_tell_what_is_there(void)
{
	struct cpu_fault f;
	struct guest g;

	open_guest(&g);
	g.hart.s.pc = RAM;
	store(&g, REFUSED, 4, 1);
	CHECK(!rv_access_fault(&g.a, true, &f));
	CHECK(rv_access_fault(&g.a, false, &f));
	CHECK_INT(f.kind, CPU_FAULT_PROTECTION);
	CHECK_INT(f.pc, RAM);
	store(&g, NOWHERE, 4, 1);
	CHECK(rv_access_fault(&g.a, false, &f));
	CHECK_INT(f.kind, CPU_FAULT_UNMAPPED);
	CHECK(rv_access_fetch(&g.a, &(struct rv_insn){ 0 }));
	g.a.exec.cause = RV_BREAKPOINT;
	CHECK(!rv_access_fault(&g.a, false, &f));
	mem_free(g.mem);
}

static const struct test_case cases[] = {
	{ "ram_takes_every_size_anywhere", ram_takes_every_size_anywhere },
	{ "half_an_access_does_nothing", half_an_access_does_nothing },
	{ "devices_take_aligned_loads_and_stores", devices_take_aligned_loads_and_stores },
	{ "atomics_need_ram", atomics_need_ram },
	{ "reservations_are_blocks", reservations_are_blocks },
	{ "blocks_are_zeroed_whole", blocks_are_zeroed_whole },
	{ "blocks_are_managed_if_loads_or_stores_are", blocks_are_managed_if_loads_or_stores_are },
	{ "fetches_are_of_halves", fetches_are_of_halves },
	{ "faults_of_programs_tell_what_is_there", faults_of_programs_tell_what_is_there },
};

RV_TEST_MAIN(cases)
