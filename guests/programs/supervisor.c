/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: a kernel in S-mode has what the privileged architecture promises, and can't see who gives it. Page tables, user
 * programs, timer interrupts; then all that would look different to a kernel that in truth is in user mode, on a CPU
 * that belongs to somebody else: its own code as data, code that hides system calls, floating point switched off, counters.
 *
 * Prints the same on every machine that starts it in S-mode behind an SBI, with a 16550 and a test finisher where board
 * `virt` has them, and Sstc.
 */
#include "guest.h"

enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_A = 64, PTE_D = 128 };
enum { SSTATUS_SIE = 2, SSTATUS_SPP = 0x100, SSTATUS_SUM = 0x40000, SSTATUS_MXR = 0x80000 };
enum { PAGE = 4096, USERS = 2, TICKS = 5, ROUNDS = 20, PROBES = 300 };
enum { C_RET = 0x8082 };

#define SSTATUS_FS   0x6000ULL
#define IRQ_TIMER    (1ULL << 63 | 5)
#define SV39	     (8ULL << 60)
#define USER_CODE    0x400000ULL
#define USER_DATA    0x500000ULL
#define ALIAS	     0x600000ULL /* of a page of the kernel */
#define NOTHING	     0x700000ULL
#define FLAGS_KERNEL (PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)

struct frame {
	uint64_t pc;
	uint64_t x[31]; /* x1 ... */
};

int super_try(const volatile void *code, uint64_t a0, uint64_t a1);
void super_enter(struct frame *f);

