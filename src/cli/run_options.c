/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of `pinfold run`: what the guest is (vm_options.h), and what is done with it here.
 * The parser writes straight into the launch options; every value is checked as far as that needs no
 * knowledge of the guest, so that a wrong one is refused before a process is made.
 */
#include "cli/run_options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/parse.h"
#include "cli/gdb_server.h"
#include "cli/machine_options.h"
#include "cli/vm_options.h"

/* Beyond those of vm_options.h. */
enum key {
	KEY_PLUGIN = 512,
	KEY_LOCKSTEP,
	KEY_LOAD_CONTEXT,
	KEY_SAVE_CONTEXT,
	KEY_REGS,
	KEY_TRACE,
	KEY_GDB,
	KEY_JSON,
	KEY_NAME,
	KEY_USAGE,
};

#define OPTIONS_MAX 64

static const struct argp_option option_table[] = {
	{ "plugin", KEY_PLUGIN, "SO", 0, "add a device from a shared object", 1 },

	{ "lockstep", KEY_LOCKSTEP, "ENGINE,ENGINE", 0,
	  "run the guest on two engines and show the first instruction after which they differ",
	  2 },

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

static const char doc[] =
	"Run a guest program in its own jailed process and say what happened.\v"
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
	"  a RISC-V Linux kernel, with a disk and a network card:\n"
	"    pinfold run --board virt --kernel vmlinux --initrd initrd.img \\\n"
	"      --append console=ttyS0 --disk disk.img --net user,hostfwd=tcp::8022-:22\n"
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

static int parse_arg(struct parsing *p, const char *arg, bool is_behind_dashes)
{
	if (is_behind_dashes) {
		return vm_options_take_guest_arg(&p->o->launch.config, arg, p->e);
	}
	if (p->o->image) {
		return errmsg_set(p->e, -EINVAL,
				  "'%.60s' is one image too many; a guest's arguments go behind --",
				  arg);
	}
	p->o->image = arg;
	return 0;
}

/* Options that say how it is run, beyond those of vm_options.h. */
static int parse_engine_key(int key, char *arg, struct run_options *o, struct errmsg *e)
{
	switch (key) {
	case KEY_LOCKSTEP:
		return parse_lockstep(o, arg, e);
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
		return vm_options_text(c->name, sizeof(c->name), arg, "--name", e);
	case 'v':
		o->is_verbose = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The option that a word names, wholly or by the beginning of its name. @return how many it could be */
static size_t find_option(const struct argp_option *options, const char *name, size_t len,
			  const struct argp_option **ret)
{
	size_t n = 0;

	for (const struct argp_option *o = options; o->name || o->doc; o++) {
		if (!o->name || strncmp(o->name, name, len) != 0) {
			continue;
		}
		*ret = o;
		n++;
		if (o->name[len] == '\0') {
			return 1;
		}
	}
	return n;
}

/* What is wrong with the word at which the parser gave up. */
static int refuse_option(const struct argp_option *options, const char *word, struct errmsg *e)
{
	const struct argp_option *o = NULL;
	bool is_long = strncmp(word, "--", 2) == 0;
	size_t len = strcspn(word, "=");
	size_t n = is_long && len > 2 ? find_option(options, word + 2, len - 2, &o) : 0;

	if (n == 0) {
		return errmsg_set(e, -EINVAL, "there is no option '%.*s'; see 'pinfold run --help'",
				  (int)(len < 60 ? len : 60), word);
	}
	if (n > 1) {
		return errmsg_set(e, -EINVAL,
				  "'%.60s' is the beginning of several options, of --%s and others",
				  word, o->name);
	}
	return o->arg ? errmsg_set(e, -EINVAL, "--%s: its value is missing: --%s %s", o->name,
				   o->name, o->arg)
		      : errmsg_set(e, -EINVAL, "--%s takes no value", o->name);
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
		refuse_option(state->root_argp->options, state->argv[state->next - 1], p->e);
		return EINVAL;
	}
	if (key == ARGP_KEY_ARG) {
		r = parse_arg(p, arg, state->quoted > 0 && state->next > state->quoted);
		return r < 0 ? EINVAL : 0;
	}
	r = vm_options_take(key, arg, &p->o->launch.config, p->e);
	if (r == ARGP_ERR_UNKNOWN) {
		r = machine_options_take(key, arg, &p->o->launch, p->e);
	}
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
	int r;

	if (!o->image && !o->launch.context_path && !o->launch.kernel_path) {
		return errmsg_set(
			e, -EINVAL,
			"an image or a kernel is missing; see 'pinfold run --help' for examples");
	}
	r = machine_options_check(&o->launch, e);
	if (r < 0) {
		return r;
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
	const char *path = o->image		   ? o->image
			   : o->launch.kernel_path ? o->launch.kernel_path
						   : o->launch.context_path;

	vm_options_base_name(path, c->image_name, sizeof(c->image_name));
	if (c->name[0] == '\0') {
		vm_options_base_name(path, c->name, sizeof(c->name));
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

static void join_options(struct argp_option *to)
{
	size_t n = 0;

	for (const struct argp_option *o = vm_options_table; o->name || o->doc; o++) {
		to[n++] = *o;
	}
	for (const struct argp_option *o = machine_options_table; o->name; o++) {
		to[n++] = *o;
	}
	BUG_ON(n + ARRAY_SIZE(option_table) > OPTIONS_MAX);
	memcpy(to + n, option_table, sizeof(option_table));
}

int run_options_parse(int argc, char **argv, struct run_options *ret, struct errmsg *e)
{
	struct argp_option options[OPTIONS_MAX + 1] = { { 0 } };
	const struct argp parser = { options, parse_key, "[IMAGE] [-- GUEST-ARGS...]", doc, NULL,
				     NULL,    NULL };
	struct parsing p = { .o = ret, .e = e };
	int r;

	join_options(options);
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
