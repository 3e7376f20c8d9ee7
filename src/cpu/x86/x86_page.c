/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 page walks: none, 32-bit (with PSE-36), PAE, 4-level. Source: SDM volume 3, chapter 4.
 *
 * Physical addresses have 52 bits. Accessed and dirty bits are neither asked for nor set: the CPU
 * would set them silently, and a debugger must not. PDPTEs of PAE are read from memory, not from
 * the copy that a MOV to CR3 makes.
 */
#include "cpu/x86/x86_internal.h"

#define PTE_P	 BIT(0)
#define PTE_RW	 BIT(1)
#define PTE_US	 BIT(2)
#define PTE_PS	 BIT(7)
#define PTE_NX	 BIT(63)
#define PTE_ADDR 0x000ffffffffff000ULL

/* Page-fault error code. */
#define PF_PRESENT  BIT(0)
#define PF_WRITE    BIT(1)
#define PF_USER	    BIT(2)
#define PF_RESERVED BIT(3)
#define PF_FETCH    BIT(4)

struct walk {
	const struct x86_state *x;
	const struct mem *m;
	gva_t gva;
	uint32_t access;
	bool is_user;
	bool is_pae; /* 8-byte entries */
	bool is_long;
	uint64_t rights; /* PTE_RW, PTE_US: of all levels */
	bool is_nx;	 /* of any level */
};

static bool refuse(const struct walk *w, uint64_t code, struct cpu_fault *ret)
{
	bool has_fetch_bit =
		(w->is_pae && (w->x->efer & X86_EFER_NXE)) || (w->x->cr4 & X86_CR4_SMEP);

	code |= w->access & MEM_W ? PF_WRITE : 0;
	code |= w->is_user ? PF_USER : 0;
	code |= (w->access & MEM_X) && has_fetch_bit ? PF_FETCH : 0;
	*ret = x86_fault_from_vector(X86_PF, code, x86_linear_pc(w->x), w->gva);
	ret->access = w->access ? w->access : MEM_R;
	return false;
}

static bool refuse_no_table(const struct walk *w, gpa_t entry_gpa, struct cpu_fault *ret)
{
	*ret = (struct cpu_fault){
		.kind = CPU_FAULT_UNMAPPED,
		.vector = X86_PF,
		.pc = x86_linear_pc(w->x),
		.address = entry_gpa,
		.has_address = true,
		.access = MEM_R,
	};
	return false;
}

static bool refuse_noncanonical(const struct walk *w, struct cpu_fault *ret)
{
	*ret = x86_fault_from_vector(X86_GP, 0, x86_linear_pc(w->x), 0);
	ret->address = w->gva;
	ret->has_address = true;
	ret->access = w->access ? w->access : MEM_R;
	return false;
}

static bool is_leaf(const struct walk *w, uint64_t entry, unsigned int shift)
{
	if (shift == 12) {
		return true;
	}
	if (!(entry & PTE_PS)) {
		return false;
	}
	if (!w->is_pae) {
		return w->x->cr4 & X86_CR4_PSE;
	}
	return shift == 21 || (shift == 30 && w->is_long);
}

/* Bits that must be zero. SDM volume 3, 4.3 to 4.5. */
static uint64_t reserved_bits(const struct walk *w, unsigned int shift, bool leaf)
{
	bool is_pdpte = w->is_pae && !w->is_long && shift == 30;
	uint64_t bits = 0;

	if (!w->is_pae) {
		return leaf && shift == 22 ? BIT(21) : 0;
	}
	if (!w->is_long) {
		bits |= 0x7ff0000000000000ULL;
	}
	if (is_pdpte) {
		return bits | PTE_NX | BIT(1) | BIT(2) | BIT(5) | BIT(6) | BIT(7) | BIT(8);
	}
	if (!(w->x->efer & X86_EFER_NXE)) {
		bits |= PTE_NX;
	}
	if (!leaf && shift == 39) {
		bits |= PTE_PS;
	}
	if (leaf && shift > 12) {
		bits |= (BIT(shift) - 1) & ~(BIT(13) - 1);
	}
	return bits;
}

static bool is_allowed(const struct walk *w)
{
	bool is_user_page = w->rights & PTE_US;

	if (w->is_user && !is_user_page) {
		return false;
	}
	if ((w->access & MEM_X) && w->is_nx) {
		return false;
	}
	if ((w->access & MEM_W) && !(w->rights & PTE_RW) &&
	    (w->is_user || (w->x->cr0 & X86_CR0_WP))) {
		return false;
	}
	if (w->is_user || !is_user_page) {
		return true;
	}
	if (w->access & MEM_X) {
		return !(w->x->cr4 & X86_CR4_SMEP);
	}
	return !(w->x->cr4 & X86_CR4_SMAP) || (w->x->rflags & X86_FLAGS_AC);
}

