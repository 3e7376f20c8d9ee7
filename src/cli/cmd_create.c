/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold create: a VM under the daemon. The image is sent only if the daemon lacks it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/machine_options.h"
#include "cli/upload.h"
#include "cli/vm_options.h"
#include "launch/launch.h"

enum {
	KEY_PRIO = CMD_OWN_KEYS,
	KEY_EXCLUSIVE,
	KEY_OWNER,
	KEY_NO_KVM,
	KEY_LOAD_CONTEXT,
	KEY_START,
};

/* What was asked for. */
struct creation {
	struct launch_options launch;
	uint64_t prio, core;
	bool has_prio, has_core, is_exclusive, is_started;
	const char *owner;
};

static const struct argp_option options[] = {
	{ "prio", KEY_PRIO, "P", 0, "priority, 0 (last) to 7 (first); default 3", 3 },
	{ "exclusive", KEY_EXCLUSIVE, "CORE", OPTION_ARG_OPTIONAL,
	  "a core of its own, any or this one", 3 },
	{ "owner", KEY_OWNER, "USER", 0, "whose VM it is (administrators)", 3 },
	{ "no-kvm", KEY_NO_KVM, NULL, 0, "don't hand /dev/kvm to the VM process", 3 },
	{ "load-context", KEY_LOAD_CONTEXT, "FILE", 0,
	  "go on from a saved context; IMAGE is not needed then", 4 },
	{ "start", KEY_START, NULL, 0, "start it at once; if that fails, it is not made", 5 },
	{ 0 },
};

static int take_core(struct creation *c, const char *arg, struct errmsg *e)
{
	int r = parse_u64(arg, &c->core, e);

	if (r < 0) {
		errmsg_prefix(e, "--exclusive: ");
		return -EINVAL;
	}
	c->has_core = true;
	return 0;
}

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct creation *c = own;
	int r;

	switch (key) {
	case KEY_PRIO:
		c->has_prio = true;
		return vm_options_prio(arg, &c->prio, e);
	case KEY_EXCLUSIVE:
		c->is_exclusive = true;
		return arg ? take_core(c, arg, e) : 0;
	case KEY_OWNER:
		c->owner = arg;
		return 0;
	case KEY_NO_KVM:
		c->launch.is_kvm_allowed = false;
		return 0;
	case KEY_LOAD_CONTEXT:
		c->launch.context_path = arg;
		return 0;
	case KEY_START:
		c->is_started = true;
		return 0;
	case CMD_KEY_GUEST_ARG:
		return vm_options_take_guest_arg(&c->launch.config, arg, e);
	default:
		/* The text is the program's own: it may be cut. */
		r = machine_options_take(key, (char *)(uintptr_t)arg, &c->launch, e);
		return r == ARGP_ERR_UNKNOWN ? vm_options_take(key, arg, &c->launch.config, e) : r;
	}
}

/* Which of three operands is the core: a number, sooner the last or the first than the one between. */
static int core_operand(char *const *operand)
{
	static const int order[] = { 2, 0, 1 };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		const char *text = operand[order[i]];

		if (text[0] && text[strspn(text, "0123456789")] == '\0') {
			return order[i];
		}
	}
	return 2;
}

/* NAME [IMAGE] [CORE]; "--exclusive 2" leaves its core behind as one operand too many. */
static int take_operands(struct cmd_run *r, struct creation *c, struct errmsg *e)
{
	int n_want = c->launch.context_path || c->launch.kernel_path ? 1 : 2;
	char *core;
	int at;

	if (r->n_operands == 3 && (!c->is_exclusive || c->has_core)) {
		return errmsg_set(e, -EINVAL,
				  "'%.60s' is one argument too many; a guest's arguments go "
				  "behind --",
				  r->operand[2]);
	}
	if (r->n_operands == 3) {
		at = core_operand(r->operand);
		core = r->operand[at];
		memmove(&r->operand[at], &r->operand[at + 1],
			(size_t)(2 - at) * sizeof(r->operand[0]));
		r->n_operands = 2;
		return take_core(c, core, e);
	}
	if (r->n_operands < n_want) {
		return errmsg_set(e, -EINVAL,
				  "an image or a kernel is missing; see 'pinfold create --help'");
	}
	return 0;
}

static void set_text(json_t *spec, const char *name, const char *text)
{
	/* File names may hold anything; the daemon takes UTF-8. */
	json_t *s = json_string(text);

	json_object_set_new(spec, name, s ? s : json_string("?"));
}

