/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operating system of sv39.h. One kernel stack, no kernel preemption; processes take turns at each timer interrupt and
 * when they yield. What it can't do ends the machine with a sentence.
 */
#include "guest.h"
#include "sv39.h"

enum {
	PAGE = 4096,
	RAM_END = 0x88000000,
	PROCESSES = 4,
	TICK = 40000,	  /* of a clock of 10 MHz */
	FENCE_PAGES = 64, /* more of them are cheaper fenced all at once */
};

enum {
	PTE_V = 1,
	PTE_R = 2,
	PTE_W = 4,
	PTE_X = 8,
	PTE_U = 16,
	PTE_G = 32,
	PTE_A = 64,
	PTE_D = 128,
	PTE_KERNEL = PTE_V | PTE_R | PTE_W | PTE_X | PTE_G | PTE_A | PTE_D,
	PTE_CODE = PTE_V | PTE_R | PTE_X | PTE_U | PTE_A | PTE_D,
	PTE_DATA = PTE_V | PTE_R | PTE_W | PTE_U | PTE_A | PTE_D,
};

enum { CAUSE_ECALL = 8, CAUSE_FETCH = 12, CAUSE_LOAD = 13, CAUSE_STORE = 15 };

#define CAUSE_TIMER ((1ULL << 63) | 5)
#define SATP_SV39   (8ULL << 60)
#define STIE	    0x20
#define SSTATUS_SPP 0x100
#define FS_DIRTY    0x6000ULL
#define FS_CLEAN    0x4000ULL

#define CSR_WRITE(csr, value) __asm__ volatile("csrw " #csr ", %0" ::"r"(value) : "memory")
#define CSR_SET(csr, value)   __asm__ volatile("csrs " #csr ", %0" ::"r"(value) : "memory")
#define CSR_CLEAR(csr, value) __asm__ volatile("csrc " #csr ", %0" ::"r"(value) : "memory")

/** Registers of a process; start.S knows where they are. */
struct frame {
	uint64_t x[32];
	uint64_t sepc;
	uint64_t f[33];
};

enum { REG_SP = 2, REG_A0 = 10, REG_A1 = 11, REG_A7 = 17 };

struct process {
	struct frame frame;
	uint64_t *root; /* NULL: none */
	uint64_t asid;
};

/** What start.S calls: a trap. @return the frame to go on with */
struct frame *sv39_handle(struct frame *f, uint64_t cause, uint64_t value);

/** What start.S calls first, in S-mode. */
_Noreturn void sv39_main(void);

void sv39_trap(void);
_Noreturn void sv39_return(struct frame *f);
void sv39_fp_save(struct frame *f);
void sv39_fp_load(const struct frame *f);
extern const uint8_t sv39_image[];
extern const uint8_t sv39_image_end[];
extern uint8_t guest_end[];

static struct process processes[PROCESSES];
static struct process *current;
static uint64_t *spare_pages; /* a list through their first words */
static uint8_t *fresh_pages;

_Noreturn static void give_up(const char *why, uint64_t cause, uint64_t value)
{
	guest_puts(why);
	guest_line_hex(" cause", cause, 16);
	guest_line_hex("value", value, 16);
	guest_line_hex("pc", current->frame.sepc, 16);
	guest_exit(99);
}

/* ---- pages ---- */

static void *page_new(void)
{
	uint64_t *page = spare_pages;

	if (page) {
		spare_pages = (uint64_t *)(uintptr_t)page[0];
	} else if ((uintptr_t)fresh_pages + PAGE > RAM_END) {
		give_up("out of memory", 0, 0);
	} else {
		page = (uint64_t *)fresh_pages;
		fresh_pages += PAGE;
	}
	for (size_t i = 0; i < PAGE / sizeof(*page); i++) {
		page[i] = 0;
	}
	return page;
}

static void page_free(uint64_t *page)
{
	page[0] = (uintptr_t)spare_pages;
	spare_pages = page;
}

static void page_copy(uint64_t *to, const uint64_t *from)
{
	for (size_t i = 0; i < PAGE / sizeof(*to); i++) {
		to[i] = from[i];
	}
}

static uint64_t *pte_page(uint64_t pte)
{
	return (uint64_t *)(uintptr_t)(pte >> 10 << 12);
}

/* The entry of a page; tables on the way are made if asked for. @return NULL if there is none */
static uint64_t *pte_find(uint64_t *root, uint64_t va, int is_made)
{
	uint64_t *table = root;

	for (unsigned int level = 2; level > 0; level--) {
		uint64_t *pte = &table[va >> (12 + 9 * level) & 511];

		if (!*pte && !is_made) {
			return NULL;
		}
		if (!*pte) {
			*pte = (uintptr_t)page_new() >> 12 << 10 | PTE_V;
		}
		table = pte_page(*pte);
	}
	return &table[va >> 12 & 511];
}

static void fence_page(uint64_t va, uint64_t asid)
{
	__asm__ volatile("sfence.vma %0, %1" ::"r"(va), "r"(asid) : "memory");
}

static void fence_space(uint64_t asid)
{
	__asm__ volatile("sfence.vma zero, %0" ::"r"(asid) : "memory");
}

static uint64_t *space_new(void)
{
	uint64_t *root = page_new();

	root[0] = PTE_KERNEL;
	root[2] = 0x80000000ULL >> 12 << 10 | PTE_KERNEL;
	return root;
}

static uint64_t image_word(size_t offset)
{
	return *(const uint64_t *)(const void *)(sv39_image + offset);
}

