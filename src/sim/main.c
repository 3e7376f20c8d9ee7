/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold-sim: the scheduler under a simulated clock. Exit status: 0 fine, 1 a violation, 2 usage. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "sim/monitor.h"
#include "sim/world.h"

#define SHRINK_STEPS 20000000ULL
#define LAST_SHOWN   40

struct args {
	struct sim_options o;
	struct sim_mix mix;
	struct sim_faults faults;
	const char *timeline;
	uint64_t seeds;
	bool json;
};

static const char usage_text[] =
	"Usage: pinfold-sim [OPTION...]\n"
	"Run Pinfold's scheduler on a simulated machine and check every decision.\n\n"
	"  --cores N        pool cores (default 4)\n"
	"  --vms N          VMs (default 16)\n"
	"  --seed S         one seed, one run (default 1)\n"
	"  --seeds N        that many runs, from --seed on\n"
	"  --hours H        simulated time in hours; --time T takes a unit (default 10s)\n"
	"  --decisions N    stop after so many decisions\n"
	"  --mix FILE       what the VMs do (default: they compute)\n"
	"  --faults FILE    what goes wrong (default: nothing)\n"
	"  --no-checks      no invariants, no referee: for speed\n"
	"  --full-every N   check the whole state every N decisions (default 10000)\n"
	"  --timeline FILE  draw the first stretches of execution as SVG\n"
	"  --json           result as one JSON object\n"
	"  --help\n";

