/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plug-in adapter: malformed tables, forwarding, filters, mistakes of a plug-in, and the example
 * from docs/examples as the shared object that is shipped. */
#include "dev/plugin.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>

#include "test_dev.h"

/* What the test plug-in below does next. */
static struct pinfold_plugin table;
static struct pinfold_range ranges[PINFOLD_RANGES_MAX + 1];
static const struct pinfold_host *host;
static struct pinfold_access seen;
static int inits, destroys;
static int init_result, access_result;
static bool does_forward, does_exit;
static uint32_t filter_n;

static const struct pinfold_plugin *entry(void)
{
	return &table;
}

static const struct pinfold_plugin *no_entry(void)
{
	return NULL;
}

static int fake_init(const struct pinfold_host *h, void **ret_state)
{
	host = h;
	*ret_state = &seen;
	inits++;
	return init_result;
}

static void fake_destroy(void *state)
{
	CHECK(state == &seen);
	destroys++;
}

static int fake_access(void *state, struct pinfold_access *a)
{
	CHECK(state == &seen);
	seen = *a;
	if (does_exit) {
		host->stop_exit(host->opaque, 5);
	}
	if (does_forward) {
		return host->forward(host->opaque, a);
	}
	if (!a->is_write) {
		for (uint32_t i = 0; i < a->bytes * a->count; i++) {
			a->values[i] = (uint8_t)(0x10 + i);
		}
	}
	return access_result;
}

/* Doubles every letter, drops digits. */
static uint32_t fake_filter(void *state, uint8_t c, uint8_t *ret_out)
{
	CHECK(state == &seen);
	ret_out[0] = c;
	ret_out[1] = (uint8_t)toupper(c);
	return isdigit(c) ? 0 : filter_n;
}

struct bed {
	struct fake f;
	struct bus ports, mmio;
	struct plugin_env env;
	struct plugin *p;
	char logged[128];
};

static void bed_log(void *opaque, const char *name, const char *sentence)
{
	struct bed *b = opaque;

	snprintf(b->logged, sizeof(b->logged), "%s: %s", name, sentence);
}

static void bed_start(struct bed *b)
{
	memset(b, 0, sizeof(*b));
	b->env = (struct plugin_env){ .ports = &b->ports,
				      .mmio = &b->mmio,
				      .console = fake_chr(&b->f),
				      .host = fake_host(&b->f),
				      .log_opaque = b,
				      .log = bed_log };
	memset(ranges, 0, sizeof(ranges));
	ranges[0] = (struct pinfold_range){ PINFOLD_PORT, 0, 0x3f8, 1 };
	ranges[1] = (struct pinfold_range){ PINFOLD_MMIO, 0, 0x1000, 0x100 };
	table = (struct pinfold_plugin){ PINFOLD_ABI_MAGIC,
					 PINFOLD_ABI_REVISION,
					 sizeof(table),
					 2,
					 "test",
					 "0.1",
					 ranges,
					 fake_init,
					 fake_destroy,
					 fake_access,
					 fake_filter };
	inits = destroys = init_result = access_result = 0;
	does_forward = does_exit = false;
	filter_n = 2;
}

/* The sentence with which the table is refused. */
static const char *refusal(struct bed *b, int want)
{
	static struct errmsg e;

	e.text[0] = '\0';
	CHECK_INT(plugin_new(entry, &b->env, &b->p, &e), want);
	CHECK(b->p == NULL);
	CHECK_INT(b->ports.n_overlays + b->mmio.n_overlays, 0);
	return e.text;
}

