/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract of engine/engine.h, checked on the stub engine and on every engine of the table
 * that can run here. A new engine passes this before anything else uses it.
 */
#include <sys/mman.h>

#include "test_engine_pairs.h"

static void halt_ends_a_run_behind_it(void)
{
	struct vm_exit x;

	begin(&guest->sum, SUM_N);
	x = rig_run(&g, 0);
	CHECK_STR(vm_exit_kind_name(x.kind), "halt");
	CHECK_INT(rig_pc(&g), RAM_GPA + guest->sum.n);
	CHECK_INT(rig_reg(&g, guest->r0), SUM_N * (SUM_N + 1) / 2);
	CHECK_INT(g.ram[0x1000], SUM_N * (SUM_N + 1) / 2);
	rig_close(&g);
}

static void limits_are_exact(void)
{
	struct vm_exit x;

	for (uint64_t k = 1; k <= SUM_INSNS; k++) {
		begin(&guest->sum, SUM_N);
		if (!(g.eng->caps & ENGINE_CAP_INSN_COUNT)) {
			rig_close(&g);
			return;
		}
		x = rig_run(&g, k);
		CHECK_STR(vm_exit_kind_name(x.kind), k < SUM_INSNS ? "insn-limit" : "halt");
		CHECK_INT(x.insns, k);
		CHECK_INT(rig_reg(&g, guest->r2), SUM_N - (k + 1) / 4);
		rig_close(&g);
	}
}

static void steps_add_up_to_a_run(void)
{
	struct cpu_state whole;
	struct cpu_state stepped;
	struct vm_exit x = { .kind = VM_EXIT_INSN_LIMIT };
	int n = 0;

	begin(&guest->sum, SUM_N);
	if (!(g.eng->caps & ENGINE_CAP_STEP)) {
		rig_close(&g);
		return;
	}
	rig_run(&g, 0);
	whole = rig_get(&g);
	rig_close(&g);
	begin(&guest->sum, SUM_N);
	while (x.kind == VM_EXIT_INSN_LIMIT && n <= SUM_INSNS) {
		x = rig_run(&g, 1);
		n++;
	}
	stepped = rig_get(&g);
	CHECK_STR(vm_exit_kind_name(x.kind), "halt");
	CHECK_INT(n, SUM_INSNS);
	CHECK(memcmp(&whole, &stepped, sizeof(whole)) == 0);
	rig_close(&g);
}

static void set_of_get_changes_nothing(void)
{
	struct cpu_state a;
	struct cpu_state b;

	begin(&guest->sum, SUM_N);
	rig_run(&g, g.eng->caps & ENGINE_CAP_INSN_COUNT ? 7 : 0);
	a = rig_get(&g);
	rig_set(&g, &a);
	b = rig_get(&g);
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	rig_close(&g);
}

static void a_new_instance_takes_over_anywhere(void)
{
	struct cpu_state want;
	struct cpu_state s;
	uint8_t data[0x2000];

	begin(&guest->sum, SUM_N);
	if (!(g.eng->caps & ENGINE_CAP_INSN_COUNT)) {
		rig_close(&g);
		return;
	}
	rig_run(&g, 0);
	want = rig_get(&g);
	rig_close(&g);
	for (uint64_t k = 1; k < SUM_INSNS; k += 3) {
		begin(&guest->sum, SUM_N);
		rig_run(&g, k);
		s = rig_get(&g);
		memcpy(data, g.ram, sizeof(data));
		rig_close(&g);
		begin(&guest->sum, SUM_N);
		memcpy(g.ram, data, sizeof(data));
		rig_set(&g, &s);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
		s = rig_get(&g);
		CHECK(memcmp(&want, &s, sizeof(s)) == 0);
		rig_close(&g);
	}
}

static void check_refused(const struct guest_code *c, uint64_t addr, enum cpu_fault_kind kind,
			  uint32_t access)
{
	bool is_fetch = access == MEM_X;
	struct vm_exit x;

	begin(c, addr);
	x = rig_run(&g, 0);
	CHECK_STR(vm_exit_kind_name(x.kind), "fault");
	CHECK_STR(cpu_fault_kind_name(x.fault.kind), cpu_fault_kind_name(kind));
	CHECK(x.fault.has_address);
	CHECK_INT(x.fault.address, addr);
	CHECK_INT(x.fault.access, access);
	CHECK_INT(x.fault.pc, is_fetch ? addr : RAM_GPA + c->at);
	CHECK_INT(rig_pc(&g), is_fetch ? addr : RAM_GPA + c->at);
	CHECK_INT(rig_reg(&g, guest->r0), is_fetch ? 1 : 2);
	rig_close(&g);
}

static void refused_accesses_are_undone(void)
{
	check_refused(&guest->store, HOLE_GPA, CPU_FAULT_UNMAPPED, MEM_W);
	check_refused(&guest->load, HOLE_GPA, CPU_FAULT_UNMAPPED, MEM_R);
	check_refused(&guest->jump, HOLE_GPA, CPU_FAULT_UNMAPPED, MEM_X);
	check_refused(&guest->store, RO_GPA, CPU_FAULT_PROTECTION, MEM_W);
	begin(&guest->load, RO_GPA);
	if (g.eng->caps & ENGINE_CAP_EXEC_PERM) {
		rig_close(&g);
		check_refused(&guest->jump, RO_GPA, CPU_FAULT_PROTECTION, MEM_X);
		return;
	}
	rig_close(&g);
}

static void a_read_of_read_only_memory_works(void)
{
	begin(&guest->load, RO_GPA);
	g.ro[0] = 41;
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	CHECK_INT(rig_reg(&g, guest->r0), 42);
	rig_close(&g);
}

