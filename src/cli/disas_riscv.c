/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RISC-V disassembly by libopcodes, loaded at run time; see disas_riscv.h. */
#include "cli/disas_riscv.h"

/* bfd.h wants to see that a package is being built. */
#define PACKAGE		"pinfold"
#define PACKAGE_VERSION PINFOLD_VERSION

#include <dis-asm.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "cli/disas.h"

/* struct disassemble_info is that of the header we were built with: only this version will do. */
#define LIBRARY(flavour) "libopcodes-" PINFOLD_OPCODES_VERSION "-" flavour ".so"

typedef void init_info_fn(struct disassemble_info *info, void *stream, fprintf_ftype print,
			  fprintf_styled_ftype print_styled);
typedef disassembler_ftype find_fn(enum bfd_architecture arch, bool is_big, unsigned long mach,
				   bfd *abfd);

typedef void free_info_fn(struct disassemble_info *info);

/* The loaded library; filled once. */
static struct {
	bool is_tried;
	disassembler_ftype print_insn;
	init_info_fn *init_info;
	free_info_fn *free_info;
	const char *name;
} lib;

/* Where the text goes; cut at its end. */
struct text {
	size_t len;
	char *buf;
};

static void load_once(void)
{
	static const char *const names[] = { LIBRARY("riscv64"), LIBRARY("multiarch") };
	find_fn *find;
	void *so = NULL;

	if (lib.is_tried) {
		return;
	}
	lib.is_tried = true;
	for (size_t i = 0; !so && i < ARRAY_SIZE(names); i++) {
		so = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
		lib.name = names[i];
	}
	if (!so) {
		return;
	}
	find = (find_fn *)dlsym(so, "disassembler");
	lib.init_info = (init_info_fn *)dlsym(so, "init_disassemble_info");
	lib.free_info = (free_info_fn *)dlsym(so, "disassemble_free_target");
	if (find && lib.init_info && lib.free_info) {
		lib.print_insn = find(bfd_arch_riscv, false, bfd_mach_riscv64, NULL);
	}
}

const char *disas_riscv_lack(void)
{
	load_once();
	return lib.print_insn
		       ? NULL
		       : "there is no " LIBRARY("riscv64") "; install "
							   "binutils-riscv64-linux-gnu of the "
							   "version that this program was "
							   "built with (" PINFOLD_OPCODES_VERSION
							   ")";
}

const char *disas_riscv_name(void)
{
	load_once();
	return lib.print_insn ? lib.name : "";
}

__attribute__((format(printf, 2, 0))) static int add(struct text *t, const char *fmt, va_list ap)
{
	size_t room = DISAS_TEXT_BYTES - t->len;
	int n = vsnprintf(t->buf + t->len, room, fmt, ap);

	if (n > 0) {
		t->len += (size_t)n < room ? (size_t)n : room - 1;
	}
	return n;
}

__attribute__((format(printf, 2, 3))) static int print_plain(void *stream, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = add(stream, fmt, ap);
	va_end(ap);
	return n;
}

__attribute__((format(printf, 3, 4))) static int print_styled(void *stream,
							      enum disassembler_style style,
							      const char *fmt, ...)
{
	va_list ap;
	int n;

	(void)style;
	va_start(ap, fmt);
	n = add(stream, fmt, ap);
	va_end(ap);
	return n;
}

/* The library puts a tab between mnemonic and operands. */
static void untab(char *s)
{
	for (; *s; s++) {
		*s = *s == '\t' ? ' ' : *s;
	}
}

size_t disas_riscv_one(uint64_t pc, const uint8_t *bytes, size_t n, char *ret)
{
	struct disassemble_info info;
	struct text text = { 0, ret };
	uint8_t copy[16];
	int used;

	load_once();
	if (!lib.print_insn || n > sizeof(copy)) {
		return 0;
	}
	memcpy(copy, bytes, n);
	lib.init_info(&info, &text, print_plain, print_styled);
	info.arch = bfd_arch_riscv;
	info.mach = bfd_mach_riscv64;
	info.endian = BFD_ENDIAN_LITTLE;
	info.endian_code = BFD_ENDIAN_LITTLE;
	info.buffer = copy;
	info.buffer_vma = pc;
	info.buffer_length = n;
	ret[0] = '\0';
	used = lib.print_insn(pc, &info);
	lib.free_info(&info);
	untab(ret);
	/* Bytes that are no instruction come out as ".2byte", ".4byte" or ".insn". */
	if (used <= 0 || (size_t)used > n || ret[0] == '.' || strncmp(ret, "0x", 2) == 0) {
		ret[0] = '\0';
		return 0;
	}
	return (size_t)used;
}
