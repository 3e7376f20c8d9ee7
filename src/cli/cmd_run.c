/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pinfold run: one guest, one jailed process, in the foreground.
 *
 *   options -> launch_vm() -> run_loop (console, trace, gdb, signals) -> context -> report
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/disas.h"
#include "cli/gdb_server.h"
#include "cli/lockstep.h"
#include "cli/regs.h"
#include "cli/run_loop.h"
#include "cli/run_options.h"
#include "cli/run_report.h"
#include "cli/terminal.h"
#include "cli/trace.h"

/* Everything of one run; large, so not on the stack. */
struct session {
	struct run_options o;
	struct launch_vm vm;
	struct run_loop loop;
	struct regs regs;
	bool has_regs;
	struct disas *disas;
	struct trace *trace;
};

/* Pinfold could not do it: the sentence, and the JSON that a program waits for. */
static int fail(const struct run_options *o, const char *message)
{
	const char *name = o->launch.config.name;
	char *json;

	fprintf(stderr, "pinfold: %s\n", message);
	if (o->is_json) {
		json = run_report_json_error(name, message);
		fputs(json ? json : "", stdout);
		free(json);
	}
	return EXIT_STATUS_ERROR;
}

static void say_engine(const struct session *s)
{
	const struct proto_ready *ready = &s->vm.ready;

	if (!s->o.is_verbose) {
		return;
	}
	fprintf(stderr, "pinfold: %s: %s\n", s->o.launch.config.name, ready->reason);
	if (ready->note[0]) {
		fprintf(stderr, "pinfold: %s: note: %s\n", s->o.launch.config.name, ready->note);
	}
}

static int prepare(struct session *s, struct errmsg *e)
{
	int r;

	r = s->o.save_path ? context_check(s->o.save_path, e) : 0;
	r = r < 0 ? r : launch_vm(&s->o.launch, &s->vm, e);
	if (r < 0) {
		return r;
	}
	say_engine(s);
	r = regs_describe(&s->vm, &s->regs, e);
	if (r < 0) {
		return r;
	}
	s->disas = disas_new(s->vm.ready.arch);
	if (!s->disas) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	if (s->o.trace_path) {
		const char *lack = disas_lack(s->disas);

		if (lack) {
			fprintf(stderr, "pinfold: --trace: no disassembly: %s\n", lack);
		}
		r = trace_new(&s->vm, s->o.trace_path, &s->regs, s->disas, &s->trace, e);
	}
	return r < 0 ? r
		     : run_loop_init(&s->loop, &s->vm, s->trace, s->o.launch.config.limits.wall_ns,
				     e);
}

/* Events first: a request of the server's may have set one aside. */
static void gdb_take_events(struct session *s, struct gdb_server *server)
{
	struct proto_stopped stop;
	struct errmsg e = { 0 };

	/* One that a request set aside; what else there is, run_loop_once() takes between looks at
	 * signals and deadlines. */
	if (s->vm.has_event && launch_vm_event(&s->vm, &stop, &e) > 0) {
		gdb_server_on_stop(server, &stop);
	}
}

/* Until a client or the guest itself ends it. */
static void gdb_loop(struct session *s, struct gdb_server *server)
{
	struct pollfd fds[GDB_SERVER_FDS];
	struct proto_stopped stop;
	struct errmsg e = { 0 };
	int r = 0;

	for (;;) {
		size_t n;

		gdb_take_events(s, server);
		if (gdb_server_is_over(server) || s->loop.result.end != RUN_END_NONE || r < 0) {
			break;
		}
		n = gdb_server_pollfds(server, fds);
		if (run_loop_once(&s->loop, fds, n, -1, &stop) > 0) {
			gdb_server_on_stop(server, &stop);
		}
		r = gdb_server_handle(server, fds, n, &e);
	}
	if (s->loop.result.end != RUN_END_NONE) {
		return;
	}
	if (gdb_server_is_killed(server) || r < 0 || !gdb_server_last_stop(server)) {
		run_loop_kill(&s->loop, r < 0 ? e.text : "killed by the debugger");
	} else {
		run_loop_take_end(&s->loop, gdb_server_last_stop(server));
	}
}

