/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loops of `pinfold top`; see top_run.h. */
#include "cli/top/top_run.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/top/top_draw.h"
#include "cli/top/top_fetch.h"
#include "cli/top/top_screen.h"
#include "host/timer.h"

/* A daemon that says nothing for so long is shown to be silent. */
#define SILENCE_NS (3 * NS_PER_S)

#define BATCH_WIDTH 100u

/* Everything of a screen that lives. */
struct live {
	struct top_model model;
	struct top_view view;
	struct top_canvas *canvas;
	struct top_fetch *fetch;
	bool is_utf8, is_done;
	bool is_changed; /* the list, or how it is sorted */
	int signal_fd;
	int signo; /* that ended it; 0: none */
	ns_t heard_ns;
};

void top_run_options_defaults(struct top_run_options *o)
{
	*o = (struct top_run_options){
		.sample_ns = 100 * NS_PER_MS,
		.refresh_ns = NS_PER_S,
		.sort = TOP_COL_CPU,
	};
}

/* ---- The screen ----------------------------------------------------------------------------- */

static int fit_canvas(struct live *l)
{
	struct top_canvas *c;
	uint32_t rows;
	uint32_t cols;

	top_screen_size(&rows, &cols);
	if (l->canvas && l->canvas->rows == rows && l->canvas->cols == cols) {
		return 0;
	}
	c = top_canvas_new(rows, cols, l->is_utf8);
	if (!c) {
		return -ENOMEM;
	}
	top_canvas_free(l->canvas);
	l->canvas = c;
	return 0;
}

static void on_key(struct live *l, int key)
{
	enum top_wish wish = top_view_key(&l->view, &l->model, key);
	struct top_wants wants;

	l->is_changed = true;
	top_view_wants(&l->view, &wants);
	wants.wish = wish;
	if (wish == TOP_WISH_QUIT) {
		l->is_done = true;
	} else if (wish == TOP_WISH_REFRESH) {
		top_fetch_want(l->fetch, &wants);
	} else if (wish != TOP_WISH_NONE && !top_fetch_wish(l->fetch, &wants)) {
		top_view_say(&l->view, true, "the last wish is not answered yet");
	} else if (key == 'q' || key == '?' || key == 'f' || key == TOP_KEY_ESCAPE ||
		   key == TOP_KEY_ENTER) {
		/* A panel may have closed. */
		top_fetch_want(l->fetch, &wants);
	}
}

static void on_answers(struct live *l)
{
	struct top_answer a;
	bool was_zoomed = l->view.is_zoomed;
	struct top_wants wants;

	while (top_fetch_take(l->fetch, &a)) {
		l->heard_ns = a.at_ns;
		l->is_changed = l->is_changed || a.ask == TOP_ASK_VMS || a.ask == TOP_ASK_USERS;
		top_apply(&l->model, &l->view, &a);
	}
	if (was_zoomed != l->view.is_zoomed) {
		top_view_wants(&l->view, &wants);
		top_fetch_want(l->fetch, &wants);
	}
}

static void on_signal(struct live *l)
{
	struct signalfd_siginfo info;

	if (read(l->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		l->signo = (int)info.ssi_signo;
		l->is_done = true;
	}
}

static void look_for_silence(struct live *l)
{
	if (!l->view.is_stale && top_now_ns() > l->heard_ns + SILENCE_NS) {
		l->view.is_stale = true;
		top_view_say(&l->view, true, "the daemon has not answered for %u seconds; waiting",
			     (unsigned int)(SILENCE_NS / NS_PER_S));
	}
}

static int draw(struct live *l)
{
	int r = fit_canvas(l);

	if (r == 0 && l->is_changed) {
		r = top_view_arrange(&l->view, &l->model);
		l->is_changed = false;
	}
	if (r < 0) {
		return r;
	}
	top_draw_screen(l->canvas, &l->model, &l->view);
	top_screen_show(l->canvas);
	return 0;
}

static int live_loop(struct live *l)
{
	int r = draw(l);

	while (r == 0 && !l->is_done) {
		struct pollfd fds[] = {
			{ .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = top_fetch_fd(l->fetch), .events = POLLIN },
			{ .fd = l->signal_fd, .events = POLLIN },
		};
		int key;

		/* A changed size interrupts this, and is then among the keys. */
		if (poll(fds, ARRAY_SIZE(fds), 1000) > 0) {
			if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) {
				return 0; /* the terminal is gone */
			}
			if (fds[1].revents) {
				on_answers(l);
			}
			if (fds[2].revents) {
				on_signal(l);
			}
		}
		while (!l->is_done && (key = top_screen_key()) != TOP_SCREEN_NO_KEY) {
			if (key != TOP_SCREEN_RESIZED) {
				on_key(l, key);
			}
		}
		look_for_silence(l);
		r = draw(l);
	}
	return r;
}

