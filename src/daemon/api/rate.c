/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buckets of tokens; see rate.h. A bucket is one number: when it will be full again. A full one needs no
 * entry, so the table holds only users who changed something a moment ago.
 */
#include "daemon/api/rate.h"

#include <pthread.h>
#include <stdlib.h>

struct bucket {
	uid_t uid;
	ns_t full_ns;
};

struct api_rate {
	pthread_mutex_t lock;
	ns_t token_ns; /* one token's worth of time; 0: no bound */
	ns_t size_ns;  /* a whole bucket's */
	uint32_t n;
	struct bucket bucket[API_RATE_USERS];
	struct bucket rest; /* of all who find no room */
};

void api_rate_set(struct api_rate *r, uint32_t per_s, uint32_t burst)
{
	pthread_mutex_lock(&r->lock);
	r->token_ns = per_s ? NS_PER_S / per_s : 0;
	r->size_ns = r->token_ns * burst;
	pthread_mutex_unlock(&r->lock);
}

struct api_rate *api_rate_new(uint32_t per_s, uint32_t burst)
{
	struct api_rate *r = calloc(1, sizeof(*r));

	if (r) {
		pthread_mutex_init(&r->lock, NULL);
		api_rate_set(r, per_s, burst);
	}
	return r;
}

void api_rate_free(struct api_rate *r)
{
	if (r) {
		pthread_mutex_destroy(&r->lock);
		free(r);
	}
}

/* The user's bucket; entries that are full on the way there make room. */
static struct bucket *find_locked(struct api_rate *r, uid_t uid, ns_t now_ns)
{
	for (uint32_t i = 0; i < r->n;) {
		if (r->bucket[i].uid == uid) {
			return &r->bucket[i];
		}
		if (r->bucket[i].full_ns <= now_ns) {
			r->bucket[i] = r->bucket[--r->n];
		} else {
			i++;
		}
	}
	if (r->n == API_RATE_USERS) {
		return &r->rest;
	}
	r->bucket[r->n] = (struct bucket){ .uid = uid };
	return &r->bucket[r->n++];
}

bool api_rate_take(struct api_rate *r, uid_t uid, ns_t now_ns)
{
	bool is_taken = true;

	pthread_mutex_lock(&r->lock);
	if (r->token_ns) {
		struct bucket *b = find_locked(r, uid, now_ns);
		ns_t full_ns = (b->full_ns > now_ns ? b->full_ns : now_ns) + r->token_ns;

		is_taken = full_ns - now_ns <= r->size_ns;
		b->full_ns = is_taken ? full_ns : b->full_ns;
	}
	pthread_mutex_unlock(&r->lock);
	return is_taken;
}