#define csr_read(name)                                          \
	({                                                      \
		uint64_t v_;                                    \
		__asm__ volatile("csrr %0, " #name : "=r"(v_)); \
		v_;                                             \
	})
#define csr_write(name, v) __asm__ volatile("csrw " #name ", %0" : : "r"((uint64_t)(v)) : "memory")
#define csr_set(name, v)   __asm__ volatile("csrs " #name ", %0" : : "r"((uint64_t)(v)) : "memory")
#define csr_clear(name, v) __asm__ volatile("csrc " #name ", %0" : : "r"((uint64_t)(v)) : "memory")

/* Page tables: a root; 2 MiB pages for the kernel, devices and pages of users below. */
static uint64_t roots[USERS][512] __attribute__((aligned(4096)));
static uint64_t device_table[512] __attribute__((aligned(4096)));
static uint64_t user_mid[USERS][512] __attribute__((aligned(4096)));
static uint64_t user_low[USERS][3][512] __attribute__((aligned(4096)));
static uint8_t user_data[USERS][PAGE] __attribute__((aligned(4096)));
static uint16_t scratch[2 * PAGE / 2]
	__attribute__((aligned(4096))); /* code that is written here */
static struct frame users[USERS];

/* Code to be written somewhere; lui a0, 0x73 before a halfword of 0. */
static const uint16_t an_ecall[] = { 0x0073, 0x0000, C_RET };
static const uint16_t long_ecall[] = { 0x0537, 0x0073, 0x0000, C_RET };
static const uint16_t a_sum[] = { 0x952e, C_RET, 0 }; /* add a0, a0, a1 */

/* ---- code that is looked at and run: in pages of its own ---- */

extern const uint32_t user_code[], user_sum[], user_spin[], user_count[], user_reads_time[],
	user_reads_csr[], user_touches[], user_floats[];
extern const uint16_t hidden_ecall[], hidden_time[], plain_ecall[], plain_sum[], kernel_spin[];

__asm__("	.text\n"
	"	.balign	4096\n"
	"	.globl	user_code, user_sum, user_spin, user_count, user_reads_time, "
	"user_reads_csr\n"
	"	.globl	user_touches, user_floats, hidden_ecall, hidden_time, plain_ecall, "
	"plain_sum\n"
	"user_code:\n"
	/* a0 numbers, in memory at a1 */
	"user_sum:\n"
	"	li	a2, 0\n"
	"1:	sd	a2, 0(a1)\n"
	"	ld	a2, 0(a1)\n"
	"	add	a2, a2, a0\n"
	"	addi	a0, a0, -1\n"
	"	bnez	a0, 1b\n"
	"	mv	a0, a2\n"
	"	ecall\n"
	"	.balign	4\n"
	/* until the word at a1 is not 0 */
	"user_spin:\n"
	"	lw	a0, 0(a1)\n"
	"	addi	a2, a2, 1\n"
	"	beqz	a0, user_spin\n"
	"	ecall\n"
	"	.balign	4\n"
	/* for ever, in memory at a1 */
	"user_count:\n"
	"	ld	a2, 0(a1)\n"
	"	addi	a2, a2, 1\n"
	"	sd	a2, 0(a1)\n"
	"	addi	a0, a0, 1\n"
	"	j	user_count\n"
	"	.balign	4\n"
	"user_reads_time:\n"
	"	rdtime	a0\n"
	"	ecall\n"
	"	.balign	4\n"
	"user_reads_csr:\n"
	"	csrr	a0, sstatus\n"
	"	ecall\n"
	"	.balign	4\n"
	"user_touches:\n"
	"	ld	a0, 0(a1)\n"
	"	ecall\n"
	"	.balign	4\n"
	"user_floats:\n"
	"	fmv.d.x	ft0, zero\n"
	"	ecall\n"
	"	.balign	4\n"
	/* lui a0, 0x73, and a halfword of 0: entered at its second half it is an ecall */
	"hidden_ecall:\n"
	"	.half	0x0537, 0x0073, 0x0000\n"
	/* lui a0, 0xc010; c.sw a2, 0(s0): the second half of the first and the second are rdtime a0 */
	"hidden_time:\n"
	"	.half	0x0537, 0x2573, 0xc010, 0x0000\n"
	"plain_ecall:\n"
	"	.half	0x0073, 0x0000, 0x8082\n"
	/* in S-mode, until there is an interrupt */
	"kernel_spin:\n"
	"	csrsi	sstatus, 2\n"
	"1:	j	1b\n"
	"	.balign	4\n"
	"plain_sum:\n"
	"	add	a0, a0, a1\n"
	"	ret\n"
	"	.balign	4096\n");

/* ---- saying ---- */

static void say(const char *what, uint64_t value)
{
	guest_line_hex(what, value, 16);
}

/* How the last trap was. */
static void say_trap(const char *what, int has_trapped)
{
	guest_puts(what);
	if (!has_trapped) {
		guest_puts(" no trap\n");
		return;
	}
	guest_puts(" trap ");
	guest_puthex(csr_read(scause), 16);
	guest_puts(" at ");
	guest_puthex(csr_read(sepc), 16);
	guest_puts(" value ");
	guest_puthex(csr_read(stval), 16);
	guest_puts("\n");
}

static void try(const char *what, const volatile void *code, uint64_t a0, uint64_t a1)
{
	say_trap(what, super_try(code, a0, a1));
}

/* One instruction, and a return. */
static void try_insn(const char *what, uint32_t insn, uint64_t a0)
{
	scratch[0] = (uint16_t)insn;
	scratch[1] = (uint16_t)(insn >> 16);
	scratch[2] = C_RET;
	guest_sync_code(scratch, 6);
	try(what, scratch, a0, 0);
}

/* ---- registers of the privileged kind ---- */

static void check_csrs(void)
{
	static const uint32_t forbidden[] = { 0x30002573, 0xf1402573, 0x30200073, 0x34202573,
					      0x3a002573, 0x7a002573, 0xb0002573, 0x5a802573,
					      0x60002573, 0xc0001073, 0x10102573 };

	for (unsigned int i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		try_insn("forbidden", forbidden[i], 0);
	}
	csr_write(sstatus, UINT64_MAX);
	say("sstatus of ones", csr_read(sstatus) & ~0x600ULL); /* VS is another extension */
	csr_write(sstatus, 0);
	say("sstatus of zeros", csr_read(sstatus));
	csr_write(sepc, UINT64_MAX);
	say("sepc", csr_read(sepc));
	csr_write(scause, 0x800000000000000fULL);
	say("scause", csr_read(scause));
	csr_write(stval, 0x123456789abcdef0ULL);
	say("stval", csr_read(stval));
	csr_write(sscratch, 0xfedcba9876543210ULL);
	say("sscratch", csr_read(sscratch));
	csr_write(sscratch, 0);
	csr_write(sie, UINT64_MAX);
	say("sie", csr_read(sie) & 0x222);
	csr_write(sie, 0);
	csr_write(satp, 3ULL << 60 | 1);
	say("satp of no mode", csr_read(satp));
	csr_write(0x106, 0);
	say("scounteren", csr_read(0x106));
}

static void check_traps(void)
{
	try_insn("nothing", 0xffffffff, 0);
	try_insn("nothing short", 0x80820000, 0);
	try_insn("ebreak", 0x00100073, 0);
	try_insn("c.ebreak", 0x80829002, 0);
	try_insn("sfence.vma", 0x12000073, 0);
	try_insn("fence.i", 0x0000100f, 0);
	try_insn("mret", 0x30200073, 0);
	try_insn("load nowhere", 0x00053503, 0x18000000);
	try_insn("store nowhere", 0x00a53023, 0x18000000);
	try_insn("amo misaligned", 0x00a5352f, (uint64_t)scratch + 4096 + 1);
	try("jump nowhere", (const void *)0x18000000, 0, 0);
	csr_clear(sstatus, SSTATUS_FS);
	try_insn("float off", 0xd2000053, 0); /* fcvt.d.w ft0, zero */
	try_insn("float off, load", 0x00053007, (uint64_t)scratch + 4096);
	try_insn("float off, csr", 0x00302573, 0);
	csr_set(sstatus, 0x2000);
	say("float initial", csr_read(sstatus) & SSTATUS_FS);
	try_insn("float on, load", 0x00053007, (uint64_t)scratch + 4096);
	say("float dirty", csr_read(sstatus) & (SSTATUS_FS | 1ULL << 63));
	csr_clear(sstatus, 0x2000);
	try_insn("float clean, add", 0x02007053, 0);
	say("float dirty", csr_read(sstatus) & (SSTATUS_FS | 1ULL << 63));
	csr_clear(sstatus, SSTATUS_FS);
}

/* ---- code as data, data as code ---- */

static uint32_t crc_of(const volatile uint16_t *from, unsigned int halves)
{
	uint32_t crc = 0;

	for (unsigned int i = 0; i < halves; i++) {
		uint16_t h = from[i];

		crc = guest_crc32(crc, &h, sizeof(h));
	}
	return crc;
}

static void copy_code(volatile uint16_t *to, const uint16_t *from, unsigned int halves)
{
	for (unsigned int i = 0; i < halves; i++) {
		to[i] = from[i];
	}
	guest_sync_code(scratch, sizeof(scratch));
}

/* S-mode's ecall is the firmware's: of a call that does not exist it says so in a0, and nothing else happens. */
static uint64_t call_hidden(const volatile void *code)
{
	register uint64_t a0 __asm__("a0") = 1;
	register uint64_t a1 __asm__("a1") = (uint64_t) "ESCAPED\n";
	register uint64_t a2 __asm__("a2") = 8;
	register uint64_t a6 __asm__("a6") = 0;
	register uint64_t a7 __asm__("a7") = 64; /* Linux: write() */

	__asm__ volatile("jalr	%5"
			 : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a6), "+r"(a7)
			 : "r"(code)
			 : "ra", "t0", "t1", "memory");
	return a0;
}

