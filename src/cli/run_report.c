/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a run, for people and for programs; see run_report.h. */
#include "cli/run_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/commands.h"

/* A guest's code is the exit status where that has room for it; else the largest one. */
#define GUEST_STATUS_MAX 255

static const char *const end_names[] = {
	[RUN_END_NONE] = "error",  [RUN_END_HALT] = "halt",   [RUN_END_EXIT] = "exit",
	[RUN_END_LIMIT] = "limit", [RUN_END_FAULT] = "fault", [RUN_END_KILLED] = "killed",
	[RUN_END_ERROR] = "error",
};

int run_report_status(const struct run_result *r)
{
	switch (r->end) {
	case RUN_END_HALT:
		return 0;
	case RUN_END_EXIT:
		return r->code > GUEST_STATUS_MAX ? GUEST_STATUS_MAX : (int)r->code;
	case RUN_END_LIMIT:
		return EXIT_STATUS_LIMIT;
	case RUN_END_FAULT:
		return EXIT_STATUS_FAULT;
	case RUN_END_KILLED:
		return EXIT_STATUS_KILLED;
	default:
		return EXIT_STATUS_ERROR;
	}
}

/* The faulting instruction. @return bytes of it that are worth showing */
static size_t fault_insn(const struct run_report *rep, char *ret_text)
{
	const struct proto_fault *f = &rep->result->fault;
	size_t used = 0;

	ret_text[0] = '\0';
	if (rep->disas) {
		used = disas_one(rep->disas, f->insn_flags, f->pc, f->insn, f->n_insn, ret_text);
	}
	return used ? used : f->n_insn;
}

void run_report_say(const struct run_report *rep)
{
	const struct run_result *r = rep->result;
	char text[DISAS_TEXT_BYTES];
	char bytes[DISAS_BYTES_TEXT_BYTES];
	size_t n;

	if (run_report_status(r) == 0) {
		return;
	}
	if (r->end != RUN_END_FAULT) {
		fprintf(stderr, "pinfold: %s: %s\n", rep->name, r->message);
		return;
	}
	n = fault_insn(rep, text);
	disas_bytes(r->fault.insn, n, bytes);
	if (n == 0) {
		fprintf(stderr, "pinfold: %s: %s\n", rep->name, r->message);
	} else {
		fprintf(stderr, "pinfold: %s: %s: %s (%s)\n", rep->name, r->message, text, bytes);
	}
	if (rep->ready->note[0]) {
		fprintf(stderr, "pinfold: %s: note: %s\n", rep->name, rep->ready->note);
	}
}

/* Names and messages may hold bytes that are not UTF-8. */
static json_t *lenient_string(const char *s)
{
	json_t *j = json_string(s);
	char ascii[ERRMSG_SIZE];
	size_t i;

	if (j) {
		return j;
	}
	for (i = 0; s[i] && i < sizeof(ascii) - 1; i++) {
		ascii[i] = (unsigned char)s[i] < 0x80 ? s[i] : '?';
	}
	ascii[i] = '\0';
	return json_string(ascii);
}

static json_t *hex_u64(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	return json_string(text);
}

