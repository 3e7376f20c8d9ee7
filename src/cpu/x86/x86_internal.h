/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the x86 files share and nobody else needs. */
#ifndef PINFOLD_CPU_X86_X86_INTERNAL_H
#define PINFOLD_CPU_X86_X86_INTERNAL_H

#include "cpu/x86/x86.h"

/* Descriptor attributes, as in struct x86_seg. */
#define X86_ATTR_ACCESSED BIT(0)
#define X86_ATTR_RW	  BIT(1) /* data: writable; code: readable */
#define X86_ATTR_DC	  BIT(2) /* data: expands down; code: conforming */
#define X86_ATTR_CODE	  BIT(3)
#define X86_ATTR_S	  BIT(4)
#define X86_ATTR_P	  BIT(7)
#define X86_ATTR_L	  BIT(13)
#define X86_ATTR_DB	  BIT(14)
#define X86_ATTR_G	  BIT(15)

/** An exception or software interrupt on its way to the guest. */
struct x86_event {
	uint8_t vector;
	bool is_soft;  /* INT n, INT3, INTO, INT1: gate privilege is checked, EXT is 0 */
	bool is_int_n; /* INT n proper: also subject to IOPL in virtual-8086 mode */
	bool has_error;
	uint32_t error;
	uint64_t insn_rip; /* of the instruction, as an offset in CS */
	uint64_t push_rip; /* what the frame holds */
	uint64_t cr2;	   /* of a page fault */
};

/** Access rights byte's DPL. */
static inline unsigned int x86_attr_dpl(uint16_t attr)
{
	return (attr >> 5) & 3;
}

/** Make *ret the exception that interrupts the delivery of @p ev; always false. */
bool x86_event_raise(struct x86_event *ret, const struct x86_event *ev, uint8_t vector,
		     uint32_t error);

/** cpu_arch.page_walk with an explicit privilege, for the CPU's own accesses to tables. */
bool x86_walk(const struct x86_state *x, const struct mem *m, gva_t gva, uint32_t access,
	      bool is_user, gpa_t *ret_gpa, struct cpu_fault *ret_fault);

/** cpu_arch.page_walk. */
bool x86_page_walk(const struct cpu_state *s, const struct mem *m, gva_t gva, uint32_t access,
		   gpa_t *ret_gpa, struct cpu_fault *ret_fault);

/**
 * Read a table (IDT, GDT, TSS) at a linear address as the CPU itself.
 * @return false with @p ret_fault; UNMAPPED when no memory is there
 */
bool x86_linear_read(const struct x86_state *x, const struct mem *m, gva_t gva, void *buf,
		     size_t len, struct cpu_fault *ret_fault);

/** Outcome of looking for a descriptor. */
enum x86_desc_result { X86_DESC_OK, X86_DESC_LIMIT, X86_DESC_FAULT };

/**
 * Read the descriptor that a non-null selector names.
 * @param is_wide    16 bytes: system descriptors of long mode
 * @param ret        the descriptor; ret[1] is 0 unless @p is_wide
 * @param ret_fault  why memory refused, for X86_DESC_FAULT
 */
enum x86_desc_result x86_desc_read(const struct x86_state *x, const struct mem *m, uint16_t sel,
				   bool is_wide, uint64_t ret[2], struct cpu_fault *ret_fault);

/** Unpack an 8-byte descriptor; the selector and the accessed bit are the caller's. */
void x86_desc_unpack(uint64_t desc, struct x86_seg *seg);

/** Deliver through a gate of the IDT, protected or long mode; false with the next exception. */
bool x86_gate_deliver(struct x86_state *x, struct mem *m, const struct x86_event *ev,
		      struct x86_event *ret_next);

/** cpu_arch.deliver. */
bool x86_deliver(struct cpu_state *s, struct mem *m, const struct cpu_fault *f);

/** Program counter as a linear address. */
gva_t x86_linear_pc(const struct x86_state *x);

#endif
