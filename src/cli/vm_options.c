/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options that say what a guest is and how it is run: the same for a VM in the foreground and for
 * one under the daemon; see vm_options.h.
 */
#include "cli/vm_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/parse.h"
#include "cli/arch.h"

#define SLICE_MIN_NS (500 * NS_PER_US)
#define SLICE_MAX_NS (100 * NS_PER_MS)

/* Keys above the characters, so that no option has a short form by accident. */
enum key {
	KEY_ARCH = 256,
	KEY_MODE,
	KEY_ENDIAN,
	KEY_THUMB,
	KEY_LOAD,
	KEY_ENTRY,
	KEY_IMAGE_RO,
	KEY_SET,
	KEY_MEM,
	KEY_ENGINE,
	KEY_SLICE,
	KEY_LIMIT_CPU,
	KEY_LIMIT_INSNS,
	KEY_TIMEOUT,
	KEY_COUNT,
};

const struct argp_option vm_options_table[] = {
	{ NULL, 0, NULL, 0, "Image and CPU:", 1 },
	{ "arch", KEY_ARCH, "ARCH", 0,
	  "x86, x64, arm, arm64 or riscv64; ELF files say it themselves", 0 },
	{ "mode", KEY_MODE, "16|32", 0,
	  "x86: start in 16-bit real mode at 0:7C00, or in 32-bit flat protected mode (default)",
	  0 },
	{ "endian", KEY_ENDIAN, "little|big", 0, "arm: byte order of data (default little)", 0 },
	{ "thumb", KEY_THUMB, NULL, 0, "arm: the first instruction is Thumb", 0 },
	{ "load", KEY_LOAD, "ADDR", 0,
	  "flat image: where it goes (default: the start of the board's RAM)", 0 },
	{ "entry", KEY_ENTRY, "ADDR", 0, "first instruction (default: as the image says)", 0 },
	{ "image-ro", KEY_IMAGE_RO, NULL, 0, "writes to image pages fault", 0 },
	{ "mem", KEY_MEM, "SIZE", 0, "guest RAM, such as 64K or 16M", 0 },
	{ "set", KEY_SET, "REG=VALUE", 0, "set a register before the start; repeatable", 0 },

	{ NULL, 0, NULL, 0, "Engine and limits:", 2 },
	{ "engine", KEY_ENGINE, "ENGINE", 0,
	  "auto (default: the fastest that works here), dbt, kvm or unicorn", 0 },
	{ "slice", KEY_SLICE, "TIME", 0, "time slice, 0.5ms to 100ms (default 10ms)", 0 },
	{ "limit-cpu", KEY_LIMIT_CPU, "TIME", 0, "end the guest after so much CPU time", 0 },
	{ "limit-insns", KEY_LIMIT_INSNS, "N", 0, "end the guest after N instructions", 0 },
	{ "timeout", KEY_TIMEOUT, "TIME", 0, "end the guest after so much time on the clock", 0 },
	{ "count-insns", KEY_COUNT, NULL, 0,
	  "count all instructions, at the price of speed, where the engine can", 0 },
	{ 0 },
};

static int bad(struct errmsg *e, const char *option, const char *why)
{
	return errmsg_set(e, -EINVAL, "%s: %s", option, why);
}

int vm_options_text(char *to, size_t size, const char *text, const char *option, struct errmsg *e)
{
	if (text[0] == '\0' || strlen(text) >= size) {
		return errmsg_set(e, -EINVAL, "%s: a name of 1 to %zu characters is expected",
				  option, size - 1);
	}
	for (const char *s = text; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			return bad(e, option, "control characters are not allowed in a name");
		}
	}
	strcpy(to, text);
	return 0;
}

static int prefix(struct errmsg *e, const char *option, int r)
{
	if (r < 0) {
		errmsg_prefix(e, "%s: ", option);
	}
	return r < 0 ? -EINVAL : 0;
}

static int parse_arch(struct proto_config *c, const char *arg, struct errmsg *e)
{
	const struct arch_name *a = arch_by_name(arg);

	if (!a) {
		return errmsg_set(e, -EINVAL,
				  "--arch: '%.40s' is not one of x86, x64, arm, arm64, riscv64",
				  arg);
	}
	c->arch = a->id;
	return 0;
}

/* One of two words; the second sets a flag. */
static int parse_word(uint32_t *flags, uint32_t flag, const char *arg, const char *clear,
		      const char *set, const char *option, struct errmsg *e)
{
	if (strcmp(arg, set) == 0) {
		*flags |= flag;
	} else if (strcmp(arg, clear) == 0) {
		*flags &= ~flag;
	} else {
		return errmsg_set(e, -EINVAL, "%s: '%.40s' is neither %s nor %s", option, arg,
				  clear, set);
	}
	return 0;
}