static void malformed_tables_are_refused(void)
{
	struct bed b;
	struct errmsg e = { 0 };

	bed_start(&b);
	CHECK_INT(plugin_new(no_entry, &b.env, &b.p, &e), -EINVAL);
	table.magic = 1;
	CHECK_STR(refusal(&b, -EINVAL), "this is not a Pinfold plug-in: its table has no magic");
	bed_start(&b);
	table.revision = 2;
	CHECK_STR(refusal(&b, -EPROTO),
		  "the plug-in was built for ABI revision 2; this Pinfold has 1");
	bed_start(&b);
	table.struct_bytes = 8;
	CHECK(strstr(refusal(&b, -EPROTO), "table has 8 bytes"));
	bed_start(&b);
	table.name = NULL;
	CHECK(strstr(refusal(&b, -EINVAL), "name or version"));
	table.name = "with blank";
	CHECK(strstr(refusal(&b, -EINVAL), "name or version"));
	table.name = "esc\033[2J";
	CHECK(strstr(refusal(&b, -EINVAL), "name or version"));
	table.name = "01234567890123456789012345678901";
	CHECK(strstr(refusal(&b, -EINVAL), "longer than 31 characters"));
	bed_start(&b);
	table.version = "";
	CHECK(strstr(refusal(&b, -EINVAL), "name or version"));
	bed_start(&b);
	table.access = NULL;
	CHECK(strstr(refusal(&b, -EINVAL), "lacks a function"));
	bed_start(&b);
	table.init = NULL;
	CHECK(strstr(refusal(&b, -EINVAL), "lacks a function"));
	bed_start(&b);
	table.n_ranges = 0;
	table.console_filter = NULL;
	CHECK(strstr(refusal(&b, -EINVAL), "lacks a function"));
	CHECK_INT(inits, 0);
}

static void bad_ranges_are_refused(void)
{
	struct bed b;

	bed_start(&b);
	table.n_ranges = PINFOLD_RANGES_MAX + 1;
	CHECK_STR(refusal(&b, -EINVAL), "plug-in 'test' claims 9 ranges; the limit is 8");
	bed_start(&b);
	table.ranges = NULL;
	CHECK(strstr(refusal(&b, -EINVAL), "claims 2 ranges"));
	bed_start(&b);
	ranges[1].space = 3;
	CHECK(strstr(refusal(&b, -EINVAL), "unknown kind (space 3, flags 0)"));
	bed_start(&b);
	ranges[1].flags = 1;
	CHECK(strstr(refusal(&b, -EINVAL), "unknown kind (space 2, flags 1)"));
	bed_start(&b);
	ranges[0].size = 0xfc09;
	CHECK(strstr(refusal(&b, -EINVAL), "beyond 0xffff"));
	bed_start(&b);
	b.env.ports = NULL;
	CHECK(strstr(refusal(&b, -EINVAL), "which this board does not have"));
	CHECK_INT(inits, 0);
	bed_start(&b);
	ranges[1].size = 0;
	CHECK(strstr(refusal(&b, -EINVAL), "plug-in 'test': device 'plug-in' at 0x1000"));
	bed_start(&b);
	ranges[1] = ranges[0];
	CHECK(strstr(refusal(&b, -EEXIST), "overlaps"));
	CHECK_INT(destroys, 1);
	bed_start(&b);
	init_result = -1;
	CHECK_STR(refusal(&b, -ECANCELED), "plug-in 'test' refused to start (-1)");
	CHECK_INT(destroys, 0);
}

static void sees_accesses(void)
{
	struct bed b;
	uint8_t values[6] = { 1, 2, 3, 4, 5, 6 };
	struct dev_access a = { .bytes = 2, .count = 3, .values = values, .is_write = true };

	bed_start(&b);
	CHECK_INT(plugin_new(entry, &b.env, &b.p, NULL), 0);
	CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_OK);
	CHECK_INT(seen.struct_bytes, sizeof(seen));
	CHECK_INT(seen.space, PINFOLD_PORT);
	CHECK_INT(seen.address, 0x3f8);
	CHECK_INT(seen.bytes, 2);
	CHECK_INT(seen.count, 3);
	CHECK_INT(seen.is_write, 1);
	CHECK(seen.values == values);
	a = (struct dev_access){ .bytes = 4 };
	CHECK_INT(bus_access(&b.mmio, 0x10fc, &a), DEV_OK);
	CHECK_INT(seen.address, 0x10fc);
	CHECK_INT(seen.space, PINFOLD_MMIO);
	CHECK_INT(seen.is_write, 0);
	CHECK_INT(a.value, 0x13121110);
	access_result = PINFOLD_UNMAPPED;
	CHECK_INT(bus_access(&b.mmio, 0x1000, &a), DEV_UNMAPPED);
	CHECK_INT(a.value, 0xffffffff);
	host->log(host->opaque, "hello");
	CHECK_STR(b.logged, "test: hello");
	plugin_free(b.p);
	CHECK_INT(destroys, 1);
	plugin_free(NULL);
}

