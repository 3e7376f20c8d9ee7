/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The start, in C: one hart prepares everything, then lets the others in. */
#include "kernel.h"

extern uint8_t kernel_end[];

struct hart harts[HARTS_MAX];
unsigned int n_harts;

void kernel_main(uint64_t hart_id, uint64_t fdt_pa);

static void start_others(const struct machine *m, uint64_t own_id)
{
	n_harts = 1;
	for (unsigned int i = 0; i < m->n_harts; i++) {
		struct hart *h = &harts[n_harts];
		uint8_t *stack;

		if (m->hart_ids[i] == own_id) {
			continue;
		}
		stack = page_new();
		if (!stack) {
			panic("no memory for a hart");
		}
		h->id = m->hart_ids[i];
		h->stack_top = (uint64_t)stack + PAGE_BYTES;
		n_harts++;
		if (sbi_hart_start(h->id, pa_of((void *)(uintptr_t)hart_start), pa_of(h)) < 0) {
			panic("hart %lu does not start", h->id);
		}
	}
}

void kernel_main(uint64_t hart_id, uint64_t fdt_pa)
{
	struct machine m;

	__asm__ volatile("mv tp, %0" ::"r"(&harts[0]));
	harts[0].id = hart_id;
	kernel_lock();
	trap_init_hart();
	fdt_read(physical(fdt_pa), &m);
	console_init();
	console_init_hart(); /* keys are this hart's work */
	page_init(pa_of(kernel_end), m.ram_pa + m.ram_bytes);
	space_init();
	node_init();
	print("lamb: %u hart%s, %lu MiB of memory\n", m.n_harts, m.n_harts == 1 ? "" : "s",
	      m.ram_bytes >> 20);
	time_init(m.timer_hz);
	process_init();
	start_others(&m, hart_id);
	process_idle();
}

void hart_main(void)
{
	kernel_lock();
	trap_init_hart();
	space_enter(NULL);
	time_init(time_hz());
	process_idle();
}
