/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that ask much of an operating system: guests/sv39. */
#include "kernels.h"

#include "guest.h"

uint64_t sv39_self(void);
void sv39_yield(void);
uint64_t sv39_fork(void);
void sv39_unmap(void *start, uint64_t n_pages);

enum { PAGE = 4096, FEW_PAGES = 16, MANY_PAGES = 512 };

static uint64_t touch(volatile uint8_t *memory, size_t n_pages)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n_pages; i++) {
		memory[i * PAGE] = (uint8_t)(memory[i * PAGE] + i);
		sum += memory[i * PAGE];
	}
	return sum;
}

/* Half of them in small pieces, half in a large one. */
uint64_t kernel_faults(uint32_t n)
{
	uint64_t sum = 0;

	while (n-- > 0) {
		for (size_t i = 0; i < MANY_PAGES / FEW_PAGES; i++) {
			sum += touch(kernel_arena, FEW_PAGES);
			sv39_unmap(kernel_arena, FEW_PAGES);
		}
		sum += touch(kernel_arena, MANY_PAGES);
		sv39_unmap(kernel_arena, MANY_PAGES);
	}
	return sum;
}

uint64_t kernel_syscalls(uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n * 1000; i++) {
		sum += sv39_self();
	}
	return sum;
}

uint64_t kernel_switches(uint32_t n)
{
	uint64_t sum = 0;
	uint64_t child;

	touch(kernel_arena, FEW_PAGES);
	child = sv39_fork();
	for (uint32_t i = 0; i < n * 500; i++) {
		sum += touch(kernel_arena, FEW_PAGES);
		sv39_yield();
	}
	if (!child) {
		guest_exit(0);
	}
	return sum;
}
