/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop around a running guest; see run_loop.h. */
#include "cli/run_loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "cli/terminal.h"
#include "cli/trace.h"
#include "host/sock.h"
#include "host/timer.h"

/* How long a VM may take to do what it was told before it is killed. */
#define GRACE_NS NS_PER_S
/* Of console output, at one go. */
#define READS_MAX 8

enum slot {
	SLOT_SOCKET,
	SLOT_SIGNALS,
	SLOT_CONSOLE,
	SLOT_STDIN,
	SLOT_STDOUT,
	SLOT_TRACE_IN,
	SLOT_TRACE_OUT,
	SLOT_COUNT,
};

static bool has_ended(const struct run_loop *l)
{
	return l->result.end != RUN_END_NONE;
}

/* A signal that was ignored when we were started stays ignored (nohup). */
static void add_signal(sigset_t *mask, int signo)
{
	struct sigaction sa;

	if (sigaction(signo, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN) {
		sigaddset(mask, signo);
	}
}

int run_loop_init(struct run_loop *l, struct launch_vm *vm, struct trace *trace,
		  uint64_t wall_limit_ns, struct errmsg *e)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t mask;

	memset(l, 0, sizeof(*l));
	l->vm = vm;
	l->trace = trace;
	l->wall_limit_ns = wall_limit_ns;
	sigemptyset(&mask);
	add_signal(&mask, SIGINT);
	add_signal(&mask, SIGTERM);
	add_signal(&mask, SIGHUP);
	add_signal(&mask, SIGQUIT);
	add_signal(&mask, SIGTSTP);
	sigaddset(&mask, SIGCONT);
	l->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_fd < 0) {
		return errmsg_set(e, -errno, "no signalfd: %s", strerror(errno));
	}
	/* The ones that end a run: readable until take_signals() has taken them. */
	sigdelset(&mask, SIGTSTP);
	sigdelset(&mask, SIGCONT);
	l->vm->cancel_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->vm->cancel_fd < 0) {
		int r = errmsg_set(e, -errno, "no signalfd: %s", strerror(errno));

		l->vm->cancel_fd = 0;
		close(l->signal_fd);
		return r;
	}
	add_signal(&mask, SIGTSTP);
	sigaddset(&mask, SIGCONT);
	sigprocmask(SIG_BLOCK, &mask, &l->old_mask);
	sigaction(SIGPIPE, &ignore, NULL);
	outlet_init(&l->out, STDOUT_FILENO);
	terminal_take();
	return 0;
}