enum {
	OPT_CORES = 256,
	OPT_VMS,
	OPT_SEED,
	OPT_SEEDS,
	OPT_HOURS,
	OPT_TIME,
	OPT_DECISIONS,
	OPT_MIX,
	OPT_FAULTS,
	OPT_NO_CHECKS,
	OPT_FULL_EVERY,
	OPT_TIMELINE,
	OPT_JSON,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "cores", required_argument, NULL, OPT_CORES },
	{ "vms", required_argument, NULL, OPT_VMS },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "seeds", required_argument, NULL, OPT_SEEDS },
	{ "hours", required_argument, NULL, OPT_HOURS },
	{ "time", required_argument, NULL, OPT_TIME },
	{ "decisions", required_argument, NULL, OPT_DECISIONS },
	{ "mix", required_argument, NULL, OPT_MIX },
	{ "faults", required_argument, NULL, OPT_FAULTS },
	{ "no-checks", no_argument, NULL, OPT_NO_CHECKS },
	{ "full-every", required_argument, NULL, OPT_FULL_EVERY },
	{ "timeline", required_argument, NULL, OPT_TIMELINE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static int parse_u32(const char *text, uint32_t max, uint32_t *ret, struct errmsg *e)
{
	uint64_t v;
	int r;

	r = parse_u64(text, &v, e);
	if (r < 0) {
		return r;
	}
	if (v == 0 || v > max) {
		return errmsg_set(e, -ERANGE, "%s is not between 1 and %u", text, max);
	}
	*ret = (uint32_t)v;
	return 0;
}

static int parse_hours(const char *text, ns_t *ret_ns, struct errmsg *e)
{
	char with_unit[64];

	if (snprintf(with_unit, sizeof(with_unit), "%sh", text) >= (int)sizeof(with_unit)) {
		return errmsg_set(e, -EINVAL, "\"%s\" is no number of hours", text);
	}
	return parse_duration_ns(with_unit, ret_ns, e);
}

static int take_option(struct args *a, int opt, struct errmsg *e)
{
	switch (opt) {
	case OPT_CORES:
		return parse_u32(optarg, SCHED_CORES_MAX, &a->o.cores, e);
	case OPT_VMS:
		return parse_u32(optarg, 1000000, &a->o.vms, e);
	case OPT_SEED:
		return parse_u64(optarg, &a->o.seed, e);
	case OPT_SEEDS:
		return parse_u64(optarg, &a->seeds, e);
	case OPT_HOURS:
		return parse_hours(optarg, &a->o.duration_ns, e);
	case OPT_TIME:
		return parse_duration_ns(optarg, &a->o.duration_ns, e);
	case OPT_DECISIONS:
		return parse_u64(optarg, &a->o.max_events, e);
	case OPT_MIX:
		return sim_mix_read(optarg, &a->mix, e);
	case OPT_FAULTS:
		return sim_faults_read(optarg, &a->faults, e);
	case OPT_NO_CHECKS:
		a->o.checks = false;
		return 0;
	case OPT_FULL_EVERY:
		return parse_u32(optarg, UINT32_MAX, &a->o.full_every, e);
	case OPT_TIMELINE:
		a->timeline = optarg;
		a->o.timeline = true;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	default:
		return errmsg_set(e, -EINVAL, "see pinfold-sim --help");
	}
}

/* Thousands of tries may end in the same BUG_ON, each with its line on stderr: once is enough. */
static bool shrink_quietly(struct sim_trace *t)
{
	_cleanup_close_ int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	bool is_shown;

	fflush(stderr);
	if (saved >= 0 && null >= 0) {
		dup2(null, STDERR_FILENO);
	}
	is_shown = sim_trace_shrink(t, SHRINK_STEPS);
	if (saved >= 0) {
		dup2(saved, STDERR_FILENO);
	}
	return is_shown;
}

static void show_failure(const struct args *a, struct sim_trace *t, const struct sim_result *r)
{
	size_t all = t->n;

	fprintf(stderr,
		"pinfold-sim: %s broken: seed=%" PRIu64 " cores=%u vms=%u decisions=%" PRIu64 "\n",
		sim_verdict_name(r->verdict), a->o.seed, a->o.cores, a->o.vms, r->decisions);
	if (!shrink_quietly(t)) {
		fprintf(stderr, "the trace %s; its last events:\n",
			t->is_cut ? "is too long to shrink"
				  : "does not show it without the machine around it");
		sim_trace_print(t, t->n > LAST_SHOWN ? t->n - LAST_SHOWN : 0, stderr);
		return;
	}
	fprintf(stderr, "shortest trace found: %zu of %zu events\n", t->n, all);
	sim_trace_print(t, 0, stderr);
}

static void show_text(const struct sim_result *r)
{
	const struct sched_stats *s = &r->stats;

	printf("%" PRIu64 " decisions in %.3f simulated seconds, %.1f times real time\n",
	       r->decisions, (double)r->sim_ns / 1e9, (double)r->sim_ns / 1e9 / r->wall_s);
	printf("grants %" PRIu64 ", revokes %" PRIu64 ", signals %" PRIu64 ", freezes %" PRIu64
	       ", kills %" PRIu64 ", faults %" PRIu64 ", robbed %" PRIu64 ", restarts %" PRIu64
	       "\n",
	       s->grants, s->revokes, s->signals, s->freezes, s->kills, s->faults, s->robbed,
	       r->restarts);
	printf("wait: mean %.3f ms, longest %.3f ms; Jain %.6f over %" PRIu64 " vCPUs\n",
	       (double)r->mean_wait_ns / 1e6, (double)r->max_wait_ns / 1e6, r->jain, r->jain_of);
	printf("%.1f ns per decision (%.1f with cold caches); violations %" PRIu64
	       "; event hash %016" PRIx64 "\n",
	       r->ns_per_decision, r->ns_per_decision_cold, r->violations, r->event_hash);
}

static void show_json(const struct args *a, const struct sim_result *r)
{
	const struct sched_stats *s = &r->stats;

	printf("{\"cores\":%u,\"vms\":%u,\"seed\":%" PRIu64 ",\"sim_s\":%.6f,\"wall_s\":%.3f,"
	       "\"cpu_s\":%.3f,\"speed\":%.1f,\"cpu_speed\":%.1f,\"grants\":%" PRIu64
	       ",\"extended\":%" PRIu64 ",\"revokes\":%" PRIu64 ",\"signals\":%" PRIu64
	       ",\"freezes\":%" PRIu64 ",\"kills\":%" PRIu64 ",\"faults\":%" PRIu64
	       ",\"robbed\":%" PRIu64 ",\"excl_granted\":%" PRIu64 ",\"cap_lowered\":%" PRIu64
	       ",\"restarts\":%" PRIu64 ",\"refused\":%" PRIu64
	       ",\"verdict\":\"%s\",\"mean_wait_ns\":%" PRIu64 ",",
	       a->o.cores, a->o.vms, a->o.seed, (double)r->sim_ns / 1e9, r->wall_s, r->cpu_s,
	       (double)r->sim_ns / 1e9 / r->wall_s, (double)r->sim_ns / 1e9 / r->cpu_s, s->grants,
	       s->extended, s->revokes, s->signals, s->freezes, s->kills, s->faults, s->robbed,
	       s->excl_granted, s->cap_lowered, r->restarts, r->refused,
	       sim_verdict_name(r->verdict), r->mean_wait_ns);
	printf("\"decisions\":%" PRIu64 ",\"violations\":%" PRIu64 ",\"event_hash\":\"%016" PRIx64
	       "\",\"ns_per_decision\":%.1f,\"ns_per_decision_cold\":%.1f,\"max_wait_ns\":%" PRIu64
	       ",\"jain\":%.6f}\n",
	       r->decisions, r->violations, r->event_hash, r->ns_per_decision,
	       r->ns_per_decision_cold, r->max_wait_ns, r->jain);
}

/* One seed, one run: the same once more, and this time its events are kept. */
static int trace_seed(const struct args *a, struct sim_trace *t, struct errmsg *e)
{
	struct sim_options o = a->o;
	struct sim_result again;

	o.trace = true;
	o.timeline = false;
	o.sample_events = 0;
	sim_trace_done(t);
	return sim_run(&o, &a->mix, &a->faults, t, &again, e);
}

/* @return exit status */
static int run_seed(const struct args *a, bool quiet, uint64_t *decisions)
{
	struct sim_trace t = { 0 };
	struct sim_result r;
	struct errmsg e = { 0 };
	int status;

	if (sim_run(&a->o, &a->mix, &a->faults, &t, &r, &e) < 0) {
		fprintf(stderr, "pinfold-sim: %s\n", e.text);
		return 2;
	}
	status = r.violations ? 1 : 0;
	*decisions += r.decisions;
	if (a->json && !quiet) {
		show_json(a, &r);
	} else if (!quiet) {
		show_text(&r);
	}
	if (status && trace_seed(a, &t, &e) < 0) {
		fprintf(stderr, "pinfold-sim: %s\n", e.text);
	}
	if (status) {
		show_failure(a, &t, &r);
	}
	if (a->timeline && sim_timeline_write(a->timeline, &r, a->o.cores, &e) < 0) {
		fprintf(stderr, "pinfold-sim: %s\n", e.text);
		status = 2;
	}
	free(r.spans);
	sim_trace_done(&t);
	return status;
}

static int run_all(struct args *a)
{
	uint64_t decisions = 0;
	uint64_t first = a->o.seed;
	int status = 0;

	if (a->seeds == 1) {
		return run_seed(a, false, &decisions);
	}
	for (uint64_t i = 0; status == 0 && i < a->seeds; i++) {
		a->o.seed = first + i;
		status = run_seed(a, true, &decisions);
	}
	if (status == 0) {
		printf("%" PRIu64 " seeds, %" PRIu64 " decisions, no violation\n", a->seeds,
		       decisions);
	}
	return status;
}

int main(int argc, char **argv)
{
	struct args a = { .o = { .cores = 4,
				 .vms = 16,
				 .seed = 1,
				 .duration_ns = 10 * NS_PER_S,
				 .full_every = 10000,
				 .checks = true,
				 .sample_events = 500000 },
			  .seeds = 1 };
	struct errmsg e = { 0 };
	int opt;

	sim_mix_defaults(&a.mix);
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (opt == OPT_HELP) {
			fputs(usage_text, stdout);
			return 0;
		}
		if (take_option(&a, opt, &e) < 0) {
			fprintf(stderr, "pinfold-sim: %s\n", e.text);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "pinfold-sim: unexpected argument \"%s\"\n", argv[optind]);
		return 2;
	}
	if (a.seeds > 1) {
		a.o.sample_events = 0;
	}
	return run_all(&a);
}
