/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a run, for people and for programs: exit status, sentence, registers, JSON. */
#ifndef PINFOLD_CLI_RUN_REPORT_H
#define PINFOLD_CLI_RUN_REPORT_H

#include <stdint.h>

#include "cli/disas.h"
#include "cli/regs.h"
#include "cli/run_loop.h"
#include "cli/run_options.h"

/** Everything that is told about a run. */
struct run_report {
	const char *name, *board;
	const struct proto_ready *ready; /* NULL: the VM was never made */
	const struct run_result *result;
	const struct regs *regs; /* NULL: they could not be read */
	uint64_t process_cpu_ns; /* of the VM process, all of it */
	uint64_t process_peak_bytes;
	struct disas *disas; /* may be NULL */
};

/** @return exit status of the command */
int run_report_status(const struct run_result *r);

/** Print one sentence on stderr for anything but status 0, and the faulting instruction. */
void run_report_say(const struct run_report *rep);

/**
 * The JSON object (docs/pinfold-run.1.scd, section JSON).
 * @return text with a newline, to be freed; NULL when out of memory
 */
char *run_report_json(const struct run_report *rep);

/** The JSON object of a run that never began. @return as run_report_json() */
char *run_report_json_error(const char *name, const char *message);

#endif