static int run_under_gdb(struct session *s, struct errmsg *e)
{
	struct gdb_server *server;
	int r;

	r = gdb_server_new(&s->vm, s->o.launch.config.name, s->o.gdb_where, &server, e);
	if (r < 0) {
		errmsg_prefix(e, "--gdb: ");
		return r;
	}
	s->loop.is_debugged = true;
	gdb_loop(s, server);
	gdb_server_free(server);
	return 0;
}

/* What can only be had while the VM lives. */
static int finish(struct session *s, struct errmsg *e)
{
	int r = 0;

	if (!s->loop.result.is_standing) {
		return s->o.save_path ? errmsg_set(e, -ESRCH,
						   "--save-context: there is nothing to save: %s",
						   s->loop.result.message)
				      : 0;
	}
	s->has_regs = regs_read(&s->vm, &s->regs, NULL) == 0;
	if (s->o.save_path) {
		r = context_save(&s->vm, s->o.save_path, e);
	}
	return r;
}

static void print_regs(struct session *s)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&text, &bytes);

	if (!f) {
		return;
	}
	regs_print(&s->regs, f);
	fclose(f);
	run_loop_print(&s->loop, text, bytes);
	free(text);
}

static void print_json(struct session *s, const struct run_report *rep)
{
	char *text = run_report_json(rep);

	if (!s->loop.out.is_at_line_start) {
		run_loop_print(&s->loop, "\n", 1);
	}
	if (text) {
		run_loop_print(&s->loop, text, strlen(text));
	}
	free(text);
}

/* The VM is ended here: what it used is known only then. */
static void reap(struct session *s, struct run_report *rep)
{
	struct rusage usage = { 0 };
	int status;

	launch_vm_force_stop(&s->vm);
	if (launch_vm_wait(&s->vm, &status, &usage) == 0) {
		rep->process_cpu_ns =
			(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
			(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_US;
		rep->process_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
	}
}

static int report(struct session *s, const struct errmsg *save_error)
{
	struct run_report rep = {
		.name = s->o.launch.config.name,
		.board = s->o.launch.config.board,
		.ready = &s->vm.ready,
		.result = &s->loop.result,
		.regs = s->has_regs ? &s->regs : NULL,
		.disas = s->disas,
	};
	int status = run_report_status(&s->loop.result);

	run_loop_drain(&s->loop);
	reap(s, &rep);
	terminal_give_back();
	run_report_say(&rep);
	if (save_error->text[0]) {
		fprintf(stderr, "pinfold: %s\n", save_error->text);
		status = EXIT_STATUS_ERROR;
	}
	if (s->trace && trace_error(s->trace)) {
		fprintf(stderr, "pinfold: --trace: %s\n", trace_error(s->trace));
	}
	if (s->o.has_regs && s->has_regs) {
		print_regs(s);
	}
	if (s->o.is_json) {
		print_json(s, &rep);
	}
	return status;
}

static void session_done(struct session *s)
{
	run_loop_done(&s->loop);
	trace_free(s->trace);
	disas_free(s->disas);
	launch_vm_done(&s->vm);
}

static int run_session(struct session *s)
{
	struct errmsg e = { 0 };
	int status;
	int r;

	r = prepare(s, &e);
	if (r == 0 && s->o.gdb_where) {
		r = run_under_gdb(s, &e);
	} else if (r == 0) {
		run_loop_run(&s->loop);
	}
	if (r < 0) {
		session_done(s);
		return fail(&s->o, e.text);
	}
	finish(s, &e);
	status = report(s, &e);
	session_done(s);
	return status;
}

static int run_lockstep(const struct run_options *o)
{
	struct errmsg e = { 0 };
	int status = lockstep_run(o, &e);

	return status == EXIT_STATUS_ERROR ? fail(o, e.text) : status;
}

int cmd_run(int argc, char **argv)
{
	struct session *s = calloc(1, sizeof(*s));
	struct errmsg e = { 0 };
	int status;
	int r;

	if (!s) {
		fprintf(stderr, "pinfold: out of memory\n");
		return EXIT_STATUS_ERROR;
	}
	r = run_options_parse(argc, argv, &s->o, &e);
	if (r == 0) {
		status = 0;
	} else if (r < 0) {
		status = fail(&s->o, e.text);
	} else if (s->o.engines[0][0]) {
		status = run_lockstep(&s->o);
	} else {
		status = run_session(s);
	}
	free(s);
	return status;
}
