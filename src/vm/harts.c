/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPUs of a VM. They share one vCPU thread and take turns by a number of instructions and traps, so a VM with several
 * CPUs is as repeatable as one with one, and device models need no locks.
 *
 * A CPU's reservation (load-reserved) lasts while it has its turn and no device stores: so does a loop that is stepped through.
 *
 *   pick:  the current one until its turn is over -> the next that is online and has something to do -> none: blocked
 */
#include <errno.h>

#include "base/bug.h"
#include "host/fd.h"
#include "vm/vm_internal.h"

/* Instructions and traps of a turn while others want one too: some 50 us. Spinning on a lock that another holds costs that much. */
#define TURN_INSNS 50000u

int harts_make(struct vm *vm, const struct engine_ops *ops, const struct engine_config *cfg,
	       struct errmsg *e)
{
	int r = 0;

	vm->n_harts = vm->cfg.n_cpus;
	for (uint32_t i = 0; r == 0 && i < vm->n_harts; i++) {
		struct engine_config c = *cfg;
		struct vm_hart *h = &vm->harts[i];

		c.cpu_idx = i;
		r = ops->create(&c, &h->eng, e);
	}
	vm->eng = vm->harts[0].eng;
	return r < 0 ? r : harts_map_memory(vm, e);
}

void harts_free(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->n_harts; i++) {
		if (vm->harts[i].eng) {
			vm->harts[i].eng->ops->destroy(vm->harts[i].eng);
		}
	}
}

int harts_map_memory(struct vm *vm, struct errmsg *e)
{
	int r = 0;

	for (uint32_t k = 0; k < vm->n_harts; k++) {
		struct engine *eng = vm->harts[k].eng;

		for (size_t i = 0; r == 0 && i < mem_region_count(vm->memory.map); i++) {
			r = eng->ops->map(eng, mem_region_at(vm->memory.map, i), e);
		}
	}
	return r;
}

int harts_save_code(struct vm *vm, int fd, struct errmsg *e)
{
	struct engine *eng = vm->harts[0].eng;

	if (!(eng->caps & ENGINE_CAP_STORED_CODE)) {
		return errmsg_set(e, -ENOTSUP, "engine %s has no translations to keep",
				  eng->ops->name);
	}
	return eng->ops->save_code(eng, fd, e);
}

int harts_load_code(struct vm *vm, int fd)
{
	uint64_t bytes;
	int r = host_fd_check_sealed(fd, &bytes);

	for (uint32_t i = 0; r == 0 && i < vm->n_harts; i++) {
		struct engine *eng = vm->harts[i].eng;

		r = eng->caps & ENGINE_CAP_STORED_CODE ? eng->ops->load_code(eng, fd, NULL)
						       : -ENOTSUP;
	}
	return r;
}

int harts_unmap_memory(struct vm *vm, struct errmsg *e)
{
	int r = 0;

	for (uint32_t k = 0; k < vm->n_harts; k++) {
		struct engine *eng = vm->harts[k].eng;

		for (size_t i = 0; r == 0 && i < mem_region_count(vm->memory.map); i++) {
			r = eng->ops->unmap(eng, mem_region_at(vm->memory.map, i), e);
		}
	}
	return r;
}

struct engine_code harts_count_code(const struct vm *vm)
{
	struct engine_code sum = { 0 };

	for (uint32_t i = 0; i < vm->n_harts; i++) {
		const struct engine *eng = vm->harts[i].eng;
		struct engine_code c = { 0 };

		if (eng->caps & ENGINE_CAP_STORED_CODE) {
			eng->ops->count_code(eng, &c);
		}
		sum.made += c.made;
		sum.loaded += c.loaded;
	}
	return sum;
}

