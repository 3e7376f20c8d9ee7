// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptor tables, page tables and exception stubs of board `bare`. Source: Intel SDM volume 3,
 * chapters 3 (segments), 4 (paging), 6 (interrupts), 8 (TSS), 20 (real mode). */
#include "machine/x86_firmware.h"

#include <errno.h>
#include <string.h>

#include "base/bug.h"

#define TABLES_GPA    X86_FIRMWARE_BASE_GPA
#define STACK_GPA     0xfffef000ULL /* tables end here */
#define STACK_TOP_GPA (STACK_GPA + PAGE_BYTES)
#define DATA_GPA      0xffff0000ULL
#define DATA_BYTES    0x10000ULL
#define GDT_GPA	      DATA_GPA
#define IDT_GPA	      (DATA_GPA + 0x1000)
#define STUBS_GPA     (DATA_GPA + 0x2000)
#define TSS_GPA	      (DATA_GPA + 0x3000)
#define STUBS16_GPA   0x000ff000ULL
#define STUBS16_SEG   0xf000u

#define STUB_BYTES    4u
#define VECTORS	      256u
#define GDT_BYTES     0x58u
#define TSS_IO_OFFSET 0x68u
#define TSS_LIMIT     (TSS_IO_OFFSET + 8192u)
#define IST_STUBS     1u

/* Segment attributes as in struct x86_seg. */
#define ATTR_CODE32 0xc09bu
#define ATTR_CODE64 0xa09bu
#define ATTR_DATA   0xc093u
#define ATTR_DPL3   0x0060u
#define ATTR_TSS    0x008bu

#define PTE_P	  BIT(0)
#define PTE_W	  BIT(1)
#define PTE_U	  BIT(2)
#define PTE_PCD	  BIT(4)
#define PTE_A	  BIT(5)
#define PTE_D	  BIT(6)
#define PTE_PS	  BIT(7)
#define PTE_NX	  BIT(63)
#define PTE_ADDR  0x000ffffffffff000ULL
#define BIG_BYTES 0x200000ULL

#define RFLAGS_RF BIT(16)

static bool is_x64(const struct cpu_arch *arch)
{
	return arch->id == CPU_ARCH_X64;
}

size_t x86_firmware_regions(const struct cpu_arch *arch, const struct cpu_mode *mode,
			    struct x86_firmware_region ret[X86_FIRMWARE_REGIONS_MAX])
{
	const uint32_t rx = MEM_R | MEM_X;
	const uint32_t rw = MEM_R | MEM_W;

	if (mode->is_16bit) {
		ret[0] = (struct x86_firmware_region){ STUBS16_GPA, PAGE_BYTES, rx, "firmware" };
		return 1;
	}
	ret[0] = (struct x86_firmware_region){ STACK_GPA, PAGE_BYTES, rw, "firmware stack" };
	ret[1] = (struct x86_firmware_region){ DATA_GPA, DATA_BYTES, rx, "firmware" };
	if (is_x64(arch)) {
		ret[0] = (struct x86_firmware_region){ TABLES_GPA, STACK_TOP_GPA - TABLES_GPA, rw,
						       "page tables" };
	}
	return 2;
}

/* ---- writing firmware memory ---- */

/* Host address of firmware memory that does not cross a page; our own region, checked by setup. */
static uint8_t *fw_bytes(const struct mem *m, gpa_t gpa)
{
	const struct mem_region *r = mem_region_find(m, gpa);

	BUG_ON(!r);
	return r->hva + (gpa - r->base_gpa);
}

static bool is_mapped(const struct mem *m, gpa_t gpa, uint64_t size_bytes)
{
	const struct mem_region *r = mem_region_find(m, gpa);

	return r && range_within(gpa, size_bytes, r->base_gpa, r->size_bytes);
}

