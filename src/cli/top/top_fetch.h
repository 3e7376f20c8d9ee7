/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the daemon without making the person wait: a thread that asks for what is shown, cores often,
 * the rest at leisure, carries out one wish at a time, and keeps trying when nobody answers. Answers
 * wait in a queue; top_apply() puts them into model and view, on the thread that owns those.
 */
#ifndef PINFOLD_CLI_TOP_FETCH_H
#define PINFOLD_CLI_TOP_FETCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "cli/top/top_model.h"
#include "cli/top/top_source.h"
#include "cli/top/top_view.h"

/** What can be asked. */
enum top_ask {
	TOP_ASK_CORES,
	TOP_ASK_LOG,
	TOP_ASK_VMS,
	TOP_ASK_USERS,
	TOP_ASK_STATUS,
	TOP_ASK_PANEL,
	TOP_ASK_WISH,
	TOP_ASK_N,
};

/** What the view needs. */
struct top_wants {
	bool shows_ended, is_zoomed;
	bool is_own_only; /**< the caller is no administrator; found out by asking */
	enum top_panel_kind panel;
	char panel_id[TOP_ID];
	enum top_wish wish; /**< with TOP_ASK_WISH */
	char id[TOP_ID], name[TOP_TEXT];
};

/** An answer. */
struct top_answer {
	enum top_ask ask;
	int result;		/**< 0, or negative errno with e */
	json_t *json;		/**< may be NULL */
	ns_t at_ns;		/**< when it came; monotonic */
	struct top_wants wants; /**< what it answers */
	struct errmsg e;
};

/** Now, monotonic. */
ns_t top_now_ns(void);

/**
 * A moment in an interval. Samples at a steady beat would see only some of the VMs that take turns in
 * step with it, and some of them always.
 * @param state of a generator of random numbers; any value to begin with
 */
ns_t top_jitter_ns(uint64_t *state, ns_t interval_ns);

/** What a view needs. */
void top_view_wants(const struct top_view *v, struct top_wants *ret);

/**
 * Ask once and wait.
 * @param w is_own_only is set when the daemon says so
 */
void top_ask(const struct top_source *s, enum top_ask ask, struct top_wants *w,
	     struct top_answer *ret);

/** Put an answer into model and view; its json is released. */
void top_apply(struct top_model *m, struct top_view *v, struct top_answer *a);

struct top_fetch;

/**
 * Start asking.
 * @param s          borrowed until top_fetch_stop() says that it is free again
 * @param sample_ns  between two samples of the cores
 * @param refresh_ns between two looks at the rest
 * @return 0; negative errno
 */
int top_fetch_start(const struct top_source *s, ns_t sample_ns, ns_t refresh_ns,
		    struct top_fetch **ret, struct errmsg *e);

/** What is shown has changed: ask for it at once. */
void top_fetch_want(struct top_fetch *f, const struct top_wants *w);

/** Carry out a wish. @return false: an earlier one is not answered yet */
bool top_fetch_wish(struct top_fetch *f, const struct top_wants *w);

/** Readable when an answer waits. */
int top_fetch_fd(const struct top_fetch *f);

/** The next answer. @return false: there is none now */
bool top_fetch_take(struct top_fetch *f, struct top_answer *ret);

/**
 * Stop. NULL is allowed.
 * @return false: the thread still waits for an answer; the program may end, the source must stay
 */
bool top_fetch_stop(struct top_fetch *f);

#endif