/* JSON integers are signed. */
static json_t *number(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static const char *access_name(uint32_t access)
{
	switch (access) {
	case PROTO_ACCESS_R:
		return "read";
	case PROTO_ACCESS_W:
		return "write";
	case PROTO_ACCESS_X:
		return "fetch";
	default:
		return NULL;
	}
}

static const char *limit_name(uint32_t limit)
{
	switch (limit) {
	case PROTO_LIMIT_CPU:
		return "cpu";
	case PROTO_LIMIT_INSNS:
		return "instructions";
	case PROTO_LIMIT_WALL:
		return "wall";
	default:
		return NULL;
	}
}

static json_t *text_or_null(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

static json_t *json_fault(const struct run_report *rep)
{
	const struct proto_fault *f = &rep->result->fault;
	json_t *o = json_object();
	char text[DISAS_TEXT_BYTES];
	char hex[2 * sizeof(f->insn) + 1] = "";
	size_t n = fault_insn(rep, text);

	for (size_t i = 0; i < n; i++) {
		sprintf(hex + 2 * i, "%02x", f->insn[i]);
	}
	json_object_set_new(o, "kind", lenient_string(f->kind));
	json_object_set_new(o, "pc", hex_u64(f->pc));
	json_object_set_new(o, "address", f->has_address ? hex_u64(f->address) : json_null());
	json_object_set_new(o, "access", text_or_null(access_name(f->access)));
	json_object_set_new(o, "insn", text_or_null(hex));
	json_object_set_new(o, "disassembly", text_or_null(text));
	json_object_set_new(o, "vector", json_integer(f->vector));
	json_object_set_new(o, "syndrome", hex_u64(f->syndrome));
	return o;
}

static json_t *json_exit(const struct run_report *rep)
{
	const struct run_result *r = rep->result;
	json_t *o = json_object();

	json_object_set_new(o, "kind", json_string(end_names[r->end]));
	json_object_set_new(o, "code",
			    r->end == RUN_END_EXIT ? number(r->code)
						   : json_integer(run_report_status(r)));
	json_object_set_new(o, "limit",
			    text_or_null(r->end == RUN_END_LIMIT ? limit_name(r->limit) : NULL));
	json_object_set_new(o, "fault", r->end == RUN_END_FAULT ? json_fault(rep) : json_null());
	json_object_set_new(o, "message", lenient_string(r->message));
	return o;
}

static json_t *json_registers(const struct regs *regs)
{
	json_t *o = json_object();
	char text[REGS_TEXT_BYTES];

	for (size_t i = 0; i < regs->n; i++) {
		regs_format(regs->reg[i].value, regs->reg[i].desc.bytes, text);
		json_object_set_new(o, regs->reg[i].desc.name, json_string(text));
	}
	return o;
}

static void add_usage(json_t *o, const struct run_report *rep)
{
	const struct proto_usage *u = &rep->result->usage;
	uint64_t peak = rep->process_peak_bytes > u->mem_peak_bytes ? rep->process_peak_bytes
								    : u->mem_peak_bytes;
	json_t *io = json_object();
	json_t *console = json_object();

	json_object_set_new(o, "cpu_ns", number(u->cpu_ns));
	json_object_set_new(o, "wall_ns", number(u->wall_ns));
	json_object_set_new(o, "peak_memory_bytes", number(peak));
	json_object_set_new(o, "instructions", u->insns_known ? number(u->insns) : json_null());
	json_object_set_new(o, "slices", number(u->slices));
	json_object_set_new(o, "resets", number(u->resets));
	json_object_set_new(io, "reads", number(u->io_reads));
	json_object_set_new(io, "writes", number(u->io_writes));
	json_object_set_new(io, "unmapped", number(u->io_unmapped));
	json_object_set_new(o, "io", io);
	json_object_set_new(console, "out_bytes", number(u->console_out_bytes));
	json_object_set_new(console, "in_bytes", number(u->console_in_bytes));
	json_object_set_new(o, "console", console);
	json_object_set_new(o, "process_cpu_ns", number(rep->process_cpu_ns));
}

/* One line with its newline. */
static char *dump(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
	char *line = NULL;

	if (text && asprintf(&line, "%s\n", text) < 0) {
		line = NULL;
	}
	free(text);
	json_decref(o);
	return line;
}

char *run_report_json(const struct run_report *rep)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", lenient_string(rep->name));
	json_object_set_new(o, "arch", lenient_string(rep->ready->arch_name));
	json_object_set_new(o, "engine", lenient_string(rep->ready->engine));
	json_object_set_new(o, "board", json_string(rep->board));
	json_object_set_new(o, "exit", json_exit(rep));
	json_object_set_new(o, "registers", rep->regs ? json_registers(rep->regs) : json_null());
	add_usage(o, rep);
	return dump(o);
}

char *run_report_json_error(const char *name, const char *message)
{
	json_t *o = json_object();
	json_t *x = json_object();

	json_object_set_new(x, "kind", json_string("error"));
	json_object_set_new(x, "code", json_integer(EXIT_STATUS_ERROR));
	json_object_set_new(x, "message", lenient_string(message));
	json_object_set_new(o, "name", lenient_string(name));
	json_object_set_new(o, "exit", x);
	return dump(o);
}
