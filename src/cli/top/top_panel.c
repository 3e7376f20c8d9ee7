/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A page of lines over the table; see top_panel.h. */
#include "cli/top/top_panel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/top/top_format.h"
#include "cli/top/top_json.h"

/* Objects in objects deeper than this are left out. */
#define DEPTH_MAX 4u
#define KEY_BYTES 96

void top_panel_clear(struct top_panel *p)
{
	p->title[0] = '\0';
	p->n = 0;
}

void top_panel_done(struct top_panel *p)
{
	free(p->line);
	*p = (struct top_panel){ 0 };
}

/* What doesn't fit is left out: the page is for looking, not for keeping. */
static void add(struct top_panel *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct top_panel *p, const char *fmt, ...)
{
	va_list ap;

	if (p->n == p->size) {
		uint32_t size = p->size ? p->size * 2 : 64;
		void *bigger = NULL;

		if (size <= TOP_PANEL_LINES_MAX) {
			bigger = reallocarray(p->line, size, sizeof(*p->line));
		}
		if (!bigger) {
			return;
		}
		p->line = bigger;
		p->size = size;
	}
	va_start(ap, fmt);
	vsnprintf(p->line[p->n], sizeof(p->line[p->n]), fmt, ap);
	va_end(ap);
	p->n++;
}

void top_panel_help(struct top_panel *p)
{
	static const char *const text[] = {
		"Keys",
		"  up down, PgUp PgDn, Home End   choose a VM",
		"  Enter    all about the chosen VM (Esc: back)",
		"  p        pause it, or let it go on",
		"  k        kill it (asks first)",
		"  n  u     give it a core of its own; take it back",
		"  f        the fault queue",
		"  /        show only VMs with a text in name, owner, state, architecture or "
		"engine",
		"  a        also VMs that don't run",
		"  < >      sort by another column;  r  turn the order round",
		"  N S C W A M O   sort by name, state, CPU, wait, age, memory, owner",
		"  z        lanes by decision instead of by sample (administrators)",
		"  [ ]      other cores, where not all have room",
		"  ?        this page;  q  leave",
		"",
		"Lanes: who held each core, the newest at the right",
		"  Each VM has a letter and a colour, the same as in the table. A letter is where",
		"  a VM got the core; a line behind it: it kept it; a double line (=): "
		"exclusively;",
		"  a dot: nobody; blank: not known. One column is one sample, 0.1 s; after z it",
		"  is 10 ms. Between two samples a core may have changed hands many times.",
		"  idle%    share of the last samples that saw nobody",
		"  other%   time that tasks which are not Pinfold's ran on the core",
		"",
		"Table",
		"  CPU%     of one core;  WAIT%  ready, but another one ran;  SL/S  slices per "
		"second",
		"  AGE      how long it has been waiting for a core by now (starvation age)",
		"  QUOTA    the owner's use of what is scarcest: vm (running), cpu (vCPUs), mem, "
		"ex",
		"           (exclusive cores)",
		"  -        not known yet: rates need two samples of the same run",
	};

	top_panel_clear(p);
	p->first = 0;
	snprintf(p->title, sizeof(p->title), "Help");
	for (size_t i = 0; i < ARRAY_SIZE(text); i++) {
		add(p, "%s", text[i]);
	}
}

/* ---- Any answer, line by line --------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text);
	size_t k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

/* Names tell the unit. */
static void add_integer(struct top_panel *p, const char *key, json_int_t n)
{
	char text[TOP_FORMAT_SIZE];
	size_t shown = strlen(key);

	if (n > 0 && ends_with(key, "_ns")) {
		top_format_duration((ns_t)n, text);
		shown -= strlen("_ns");
	} else if (n > 0 && ends_with(key, "_bytes")) {
		top_format_size((uint64_t)n, text);
		shown -= strlen("_bytes");
	} else {
		add(p, "  %-24s %" JSON_INTEGER_FORMAT, key, n);
		return;
	}
	add(p, "  %-24.*s %s", (int)shown, key, text);
}

static void add_value(struct top_panel *p, const char *key, const json_t *v, unsigned int depth);

static void add_members(struct top_panel *p, const char *key, const json_t *o, unsigned int depth)
{
	/* Read only; the iterator wants it writable. */
	json_t *object = json_incref((json_t *)(uintptr_t)o);
	char full[KEY_BYTES];
	const char *name;
	json_t *v;

	json_object_foreach(object, name, v)
	{
		snprintf(full, sizeof(full), "%s%s%s", key, *key ? "." : "", name);
		add_value(p, full, v, depth + 1);
	}
	json_decref(object);
}

static void add_value(struct top_panel *p, const char *key, const json_t *v, unsigned int depth)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		if (depth < DEPTH_MAX) {
			add_members(p, key, v, depth);
		}
		break;
	case JSON_STRING:
		add(p, "  %-24s %s", key, json_string_value(v));
		break;
	case JSON_INTEGER:
		add_integer(p, key, json_integer_value(v));
		break;
	case JSON_REAL:
		add(p, "  %-24s %g", key, json_real_value(v));
		break;
	case JSON_TRUE:
		add(p, "  %-24s yes", key);
		break;
	case JSON_FALSE:
		add(p, "  %-24s no", key);
		break;
	default:
		break; /* null: nothing to say; no answer about a VM has a list */
	}
}

int top_panel_vm(struct top_panel *p, const json_t *answer, struct errmsg *e)
{
	const char *name = json_string_value(json_object_get(answer, "name"));

	if (!json_is_object(answer)) {
		return errmsg_set(e, -EPROTO, "the daemon's answer about the VM is none");
	}
	top_panel_clear(p);
	snprintf(p->title, sizeof(p->title), "VM %s", name ? name : "");
	add_members(p, "", answer, 0);
	return 0;
}

int top_panel_faults(struct top_panel *p, const json_t *answer, struct errmsg *e)
{
	const json_t *list = top_json_list(answer, "faults");
	size_t i;
	json_t *o;

	if (!list) {
		return errmsg_set(e, -EPROTO, "the daemon's list of faults is none");
	}
	top_panel_clear(p);
	snprintf(p->title, sizeof(p->title), "Fault queue");
	json_array_foreach(list, i, o)
	{
		char vm[64], kind[32], pc[24], message[160], at[40], owner[33];

		top_json_text(o, "vm", vm, sizeof(vm));
		top_json_text(o, "kind", kind, sizeof(kind));
		top_json_text(o, "pc", pc, sizeof(pc));
		top_json_text(o, "message", message, sizeof(message));
		top_json_text(o, "faulted_at", at, sizeof(at));
		top_json_text(o, "owner", owner, sizeof(owner));
		add(p, "%-16s %-10s %-22s %s%s", vm, owner, kind, *pc ? "at " : "", pc);
		add(p, "    %s  %s", at, message);
	}
	if (p->n == 0) {
		add(p, "No VM is in the fault queue.");
	}
	return 0;
}
