/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pinfold console: a terminal for a guest. Every key goes to it, also Ctrl-C; one key detaches. Output
 * and input are two transfers at once:
 *
 *   GET  /v1/vms/VM/console?follow=1  ──▶ standard output, until the VM ends
 *   POST /v1/vms/VM/console           ◀── standard input; "taken" says how much the guest took, the
 *                                         rest is offered again
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "cli/client_internal.h"
#include "cli/cmd.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "cli/vm_end.h"
#include "host/fd.h"

/* How soon input is offered again that the guest did not take. */
#define AGAIN_MS    50
#define INPUT_BYTES 4096
#define KEY_NONE    (-1)

enum { KEY_DETACH = CMD_OWN_KEYS, KEY_FROM_START };

/* What was asked for. */
struct console_options {
	int detach_key; /* a byte, or KEY_NONE */
	char key_name[16];
	bool is_from_start;
};

/* A console that is attached. */
struct console {
	struct cmd_run *r;
	const struct console_options *o;
	CURLM *multi;
	struct client_request out_request, in_request;
	struct client_transfer out, in;
	char *out_path, *in_path;
	bool is_attached; /* the daemon has begun to answer: what is typed now, is seen */
	bool is_sending, is_output_over, is_input_over, is_detached, has_pause;
	int signal_fd;
	int signo; /* that ends us; or 0 */
	size_t n_input;
	char input[INPUT_BYTES];
	struct errmsg e;
};

/*
 * Keys are taken only when nothing that they lead to can be missed; and before anything is shown that
 * makes somebody type.
 */
static void look_attached(struct console *c)
{
	long status = 0;

	curl_easy_getinfo(c->out.easy, CURLINFO_RESPONSE_CODE, &status);
	if (c->is_attached || status != 200) {
		return;
	}
	c->is_attached = true;
	terminal_take_raw();
	if (terminal_is_input() && c->o->detach_key != KEY_NONE) {
		fprintf(stderr, "pinfold: attached; %s detaches\n", c->o->key_name);
	}
}

static int print(void *arg, const void *bytes, size_t n)
{
	look_attached(arg);
	return host_fd_write_full(STDOUT_FILENO, bytes, n);
}

/* JSON has no bytes: the input is sent as a file, from memory. */
static size_t read_input(char *to, size_t size, size_t n, void *arg)
{
	struct client_transfer *t = arg;
	const struct console *c = t->rq->arg;
	size_t done = c->n_input - (size_t)t->left_bytes;
	size_t want = size * n < t->left_bytes ? size * n : (size_t)t->left_bytes;

	memcpy(to, c->input + done, want);
	t->left_bytes -= want;
	return want;
}

static int send_input(struct console *c)
{
	int r;

	c->in_request = (struct client_request){ .method = "POST",
						 .path = c->in_path,
						 .has_file = true,
						 .file_fd = -1,
						 .file_bytes = c->n_input,
						 .arg = c };
	r = client_transfer_init(c->r->client, &c->in_request, &c->in, &c->e);
	if (r < 0) {
		return r;
	}
	curl_easy_setopt(c->in.easy, CURLOPT_READFUNCTION, read_input);
	curl_multi_add_handle(c->multi, c->in.easy);
	c->is_sending = true;
	return 0;
}

/* The guest took some of it. */
static int input_done(struct console *c, CURLcode code)
{
	json_t *answer = NULL;
	struct errmsg e = { 0 };
	int r = client_transfer_result(&c->in, code, &answer, &e);
	uint64_t taken = field_u64(answer, "taken");

	curl_multi_remove_handle(c->multi, c->in.easy);
	client_transfer_done(&c->in);
	json_decref(answer);
	c->is_sending = false;
	if (r == -EAGAIN || r == -EBUSY) {
		taken = 0;
	} else if (r < 0) {
		/* The VM has ended, as the output will say; or this can't go on. */
		c->is_input_over = true;
		c->n_input = 0;
		c->e = e;
		return 0;
	}
	if (taken > c->n_input) {
		return errmsg_set(&c->e, -EPROTO, "the daemon took more input than there was");
	}
	c->has_pause = taken == 0;
	memmove(c->input, c->input + taken, c->n_input - taken);
	c->n_input -= taken;
	return 0;
}