static int add_files(struct cmd_run *r, const struct creation *c, json_t *spec, struct errmsg *e)
{
	const char *image = r->n_operands > 1 ? r->operand[1] : NULL;
	const char *context = c->launch.context_path;
	char hash[UPLOAD_HASH_BYTES];
	char name[256];
	int ret;

	vm_options_base_name(image		     ? image
			     : c->launch.kernel_path ? c->launch.kernel_path
						     : context,
			     name, sizeof(name));
	set_text(spec, "image_name", name);
	if (image) {
		ret = upload_image(r->client, image, r->is_quiet, hash, e);
		if (ret < 0) {
			return ret;
		}
		set_text(spec, "image", hash);
	}
	if (context) {
		ret = upload_image(r->client, context, r->is_quiet, hash, e);
		if (ret < 0) {
			return ret;
		}
		set_text(spec, "context", hash);
	}
	return machine_options_to_spec(r->client, &c->launch, r->is_quiet, spec, e);
}

static int make_spec(struct cmd_run *r, const struct creation *c, json_t *spec, struct errmsg *e)
{
	set_text(spec, "name", r->operand[0]);
	if (vm_options_to_spec(&c->launch.config, spec) < 0) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	if (c->has_prio) {
		json_object_set_new(spec, "prio", json_integer((json_int_t)c->prio));
	}
	if (c->is_exclusive) {
		json_object_set_new(spec, "exclusive", json_true());
	}
	if (c->has_core) {
		json_object_set_new(spec, "core", json_integer((json_int_t)c->core));
	}
	if (!c->launch.is_kvm_allowed) {
		json_object_set_new(spec, "kvm", json_false());
	}
	if (c->owner) {
		set_text(spec, "owner", c->owner);
	}
	return add_files(r, c, spec, e);
}

static int run(struct cmd_run *r)
{
	struct creation *c = r->own;
	json_t *spec = json_object();
	json_t *answer = NULL;
	struct errmsg e = { 0 };
	int status;
	int ret;

	ret = take_operands(r, c, &e);
	if (ret == 0) {
		ret = machine_options_check(&c->launch, &e);
	}
	if (ret == 0) {
		ret = make_spec(r, c, spec, &e);
	}
	status = ret < 0 ? cmd_fail(&e)
			 : cmd_send(r, "POST", c->is_started ? "/v1/vms?start=1" : "/v1/vms", spec,
				    &answer);
	json_decref(spec);
	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(answer);
	} else {
		puts(field_text(answer, r->is_quiet ? "id" : "name"));
	}
	json_decref(answer);
	return 0;
}

static const struct cmd cmd = {
	.doc = "Make a VM under the daemon and print its name.\v"
	       "Sizes and addresses are numbers, decimal or 0x..., optionally with K, M, G or T. "
	       "Times have a unit ns, us, ms, s, m or h; without one they are seconds.\n"
	       "\n"
	       "Examples:\n"
	       "    pinfold create web hello.elf\n"
	       "    pinfold create --start --mem 16M --prio 4 --slice 2ms worker sum.elf\n"
	       "    pinfold create --exclusive=3 rt loop.bin --arch riscv64 -- one two\n"
	       "    pinfold create --start --board virt --mem 256M --smp 2 --kernel vmlinux \\\n"
	       "      --initrd initrd.img --append console=ttyS0 --disk root.img \\\n"
	       "      --net user,hostfwd=tcp::8022-:22 linux",
	.operands = "NAME [IMAGE] [-- GUEST-ARGS...]",
	.min = 1,
	.max = 3,
	.flags = CMD_JSON | CMD_QUIET | CMD_GUEST_ARGS,
	.options = options,
	.more_options = vm_options_table,
	.machine_options = machine_options_table,
	.option = take_option,
	.run = run,
};

int cmd_create(int argc, char **argv)
{
	struct creation *c = calloc(1, sizeof(*c));
	struct errmsg e = { 0 };
	int status;

	if (!c) {
		errmsg_set(&e, -ENOMEM, "out of memory");
		return cmd_fail(&e);
	}
	launch_options_defaults(&c->launch);
	c->launch.config.slice_ns = 0; /* not said: as the daemon has it */
	status = cmd_main(&cmd, c, argc, argv);
	free(c);
	return status;
}
