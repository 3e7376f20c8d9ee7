/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Port and device accesses.
 *
 * An access that ends the run (BUS_STOP) has to leave the program counter behind its instruction,
 * but the library can only go back to before the instruction or on to the end of the block. So we
 * go back, and then execute that one instruction again. The accesses that it has already made are
 * answered from the log, so that each reaches its device exactly once.
 */
#include <errno.h>

#include "engine/unicorn/unicorn_priv.h"

static struct unicorn_access *log_entry(struct unicorn_engine *u, size_t idx)
{
	return &u->log[idx % UNICORN_LOG_ACCESSES];
}

static bool is_same_access(const struct unicorn_access *l, const struct bus_access *a, bool is_port)
{
	return l->is_port == is_port && l->a.addr == a->addr && l->a.bytes == a->bytes &&
	       l->a.is_write == a->is_write && (!a->is_write || l->a.value == a->value);
}

/*
 * The access that stopped is the last one logged. The instruction's first access is that one or,
 * if it makes several, the nearest before it that looks like what the replay asks for first.
 */
void unicorn_bus_replay(struct unicorn_engine *u)
{
	u->is_replaying = true;
	u->replay_end = u->n_logged;
	u->replay_at = u->n_logged; /* not yet known */
}

/* @return whether the log had the answer */
static bool from_log(struct unicorn_engine *u, struct bus_access *a, bool is_port)
{
	size_t end = u->replay_end;
	size_t oldest = end > UNICORN_LOG_ACCESSES ? end - UNICORN_LOG_ACCESSES : 0;
	size_t at = u->replay_at;

	if (at == end) { /* the first access of the replay, or all are used up */
		if (!u->is_replaying || end == 0) {
			return false;
		}
		for (at = end; at-- > oldest;) {
			if (is_same_access(log_entry(u, at), a, is_port)) {
				break;
			}
			if (at == oldest) {
				return false;
			}
		}
	}
	a->value = log_entry(u, at)->a.value;
	u->replay_at = at + 1;
	if (u->replay_at == end) {
		u->is_replaying = false;
	}
	return true;
}

static void remember(struct unicorn_engine *u, const struct bus_access *a, bool is_port)
{
	*log_entry(u, u->n_logged) = (struct unicorn_access){ .a = *a, .is_port = is_port };
	u->n_logged++;
}

uint64_t unicorn_bus_port(struct unicorn_engine *u, uint32_t port, unsigned int bytes,
			  bool is_write, uint64_t value)
{
	struct bus_access a = {
		.addr = port,
		.value = value,
		.count = 1,
		.bytes = (uint8_t)bytes,
		.is_write = is_write,
	};
	enum bus_result res;

	if (u->is_replaying && from_log(u, &a, true)) {
		return a.value;
	}
	res = u->bus->port(u->bus->opaque, &a);
	if (res == BUS_UNMAPPED && !is_write) {
		a.value = low_bytes(UINT64_MAX, bytes);
	}
	remember(u, &a, true);
	if (res == BUS_STOP) {
		unicorn_abandon(u, UNICORN_STOP_BUS);
	}
	return a.value;
}

static void refuse(struct unicorn_engine *u, const struct bus_access *a)
{
	if (u->stop == UNICORN_STOP_NONE) {
		u->fault = (struct cpu_fault){
			.kind = CPU_FAULT_UNMAPPED,
			.address = a->addr,
			.has_address = true,
			.access = a->is_write ? MEM_W : MEM_R,
		};
	}
	unicorn_abandon(u, UNICORN_STOP_FAULT);
}

static uint64_t mmio(struct unicorn_engine *u, struct bus_access *a)
{
	enum bus_result res;

	if (u->is_replaying && from_log(u, a, false)) {
		return a->value;
	}
	res = u->bus->mmio(u->bus->opaque, a);
	if (res == BUS_UNMAPPED) {
		refuse(u, a);
		return 0;
	}
	remember(u, a, false);
	if (res == BUS_STOP) {
		unicorn_abandon(u, UNICORN_STOP_BUS);
	}
	return a->value;
}

static uint64_t on_read(uc_engine *uc, uint64_t offset, unsigned int size, void *opaque)
{
	__typeof__(((struct unicorn_engine *)0)->mmio[0]) *m = opaque;
	struct bus_access a = { .addr = m->base_gpa + offset, .count = 1, .bytes = (uint8_t)size };

	(void)uc;
	return mmio(m->u, &a);
}

static void on_write(uc_engine *uc, uint64_t offset, unsigned int size, uint64_t value,
		     void *opaque)
{
	__typeof__(((struct unicorn_engine *)0)->mmio[0]) *m = opaque;
	struct bus_access a = {
		.addr = m->base_gpa + offset,
		.value = low_bytes(value, size),
		.count = 1,
		.bytes = (uint8_t)size,
		.is_write = true,
	};

	(void)uc;
	mmio(m->u, &a);
}

/* Ranges may share a page, the library maps whole ones: the bus knows what is really there. */
int unicorn_bus_map(struct unicorn_engine *u, const struct engine_mmio_range *ranges, size_t n,
		    struct errmsg *e)
{
	gpa_t mapped_to = 0;

	if (n > UNICORN_MMIO_MAX) {
		return errmsg_set(e, -ENOSPC, "more than %d device ranges", UNICORN_MMIO_MAX);
	}
	for (size_t i = 0; i < n; i++) {
		gpa_t from = align_down(ranges[i].base_gpa, PAGE_BYTES);
		uint64_t to;
		uc_err err;

		if (!align_up_checked(ranges[i].base_gpa + ranges[i].size_bytes, PAGE_BYTES, &to)) {
			return errmsg_set(e, -EINVAL, "a device range wraps around");
		}
		from = from < mapped_to ? mapped_to : from;
		if (from >= to) {
			continue;
		}
		u->mmio[i].u = u;
		u->mmio[i].base_gpa = from;
		err = u->lib->uc_mmio_map(u->uc, from, to - from, on_read, &u->mmio[i], on_write,
					  &u->mmio[i]);
		if (err != UC_ERR_OK) {
			return errmsg_set(e, -EINVAL, "libunicorn can't map a device at 0x%llx: %s",
					  (unsigned long long)from, u->lib->uc_strerror(err));
		}
		mapped_to = to;
	}
	return 0;
}
