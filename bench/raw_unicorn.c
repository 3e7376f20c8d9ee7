/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest of board `bare` on libunicorn, called directly: one uc_open(), one uc_emu_start(), the
 * UART and the exit devices as callbacks, nothing else. What engine "unicorn" is compared with.
 *
 * Usage: raw_unicorn VARIANT ELF    prints the guest's output and "cpu_ms N"
 *
 * The image is one of guests/: trusted, so checks are few.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unicorn/unicorn.h>

#include "base/bits.h"
#include "base/cleanup.h"

#define RAM_BYTES  (128u << 20)
#define PL011_GPA  0x09000000u
#define UART_GPA   0x10000000u
#define FINISH_GPA 0x00100000u
#define COM1_PORT  0x3f8u
#define IMAGE_MAX  (1u << 20)

struct machine {
	const char *name;
	uc_arch arch;
	int mode;
	int cpu_model; /* or -1 */
	uint64_t ram_gpa;
	int sp;
	uint64_t uart_gpa; /* 0: a port */
	int is_64;
};

static const struct machine machines[] = {
	{ "x86", UC_ARCH_X86, UC_MODE_32, -1, 0, UC_X86_REG_ESP, 0, 0 },
	{ "x64", UC_ARCH_X86, UC_MODE_64, -1, 0, UC_X86_REG_RSP, 0, 1 },
	{ "arm", UC_ARCH_ARM, UC_MODE_ARM, UC_CPU_ARM_CORTEX_A15, 0x40000000, UC_ARM_REG_SP,
	  PL011_GPA, 0 },
	{ "thumb", UC_ARCH_ARM, UC_MODE_ARM, UC_CPU_ARM_CORTEX_A15, 0x40000000, UC_ARM_REG_SP,
	  PL011_GPA, 0 },
	{ "armeb", UC_ARCH_ARM, UC_MODE_ARM, UC_CPU_ARM_CORTEX_A15, 0x40000000, UC_ARM_REG_SP,
	  PL011_GPA, 0 },
	{ "arm64", UC_ARCH_ARM64, UC_MODE_ARM, UC_CPU_ARM64_MAX, 0x40000000, UC_ARM64_REG_SP,
	  PL011_GPA, 1 },
	{ "riscv64", UC_ARCH_RISCV, UC_MODE_RISCV64, -1, 0x80000000, UC_RISCV_REG_SP, UART_GPA, 1 },
};

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "raw_unicorn: %s\n", what);
	exit(EXIT_FAILURE);
}

static void must(uc_err err)
{
	if (err != UC_ERR_OK) {
		die(uc_strerror(err));
	}
}

static void on_port_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *opaque)
{
	(void)size;
	(void)opaque;
	if (port == COM1_PORT) {
		putchar((int)value);
	} else {
		uc_emu_stop(uc);
	}
}

static uint32_t on_port_in(uc_engine *uc, uint32_t port, int size, void *opaque)
{
	(void)uc;
	(void)port;
	(void)size;
	(void)opaque;
	return UINT32_MAX;
}

static void on_uart_write(uc_engine *uc, uint64_t offset, unsigned int size, uint64_t value,
			  void *opaque)
{
	(void)uc;
	(void)size;
	(void)opaque;
	if (offset == 0) {
		putchar((int)value);
	}
}

static uint64_t on_device_read(uc_engine *uc, uint64_t offset, unsigned int size, void *opaque)
{
	(void)uc;
	(void)offset;
	(void)size;
	(void)opaque;
	return 0;
}

static void on_finish_write(uc_engine *uc, uint64_t offset, unsigned int size, uint64_t value,
			    void *opaque)
{
	(void)offset;
	(void)size;
	(void)value;
	(void)opaque;
	uc_emu_stop(uc);
}

/* Semihosting, whose only call here is the exit; or a fault. Either is the end. */
static void on_exception(uc_engine *uc, uint32_t number, void *opaque)
{
	(void)number;
	(void)opaque;
	uc_emu_stop(uc);
}