static void check_code(void)
{
	uint32_t before = crc_of((const volatile uint16_t *)user_code, PAGE / 2);

	try("hidden ecall, not entered", hidden_ecall, 0, 0);
	say("plain ecall", call_hidden(plain_ecall));
	say("plain ecall", call_hidden(plain_ecall));
	guest_line_hex("own code unchanged",
		       crc_of((const volatile uint16_t *)user_code, PAGE / 2) == before, 1);
	say("own code", plain_ecall[0] | (uint64_t)plain_ecall[1] << 16);
	/* Hidden in a longer instruction; across a page; behind itself. */
	copy_code(scratch + 10, long_ecall, 4);
	say("entered in the middle", call_hidden(scratch + 11));
	copy_code(scratch + PAGE / 2 - 1, an_ecall, 3);
	say("across pages", call_hidden(scratch + PAGE / 2 - 1));
	copy_code(scratch + PAGE / 2 - 2, long_ecall, 4);
	say("across pages, entered in the middle", call_hidden(scratch + PAGE / 2 - 1));
	for (unsigned int i = 0; i < ROUNDS; i++) {
		copy_code(scratch, i % 2 ? a_sum : an_ecall, 3);
		if (i % 2) {
			try("written, sum", scratch, i, 1);
		} else {
			say("written, ecall", call_hidden(scratch));
		}
	}
}