static void stubs_fill(uint8_t *to)
{
	static const uint8_t stub[STUB_BYTES] = { 0xf4, 0xeb, 0xfd, 0x90 }; /* hlt; jmp .-1; nop */

	for (unsigned int v = 0; v < VECTORS; v++) {
		memcpy(to + v * STUB_BYTES, stub, sizeof(stub));
	}
}

static uint64_t descriptor(uint64_t base, uint32_t limit, uint16_t attr)
{
	uint64_t units = (attr & BIT(15)) ? limit >> 12 : limit;

	return (units & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)(attr & 0xf0ffu) << 40 |
	       ((units >> 16) & 15) << 48 | ((base >> 24) & 0xff) << 56;
}

static void gdt_fill(uint8_t *gdt, bool is_64)
{
	uint16_t code = is_64 ? ATTR_CODE64 : ATTR_CODE32;

	store_le(gdt + X86_FW_SEL_CODE, descriptor(0, UINT32_MAX, code), 8);
	store_le(gdt + X86_FW_SEL_DATA, descriptor(0, UINT32_MAX, ATTR_DATA), 8);
	store_le(gdt + X86_FW_SEL_CODE32, descriptor(0, UINT32_MAX, ATTR_CODE32), 8);
	store_le(gdt + (X86_FW_SEL_USER_CODE32 & ~7),
		 descriptor(0, UINT32_MAX, ATTR_CODE32 | ATTR_DPL3), 8);
	store_le(gdt + (X86_FW_SEL_USER_DATA & ~7),
		 descriptor(0, UINT32_MAX, ATTR_DATA | ATTR_DPL3), 8);
	store_le(gdt + (X86_FW_SEL_USER_CODE64 & ~7),
		 descriptor(0, UINT32_MAX, ATTR_CODE64 | ATTR_DPL3), 8);
	store_le(gdt + X86_FW_SEL_TSS, descriptor(TSS_GPA, TSS_LIMIT, ATTR_TSS), 8);
	store_le(gdt + X86_FW_SEL_TSS + 8, TSS_GPA >> 32, 8);
	store_le(gdt + X86_FW_SEL_MONITOR, descriptor(0, UINT32_MAX, code), 8);
}

/* Gates that INT3, INTO and INT n of ring 3 may use; the CPU's own exceptions ignore the DPL. */
static bool is_user_vector(unsigned int v)
{
	return v == X86_BP || v == X86_OF || v >= 32;
}

static void idt_fill(uint8_t *idt, bool is_64)
{
	for (unsigned int v = 0; v < VECTORS; v++) {
		uint32_t stub = (uint32_t)STUBS_GPA + v * STUB_BYTES;
		uint64_t type = is_user_vector(v) ? 0xee : 0x8e; /* interrupt gate, present */
		uint64_t low = (stub & 0xffff) | (uint64_t)X86_FW_SEL_MONITOR << 16 | type << 40 |
			       (uint64_t)(stub >> 16) << 48;

		if (is_64) {
			store_le(idt + 16 * v, low | (uint64_t)IST_STUBS << 32, 8);
			store_le(idt + 16 * v + 8, 0, 8);
		} else {
			store_le(idt + 8 * v, low, 8);
		}
	}
}

static void tss_fill(const struct mem *m, bool is_64)
{
	uint8_t *tss = fw_bytes(m, TSS_GPA);

	if (is_64) {
		store_le(tss + 4, STACK_TOP_GPA, 8);			    /* RSP0 */
		store_le(tss + 36 + 8 * (IST_STUBS - 1), STACK_TOP_GPA, 8); /* IST1 */
	} else {
		store_le(tss + 4, STACK_TOP_GPA, 4);
		store_le(tss + 8, X86_FW_SEL_DATA, 4);
	}
	store_le(tss + 102, TSS_IO_OFFSET, 2);
	*fw_bytes(m, TSS_GPA + TSS_LIMIT) = 0xff; /* the byte that must end the bitmap */
}

/* ---- page tables ---- */

struct tables {
	const struct mem *m;
	gpa_t next_gpa; /* the next free page */
};

