/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Semihosting calls with any number and parameter over 8 KiB of guest memory that the input fills,
 * with a read-only page in the middle. One call must print and read no more than its bound.
 */
#include "dev/semihost.h"
#include "fuzz.h"

#define BASE	   0x1000u
#define RAM_BYTES  8192u
#define TEXT_BOUND (65536u + 256u)

struct machine {
	unsigned int typed;
	uint64_t put_count;
	uint64_t now_ns;
};

static _Alignas(4096) uint8_t ram[RAM_BYTES];

static void put(void *opaque, uint8_t c)
{
	(void)c;
	((struct machine *)opaque)->put_count++;
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

static bool is_eof(void *opaque)
{
	return ((struct machine *)opaque)->now_ns & 1;
}

static ns_t now(void *opaque)
{
	return ((struct machine *)opaque)->now_ns;
}

static void stop(void *opaque, enum dev_stop_kind kind, uint64_t code, const char *why)
{
	(void)opaque;
	(void)code;
	BUG_ON((kind == DEV_STOP_ERROR) != (why != NULL));
}

static void call_one(struct machine *m, struct semihost *s, struct fuzz_in *in)
{
	unsigned int form = (unsigned int)fuzz_take(in, 1);
	uint64_t op = fuzz_take(in, 1);
	uint64_t param = fuzz_take(in, form & 4 ? 8 : 2);
	uint8_t field_bytes = form & 1 ? 8 : 4;
	uint64_t value = 0x5a5a;
	enum semihost_result result;

	m->put_count = 0;
	m->typed += form >> 4;
	m->now_ns += form * NS_PER_MS + (form >> 3 & 1);
	result = semihost_call(s, op, param, field_bytes, form & 2, &value);
	BUG_ON(result == SEMIHOST_DONE ? low_bytes(value, field_bytes) != value : value != 0x5a5a);
	BUG_ON(m->put_count > TEXT_BOUND);
}

static void poke(struct fuzz_in *in)
{
	size_t at = (size_t)fuzz_take(in, 2) % (RAM_BYTES - 8);

	store_le(ram + at, fuzz_take(in, 8), 8);
}

static void state(struct semihost *s, struct fuzz_in *in)
{
	uint8_t bytes[64];
	uint8_t again[64];

	BUG_ON(semihost_ops.state_bytes > sizeof(bytes));
	semihost_ops.save(s, bytes);
	bytes[fuzz_take(in, 1) % semihost_ops.state_bytes] = (uint8_t)fuzz_take(in, 1);
	if (semihost_ops.load(s, bytes, NULL) == 0) {
		semihost_ops.save(s, again);
		BUG_ON(memcmp(bytes, again, semihost_ops.state_bytes) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mem_region low = { .base_gpa = BASE, .size_bytes = RAM_BYTES / 2, .perm = MEM_RWX, .hva = ram, .name = "ram" };
	struct mem_region high = { .base_gpa = BASE + RAM_BYTES / 2, .size_bytes = RAM_BYTES / 2, .perm = MEM_R, .hva = ram + RAM_BYTES / 2, .name = "text" };
	struct fuzz_in in = { data, n };
	struct machine m = { 0 };
	struct semihost_config config = { .mem = mem_new(),
					  .chr = { &m, put, get, has, is_eof },
					  .clock = { &m, now, now },
					  .host = { &m, stop },
					  .cmdline = "guest argument",
					  .heap_base = BASE };
	struct semihost *s = semihost_new(&config);

	BUG_ON(!s || !config.mem || mem_region_add(config.mem, &low, NULL) < 0 ||
	       mem_region_add(config.mem, &high, NULL) < 0);
	memset(ram, n & 1 ? 'x' : 0, sizeof(ram));
	while (in.n) {
		unsigned int what = (unsigned int)fuzz_take(&in, 1) % 8;

		if (what < 3) {
			poke(&in);
		} else if (what < 7) {
			call_one(&m, s, &in);
		} else {
			state(s, &in);
		}
	}
	semihost_ops.destroy(s);
	mem_free(config.mem);
	return 0;
}
