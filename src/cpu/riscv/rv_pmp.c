/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Physical memory protection: 16 entries, granularity 4 bytes. Source: privileged architecture
 * 1.12, section 3.7.
 *
 * The lowest-numbered entry that matches any byte of an access decides, and it must match all of
 * them. An unlocked entry does not bind M-mode. Where no entry matches, M-mode may do everything
 * and the others nothing: a hart whose firmware set up no entry has no memory in S-mode.
 *
 * Entries cover 56-bit addresses; one above them matches none.
 */
#include "cpu/riscv/rv_internal.h"

/** The bytes that an entry matches: first to last; none if last < first. */
struct range {
	gpa_t first, last;
};

static struct range range_of(const struct rv_state *s, unsigned int idx)
{
	uint64_t addr = s->pmpaddr[idx];
	uint64_t ones; /* what NAPOT ignores: the trailing ones and the zero above them */

	switch (rv_pmp_cfg(s, idx) & RV_PMP_MODE) {
	case RV_PMP_OFF:
		return (struct range){ 1, 0 };
	case RV_PMP_TOR:
		if (addr == 0) {
			return (struct range){ 1, 0 };
		}
		return (struct range){ idx ? s->pmpaddr[idx - 1] << 2 : 0, (addr << 2) - 1 };
	case RV_PMP_NA4:
		return (struct range){ addr << 2, addr << 2 | 3 };
	default:
		ones = addr ^ (addr + 1);
		return (struct range){ (addr & ~ones) << 2, (addr | ones) << 2 | 3 };
	}
}

/** How an entry's range and [first, last] lie to each other. */
enum overlap { APART, COVERS, CUTS };

static enum overlap compare(struct range r, gpa_t first, gpa_t last)
{
	if (r.last < r.first || last < r.first || first > r.last) {
		return APART;
	}
	return r.first <= first && last <= r.last ? COVERS : CUTS;
}

static uint32_t perm_of(uint8_t cfg, uint32_t priv)
{
	_Static_assert(RV_PMP_R == MEM_R && RV_PMP_W == MEM_W && RV_PMP_X == MEM_X, "same bits");
	return priv == RV_PRIV_M && !(cfg & RV_PMP_L) ? MEM_RWX : cfg & MEM_RWX;
}

/* What may be done with [first, last]; false: an entry matches only part of it. */
static bool decide(const struct rv_state *s, gpa_t first, gpa_t last, uint32_t priv,
		   uint32_t *ret_perm)
{
	if (!(s->pmpcfg[0] | s->pmpcfg[1])) {
		*ret_perm = priv == RV_PRIV_M ? MEM_RWX : 0;
		return true;
	}
	for (unsigned int i = 0; i < RV_PMP_COUNT; i++) {
		switch (compare(range_of(s, i), first, last)) {
		case COVERS:
			*ret_perm = perm_of(rv_pmp_cfg(s, i), priv);
			return true;
		case CUTS:
			return false;
		default:
			break;
		}
	}
	*ret_perm = priv == RV_PRIV_M ? MEM_RWX : 0;
	return true;
}

bool rv_pmp_allows(const struct rv_state *s, gpa_t gpa, uint64_t bytes, uint32_t access,
		   uint32_t priv)
{
	gpa_t last = gpa + bytes - 1;
	uint32_t perm;

	return last >= gpa && decide(s, gpa, last, priv, &perm) && (perm & access) == access;
}

bool rv_pmp_is_locked(const struct rv_state *s)
{
	return (s->pmpcfg[0] | s->pmpcfg[1]) & RV_PMP_L * RV_PMP_ALL;
}

uint64_t rv_pmp_block(const struct rv_state *s, gpa_t gpa, uint64_t bytes, uint32_t priv,
		      uint32_t *ret_perm)
{
	/* Entries begin and end at multiples of 4, so none cuts a block of 4. */
	while (bytes > 4 && !decide(s, align_down(gpa, bytes), gpa | (bytes - 1), priv, ret_perm)) {
		bytes /= 2;
	}
	if (bytes <= 4) {
		bytes = 4;
		decide(s, align_down(gpa, 4), gpa | 3, priv, ret_perm);
	}
	return bytes;
}