static uint64_t *table_at(const struct tables *t, gpa_t gpa)
{
	return (uint64_t *)(void *)fw_bytes(t->m, gpa); /* a page: aligned */
}

static gpa_t table_new(struct tables *t)
{
	gpa_t gpa = t->next_gpa;

	if (gpa >= STACK_GPA) {
		return 0;
	}
	t->next_gpa += PAGE_BYTES;
	memset(fw_bytes(t->m, gpa), 0, PAGE_BYTES);
	return gpa;
}

/* The entry for @p gva at @p level (1: 4 KiB, 2: 2 MiB); NULL when space runs out. */
static uint64_t *entry_of(struct tables *t, gva_t gva, unsigned int level)
{
	gpa_t table = TABLES_GPA;

	for (unsigned int l = 4;; l--) {
		uint64_t *entry = &table_at(t, table)[(gva >> (12 + 9 * (l - 1))) & 511];

		if (l == level) {
			return entry;
		}
		if (!*entry) {
			gpa_t made = table_new(t);

			if (!made) {
				return NULL;
			}
			*entry = made | PTE_P | PTE_W | PTE_U | PTE_A;
		}
		table = *entry & PTE_ADDR;
	}
}

static int range_map(struct tables *t, gva_t from, uint64_t size_bytes, uint64_t flags,
		     struct errmsg *e)
{
	uint64_t done = 0;

	while (done < size_bytes) {
		gva_t at = from + done;
		bool is_big = at % BIG_BYTES == 0 && size_bytes - done >= BIG_BYTES;
		uint64_t *entry = entry_of(t, at, is_big ? 2 : 1);

		if (!entry) {
			return errmsg_set(
				e, -ENOSPC,
				"the memory map is too ragged for %llu KiB of page tables",
				(STACK_GPA - TABLES_GPA) / 1024);
		}
		*entry = at | flags | PTE_P | PTE_A | PTE_D | (is_big ? PTE_PS : 0);
		done += is_big ? BIG_BYTES : PAGE_BYTES;
	}
	return 0;
}

static uint64_t region_flags(const struct mem_region *r)
{
	uint64_t nx = (r->perm & MEM_X) ? 0 : PTE_NX;

	if (r->base_gpa >= X86_FIRMWARE_BASE_GPA) {
		return nx; /* supervisor, read-only */
	}
	return nx | PTE_U | ((r->perm & MEM_W) ? PTE_W : 0);
}

static int mmio_map(struct tables *t, const struct engine_mmio_range *r, struct errmsg *e)
{
	gva_t from = align_down(r->base_gpa, PAGE_BYTES);
	gva_t last = align_down(r->base_gpa + r->size_bytes - 1, PAGE_BYTES);

	if (r->size_bytes == 0 || last >= X86_FIRMWARE_BASE_GPA || last < from) {
		return errmsg_set(e, -EINVAL,
				  "device registers at 0x%llx don't fit below the firmware",
				  (unsigned long long)r->base_gpa);
	}
	return range_map(t, from, last - from + PAGE_BYTES, PTE_W | PTE_U | PTE_PCD | PTE_NX, e);
}

static int tables_fill(const struct x86_firmware_config *cfg, const struct mem *m, struct errmsg *e)
{
	struct tables t = { .m = m, .next_gpa = TABLES_GPA };
	int r;

	(void)table_new(&t); /* the root */
	for (size_t i = 0; i < mem_region_count(m); i++) {
		const struct mem_region *reg = mem_region_at(m, i);

		r = (reg->perm & MEM_RWX)
			    ? range_map(&t, reg->base_gpa, reg->size_bytes, region_flags(reg), e)
			    : 0;
		if (r < 0) {
			return r;
		}
	}
	for (size_t i = 0; i < cfg->n_mmio; i++) {
		r = mmio_map(&t, &cfg->mmio[i], e);
		if (r < 0) {
			return r;
		}
	}
	return range_map(&t, STACK_GPA, PAGE_BYTES, PTE_W | PTE_NX, e);
}

