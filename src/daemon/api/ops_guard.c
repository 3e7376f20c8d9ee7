/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard, as the daemon sees it. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "base/bits.h"
#include "daemon/api/api_internal.h"

static json_t *sources_json(uint32_t sources)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} all[] = { { PINFOLD_GUARD_CHORD, "chord" },
		    { PINFOLD_GUARD_SYSRQ, "sysrq" },
		    { PINFOLD_GUARD_SERIAL, "serial" },
		    { PINFOLD_GUARD_USB, "usb" } };
	json_t *o = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (sources & all[i].bit) {
			json_array_append_new(o, json_string(all[i].name));
		}
	}
	return o;
}

static json_t *terminal_json(const char *name, const struct pinfold_guard_terminal *t)
{
	static const char *const states[] = { [PINFOLD_GUARD_ASLEEP] = "asleep",
					      [PINFOLD_GUARD_AWAKE] = "awake",
					      [PINFOLD_GUARD_BUSY] = "busy",
					      [PINFOLD_GUARD_GONE] = "gone" };

	return json_pack("{ss ss sI sI sI}", "terminal", name, "state",
			 t->state < ARRAY_SIZE(states) ? states[t->state] : "unknown", "pid",
			 (json_int_t)t->pid, "deaths", (json_int_t)t->deaths, "wakeups",
			 (json_int_t)t->wakeups);
}

static json_t *uids_json(const struct guard_info *g)
{
	json_t *o = json_array();

	for (uint32_t i = 0; i < g->n_bans; i++) {
		json_array_append_new(o, json_integer((json_int_t)g->bans[i]));
	}
	return o;
}

static json_t *log_json(const struct guard_info *g)
{
	char head[2 * sizeof(g->state.log_head) + 1];

	sodium_bin2hex(head, sizeof(head), g->state.log_head, sizeof(g->state.log_head));
	return json_pack("{so so so so so so so}", "first", api_json_u64(g->state.log_first),
			 "last", api_json_u64(g->state.log_last), "head", json_string(head),
			 "exported", api_json_u64(g->state.log_exported), "copied",
			 api_json_u64(g->copied), "copied_at", api_json_time(g->copied_at_ns),
			 "anchored", api_json_u64(g->anchored));
}

int op_guard(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	const struct pinfold_guard_state *s;
	struct guard_info g;
	struct api *a = ctx;
	char instance[17];
	json_t *o;

	(void)rq;
	guard_info_get(a->o.guard, &g);
	s = &g.state;
	o = json_pack("{sb sb sb so sI}", "is_loaded", (int)g.is_loaded, "is_attached",
		      (int)g.is_attached, "is_hung", (int)g.is_hung, "trouble",
		      api_json_str(g.trouble), "old_bans", (json_int_t)g.n_old_bans);
	if (!o || s->revision == 0 || !g.is_loaded) {
		return api_reply(rp, o, e);
	}
	snprintf(instance, sizeof(instance), "%016" PRIx64, (uint64_t)s->instance);
	json_object_set_new(o, "instance", json_string(instance));
	json_object_set_new(o, "generation", api_json_u64(s->generation));
	json_object_set_new(o, "control_core", json_integer((json_int_t)s->control_core));
	json_object_set_new(o, "is_keyed", json_boolean(s->keyed));
	json_object_set_new(o, "vms", json_integer((json_int_t)s->vms));
	json_object_set_new(o, "bans", uids_json(&g));
	json_object_set_new(o, "sources", sources_json(s->sources));
	json_object_set_new(o, "spares", json_integer((json_int_t)s->spares));
	json_object_set_new(o, "abandoned", json_integer((json_int_t)s->abandoned));
	json_object_set_new(o, "terminals",
			    json_pack("[oo]", terminal_json("A", &s->terminals[0]),
				      terminal_json("B", &s->terminals[1])));
	json_object_set_new(o, "log", log_json(&g));
	return api_reply(rp, o, e);
}