/* Signals that end programs come through a descriptor, so that the terminal is given back in peace. */
static int catch_signals(sigset_t *ret_old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, ret_old);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int top_run_screen(const struct top_source *source, const struct top_run_options *o,
		   bool *ret_is_busy, struct errmsg *e)
{
	struct live l = { .is_utf8 = top_screen_is_utf8(), .heard_ns = top_now_ns() };
	struct top_wants wants;
	sigset_t old;
	int r = top_screen_open(e);

	*ret_is_busy = false;
	if (r < 0) {
		return r;
	}
	top_model_init(&l.model, o->sample_ns);
	top_view_init(&l.view);
	l.view.sort = o->sort;
	l.view.shows_ended = o->shows_ended;
	l.signal_fd = catch_signals(&old);
	r = l.signal_fd < 0 ? -errno
			    : top_fetch_start(source, o->sample_ns, o->refresh_ns, &l.fetch, e);
	if (r == 0) {
		top_view_wants(&l.view, &wants);
		top_fetch_want(l.fetch, &wants);
		r = live_loop(&l);
		*ret_is_busy = !top_fetch_stop(l.fetch);
	}
	top_screen_close();
	cleanup_close_p(&l.signal_fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	top_canvas_free(l.canvas);
	top_view_done(&l.view);
	top_model_done(&l.model);
	return r < 0 ? r : l.signo;
}

/* ---- Snapshots ------------------------------------------------------------------------------ */

static uint32_t batch_width(const struct top_run_options *o, FILE *out)
{
	struct winsize size;

	if (o->width) {
		return o->width;
	}
	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) {
		return size.ws_col;
	}
	return BATCH_WIDTH;
}

static int print_snapshot(struct top_model *m, struct top_view *v, uint32_t width, bool is_utf8,
			  FILE *out)
{
	size_t size = (size_t)width * MB_LEN_MAX + 1;
	_cleanup_free_ char *line = malloc(size);
	struct top_canvas *c;
	int r = top_view_arrange(v, m);

	c = top_canvas_new(top_draw_batch_rows(m, v), width, is_utf8);
	if (r < 0 || !c || !line) {
		top_canvas_free(c);
		return -ENOMEM;
	}
	top_draw_batch(c, m, v);
	for (uint32_t row = 0; row < c->rows; row++) {
		top_canvas_text(c, row, line, size);
		fprintf(out, "%s\n", line);
	}
	fputc('\n', out);
	fflush(out);
	top_canvas_free(c);
	return ferror(out) ? -EIO : 0;
}

/* Ask and take; the first failure ends it. */
static int ask(const struct top_source *source, enum top_ask what, struct top_wants *w,
	       struct top_model *m, struct top_view *v, struct errmsg *e)
{
	struct top_answer a;

	top_ask(source, what, w, &a);
	if (a.result < 0) {
		*e = a.e;
		return a.result;
	}
	top_apply(m, v, &a);
	return 0;
}

static int ask_the_rest(const struct top_source *source, struct top_wants *w, struct top_model *m,
			struct top_view *v, struct errmsg *e)
{
	int r = ask(source, TOP_ASK_VMS, w, m, v, e);

	r = r < 0 ? r : ask(source, TOP_ASK_USERS, w, m, v, e);
	return r < 0 ? r : ask(source, TOP_ASK_STATUS, w, m, v, e);
}

static void sleep_until(ns_t at_ns)
{
	struct timespec t = host_timespec(at_ns);

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* The cores at their pace in this stretch of time. */
static int sample_between(const struct top_source *source, ns_t from_ns, ns_t until_ns,
			  struct top_wants *w, struct top_model *m, struct top_view *v,
			  struct errmsg *e)
{
	uint64_t random = until_ns;
	int r = 0;

	for (ns_t at_ns = from_ns; r == 0 && at_ns < until_ns; at_ns += m->sample_ns) {
		ns_t due_ns = at_ns + top_jitter_ns(&random, m->sample_ns);

		/* What a slow daemon made impossible is not made up for. */
		if (at_ns + m->sample_ns >= top_now_ns()) {
			sleep_until(due_ns < until_ns ? due_ns : until_ns);
			r = ask(source, TOP_ASK_CORES, w, m, v, e);
		}
	}
	if (r == 0) {
		sleep_until(until_ns);
	}
	return r;
}

int top_run_batch(const struct top_source *source, const struct top_run_options *o, FILE *out,
		  struct errmsg *e)
{
	struct top_wants w = { .shows_ended = o->shows_ended };
	struct top_model m;
	struct top_view v;
	bool is_utf8 = top_screen_is_utf8();
	ns_t next_ns = top_now_ns();
	int r;

	top_model_init(&m, o->sample_ns);
	top_view_init(&v);
	v.sort = o->sort;
	v.shows_ended = o->shows_ended;
	/* Rates need a look before the first snapshot. */
	r = ask_the_rest(source, &w, &m, &v, e);
	r = r < 0 ? r : ask(source, TOP_ASK_CORES, &w, &m, &v, e);
	for (uint32_t i = 0; i < o->batch && r == 0; i++) {
		r = sample_between(source, next_ns, next_ns + o->refresh_ns, &w, &m, &v, e);
		next_ns += o->refresh_ns;
		r = r < 0 ? r : ask_the_rest(source, &w, &m, &v, e);
		r = r < 0 ? r : print_snapshot(&m, &v, batch_width(o, out), is_utf8, out);
		if (r == -EIO || r == -ENOMEM) {
			errmsg_set(e, r,
				   r == -EIO ? "can't write to standard output" : "out of memory");
		}
	}
	top_view_done(&v);
	top_model_done(&m);
	return r;
}
