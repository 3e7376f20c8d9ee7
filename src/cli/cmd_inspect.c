/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold inspect: everything the daemon knows about VMs. pinfold faults: the fault queue. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/cmd.h"
#include "cli/text.h"

static void print_line(const char *label, const char *text)
{
	if (*text) {
		text_print(stdout, label, text);
	}
}

static void print_u64(const json_t *o, const char *name, const char *label)
{
	if (json_is_integer(json_object_get(o, name))) {
		printf("%-14s %" PRIu64 "\n", label, field_u64(o, name));
	}
}

static void print_time(const json_t *o, const char *name, const char *label)
{
	char text[TEXT_FIGURE_BYTES];

	if (json_is_integer(json_object_get(o, name))) {
		print_line(label, text_time(field_u64(o, name), text));
	}
}

static void print_size(const json_t *o, const char *name, const char *label)
{
	char text[TEXT_FIGURE_BYTES];

	if (json_is_integer(json_object_get(o, name))) {
		print_line(label, text_size(field_u64(o, name), text));
	}
}

static void print_when(const json_t *o, const char *name, const char *label)
{
	const char *when = field_text(o, name);
	char ago[TEXT_FIGURE_BYTES];
	char line[128];

	if (*when) {
		snprintf(line, sizeof(line), "%.60s (%s)", when, text_ago(when, ago));
		print_line(label, line);
	}
}

static void print_fault(const json_t *vm)
{
	static const char *const members[] = { "kind", "pc", "address", "access", "insn" };
	const json_t *fault = json_object_get(vm, "fault");

	if (!json_is_object(fault)) {
		return;
	}
	print_line("fault", field_text(fault, "message"));
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		char label[24];

		snprintf(label, sizeof(label), "  %s", members[i]);
		print_line(label, field_text(fault, members[i]));
	}
}

/* Values up to this width stand several in a row. */
#define SHORT_VALUE  18
#define LINE_COLUMNS 80

static int name_width(json_t *registers)
{
	const char *name;
	json_t *value;
	size_t width = 0;

	json_object_foreach(registers, name, value)
	{
		width = strlen(name) > width ? strlen(name) : width;
	}
	return width < 16 ? (int)width : 16;
}

static void print_registers(const json_t *vm)
{
	json_t *registers = json_object_get(vm, "registers");
	int width = name_width(registers);
	size_t in_row = LINE_COLUMNS / ((size_t)width + SHORT_VALUE + 3);
	const char *name;
	json_t *value;
	size_t n = 0;

	if (json_object_size(registers) == 0) {
		return;
	}
	puts("registers");
	json_object_foreach(registers, name, value)
	{
		const char *text = json_string_value(value);
		char safe_name[24];
		char safe[72];
		bool is_short;

		text_safe_to(name, safe_name, sizeof(safe_name));
		text_safe_to(text ? text : "-", safe, sizeof(safe));
		is_short = strlen(safe) <= SHORT_VALUE;
		/* A long one has a line of its own. */
		if (n > 0 && (n == in_row || !is_short)) {
			putchar('\n');
			n = 0;
		}
		printf("  %-*s %-*s", width, safe_name,
		       n + 1 == in_row || !is_short ? 0 : SHORT_VALUE, safe);
		n = is_short ? n + 1 : in_row;
	}
	putchar('\n');
}

static void print_core(const json_t *vm)
{
	char text[64];

	if (field_has(vm, "core")) {
		snprintf(text, sizeof(text), "%" PRIu64 "%s", field_u64(vm, "core"),
			 field_bool(vm, "exclusive") ? ", its own" : "");
		print_line("core", text);
	} else if (field_bool(vm, "exclusive")) {
		print_line("core", "one of its own, when it runs");
	}
}

/* Disks and network. */
static void print_machine(const json_t *spec)
{
	const json_t *disk;
	char size[TEXT_FIGURE_BYTES];
	char line[128];
	size_t i;

	json_array_foreach(json_object_get(spec, "disks"), i, disk)
	{
		snprintf(line, sizeof(line), "%.64s, %s%s", field_text(disk, "name"),
			 text_size(field_u64(disk, "bytes"), size),
			 field_bool(disk, "read_only")	? ", read only"
			 : field_bool(disk, "snapshot") ? ", anew at every start"
							: "");
		print_line(i == 0 ? "disks" : "", line);
	}
	print_line("network", field_text(spec, "net"));
}

static void print_vm(const json_t *vm)
{
	print_line("name", field_text(vm, "name"));
	print_line("id", field_text(vm, "id"));
	print_line("owner", field_text(vm, "owner"));
	print_line("state", field_text(vm, "state"));
	if (!json_is_object(json_object_get(vm, "fault"))) {
		print_line("message", field_text(json_object_get(vm, "exit"), "message"));
	}
	print_u64(vm, "exit_code", "exit code");
	print_line("arch", field_text(vm, "arch"));
	print_line("board", field_text(vm, "board"));
	print_u64(vm, "cpus", "CPUs");
	print_machine(json_object_get(vm, "spec"));
	print_line("engine", field_text(vm, "engine"));
	print_line("  because", field_text(vm, "engine_reason"));
	print_line("image", field_text(vm, "image_name"));
	print_line("  sha256", field_text(vm, "image"));
	print_u64(vm, "pid", "pid");
	print_core(vm);
	print_u64(vm, "prio", "priority");
	print_time(vm, "slice_ns", "slice");
	print_time(vm, "cpu_ns", "cpu");
	print_time(vm, "wait_ns", "waited");
	if (field_u64(vm, "waiting_ns")) {
		print_time(vm, "waiting_ns", "waiting for");
	}
	print_u64(vm, "slices", "slices");
	print_u64(vm, "preemptions", "preemptions");
	print_size(vm, "mem_bytes", "guest RAM");
	print_size(vm, "memory_bytes", "resident");
	print_size(vm, "console_bytes", "console");
	print_u64(vm, "runs", "runs");
	if (field_u64(vm, "resets")) {
		print_u64(vm, "resets", "resets");
	}
	print_when(vm, "created_at", "created");
	print_when(vm, "started_at", "started");
	print_when(vm, "ended_at", "ended");
	print_fault(vm);
	print_registers(vm);
}

