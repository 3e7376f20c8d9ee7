/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of `pinfold run`. The parser writes straight into the launch options; every
 * value is checked here as far as that needs no knowledge of the guest, so that a wrong one is
 * refused before a process is made.
 */
#include "cli/run_options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/parse.h"
#include "cli/arch.h"
#include "cli/gdb_server.h"

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
	KEY_PLUGIN,
	KEY_ENGINE,
	KEY_LOCKSTEP,
	KEY_SLICE,
	KEY_LIMIT_CPU,
	KEY_LIMIT_INSNS,
	KEY_TIMEOUT,
	KEY_COUNT,
	KEY_LOAD_CONTEXT,
	KEY_SAVE_CONTEXT,
	KEY_REGS,
	KEY_TRACE,
	KEY_GDB,
	KEY_JSON,
	KEY_NAME,
	KEY_USAGE,
};

static const struct argp_option option_table[] = {
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
	{ "plugin", KEY_PLUGIN, "SO", 0, "add a device from a shared object", 0 },

	{ NULL, 0, NULL, 0, "Engine and limits:", 2 },
	{ "engine", KEY_ENGINE, "ENGINE", 0,
	  "auto (default: the fastest that works here), unicorn or kvm", 0 },
	{ "lockstep", KEY_LOCKSTEP, "ENGINE,ENGINE", 0,
	  "run the guest on two engines and show the first instruction after which they differ",
	  0 },
	{ "slice", KEY_SLICE, "TIME", 0, "time slice, 0.5ms to 100ms (default 10ms)", 0 },
	{ "limit-cpu", KEY_LIMIT_CPU, "TIME", 0, "end the guest after so much CPU time", 0 },
	{ "limit-insns", KEY_LIMIT_INSNS, "N", 0, "end the guest after N instructions", 0 },
	{ "timeout", KEY_TIMEOUT, "TIME", 0, "end the guest after so much time on the clock", 0 },
	{ "count-insns", KEY_COUNT, NULL, 0,
	  "count all instructions, at the price of speed, where the engine can", 0 },

	{ NULL, 0, NULL, 0, "Context:", 3 },
	{ "load-context", KEY_LOAD_CONTEXT, "FILE", 0, "go on from a saved context", 0 },
	{ "save-context", KEY_SAVE_CONTEXT, "FILE", 0,
	  "save the context at the end; with --limit-insns N, after N instructions", 0 },

	{ NULL, 0, NULL, 0, "Output:", 4 },
	{ "regs", KEY_REGS, NULL, 0, "print the registers at the end", 0 },
	{ "trace", KEY_TRACE, "FILE", 0, "one line per executed instruction; '-' is standard error",
	  0 },
	{ "gdb", KEY_GDB, "unix:PATH|PORT", 0, "wait for GDB on a UNIX socket or a loopback port",
	  0 },
	{ "json", KEY_JSON, NULL, 0, "end standard output with one JSON object", 0 },
	{ "name", KEY_NAME, "NAME", 0, "name of the VM (default: of the image file)", 0 },
	{ "verbose", 'v', NULL, 0, "say which engine was chosen and why", 0 },
	{ "help", '?', NULL, 0, "show this text", -1 },
	{ "usage", KEY_USAGE, NULL, 0, "show a short usage message", -1 },
	{ 0 },
};

static const char doc[] = "Run a guest program in its own jailed process and say what happened.\v"
			  "Sizes and addresses are numbers, decimal or 0x..., optionally with K, "
			  "M, G or T. Times have a "
			  "unit ns, us, ms, s, m or h; without one they are seconds.\n"
			  "\n"
			  "Examples:\n"
			  "  a flat binary, loaded at the start of RAM:\n"
			  "    pinfold run --arch riscv64 --regs sum.bin\n"
			  "  an ELF executable, which says itself what it is for:\n"
			  "    pinfold run --timeout 5s hello.elf\n"
			  "  an Intel HEX file:\n"
			  "    pinfold run --arch arm --thumb blink.hex\n"
			  "  16-bit code, like a boot sector:\n"
			  "    pinfold run --arch x86 --mode 16 boot.bin\n"
			  "  under GDB (then: gdb-multiarch -ex 'target remote :1234'):\n"
			  "    pinfold run --gdb 1234 hello.elf\n"
			  "  with a device of your own:\n"
			  "    pinfold run --plugin ./lowercase.so --arch x86 --mode 16 boot.bin\n"
			  "  save a context after 1000 instructions, and go on from it:\n"
			  "    pinfold run --limit-insns 1000 --save-context c.pfctx hello.elf\n"
			  "    pinfold run --load-context c.pfctx\n"
			  "\n"
			  "Exit status: the guest's own (0 when it halts); 124 a limit was "
			  "reached; 125 Pinfold could "
			  "not run it; 126 the guest faulted; 137 it was killed.";

