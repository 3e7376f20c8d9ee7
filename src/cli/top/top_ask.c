/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question to the daemon, and what its answer changes; see top_fetch.h. */
#include "cli/top/top_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Decisions asked for: what the widest lane shows at 10 ms each, for a few cores. */
#define LOG_LAST 1000

ns_t top_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (ns_t)t.tv_sec * NS_PER_S + (ns_t)t.tv_nsec;
}

ns_t top_jitter_ns(uint64_t *state, ns_t interval_ns)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (*state >> 33) % (interval_ns ? interval_ns : 1);
}

void top_view_wants(const struct top_view *v, struct top_wants *ret)
{
	*ret = (struct top_wants){
		.shows_ended = v->shows_ended,
		.is_zoomed = v->is_zoomed,
		.panel = v->panel_kind,
	};
	memcpy(ret->panel_id, v->panel_id, sizeof(ret->panel_id));
	memcpy(ret->id, v->target, sizeof(ret->id));
	memcpy(ret->name, v->target_name, sizeof(ret->name));
}

/* ---- Asking --------------------------------------------------------------------------------- */

static bool is_refused(int r)
{
	return r == -EPERM || r == -EACCES;
}

static int get_vms(const struct top_source *s, struct top_wants *w, json_t **ret, struct errmsg *e)
{
	char path[64];
	int r;

	if (!w->is_own_only) {
		snprintf(path, sizeof(path), "/v1/vms?everyone=1%s",
			 w->shows_ended ? "&all=1" : "");
		r = s->request(s->ctx, "GET", path, NULL, ret, e);
		if (!is_refused(r)) {
			return r;
		}
		w->is_own_only = true;
	}
	snprintf(path, sizeof(path), "/v1/vms%s", w->shows_ended ? "?all=1" : "");
	return s->request(s->ctx, "GET", path, NULL, ret, e);
}

static int get_panel(const struct top_source *s, const struct top_wants *w, json_t **ret,
		     struct errmsg *e)
{
	char path[64 + TOP_ID];

	if (w->panel == TOP_PANEL_FAULTS) {
		return s->request(s->ctx, "GET", "/v1/faults", NULL, ret, e);
	}
	snprintf(path, sizeof(path), "/v1/vms/%s", w->panel_id);
	return s->request(s->ctx, "GET", path, NULL, ret, e);
}

static int do_wish(const struct top_source *s, const struct top_wants *w, json_t **ret,
		   struct errmsg *e)
{
	static const struct {
		const char *method, *rest;
	} how[] = {
		[TOP_WISH_PAUSE] = { "POST", "pause" }, [TOP_WISH_RESUME] = { "POST", "resume" },
		[TOP_WISH_KILL] = { "POST", "kill" },	[TOP_WISH_PIN] = { "PUT", "pin" },
		[TOP_WISH_UNPIN] = { "DELETE", "pin" },
	};
	char path[64 + TOP_ID];
	json_t *body = NULL;
	int r;

	if (w->wish == TOP_WISH_PIN) {
		body = json_pack("{s:n}", "core");
	} else if (w->wish != TOP_WISH_UNPIN) {
		body = json_object();
	}
	snprintf(path, sizeof(path), "/v1/vms/%s/%s", w->id, how[w->wish].rest);
	r = s->request(s->ctx, how[w->wish].method, path, body, ret, e);
	json_decref(body);
	return r;
}

void top_ask(const struct top_source *s, enum top_ask ask, struct top_wants *w,
	     struct top_answer *ret)
{
	char path[48];

