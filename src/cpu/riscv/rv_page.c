/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RISC-V page walks: Bare, Sv39, Sv48, Sv57 with Svnapot, Svpbmt and Svade. Source: privileged
 * architecture 1.12, sections 4.3 to 4.6, chapters 5 and 6; Svade 1.0.
 *
 * A clear A bit, or D bit at a store, is a page fault: nothing is ever written into a table.
 * Memory types (PBMT) are checked but make no difference: all memory is coherent here.
 *
 *   entry | 63 N | 62:61 PBMT | 60:54 zero | 53:10 PPN | 9:8 free | 7 D | A | G | U | X | W | R | 0 V |
 *
 * Tables are read through PMP as S-mode and must lie in readable memory: anything else is an
 * access fault, of the kind of the access that needed the walk.
 */
#include "cpu/riscv/rv_internal.h"

#define PTE_V	     BIT(0)
#define PTE_R	     BIT(1)
#define PTE_W	     BIT(2)
#define PTE_X	     BIT(3)
#define PTE_U	     BIT(4)
#define PTE_G	     BIT(5)
#define PTE_A	     BIT(6)
#define PTE_D	     BIT(7)
#define PTE_RESERVED (0x7fULL << 54)
#define PTE_PBMT     (3ULL << 61)
#define PTE_N	     BIT(63)
#define PPN_MASK     ((1ULL << 44) - 1)
#define PPN_SHIFT    10
#define LEVEL_BITS   9
#define PAGE_SHIFT   12
#define NAPOT_BYTES  0x10000u /* the only size that there is: PPN ends in 1000 */

/* What is said about an address that is not translated: PMP cuts it down. */
#define BARE_BYTES (1ULL << 30)

enum satp_mode { SATP_BARE = 0, SATP_SV39 = 8, SATP_SV48 = 9, SATP_SV57 = 10 };

bool rv_satp_is_legal(uint64_t satp)
{
	uint64_t mode = satp >> 60;

	return mode == SATP_BARE || (mode >= SATP_SV39 && mode <= SATP_SV57);
}

static bool refuse(const struct rv_walk *w, bool is_page, uint64_t *ret_cause)
{
	if (w->access & MEM_X) {
		*ret_cause = is_page ? RV_INSN_PAGE : RV_INSN_ACCESS;
	} else if (w->access & MEM_W) {
		*ret_cause = is_page ? RV_STORE_PAGE : RV_STORE_ACCESS;
	} else {
		*ret_cause = is_page ? RV_LOAD_PAGE : RV_LOAD_ACCESS;
	}
	return false;
}

/* What is left of a translation when PMP has had its say. */
static bool finish(const struct rv_walk *w, struct rv_translation *t, struct rv_translation *ret,
		   uint64_t *ret_cause)
{
	uint32_t allowed = MEM_RWX;

	if (!w->is_lenient) {
		t->bytes = rv_pmp_block(w->s, t->gpa, t->bytes, w->priv, &allowed);
	}
	t->perm &= allowed;
	if (w->access & ~allowed) {
		return refuse(w, false, ret_cause);
	}
	*ret = *t;
	return true;
}

/* Bits that make an entry invalid, whatever else it says. */
static bool is_bad_entry(const struct rv_state *s, uint64_t pte)
{
	uint64_t pbmt = pte & PTE_PBMT;

	return !(pte & PTE_V) || (pte & PTE_RESERVED) || ((pte & PTE_W) && !(pte & PTE_R)) ||
	       pbmt == PTE_PBMT || (pbmt && !(s->menvcfg & RV_ENVCFG_PBMTE));
}

/* A pointer to a table: what is reserved in it must be zero. */
static bool is_bad_pointer(uint64_t pte)
{
	return pte & (PTE_N | PTE_PBMT | PTE_D | PTE_A | PTE_U);
}

/* MEM_* that the walk's privilege may do with a page, A and D apart. */
static uint32_t perm_of(const struct rv_walk *w, uint64_t pte)
{
	uint64_t status = w->s->mstatus;
	uint32_t perm = pte & PTE_R ? MEM_R : 0;

	perm |= pte & PTE_W ? MEM_W : 0;
	perm |= pte & PTE_X ? MEM_X : 0;
	perm |= (pte & PTE_X) && (status & RV_MSTATUS_MXR) ? MEM_R : 0;
	if (w->priv == RV_PRIV_U) {
		return pte & PTE_U ? perm : 0;
	}
	if (pte & PTE_U) {
		return status & RV_MSTATUS_SUM ? perm & ~MEM_X : 0;
	}
	return perm;
}

static bool leaf(const struct rv_walk *w, gva_t gva, uint64_t pte, unsigned int shift,
		 struct rv_translation *ret)
{
	gpa_t base = (pte >> PPN_SHIFT & PPN_MASK) << PAGE_SHIFT;
	uint64_t bytes = 1ULL << shift;
	uint32_t perm = perm_of(w, pte);