int harts_setup(struct vm *vm, const struct cpu_state *first, struct errmsg *e)
{
	struct cpu_state cs = *first;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < vm->n_harts; i++) {
		struct vm_hart *h = &vm->harts[i];

		h->is_online = i == 0 || machine_setup_other(vm->machine, i, first, &cs);
		h->is_waiting = false;
		r = h->eng->ops->set_state(h->eng, &cs, e);
	}
	vm->cur_hart = 0;
	vm->hart_left = 0;
	vm->eng = vm->harts[0].eng;
	return r;
}

static bool can_run(struct vm_hart *h)
{
	if (h->is_waiting && h->eng->ops->wakes(h->eng)) {
		h->is_waiting = false;
	}
	return h->is_online && !h->is_waiting;
}

bool harts_can_run(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->n_harts; i++) {
		if (can_run(&vm->harts[i])) {
			return true;
		}
	}
	return false;
}

/* Others run or store from now on. */
static void drop_reservation(const struct vm_hart *h)
{
	if (h->eng->ops->drop_reservation) {
		h->eng->ops->drop_reservation(h->eng);
	}
}

/* Only the current one can have a reservation: it ends with a turn. */
static void harts_drop_reservation(struct vm *vm)
{
	drop_reservation(&vm->harts[vm->cur_hart]);
}

void harts_poll_machine(struct vm *vm)
{
	machine_poll(vm->machine);
	harts_drop_reservation(vm);
	devices_note_stopped(vm);
}

void harts_memory_changed(struct vm *vm, gpa_t gpa, uint64_t bytes)
{
	for (uint32_t i = 0; i < vm->n_harts; i++) {
		struct engine *eng = vm->harts[i].eng;

		if (eng->ops->code_changed) {
			eng->ops->code_changed(eng, gpa, bytes);
		}
	}
	harts_drop_reservation(vm);
}

bool harts_pick(struct vm *vm)
{
	struct vm_hart *now = &vm->harts[vm->cur_hart];
	uint32_t first = vm->hart_left ? vm->cur_hart : vm->cur_hart + 1;

	for (uint32_t i = 0; i < vm->n_harts; i++) {
		uint32_t idx = (first + i) % vm->n_harts;

		if (!can_run(&vm->harts[idx])) {
			continue;
		}
		if (idx != vm->cur_hart) {
			drop_reservation(now);
		}
		if (idx != vm->cur_hart || !vm->hart_left) {
			vm->cur_hart = idx;
			vm->hart_left = TURN_INSNS;
		}
		vm->eng = vm->harts[idx].eng;
		return true;
	}
	vm->eng = now->eng;
	return false;
}

uint64_t harts_turn_insns(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->n_harts; i++) {
		if (i != vm->cur_hart && can_run(&vm->harts[i])) {
			return vm->hart_left;
		}
	}
	return 0;
}

void harts_charge(struct vm *vm, uint64_t n)
{
	vm->hart_left -= n < vm->hart_left ? n : vm->hart_left;
}

ns_t harts_due_ns(struct vm *vm)
{
	ns_t due = machine_due_ns(vm->machine);

	for (uint32_t i = 0; i < vm->n_harts; i++) {
		const struct vm_hart *h = &vm->harts[i];
		uint64_t ticks = h->is_online ? h->eng->ops->timer_due(h->eng) : UINT64_MAX;
		ns_t t;

		/* One that is due already shows in wakes(), or is masked: there is nothing to wait for. */
		if (ticks > machine_ticks(vm->machine)) {
			t = machine_tick_time_ns(vm->machine, ticks);
			due = t < due ? t : due;
		}
	}
	return due == UINT64_MAX ? UINT64_MAX : due + vm->made_at_ns;
}

/* What boards do with CPUs. */

static void set_lines(void *opaque, uint32_t idx, uint64_t mask, uint64_t level)
{
	struct vm *vm = opaque;
	struct engine *eng = vm->harts[idx].eng;

	if (eng) { /* devices settle their lines before there is a CPU */
		eng->ops->set_lines(eng, mask, level);
	}
}

static int get_state(void *opaque, uint32_t idx, struct cpu_state *ret)
{
	struct vm *vm = opaque;

	return vm->harts[idx].eng->ops->get_state(vm->harts[idx].eng, ret, NULL);
}