/* A page that the process may have but has not got yet: of its image, or zeros. */
static void page_fault(uint64_t cause, uint64_t va)
{
	uint64_t offset = (va & ~(uint64_t)(PAGE - 1)) - SV39_USER_BASE;
	int is_code = va < image_word(8);
	uint64_t *pte;

	if (va < SV39_USER_BASE || va >= SV39_USER_TOP || (is_code && cause == CAUSE_STORE)) {
		give_up("bad access", cause, va);
	}
	pte = pte_find(current->root, va, 1);
	if (*pte) {
		give_up("refused access", cause, va);
	}
	*pte = (uintptr_t)page_new() >> 12 << 10 | (is_code ? PTE_CODE : PTE_DATA);
	if (offset < (uint64_t)(sv39_image_end - sv39_image)) {
		page_copy(pte_page(*pte), (const uint64_t *)(const void *)(sv39_image + offset));
	}
	if (is_code) {
		__asm__ volatile("fence.i" ::: "memory");
	}
	fence_page(va, current->asid);
}

static void unmap(uint64_t va, uint64_t n_pages)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		uint64_t *pte = pte_find(current->root, va + i * PAGE, 0);

		if (pte && *pte) {
			page_free(pte_page(*pte));
			*pte = 0;
			if (n_pages <= FENCE_PAGES) {
				fence_page(va + i * PAGE, current->asid);
			}
		}
	}
	if (n_pages > FENCE_PAGES) {
		fence_space(current->asid);
	}
}

/* ---- processes ---- */

static struct frame *switch_to(struct process *next)
{
	if (next != current) {
		sv39_fp_save(&current->frame);
		current = next;
		CSR_WRITE(satp, SATP_SV39 | next->asid << 44 | (uintptr_t)next->root >> 12);
		sv39_fp_load(&next->frame);
	}
	return &current->frame;
}

static struct frame *yield(void)
{
	size_t at = (size_t)(current - processes);

	do {
		at = (at + 1) % PROCESSES;
	} while (!processes[at].root);
	return switch_to(&processes[at]);
}

/* Every page below the second level of the tables of @p from, which are those of a process. */
static void space_copy(struct process *to, const struct process *from)
{
	for (uint64_t va = SV39_USER_BASE; va < SV39_USER_TOP; va += PAGE) {
		const uint64_t *pte = pte_find(from->root, va, 0);

		if (!pte) {
			va = (va | (512 * PAGE - 1)) + 1 - PAGE;
		} else if (*pte) {
			uint64_t *copy = pte_find(to->root, va, 1);

			*copy = (uintptr_t)page_new() >> 12 << 10 | (*pte & 1023);
			page_copy(pte_page(*copy), pte_page(*pte));
		}
	}
	__asm__ volatile("fence.i" ::: "memory");
}

static uint64_t fork_process(void)
{
	for (size_t i = 0; i < PROCESSES; i++) {
		struct process *p = &processes[i];

		if (!p->root) {
			sv39_fp_save(&current->frame);
			p->frame = current->frame;
			p->frame.x[REG_A0] = 0;
			p->root = space_new();
			p->asid = i + 1;
			fence_space(p->asid);
			space_copy(p, current);
			return p->asid;
		}
	}
	give_up("too many processes", 0, 0);
}

/* Its pages are not given back: machines end soon. */
static struct frame *leave(uint64_t code)
{
	if (current == processes) {
		guest_exit((int)code);
	}
	current->root = NULL;
	return yield();
}

/* ---- traps ---- */

static struct frame *system_call(struct frame *f)
{
	uint64_t *a0 = &f->x[REG_A0];

	f->sepc += 4;
	switch (f->x[REG_A7]) {
	case SYS_PUTC:
		guest_putc((char)*a0);
		break;
	case SYS_GETC:
		*a0 = (uint64_t)guest_getc();
		break;
	case SYS_EXIT:
		return leave(*a0);
	case SYS_SELF:
		*a0 = current->asid;
		break;
	case SYS_YIELD:
		return yield();
	case SYS_FORK:
		*a0 = fork_process();
		break;
	case SYS_UNMAP:
		unmap(*a0, f->x[REG_A1]);
		break;
	case SYS_FENCEI:
		__asm__ volatile("fence.i" ::: "memory");
		break;
	default:
		give_up("no such system call", CAUSE_ECALL, f->x[REG_A7]);
	}
	return f;
}

static void timer_set(void)
{
	uint64_t now;

	__asm__ volatile("rdtime %0" : "=r"(now));
	__asm__ volatile("csrw 0x14d, %0" ::"r"(now + TICK)); /* stimecmp */
}

struct frame *sv39_handle(struct frame *f, uint64_t cause, uint64_t value)
{
	switch (cause) {
	case CAUSE_ECALL:
		return system_call(f);
	case CAUSE_FETCH:
	case CAUSE_LOAD:
	case CAUSE_STORE:
		page_fault(cause, value);
		return f;
	default:
		if (cause != CAUSE_TIMER) {
			give_up("unexpected trap", cause, value);
		}
		timer_set();
		return yield();
	}
}

_Noreturn void sv39_main(void)
{
	uintptr_t end = (uintptr_t)guest_end;

	fresh_pages = (uint8_t *)((end + PAGE - 1) / PAGE * PAGE);
	current = &processes[0];
	current->root = space_new();
	current->asid = 1;
	current->frame.sepc = SV39_USER_BASE;
	current->frame.x[REG_SP] = SV39_USER_TOP;
	CSR_WRITE(stvec, (uintptr_t)sv39_trap);
	CSR_WRITE(scounteren, 7UL);
	CSR_WRITE(satp, SATP_SV39 | current->asid << 44 | (uintptr_t)current->root >> 12);
	__asm__ volatile("sfence.vma" ::: "memory");
	CSR_CLEAR(sstatus, SSTATUS_SPP);
	CSR_SET(sstatus, FS_DIRTY);
	timer_set();
	CSR_SET(sie, STIE);
	sv39_return(&current->frame);
}
