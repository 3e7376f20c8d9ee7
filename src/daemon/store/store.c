/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening, setting aside, and the calls of the daemon's other threads (docs/store.md).
 *
 *   STATE_DIR/              ours, locked while the daemon runs
 *     store.key             0600, made once
 *     store/db, db-wal      0700 folder, 0600 files: set aside as a whole, in one rename
 *     store.aside-DATE-N/   what was not believed
 */
#include "daemon/store/store.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "daemon/store/store_internal.h"

#define KEY_NAME   "store.key"
#define STORE_NAME "store"

void store_options_defaults(struct store_options *o)
{
	*o = (struct store_options){
		.state_dir = "/var/lib/pinfold",
		.max_queue_items = 4096,
		.max_queue_bytes = 16u << 20,
		.max_group = 512,
		.max_runs = 4000,
	};
}

/* Set something aside and write down why. @e holds the reason and becomes the notice. */
static int set_aside(struct store *s, const char *name, struct store_report *report,
		     struct errmsg *e)
{
	char aside[STORE_ASIDE_BYTES];
	struct errmsg why = *e;
	int r;

	r = store_file_set_aside(s->dir_fd, name, aside, e);
	if (r < 0) {
		return r;
	}
	if (!report->has_aside) {
		snprintf(report->notice, sizeof(report->notice),
			 "the saved state is not to be believed and was set aside as \"%s\"; "
			 "starting with a fresh one: %s",
			 aside, why.text);
	}
	report->has_aside = true;
	e->text[0] = '\0';
	return 0;
}

/* A key that somebody else may know is worth as little as none. */
static int load_key(struct store *s, struct store_report *report, bool *ret_is_new,
		    struct errmsg *e)
{
	uint8_t master[STORE_KEY_BYTES];
	int r;

	s->keys = sodium_malloc(sizeof(*s->keys));
	if (!s->keys) {
		return errmsg_set(e, -ENOMEM, "no memory for keys");
	}
	r = store_key_load(s->dir_fd, KEY_NAME, master, ret_is_new, e);
	if (r == -EUCLEAN) {
		r = set_aside(s, KEY_NAME, report, e);
		if (r == 0) {
			r = store_key_load(s->dir_fd, KEY_NAME, master, ret_is_new, e);
		}
	}
	if (r == 0) {
		store_keys_derive(s->keys, master);
	}
	sodium_memzero(master, sizeof(master));
	return r;
}