static void add_devices(uc_engine *uc, const struct machine *m)
{
	uc_hook hook;

	if (m->arch == UC_ARCH_X86) {
		must(uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_port_out, NULL, (uint64_t)1,
				 (uint64_t)0, UC_X86_INS_OUT));
		must(uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_port_in, NULL, (uint64_t)1,
				 (uint64_t)0, UC_X86_INS_IN));
		return;
	}
	must(uc_mmio_map(uc, m->uart_gpa, 4096, on_device_read, NULL, on_uart_write, NULL));
	if (m->arch == UC_ARCH_RISCV) {
		must(uc_mmio_map(uc, FINISH_GPA, 4096, on_device_read, NULL, on_finish_write,
				 NULL));
	}
	must(uc_hook_add(uc, &hook, UC_HOOK_INTR, (void *)on_exception, NULL, (uint64_t)1,
			 (uint64_t)0));
}

/* @return the entry point */
static uint64_t load_32(uc_engine *uc, const uint8_t *file, int is_swapped)
{
	Elf32_Ehdr h;
	Elf32_Phdr p;

	memcpy(&h, file, sizeof(h));
	if (is_swapped) {
		h.e_phoff = __builtin_bswap32(h.e_phoff);
		h.e_phnum = __builtin_bswap16(h.e_phnum);
		h.e_entry = __builtin_bswap32(h.e_entry);
	}
	for (unsigned int i = 0; i < h.e_phnum; i++) {
		memcpy(&p, file + h.e_phoff + i * sizeof(p), sizeof(p));
		if (is_swapped) {
			p.p_type = __builtin_bswap32(p.p_type);
			p.p_offset = __builtin_bswap32(p.p_offset);
			p.p_paddr = __builtin_bswap32(p.p_paddr);
			p.p_filesz = __builtin_bswap32(p.p_filesz);
		}
		if (p.p_type == PT_LOAD && p.p_filesz) {
			must(uc_mem_write(uc, p.p_paddr, file + p.p_offset, p.p_filesz));
		}
	}
	return h.e_entry;
}

static uint64_t load_64(uc_engine *uc, const uint8_t *file)
{
	Elf64_Ehdr h;
	Elf64_Phdr p;

	memcpy(&h, file, sizeof(h));
	for (unsigned int i = 0; i < h.e_phnum; i++) {
		memcpy(&p, file + h.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD && p.p_filesz) {
			must(uc_mem_write(uc, p.p_paddr, file + p.p_offset, p.p_filesz));
		}
	}
	return h.e_entry;
}

static uint64_t load(uc_engine *uc, const struct machine *m, const char *path)
{
	static uint8_t file[IMAGE_MAX];
	_cleanup_fclose_ FILE *f = fopen(path, "rb");

	if (!f || fread(file, 1, sizeof(file), f) < sizeof(Elf64_Ehdr)) {
		die("the image can't be read");
	}
	return m->is_64 ? load_64(uc, file) : load_32(uc, file, file[EI_DATA] == ELFDATA2MSB);
}

static const struct machine *find_machine(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		if (strcmp(machines[i].name, name) == 0) {
			return &machines[i];
		}
	}
	die("no such variant");
}

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	const struct machine *m;
	uc_engine *uc;
	uint64_t sp;
	uint64_t entry;
	double before_ms;
	uc_err err;

	if (argc != 3) {
		die("usage: raw_unicorn VARIANT ELF");
	}
	m = find_machine(argv[1]);
	must(uc_open(m->arch, (uc_mode)m->mode, &uc));
	if (m->cpu_model >= 0) {
		must(uc_ctl_set_cpu_model(uc, m->cpu_model));
	}
	add_devices(uc, m);
	/* x86's RAM lies over nothing else; RISC-V's finisher is below it. */
	must(uc_mem_map(uc, m->ram_gpa, RAM_BYTES, UC_PROT_ALL));
	sp = m->ram_gpa + RAM_BYTES - 16;
	must(uc_reg_write(uc, m->sp, &sp));
	entry = load(uc, m, argv[2]);

	before_ms = cpu_ms();
	err = uc_emu_start(uc, entry, 0, 0, 0);
	before_ms = cpu_ms() - before_ms;
	must(err);
	printf("cpu_ms %.3f\n", before_ms);
	return EXIT_SUCCESS;
}
