/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counting refusals; see refusals.h. */
#include "daemon/api/refusals.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
	struct api_refused count;
	ns_t since_ns;
};

struct api_refusals {
	pthread_mutex_t lock;
	uint32_t n;
	/* One more per reason, for everybody who finds no room. */
	struct entry entry[API_REFUSALS_MAX + API_REFUSED_COUNT];
};

struct api_refusals *api_refusals_new(void)
{
	struct api_refusals *r = calloc(1, sizeof(*r));

	if (r) {
		pthread_mutex_init(&r->lock, NULL);
	}
	return r;
}

void api_refusals_free(struct api_refusals *r)
{
	if (r) {
		pthread_mutex_destroy(&r->lock);
		free(r);
	}
}

const char *api_refusal_name(enum api_refusal why)
{
	static const char *const names[API_REFUSED_COUNT] = { "banned", "unknown_user", "no_right",
							      "quota", "rate" };

	return why < API_REFUSED_COUNT ? names[why] : "?";
}

static struct entry *find_locked(struct api_refusals *r, uid_t uid, enum api_refusal why)
{
	for (uint32_t i = 0; i < r->n; i++) {
		struct entry *x = &r->entry[i];

		if (x->count.uid == uid && x->count.why == why) {
			return x;
		}
	}
	return NULL;
}

bool api_refusals_note(struct api_refusals *r, uid_t uid, enum api_refusal why,
		       const char *operation, ns_t now_ns)
{
	struct entry *x;
	bool is_first;

	pthread_mutex_lock(&r->lock);
	x = find_locked(r, uid, why);
	if (!x && r->n >= API_REFUSALS_MAX) {
		uid = API_REFUSALS_REST;
		x = find_locked(r, uid, why);
	}
	is_first = !x;
	if (x) {
		x->count.n++;
		x->count.operation = operation;
	} else {
		r->entry[r->n++] = (struct entry){
			.count = { .uid = uid, .why = why, .operation = operation },
			.since_ns = now_ns,
		};
	}
	pthread_mutex_unlock(&r->lock);
	return is_first;
}

bool api_refusals_take(struct api_refusals *r, ns_t now_ns, struct api_refused *ret)
{
	bool has_count = false;

	pthread_mutex_lock(&r->lock);
	for (uint32_t i = 0; i < r->n && !has_count;) {
		struct entry *x = &r->entry[i];

		if (now_ns - x->since_ns < API_REFUSALS_EVERY_NS) {
			i++;
			continue;
		}
		has_count = x->count.n > 0;
		if (has_count) {
			*ret = x->count;
		}
		*x = r->entry[--r->n];
	}
	pthread_mutex_unlock(&r->lock);
	return has_count;
}