static void a_refused_access_can_be_repaired(void)
{
	struct mem_region r = {
		.base_gpa = HOLE_GPA, .size_bytes = 0x1000, .perm = MEM_R | MEM_W, .name = "late"
	};

	begin(&guest->store, HOLE_GPA);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "fault");
	r.hva = mmap(NULL, r.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK_INT(g.eng->ops->map(g.eng, &r, &g.e), 0);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	CHECK_INT(r.hva[0], 2);
	CHECK_INT(rig_reg(&g, guest->r0), 3);
	CHECK_INT(g.eng->ops->unmap(g.eng, &r, &g.e), 0);
	munmap(r.hva, r.size_bytes);
	set_pc(RAM_GPA + guest->store.at);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "fault");
	rig_close(&g);
}

static void devices_see_each_access_once(void)
{
	begin(&guest->device, DEV_GPA + 8);
	g.read_value = 0x12345678;
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	CHECK_INT(g.n_log, 2);
	CHECK(g.log[0].is_write && g.log[0].addr == DEV_GPA + 8 && g.log[0].bytes == 4);
	CHECK_INT(g.log[0].value, 1);
	CHECK(!g.log[1].is_write && !g.is_port[0] && !g.is_port[1]);
	CHECK_INT(rig_reg(&g, guest->r3), 0x12345678);
	CHECK_INT(rig_reg(&g, guest->r0), 3);
	rig_close(&g);
}

static void bus_stop_ends_a_run_behind_the_access(void)
{
	begin(&guest->device, DEV_GPA + 8);
	g.stop_addr = DEV_GPA + 8;
	g.read_value = 77;
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "bus-stop");
	CHECK_INT(rig_pc(&g), RAM_GPA + guest->device.at);
	CHECK_INT(rig_reg(&g, guest->r0), 1);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "bus-stop");
	CHECK_INT(rig_pc(&g), RAM_GPA + guest->device.after);
	CHECK_INT(rig_reg(&g, guest->r0), 2);
	CHECK_INT(rig_reg(&g, guest->r3), 77);
	CHECK_INT(g.n_log, 2);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	rig_close(&g);
}

static void an_absent_device_is_a_fault(void)
{
	struct vm_exit x;

	begin(&guest->device, DEV_GPA + 0x20);
	g.hole_addr = DEV_GPA + 0x20;
	x = rig_run(&g, 0);
	CHECK_STR(vm_exit_kind_name(x.kind), "fault");
	CHECK_STR(cpu_fault_kind_name(x.fault.kind), "unmapped");
	CHECK_INT(x.fault.address, DEV_GPA + 0x20);
	CHECK_INT(x.fault.access, MEM_W);
	CHECK_INT(rig_reg(&g, guest->r0), 1);
	rig_close(&g);
}

static void check_exception(const struct guest_code *c, enum cpu_fault_kind kind)
{
	struct vm_exit x;

	begin(c, 0);
	x = rig_run(&g, 0);
	if (!(g.eng->caps & ENGINE_CAP_OWN_EXCEPTIONS) || x.kind != VM_EXIT_SHUTDOWN) {
		/* (One that delivers by itself finds no handler here.) */
		CHECK_STR(vm_exit_kind_name(x.kind), "exception");
		CHECK_STR(cpu_fault_kind_name(x.fault.kind), cpu_fault_kind_name(kind));
		CHECK_INT(x.fault.pc, RAM_GPA + c->at);
		CHECK_INT(rig_pc(&g), RAM_GPA + c->at);
	}
	CHECK_INT(rig_reg(&g, guest->r0), 1);
	rig_close(&g);
}

static void exceptions_are_reported_at_their_instruction(void)
{
	check_exception(&guest->illegal, CPU_FAULT_ILLEGAL_INSN);
	check_exception(&guest->call, CPU_FAULT_SYSCALL);
	check_exception(&guest->brk, CPU_FAULT_BREAKPOINT);
}

static void a_foreign_state_is_refused(void)
{
	struct cpu_state s;
	struct cpu_state other;

	begin(&guest->sum, SUM_N);
	s = rig_get(&g);
	other = s;
	other.arch = s.arch == CPU_ARCH_RV64 ? CPU_ARCH_X86 : CPU_ARCH_RV64;
	CHECK_INT(g.eng->ops->set_state(g.eng, &other, &g.e), -EINVAL);
	other = rig_get(&g);
	CHECK(memcmp(&s, &other, sizeof(s)) == 0);
	rig_close(&g);
}

static void kicks_keep_the_state_exact(void)
{
	check_kicks(NULL);
}

static const struct test_case cases[] = {
	{ "halt_ends_a_run_behind_it", halt_ends_a_run_behind_it },
	{ "limits_are_exact", limits_are_exact },
	{ "steps_add_up_to_a_run", steps_add_up_to_a_run },
	{ "set_of_get_changes_nothing", set_of_get_changes_nothing },
	{ "a_new_instance_takes_over_anywhere", a_new_instance_takes_over_anywhere },
	{ "refused_accesses_are_undone", refused_accesses_are_undone },
	{ "a_read_of_read_only_memory_works", a_read_of_read_only_memory_works },
	{ "a_refused_access_can_be_repaired", a_refused_access_can_be_repaired },
	{ "devices_see_each_access_once", devices_see_each_access_once },
	{ "bus_stop_ends_a_run_behind_the_access", bus_stop_ends_a_run_behind_the_access },
	{ "an_absent_device_is_a_fault", an_absent_device_is_a_fault },
	{ "exceptions_are_reported_at_their_instruction",
	  exceptions_are_reported_at_their_instruction },
	{ "a_foreign_state_is_refused", a_foreign_state_is_refused },
	{ "kicks_keep_the_state_exact", kicks_keep_the_state_exact },
};

int main(void)
{
	return pairs_main(cases, ARRAY_SIZE(cases));
}