static void check_counters(void)
{
	uint64_t time = csr_read(time);
	uint64_t cycle = csr_read(cycle);
	uint64_t done = csr_read(instret);
	unsigned int rounds = 0;

	while (csr_read(time) - time < 20000) {
		rounds++;
	}
	guest_line_hex("time goes on", rounds > 0, 1);
	guest_line_hex("cycles go on", csr_read(cycle) > cycle, 1);
	guest_line_hex("instructions go on", csr_read(instret) > done, 1);
}

/* ---- places where nothing of ours is ---- */

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Where some program of the host could be, if there were one: low, in the middle, at the top of what it may have. */
static uint64_t next_place(unsigned int i)
{
	static const uint64_t bases[] = { 0x10000,	  0x40000000,	0x4000000000,
					  0x3f00000000,	  0x2aaaaaa000, 0x555555550000,
					  0x7fff00000000, 0x3ffffff000, 0x200000000 };
	const unsigned int n = sizeof(bases) / sizeof(bases[0]);
	uint64_t place = i < n ? bases[i] : 1ULL << 32 | next_random() >> (17 + i % 20);

	return place & ~7ULL;
}

/* Loads, stores and jumps have to be refused everywhere. */
static void check_places(uint64_t refusal)
{
	unsigned int refused[3] = { 0, 0, 0 };

	for (unsigned int i = 0; i < PROBES; i++) {
		uint64_t place = next_place(i);

		scratch[0] = 0x6108; /* ld a0, 0(a0) */
		scratch[1] = C_RET;
		guest_sync_code(scratch, 4);
		refused[0] += super_try(scratch, place, 0) && csr_read(scause) == 5 + refusal &&
			      csr_read(stval) == place;
		scratch[0] = 0xe108; /* sd a0, 0(a0) */
		guest_sync_code(scratch, 4);
		refused[1] += super_try(scratch, place, 0) && csr_read(scause) == 7 + refusal &&
			      csr_read(stval) == place;
		refused[2] += super_try((const void *)place, place, 0) && csr_read(sepc) == place &&
			      csr_read(scause) == (refusal ? 12 : 1);
	}
	guest_line_dec("places", PROBES);
	guest_line_dec("loads refused", refused[0]);
	guest_line_dec("stores refused", refused[1]);
	guest_line_dec("jumps refused", refused[2]);
}

/* ---- page tables and users ---- */

static uint64_t leaf(const volatile void *page, uint64_t flags)
{
	return (uint64_t)page >> 12 << 10 | flags;
}

