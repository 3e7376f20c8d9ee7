/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard's state as the module itself tells it; see guard_state.h. */
#include "cli/guard_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "cli/fields.h"
#include "cli/text.h"

int guard_state_read(struct pinfold_guard_state *ret, struct pinfold_guard_bans *ret_bans,
		     struct errmsg *e)
{
	struct pinfold_guard_state s = { .revision = PINFOLD_GUARD_REVISION };
	struct pinfold_guard_bans b = { .revision = PINFOLD_GUARD_REVISION };
	_cleanup_close_ int fd = open(GUARD_DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || ioctl(fd, PINFOLD_GUARD_STATE, &s) < 0 ||
	    (ret_bans && ioctl(fd, PINFOLD_GUARD_BANS, &b) < 0)) {
		int r = -errno;

		return errmsg_set(e, r, GUARD_DEVICE_PATH ": %s",
				  r == -ENOENT			? "the guard is not loaded"
				  : r == -EACCES || r == -EPERM ? "only root may ask the guard"
								: strerror(-r));
	}
	if (s.revision != PINFOLD_GUARD_REVISION || b.revision != PINFOLD_GUARD_REVISION ||
	    b.count > PINFOLD_GUARD_BANS_MAX) {
		return errmsg_set(e, -EPROTO,
				  GUARD_DEVICE_PATH ": is of another version of Pinfold");
	}
	*ret = s;
	if (ret_bans) {
		*ret_bans = b;
	}
	return 0;
}

static json_t *json_sources(uint32_t sources)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} known[] = {
		{ PINFOLD_GUARD_CHORD, "chord" },
		{ PINFOLD_GUARD_SYSRQ, "sysrq" },
		{ PINFOLD_GUARD_SERIAL, "serial" },
		{ PINFOLD_GUARD_USB, "usb" },
	};
	json_t *a = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (sources & known[i].bit) {
			json_array_append_new(a, json_string(known[i].name));
		}
	}
	return a;
}

static json_t *json_terminals(const struct pinfold_guard_terminal *t)
{
	static const char *const states[] = {
		[PINFOLD_GUARD_ASLEEP] = "asleep",
		[PINFOLD_GUARD_AWAKE] = "awake",
		[PINFOLD_GUARD_BUSY] = "busy",
		[PINFOLD_GUARD_GONE] = "gone",
	};
	json_t *a = json_array();

	for (size_t i = 0; i < 2; i++) {
		json_array_append_new(a,
				      json_pack("{ss sI ss sI sI}", "terminal", i ? "B" : "A",
						"pid", (json_int_t)t[i].pid, "state",
						t[i].state < ARRAY_SIZE(states) ? states[t[i].state]
										: "?",
						"deaths", (json_int_t)t[i].deaths, "wakeups",
						(json_int_t)t[i].wakeups));
	}
	return a;
}

static json_t *json_log(const struct pinfold_guard_state *s)
{
	char head[2 * sizeof(s->log_head) + 1];

	return json_pack("{sI sI sI ss}", "first", (json_int_t)s->log_first, "last",
			 (json_int_t)s->log_last, "exported", (json_int_t)s->log_exported, "head",
			 sodium_bin2hex(head, sizeof(head), s->log_head, sizeof(s->log_head)));
}

json_t *guard_state_json(const struct pinfold_guard_state *s, const struct pinfold_guard_bans *b)
{
	json_t *bans = json_array();
	char instance[17];

	for (uint32_t i = 0; i < b->count; i++) {
		json_array_append_new(bans, json_integer(b->uids[i]));
	}
	snprintf(instance, sizeof(instance), "%016" PRIx64, (uint64_t)s->instance);
	return json_pack("{sb ss sI sI sI sb so so sI sI so so}", "is_loaded", 1, "instance",
			 instance, "control_core", (json_int_t)s->control_core, "generation",
			 (json_int_t)s->generation, "vms", (json_int_t)s->vms, "is_keyed",
			 s->keyed != 0, "sources", json_sources(s->sources), "terminals",
			 json_terminals(s->terminals), "spares", (json_int_t)s->spares, "abandoned",
			 (json_int_t)s->abandoned, "bans", bans, "log", json_log(s));
}