/* ---- set-up ---- */

static void state_protected(struct x86_state *x, bool is_64)
{
	x->gdtr = (struct x86_dtr){ .base = GDT_GPA, .limit = GDT_BYTES - 1 };
	x->idtr = (struct x86_dtr){ .base = IDT_GPA, .limit = is_64 ? 16 * VECTORS - 1 : 0 };
	x->tr = (struct x86_seg){
		.sel = X86_FW_SEL_TSS, .attr = ATTR_TSS, .limit = TSS_LIMIT, .base = TSS_GPA
	};
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		x->seg[i] = (struct x86_seg){ .sel = X86_FW_SEL_DATA,
					      .attr = ATTR_DATA,
					      .limit = UINT32_MAX };
	}
	x->seg[X86_CS].sel = X86_FW_SEL_CODE;
	x->seg[X86_CS].attr = is_64 ? ATTR_CODE64 : ATTR_CODE32;
	x->cr0 |= X86_CR0_PE | X86_CR0_NE;
	if (is_64) {
		x->cr3 = TABLES_GPA;
		x->cr4 |= X86_CR4_PAE;
		x->efer |= X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE;
		x->cr0 |= X86_CR0_PG | X86_CR0_WP;
	}
}

static void setup_16(const struct x86_firmware_config *cfg, const struct mem *m)
{
	uint32_t first = STUBS16_SEG << 16 | ((uint32_t)STUBS16_GPA - STUBS16_SEG * 16);

	stubs_fill(fw_bytes(m, STUBS16_GPA));
	if (cfg->keep_page0 || !is_mapped(m, 0, PAGE_BYTES)) {
		return;
	}
	for (unsigned int v = 0; v < VECTORS; v++) {
		store_le(fw_bytes(m, 4 * v), first + v * STUB_BYTES, 4);
	}
}

int x86_firmware_setup(const struct x86_firmware_config *cfg, const struct mem *m,
		       struct x86_state *x, struct errmsg *e)
{
	struct x86_firmware_region want[X86_FIRMWARE_REGIONS_MAX];
	size_t n = x86_firmware_regions(cfg->arch, &cfg->mode, want);
	bool is_64 = is_x64(cfg->arch);
	int r;

	for (size_t i = 0; i < n; i++) {
		if (!is_mapped(m, want[i].base_gpa, want[i].size_bytes)) {
			return errmsg_set(e, -EFAULT, "no memory for the firmware at 0x%llx",
					  (unsigned long long)want[i].base_gpa);
		}
	}
	if (cfg->mode.is_16bit) {
		setup_16(cfg, m);
		return 0;
	}
	if (is_64) {
		r = tables_fill(cfg, m, e);
		if (r < 0) {
			return r;
		}
	}
	gdt_fill(fw_bytes(m, GDT_GPA), is_64);
	idt_fill(fw_bytes(m, IDT_GPA), is_64);
	stubs_fill(fw_bytes(m, STUBS_GPA));
	tss_fill(m, is_64);
	state_protected(x, is_64);
	return 0;
}

void x86_firmware_idt_enable(struct x86_state *x)
{
	if ((x->cr0 & X86_CR0_PE) && !(x->efer & X86_EFER_LMA) && x->idtr.base == IDT_GPA) {
		x->idtr.limit = 8 * VECTORS - 1;
	}
}

/* ---- exceptions ---- */

/** What the CPU has pushed. */
struct frame {
	uint64_t error, rip, cs, rflags, sp, ss;
	bool has_stack;	     /* sp and ss are part of it */
	uint64_t size_bytes; /* otherwise: what to pop */
};

/* A frame of @p n words of @p bytes each; false when the stack is not in memory. */
static bool words_read(const struct mem *m, gpa_t at, unsigned int bytes, size_t n, uint64_t *ret)
{
	uint8_t raw[6 * 8];

	BUG_ON(n * bytes > sizeof(raw));
	if (mem_peek(m, at, raw, n * bytes) != n * bytes) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		ret[i] = load_le(raw + i * bytes, bytes);
	}
	return true;
}