static int set_state(void *opaque, uint32_t idx, const struct cpu_state *s)
{
	struct vm *vm = opaque;

	return vm->harts[idx].eng->ops->set_state(vm->harts[idx].eng, s, NULL);
}

static void set_online(void *opaque, uint32_t idx, bool is_online)
{
	struct vm *vm = opaque;

	vm->harts[idx].is_online = is_online;
	vm->harts[idx].is_waiting = false;
}

static bool is_online(void *opaque, uint32_t idx)
{
	struct vm *vm = opaque;

	return vm->harts[idx].is_online;
}

static void wait(void *opaque, uint32_t idx)
{
	struct vm *vm = opaque;

	vm->harts[idx].is_waiting = true;
}

static void flush_translations(void *opaque, uint32_t idx)
{
	struct vm *vm = opaque;

	vm->harts[idx].eng->ops->flush_translations(vm->harts[idx].eng);
}

static void flush_code(void *opaque, uint32_t idx)
{
	struct vm *vm = opaque;

	vm->harts[idx].eng->ops->code_changed(vm->harts[idx].eng, 0, 0);
}

struct machine_cpus harts_cpus(struct vm *vm)
{
	return (struct machine_cpus){
		.opaque = vm,
		.set_lines = set_lines,
		.get_state = get_state,
		.set_state = set_state,
		.set_online = set_online,
		.is_online = is_online,
		.wait = wait,
		.flush_translations = flush_translations,
		.flush_code = flush_code,
	};
}

#define STATE_HEAD   8u
#define FLAG_ONLINE  BIT(0)
#define FLAG_WAITING BIT(1)

size_t harts_state_bytes(const struct vm *vm)
{
	return vm->is_system ? STATE_HEAD + vm->n_harts * (1 + vm->arch->state_bytes) : 0;
}

int harts_state_save(struct vm *vm, uint8_t *to, struct errmsg *e)
{
	if (!vm->is_system) {
		return 0;
	}
	store_le(to, vm->n_harts, 4);
	store_le(to + 4, vm->cur_hart, 4);
	to += STATE_HEAD;
	for (uint32_t i = 0; i < vm->n_harts; i++) {
		struct vm_hart *h = &vm->harts[i];
		struct cpu_state cs = { 0 };
		int r = h->eng->ops->get_state(h->eng, &cs, e);

		if (r < 0) {
			return r;
		}
		*to++ = (uint8_t)((h->is_online ? FLAG_ONLINE : 0) |
				  (h->is_waiting ? FLAG_WAITING : 0));
		memcpy(to, cs.bytes, vm->arch->state_bytes);
		to += vm->arch->state_bytes;
	}
	return 0;
}

int harts_state_load(struct vm *vm, const uint8_t *from, struct errmsg *e)
{
	uint64_t cur;
	int r = 0;

	if (!vm->is_system) {
		return 0;
	}
	cur = load_le(from + 4, 4);
	if (load_le(from, 4) != vm->n_harts || cur >= vm->n_harts) {
		return errmsg_set(e, -EINVAL,
				  "the context is of a VM with %u CPUs, this one has %u; use --smp",
				  (unsigned int)load_le(from, 4), vm->n_harts);
	}
	from += STATE_HEAD;
	for (uint32_t i = 0; r == 0 && i < vm->n_harts; i++) {
		struct vm_hart *h = &vm->harts[i];
		struct cpu_state cs = { .arch = vm->arch->id };
		uint8_t flags = *from++;

		memcpy(cs.bytes, from, vm->arch->state_bytes);
		from += vm->arch->state_bytes;
		r = h->eng->ops->set_state(h->eng, &cs, e);
		h->is_online = flags & FLAG_ONLINE;
		h->is_waiting = flags & FLAG_WAITING;
	}
	vm->cur_hart = (uint32_t)cur;
	vm->hart_left = 0;
	vm->eng = vm->harts[cur].eng;
	return r;
}