/* What the parser works on. */
struct parsing {
	struct run_options *o;
	struct errmsg *e;
	bool is_help;
};

static int bad(struct errmsg *e, const char *option, const char *why)
{
	return errmsg_set(e, -EINVAL, "%s: %s", option, why);
}

/* Strings that come with options, into fixed fields. */
static int copy_text(char *to, size_t size, const char *text, const char *option, struct errmsg *e)
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
	int r = parse_size_bytes(arg, to, e);

	c->flags |= flag;
	return prefix(e, option, r);
}

static int parse_limit_ns(uint64_t *to, const char *arg, const char *option, struct errmsg *e)
{
	int r = parse_duration_ns(arg, to, e);

	if (r == 0 && *to == 0) {
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

static int parse_insns(struct proto_config *c, const char *arg, struct errmsg *e)
{
	int r = parse_u64(arg, &c->limits.insns, e);

	if (r == 0 && c->limits.insns == 0) {
		return bad(e, "--limit-insns", "a limit of 0 would leave nothing to run");
	}
	return prefix(e, "--limit-insns", r);
}

static int parse_slice(struct proto_config *c, const char *arg, struct errmsg *e)
{
	int r = parse_duration_ns(arg, &c->slice_ns, e);

	if (r == 0 && (c->slice_ns < SLICE_MIN_NS || c->slice_ns > SLICE_MAX_NS)) {
		return bad(e, "--slice", "a slice is 0.5ms to 100ms long");
	}
	return prefix(e, "--slice", r);
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

static int parse_lockstep(struct run_options *o, const char *arg, struct errmsg *e)
{
	const char *comma = strchr(arg, ',');
	size_t len = comma ? (size_t)(comma - arg) : 0;

	if (len == 0 || len >= sizeof(o->engines[0]) || comma[1] == '\0' ||
	    strlen(comma + 1) >= sizeof(o->engines[1]) || strchr(comma + 1, ',')) {
		return bad(e, "--lockstep", "two engines are expected, such as unicorn,kvm");
	}
	memcpy(o->engines[0], arg, len);
	o->engines[0][len] = '\0';
	strcpy(o->engines[1], comma + 1);
	return 0;
}

/* Everything behind "--", joined by blanks. */
static int add_guest_arg(struct proto_config *c, const char *arg, struct errmsg *e)
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

static int parse_arg(struct parsing *p, const char *arg, bool is_behind_dashes)
{
	if (is_behind_dashes) {
		return add_guest_arg(&p->o->launch.config, arg, p->e);
	}
	if (p->o->image) {
		return errmsg_set(p->e, -EINVAL,
				  "'%.60s' is one image too many; a guest's arguments go behind --",
				  arg);
	}
	p->o->image = arg;
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
static int parse_engine_key(int key, const char *arg, struct run_options *o, struct errmsg *e)
{
	struct proto_config *c = &o->launch.config;

	switch (key) {
	case KEY_ENGINE:
		return copy_text(c->engine, sizeof(c->engine), arg, "--engine", e);
	case KEY_LOCKSTEP:
		return parse_lockstep(o, arg, e);
	case KEY_SLICE:
		return parse_slice(c, arg, e);
	case KEY_LIMIT_CPU:
		return parse_limit_ns(&c->limits.cpu_ns, arg, "--limit-cpu", e);
	case KEY_LIMIT_INSNS:
		return parse_insns(c, arg, e);
	case KEY_TIMEOUT:
		return parse_limit_ns(&c->limits.wall_ns, arg, "--timeout", e);
	case KEY_COUNT:
		c->flags |= PROTO_CFG_COUNT_INSNS;
		return 0;
	case KEY_PLUGIN:
		o->launch.plugin_path = arg;
		return 0;
	case KEY_LOAD_CONTEXT:
		o->launch.context_path = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Options that say what is shown. */
static int parse_output_key(int key, const char *arg, struct run_options *o, struct errmsg *e)
{
	struct proto_config *c = &o->launch.config;

	switch (key) {
	case KEY_SAVE_CONTEXT:
		o->save_path = arg;
		return 0;
	case KEY_REGS:
		o->has_regs = true;
		return 0;
	case KEY_TRACE:
		o->trace_path = arg;
		return 0;
	case KEY_GDB:
		o->gdb_where = arg;
		return 0;
	case KEY_JSON:
		o->is_json = true;
		return 0;
	case KEY_NAME:
		return copy_text(c->name, sizeof(c->name), arg, "--name", e);
	case 'v':
		o->is_verbose = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_key(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	int r;

	if (key == '?' || key == KEY_USAGE) {
		state->flags &= ~(unsigned int)ARGP_NO_ERRS; /* it would silence this, too */
		argp_state_help(state, stdout,
				key == '?' ? ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK
					   : ARGP_HELP_USAGE);
		p->is_help = true;
		return ECANCELED;
	}
	if (key == ARGP_KEY_ERROR && p->e->text[0] == '\0' && state->next > 0) {
		errmsg_set(p->e, -EINVAL,
			   "'%.60s' is not understood: there is no such option, or its value is "
			   "missing or not wanted; see 'pinfold run --help'",
			   state->argv[state->next - 1]);
		return EINVAL;
	}
	if (key == ARGP_KEY_ARG) {
		r = parse_arg(p, arg, state->quoted > 0 && state->next > state->quoted);
		return r < 0 ? EINVAL : 0;
	}
	r = parse_guest_key(key, arg, &p->o->launch.config, p->e);
	if (r == ARGP_ERR_UNKNOWN) {
		r = parse_engine_key(key, arg, p->o, p->e);
	}
	if (r == ARGP_ERR_UNKNOWN) {
		r = parse_output_key(key, arg, p->o, p->e);
	}
	return r < 0 ? EINVAL : r;
}

/* What options ask for together. */
static int check_together(const struct run_options *o, struct errmsg *e)
{
	bool is_lockstep = o->engines[0][0] != '\0';

	if (!o->image && !o->launch.context_path) {
		return errmsg_set(e, -EINVAL,
				  "an image is missing; see 'pinfold run --help' for examples");
	}
	if (is_lockstep && (o->gdb_where || o->trace_path || o->save_path)) {
		return bad(e, "--lockstep", "not together with --gdb, --trace or --save-context");
	}
	if (o->gdb_where && o->trace_path) {
		/* A VM that waits for room in the trace pipe does not answer a debugger. */
		return bad(e, "--gdb", "not together with --trace");
	}
	if (is_lockstep && strcmp(o->launch.config.engine, "auto") != 0) {
		return bad(e, "--lockstep", "it names the engines; leave out --engine");
	}
	return 0;
}

/* The name of the VM, unless told: the file's. */
static void settle_names(struct run_options *o)
{
	struct proto_config *c = &o->launch.config;
	const char *path = o->image ? o->image : o->launch.context_path;
	const char *slash = strrchr(path, '/');
	const char *base = slash && slash[1] ? slash + 1 : path;

	snprintf(c->image_name, sizeof(c->image_name), "%.*s", (int)sizeof(c->image_name) - 1,
		 base);
	if (c->name[0] == '\0') {
		snprintf(c->name, sizeof(c->name), "%.*s", (int)sizeof(c->name) - 1, base);
	}
}

/* A mistake in front of it must not hide that JSON is wanted. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			return true;
		}
	}
	return false;
}

int run_options_parse(int argc, char **argv, struct run_options *ret, struct errmsg *e)
{
	const struct argp parser = { option_table, parse_key, "IMAGE [-- GUEST-ARGS...]", doc, NULL,
				     NULL,	   NULL };
	struct parsing p = { .o = ret, .e = e };
	int r;

	memset(ret, 0, sizeof(*ret));
	launch_options_defaults(&ret->launch);
	ret->is_json = wants_json(argc, argv);
	r = argp_parse(&parser, argc, argv,
		       ARGP_IN_ORDER | ARGP_NO_EXIT | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, &p);
	if (p.is_help) {
		return 0;
	}
	if (r != 0) {
		return e->text[0] ? -EINVAL : errmsg_set(e, -EINVAL, "%s", strerror(r));
	}
	r = check_together(ret, e);
	if (r < 0) {
		return r;
	}
	if (ret->gdb_where) {
		r = gdb_server_check(ret->gdb_where, e);
		if (r < 0) {
			errmsg_prefix(e, "--gdb: ");
			return r;
		}
	}
	settle_names(ret);
	ret->launch.image_path = ret->image;
	ret->launch.is_traced = ret->trace_path != NULL;
	return 1;
}