static int inspect_one(struct cmd_run *r, const char *name, struct errmsg *e)
{
	char *path = client_path("/v1/vms/", name, "");
	bool *is_next = r->own;
	json_t *vm = NULL;
	int ret;

	ret = client_get(r->client, path, &vm, e);
	free(path);
	if (ret < 0) {
		return ret;
	}
	if (r->is_json) {
		field_print_json(vm);
	} else {
		fputs(*is_next ? "\n" : "", stdout);
		print_vm(vm);
	}
	*is_next = true;
	json_decref(vm);
	return 0;
}

static int run_inspect(struct cmd_run *r)
{
	return cmd_each(r, inspect_one);
}

static int inspect_main(const char *doc, int argc, char **argv)
{
	const struct cmd cmd = {
		.doc = doc,
		.operands = "VM...",
		.min = 1,
		.max = CMD_MANY,
		.flags = CMD_JSON,
		.run = run_inspect,
	};
	bool is_next = false;

	return cmd_main(&cmd, &is_next, argc, argv);
}

int cmd_inspect(int argc, char **argv)
{
	return inspect_main("Show everything about VMs; of those that stand still (paused, "
			    "faulted) also the registers.\v"
			    "Example:\n    pinfold inspect web",
			    argc, argv);
}

static int faults_show(int argc, char **argv)
{
	return inspect_main("Show faulted VMs: what happened where, and the registers.\v"
			    "Example:\n    pinfold faults show web",
			    argc, argv);
}

static void print_faults(const json_t *faults)
{
	struct table *t = table_new("VM OWNER FAULT PC ADDRESS WHEN MESSAGE");
	char ago[TEXT_FIGURE_BYTES];
	const json_t *f;
	size_t i;

	json_array_foreach(faults, i, f)
	{
		field_cell_text(t, f, "vm");
		field_cell_text(t, f, "owner");
		field_cell_text(t, f, "kind");
		field_cell_text(t, f, "pc");
		field_cell_text(t, f, "address");
		table_add(t, text_ago(field_text(f, "faulted_at"), ago));
		field_cell_text(t, f, "message");
	}
	table_print(t, stdout);
	table_free(t);
}

static int run_ls(struct cmd_run *r)
{
	json_t *faults = NULL;
	const json_t *f;
	int status = cmd_get_list(r, "/v1/faults", &faults);
	size_t i;

	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(faults);
	} else if (r->is_quiet) {
		json_array_foreach(faults, i, f)
		{
			char *safe = text_safe(field_text(f, "id"));

			puts(safe ? safe : "");
			free(safe);
		}
	} else {
		print_faults(faults);
	}
	json_decref(faults);
	return 0;
}

static int faults_ls(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "List VMs that stopped by their own fault and are kept for inspection.\v"
		       "Example:\n    pinfold faults ls",
		.flags = CMD_JSON | CMD_QUIET,
		.run = run_ls,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

static int clear_one(struct cmd_run *r, const char *name, struct errmsg *e)
{
	char *path = client_path("/v1/faults/", name, "");
	int ret = client_send(r->client, "DELETE", path, NULL, NULL, e);

	free(path);
	return ret;
}

static int run_clear(struct cmd_run *r)
{
	const bool *is_all = r->own;
	struct errmsg e = { 0 };

	if (*is_all == (r->n_operands > 0)) {
		errmsg_set(&e, -EINVAL, "name VMs, or clear --all");
		return cmd_fail(&e);
	}
	return *is_all ? cmd_send(r, "DELETE", "/v1/faults", NULL, NULL) : cmd_each(r, clear_one);
}

static int take_clear_option(void *own, int key, const char *arg, struct errmsg *e)
{
	bool *is_all = own;

	(void)arg;
	(void)e;
	if (key != 'a') {
		return ARGP_ERR_UNKNOWN;
	}
	*is_all = true;
	return 0;
}

static int faults_clear(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "all", 'a', NULL, 0, "all of yours", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Let go of faulted VMs: their processes end, they can be started again or "
		       "removed.\v"
		       "Example:\n    pinfold faults clear web",
		.operands = "[VM...]",
		.max = CMD_MANY,
		.options = options,
		.option = take_clear_option,
		.run = run_clear,
	};
	bool is_all = false;

	return cmd_main(&cmd, &is_all, argc, argv);
}

int cmd_faults(int argc, char **argv)
{
	static const struct cmd_member members[] = {
		{ "ls", "list faulted VMs", faults_ls },
		{ "show", "show what happened, with registers", faults_show },
		{ "clear", "let go of them", faults_clear },
	};

	return cmd_group_main(members, ARRAY_SIZE(members), CMD_HAS_DEFAULT,
			      "The fault queue: VMs that stopped by their own fault.", argc, argv);
}