static int parse_address(struct proto_config *c, uint32_t flag, uint64_t *to, const char *arg,
			 const char *option, struct errmsg *e)
{
	c->flags |= flag;
	return parse_size_bytes(arg, to, NULL) == 0
		       ? 0
		       : errmsg_set(e, -EINVAL,
				    "%s: '%.40s' is not an address; write 0x80000000 or 64K",
				    option, arg);
}

int vm_options_limit_ns(const char *arg, const char *option, uint64_t *ret_ns, struct errmsg *e)
{
	int r = parse_duration_ns(arg, ret_ns, e);

	if (r == 0 && *ret_ns == 0) {
		return bad(e, option, "a limit of 0 would leave nothing to run");
	}
	return prefix(e, option, r);
}

static int parse_mem(struct proto_config *c, const char *arg, struct errmsg *e)
{
	int r = parse_size_bytes(arg, &c->limits.mem_bytes, e);

	if (r == 0 && c->limits.mem_bytes == 0) {
		return bad(e, "--mem", "a guest needs memory");
	}
	return prefix(e, "--mem", r);
}

int vm_options_insns(const char *arg, uint64_t *ret, struct errmsg *e)
{
	int r = parse_u64(arg, ret, e);

	if (r == 0 && *ret == 0) {
		return bad(e, "--limit-insns", "a limit of 0 would leave nothing to run");
	}
	return prefix(e, "--limit-insns", r);
}

int vm_options_slice(const char *arg, uint64_t *ret_ns, struct errmsg *e)
{
	int r = parse_duration_ns(arg, ret_ns, e);

	if (r == 0 && (*ret_ns < SLICE_MIN_NS || *ret_ns > SLICE_MAX_NS)) {
		return bad(e, "--slice", "a slice is 0.5ms to 100ms long");
	}
	return prefix(e, "--slice", r);
}

int vm_options_prio(const char *arg, uint64_t *ret, struct errmsg *e)
{
	int r = parse_u64(arg, ret, e);

	if (r < 0 || *ret > VM_PRIO_MAX) {
		return errmsg_set(e, -EINVAL, "--prio: a priority is a number from 0 to %d",
				  VM_PRIO_MAX);
	}
	return 0;
}

static int parse_set(struct proto_config *c, const char *arg, struct errmsg *e)
{
	const char *equals = strchr(arg, '=');
	struct proto_set *set = &c->sets[c->n_sets];

	if (!equals || equals == arg || (size_t)(equals - arg) >= sizeof(set->reg)) {
		return errmsg_set(e, -EINVAL, "--set: '%.60s' is not REG=VALUE", arg);
	}
	if (c->n_sets == PROTO_SETS_MAX) {
		return errmsg_set(e, -EINVAL, "--set: more than %d registers", PROTO_SETS_MAX);
	}
	memcpy(set->reg, arg, (size_t)(equals - arg));
	set->reg[equals - arg] = '\0';
	c->n_sets++;
	return prefix(e, "--set", parse_u64(equals + 1, &set->value, e));
}

int vm_options_take_guest_arg(struct proto_config *c, const char *arg, struct errmsg *e)
{
	size_t len = strlen(arg);
	size_t blank = c->args_bytes > 0;

	if (c->args_bytes + blank + len >= sizeof(c->args)) {
		return errmsg_set(e, -EINVAL, "the guest's arguments are longer than %d bytes",
				  PROTO_ARGS_MAX - 1);
	}
	if (blank) {
		c->args[c->args_bytes++] = ' ';
	}
	memcpy(c->args + c->args_bytes, arg, len + 1);
	c->args_bytes += (uint32_t)len;
	return 0;
}

