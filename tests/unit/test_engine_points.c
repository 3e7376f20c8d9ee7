/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints and watchpoints of the contract in engine/engine.h, on every engine of the table that
 * has them here.
 */
#include "test_engine_pairs.h"

#define WATCHED_GPA  (DATA_GPA + 8)
#define ENDLESS	     (1ULL << 40)
#define ENGINE_SLOTS 128 /* what a VM may ask for */

/* @return whether the engine has what @p cap says; if not, the machine is closed */
static bool begin_with(uint64_t cap, const struct guest_code *c, uint64_t r2)
{
	begin(c, r2);
	if (!(g.eng->caps & cap)) {
		rig_close(&g);
		return false;
	}
	return true;
}

static int set_break(gva_t pc)
{
	return g.eng->ops->set_breakpoints(g.eng, &pc, 1);
}

static void clear_breaks(void)
{
	CHECK_INT(g.eng->ops->set_breakpoints(g.eng, NULL, 0), 0);
}

static int set_watch(gva_t gva, uint64_t bytes, uint32_t access)
{
	const struct engine_watch w = { .gva = gva, .bytes = bytes, .access = access };

	return g.eng->ops->set_watchpoints(g.eng, &w, 1);
}

static void check_exit(uint64_t max_insns, const char *kind)
{
	CHECK_STR(vm_exit_kind_name(rig_run(&g, max_insns).kind), kind);
}

static void again(void)
{
	rig_reg_set(&g, guest->r0, 0);
	set_pc(RAM_GPA);
}

/* Amid what was one block before. */
static void a_breakpoint_stops_in_front_of_its_instruction(void)
{
	const uint64_t limits[] = { 0, ENDLESS };

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (!begin_with(ENGINE_CAP_BREAKPOINTS, &guest->store, WATCHED_GPA)) {
			return;
		}
		check_exit(limits[i], "halt");
		again();
		memset(g.ram + 0x1000, 0, 16);
		CHECK_INT(set_break(RAM_GPA + guest->store.at), 0);
		check_exit(limits[i], "breakpoint");
		CHECK_INT(rig_pc(&g), RAM_GPA + guest->store.at);
		CHECK_INT(rig_reg(&g, guest->r0), 2);
		CHECK_INT(g.ram[0x1000], 1);
		CHECK_INT(g.ram[0x1008], 0);
		clear_breaks();
		check_exit(limits[i], "halt");
		CHECK_INT(g.ram[0x1008], 2);
		again();
		check_exit(limits[i], "halt");
		rig_close(&g);
	}
}

static void a_breakpoint_in_a_loop_hits_each_time(void)
{
	uint32_t m[3];

	if (!begin_with(ENGINE_CAP_BREAKPOINTS, &guest->counters, 0)) {
		return;
	}
	for (uint32_t k = 1; k <= 20; k++) {
		clear_breaks();
		check_exit(1, "insn-limit");
		CHECK_INT(set_break(RAM_GPA), 0);
		check_exit(k % 2 ? 0 : ENDLESS, "breakpoint");
		CHECK_INT(rig_pc(&g), RAM_GPA);
		memcpy(m, g.ram + 0x1000, sizeof(m));
		CHECK(m[0] == k && m[1] == k && m[2] == k);
	}
	rig_close(&g);
}

static void many_breakpoints_fit_or_are_refused(void)
{
	gva_t addrs[ENGINE_SLOTS + 1];
	int r;

	if (!begin_with(ENGINE_CAP_BREAKPOINTS, &guest->store, WATCHED_GPA)) {
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		addrs[i] = RAM_GPA + 0x800 + i; /* not reached */
	}
	addrs[ENGINE_SLOTS - 1] = RAM_GPA + guest->store.at;
	r = g.eng->ops->set_breakpoints(g.eng, addrs, ENGINE_SLOTS);
	CHECK(r == 0 || r == -ENOSPC);
	check_exit(0, r == 0 ? "breakpoint" : "halt");
	CHECK_INT(g.eng->ops->set_breakpoints(g.eng, addrs, ARRAY_SIZE(addrs)), -ENOSPC);
	rig_close(&g);
}

/* Blocks near it are cut short. */
static void set_break_beside(void)
{
	if (g.eng->caps & ENGINE_CAP_BREAKPOINTS) {
		CHECK_INT(set_break(RAM_GPA + guest->counters.n), 0);
	}
}