/* The stub's stack is the IST's, so its depth says whether there is an error code. */
static bool frame_read_64(const struct mem *m, const struct x86_state *x, struct frame *ret)
{
	uint64_t w[6] = { 0 };
	uint64_t depth = STACK_TOP_GPA - x->gpr[X86_RSP];

	if ((depth != 40 && depth != 48) ||
	    !words_read(m, x->gpr[X86_RSP], 8, (size_t)depth / 8, w + (depth == 40))) {
		return false;
	}
	*ret = (struct frame){ .error = w[0],
			       .rip = w[1],
			       .cs = w[2],
			       .rflags = w[3],
			       .sp = w[4],
			       .ss = w[5],
			       .has_stack = true };
	return true;
}

static bool has_error_code(uint32_t vector)
{
	return vector == X86_DF || (vector >= X86_TS && vector <= X86_PF) || vector == X86_AC;
}

static bool frame_read_32(const struct mem *m, const struct x86_state *x, uint32_t vector,
			  struct frame *ret)
{
	uint64_t w[6] = { 0 };
	size_t skip = has_error_code(vector) ? 0 : 1;
	gpa_t at = low_bytes(x->gpr[X86_RSP] + x->seg[X86_SS].base, 4);

	if (!words_read(m, at, 4, 4 - skip, w + skip)) {
		return false;
	}
	*ret = (struct frame){ .error = w[0],
			       .rip = w[1],
			       .cs = w[2] & 0xffff,
			       .rflags = w[3],
			       .size_bytes = 4 * (4 - skip) };
	if ((ret->cs & 3) != (x->seg[X86_CS].sel & 3u)) {
		ret->has_stack = words_read(m, at + ret->size_bytes, 4, 2, w + 4);
		ret->sp = w[4];
		ret->ss = w[5] & 0xffff;
	}
	return true;
}

static bool frame_read_16(const struct mem *m, const struct x86_state *x, struct frame *ret)
{
	uint64_t w[3] = { 0 };
	gpa_t at = low_bytes(x->gpr[X86_RSP], 2) + x->seg[X86_SS].base;

	if (!words_read(m, at, 2, 3, w)) {
		return false;
	}
	*ret = (struct frame){
		.rip = w[0], .cs = w[1], .rflags = w[2] | (x->rflags & ~0xffffULL), .size_bytes = 6
	};
	return true;
}

static void seg_load(const struct mem *m, struct x86_state *x, enum x86_seg_idx idx, uint16_t sel)
{
	struct x86_seg seg = { .sel = sel };

	if (!(x->cr0 &
	      X86_CR0_PE)) { /* the hidden attributes are older than real mode: they stay */
		x->seg[idx].sel = sel;
		x->seg[idx].base = (uint64_t)sel << 4;
		return;
	}
	(void)x86_seg_reload(x, m, &seg);
	x->seg[idx] = seg;
}

static void frame_pop(const struct mem *m, struct x86_state *x, const struct frame *f)
{
	bool is_real = !(x->cr0 & X86_CR0_PE);
	uint64_t sp = x->gpr[X86_RSP] + f->size_bytes;

	seg_load(m, x, X86_CS, (uint16_t)f->cs);
	if (f->has_stack) {
		seg_load(m, x, X86_SS, (uint16_t)f->ss);
		sp = f->sp;
	}
	if (is_real) {
		sp = (x->gpr[X86_RSP] & ~0xffffULL) | (sp & 0xffff);
	}
	x->gpr[X86_RSP] = sp;
	x->rip = f->rip;
	x->rflags = f->rflags & ~RFLAGS_RF;
}

static gva_t linear_pc(const struct x86_state *x)
{
	return x->rip + (x86_is_64bit_code(x) ? 0 : x->seg[X86_CS].base);
}