static int output_done(struct console *c, CURLcode code)
{
	struct errmsg e = { 0 };
	int r = client_transfer_result(&c->out, code, NULL, &e);

	c->is_output_over = true;
	if (r < 0) {
		c->e = e;
		return r;
	}
	return 0;
}

static int take_messages(struct console *c)
{
	CURLMsg *m;
	int left;
	int r = 0;

	while (r == 0 && (m = curl_multi_info_read(c->multi, &left))) {
		if (m->msg != CURLMSG_DONE) {
			continue;
		}
		r = c->is_sending && m->easy_handle == c->in.easy ? input_done(c, m->data.result)
								  : output_done(c, m->data.result);
	}
	return r;
}

/* Keys; the one that detaches is found also while the guest takes none. */
static int read_keys(struct console *c)
{
	char *to = c->input + c->n_input;
	ssize_t n = read(STDIN_FILENO, to, sizeof(c->input) - c->n_input);
	const char *key = NULL;

	if (n <= 0) {
		c->is_input_over = n == 0 || (errno != EINTR && errno != EAGAIN);
		return 0;
	}
	if (terminal_is_input() && c->o->detach_key != KEY_NONE) {
		key = memchr(to, c->o->detach_key, (size_t)n);
	}
	c->is_detached = key != NULL;
	c->n_input += key ? (size_t)(key - to) : (size_t)n;
	return 0;
}

static void take_signal(struct console *c)
{
	struct signalfd_siginfo info;

	if (read(c->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		c->signo = (int)info.ssi_signo;
	}
}

static int wait_and_read(struct console *c)
{
	struct curl_waitfd fds[2] = { { .fd = c->signal_fd, .events = CURL_WAIT_POLLIN },
				      { .fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN } };
	/* While input is on its way its buffer must stay as it is. */
	bool is_read = c->is_attached && !c->is_input_over && !c->is_sending &&
		       c->n_input < sizeof(c->input) &&
		       (!terminal_is_input() || terminal_is_foreground());

	if (curl_multi_poll(c->multi, fds, is_read ? 2 : 1, c->has_pause ? AGAIN_MS : 1000, NULL) !=
	    CURLM_OK) {
		return errmsg_set(&c->e, -EIO, "waiting for the daemon failed");
	}
	if (fds[0].revents) {
		take_signal(c);
	}
	return is_read && fds[1].revents ? read_keys(c) : 0;
}

static int loop(struct console *c)
{
	int running;
	int r = 0;

	while (r == 0 && !c->is_detached && !c->signo) {
		if (curl_multi_perform(c->multi, &running) != CURLM_OK) {
			return errmsg_set(&c->e, -EIO, "talking to the daemon failed");
		}
		look_attached(c);
		r = take_messages(c);
		if (r < 0 || c->is_output_over) {
			break;
		}
		if (!c->is_sending && c->n_input > 0 && !c->has_pause) {
			r = send_input(c);
			continue;
		}
		r = r < 0 ? r : wait_and_read(c);
		c->has_pause = false;
	}
	return r;
}

/* Signals are read, so that the terminal is given back before they end us. */
static int watch_signals(struct console *c, sigset_t *ret_old)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction sa;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		/* What is ignored stays ignored. */
		if (sigaction(signals[i], NULL, &sa) == 0 && sa.sa_handler != SIG_IGN) {
			sigaddset(&set, signals[i]);
		}
	}
	sigprocmask(SIG_BLOCK, &set, ret_old);
	c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return c->signal_fd < 0 ? errmsg_set(&c->e, -errno, "signalfd: %s", strerror(errno)) : 0;
}

