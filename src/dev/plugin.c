/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The adapter between the plug-in ABI and our device contract; docs/plugins.md.
 *
 * The table is copied and checked once. A plug-in is trusted code, but its mistakes (a wrong
 * result, a filter that claims too much) must end in a sentence that names it.
 */
#include "dev/plugin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_COUNT 0x10000u

/* One claimed range: what the bus knows as the device. */
struct claim {
	struct plugin *p;
	struct pinfold_range range;
};

struct plugin {
	struct pinfold_plugin table;
	char name[PINFOLD_NAME_BYTES_MAX];
	struct claim claims[PINFOLD_RANGES_MAX];
	struct plugin_env env;
	struct pinfold_host host;
	void *state;
	bool is_initialised;
	bool has_stopped;   /* it called stop_*, or what it forwarded did */
	bool was_forwarded; /* during the access that is under way */
};

__attribute__((format(printf, 2, 3))) static void stop_error(struct plugin *p, const char *fmt, ...)
{
	struct errmsg e = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	errmsg_prefix(&e, "plug-in '%s': ", p->name);
	p->has_stopped = true;
	p->env.host.stop(p->env.host.opaque, DEV_STOP_ERROR, 0, e.text);
}

static void host_console_put(void *opaque, uint8_t c)
{
	struct plugin *p = opaque;

	p->env.console.put(p->env.console.opaque, c);
}

static void host_stop_exit(void *opaque, uint64_t code)
{
	struct plugin *p = opaque;

	p->has_stopped = true;
	p->env.host.stop(p->env.host.opaque, DEV_STOP_EXIT, code, NULL);
}

static void host_stop_error(void *opaque, const char *sentence)
{
	stop_error(opaque, "%s", sentence ? sentence : "no reason given");
}

static void host_log(void *opaque, const char *sentence)
{
	struct plugin *p = opaque;

	if (p->env.log && sentence) {
		p->env.log(p->env.log_opaque, p->name, sentence);
	}
}

static struct bus *bus_of(const struct plugin *p, uint32_t space)
{
	return space == PINFOLD_PORT ? p->env.ports : space == PINFOLD_MMIO ? p->env.mmio : NULL;
}

static bool is_forwardable(const struct plugin *p, const struct pinfold_access *a)
{
	return a && bus_of(p, a->space) && a->bytes >= 1 && a->bytes <= 8 && a->count && a->values;
}

static int host_forward(void *opaque, struct pinfold_access *a)
{
	struct plugin *p = opaque;
	struct dev_access below;
	enum dev_result result;

	if (!is_forwardable(p, a)) {
		stop_error(p, "it forwarded a malformed access");
		return PINFOLD_STOP;
	}
	below = (struct dev_access){ .values = a->values,
				     .count = a->count,
				     .bytes = (uint8_t)a->bytes,
				     .is_write = a->is_write };
	if (a->count == 1 && a->is_write) {
		below.value = load_le(a->values, a->bytes);
	}
	result = bus_access_below(bus_of(p, a->space), a->address, &below);
	if (a->count == 1 && !a->is_write) {
		store_le(a->values, below.value, a->bytes);
	}
	p->was_forwarded = true;
	p->has_stopped |= result == DEV_STOP;
	return result == DEV_OK		? PINFOLD_OK
	       : result == DEV_UNMAPPED ? PINFOLD_UNMAPPED
					: PINFOLD_STOP;
}

/* What the plug-in said, against what it did. */
static enum dev_result verdict(struct plugin *p, int result)
{
	if (p->has_stopped) {
		return DEV_STOP;
	}
	switch (result) {
	case PINFOLD_OK:
		return DEV_OK;
	case PINFOLD_UNMAPPED:
		/* The bus below has counted it and filled in all ones. */
		return p->was_forwarded ? DEV_OK : DEV_UNMAPPED;
	case PINFOLD_STOP:
		stop_error(p, "it stopped the machine without saying why");
		return DEV_STOP;
	default:
		stop_error(p, "its access function returned %d, which is not a result", result);
		return DEV_STOP;
	}
}