static void kicks_beside_a_breakpoint_are_exact(void)
{
	check_kicks(set_break_beside);
}

static void check_write(uint64_t limit, gva_t gva, uint64_t bytes, gva_t hit)
{
	struct vm_exit x;

	if (!begin_with(ENGINE_CAP_WATCHPOINTS, &guest->store, WATCHED_GPA)) {
		return;
	}
	check_exit(limit, "halt"); /* what it writes is there already; code is translated */
	again();
	CHECK_INT(set_watch(gva, bytes, MEM_W), 0);
	x = rig_run(&g, limit);
	CHECK_STR(vm_exit_kind_name(x.kind), "watchpoint");
	CHECK_INT(x.watch.gva, hit);
	CHECK_INT(x.watch.access, MEM_W);
	CHECK(rig_pc(&g) > RAM_GPA + guest->store.at);
	CHECK_INT(rig_reg(&g, guest->r0), 2);
	CHECK_INT(g.ram[0x1008], 2);
	CHECK(limit == 0 || x.insns == 4);
	check_exit(limit, "halt");
	CHECK_INT(rig_reg(&g, guest->r0), 3);
	CHECK_INT(g.eng->ops->set_watchpoints(g.eng, NULL, 0), 0);
	again();
	check_exit(limit, "halt");
	rig_close(&g);
}

static void a_watched_write_stops_behind_it(void)
{
	check_write(0, WATCHED_GPA, 4, WATCHED_GPA);
	check_write(ENDLESS, WATCHED_GPA, 4, WATCHED_GPA);
	check_write(0, WATCHED_GPA + 1, 1, WATCHED_GPA + 1);
	check_write(0, WATCHED_GPA - 3, 4, WATCHED_GPA);
}

static void a_watched_read_stops_behind_it(void)
{
	struct vm_exit x;

	for (uint32_t access = MEM_R; access <= (MEM_R | MEM_W); access++) {
		if (!begin_with(ENGINE_CAP_WATCHPOINTS, &guest->load, WATCHED_GPA)) {
			return;
		}
		g.ram[0x1008] = 40;
		CHECK_INT(set_watch(WATCHED_GPA, 1, access), 0);
		x = rig_run(&g, 0);
		if (access & MEM_R) {
			CHECK_STR(vm_exit_kind_name(x.kind), "watchpoint");
			CHECK_INT(x.watch.access, MEM_R);
			CHECK_INT(rig_reg(&g, guest->r0), 40);
			x = rig_run(&g, 0);
		}
		CHECK_STR(vm_exit_kind_name(x.kind), "halt");
		CHECK_INT(rig_reg(&g, guest->r0), 41);
		rig_close(&g);
	}
}

static void a_fetch_is_no_watched_read(void)
{
	if (!begin_with(ENGINE_CAP_WATCHPOINTS, &guest->load, WATCHED_GPA)) {
		return;
	}
	CHECK_INT(set_watch(RAM_GPA, guest->load.n, MEM_R | MEM_W), 0);
	check_exit(0, "halt");
	rig_close(&g);
}

static void every_write_of_a_loop_is_seen(void)
{
	uint64_t sum = 0;
	uint64_t insns = 0;
	struct vm_exit x;

	if (!begin_with(ENGINE_CAP_WATCHPOINTS, &guest->sum, SUM_N)) {
		return;
	}
	CHECK_INT(set_watch(DATA_GPA, 4, MEM_W), 0);
	for (uint64_t k = SUM_N; k > 0; k--) {
		x = rig_run(&g, ENDLESS);
		sum += k;
		insns += x.insns;
		CHECK_STR(vm_exit_kind_name(x.kind), "watchpoint");
		CHECK_INT(g.ram[0x1000], sum);
		CHECK_INT(rig_reg(&g, guest->r2), k);
	}
	x = rig_run(&g, ENDLESS);
	CHECK_STR(vm_exit_kind_name(x.kind), "halt");
	CHECK_INT(insns + x.insns, SUM_INSNS);
	rig_close(&g);
}

static void a_step_meets_a_watchpoint(void)
{
	struct vm_exit x;
	int n = 0;

	if (!begin_with(ENGINE_CAP_WATCHPOINTS, &guest->store, WATCHED_GPA)) {
		return;
	}
	CHECK_INT(set_watch(WATCHED_GPA, 4, MEM_W), 0);
	do {
		x = rig_run(&g, 1);
		n++;
	} while (x.kind == VM_EXIT_INSN_LIMIT);
	CHECK_STR(vm_exit_kind_name(x.kind), "watchpoint");
	CHECK_INT(n, 4);
	CHECK_INT(x.insns, 1);
	rig_close(&g);
}