static void make_tables(void)
{
	for (unsigned int i = 0; i < 8; i++) { /* 0x10000000: 2 MiB with the UART */
		device_table[i] = 0;
	}
	for (unsigned int u = 0; u < USERS; u++) {
		roots[u][2] = leaf((void *)0x80000000, FLAGS_KERNEL);
		roots[u][0] = leaf(user_mid[u], PTE_V);
		user_mid[u][0x10000000 >> 21] =
			leaf((void *)0x10000000, FLAGS_KERNEL & ~(uint64_t)PTE_X);
		user_mid[u][0] = leaf(device_table, PTE_V);
		user_mid[u][USER_CODE >> 21] = leaf(user_low[u][0], PTE_V);
		user_mid[u][(USER_CODE >> 21) + 1] = leaf(user_low[u][1], PTE_V);
		user_low[u][0][0] = leaf(user_code, PTE_V | PTE_R | PTE_X | PTE_U | PTE_A);
		user_low[u][0][(USER_DATA - USER_CODE) >> 12] =
			leaf(user_data[u], PTE_V | PTE_R | PTE_W | PTE_U | PTE_A | PTE_D);
		user_low[u][1][0] = leaf(scratch, FLAGS_KERNEL & ~(uint64_t)PTE_W);
	}
	device_table[0x100000 >> 12] = leaf((void *)0x100000, FLAGS_KERNEL & ~(uint64_t)PTE_X);
}

static void use_table(unsigned int u)
{
	csr_write(satp, SV39 | (uint64_t)u << 44 | (uint64_t)roots[u] >> 12);
	__asm__ volatile("sfence.vma" : : : "memory");
}

static void set_user(unsigned int u, const uint32_t *code, uint64_t a0, uint64_t a1)
{
	users[u] = (struct frame){ .pc = USER_CODE + (uint64_t)code - (uint64_t)user_code };
	users[u].x[9] = a0;
	users[u].x[10] = a1;
}

static void run_user(unsigned int u)
{
	use_table(u);
	csr_clear(sstatus, SSTATUS_SPP);
	super_enter(&users[u]);
}

static void try_user(const char *what, const uint32_t *code, uint64_t a0, uint64_t a1)
{
	set_user(0, code, a0, a1);
	run_user(0);
	say_trap(what, 1);
	say("a0", users[0].x[9]);
}

/* The same bytes as two instructions and, from their middle, as one. */
static void check_hidden_time(void)
{
	set_user(0, (const uint32_t *)(const void *)hidden_time, 7, 0);
	users[0].x[7] = USER_DATA + 64; /* s0: where c.sw stores a2 */
	users[0].x[11] = 0x600d;
	run_user(0);
	say_trap("hidden time, not entered", 1);
	guest_line_hex("stored", user_data[0][64] | (uint32_t)user_data[0][65] << 8, 4);
	set_user(0, (const uint32_t *)(const void *)(hidden_time + 1), 7, 0);
	run_user(0);
	say_trap("hidden time, entered", 1);
}

static void check_users(void)
{
	try_user("user sums", user_sum, 1000, USER_DATA);
	say("its memory", *(volatile uint64_t *)user_data[0]);
	try_user("user reads sstatus", user_reads_csr, 7, 0);
	try_user("user touches kernel", user_touches, 7, (uint64_t)roots);
	try_user("user touches nothing", user_touches, 7, NOTHING);
	try_user("user touches no canonical address", user_touches, 7, 1ULL << 38);
	try_user("user touches the upper half", user_touches, 7, 0xffffffc000000000ULL);
	try_user("user touches very low", user_touches, 7, 8);
	try_user("user without time", user_reads_time, 7, 0);
	try_user("user without float", user_floats, 7, 0);
	csr_set(sstatus, 0x2000);
	try_user("user with float", user_floats, 7, 0);
	say("dirty", csr_read(sstatus) & SSTATUS_FS);
	check_hidden_time();
	csr_write(0x106, 7);
	set_user(0, user_reads_time, 0, 0);
	run_user(0);
	guest_line_hex("user's time is the kernel's", csr_read(time) - users[0].x[9] < 10000000, 1);
	try("kernel touches user", plain_sum, 1, 2);
	try_insn("kernel reads user's page", 0x00053503, USER_DATA);
	csr_set(sstatus, SSTATUS_SUM);
	try_insn("kernel reads user's page, SUM", 0x00053503, USER_DATA);
	csr_clear(sstatus, SSTATUS_SUM);
	try("kernel runs user's page", (const void *)USER_CODE, 1, USER_DATA);
	try_insn("kernel writes a read-only page", 0x00a53023, ALIAS);
	user_low[0][1][0] &= ~(uint64_t)PTE_R;
	__asm__ volatile("sfence.vma" : : : "memory");
	try_insn("kernel reads an execute-only page", 0x00053503, ALIAS + 64);
	csr_set(sstatus, SSTATUS_MXR);
	try_insn("kernel reads an execute-only page, MXR", 0x00053503, ALIAS + 64);
	csr_clear(sstatus, SSTATUS_MXR);
	user_low[0][1][0] &= ~(uint64_t)PTE_A;
	__asm__ volatile("sfence.vma" : : : "memory");
	try("execute-only page, not accessed", (const void *)ALIAS, 0, 0);
	user_low[0][1][0] |= PTE_R | PTE_A;
	__asm__ volatile("sfence.vma" : : : "memory");
}