static enum dev_result plugin_access(void *dev, struct dev_access *a)
{
	const struct claim *claim = dev;
	struct plugin *p = claim->p;
	uint8_t one[8] = { 0 };
	struct pinfold_access pa = {
		.struct_bytes = sizeof(pa),
		.space = claim->range.space,
		.address = claim->range.base + a->offset,
		.bytes = a->bytes,
		.count = a->count,
		.is_write = a->is_write,
		.values = a->count > 1 ? a->values : one,
	};
	enum dev_result result;

	if (a->is_write && a->count == 1) {
		store_le(one, a->value, a->bytes);
	}
	p->was_forwarded = false;
	result = verdict(p, p->table.access(p->state, &pa));
	if (!a->is_write && a->count == 1) {
		a->value = load_le(one, a->bytes);
	}
	return result;
}

static const struct dev_ops plugin_ops = {
	.name = "plug-in",
	.access = plugin_access,
	.takes_count = true,
};

/* Copy a printable word of at most PINFOLD_NAME_BYTES_MAX - 1 characters. */
static bool word_copy(char *to, const char *from)
{
	size_t n = from ? strnlen(from, PINFOLD_NAME_BYTES_MAX) : 0;

	if (n == 0 || n == PINFOLD_NAME_BYTES_MAX) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (from[i] <= ' ' || from[i] > '~') {
			return false;
		}
	}
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

static int range_check(const struct plugin *p, const struct pinfold_range *r, struct errmsg *e)
{
	if ((r->space != PINFOLD_PORT && r->space != PINFOLD_MMIO) || r->flags) {
		return errmsg_set(
			e, -EINVAL,
			"plug-in '%s' claims a range of unknown kind (space %u, flags %u)", p->name,
			r->space, r->flags);
	}
	if (!bus_of(p, r->space)) {
		return errmsg_set(e, -EINVAL,
				  "plug-in '%s' claims I/O port 0x%" PRIx64
				  ", which this board does not have",
				  p->name, r->base);
	}
	if (r->space == PINFOLD_PORT && !range_within(r->base, r->size, 0, PORT_COUNT)) {
		return errmsg_set(e, -EINVAL,
				  "plug-in '%s' claims ports 0x%" PRIx64 " + 0x%" PRIx64
				  ", beyond 0xffff",
				  p->name, r->base, r->size);
	}
	return 0;
}