static int open_console(struct console *c)
{
	const char *from = c->o->is_from_start ? "0" : "now";
	char rest[48];
	int r;

	snprintf(rest, sizeof(rest), "/console?from=%s&follow=1", from);
	c->out_path = client_path("/v1/vms/", c->r->operand[0], rest);
	c->in_path = client_path("/v1/vms/", c->r->operand[0], "/console");
	c->multi = curl_multi_init();
	if (!c->out_path || !c->in_path || !c->multi) {
		return errmsg_set(&c->e, -ENOMEM, "out of memory");
	}
	c->out_request = (struct client_request){
		.method = "GET", .path = c->out_path, .sink = print, .arg = c
	};
	r = client_transfer_init(c->r->client, &c->out_request, &c->out, &c->e);
	if (r == 0) {
		curl_multi_add_handle(c->multi, c->out.easy);
	}
	return r;
}

static void close_console(struct console *c)
{
	if (c->is_sending) {
		curl_multi_remove_handle(c->multi, c->in.easy);
		client_transfer_done(&c->in);
	}
	if (c->out.easy) {
		curl_multi_remove_handle(c->multi, c->out.easy);
	}
	client_transfer_done(&c->out);
	if (c->multi) {
		curl_multi_cleanup(c->multi);
	}
	free(c->out_path);
	free(c->in_path);
	if (c->signal_fd >= 0) {
		close(c->signal_fd);
	}
}

/* The VM has ended: how? */
static int end_status(struct cmd_run *r)
{
	json_t *vm = NULL;
	int status = cmd_get_vm(r, r->operand[0], "", &vm);

	if (status == 0 && vm_end_has(vm)) {
		status = vm_end_status(vm);
		vm_end_say(vm);
	}
	json_decref(vm);
	return status;
}

static int attach(struct console *c)
{
	sigset_t old;
	int r;

	r = watch_signals(c, &old);
	if (r == 0) {
		r = open_console(c);
	}
	if (r == 0) {
		r = loop(c);
		terminal_give_back();
	}
	close_console(c);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

static int run(struct cmd_run *r)
{
	struct console *c = calloc(1, sizeof(*c));
	struct errmsg e = { 0 };
	int signo;
	int status;

	if (!c) {
		errmsg_set(&e, -ENOMEM, "out of memory");
		return cmd_fail(&e);
	}
	c->r = r;
	c->o = r->own;
	c->signal_fd = -1;
	status = attach(c) < 0 ? cmd_fail(&c->e) : 0;
	signo = c->signo;
	if (signo) {
		kill(getpid(), signo); /* as if nobody had caught it */
	} else if (status == 0 && c->is_detached) {
		fprintf(stderr, "\npinfold: detached; the VM goes on\n");
	} else if (status == 0) {
		status = end_status(r);
	}
	free(c);
	return status;
}

/* "ctrl-]", "ctrl-a" or "none". */
static int take_key(struct console_options *o, const char *arg, struct errmsg *e)
{
	int c = strncmp(arg, "ctrl-", 5) == 0 && arg[5] && !arg[6] ? (unsigned char)arg[5] : 0;

	if (strcmp(arg, "none") == 0) {
		o->detach_key = KEY_NONE;
		return 0;
	}
	c = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
	if (c < '@' || c > '_') {
		return errmsg_set(e, -EINVAL,
				  "--detach-key: '%.40s' is neither such as ctrl-a nor 'none'",
				  arg);
	}
	o->detach_key = c - '@';
	snprintf(o->key_name, sizeof(o->key_name), "Ctrl-%c", c);
	return 0;
}

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct console_options *o = own;

	switch (key) {
	case KEY_DETACH:
		return take_key(o, arg, e);
	case KEY_FROM_START:
		o->is_from_start = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_console(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "detach-key", KEY_DETACH, "KEY", 0,
		  "leave with this one (default ctrl-]), or 'none'", 1 },
		{ "from-start", KEY_FROM_START, NULL, 0, "print first what there is already", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Attach to the console of a VM. On a terminal every key goes to the guest, "
		       "also Ctrl-C; Ctrl-] detaches and the VM goes on. When it ends, the exit "
		       "status is as of 'pinfold wait'.\v"
		       "Example:\n    pinfold console web",
		.operands = "VM",
		.min = 1,
		.max = 1,
		.options = options,
		.option = take_option,
		.run = run,
	};
	struct console_options o = { .detach_key = ']' - '@', .key_name = "Ctrl-]" };

	return cmd_main(&cmd, &o, argc, argv);
}