/* "1000, 1001", or what stands for none. */
static void print_list(const char *label, const json_t *list, const char *none)
{
	char text[512];
	const json_t *v;
	size_t used = 0;
	size_t i;

	snprintf(text, sizeof(text), "%s", none);
	json_array_foreach(list, i, v)
	{
		const char *sep = i ? ", " : "";

		if (used >= sizeof(text)) {
			break;
		}
		used += (size_t)(json_is_string(v)
					 ? snprintf(text + used, sizeof(text) - used, "%s%.40s",
						    sep, json_string_value(v))
					 : snprintf(text + used, sizeof(text) - used, "%s%" PRId64,
						    sep, (int64_t)json_integer_value(v)));
	}
	text_print(stdout, label, text);
}

static void print_terminals(const json_t *list)
{
	const json_t *t;
	char label[24];
	char text[160];
	size_t i;

	json_array_foreach(list, i, t)
	{
		snprintf(label, sizeof(label), "terminal %.4s", field_text(t, "terminal"));
		snprintf(text, sizeof(text),
			 "%.20s, thread %" PRIu64 ", woken %" PRIu64 " times, died %" PRIu64
			 " times",
			 field_text(t, "state"), field_u64(t, "pid"), field_u64(t, "wakeups"),
			 field_u64(t, "deaths"));
		text_print(stdout, label, text);
	}
}

static void print_log(const json_t *o)
{
	const json_t *log = json_object_get(o, "log");
	char text[256];

	if (field_u64(log, "last") == 0) {
		text_print(stdout, "log", "empty");
		return;
	}
	snprintf(text, sizeof(text),
		 "records %" PRIu64 " to %" PRIu64 ", safe elsewhere up to %" PRIu64
		 "; the last one's hash is %.64s",
		 field_u64(log, "first"), field_u64(log, "last"), field_u64(log, "exported"),
		 field_text(log, "head"));
	text_print(stdout, "log", text);
}

/* Only what comes from a daemon has these. */
static void print_daemon(const json_t *o)
{
	const json_t *log = json_object_get(o, "log");
	bool is_attached = field_bool(o, "is_attached");
	const char *trouble = field_text(o, "trouble");
	char text[400];

	if (!field_has(o, "is_attached")) {
		return;
	}
	if (is_attached && !*trouble) {
		snprintf(text, sizeof(text),
			 "attached; log copied up to record %" PRIu64 ", anchored up to %" PRIu64,
			 field_u64(log, "copied"), field_u64(log, "anchored"));
	} else {
		snprintf(text, sizeof(text), "%sattached: %.300s", is_attached ? "" : "not ",
			 trouble);
	}
	text_print(stdout, "daemon", text);
}

void guard_state_print(const json_t *o)
{
	char text[200];

	if (!field_has(o, "instance")) { /* the daemon could not ask it */
		text_print(stdout, "guard", "loaded");
		print_daemon(o);
		return;
	}
	snprintf(text, sizeof(text), "loaded, instance %.16s, on core %" PRIu64,
		 field_text(o, "instance"), field_u64(o, "control_core"));
	text_print(stdout, "guard", text);
	print_terminals(json_object_get(o, "terminals"));
	print_list("woken by", json_object_get(o, "sources"), "nothing: every way is switched off");
	text_print(stdout, "key",
		   field_bool(o, "is_keyed")
			   ? "loaded"
			   : "NONE: nothing that changes anything can be authorised");
	snprintf(text, sizeof(text), "%" PRIu64 " spare, %" PRIu64 " abandoned%s",
		 field_u64(o, "spares"), field_u64(o, "abandoned"),
		 field_u64(o, "abandoned")
			 ? ": they hang in a command, and the module can't be unloaded"
			 : "");
	text_print(stdout, "threads", text);
	snprintf(text, sizeof(text), "%" PRIu64 " registered", field_u64(o, "vms"));
	text_print(stdout, "VMs", text);
	print_list("banned", json_object_get(o, "bans"), "nobody");
	print_log(o);
	print_daemon(o);
}
