/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Static ELF executables after the System V ABI, chapters 4 and 5, and the ABIs of the five
 * architectures. Fields are read by table, since their places depend on the class and their byte
 * order on the file. Nothing is trusted: every offset is checked against the file.
 *
 * Segments are placed at p_paddr and the entry is translated to it, as QEMU does for bare-metal
 * programs. Position-independent ones run at the addresses they were linked for, so they must not
 * need relocations.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>

#include "base/bug.h"
#include "machine/loader/image.h"

#define ARM_FLAG_BE8 0x00800000u

/* Where a field lies; the two classes have the same ones at different places. */
struct field {
	uint8_t off;
	uint8_t bytes;
};

#define FIELD(type, member)                                                                      \
	{                                                                                        \
		{ offsetof(Elf32_##type, member), sizeof(((Elf32_##type *)0)->member) },         \
			{ offsetof(Elf64_##type, member), sizeof(((Elf64_##type *)0)->member) }, \
	}

typedef const struct field fields[2];

static fields e_type = FIELD(Ehdr, e_type);
static fields e_machine = FIELD(Ehdr, e_machine);
static fields e_version = FIELD(Ehdr, e_version);
static fields e_entry = FIELD(Ehdr, e_entry);
static fields e_phoff = FIELD(Ehdr, e_phoff);
static fields e_shoff = FIELD(Ehdr, e_shoff);
static fields e_flags = FIELD(Ehdr, e_flags);
static fields e_phentsize = FIELD(Ehdr, e_phentsize);
static fields e_phnum = FIELD(Ehdr, e_phnum);
static fields e_shentsize = FIELD(Ehdr, e_shentsize);
static fields e_shnum = FIELD(Ehdr, e_shnum);
static fields p_type = FIELD(Phdr, p_type);
static fields p_offset = FIELD(Phdr, p_offset);
static fields p_vaddr = FIELD(Phdr, p_vaddr);
static fields p_paddr = FIELD(Phdr, p_paddr);
static fields p_filesz = FIELD(Phdr, p_filesz);
static fields p_memsz = FIELD(Phdr, p_memsz);
static fields p_flags = FIELD(Phdr, p_flags);
static fields sh_type = FIELD(Shdr, sh_type);
static fields sh_offset = FIELD(Shdr, sh_offset);
static fields sh_size = FIELD(Shdr, sh_size);
static fields sh_link = FIELD(Shdr, sh_link);
static fields sh_entsize = FIELD(Shdr, sh_entsize);
static fields st_name = FIELD(Sym, st_name);
static fields st_value = FIELD(Sym, st_value);
static fields st_shndx = FIELD(Sym, st_shndx);
static fields d_tag = FIELD(Dyn, d_tag);
static fields d_val = FIELD(Dyn, d_un);
static fields r_offset = FIELD(Rela, r_offset);
static fields r_info = FIELD(Rela, r_info);
static fields r_addend = FIELD(Rela, r_addend);

/* Sizes of the structures, by class. */
static const size_t ehdr_bytes[2] = { sizeof(Elf32_Ehdr), sizeof(Elf64_Ehdr) };
static const size_t phdr_bytes[2] = { sizeof(Elf32_Phdr), sizeof(Elf64_Phdr) };
static const size_t shdr_bytes[2] = { sizeof(Elf32_Shdr), sizeof(Elf64_Shdr) };
static const size_t sym_bytes[2] = { sizeof(Elf32_Sym), sizeof(Elf64_Sym) };
static const size_t dyn_bytes[2] = { sizeof(Elf32_Dyn), sizeof(Elf64_Dyn) };
static const size_t rel_bytes[2] = { sizeof(Elf32_Rel), sizeof(Elf64_Rel) };
static const size_t rela_bytes[2] = { sizeof(Elf32_Rela), sizeof(Elf64_Rela) };

struct machine {
	uint16_t e_machine;
	uint8_t is_64; /* index into fields */
	enum cpu_arch_id arch;
	const char *name;
	uint32_t relative_type; /* R_*_RELATIVE */
};

static const struct machine machines[] = {
	{ EM_386, 0, CPU_ARCH_X86, "x86", R_386_RELATIVE },
	{ EM_X86_64, 1, CPU_ARCH_X64, "x64", R_X86_64_RELATIVE },
	{ EM_ARM, 0, CPU_ARCH_ARM, "ARM", R_ARM_RELATIVE },
	{ EM_AARCH64, 1, CPU_ARCH_A64, "AArch64", R_AARCH64_RELATIVE },
	{ EM_RISCV, 1, CPU_ARCH_RV64, "RISC-V", R_RISCV_RELATIVE },
};

/* A PT_LOAD as the file numbers its addresses. */
struct load {
	uint64_t vaddr, paddr, file_off, file_bytes, mem_bytes;
};

struct elf {
	const uint8_t *bytes;
	size_t n;
	uint8_t is_64;
	bool is_be;
	const struct machine *machine;
	uint64_t ph_off;
	uint64_t ph_count;
	size_t n_loads;
	struct load loads[IMAGE_SEGS_MAX];
	struct image_plan plan;
	struct errmsg *e;
};

/* The caller has checked that the structure at off lies in the file. */
static uint64_t get(const struct elf *f, uint64_t off, fields field)
{
	const struct field *x = &field[f->is_64];

	dbg_assert(range_within(off + x->off, x->bytes, 0, f->n));
	return f->is_be ? load_be(f->bytes + off + x->off, x->bytes)
			: load_le(f->bytes + off + x->off, x->bytes);
}

static bool in_file(const struct elf *f, uint64_t off, uint64_t n)
{
	return range_within(off, n, 0, f->n);
}

/* Whether [off, off + count * each) lies in the file. */
static bool array_in_file(const struct elf *f, uint64_t off, uint64_t count, uint64_t each)
{
	uint64_t n;

	return !__builtin_mul_overflow(count, each, &n) && in_file(f, off, n);
}

static int ident_read(struct elf *f)
{
	if (f->n < EI_NIDENT || memcmp(f->bytes, ELFMAG, SELFMAG) != 0) {
		return errmsg_set(f->e, -ENOEXEC, "this is not an ELF file");
	}
	if ((f->bytes[EI_CLASS] != ELFCLASS32 && f->bytes[EI_CLASS] != ELFCLASS64) ||
	    (f->bytes[EI_DATA] != ELFDATA2LSB && f->bytes[EI_DATA] != ELFDATA2MSB) ||
	    f->bytes[EI_VERSION] != EV_CURRENT) {
		return errmsg_set(
			f->e, -ENOEXEC,
			"the ELF file has an unknown class (%u), byte order (%u) or version (%u)",
			f->bytes[EI_CLASS], f->bytes[EI_DATA], f->bytes[EI_VERSION]);
	}
	f->is_64 = f->bytes[EI_CLASS] == ELFCLASS64;
	f->is_be = f->bytes[EI_DATA] == ELFDATA2MSB;
	if (f->n < ehdr_bytes[f->is_64]) {
		return errmsg_set(f->e, -ENOEXEC, "the ELF file ends within its header");
	}
	if (get(f, 0, e_version) != EV_CURRENT) {
		return errmsg_set(f->e, -ENOEXEC, "the ELF file has an unknown version");
	}
	return 0;
}

static int machine_find(struct elf *f)
{
	uint64_t id = get(f, 0, e_machine);

	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		if (machines[i].e_machine == id) {
			f->machine = &machines[i];
		}
	}
	if (!f->machine) {
		return errmsg_set(f->e, -ENOTSUP,
				  "the ELF file is for machine %" PRIu64
				  "; supported are x86, x64, ARM, AArch64 and RISC-V",
				  id);
	}
	if (f->machine->is_64 != f->is_64) {
		return errmsg_set(f->e, -ENOTSUP, "ELF%d for %s is not supported, only ELF%d",
				  f->is_64 ? 64 : 32, f->machine->name,
				  f->machine->is_64 ? 64 : 32);
	}
	if (f->is_be && f->machine->arch != CPU_ARCH_ARM) {
		return errmsg_set(f->e, -ENOTSUP, "big-endian %s is not supported",
				  f->machine->name);
	}
	if (f->is_be && !(get(f, 0, e_flags) & ARM_FLAG_BE8)) {
		return errmsg_set(
			f->e, -ENOTSUP,
			"the ELF file has big-endian instructions (BE32): link with --be8");
	}
	f->plan.has_arch = true;
	f->plan.arch = f->machine->arch;
	f->plan.is_big_endian = f->is_be;
	return 0;
}

static int headers_find(struct elf *f)
{
	uint64_t type = get(f, 0, e_type);

	if (type == ET_REL) {
		return errmsg_set(f->e, -ENOTSUP,
				  "the ELF file is an object file: link it to an executable first");
	}
	if (type != ET_EXEC && type != ET_DYN) {
		return errmsg_set(f->e, -ENOTSUP,
				  "the ELF file is no executable (type %" PRIu64 ")", type);
	}
	f->ph_off = get(f, 0, e_phoff);
	f->ph_count = get(f, 0, e_phnum);
	if (f->ph_count == 0 || f->ph_count == PN_XNUM) {
		return errmsg_set(f->e, -ENOEXEC, "the ELF file has %s program headers",
				  f->ph_count ? "too many" : "no");
	}
	if (get(f, 0, e_phentsize) != phdr_bytes[f->is_64] ||
	    !array_in_file(f, f->ph_off, f->ph_count, phdr_bytes[f->is_64])) {
		return errmsg_set(f->e, -ENOEXEC,
				  "the program headers of the ELF file lie beyond its end");
	}
	return 0;
}

static int load_add(struct elf *f, uint64_t ph)
{
	struct load l = { get(f, ph, p_vaddr), get(f, ph, p_paddr), get(f, ph, p_offset),
			  get(f, ph, p_filesz), get(f, ph, p_memsz) };
	uint64_t flags = get(f, ph, p_flags);
	uint64_t top = f->is_64 ? UINT64_MAX : UINT32_MAX;
	struct image_seg seg = { .gpa = l.paddr,
				 .file_off = l.file_off,
				 .file_bytes = l.file_bytes,
				 .mem_bytes = l.mem_bytes };
	int r;

	if (l.file_bytes > l.mem_bytes) {
		return errmsg_set(f->e, -ENOEXEC,
				  "the segment at 0x%" PRIx64
				  " has more bytes in the file (0x%" PRIx64
				  ") than in memory (0x%" PRIx64 ")",
				  l.paddr, l.file_bytes, l.mem_bytes);
	}
	if (l.mem_bytes == 0) {
		return 0;
	}
	if (l.file_bytes == 0) {
		l.file_off = seg.file_off = 0; /* may lie anywhere: nothing is read there */
	}
	if (!in_file(f, l.file_off, l.file_bytes)) {
		return errmsg_set(f->e, -ENOEXEC,
				  "the segment at 0x%" PRIx64 " (0x%" PRIx64
				  " bytes) lies beyond the end of the file",
				  l.paddr, l.file_bytes);
	}
	if (l.mem_bytes - 1 > top - l.paddr || l.mem_bytes - 1 > top - l.vaddr) {
		return errmsg_set(f->e, -ENOEXEC,
				  "the segment at 0x%" PRIx64 " of 0x%" PRIx64
				  " bytes wraps around the address space",
				  l.paddr, l.mem_bytes);
	}
	seg.perm = (flags & PF_R ? MEM_R : 0) | (flags & PF_W ? MEM_W : 0) |
		   (flags & PF_X ? MEM_X : 0);
	r = image_seg_add(&f->plan, &seg, f->e);
	if (r < 0) {
		return r;
	}
	BUG_ON(f->n_loads >= IMAGE_SEGS_MAX);
	f->loads[f->n_loads++] = l;
	return 0;
}

static int loads_read(struct elf *f)
{
	int r;

	for (uint64_t i = 0; i < f->ph_count; i++) {
		uint64_t ph = f->ph_off + i * phdr_bytes[f->is_64];
		uint64_t type = get(f, ph, p_type);

		if (type == PT_INTERP) {
			return errmsg_set(f->e, -ENOTSUP,
					  "the ELF file is dynamically linked: link with -static");
		}
		if (type != PT_LOAD) {
			continue;
		}
		r = load_add(f, ph);
		if (r < 0) {
			return r;
		}
	}
	if (!f->n_loads) {
		return errmsg_set(f->e, -ENOEXEC, "the ELF file has nothing to load");
	}
	return 0;
}

/* The segment that holds [vaddr, vaddr + n), or NULL. */
static const struct load *load_find(const struct elf *f, uint64_t vaddr, uint64_t n)
{
	for (size_t i = 0; i < f->n_loads; i++) {
		if (range_within(vaddr, n, f->loads[i].vaddr, f->loads[i].mem_bytes)) {
			return &f->loads[i];
		}
	}
	return NULL;
}

/* Where a loaded address range comes from in the file; false when it does not. */
static bool vaddr_to_file(const struct elf *f, uint64_t vaddr, uint64_t n, uint64_t *ret_off)
{
	const struct load *l = load_find(f, vaddr, n);

	if (!l || !range_within(vaddr, n, l->vaddr, l->file_bytes)) {
		return false;
	}
	*ret_off = l->file_off + (vaddr - l->vaddr);
	return true;
}

/* What the dynamic section says about relocations. */
struct relocs {
	uint64_t rel, rel_bytes, rela, rela_bytes, plt_bytes;
};

static struct relocs dynamic_read(const struct elf *f)
{
	struct relocs t = { 0 };

	for (uint64_t i = 0; i < f->ph_count; i++) {
		uint64_t ph = f->ph_off + i * phdr_bytes[f->is_64];
		uint64_t off = get(f, ph, p_offset);
		uint64_t end = off + get(f, ph, p_filesz);

		if (get(f, ph, p_type) != PT_DYNAMIC || !in_file(f, off, get(f, ph, p_filesz))) {
			continue;
		}
		for (; end - off >= dyn_bytes[f->is_64]; off += dyn_bytes[f->is_64]) {
			uint64_t tag = get(f, off, d_tag);
			uint64_t val = get(f, off, d_val);

			if (tag == DT_NULL) {
				break;
			}
			t.rel = tag == DT_REL ? val : t.rel;
			t.rel_bytes = tag == DT_RELSZ ? val : t.rel_bytes;
			t.rela = tag == DT_RELA ? val : t.rela;
			t.rela_bytes = tag == DT_RELASZ ? val : t.rela_bytes;
			t.plt_bytes = tag == DT_PLTRELSZ ? val : t.plt_bytes;
		}
		break;
	}
	return t;
}

static uint32_t reloc_type(const struct elf *f, uint64_t info)
{
	return (uint32_t)(f->is_64 ? info & UINT32_MAX : info & UINT8_MAX);
}

/*
 * Whether a table only has relocations that change nothing at the linked address: RELATIVE ones
 * whose place already holds the result. Without an addend field that is always so.
 */
static bool is_table_done(const struct elf *f, uint64_t vaddr, uint64_t table_bytes,
			  bool has_addend)
{
	size_t each = has_addend ? rela_bytes[f->is_64] : rel_bytes[f->is_64];
	unsigned int word = f->is_64 ? 8 : 4;
	uint64_t off;

	if (table_bytes == 0) {
		return true;
	}
	if (!vaddr_to_file(f, vaddr, table_bytes, &off)) {
		return false;
	}
	for (uint64_t left = table_bytes; left >= each; left -= each, off += each) {
		uint64_t at;
		uint64_t now;

		if (reloc_type(f, get(f, off, r_info)) != f->machine->relative_type ||
		    !vaddr_to_file(f, get(f, off, r_offset), word, &at)) {
			return false;
		}
		now = f->is_be ? load_be(f->bytes + at, word) : load_le(f->bytes + at, word);
		if (has_addend && now != get(f, off, r_addend)) {
			return false;
		}
	}
	return true;
}

static int relocs_check(const struct elf *f)
{
	struct relocs t;

	if (get(f, 0, e_type) != ET_DYN) {
		return 0;
	}
	t = dynamic_read(f);
	if (t.plt_bytes || !is_table_done(f, t.rel, t.rel_bytes, false) ||
	    !is_table_done(f, t.rela, t.rela_bytes, true)) {
		return errmsg_set(f->e, -ENOTSUP,
				  "the ELF file is position-independent and needs relocations:"
				  " link with -static -no-pie");
	}
	return 0;
}

static void entry_set(struct elf *f)
{
	uint64_t entry = get(f, 0, e_entry);
	const struct load *l;

	if (f->machine->arch == CPU_ARCH_ARM) {
		f->plan.is_thumb = entry & 1;
		entry &= ~1ULL;
	}
	l = load_find(f, entry, 1);
	if (l) {
		f->plan.has_entry = true;
		f->plan.entry = entry - l->vaddr + l->paddr;
	}
}

/* One symbol table and its names, all within the file. */
struct symtab {
	uint64_t off, count, names, names_bytes;
};

static bool symtab_find(const struct elf *f, struct symtab *ret)
{
	uint64_t off = get(f, 0, e_shoff);
	uint64_t count = get(f, 0, e_shnum);
	size_t each = shdr_bytes[f->is_64];
	uint64_t names;

	if (!off || get(f, 0, e_shentsize) != each || !array_in_file(f, off, count, each)) {
		return false;
	}
	for (uint64_t i = 0; i < count; i++) {
		uint64_t sh = off + i * each;
		uint64_t link;

		if (get(f, sh, sh_type) != SHT_SYMTAB) {
			continue;
		}
		link = get(f, sh, sh_link);
		if (link >= count || get(f, sh, sh_entsize) != sym_bytes[f->is_64]) {
			return false;
		}
		names = off + link * each;
		*ret = (struct symtab){ get(f, sh, sh_offset),
					get(f, sh, sh_size) / sym_bytes[f->is_64],
					get(f, names, sh_offset), get(f, names, sh_size) };
		return array_in_file(f, ret->off, ret->count, sym_bytes[f->is_64]) &&
		       in_file(f, ret->names, ret->names_bytes);
	}
	return false;
}

static bool is_named(const struct elf *f, const struct symtab *t, uint64_t name, const char *want)
{
	size_t n = strlen(want) + 1;

	return range_within(name, n, 0, t->names_bytes) &&
	       memcmp(f->bytes + t->names + name, want, n) == 0;
}

/* Where a symbol's eight bytes are loaded; false when they are not. */
static bool symbol_gpa(const struct elf *f, uint64_t sym, gpa_t *ret_gpa)
{
	uint64_t value = get(f, sym, st_value);
	const struct load *l = load_find(f, value, 8);

	if (!l) {
		return false;
	}
	*ret_gpa = value - l->vaddr + l->paddr;
	return true;
}

/* The places of tohost and fromhost. A damaged symbol table is no reason to refuse a program. */
static void symbols_read(struct elf *f)
{
	struct symtab t;

	if (f->machine->arch != CPU_ARCH_RV64 || !symtab_find(f, &t)) {
		return;
	}
	for (uint64_t i = 0; i < t.count; i++) {
		uint64_t sym = t.off + i * sym_bytes[f->is_64];
		uint64_t name = get(f, sym, st_name);

		if (get(f, sym, st_shndx) == SHN_UNDEF) {
			continue;
		}
		if (is_named(f, &t, name, "tohost")) {
			f->plan.has_tohost = symbol_gpa(f, sym, &f->plan.tohost_gpa);
		} else if (is_named(f, &t, name, "fromhost")) {
			f->plan.has_fromhost = symbol_gpa(f, sym, &f->plan.fromhost_gpa);
		}
	}
}

int image_parse_elf(const uint8_t *bytes, size_t n, struct image_plan *ret_plan, struct errmsg *e)
{
	struct elf f = { .bytes = bytes, .n = n, .plan = { .kind = IMAGE_ELF }, .e = e };
	static int (*const steps[])(struct elf *) = { ident_read, machine_find, headers_find,
						      loads_read };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		r = steps[i](&f);
		if (r < 0) {
			return r;
		}
	}
	r = relocs_check(&f);
	if (r < 0) {
		return r;
	}
	entry_set(&f);
	symbols_read(&f);
	*ret_plan = f.plan;
	return 0;
}
