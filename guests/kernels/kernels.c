/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads "NAME COUNT\n" from the console, runs that kernel, prints "NAME COUNT SUM\nok\n". The kernel "none" does nothing:
 * what its run costs is start and end, to be taken off the others'.
 */
#include "kernels.h"

#include "guest.h"

uint8_t kernel_arena[KERNEL_ARENA_BYTES] __attribute__((aligned(4096), section(".noinit")));

static uint64_t kernel_none(uint32_t n)
{
	return n;
}

static const struct {
	const char *name;
	kernel_fn *run;
} kernels[] = {
	{ "none", kernel_none },
	{ "core", kernel_core },
	{ "sieve", kernel_sieve },
	{ "list64k", kernel_list64k },
	{ "list32m", kernel_list32m },
	{ "nbody", kernel_nbody },
	{ "sha256", kernel_sha256 },
	{ "fib", kernel_fib },
	{ "wcopy", kernel_wcopy },
	{ "icall", kernel_icall },
	{ "qsort", kernel_qsort },
	{ "interp", kernel_interp },
	{ "lz", kernel_lz },
	{ "text", kernel_text },
	{ "hash", kernel_hash },
	{ "matrix", kernel_matrix },
	{ "mandel", kernel_mandel },
#ifdef KERNELS_SYSTEM
	{ "faults", kernel_faults },
	{ "syscalls", kernel_syscalls },
	{ "switches", kernel_switches },
#endif
};

/* A word up to a blank or the end of the line. @return whether it fits */
static int read_word(char *to, size_t size)
{
	size_t n = 0;

	for (;;) {
		int c = guest_getc();

		if (c <= ' ') {
			to[n] = '\0';
			return n > 0;
		}
		if (n + 1 < size) {
			to[n++] = (char)c;
		}
	}
}

static int is_same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

int main(void)
{
	char name[16] = "";
	char count[16] = "";
	uint32_t n = 0;

	if (!read_word(name, sizeof(name)) || !read_word(count, sizeof(count))) {
		return 2;
	}
	for (const char *c = count; *c; c++) {
		n = n * 10 + (uint32_t)(*c - '0');
	}
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		if (is_same(name, kernels[i].name)) {
			guest_puts(name);
			guest_putc(' ');
			guest_puts(count);
			guest_putc(' ');
			guest_puthex(kernels[i].run(n), 16);
			guest_puts("\nok\n");
			return 0;
		}
	}
	guest_puts("no such kernel\n");
	return 3;
}