static gpa_t leaf_address(const struct walk *w, uint64_t entry, unsigned int shift)
{
	uint64_t base = entry & PTE_ADDR & ~(BIT(shift) - 1);

	if (!w->is_pae && shift == 22) {
		base = (entry & 0xffc00000u) | ((entry >> 13) & 0xff) << 32;
	}
	return base | (w->gva & (BIT(shift) - 1));
}

static bool walk_levels(struct walk *w, gpa_t table, unsigned int shift, gpa_t *ret_gpa,
			struct cpu_fault *ret_fault)
{
	unsigned int entry_bytes = w->is_pae ? 8 : 4;
	unsigned int index_bits = w->is_pae ? 9 : 10;

	for (;; shift -= index_bits) {
		gpa_t at = table + ((w->gva >> shift) & (BIT(index_bits) - 1)) * entry_bytes;
		uint64_t entry = 0;
		bool leaf;

		if (!mem_read(w->m, at, &entry, entry_bytes, NULL)) {
			return refuse_no_table(w, at, ret_fault);
		}
		if (!(entry & PTE_P)) {
			return refuse(w, 0, ret_fault);
		}
		leaf = is_leaf(w, entry, shift);
		if (entry & reserved_bits(w, shift, leaf)) {
			return refuse(w, PF_PRESENT | PF_RESERVED, ret_fault);
		}
		if (!w->is_pae || w->is_long || shift != 30) {
			w->rights &= entry;
			w->is_nx |= (entry & PTE_NX) != 0;
		}
		if (leaf) {
			*ret_gpa = leaf_address(w, entry, shift);
			return true;
		}
		table = entry & PTE_ADDR;
	}
}

bool x86_walk(const struct x86_state *x, const struct mem *m, gva_t gva, uint32_t access,
	      bool is_user, gpa_t *ret_gpa, struct cpu_fault *ret_fault)
{
	struct walk w = {
		.x = x,
		.m = m,
		.gva = gva,
		.access = access,
		.is_user = is_user,
		.is_pae = x->cr4 & X86_CR4_PAE,
		.is_long = x->efer & X86_EFER_LMA,
		.rights = PTE_RW | PTE_US,
	};
	gpa_t table = x->cr3 & PTE_ADDR;
	unsigned int shift = 22;
	gpa_t gpa = 0;

	if (w.is_long && (int64_t)(gva << 16) >> 16 != (int64_t)gva) {
		return refuse_noncanonical(&w, ret_fault);
	}
	if (!(x->cr0 & X86_CR0_PG)) {
		*ret_gpa = gva;
		return true;
	}
	if (w.is_long) {
		shift = 39;
	} else if (w.is_pae) {
		w.gva &= 0xffffffffu; /* two index bits are left at the top level */
		table = x->cr3 & 0xffffffe0u;
		shift = 30;
	}
	if (!walk_levels(&w, table, shift, &gpa, ret_fault)) {
		return false;
	}
	if (access && !is_allowed(&w)) {
		return refuse(&w, PF_PRESENT, ret_fault);
	}
	*ret_gpa = gpa;
	return true;
}

bool x86_page_walk(const struct cpu_state *s, const struct mem *m, gva_t gva, uint32_t access,
		   gpa_t *ret_gpa, struct cpu_fault *ret_fault)
{
	const struct x86_state *x = x86_state_const(s);

	return x86_walk(x, m, gva, access, x86_cpl(x) == 3, ret_gpa, ret_fault);
}

bool x86_linear_read(const struct x86_state *x, const struct mem *m, gva_t gva, void *buf,
		     size_t len, struct cpu_fault *ret_fault)
{
	size_t done = 0;

	while (done < len) {
		size_t left = (size_t)(PAGE_BYTES - (gva + done) % PAGE_BYTES);
		size_t step = left < len - done ? left : len - done;
		struct cpu_fault fault;
		gpa_t gpa;

		if (!x86_walk(x, m, gva + done, MEM_R, false, &gpa, &fault)) {
			*ret_fault = fault;
			return false;
		}
		if (!mem_read(m, gpa, (uint8_t *)buf + done, step, NULL)) {
			*ret_fault = (struct cpu_fault){
				.kind = CPU_FAULT_UNMAPPED,
				.pc = x86_linear_pc(x),
				.address = gpa,
				.has_address = true,
				.access = MEM_R,
			};
			return false;
		}
		done += step;
	}
	return true;
}