/* Options that say what the guest is. */
static int parse_guest_key(int key, const char *arg, struct proto_config *c, struct errmsg *e)
{
	switch (key) {
	case KEY_ARCH:
		return parse_arch(c, arg, e);
	case KEY_MODE:
		return parse_word(&c->flags, PROTO_CFG_16BIT, arg, "32", "16", "--mode", e);
	case KEY_ENDIAN:
		return parse_word(&c->flags, PROTO_CFG_BIG_ENDIAN, arg, "little", "big", "--endian",
				  e);
	case KEY_THUMB:
		c->flags |= PROTO_CFG_THUMB;
		return 0;
	case KEY_LOAD:
		return parse_address(c, PROTO_CFG_HAS_LOAD, &c->load_gpa, arg, "--load", e);
	case KEY_ENTRY:
		return parse_address(c, PROTO_CFG_HAS_ENTRY, &c->entry_gva, arg, "--entry", e);
	case KEY_IMAGE_RO:
		c->flags |= PROTO_CFG_IMAGE_RO;
		return 0;
	case KEY_MEM:
		return parse_mem(c, arg, e);
	case KEY_SET:
		return parse_set(c, arg, e);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Options that say how it is run. */
static int parse_engine_key(int key, const char *arg, struct proto_config *c, struct errmsg *e)
{
	switch (key) {
	case KEY_ENGINE:
		return vm_options_text(c->engine, sizeof(c->engine), arg, "--engine", e);
	case KEY_SLICE:
		return vm_options_slice(arg, &c->slice_ns, e);
	case KEY_LIMIT_CPU:
		return vm_options_limit_ns(arg, "--limit-cpu", &c->limits.cpu_ns, e);
	case KEY_LIMIT_INSNS:
		return vm_options_insns(arg, &c->limits.insns, e);
	case KEY_TIMEOUT:
		return vm_options_limit_ns(arg, "--timeout", &c->limits.wall_ns, e);
	case KEY_COUNT:
		c->flags |= PROTO_CFG_COUNT_INSNS;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int vm_options_take(int key, const char *arg, struct proto_config *c, struct errmsg *e)
{
	int r = parse_guest_key(key, arg, c, e);

	return r == ARGP_ERR_UNKNOWN ? parse_engine_key(key, arg, c, e) : r;
}

void vm_options_base_name(const char *path, char *to, size_t size)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash && slash[1] ? slash + 1 : path;

	snprintf(to, size, "%.*s", (int)size - 1, base);
}

static void set_hex(json_t *o, const char *name, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	json_object_set_new(o, name, json_string(text));
}

/* JSON integers are signed. */
static void set_u64(json_t *o, const char *name, uint64_t v)
{
	if (v) {
		json_object_set_new(o, name,
				    json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v));
	}
}

static void set_flags(const struct proto_config *c, json_t *spec)
{
	if (c->flags & PROTO_CFG_16BIT) {
		json_object_set_new(spec, "mode", json_string("16"));
	}
	if (c->flags & PROTO_CFG_BIG_ENDIAN) {
		json_object_set_new(spec, "endian", json_string("big"));
	}
	if (c->flags & PROTO_CFG_THUMB) {
		json_object_set_new(spec, "thumb", json_true());
	}
	if (c->flags & PROTO_CFG_HAS_LOAD) {
		set_hex(spec, "load", c->load_gpa);
	}
	if (c->flags & PROTO_CFG_HAS_ENTRY) {
		set_hex(spec, "entry", c->entry_gva);
	}
	if (c->flags & PROTO_CFG_IMAGE_RO) {
		json_object_set_new(spec, "image_read_only", json_true());
	}
	if (c->flags & PROTO_CFG_COUNT_INSNS) {
		json_object_set_new(spec, "count_insns", json_true());
	}
}

static void set_limits(const struct proto_limits *l, json_t *spec)
{
	json_t *limits = json_object();

	set_u64(limits, "cpu_ns", l->cpu_ns);
	set_u64(limits, "insns", l->insns);
	set_u64(limits, "wall_ns", l->wall_ns);
	if (json_object_size(limits) > 0) {
		json_object_set(spec, "limits", limits);
	}
	json_decref(limits);
}

int vm_options_to_spec(const struct proto_config *c, json_t *spec)
{
	json_t *sets = json_object();

	for (size_t i = 0; i < arch_names_count; i++) {
		if (c->arch != PROTO_ARCH_ANY && arch_names[i].id == c->arch) {
			json_object_set_new(spec, "arch", json_string(arch_names[i].name));
		}
	}
	json_object_set_new(spec, "engine", json_string(c->engine));
	set_flags(c, spec);
	set_u64(spec, "mem_bytes", c->limits.mem_bytes);
	set_u64(spec, "slice_ns", c->slice_ns);
	set_limits(&c->limits, spec);
	for (uint32_t i = 0; i < c->n_sets; i++) {
		set_hex(sets, c->sets[i].reg, c->sets[i].value);
	}
	if (c->n_sets > 0) {
		json_object_set(spec, "set", sets);
	}
	json_decref(sets);
	if (c->args_bytes > 0) {
		json_object_set_new(spec, "args", json_string(c->args));
	}
	return json_object_get(spec, "engine") ? 0 : -ENOMEM;
}