void run_loop_done(struct run_loop *l)
{
	struct signalfd_siginfo si;

	if (!l->vm) {
		return;
	}
	/* We are ending; one that is left would cut off what is still to be cleaned up. */
	while (read(l->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
	}
	terminal_give_back();
	outlet_done(&l->out);
	close(l->vm->cancel_fd);
	l->vm->cancel_fd = 0;
	close(l->signal_fd);
	sigprocmask(SIG_SETMASK, &l->old_mask, NULL);
	l->vm = NULL;
}

/* The clock that backs up the VM's own wall limit; the guest is about to be set going. */
static void start_clock(struct run_loop *l)
{
	if (l->wall_limit_ns && l->kill_at_ns == 0 &&
	    __builtin_add_overflow(host_clock_monotonic_ns() + GRACE_NS, l->wall_limit_ns,
				   &l->kill_at_ns)) {
		l->kill_at_ns = 0;
	}
}

/* A request whose reply nobody waits for; launch drops it when it comes. */
static void tell(struct run_loop *l, enum proto_type type)
{
	struct proto_hdr hdr;
	struct iovec iov = { &hdr, sizeof(hdr) };

	proto_hdr_init(&hdr, type, ++l->vm->seq, 0);
	/* A VM that takes nothing any more is killed when its time is over. */
	(void)host_sock_send(l->vm->socket_fd, &iov, 1, NULL, 0, true);
}

__attribute__((format(printf, 3, 4))) static void end_with(struct run_loop *l, enum run_end end,
							   const char *fmt, ...)
{
	va_list ap;

	if (has_ended(l)) {
		return;
	}
	l->result.end = end;
	va_start(ap, fmt);
	vsnprintf(l->result.message, sizeof(l->result.message), fmt, ap);
	va_end(ap);
}

static void end_killed_by_user(struct run_loop *l)
{
	launch_vm_force_stop(l->vm);
	end_with(l, RUN_END_KILLED, "killed by %s%s", l->signo ? "SIG" : "request",
		 l->signo ? sigabbrev_np(l->signo) : "");
}

/* The VM's answer to being asked to stop is the end of the run. */
static void ask_stop(struct run_loop *l, int signo)
{
	bool is_again = l->is_stop_asked || signo == SIGQUIT;

	l->signo = signo;
	if (has_ended(l)) {
		l->is_output_lost = true; /* all that is left is output that nobody takes */
	} else if (is_again) {
		end_killed_by_user(l);
	} else {
		l->is_stop_asked = true;
		l->kill_at_ns = host_clock_monotonic_ns() + GRACE_NS;
		tell(l, PROTO_STOP);
	}
}

/* Ctrl-Z: the guest pauses, the terminal is given back, and we stop like any other program. */
static void suspend(struct run_loop *l)
{
	ns_t from_ns = host_clock_monotonic_ns();
	sigset_t tstp;

	if (!l->is_debugged) {
		tell(l, PROTO_PAUSE);
	}
	terminal_give_back();
	sigemptyset(&tstp);
	sigaddset(&tstp, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &tstp, NULL);
	/* Stopped here, until somebody continues us. */
	sigprocmask(SIG_BLOCK, &tstp, NULL);
	terminal_take();
	if (!l->is_debugged) {
		tell(l, PROTO_RESUME);
	}
	if (l->kill_at_ns) {
		l->kill_at_ns += host_clock_monotonic_ns() - from_ns;
	}
}

static void take_signals(struct run_loop *l)
{
	struct signalfd_siginfo si;

	while (read(l->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGTSTP:
			suspend(l);
			break;
		case SIGCONT:
			terminal_take();
			break;
		default:
			ask_stop(l, (int)si.ssi_signo);
			break;
		}
	}
}

static void on_vm_gone(struct run_loop *l, const struct errmsg *e)
{
	launch_vm_force_stop(l->vm);
	end_with(l, RUN_END_KILLED, "the guest was killed: %s", e->text);
}

static void check_deadline(struct run_loop *l)
{
	if (l->kill_at_ns == 0 || host_clock_monotonic_ns() < l->kill_at_ns) {
		return;
	}
	if (has_ended(l)) {
		l->kill_at_ns = 0;
		l->is_output_lost = true;
		return;
	}
	/* What was printed gets as much time again to leave. */
	l->kill_at_ns = host_clock_monotonic_ns() + GRACE_NS;
	if (l->is_stop_asked) {
		end_killed_by_user(l);
	} else {
		launch_vm_force_stop(l->vm);
		l->result.limit = PROTO_LIMIT_WALL;
		end_with(l, RUN_END_LIMIT,
			 "the guest ran for its time limit of %.3f s and was killed, because its "
			 "VM did not stop",
			 (double)l->wall_limit_ns / (double)NS_PER_S);
	}
}

/* Console output into the outlet. @return true when there is no more for now */
static bool pump_console_out(struct run_loop *l)
{
	/* Bounded: what goes to a broken outlet takes no room. */
	for (int i = 0; i < READS_MAX && !l->is_console_closed && outlet_room(&l->out) > 0; i++) {
		char buf[16384];
		size_t room = outlet_room(&l->out);
		ssize_t n = recv(l->vm->console_fd, buf, room < sizeof(buf) ? room : sizeof(buf),
				 MSG_DONTWAIT);

		if (n > 0) {
			outlet_put(&l->out, buf, (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			return true;
		} else if (n == 0 || errno != EINTR) {
			l->is_console_closed = true;
		}
	}
	return l->is_console_closed;
}

static void pump_console_in(struct run_loop *l)
{
	ssize_t n;

	if (l->in_len == 0 || l->is_console_closed) {
		return;
	}
	n = send(l->vm->console_fd, l->in, l->in_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		l->in_len -= (size_t)n;
		memmove(l->in, l->in + n, l->in_len);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		l->in_len = 0;
		l->is_input_over = true;
	}
}

static void shut_console_in(struct run_loop *l)
{
	l->is_input_over = true;
	shutdown(l->vm->console_fd, SHUT_WR);
}

static void take_stdin(struct run_loop *l)
{
	ssize_t n = read(STDIN_FILENO, l->in, sizeof(l->in));

	if (n > 0) {
		l->in_len = (size_t)n;
		pump_console_in(l);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		shut_console_in(l);
	}
}

static void flush_out(struct run_loop *l)
{
	int r = outlet_flush(&l->out);

	if (r < 0 && !has_ended(l)) {
		launch_vm_force_stop(l->vm);
		end_with(l, RUN_END_KILLED, "killed, because standard output can't be written: %s",
			 strerror(-r));
	}
	if (l->trace) {
		trace_flush(l->trace);
	}
}

/* Whatever can be moved without waiting. @return true when nothing is left to move */
static bool pump(struct run_loop *l)
{
	bool is_console_empty;
	bool is_trace_empty;

	pump_console_in(l);
	is_console_empty = pump_console_out(l);
	is_trace_empty = !l->trace || trace_pump(l->trace);
	flush_out(l);
	return is_console_empty && is_trace_empty && l->out.len == 0 &&
	       (!l->trace || trace_is_flushed(l->trace));
}

static void want(struct pollfd *p, int fd, bool is_wanted, short events)
{
	p->fd = is_wanted ? fd : -1;
	p->events = events;
	p->revents = 0;
}

static void fill_poll(struct run_loop *l, struct pollfd *p)
{
	bool is_out = outlet_room(&l->out) > 0;
	bool may_read = !l->is_input_over && l->in_len == 0 && !has_ended(l) &&
			(!terminal_is_input() || terminal_is_foreground());
	short console = (short)((is_out ? POLLIN : 0) | (l->in_len ? POLLOUT : 0));

	want(&p[SLOT_SOCKET], l->vm->socket_fd, !has_ended(l), POLLIN);
	want(&p[SLOT_SIGNALS], l->signal_fd, true, POLLIN);
	want(&p[SLOT_CONSOLE], l->vm->console_fd, console && !l->is_console_closed, console);
	want(&p[SLOT_STDIN], STDIN_FILENO, may_read, POLLIN);
	want(&p[SLOT_STDOUT], l->out.fd, l->out.len > 0, POLLOUT);
	want(&p[SLOT_TRACE_IN], l->vm->trace_fd, l->trace && trace_wants_input(l->trace), POLLIN);
	want(&p[SLOT_TRACE_OUT], l->trace ? trace_out_fd(l->trace) : -1,
	     l->trace && !trace_is_flushed(l->trace), POLLOUT);
}

/* Until the deadline, rounded up, but no longer than the caller wants. */
static int poll_timeout_ms(const struct run_loop *l, int timeout_ms)
{
	ns_t now_ns = host_clock_monotonic_ns();
	uint64_t left_ms;

	if (l->kill_at_ns == 0) {
		return timeout_ms;
	}
	left_ms = l->kill_at_ns > now_ns ? (l->kill_at_ns - now_ns) / NS_PER_MS + 1 : 0;
	if (left_ms > INT32_MAX) {
		left_ms = INT32_MAX;
	}
	return timeout_ms >= 0 && (uint64_t)timeout_ms < left_ms ? timeout_ms : (int)left_ms;
}

static int take_event(struct run_loop *l, struct proto_stopped *ret)
{
	struct errmsg e = { 0 };
	int r = launch_vm_event(l->vm, ret, &e);

	if (l->vm->device_note[0]) {
		log_warn("%s", l->vm->device_note);
		l->vm->device_note[0] = '\0';
	}
	if (r < 0) {
		on_vm_gone(l, &e);
	}
	return r > 0;
}

/* Wait for something and serve it; what there is to move was moved just before. */
static int wait_once(struct run_loop *l, struct pollfd *extra, size_t n_extra, int timeout_ms,
		     struct proto_stopped *ret)
{
	struct pollfd p[SLOT_COUNT + RUN_LOOP_EXTRA_MAX];
	int n;

	BUG_ON(n_extra > RUN_LOOP_EXTRA_MAX);
	fill_poll(l, p);
	if (n_extra) {
		memcpy(p + SLOT_COUNT, extra, n_extra * sizeof(*extra));
	}
	n = poll(p, SLOT_COUNT + (nfds_t)n_extra,
		 l->vm->has_event ? 0 : poll_timeout_ms(l, timeout_ms));
	if (n < 0) {
		BUG_ON(errno != EINTR);
		return 0;
	}
	if (n_extra) {
		memcpy(extra, p + SLOT_COUNT, n_extra * sizeof(*extra));
	}
	if (p[SLOT_SIGNALS].revents) {
		take_signals(l);
	}
	check_deadline(l);
	if (p[SLOT_STDIN].revents && !has_ended(l)) {
		take_stdin(l);
	}
	if ((p[SLOT_SOCKET].revents || l->vm->has_event) && !has_ended(l)) {
		return take_event(l, ret);
	}
	return 0;
}

int run_loop_once(struct run_loop *l, struct pollfd *extra, size_t n_extra, int timeout_ms,
		  struct proto_stopped *ret)
{
	pump(l);
	return wait_once(l, extra, n_extra, timeout_ms, ret);
}

static enum run_end end_of(uint32_t reason)
{
	switch (reason) {
	case PROTO_STOP_HALT:
		return RUN_END_HALT;
	case PROTO_STOP_EXIT:
		return RUN_END_EXIT;
	case PROTO_STOP_LIMIT:
		return RUN_END_LIMIT;
	case PROTO_STOP_FAULT:
		return RUN_END_FAULT;
	case PROTO_STOP_REQUESTED:
		return RUN_END_KILLED;
	case PROTO_STOP_ERROR:
		return RUN_END_ERROR;
	default:
		return RUN_END_NONE;
	}
}

bool run_loop_take_end(struct run_loop *l, const struct proto_stopped *s)
{
	enum run_end end = end_of(s->reason);

	if (end == RUN_END_NONE || has_ended(l)) {
		return false;
	}
	if (end == RUN_END_KILLED && l->signo) {
		end_with(l, end, "killed by SIG%s", sigabbrev_np(l->signo));
	} else {
		end_with(l, end, "%s", s->text);
	}
	l->result.code = s->code;
	l->result.limit = s->limit;
	l->result.usage = s->usage;
	l->result.is_standing = true;
	l->result.fault = s->fault;
	return true;
}

void run_loop_kill(struct run_loop *l, const char *why)
{
	launch_vm_force_stop(l->vm);
	end_with(l, RUN_END_KILLED, "%s", why);
}

void run_loop_run(struct run_loop *l)
{
	struct errmsg e = { 0 };
	struct proto_stopped s;
	int r;

	r = launch_vm_request(l->vm, PROTO_START, NULL, 0, -1, NULL, 0, NULL, &e);
	if (r == -EBUSY) {
		/* A loaded context leaves the VM paused. */
		r = launch_vm_request(l->vm, PROTO_RESUME, NULL, 0, -1, NULL, 0, NULL, &e);
	}
	if (r == -ECANCELED) {
		take_signals(l);
		end_killed_by_user(l);
		return;
	}
	if (r < 0) {
		on_vm_gone(l, &e);
		return;
	}
	start_clock(l);
	while (!has_ended(l)) {
		if (run_loop_once(l, NULL, 0, -1, &s) > 0) {
			run_loop_take_end(l, &s);
		}
	}
}

void run_loop_drain(struct run_loop *l)
{
	struct proto_stopped unused;

	/* No second pump in between: it could move the last of it, and then nothing would end the
	 * wait. */
	while (!pump(l) && !l->is_output_lost) {
		wait_once(l, NULL, 0, -1, &unused);
	}
}

void run_loop_print(struct run_loop *l, const char *text, size_t bytes)
{
	while (bytes > 0 && !l->is_output_lost) {
		size_t room = outlet_room(&l->out);
		size_t n = bytes < room ? bytes : room;

		outlet_put(&l->out, text, n);
		text += n;
		bytes -= n;
		run_loop_drain(l);
	}
}
