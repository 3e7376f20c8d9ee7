/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All device models on two buses: any accesses, input arriving, time passing, states damaged.
 * A state that a device wrote must load, and give the same state again.
 */
#include <errno.h>

#include "dev/bus.h"
#include "dev/clint.h"
#include "dev/debug_exit.h"
#include "dev/goldfish_rtc.h"
#include "dev/htif.h"
#include "dev/pl011.h"
#include "dev/plic.h"
#include "dev/sifive_test.h"
#include "dev/uart16550.h"
#include "fuzz.h"

#define RAM_BASE    0x80000000u
#define RAM_BYTES   4096u
#define STATE_MAX   512u
#define UART_SOURCE 10u
#define RTC_SOURCE  11u

enum {
	UART_ISA,
	UART_MMIO,
	UART_WIDE,
	PL011,
	DEBUG_EXIT,
	FINISHER,
	CLINT,
	HTIF,
	PLIC,
	RTC,
	DEV_COUNT
};

struct machine {
	struct bus ports, mmio;
	struct mem *mem;
	const struct dev_ops *ops[DEV_COUNT];
	void *dev[DEV_COUNT];
	uint64_t now_ns;
	unsigned int typed; /* characters waiting */
	uint64_t put_count;
	bool lines[4 + 4]; /* software and timer interrupts of two harts, outputs of the PLIC */
};

static _Alignas(4096) uint8_t ram[RAM_BYTES];

static void put(void *opaque, uint8_t c)
{
	struct machine *m = opaque;

	m->put_count += c != 0;
}

static bool has(void *opaque)
{
	return ((struct machine *)opaque)->typed != 0;
}

static int get(void *opaque)
{
	struct machine *m = opaque;

	return m->typed ? (int)(m->typed-- & 0xff) : -1;
}

static ns_t now(void *opaque)
{
	return ((struct machine *)opaque)->now_ns;
}

static uint64_t wall(void *opaque)
{
	return ((struct machine *)opaque)->now_ns / NS_PER_S;
}

static void stop(void *opaque, enum dev_stop_kind kind, uint64_t code, const char *why)
{
	(void)opaque;
	(void)code;
	BUG_ON((kind == DEV_STOP_ERROR) != (why != NULL));
}

static void line_set(void *opaque, bool level)
{
	*(bool *)opaque = level;
}

static struct irq_line line(bool *level)
{
	return (struct irq_line){ level, line_set };
}

/* The interrupt lines of a RISC-V board with two harts. */
static void wire(struct machine *m)
{
	for (unsigned int hart = 0; hart < 2; hart++) {
		struct irq_line msi = line(&m->lines[2 * hart]);
		struct irq_line mti = line(&m->lines[2 * hart + 1]);

		clint_wire(m->dev[CLINT], hart, &msi, &mti);
	}
	for (unsigned int context = 0; context < 4; context++) {
		struct irq_line ext = line(&m->lines[4 + context]);

		plic_wire(m->dev[PLIC], context, &ext);
	}
}

static void add(struct machine *m, struct bus *b, unsigned int idx, uint64_t base, uint64_t size,
		const struct dev_ops *ops, void *dev)
{
	BUG_ON(!dev);
	m->ops[idx] = ops;
	m->dev[idx] = dev;
	BUG_ON(b && bus_attach(b, base, size, ops, dev, NULL) < 0);
	BUG_ON(ops->state_bytes > STATE_MAX);
}

static void start(struct machine *m)
{
	struct chr_backend chr = { m, put, get, has, NULL };
	struct clock_backend clock = { m, now, wall };
	struct dev_host host = { m, stop };
	struct uart16550_config isa = { .chr = chr, .is_isa = true };
	struct uart16550_config mmio = { .chr = chr };
	struct uart16550_config wide = { .chr = chr, .reg_shift = 2 };
	struct mem_region r = { .base_gpa = RAM_BASE,
				.size_bytes = RAM_BYTES,
				.perm = MEM_RWX,
				.hva = ram,
				.name = "ram" };
	struct htif_config htif = { .chr = chr,
				    .host = host,
				    .tohost_gpa = RAM_BASE,
				    .fromhost_gpa = RAM_BASE + 8,
				    .has_fromhost = true };

	struct irq_line rtc;

	memset(ram, 0, sizeof(ram));
	m->mem = mem_new();
	BUG_ON(!m->mem || mem_region_add(m->mem, &r, NULL) < 0);
	htif.mem = m->mem;
	add(m, &m->mmio, PLIC, 0x400000, PLIC_RANGE_BYTES, &plic_ops, plic_new(2));
	mmio.irq = plic_source(m->dev[PLIC], UART_SOURCE);
	rtc = plic_source(m->dev[PLIC], RTC_SOURCE);
	add(m, &m->mmio, RTC, 0x5000, 0x1000, &goldfish_rtc_ops, goldfish_rtc_new(&clock, &rtc));
	add(m, &m->ports, UART_ISA, 0x3f8, 8, &uart16550_ops, uart16550_new(&isa));
	add(m, &m->ports, DEBUG_EXIT, 0xf4, 4, &debug_exit_ops, debug_exit_new(&host));
	add(m, &m->mmio, UART_MMIO, 0x1000, 8, &uart16550_ops, uart16550_new(&mmio));
	add(m, &m->mmio, UART_WIDE, 0x2000, 32, &uart16550_ops, uart16550_new(&wide));
	add(m, &m->mmio, PL011, 0x3000, 0x1000, &pl011_ops, pl011_new(&chr));
	add(m, &m->mmio, FINISHER, 0x4000, 0x1000, &sifive_test_ops, sifive_test_new(&host));
	add(m, &m->mmio, CLINT, 0x10000, 0x10000, &clint_ops, clint_new(&clock, 2));
	add(m, NULL, HTIF, 0, 0, &htif_ops, htif_new(&htif));
	wire(m);
}