static enum dev_result board_access(void *dev, struct dev_access *a)
{
	uint64_t *reg = dev;

	if (a->is_write) {
		*reg = a->value;
	} else {
		a->value = *reg;
	}
	return *reg == 99 ? DEV_STOP : DEV_OK;
}

static const struct dev_ops board_ops = { .name = "board", .access = board_access };

static void forwards(void)
{
	struct bed b;
	uint64_t reg = 0;
	struct dev_access a = { .bytes = 1, .value = 0x42, .is_write = true };

	bed_start(&b);
	CHECK_INT(bus_attach(&b.ports, 0x3f8, 8, &board_ops, &reg, NULL), 0);
	CHECK_INT(plugin_new(entry, &b.env, &b.p, NULL), 0);
	CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_OK);
	CHECK_INT(reg, 0);
	does_forward = true;
	CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_OK);
	CHECK_INT(reg, 0x42);
	a = (struct dev_access){ .bytes = 1 };
	CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_OK);
	CHECK_INT(a.value, 0x42);
	a = (struct dev_access){ .bytes = 4 };
	CHECK_INT(bus_access(&b.mmio, 0x1000, &a), DEV_OK); /* nothing below */
	CHECK_INT(a.value, 0xffffffff);
	reg = 99;
	CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_STOP);
	CHECK_INT(b.f.stops, 0); /* the board's device has said why */
	plugin_free(b.p);
}

static void mistakes_of_a_plugin(void)
{
	struct bed b;
	struct dev_access a = { .bytes = 1 };
	struct pinfold_access bad = { .space = PINFOLD_PORT, .bytes = 9, .count = 1 };

	bed_start(&b);
	CHECK_INT(plugin_new(entry, &b.env, &b.p, NULL), 0);
	access_result = 7;
	CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_STOP);
	CHECK_INT(b.f.stop_kind, DEV_STOP_ERROR);
	CHECK_STR(b.f.stop_why,
		  "plug-in 'test': its access function returned 7, which is not a result");
	plugin_free(b.p);

	bed_start(&b);
	CHECK_INT(plugin_new(entry, &b.env, &b.p, NULL), 0);
	access_result = PINFOLD_STOP;
	CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_STOP);
	CHECK_STR(b.f.stop_why, "plug-in 'test': it stopped the machine without saying why");
	plugin_free(b.p);

	bed_start(&b);
	CHECK_INT(plugin_new(entry, &b.env, &b.p, NULL), 0);
	does_exit = true; /* and returns OK */
	CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_STOP);
	CHECK_INT(b.f.stop_kind, DEV_STOP_EXIT);
	CHECK_INT(b.f.stop_code, 5);
	CHECK_INT(b.f.stops, 1);
	plugin_free(b.p);

	bed_start(&b);
	CHECK_INT(plugin_new(entry, &b.env, &b.p, NULL), 0);
	CHECK_INT(host->forward(host->opaque, &bad), PINFOLD_STOP);
	CHECK_STR(b.f.stop_why, "plug-in 'test': it forwarded a malformed access");
	host->stop_error(host->opaque, NULL);
	CHECK_STR(b.f.stop_why, "plug-in 'test': no reason given");
	plugin_free(b.p);
}