	*ret = (struct top_answer){ .ask = ask };
	switch (ask) {
	case TOP_ASK_CORES:
		ret->result = s->request(s->ctx, "GET", "/v1/cores", NULL, &ret->json, &ret->e);
		break;
	case TOP_ASK_LOG:
		snprintf(path, sizeof(path), "/v1/sched/log?last=%d", LOG_LAST);
		ret->result = s->request(s->ctx, "GET", path, NULL, &ret->json, &ret->e);
		break;
	case TOP_ASK_VMS:
		ret->result = get_vms(s, w, &ret->json, &ret->e);
		break;
	case TOP_ASK_USERS:
		ret->result = s->request(s->ctx, "GET", "/v1/users", NULL, &ret->json, &ret->e);
		break;
	case TOP_ASK_STATUS:
		ret->result = s->request(s->ctx, "GET", "/v1/status", NULL, &ret->json, &ret->e);
		break;
	case TOP_ASK_PANEL:
		ret->result = get_panel(s, w, &ret->json, &ret->e);
		break;
	default:
		ret->result = do_wish(s, w, &ret->json, &ret->e);
		break;
	}
	ret->at_ns = top_now_ns();
	ret->wants = *w;
}

/* ---- Answers -------------------------------------------------------------------------------- */

static int take_panel(struct top_view *v, const struct top_answer *a, struct errmsg *e)
{
	/* It may have been closed, or another one opened, meanwhile. */
	if (a->wants.panel != v->panel_kind) {
		return 0;
	}
	if (v->panel_kind == TOP_PANEL_FAULTS) {
		return top_panel_faults(&v->panel, a->json, e);
	}
	return strcmp(a->wants.panel_id, v->panel_id) == 0 ? top_panel_vm(&v->panel, a->json, e)
							   : 0;
}

static int take(struct top_model *m, struct top_view *v, const struct top_answer *a,
		struct errmsg *e)
{
	switch (a->ask) {
	case TOP_ASK_CORES:
		return top_model_take_cores(m, a->json, a->at_ns, e);
	case TOP_ASK_LOG:
		return top_model_take_log(m, a->json, e);
	case TOP_ASK_VMS:
		return top_model_take_vms(m, a->json, a->at_ns, e);
	case TOP_ASK_USERS:
		return top_model_take_users(m, a->json, e);
	case TOP_ASK_STATUS:
		return top_model_take_status(m, a->json, e);
	case TOP_ASK_PANEL:
		return take_panel(v, a, e);
	default:
		return 0;
	}
}

static void say_done(struct top_view *v, const struct top_wants *w)
{
	static const char *const done[] = {
		[TOP_WISH_PAUSE] = "paused",
		[TOP_WISH_RESUME] = "goes on",
		[TOP_WISH_KILL] = "killed",
		[TOP_WISH_PIN] = "has a core of its own",
		[TOP_WISH_UNPIN] = "shares cores again",
	};

	top_view_say(v, false, "%s: %s", w->name, done[w->wish]);
}

/* Only these say whether the daemon is there: nobody is refused them. */
static bool is_pulse(enum top_ask ask)
{
	return ask == TOP_ASK_CORES || ask == TOP_ASK_VMS;
}

static void take_failure(struct top_view *v, const struct top_answer *a, const struct errmsg *e)
{
	if (a->ask == TOP_ASK_LOG && is_refused(a->result)) {
		v->is_zoomed = false;
		top_view_say(v, true, "lanes by decision are for administrators");
	} else if (a->ask == TOP_ASK_WISH) {
		top_view_say(v, true, "%s: %s", a->wants.name, e->text);
	} else if (is_pulse(a->ask)) {
		v->is_stale = true;
		top_view_say(v, true, "trying again: %s", e->text);
	} else if (a->ask == TOP_ASK_PANEL && a->wants.panel == v->panel_kind) {
		top_view_say(v, true, "%s", e->text);
	}
}

void top_apply(struct top_model *m, struct top_view *v, struct top_answer *a)
{
	struct errmsg e = a->e;
	int r = a->result < 0 ? a->result : take(m, v, a, &e);

	if (r < 0) {
		take_failure(v, a, &e);
	} else if (a->ask == TOP_ASK_WISH) {
		say_done(v, &a->wants);
	} else if (v->is_stale && is_pulse(a->ask)) {
		v->is_stale = false;
		top_view_say(v, false, "the daemon answers again");
	}
	json_decref(a->json);
	a->json = NULL;
}