	if (pte & PTE_N) {
		if (shift != PAGE_SHIFT || base % NAPOT_BYTES != NAPOT_BYTES / 2) {
			return false;
		}
		bytes = NAPOT_BYTES;
		base -= NAPOT_BYTES / 2;
	}
	if (!w->is_lenient) {
		perm = pte & PTE_A ? perm : 0;
		perm = pte & PTE_D ? perm : perm & ~MEM_W;
	}
	if (base % bytes || (w->access & ~perm)) {
		return false;
	}
	*ret = (struct rv_translation){ base | (gva & (bytes - 1)), bytes, perm,
					ret->is_global || (pte & PTE_G), bytes };
	return true;
}

static bool pte_read(const struct rv_walk *w, gpa_t at, uint64_t *ret)
{
	return (w->is_lenient || rv_pmp_allows(w->s, at, sizeof(*ret), MEM_R, RV_PRIV_S)) &&
	       mem_read(w->mem, at, ret, sizeof(*ret), NULL);
}

static bool walk_levels(const struct rv_walk *w, gva_t gva, unsigned int levels,
			struct rv_translation *ret, uint64_t *ret_cause)
{
	gpa_t table = (w->s->satp & PPN_MASK) << PAGE_SHIFT;
	unsigned int shift = PAGE_SHIFT + LEVEL_BITS * (levels - 1);
	struct rv_translation t = { 0 };
	uint64_t pte;

	for (;; shift -= LEVEL_BITS) {
		if (!pte_read(w, table + (gva >> shift & (BIT(LEVEL_BITS) - 1)) * 8, &pte)) {
			return refuse(w, false, ret_cause);
		}
		if (is_bad_entry(w->s, pte)) {
			return refuse(w, true, ret_cause);
		}
		if (pte & (PTE_R | PTE_X)) {
			return leaf(w, gva, pte, shift, &t) ? finish(w, &t, ret, ret_cause)
							    : refuse(w, true, ret_cause);
		}
		if (shift == PAGE_SHIFT || is_bad_pointer(pte)) {
			return refuse(w, true, ret_cause);
		}
		/* What lies below a global pointer is global. */
		t.is_global |= (pte & PTE_G) != 0;
		table = (pte >> PPN_SHIFT & PPN_MASK) << PAGE_SHIFT;
	}
}

bool rv_walk(const struct rv_walk *w, gva_t gva, struct rv_translation *ret, uint64_t *ret_cause)
{
	unsigned int mode = (unsigned int)(w->s->satp >> 60);
	unsigned int levels = mode - 5; /* Sv39: 3 */
	unsigned int spare;

	if (w->priv == RV_PRIV_M || mode < SATP_SV39 || mode > SATP_SV57) {
		struct rv_translation t = { gva, BARE_BYTES, MEM_RWX, false, 0 };

		return finish(w, &t, ret, ret_cause);
	}
	spare = 64 - (PAGE_SHIFT + LEVEL_BITS * levels);
	if ((int64_t)(gva << spare) >> spare != (int64_t)gva) {
		return refuse(w, true, ret_cause);
	}
	return walk_levels(w, gva, levels, ret, ret_cause);
}

static uint32_t data_priv(const struct rv_state *s)
{
	if (s->priv == RV_PRIV_M && (s->mstatus & RV_MSTATUS_MPRV)) {
		return (uint32_t)(s->mstatus >> RV_MPP_SHIFT & 3);
	}
	return s->priv;
}

uint32_t rv_data_priv(const struct rv_hart *h)
{
	return data_priv(&h->s);
}

bool rv_translate(const struct rv_hart *h, gva_t gva, uint32_t priv, uint32_t access,
		  struct rv_translation *ret, uint64_t *ret_cause)
{
	struct rv_walk w = { .s = &h->s, .mem = h->cfg.mem, .priv = priv, .access = access };

	return rv_walk(&w, gva, ret, ret_cause);
}

/*
 * What monitors and debuggers ask of any engine's hart. Lenient, since it must not refuse what the
 * engine would do: engine `unicorn` sets A and D by itself and knows no PMP entry that we do.
 */
bool rv_page_walk(const struct cpu_state *s, const struct mem *m, gva_t gva, uint32_t access,
		  gpa_t *ret_gpa, struct cpu_fault *ret_fault)
{
	const struct rv_state *v = rv_state_const(s);
	struct rv_walk w = { .s = v, .mem = m, .access = access, .is_lenient = true };
	struct rv_translation t = { 0 };
	uint64_t cause;

	w.priv = access & (MEM_R | MEM_W) ? data_priv(v) : v->priv;
	if (!rv_walk(&w, gva, &t, &cause)) {
		*ret_fault = rv_fault_from_cause(cause, v->pc, gva);
		return false;
	}
	*ret_gpa = t.gpa;
	return true;
}
