/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gdb's `monitor`; see gdb_monitor.h. */
#include "cli/gdb_monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"

static int print_help(const struct gdb_monitor *m, FILE *f)
{
	(void)m;
	fprintf(f, "monitor info   the VM: engine, state, time, memory\n"
		   "monitor regs   all registers, also those that gdb does not show\n"
		   "monitor help   this list\n");
	return 0;
}

static int print_regs(const struct gdb_monitor *m, FILE *f)
{
	regs_print(m->regs, f);
	return 0;
}

static int print_info(const struct gdb_monitor *m, FILE *f)
{
	const struct proto_ready *ready = &m->vm->ready;
	struct proto_usage u = { 0 };
	struct errmsg e = { 0 };
	size_t bytes = 0;
	int r;

	r = launch_vm_request(m->vm, PROTO_GET_USAGE, NULL, 0, -1, &u, sizeof(u), &bytes, &e);
	if (r < 0) {
		return r;
	}
	if (bytes != sizeof(u)) {
		return -EPROTO;
	}
	fprintf(f, "name:         %s\n", m->name);
	fprintf(f, "architecture: %s%s\n", ready->arch_name,
		ready->flags & PROTO_CFG_BIG_ENDIAN ? ", big endian" : "");
	fprintf(f, "engine:       %s (%s)\n", ready->engine, ready->reason);
	fprintf(f, "state:        %s%s%s\n", proto_vm_state_name(m->state), m->last ? ": " : "",
		m->last ? m->last->text : "");
	fprintf(f, "CPU time:     %.6f s\n", (double)u.cpu_ns / (double)NS_PER_S);
	if (u.insns_known) {
		fprintf(f, "instructions: %" PRIu64 "\n", u.insns);
	} else {
		fprintf(f, "instructions: not counted\n");
	}
	fprintf(f,
		"memory:       %" PRIu64 " KiB at most, of it %" PRIu64
		" KiB offered to the guest\n",
		u.mem_peak_bytes / 1024, ready->ram_bytes / 1024);
	fprintf(f, "points:       %zu\n", m->n_points);
	return 0;
}

static const struct {
	const char *name;
	int (*print)(const struct gdb_monitor *m, FILE *f);
} commands_table[] = {
	{ "info", print_info },
	{ "regs", print_regs },
	{ "help", print_help },
};

int gdb_monitor_run(const struct gdb_monitor *m, const char *line, char **ret, size_t *ret_len)
{
	int (*print)(const struct gdb_monitor *, FILE *) = print_help;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f;
	int r;

	f = open_memstream(&text, &len);
	if (!f) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands_table); i++) {
		if (strcmp(line, commands_table[i].name) == 0) {
			print = commands_table[i].print;
		}
	}
	r = print(m, f);
	if (fclose(f) != 0 && r == 0) {
		r = -ENOMEM;
	}
	if (r < 0) {
		return r;
	}
	*ret = steal_ptr(&text);
	*ret_len = len < GDB_MONITOR_TEXT_MAX ? len : GDB_MONITOR_TEXT_MAX;
	return 0;
}
