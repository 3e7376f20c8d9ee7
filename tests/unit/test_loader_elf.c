/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF files of every class and byte order, and every way in which one can be wrong. */
#include <errno.h>

#include "elf_builder.h"
#include "machine/loader/image.h"
#include "test.h"

static struct elf_file f;

/* The sentence with which the file is refused. */
static const char *refusal(int want)
{
	static struct errmsg e;
	struct image_plan p;
	struct image_plan before;

	memset(&p, 0x5a, sizeof(p));
	before = p;
	e.text[0] = '\0';
	CHECK_INT(image_parse_elf(f.bytes, f.n, &p, &e), want);
	CHECK(memcmp(&p, &before, sizeof(p)) == 0);
	return e.text;
}

static struct image_plan accepted(void)
{
	struct image_plan p = { 0 };
	struct errmsg e = { 0 };

	CHECK_INT(image_parse_elf(f.bytes, f.n, &p, &e), 0);
	CHECK_STR(e.text, "");
	return p;
}

static void a_good_file_of_each_architecture(void)
{
	static const struct {
		bool is_64, is_be;
		uint16_t machine;
		enum cpu_arch_id arch;
	} t[] = {
		{ false, false, EM_386, CPU_ARCH_X86 },	   { true, false, EM_X86_64, CPU_ARCH_X64 },
		{ false, false, EM_ARM, CPU_ARCH_ARM },	   { false, true, EM_ARM, CPU_ARCH_ARM },
		{ true, false, EM_AARCH64, CPU_ARCH_A64 }, { true, false, EM_RISCV, CPU_ARCH_RV64 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct image_plan p;

		elf_start(&f, t[i].is_64, t[i].is_be, t[i].machine, 2);
		elf_load(&f, 0, 0x8000, 0x8000, 0x100, 0x200, 0x200);
		elf_load(&f, 1, 0xa000, 0xa000, 0x300, 0x10, 0x1000);
		ELF_PHDR(&f, 1, p_flags, PF_R | PF_W);
		ELF_EHDR(&f, e_entry, 0x8010);
		ELF_EHDR(&f, e_flags, t[i].is_be ? 0x05800000 : 0);
		p = accepted();
		CHECK_INT(p.kind, IMAGE_ELF);
		CHECK(p.has_arch);
		CHECK_INT(p.arch, t[i].arch);
		CHECK_INT(p.is_big_endian, t[i].is_be);
		CHECK(!p.is_thumb);
		CHECK(p.has_entry);
		CHECK_INT(p.entry, 0x8010);
		CHECK_INT(p.n_segs, 2);
		CHECK_INT(p.segs[0].gpa, 0x8000);
		CHECK_INT(p.segs[0].file_off, 0x100);
		CHECK_INT(p.segs[0].file_bytes, 0x200);
		CHECK_INT(p.segs[0].perm, MEM_R | MEM_X);
		CHECK_INT(p.segs[1].mem_bytes, 0x1000);
		CHECK_INT(p.segs[1].perm, MEM_R | MEM_W);
		CHECK(!p.has_tohost && !p.decoded);
	}
}

static void physical_addresses_count(void)
{
	struct image_plan p;

	elf_start(&f, true, false, EM_RISCV, 3);
	elf_load(&f, 0, 0xffffffff80001000, 0x80201000, 0x100, 0x100, 0x100);
	elf_load(&f, 1, 0xffffffff80000000, 0x80200000, 0, 0x100, 0x1000);
	elf_load(&f, 2, 0x10, 0x10, 0, 0, 0); /* nothing in it */
	ELF_EHDR(&f, e_entry, 0xffffffff80001004);
	elf_host_symbols(&f, 0xffffffff80000040, 0xffffffff80000ff8);
	p = accepted();
	CHECK_INT(p.n_segs, 2);
	CHECK_INT(p.segs[0].gpa, 0x80200000);
	CHECK_INT(p.segs[1].gpa, 0x80201000);
	CHECK_INT(p.entry, 0x80201004);
	CHECK(p.has_tohost && p.has_fromhost);
	CHECK_INT(p.tohost_gpa, 0x80200040);
	CHECK_INT(p.fromhost_gpa, 0x80200ff8);
	elf_host_symbols(&f, 0xffffffff80000ff9, 0);
	p = accepted();
	CHECK(!p.has_tohost && !p.has_fromhost); /* not wholly in a segment */
	ELF_EHDR(&f, e_entry, 0x80201004);
	p = accepted();
	CHECK(!p.has_entry);
}

static void damaged_symbols_are_ignored(void)
{
	elf_start(&f, true, false, EM_RISCV, 1);
	elf_load(&f, 0, 0x1000, 0x1000, 0, 0x100, 0x1000);
	elf_host_symbols(&f, 0x1000, 0x1008);
	CHECK(accepted().has_tohost);
	ELF_AT(&f, Shdr, ELF_SHDR_OFF, 2, sh_size, 7); /* "tohost" loses its NUL */
	CHECK(!accepted().has_tohost);
	ELF_AT(&f, Shdr, ELF_SHDR_OFF, 2, sh_size, UINT64_MAX);
	CHECK(!accepted().has_tohost);
	elf_host_symbols(&f, 0x1000, 0x1008);
	ELF_AT(&f, Sym, ELF_SYMTAB_OFF, 1, st_shndx, SHN_UNDEF);
	CHECK(!accepted().has_tohost);
	elf_host_symbols(&f, 0x1000, 0x1008);
	ELF_AT(&f, Shdr, ELF_SHDR_OFF, 1, sh_size, UINT64_MAX);
	CHECK(!accepted().has_tohost);
	elf_host_symbols(&f, 0x1000, 0x1008);
	/* Names in a good section that the header does not count. */
	ELF_AT(&f, Shdr, ELF_SHDR_OFF, 1, sh_link, 3);
	ELF_AT(&f, Shdr, ELF_SHDR_OFF, 3, sh_offset, ELF_STRTAB_OFF);
	ELF_AT(&f, Shdr, ELF_SHDR_OFF, 3, sh_size, 17);
	CHECK(!accepted().has_tohost);
	elf_host_symbols(&f, 0x1000, 0x1008);
	ELF_EHDR(&f, e_shoff, UINT64_MAX - 8);
	CHECK(!accepted().has_tohost);
}

static void thumb_entry(void)
{
	struct image_plan p;

	elf_start(&f, false, false, EM_ARM, 1);
	elf_load(&f, 0, 0x8000, 0x8000, 0, 0x100, 0x100);
	ELF_EHDR(&f, e_entry, 0x8021);
	p = accepted();
	CHECK(p.is_thumb);
	CHECK_INT(p.entry, 0x8020);
	elf_start(&f, false, false, EM_386, 1);
	elf_load(&f, 0, 0x8000, 0x8000, 0, 0x100, 0x100);
	ELF_EHDR(&f, e_entry, 0x8021);
	p = accepted();
	CHECK(!p.is_thumb);
	CHECK_INT(p.entry, 0x8021);
}

static void start_good(void)
{
	elf_start(&f, true, false, EM_RISCV, 2);
	elf_load(&f, 0, 0x1000, 0x1000, 0, 0x100, 0x100);
	elf_load(&f, 1, 0x2000, 0x2000, 0, 0x100, 0x100);
	ELF_EHDR(&f, e_entry, 0x1000);
}

static void wrong_headers(void)
{
	start_good();
	f.n = 8;
	CHECK_STR(refusal(-ENOEXEC), "this is not an ELF file");
	f.n = 63;
	CHECK_STR(refusal(-ENOEXEC), "the ELF file ends within its header");
	start_good();
	f.bytes[EI_DATA] = 3;
	CHECK_STR(refusal(-ENOEXEC), "the ELF file has an unknown class (2), byte order (3) or"
				     " version (1)");
	start_good();
	ELF_EHDR(&f, e_version, 2);
	CHECK_STR(refusal(-ENOEXEC), "the ELF file has an unknown version");
	start_good();
	ELF_EHDR(&f, e_machine, EM_PPC64);
	CHECK_STR(refusal(-ENOTSUP), "the ELF file is for machine 21; supported are x86, x64, ARM,"
				     " AArch64 and RISC-V");
	elf_start(&f, false, false, EM_RISCV, 1);
	CHECK_STR(refusal(-ENOTSUP), "ELF32 for RISC-V is not supported, only ELF64");
	elf_start(&f, false, false, EM_X86_64, 1);
	CHECK_STR(refusal(-ENOTSUP), "ELF32 for x64 is not supported, only ELF64");
	elf_start(&f, true, true, EM_AARCH64, 1);
	CHECK_STR(refusal(-ENOTSUP), "big-endian AArch64 is not supported");
	elf_start(&f, false, true, EM_ARM, 1);
	CHECK_STR(refusal(-ENOTSUP),
		  "the ELF file has big-endian instructions (BE32): link with --be8");
	start_good();
	ELF_EHDR(&f, e_type, ET_REL);
	CHECK_STR(refusal(-ENOTSUP),
		  "the ELF file is an object file: link it to an executable first");
	ELF_EHDR(&f, e_type, ET_CORE);
	CHECK_STR(refusal(-ENOTSUP), "the ELF file is no executable (type 4)");
	start_good();
	ELF_EHDR(&f, e_phnum, 0);
	CHECK_STR(refusal(-ENOEXEC), "the ELF file has no program headers");
	ELF_EHDR(&f, e_phnum, PN_XNUM);
	CHECK_STR(refusal(-ENOEXEC), "the ELF file has too many program headers");
	start_good();
	ELF_EHDR(&f, e_phoff, UINT64_MAX - 20);
	CHECK_STR(refusal(-ENOEXEC), "the program headers of the ELF file lie beyond its end");
	ELF_EHDR(&f, e_phoff, 2048 - 111);
	CHECK_STR(refusal(-ENOEXEC), "the program headers of the ELF file lie beyond its end");
}

static void wrong_segments(void)
{
	start_good();
	ELF_PHDR(&f, 1, p_type, PT_INTERP);
	CHECK_STR(refusal(-ENOTSUP), "the ELF file is dynamically linked: link with -static");
	start_good();
	elf_load(&f, 1, 0x2000, 0x2000, 0, 0x101, 0x100);
	CHECK_STR(refusal(-ENOEXEC), "the segment at 0x2000 has more bytes in the file (0x101) than"
				     " in memory (0x100)");
	elf_load(&f, 1, 0x2000, 0x2000, 2000, 49, 0x100);
	CHECK_STR(refusal(-ENOEXEC),
		  "the segment at 0x2000 (0x31 bytes) lies beyond the end of the file");
	elf_load(&f, 1, 0x2000, 0x2000, UINT64_MAX, 2, 0x100);
	CHECK_STR(refusal(-ENOEXEC),
		  "the segment at 0x2000 (0x2 bytes) lies beyond the end of the file");
	elf_load(&f, 1, 0x2000, UINT64_MAX, 0, 1, 2);
	CHECK_STR(refusal(-ENOEXEC),
		  "the segment at 0xffffffffffffffff of 0x2 bytes wraps around the"
		  " address space");
	elf_load(&f, 1, UINT64_MAX, 0x2000, 0, 1, 2);
	CHECK(strstr(refusal(-ENOEXEC), "wraps around"));
	elf_load(&f, 1, 0x2000, 0x10ff, 0, 1, 2);
	CHECK_STR(refusal(-ENOEXEC), "the segments at 0x1000 and 0x10ff overlap");
	elf_load(&f, 1, 0x2000, 0x900, 0, 1, 0x1000);
	CHECK_STR(refusal(-ENOEXEC), "the segments at 0x1000 and 0x900 overlap");
	elf_load(&f, 1, 0x2000, 0x1100, 0, 1, 1);
	accepted();
	elf_load(&f, 0, 0, 0, 0, 0, 0);
	elf_load(&f, 1, 0, 0, 0, 0, 0);
	CHECK_STR(refusal(-ENOEXEC), "the ELF file has nothing to load");
	elf_start(&f, false, false, EM_386, 1);
	elf_load(&f, 0, 0xfffff000, 0xfffff000, 0, 0x100, 0x1001);
	CHECK(strstr(refusal(-ENOEXEC), "wraps around"));
	elf_load(&f, 0, 0xfffff000, 0xfffff000, 0, 0x100, 0x1000);
	accepted();
}

/* Linkers give a segment of zeros any offset. Found while reading the fuzzer's inputs. */
static void zeros_need_no_place_in_the_file(void)
{
	struct image_plan p;

	start_good();
	elf_load(&f, 1, 0x2000, 0x2000, 0x100000, 0, 0x100);
	p = accepted();
	CHECK_INT(p.n_segs, 2);
	CHECK_INT(p.segs[1].file_off, 0);
	CHECK_INT(p.segs[1].file_bytes, 0);
	CHECK_INT(p.segs[1].mem_bytes, 0x100);
}

static void too_many_segments(void)
{
	elf_start(&f, true, false, EM_X86_64, 65);
	f.n = sizeof(f.bytes);
	for (size_t i = 0; i < 65; i++) {
		elf_load(&f, i, i * 16, i * 16, 0, 16, 16);
	}
	CHECK_STR(refusal(-ENOEXEC), "the image has more than 64 segments");
	ELF_EHDR(&f, e_phnum, 64);
	CHECK_INT(accepted().n_segs, 64);
}

static void position_independent(void)
{
	static const char needs[] = "the ELF file is position-independent and needs relocations:"
				    " link with -static -no-pie";

	elf_start(&f, true, false, EM_AARCH64, 2);
	elf_load(&f, 0, 0, 0, 0, 2048, 2048);
	ELF_EHDR(&f, e_type, ET_DYN);
	accepted(); /* no relocations at all */
	elf_relocate(&f, 1, true, R_AARCH64_RELATIVE, 0x1234);
	CHECK_STR(refusal(-ENOTSUP), needs);
	elf_put(&f, 0x340, 8, 0x1234); /* the linker has already stored the result */
	accepted();
	elf_relocate(&f, 1, true, R_AARCH64_ABS64, 0x1234);
	CHECK_STR(refusal(-ENOTSUP), needs);
	elf_relocate(&f, 1, true, R_AARCH64_RELATIVE, 0x1234);
	ELF_AT(&f, Rela, 0x380, 0, r_offset, 0x10000); /* place not in a segment */
	CHECK_STR(refusal(-ENOTSUP), needs);
	elf_relocate(&f, 1, true, R_AARCH64_RELATIVE, 0x1234);
	ELF_AT(&f, Dyn, 0x300, 0, d_un, 0x10000); /* table not in a segment */
	CHECK_STR(refusal(-ENOTSUP), needs);
	elf_relocate(&f, 1, true, R_AARCH64_RELATIVE, 0x1234);
	ELF_AT(&f, Dyn, 0x300, 2, d_tag, DT_PLTRELSZ);
	ELF_AT(&f, Dyn, 0x300, 2, d_un, 24);
	CHECK_STR(refusal(-ENOTSUP), needs);
	elf_start(&f, false, false, EM_ARM, 2);
	elf_load(&f, 0, 0, 0, 0, 2048, 2048);
	elf_relocate(&f, 1, false, R_ARM_RELATIVE, 0);
	accepted(); /* without addends the place holds the result */
	elf_relocate(&f, 1, false, R_ARM_ABS32, 0);
	CHECK_STR(refusal(-ENOTSUP), needs);
}

static const struct test_case cases[] = {
	{ "a good file of each architecture", a_good_file_of_each_architecture },
	{ "physical addresses count", physical_addresses_count },
	{ "damaged symbols are ignored", damaged_symbols_are_ignored },
	{ "Thumb entry", thumb_entry },
	{ "wrong headers", wrong_headers },
	{ "wrong segments", wrong_segments },
	{ "zeros need no place in the file", zeros_need_no_place_in_the_file },
	{ "too many segments", too_many_segments },
	{ "position-independent", position_independent },
};

TEST_MAIN(cases)