static void end(struct machine *m)
{
	for (unsigned int i = 0; i < DEV_COUNT; i++) {
		m->ops[i]->destroy(m->dev[i]);
	}
	mem_free(m->mem);
}

static void access_one(struct machine *m, struct fuzz_in *in, struct bus *b, unsigned int form)
{
	uint8_t values[8 * 16] = { 0 };
	struct dev_access a = { .bytes = (uint8_t)(1 + (form & 7)),
				.is_write = form & 8,
				.count = 1 + (form >> 4 & 15),
				.values = values };
	uint64_t addr = fuzz_take(in, b == &m->ports ? 2 : 3);

	if (addr & BIT(23)) { /* most of the PLIC's registers lie close together */
		addr = 0x400000 + (addr & 0x203fff);
	}
	a.value = fuzz_take(in, 8);
	store_le(values, a.value, 8);
	bus_access(b, addr, &a);
	BUG_ON(!a.is_write && a.count == 1 && low_bytes(a.value, a.bytes) != a.value);
}

static void state_round_trip(struct machine *m, unsigned int idx)
{
	const struct dev_ops *ops = m->ops[idx];
	uint8_t one[STATE_MAX];
	uint8_t two[STATE_MAX];

	if (!ops->state_bytes) {
		return;
	}
	ops->save(m->dev[idx], one);
	BUG_ON(ops->load(m->dev[idx], one, NULL) != 0);
	ops->save(m->dev[idx], two);
	BUG_ON(memcmp(one, two, ops->state_bytes) != 0);
}

static void state_damage(struct machine *m, struct fuzz_in *in, unsigned int idx)
{
	const struct dev_ops *ops = m->ops[idx];
	uint8_t s[STATE_MAX];

	if (!ops->state_bytes) {
		return;
	}
	ops->save(m->dev[idx], s);
	for (unsigned int i = 0; i < 3; i++) {
		size_t at = (size_t)fuzz_take(in, 1) % ops->state_bytes;

		s[at] = (uint8_t)fuzz_take(in, 1);
	}
	ops->load(m->dev[idx], s, NULL);
	state_round_trip(m, idx);
}

/* Time passes, input comes: what the vCPU's thread does then. */
static void poll(struct machine *m)
{
	uint64_t ticks = clint_ticks(m->dev[CLINT]);

	clint_poll(m->dev[CLINT]);
	BUG_ON(clint_due_ticks(m->dev[CLINT]) <= ticks);
	goldfish_rtc_poll(m->dev[RTC]);
	BUG_ON(goldfish_rtc_due_ns(m->dev[RTC]) <= m->now_ns);
	uart16550_poll(m->dev[UART_MMIO]);
}

static void ram_poke(struct machine *m, struct fuzz_in *in)
{
	size_t at = (size_t)fuzz_take(in, 2) % (RAM_BYTES - 8);

	store_le(ram + at, fuzz_take(in, 8), 8);
	htif_poll(m->dev[HTIF]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	struct machine m = { 0 };

	start(&m);
	while (in.n) {
		unsigned int what = (unsigned int)fuzz_take(&in, 1);
		unsigned int arg = (unsigned int)fuzz_take(&in, 1);

		switch (what & 7) {
		case 0:
		case 1:
			access_one(&m, &in, &m.ports, arg);
			break;
		case 2:
		case 3:
			access_one(&m, &in, &m.mmio, arg);
			break;
		case 4:
			m.typed += arg;
			m.now_ns += (uint64_t)arg * NS_PER_MS;
			poll(&m);
			break;
		case 5:
			ram_poke(&m, &in);
			break;
		case 6:
			state_round_trip(&m, arg % DEV_COUNT);
			break;
		default:
			state_damage(&m, &in, arg % DEV_COUNT);
			break;
		}
	}
	end(&m);
	return 0;
}