static int ranges_copy(struct plugin *p, struct errmsg *e)
{
	int r;

	if (p->table.n_ranges > PINFOLD_RANGES_MAX || (p->table.n_ranges && !p->table.ranges)) {
		return errmsg_set(e, -EINVAL, "plug-in '%s' claims %u ranges; the limit is %u",
				  p->name, p->table.n_ranges, PINFOLD_RANGES_MAX);
	}
	for (uint32_t i = 0; i < p->table.n_ranges; i++) {
		p->claims[i] = (struct claim){ p, p->table.ranges[i] };
		r = range_check(p, &p->claims[i].range, e);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int table_copy(struct plugin *p, const struct pinfold_plugin *table, struct errmsg *e)
{
	char version[PINFOLD_NAME_BYTES_MAX];

	if (!table || table->magic != PINFOLD_ABI_MAGIC) {
		return errmsg_set(e, -EINVAL,
				  "this is not a Pinfold plug-in: its table has no magic");
	}
	if (table->revision != PINFOLD_ABI_REVISION) {
		return errmsg_set(e, -EPROTO,
				  "the plug-in was built for ABI revision %u; this Pinfold has %u",
				  table->revision, PINFOLD_ABI_REVISION);
	}
	if (table->struct_bytes < sizeof(p->table)) {
		return errmsg_set(e, -EPROTO, "the plug-in's table has %u bytes instead of %zu",
				  table->struct_bytes, sizeof(p->table));
	}
	p->table = *table;
	if (!word_copy(p->name, p->table.name) || !word_copy(version, p->table.version)) {
		return errmsg_set(
			e, -EINVAL,
			"the plug-in's name or version is missing, longer than %u characters"
			" or not printable",
			PINFOLD_NAME_BYTES_MAX - 1);
	}
	if (!p->table.init || (p->table.n_ranges && !p->table.access) ||
	    (!p->table.n_ranges && !p->table.console_filter)) {
		return errmsg_set(
			e, -EINVAL,
			"plug-in '%s' lacks a function: init, or access for its ranges, or"
			" any purpose at all",
			p->name);
	}
	return ranges_copy(p, e);
}

/* All claims or none: the buses are put back when one is refused. */
static int claims_attach(struct plugin *p, struct errmsg *e)
{
	struct bus *ports = p->env.ports;
	struct bus *mmio = p->env.mmio;
	struct bus saved_ports = ports ? *ports : (struct bus){ 0 };
	struct bus saved_mmio = mmio ? *mmio : (struct bus){ 0 };
	int r;

	for (uint32_t i = 0; i < p->table.n_ranges; i++) {
		struct claim *claim = &p->claims[i];

		r = bus_overlay(bus_of(p, claim->range.space), claim->range.base, claim->range.size,
				&plugin_ops, claim, e);
		if (r < 0) {
			errmsg_prefix(e, "plug-in '%s': ", p->name);
			goto undo;
		}
	}
	return 0;
undo:
	if (ports) {
		*ports = saved_ports;
	}
	if (mmio) {
		*mmio = saved_mmio;
	}
	return r;
}

static int start(struct plugin *p, struct errmsg *e)
{
	int r;

	p->host = (struct pinfold_host){
		.magic = PINFOLD_ABI_MAGIC,
		.revision = PINFOLD_ABI_REVISION,
		.struct_bytes = sizeof(p->host),
		.opaque = p,
		.console_put = host_console_put,
		.stop_exit = host_stop_exit,
		.stop_error = host_stop_error,
		.log = host_log,
		.forward = host_forward,
	};
	r = p->table.init(&p->host, &p->state);
	if (r != 0) {
		return errmsg_set(e, -ECANCELED, "plug-in '%s' refused to start (%d)", p->name, r);
	}
	p->is_initialised = true;
	return claims_attach(p, e);
}

int plugin_new(pinfold_plugin_fn *entry, const struct plugin_env *env, struct plugin **ret_plugin,
	       struct errmsg *e)
{
	struct plugin *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		return errmsg_set(e, -ENOMEM, "out of memory for a plug-in");
	}
	p->env = *env;
	r = table_copy(p, entry(), e);
	if (r == 0) {
		r = start(p, e);
	}
	if (r < 0) {
		plugin_free(p);
		return r;
	}
	*ret_plugin = p;
	return 0;
}

void plugin_free(struct plugin *p)
{
	if (p && p->is_initialised && p->table.destroy) {
		p->table.destroy(p->state);
	}
	free(p);
}

static void filter_put(void *opaque, uint8_t c)
{
	struct plugin *p = opaque;
	const struct chr_backend *below = &p->env.console;
	uint8_t out[PINFOLD_FILTER_BYTES] = { 0 };
	uint32_t n = p->table.console_filter(p->state, c, out);

	if (n > sizeof(out)) {
		stop_error(p, "its console filter returned %u characters; the limit is %u", n,
			   PINFOLD_FILTER_BYTES);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		below->put(below->opaque, out[i]);
	}
}

static int filter_get(void *opaque)
{
	const struct plugin *p = opaque;

	return p->env.console.get(p->env.console.opaque);
}

static bool filter_has(void *opaque)
{
	const struct plugin *p = opaque;

	return p->env.console.has(p->env.console.opaque);
}

static bool filter_is_eof(void *opaque)
{
	const struct plugin *p = opaque;

	return p->env.console.is_eof && p->env.console.is_eof(p->env.console.opaque);
}

struct chr_backend plugin_console(struct plugin *p)
{
	if (!p->table.console_filter) {
		return p->env.console;
	}
	return (struct chr_backend){ p, filter_put, filter_get, filter_has, filter_is_eof };
}