static void console_filter(void)
{
	struct bed b;
	struct chr_backend chr;

	bed_start(&b);
	b.f.in = "k";
	CHECK_INT(plugin_new(entry, &b.env, &b.p, NULL), 0);
	chr = plugin_console(b.p);
	chr.put(chr.opaque, 'a');
	chr.put(chr.opaque, '1');
	chr.put(chr.opaque, 'b');
	host->console_put(host->opaque, 'c');
	CHECK_STR(b.f.out, "aAbBc");
	CHECK(chr.has(chr.opaque));
	CHECK_INT(chr.get(chr.opaque), 'k');
	CHECK(!chr.is_eof(chr.opaque));
	b.f.is_eof = true;
	CHECK(chr.is_eof(chr.opaque));
	filter_n = PINFOLD_FILTER_BYTES + 1;
	chr.put(chr.opaque, 'd');
	CHECK_STR(b.f.out, "aAbBc");
	CHECK_STR(b.f.stop_why,
		  "plug-in 'test': its console filter returned 17 characters; the limit is 16");
	plugin_free(b.p);
	bed_start(&b);
	table.console_filter = NULL;
	CHECK_INT(plugin_new(entry, &b.env, &b.p, NULL), 0);
	CHECK(plugin_console(b.p).put == fake_put);
	plugin_free(b.p);
}

/* An access that the example must refuse, and the sentence it gives. */
static void example_refuses(pinfold_plugin_fn *fn, struct dev_access a, const char *want)
{
	struct bed b;

	bed_start(&b);
	CHECK_INT(plugin_new(fn, &b.env, &b.p, NULL), 0);
	CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_STOP);
	CHECK_INT(b.f.stop_kind, DEV_STOP_ERROR);
	CHECK_STR(b.f.stop_why, want);
	CHECK_STR(b.f.out, "");
	plugin_free(b.p);
}

static void the_example(void)
{
	void *so = dlopen(LOWERCASE_UART, RTLD_NOW | RTLD_LOCAL);
	uint8_t two[2] = { 'A', 'B' };
	pinfold_plugin_fn *fn;
	struct bed b;

	CHECK(so != NULL);
	if (!so) {
		printf("%s\n", dlerror());
		return;
	}
	*(void **)&fn = dlsym(so, PINFOLD_PLUGIN_SYMBOL);
	CHECK(fn != NULL);
	bed_start(&b);
	CHECK_INT(plugin_new(fn, &b.env, &b.p, NULL), 0);
	for (const char *c = "Hello, World 1!"; *c; c++) {
		struct dev_access a = { .bytes = 1, .value = (uint8_t)*c, .is_write = true };

		CHECK_INT(bus_access(&b.ports, 0x3f8, &a), DEV_OK);
	}
	CHECK_STR(b.f.out, "hello, world 1!");
	plugin_free(b.p);
	example_refuses(fn, (struct dev_access){ .bytes = 1 },
			"plug-in 'lowercase-uart': read of size 1, count 1 at port 0x3f8;"
			" only writes of size 1, count 1 are allowed");
	example_refuses(fn, (struct dev_access){ .bytes = 2, .is_write = true },
			"plug-in 'lowercase-uart': write of size 2, count 1 at port 0x3f8;"
			" only writes of size 1, count 1 are allowed");
	example_refuses(fn,
			(struct dev_access){
				.bytes = 1, .count = 2, .values = two, .is_write = true },
			"plug-in 'lowercase-uart': write of size 1, count 2 at port 0x3f8;"
			" only writes of size 1, count 1 are allowed");
	dlclose(so);
}

static const struct test_case cases[] = {
	{ "malformed tables are refused", malformed_tables_are_refused },
	{ "bad ranges are refused", bad_ranges_are_refused },
	{ "sees accesses", sees_accesses },
	{ "forwards", forwards },
	{ "mistakes of a plug-in", mistakes_of_a_plugin },
	{ "console filter", console_filter },
	{ "the example", the_example },
};

TEST_MAIN(cases)