static int open_once(struct store *s, bool has_new_key, bool *ret_is_new, struct errmsg *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	r = store_dir_enter(s->dir_fd, STORE_NAME, &fd, ret_is_new, e);
	if (r < 0) {
		return r;
	}
	if (has_new_key && !*ret_is_new) {
		return errmsg_set(e, -EUCLEAN, "its key is gone");
	}
	if (asprintf(&path, "%s/" STORE_NAME, s->o.state_dir) < 0) {
		path = NULL;
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = store_db_open(&s->db, &s->o, path, s->keys, e);
	if (r < 0 && r != -EUCLEAN) {
		errmsg_prefix(e, "%s: ", path);
	}
	return r;
}

static int open_state(struct store *s, struct store_report *report, struct errmsg *e)
{
	bool has_new_key = false, is_new = false;
	int r;

	r = load_key(s, report, &has_new_key, e);
	if (r < 0) {
		return r;
	}
	r = open_once(s, has_new_key, &is_new, e);
	if (r == -EUCLEAN) {
		/* A second look: a read that failed once can look like damage. */
		r = open_once(s, has_new_key && !is_new, &is_new, e);
	}
	if (r == -EUCLEAN) {
		r = set_aside(s, STORE_NAME, report, e);
		if (r == 0) {
			r = open_once(s, false, &is_new, e);
		}
	}
	if (r == -EUCLEAN) {
		return errmsg_set(e, -EIO, "a fresh database is bad at once; is the disk?");
	}
	if (r < 0) {
		return r;
	}
	report->is_fresh = s->db.is_new;
	if (s->db.is_new && !has_new_key && !report->has_aside) {
		snprintf(report->notice, sizeof(report->notice),
			 "there is a key but no saved state (a first start that was cut short, or "
			 "the database was removed): starting with a fresh one");
	}
	return 0;
}

static int start_writer(struct store *s, struct errmsg *e)
{
	struct store_queue_options q = {
		.name = "store-writer",
		.max_items = s->o.max_queue_items,
		.max_bytes = s->o.max_queue_bytes,
		.max_group = s->o.max_group,
		.run = store_write_group,
		.ctx = s,
	};

	return store_queue_new(&q, &s->queue, e);
}

int store_open(const struct store_options *o, struct store **ret, struct store_report *ret_report,
	       struct errmsg *e)
{
	struct store_report report = { 0 };
	struct errmsg own = { "" };
	struct store *s;
	char *path;
	int r;

	/* The reason for setting something aside is needed, whoever reads it. */
	e = e ? e : &own;
	if (sodium_init() < 0) {
		return errmsg_set(e, -EIO, "no random numbers");
	}
	path = realpath(o->state_dir, NULL);
	if (!path) {
		return errmsg_set(e, -errno, "%s: %s", o->state_dir, strerror(errno));
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		free(path);
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	s->o = *o;
	s->o.state_dir = path;
	s->dir_fd = -1;
	pthread_mutex_init(&s->stats_lock, NULL);
	r = store_dir_open(path, &s->dir_fd, e);
	if (r == 0) {
		r = store_dir_lock(s->dir_fd, path, e);
	}
	if (r == 0) {
		r = open_state(s, &report, e);
	}
	if (r == 0) {
		s->next_run = s->db.last_run + 1;
		s->stats.generation = s->db.set.generation;
		r = start_writer(s, e);
	}
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret = s;
	if (ret_report) {
		*ret_report = report;
	}
	return 0;
}

void store_close(struct store *s)
{
	char *path;

	if (!s) {
		return;
	}
	store_queue_free(s->queue);
	store_db_close(&s->db);
	if (s->dir_fd >= 0) {
		close(s->dir_fd);
	}
	sodium_free(s->keys);
	pthread_mutex_destroy(&s->stats_lock);
	memcpy(&path, &s->o.state_dir, sizeof(path)); /* ours; the options say const */
	free(path);
	free(s);
}

static void request_free(struct store_work *w)
{
	free(w);
}

static int changes_check(const struct store_change *changes, size_t n, size_t *ret_bytes,
			 struct errmsg *e)
{
	size_t bytes = sizeof(struct store_request) + n * sizeof(*changes);
	int r;

	if (n < 1 || n > STORE_CHANGES_MAX) {
		return errmsg_set(e, -EINVAL, "%zu changes in one request", n);
	}
	for (size_t i = 0; i < n; i++) {
		if ((unsigned int)changes[i].op > STORE_FORGET) {
			return errmsg_set(e, -EINVAL, "no such change");
		}
		r = store_row_check(&changes[i].row, changes[i].op >= STORE_DELETE, e);
		if (r < 0) {
			return r;
		}
		bytes += store_row_text_bytes(&changes[i].row);
	}
	*ret_bytes = bytes;
	return 0;
}

/* One allocation: the request, its changes, their texts. */
static int request_new(const struct store_change *changes, size_t n, struct store_request **ret,
		       struct errmsg *e)
{
	struct store_request *req;
	size_t bytes = sizeof(*req);
	char *text;
	int r;

	r = changes_check(changes, n, &bytes, e);
	if (r < 0) {
		return r;
	}
	req = malloc(bytes);
	if (!req) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	memset(req, 0, sizeof(*req));
	req->work.cost_bytes = bytes;
	req->ask = STORE_ASK_CHANGE;
	req->n_changes = n;
	req->changes = (struct store_change *)(req + 1);
	text = (char *)(req->changes + n);
	for (size_t i = 0; i < n; i++) {
		req->changes[i].op = changes[i].op;
		store_row_copy(&req->changes[i].row, &changes[i].row, &text);
	}
	*ret = req;
	return 0;
}

int store_submit(struct store *s, const struct store_change *changes, size_t n, store_done_fn *done,
		 void *arg, struct errmsg *e)
{
	struct store_request *req = NULL;
	int r;

	r = request_new(changes, n, &req, e);
	if (r < 0) {
		return r;
	}
	req->work.done = done;
	req->work.arg = arg;
	req->work.release = request_free;
	r = store_queue_submit(s->queue, &req->work);
	if (r < 0) {
		free(req);
		return errmsg_set(e, r, "too many changes wait to be saved; try again");
	}
	return 0;
}

int store_apply(struct store *s, const struct store_change *changes, size_t n, struct errmsg *e)
{
	struct store_request *req = NULL;
	int r;

	r = request_new(changes, n, &req, e);
	if (r < 0) {
		return r;
	}
	r = store_queue_call(s->queue, &req->work);
	free(req);
	return r < 0 ? errmsg_set(e, r, "not saved: %s", strerror(-r)) : 0;
}

int store_each(struct store *s, enum store_kind kind, store_visit_fn *visit, void *arg,
	       struct errmsg *e)
{
	struct store_request req = {
		.ask = STORE_ASK_EACH, .kind = kind, .visit = visit, .arg = arg, .e = e
	};

	BUG_ON((unsigned int)kind >= STORE_KINDS);
	return store_queue_call(s->queue, &req.work);
}

int store_find(struct store *s, const struct store_row *key, store_visit_fn *visit, void *arg,
	       struct errmsg *e)
{
	struct store_request req = { .ask = STORE_ASK_FIND,
				     .kind = key->kind,
				     .key = key,
				     .visit = visit,
				     .arg = arg,
				     .e = e };
	int r = store_row_check(key, true, e);

	return r < 0 ? r : store_queue_call(s->queue, &req.work);
}

int store_runs(struct store *s, uint64_t owner_uid, const char *vm_id, uint64_t max,
	       store_visit_fn *visit, void *arg, struct errmsg *e)
{
	struct store_request req = {
		.ask = STORE_ASK_RUNS,
		.kind = STORE_RUN,
		.vm_id = vm_id,
		.owner_uid = owner_uid < STORE_NONE ? owner_uid : STORE_NONE,
		.max = max < STORE_NONE ? max : STORE_NONE,
		.visit = visit,
		.arg = arg,
		.e = e,
	};

	return store_queue_call(s->queue, &req.work);
}

uint64_t store_run_next(struct store *s)
{
	return __atomic_fetch_add(&s->next_run, 1, __ATOMIC_RELAXED);
}

uint64_t store_generation(struct store *s)
{
	struct store_stats st;

	store_stats_get(s, &st);
	return st.generation;
}

void store_stats_get(struct store *s, struct store_stats *ret)
{
	struct store_stats st;

	pthread_mutex_lock(&s->stats_lock);
	st = s->stats;
	pthread_mutex_unlock(&s->stats_lock);
	st.depth = store_queue_depth(s->queue);
	*ret = st;
}
