/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold pin, unpin, update: what can be changed while a VM runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/vm_options.h"

enum { KEY_CORE = CMD_OWN_KEYS, KEY_SLICE, KEY_PRIO, KEY_LIMIT_CPU, KEY_LIMIT_INSNS, KEY_TIMEOUT };

static int run_pin(struct cmd_run *r)
{
	char *path = client_path("/v1/vms/", r->operand[0], "/pin");
	int status = cmd_send(r, "PUT", path, r->own, NULL);

	free(path);
	if (status == 0) {
		cmd_name_done(r, r->operand[0]);
	}
	return status;
}

static int take_core(void *own, int key, const char *arg, struct errmsg *e)
{
	uint64_t core;

	if (key != KEY_CORE) {
		return ARGP_ERR_UNKNOWN;
	}
	if (parse_u64(arg, &core, e) < 0 || core > INT32_MAX) {
		return errmsg_set(e, -EINVAL, "--core: '%.40s' is not the number of a core", arg);
	}
	json_object_set_new(own, "core", json_integer((json_int_t)core));
	return 0;
}

int cmd_pin(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "core", KEY_CORE, "N", 0, "this one; else any that is free", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Give a VM a core of its own: no slices, no switching.\v"
		       "Example:\n    pinfold pin rt --core 3",
		.operands = "VM",
		.min = 1,
		.max = 1,
		.flags = CMD_QUIET,
		.options = options,
		.option = take_core,
		.run = run_pin,
	};
	json_t *body = json_pack("{s:n}", "core");
	int status = cmd_main(&cmd, body, argc, argv);

	json_decref(body);
	return status;
}

static int unpin_one(struct cmd_run *r, const char *name, struct errmsg *e)
{
	char *path = client_path("/v1/vms/", name, "/pin");
	int ret = client_send(r->client, "DELETE", path, NULL, NULL, e);

	free(path);
	if (ret >= 0) {
		cmd_name_done(r, name);
	}
	return ret;
}

static int run_unpin(struct cmd_run *r)
{
	return cmd_each(r, unpin_one);
}

int cmd_unpin(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Let VMs share cores again.\vExample:\n    pinfold unpin rt",
		.operands = "VM...",
		.min = 1,
		.max = CMD_MANY,
		.flags = CMD_QUIET,
		.run = run_unpin,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

static void set_limit(json_t *body, const char *name, uint64_t v)
{
	json_t *limits = json_object_get(body, "limits");

	if (!limits) {
		limits = json_object();
		json_object_set_new(body, "limits", limits);
	}
	json_object_set_new(limits, name, json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v));
}

static int take_limit(json_t *body, int key, const char *arg, struct errmsg *e)
{
	uint64_t v;
	int r;

	switch (key) {
	case KEY_LIMIT_CPU:
		r = vm_options_limit_ns(arg, "--limit-cpu", &v, e);
		if (r == 0) {
			set_limit(body, "cpu_ns", v);
		}
		return r;
	case KEY_LIMIT_INSNS:
		r = vm_options_insns(arg, &v, e);
		if (r == 0) {
			set_limit(body, "insns", v);
		}
		return r;
	case KEY_TIMEOUT:
		r = vm_options_limit_ns(arg, "--timeout", &v, e);
		if (r == 0) {
			set_limit(body, "wall_ns", v);
		}
		return r;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int take_update(void *own, int key, const char *arg, struct errmsg *e)
{
	json_t *body = own;
	uint64_t v;
	int r;

	if (key == KEY_SLICE) {
		r = vm_options_slice(arg, &v, e);
		if (r == 0) {
			json_object_set_new(body, "slice_ns", json_integer((json_int_t)v));
		}
		return r;
	}
	if (key == KEY_PRIO) {
		r = vm_options_prio(arg, &v, e);
		if (r == 0) {
			json_object_set_new(body, "prio", json_integer((json_int_t)v));
		}
		return r;
	}
	return take_limit(body, key, arg, e);
}

static int update_one(struct cmd_run *r, const char *name, struct errmsg *e)
{
	char *path = client_path("/v1/vms/", name, "");
	int ret = client_send(r->client, "PATCH", path, r->own, NULL, e);

	free(path);
	if (ret >= 0) {
		cmd_name_done(r, name);
	}
	return ret;
}

static int run_update(struct cmd_run *r)
{
	struct errmsg e = { 0 };

	if (json_object_size(r->own) == 0) {
		errmsg_set(&e, -EINVAL, "nothing to change is named; see 'pinfold update --help'");
		return cmd_fail(&e);
	}
	return cmd_each(r, update_one);
}

int cmd_update(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "slice", KEY_SLICE, "TIME", 0, "time slice, 0.5ms to 100ms", 1 },
		{ "prio", KEY_PRIO, "P", 0, "priority, 0 (last) to 7 (first)", 1 },
		{ "limit-cpu", KEY_LIMIT_CPU, "TIME", 0,
		  "end the guest after so much CPU time of this run", 2 },
		{ "limit-insns", KEY_LIMIT_INSNS, "N", 0, "end it after N instructions", 2 },
		{ "timeout", KEY_TIMEOUT, "TIME", 0, "end it after so much time on the clock", 2 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Change slice, priority or limits of VMs, also while they run.\v"
		       "Times have a unit ns, us, ms, s, m or h; without one they are seconds.\n\n"
		       "Example:\n    pinfold update --slice 2ms --prio 6 web",
		.operands = "VM...",
		.min = 1,
		.max = CMD_MANY,
		.flags = CMD_QUIET,
		.options = options,
		.option = take_update,
		.run = run_update,
	};
	json_t *body = json_object();
	int status = cmd_main(&cmd, body, argc, argv);

	json_decref(body);
	return status;
}
