/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold guard log: what the guard has logged, from the module or from a copy. Nothing unchecked is shown. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "cli/cmd_guard.h"
#include "cli/guard_chain.h"
#include "cli/guard_source.h"

#define LAST_MAX 1000000u

/* The command at work. */
struct log_run {
	uint64_t last; /* records to show */
	bool is_following, is_json;
	struct guard_source source;
	struct guard_chain chain;
	struct pinfold_guard_record *kept; /* the last ones: number i of all is at i % last */
	uint64_t n_kept;
};

static void print_line(const json_t *o, const struct pinfold_guard_record *r)
{
	uint32_t result = le32toh(r->result);
	uint32_t count = le32toh(r->count);

	printf("%6" PRIu64 " %-20s %-1s %-7s %-9s %s", field_u64(o, "seq"), field_text(o, "time"),
	       field_text(o, "terminal"), field_text(o, "channel"), field_text(o, "kind"),
	       field_text(o, "text"));
	if (result != 0) {
		printf(": %s", strerror((int)result));
	}
	if (count > 1) {
		printf(" (%" PRIu32 " times)", count);
	}
	putchar('\n');
}

static void show(const struct log_run *run, const struct pinfold_guard_record *r)
{
	json_t *o = guard_record_json(r);

	if (o && run->is_json) {
		field_print_json(o);
	} else if (o) {
		print_line(o, r);
	}
	json_decref(o);
}

/* The end of what is there: the last records, as a list or line by line. */
static void show_kept(const struct log_run *run)
{
	uint64_t from = run->n_kept > run->last ? run->n_kept - run->last : 0;
	json_t *list = run->is_json && !run->is_following ? json_array() : NULL;

	for (uint64_t i = from; i < run->n_kept; i++) {
		const struct pinfold_guard_record *r = &run->kept[i % run->last];

		if (list) {
			json_array_append_new(list, guard_record_json(r));
		} else {
			show(run, r);
		}
	}
	if (list) {
		field_print_json(list);
		json_decref(list);
	}
}

/* The module writes on while we read; what it overwrites first is gone. */
static enum guard_finding step(struct log_run *run, const struct pinfold_guard_record *r)
{
	enum guard_finding finding = guard_chain_step(&run->chain, r);

	if (finding == GUARD_MISSING && run->source.is_live) {
		fprintf(stderr,
			"pinfold: records %" PRIu64 " to %" PRIu64
			" were overwritten before they could be read\n",
			run->chain.last + 1, le64toh(r->seq) - 1);
		run->chain = (struct guard_chain){ 0 };
		finding = guard_chain_step(&run->chain, r);
	}
	return finding;
}

/* All that is there now. @return 0; negative errno with a sentence */
static int take(struct log_run *run, void (*each)(struct log_run *, struct pinfold_guard_record *),
		struct errmsg *e)
{
	char place[GUARD_PLACE_BYTES];
	struct pinfold_guard_record r;
	enum guard_finding finding;
	int n;

	while ((n = guard_source_next(&run->source, &r)) > 0) {
		finding = step(run, &r);
		if (finding != GUARD_INTACT) {
			return errmsg_set(e, -EBADMSG, "%s %s",
					  guard_chain_place(&run->chain, place),
					  guard_finding_text(finding));
		}
		each(run, &r);
	}
	if (n == -EBADMSG) {
		return errmsg_set(e, n, "%s %s", guard_chain_place(&run->chain, place),
				  guard_finding_text(GUARD_UNFINISHED));
	}
	return n < 0 ? errmsg_set(e, n, "%s", strerror(-n)) : 0;
}

static void keep(struct log_run *run, struct pinfold_guard_record *r)
{
	run->kept[run->n_kept++ % run->last] = *r;
}

static void show_now(struct log_run *run, struct pinfold_guard_record *r)
{
	show(run, r);
}

static int follow(struct log_run *run, struct errmsg *e)
{
	int r;

	do {
		fflush(stdout);
		r = guard_source_wait(&run->source);
		r = r < 0 ? errmsg_set(e, r, "the log has gone") : take(run, show_now, e);
	} while (r == 0);
	return r;
}

static int run(struct cmd_run *cmd)
{
	struct log_run *run = cmd->own;
	const char *path = cmd->n_operands > 0 ? cmd->operand[0] : GUARD_LOG_PATH;
	struct errmsg e = { 0 };
	int r;

	run->is_json = cmd->is_json;
	run->kept = calloc(run->last, sizeof(*run->kept));
	r = run->kept ? guard_source_open(&run->source, path, &e)
		      : errmsg_set(&e, -ENOMEM, "out of memory");
	if (r == -ENOENT && cmd->n_operands == 0) {
		errmsg_set(&e, r,
			   "the guard is not loaded; 'pinfold guard status' says what is missing");
	}
	if (r == 0) {
		r = take(run, keep, &e);
		show_kept(run);
		if (r == 0 && run->is_following && run->source.is_live) {
			r = follow(run, &e);
		}
		if (r < 0) {
			errmsg_prefix(&e, "%s: ", path);
		}
		guard_source_close(&run->source);
	}
	free(run->kept);
	return r < 0 ? cmd_fail(&e) : 0;
}

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct log_run *run = own;

	switch (key) {
	case 'f':
		run->is_following = true;
		return 0;
	case 'n':
		if (parse_u64(arg, &run->last, e) < 0 || run->last == 0 || run->last > LAST_MAX) {
			return errmsg_set(e, -EINVAL,
					  "--last: '%.40s' is not a number from 1 to %u", arg,
					  LAST_MAX);
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_guard_log(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "last", 'n', "N", 0, "the last N records (default 50)", 1 },
		{ "follow", 'f', NULL, 0, "go on with what is logged from now on", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Print what the guard has logged: the last records in the kernel (root), or "
		       "of a copy. Each is checked to follow from the one before.\v"
		       "Whether a copy was replaced as a whole is what 'pinfold audit verify "
		       "--guard' looks for.\n\nExample:\n"
		       "    pinfold guard log --follow",
		.operands = "[FILE]",
		.max = 1,
		.flags = CMD_JSON | CMD_LOCAL,
		.options = options,
		.option = take_option,
		.run = run,
	};
	struct log_run own = { .last = 50, .source = { .fd = -1 } };

	return cmd_main(&cmd, &own, argc, argv);
}
