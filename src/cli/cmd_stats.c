/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold stats: what VMs use, again and again. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/text.h"
#include "host/timer.h"

#define INTERVAL_MIN_NS (100 * NS_PER_MS)
#define INTERVAL_MAX_NS (3600 * NS_PER_S)

enum { KEY_ONCE = CMD_OWN_KEYS, KEY_INTERVAL, KEY_EVERYONE = 'e' };

/* What is shown, and what was shown last. */
struct stats {
	bool is_once, is_everyone;
	ns_t interval_ns;
	json_t *last; /* id: cpu_ns */
	ns_t last_ns;
};

static bool is_wanted(const struct cmd_run *r, const json_t *vm)
{
	for (int i = 0; i < r->n_operands; i++) {
		if (strcmp(r->operand[i], field_text(vm, "name")) == 0 ||
		    strcmp(r->operand[i], field_text(vm, "id")) == 0) {
			return true;
		}
	}
	return r->n_operands == 0;
}

/* CPU time per time: since the last table, or since the VM was started. */
static void add_percent(struct table *t, const struct stats *s, const json_t *vm, ns_t now)
{
	const json_t *last = json_object_get(s->last, field_text(vm, "id"));
	int64_t started = text_parse_time(field_text(vm, "started_at"));
	uint64_t cpu = field_u64(vm, "cpu_ns");
	double span = 0;
	char text[24] = "";

	if (last && now > s->last_ns) {
		uint64_t before = (uint64_t)json_integer_value(last);

		span = (double)(now - s->last_ns);
		cpu = cpu > before ? cpu - before : 0;
	} else if (started >= 0) {
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		span = (double)ts.tv_sec * (double)NS_PER_S + (double)ts.tv_nsec - (double)started;
	}
	if (span > 0) {
		snprintf(text, sizeof(text), "%.1f%%", (double)cpu / span * 100);
	}
	table_add(t, text);
}

static void add_row(struct table *t, const struct stats *s, const json_t *vm, ns_t now)
{
	field_cell_text(t, vm, "name");
	field_cell_text(t, vm, "state");
	field_cell_u64(t, vm, "core");
	add_percent(t, s, vm, now);
	field_cell_time(t, vm, "cpu_ns");
	field_cell_time(t, vm, "wait_ns");
	field_cell_u64(t, vm, "slices");
	field_cell_u64(t, vm, "preemptions");
	field_cell_size(t, vm, "memory_bytes");
	field_cell_size(t, vm, "mem_bytes");
}

static void print_stats(const struct cmd_run *r, struct stats *s, const json_t *vms)
{
	struct table *t = table_new("NAME STATE >CORE >CPU% >CPU >WAITED >SLICES >PREEMPTED "
				    ">RESIDENT >RAM");
	json_t *seen = json_object();
	ns_t now = host_clock_monotonic_ns();
	const json_t *vm;
	size_t i;

	json_array_foreach(vms, i, vm)
	{
		if (is_wanted(r, vm)) {
			add_row(t, s, vm, now);
			json_object_set_new(seen, field_text(vm, "id"),
					    json_integer((json_int_t)field_u64(vm, "cpu_ns")));
		}
	}
	if (!s->is_once && isatty(STDOUT_FILENO)) {
		fputs("\033[H\033[2J", stdout);
	}
	table_print(t, stdout);
	fflush(stdout);
	table_free(t);
	json_decref(s->last);
	s->last = seen;
	s->last_ns = now;
}

static int show(struct cmd_run *r, struct stats *s)
{
	json_t *vms = NULL;
	int status = cmd_get_list(r, s->is_everyone ? "/v1/vms?everyone=1" : "/v1/vms", &vms);

	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(vms);
		fflush(stdout);
	} else {
		print_stats(r, s, vms);
	}
	json_decref(vms);
	return 0;
}

static int run(struct cmd_run *r)
{
	struct stats *s = r->own;
	int status = show(r, s);

	while (status == 0 && !s->is_once && !ferror(stdout)) {
		poll(NULL, 0, (int)(s->interval_ns / NS_PER_MS));
		status = show(r, s);
	}
	json_decref(s->last);
	return status;
}

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct stats *s = own;

	switch (key) {
	case KEY_ONCE:
		s->is_once = true;
		return 0;
	case KEY_EVERYONE:
		s->is_everyone = true;
		return 0;
	case KEY_INTERVAL:
		if (parse_duration_ns(arg, &s->interval_ns, e) < 0 ||
		    s->interval_ns < INTERVAL_MIN_NS || s->interval_ns > INTERVAL_MAX_NS) {
			return errmsg_set(e, -EINVAL,
					  "--interval: a time from 100ms to 1h is "
					  "expected");
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_stats(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "no-stream", KEY_ONCE, NULL, 0, "once only", 1 },
		{ "interval", KEY_INTERVAL, "TIME", 0, "how often (default 1s)", 1 },
		{ "everyone", KEY_EVERYONE, NULL, 0, "everybody's (administrators)", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Show what running VMs use, until Ctrl-C.\v"
		       "Example:\n    pinfold stats --no-stream",
		.operands = "[VM...]",
		.max = CMD_MANY,
		.flags = CMD_JSON,
		.options = options,
		.option = take_option,
		.run = run,
	};
	struct stats s = { .interval_ns = NS_PER_S };

	return cmd_main(&cmd, &s, argc, argv);
}