/* Code that is written through one address and run at another. */
static void check_alias(void)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		copy_code(scratch + 100, i % 2 ? a_sum : an_ecall, 3);
		if (i % 2) {
			try("alias, sum", (const void *)(ALIAS + 200), i, 1);
		} else {
			say("alias, ecall", call_hidden((const void *)(ALIAS + 200)));
		}
	}
}

/* ---- time ---- */

static void next_tick(void)
{
	csr_write(0x14d, csr_read(time) + 20000); /* stimecmp: 2 ms */
}

static void check_ticks(void)
{
	volatile uint32_t *flag = (volatile uint32_t *)(void *)user_data[0];
	unsigned int ticks = 0;
	unsigned int others = 0;

	*flag = 0;
	csr_write(sie, 1 << 5);
	next_tick();
	set_user(0, user_spin, 0, USER_DATA);
	run_user(0);
	while (csr_read(scause) == IRQ_TIMER && ticks < 1000) {
		ticks++;
		next_tick();
		*flag = ticks >= TICKS;
		run_user(0);
	}
	say_trap("user spins until", 1);
	guest_line_hex("enough ticks", ticks >= TICKS,
		       1); /* one may come between the last and the look at the flag */
	guest_line_hex("it ran", users[0].x[11] > 0, 1);
	/* Two users take turns. */
	set_user(0, user_count, 0, USER_DATA);
	set_user(1, user_count, 0, USER_DATA);
	for (unsigned int u = 0; u < USERS; u++) {
		*(volatile uint64_t *)user_data[u] = 0;
	}
	for (unsigned int i = 0; i < 2 * ROUNDS; i++) {
		next_tick();
		run_user(i % 2);
		others += csr_read(scause) != IRQ_TIMER;
	}
	guest_line_dec("other traps", others);
	for (unsigned int u = 0; u < USERS; u++) {
		uint64_t n = *(volatile uint64_t *)user_data[u];

		guest_line_hex("its own memory",
			       n > ROUNDS && (users[u].x[9] == n || users[u].x[9] + 1 == n), 1);
	}
	/* In the kernel, and asleep. */
	next_tick();
	super_try(kernel_spin, 0, 0);
	guest_line_hex("kernel interrupted", csr_read(scause) == IRQ_TIMER, 1);
	guest_line_hex("interrupts off in the handler", csr_read(sstatus) & SSTATUS_SIE, 1);
	next_tick();
	__asm__ volatile("wfi");
	guest_line_hex("woken", (csr_read(sip) >> 5 & 1) && csr_read(time) >= csr_read(0x14d), 1);
	csr_write(sie, 0);
}

int main(void)
{
	say("sstatus at first",
	    csr_read(sstatus) & ~SSTATUS_FS & ~0x600ULL & ~0x20ULL & ~(1ULL << 63) & ~0x100ULL);
	check_csrs();
	check_traps();
	check_code();
	check_places(0);
	csr_write(0x106, 7);
	check_counters();
	csr_write(0x106, 0);
	make_tables();
	use_table(0);
	check_code();
	check_traps();
	check_places(8);
	check_users();
	check_alias();
	check_ticks();
	return guest_verdict(1);
}
