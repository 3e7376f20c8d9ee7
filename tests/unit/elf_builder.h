/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small ELF files made in memory: for loader tests and as seeds of the fuzzer. */
#ifndef PINFOLD_TESTS_UNIT_ELF_BUILDER_H
#define PINFOLD_TESTS_UNIT_ELF_BUILDER_H

#include <elf.h>

#include "base/bits.h"

/** A file being made. Fields go through elf_put(), so every class and byte order works. */
struct elf_file {
	uint8_t bytes[4096];
	size_t n;
	bool is_64, is_be;
};

static inline void elf_put(struct elf_file *f, size_t off, unsigned int n, uint64_t v)
{
	if (f->is_be) {
		store_be(f->bytes + off, v, n);
	} else {
		store_le(f->bytes + off, v, n);
	}
}

/** Set a member of the header. */
#define ELF_EHDR(f, member, v)                                                                    \
	((f)->is_64                                                                               \
		 ? elf_put(f, offsetof(Elf64_Ehdr, member), sizeof(((Elf64_Ehdr *)0)->member), v) \
		 : elf_put(f, offsetof(Elf32_Ehdr, member), sizeof(((Elf32_Ehdr *)0)->member), v))

#define ELF_PHDR_OFF(f) ((f)->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr))

/** Set a member of the structure of @p type number @p i in the table at @p base. */
#define ELF_AT(f, type, base, i, member, v)                                                      \
	((f)->is_64                                                                              \
		 ? elf_put(f,                                                                    \
			   (base) + (i) * sizeof(Elf64_##type) + offsetof(Elf64_##type, member), \
			   sizeof(((Elf64_##type *)0)->member), v)                               \
		 : elf_put(f,                                                                    \
			   (base) + (i) * sizeof(Elf32_##type) + offsetof(Elf32_##type, member), \
			   sizeof(((Elf32_##type *)0)->member), v))

/** Set a member of program header @p i. */
#define ELF_PHDR(f, i, member, v) ELF_AT(f, Phdr, ELF_PHDR_OFF(f), i, member, v)

/** A header for @p machine with room for @p n_ph program headers; the file has 2048 bytes. */
static inline void elf_start(struct elf_file *f, bool is_64, bool is_be, uint16_t machine,
			     uint16_t n_ph)
{
	memset(f, 0, sizeof(*f));
	f->is_64 = is_64;
	f->is_be = is_be;
	f->n = 2048;
	memcpy(f->bytes, ELFMAG, SELFMAG);
	f->bytes[EI_CLASS] = is_64 ? ELFCLASS64 : ELFCLASS32;
	f->bytes[EI_DATA] = is_be ? ELFDATA2MSB : ELFDATA2LSB;
	f->bytes[EI_VERSION] = EV_CURRENT;
	ELF_EHDR(f, e_type, ET_EXEC);
	ELF_EHDR(f, e_machine, machine);
	ELF_EHDR(f, e_version, EV_CURRENT);
	ELF_EHDR(f, e_phoff, ELF_PHDR_OFF(f));
	ELF_EHDR(f, e_phentsize, is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
	ELF_EHDR(f, e_phnum, n_ph);
}

/** Program header @p i: a PT_LOAD. */
static inline void elf_load(struct elf_file *f, size_t i, uint64_t vaddr, uint64_t paddr,
			    uint64_t off, uint64_t file_bytes, uint64_t mem_bytes)
{
	ELF_PHDR(f, i, p_type, PT_LOAD);
	ELF_PHDR(f, i, p_flags, PF_R | PF_X);
	ELF_PHDR(f, i, p_offset, off);
	ELF_PHDR(f, i, p_vaddr, vaddr);
	ELF_PHDR(f, i, p_paddr, paddr);
	ELF_PHDR(f, i, p_filesz, file_bytes);
	ELF_PHDR(f, i, p_memsz, mem_bytes);
}

#define ELF_SYMTAB_OFF 1024u
#define ELF_STRTAB_OFF 1280u
#define ELF_SHDR_OFF   1536u

/** Sections with the symbols tohost and fromhost at the given addresses. */
static inline void elf_host_symbols(struct elf_file *f, uint64_t tohost, uint64_t fromhost)
{
	static const char names[] = "\0tohost\0fromhost";
	size_t sym_bytes = f->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);

	memcpy(f->bytes + ELF_STRTAB_OFF, names, sizeof(names));
	ELF_AT(f, Sym, ELF_SYMTAB_OFF, 1, st_name, 1);
	ELF_AT(f, Sym, ELF_SYMTAB_OFF, 1, st_value, tohost);
	ELF_AT(f, Sym, ELF_SYMTAB_OFF, 1, st_shndx, 1);
	ELF_AT(f, Sym, ELF_SYMTAB_OFF, 2, st_name, 8);
	ELF_AT(f, Sym, ELF_SYMTAB_OFF, 2, st_value, fromhost);
	ELF_AT(f, Sym, ELF_SYMTAB_OFF, 2, st_shndx, 1);
	ELF_EHDR(f, e_shoff, ELF_SHDR_OFF);
	ELF_EHDR(f, e_shentsize, f->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr));
	ELF_EHDR(f, e_shnum, 3);
	ELF_AT(f, Shdr, ELF_SHDR_OFF, 1, sh_type, SHT_SYMTAB);
	ELF_AT(f, Shdr, ELF_SHDR_OFF, 1, sh_offset, ELF_SYMTAB_OFF);
	ELF_AT(f, Shdr, ELF_SHDR_OFF, 1, sh_size, 3 * sym_bytes);
	ELF_AT(f, Shdr, ELF_SHDR_OFF, 1, sh_link, 2);
	ELF_AT(f, Shdr, ELF_SHDR_OFF, 1, sh_entsize, sym_bytes);
	ELF_AT(f, Shdr, ELF_SHDR_OFF, 2, sh_type, SHT_STRTAB);
	ELF_AT(f, Shdr, ELF_SHDR_OFF, 2, sh_offset, ELF_STRTAB_OFF);
	ELF_AT(f, Shdr, ELF_SHDR_OFF, 2, sh_size, sizeof(names));
}

/**
 * Turn the file into a static PIE with one relocation at address 0x340, inside a PT_LOAD that maps
 * the file's bytes at their own offsets. Program header @p i becomes the PT_DYNAMIC.
 */
static inline void elf_relocate(struct elf_file *f, size_t i, bool has_addend, uint64_t info,
				uint64_t addend)
{
	size_t dyn_bytes = f->is_64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	size_t one = f->is_64 ? sizeof(Elf64_Rela) : sizeof(Elf32_Rela);

	if (!has_addend) {
		one = f->is_64 ? sizeof(Elf64_Rel) : sizeof(Elf32_Rel);
	}
	ELF_EHDR(f, e_type, ET_DYN);
	ELF_PHDR(f, i, p_type, PT_DYNAMIC);
	ELF_PHDR(f, i, p_offset, 0x300);
	ELF_PHDR(f, i, p_filesz, 3 * dyn_bytes);
	ELF_AT(f, Dyn, 0x300, 0, d_tag, has_addend ? DT_RELA : DT_REL);
	ELF_AT(f, Dyn, 0x300, 0, d_un, 0x380);
	ELF_AT(f, Dyn, 0x300, 1, d_tag, has_addend ? DT_RELASZ : DT_RELSZ);
	ELF_AT(f, Dyn, 0x300, 1, d_un, one);
	ELF_AT(f, Rela, 0x380, 0, r_offset, 0x340);
	ELF_AT(f, Rela, 0x380, 0, r_info, info);
	if (has_addend) {
		ELF_AT(f, Rela, 0x380, 0, r_addend, addend);
	}
}

#endif