/*
 * INT3, INTO and INT n report the address behind them; go back to the instruction. Under the
 * board's tables a linear address is a physical one.
 */
static bool software_undo(const struct mem *m, struct x86_state *x, uint32_t vector)
{
	uint8_t b[2] = { 0 };
	gva_t pc = linear_pc(x);

	if (x->rip >= 2 && mem_peek(m, pc - 2, b, 2) == 2 && b[0] == 0xcd && b[1] == vector) {
		x->rip -= 2;
		return true;
	}
	if (x->rip >= 1 && mem_peek(m, pc - 1, b, 1) == 1 &&
	    ((vector == X86_BP && b[0] == 0xcc) || (vector == X86_OF && b[0] == 0xce))) {
		x->rip -= 1;
	}
	return false;
}

/* Some software KVMs turn INT n of ring 3 into #UD at the instruction. */
static bool is_refused_int_n(const struct mem *m, const struct x86_state *x, uint32_t *vector)
{
	uint8_t b[2];

	if (*vector != X86_UD || mem_peek(m, linear_pc(x), b, 2) != 2 || b[0] != 0xcd) {
		return false;
	}
	*vector = b[1];
	return true;
}

/* Which stub the CPU has halted in. */
static bool stub_find(const struct x86_state *x, uint32_t *ret_vector)
{
	bool is_real = !(x->cr0 & X86_CR0_PE);
	gva_t hlt = linear_pc(x) - 1;
	gva_t stubs = is_real ? STUBS16_GPA : STUBS_GPA;

	if ((!is_real && (x->seg[X86_CS].sel & ~3u) != X86_FW_SEL_MONITOR) ||
	    !range_within(hlt, 1, stubs, VECTORS * STUB_BYTES) || (hlt - stubs) % STUB_BYTES != 0) {
		return false;
	}
	*ret_vector = (uint32_t)((hlt - stubs) / STUB_BYTES);
	return true;
}

bool x86_firmware_caught(const struct mem *m, struct x86_state *x, struct cpu_fault *ret_fault)
{
	struct frame f;
	uint32_t vector;
	bool is_software;
	bool is_read;

	if (!stub_find(x, &vector)) {
		return false;
	}
	if (!(x->cr0 & X86_CR0_PE)) {
		is_read = frame_read_16(m, x, &f);
	} else if (x86_is_64bit_code(x)) {
		is_read = frame_read_64(m, x, &f);
	} else {
		is_read = frame_read_32(m, x, vector, &f);
	}
	if (!is_read) {
		return false;
	}
	frame_pop(m, x, &f);
	is_software = software_undo(m, x, vector) || is_refused_int_n(m, x, &vector);
	*ret_fault = x86_fault_from_vector(vector, f.error, linear_pc(x), x->cr2);
	if (is_software) {
		ret_fault->kind = CPU_FAULT_SYSCALL;
	}
	return true;
}

bool x86_firmware_takes(const struct mem *m, const struct x86_state *x, uint32_t vector)
{
	uint8_t b[4];
	uint64_t entry;

	if (x->cr0 & X86_CR0_PE) {
		return x->idtr.base == IDT_GPA;
	}
	if (vector >= VECTORS || mem_peek(m, x->idtr.base + 4 * vector, b, 4) != 4) {
		return false;
	}
	entry = load_le(b, 4);
	return (entry >> 16) * 16 + (entry & 0xffff) == STUBS16_GPA + vector * STUB_BYTES;
}

void x86_firmware_refine_fault(const struct mem *m, const struct x86_state *x, struct cpu_fault *f)
{
	if (f->kind != CPU_FAULT_PAGE || !f->has_address ||
	    align_down(x->cr3, PAGE_BYTES) != TABLES_GPA) {
		return;
	}
	f->kind = mem_region_find(m, f->address) ? CPU_FAULT_PROTECTION : CPU_FAULT_UNMAPPED;
}