static void a_refused_access_is_no_hit(void)
{
	uint8_t *late;

	if (!begin_with(ENGINE_CAP_WATCHPOINTS, &guest->store, HOLE_GPA)) {
		return;
	}
	CHECK_INT(set_watch(HOLE_GPA, 4, MEM_W), 0);
	check_exit(0, "fault");
	CHECK_INT(rig_pc(&g), RAM_GPA + guest->store.at);
	late = rig_add(&g, HOLE_GPA, 0x1000, MEM_R | MEM_W); /* closed with the machine */
	check_exit(0, "watchpoint");
	CHECK(rig_pc(&g) > RAM_GPA + guest->store.at);
	CHECK_INT(late[0], 2);
	check_exit(0, "halt");
	rig_close(&g);
}

/* Both ways to end: one after the other, and the device sees each access once. */
static void a_watched_device_that_stops_is_told_in_turn(void)
{
	struct vm_exit x;

	if (!begin_with(ENGINE_CAP_WATCHPOINTS, &guest->device, DEV_GPA + 8)) {
		return;
	}
	CHECK_INT(set_watch(DEV_GPA + 8, 4, MEM_W), 0);
	g.stop_addr = DEV_GPA + 8;
	check_exit(0, "bus-stop");
	CHECK_INT(rig_pc(&g), RAM_GPA + guest->device.at);
	x = rig_run(&g, ENDLESS);
	CHECK_STR(vm_exit_kind_name(x.kind), "watchpoint");
	CHECK_INT(x.insns, 0);
	CHECK_INT(rig_pc(&g), RAM_GPA + guest->device.at);
	check_exit(0, "bus-stop");
	CHECK_INT(rig_pc(&g), RAM_GPA + guest->device.after);
	check_exit(0, "halt");
	CHECK_INT(g.n_log, 2);
	rig_close(&g);
}

static void bad_ranges_are_refused(void)
{
	if (!begin_with(ENGINE_CAP_WATCHPOINTS, &guest->sum, SUM_N)) {
		return;
	}
	CHECK_INT(set_watch(DATA_GPA, 0, MEM_W), -EINVAL);
	CHECK_INT(set_watch(UINT64_MAX, 2, MEM_W), -EINVAL);
	check_exit(0, "halt");
	rig_close(&g);
}

static void set_watch_beside(void)
{
	if (g.eng->caps & ENGINE_CAP_WATCHPOINTS) {
		CHECK_INT(set_watch(DATA_GPA + 12, 4, MEM_W), 0);
	}
}

static void kicks_beside_a_watchpoint_are_exact(void)
{
	check_kicks(set_watch_beside);
}

static const struct test_case cases[] = {
	{ "a_breakpoint_stops_in_front_of_its_instruction",
	  a_breakpoint_stops_in_front_of_its_instruction },
	{ "a_breakpoint_in_a_loop_hits_each_time", a_breakpoint_in_a_loop_hits_each_time },
	{ "many_breakpoints_fit_or_are_refused", many_breakpoints_fit_or_are_refused },
	{ "kicks_beside_a_breakpoint_are_exact", kicks_beside_a_breakpoint_are_exact },
	{ "a_watched_write_stops_behind_it", a_watched_write_stops_behind_it },
	{ "a_watched_read_stops_behind_it", a_watched_read_stops_behind_it },
	{ "a_fetch_is_no_watched_read", a_fetch_is_no_watched_read },
	{ "every_write_of_a_loop_is_seen", every_write_of_a_loop_is_seen },
	{ "a_step_meets_a_watchpoint", a_step_meets_a_watchpoint },
	{ "a_refused_access_is_no_hit", a_refused_access_is_no_hit },
	{ "a_watched_device_that_stops_is_told_in_turn",
	  a_watched_device_that_stops_is_told_in_turn },
	{ "bad_ranges_are_refused", bad_ranges_are_refused },
	{ "kicks_beside_a_watchpoint_are_exact", kicks_beside_a_watchpoint_are_exact },
};

int main(void)
{
	return pairs_main(cases, ARRAY_SIZE(cases));
}
