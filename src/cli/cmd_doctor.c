/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold doctor: what this host offers, what is missing, and what that costs. */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/bits.h"
#include "cli/arch.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/cores.h"
#include "cli/disas.h"
#include "cli/engines.h"
#include "cli/guard_module.h"
#include "cli/socket_access.h"
#include "host/fair.h"
#include "launch/isolation.h"
#include "launch/partition_probe.h"
#include "launch/pool_claim.h"

/* Above the characters: no short form. */
enum { KEY_JSON = 256 };

/* All that was found. */
struct findings {
	struct utsname host;
	struct cores cores;
	struct partition_probe partition;
	struct host_fair_state fair; /* on the pool */
	struct host_throttle throttle;
	int throttle_error; /* why it can't be read */
	struct engines engines;
	struct errmsg engines_error; /* why there are none */
	char *socket;		     /* where a daemon of this machine would be */
	struct socket_access access;
	struct guard_module guard;
	int n_items;
	struct isolation_item items[ISOLATION_ITEMS_MAX];
};

static void gather_gaps(struct findings *f)
{
	struct host_cpus pool = { 0 };

	for (size_t i = 0; i < f->cores.n; i++) {
		if (f->cores.core[i].roles & CORE_POOL) {
			host_cpus_add(&pool, f->cores.core[i].id);
		}
	}
	host_fair_look("", &pool, &f->fair);
	f->throttle_error = host_throttle_read("", &f->throttle);
}

static void gather(struct findings *f)
{
	struct errmsg e = { 0 };

	uname(&f->host);
	if (cores_plan(&f->cores, &e) < 0) {
		fprintf(stderr, "pinfold: %s\n", e.text);
	}
	partition_probe("", (unsigned int)f->cores.n, &f->partition);
	gather_gaps(f);
	if (engines_probe(&f->engines, &f->engines_error) < 0) {
		f->engines.n = 0;
	}
	f->socket = client_socket_path(NULL);
	socket_access_look(f->socket ? f->socket : "", &f->access);
	guard_module_look("", f->host.release, &f->guard);
	f->n_items = isolation_probe(f->items);
}

static bool has_engine(const struct findings *f, const char *arch)
{
	for (size_t i = 0; i < f->engines.n; i++) {
		if (f->engines.pair[i].is_usable && strcmp(f->engines.pair[i].arch, arch) == 0) {
			return true;
		}
	}
	return false;
}

static bool has_engine_for_all(const struct findings *f)
{
	for (size_t i = 0; i < arch_names_count; i++) {
		if (!has_engine(f, arch_names[i].name)) {
			return false;
		}
	}
	return true;
}

static void print_cores(const struct findings *f)
{
	printf("Cores: %zu online, %zu usable here; the roles they would have\n", f->cores.n_online,
	       f->cores.n);
	for (size_t i = 0; i < f->cores.n; i++) {
		const struct core *c = &f->cores.core[i];
		bool is_smt = strpbrk(c->siblings, ",-") != NULL;
		struct pool_rival holder;

		printf("  %-4u %s%s%s", c->id, cores_roles_name(c->roles),
		       is_smt ? "; threads of one core: " : "", is_smt ? c->siblings : "");
		if (pool_claim_is_held(NULL, (uint16_t)c->id, &holder)) {
			printf("; in the pool of pinfoldd (pid %d, run folder %s)", holder.pid,
			       holder.who);
		}
		printf("\n");
	}
}

static void print_partition(const struct findings *f)
{
	printf("\nPartition of the cores: the daemon takes the first that works\n");
	for (size_t i = 0; i < PARTITION_WAYS; i++) {
		const struct partition_item *it = &f->partition.item[i];

		printf("  %-10s %-4s %s\n", it->name, it->is_possible ? "yes" : "no", it->why);
		printf("  %-10s %-4s promises: %s\n", "", "", it->promise);
	}
}

/* "on", "off", "none" or "unknown". */
static const char *fair_state(const struct findings *f)
{
	return f->fair.error == -ENOTSUP      ? "none"
	       : f->fair.error < 0	      ? "unknown"
	       : f->fair.most.runtime_ns == 0 ? "off"
					      : "on";
}

static const char *throttle_state(const struct findings *f)
{
	return f->throttle_error < 0 ? "unknown" : f->throttle.is_in_force ? "on" : "off";
}

static void print_gaps(const struct findings *f)
{
	const struct host_fair *most = &f->fair.most;

	printf("\nGaps: what the kernel takes from real-time VMs on pool cores\n");
	printf("  %-12s %-7s ", "fair server", fair_state(f));
	if (f->fair.error < 0) {
		printf("%s\n", host_fair_why(f->fair.error));
	} else if (most->runtime_ns == 0) {
		printf("ordinary tasks wait as long as VMs use the core\n");
	} else {
		printf("%.3g of each %.4g ms, if ordinary tasks want the core; pinfoldd "
		       "--fair-server makes it less\n",
		       (double)most->runtime_ns / 1e6, (double)most->period_ns / 1e6);
	}
	printf("  %-12s %-7s ", "throttling", throttle_state(f));
	if (f->throttle_error < 0) {
		printf("%s\n", strerror(-f->throttle_error));
	} else if (f->throttle.is_in_force) {
		printf("%.3g ms of each second, wanted or not; pinfoldd --rt-throttling=off ends "
		       "it\n",
		       (double)host_throttle_ns_per_s(&f->throttle) / 1e6);
	} else {
		printf("real-time threads are not stopped\n");
	}
}

static void print_socket(const struct findings *f)
{
	const struct socket_access *a = &f->access;

	printf("\nSocket of the daemon\n");
	printf("  %s %s: %s\n", f->socket ? f->socket : "unknown",
	       !a->is_there   ? "is not there"
	       : a->is_usable ? "can be used"
			      : "can't be used",
	       a->detail);
}

static void print_engines(const struct findings *f)
{
	printf("\nEngines: slowdown is the expected one against native code\n");
	if (f->engines.n == 0) {
		printf("  none: %s\n", f->engines_error.text);
		return;
	}
	printf("  %-8s %-8s %-7s %8s  %s\n", "guest", "engine", "usable", "slowdown", "detail");
	for (size_t i = 0; i < f->engines.n; i++) {
		const struct engine_pair *p = &f->engines.pair[i];
		char slowdown[16] = "-";

		if (p->is_usable) {
			snprintf(slowdown, sizeof(slowdown), "%ux", p->slowdown);
		}
		printf("  %-8s %-8s %-7s %8s  %s\n", p->arch, p->engine,
		       p->is_usable ? "yes" : "no", slowdown, p->detail);
	}
}

static void print_guard(const struct findings *f)
{
	printf("\nGuard: two emergency terminals in the kernel\n");
	guard_module_print(&f->guard);
}

static void print_isolation(const struct findings *f)
{
	printf("\nIsolation of a VM process\n");
	for (int i = 0; i < f->n_items; i++) {
		const struct isolation_item *it = &f->items[i];

		printf("  %-22s %-4s %s\n", it->name, it->is_available ? "yes" : "no", it->detail);
	}
}

static void print_disassembly(void)
{
	printf("\nDisassembly\n");
	for (size_t i = 0; i < arch_names_count; i++) {
		struct disas *d = disas_new(arch_names[i].id);
		const char *lack = d ? disas_lack(d) : "out of memory";

		printf("  %-8s %-4s %s\n", arch_names[i].name, lack ? "no" : "yes",
		       lack ? lack : disas_name(d));
		disas_free(d);
	}
}

/* A slowdown above this is no CPU's own speed: the kernel emulates. */
#define SLOWDOWN_NATIVE_MAX 10

/* What the lack of real hardware virtualization costs; NULL where it is there. */
static const char *kvm_cost(const struct findings *f)
{
	for (size_t i = 0; i < f->engines.n; i++) {
		const struct engine_pair *p = &f->engines.pair[i];

		if (strcmp(p->engine, "kvm") != 0 || strcmp(p->arch, "x64") != 0) {
			continue;
		}
		if (!p->is_usable) {
			return "x86 and x64 guests run on unicorn, never at the CPU's own speed";
		}
		return p->slowdown > SLOWDOWN_NATIVE_MAX
			       ? "KVM emulates privileged x86 code; only ring 3 of x64 is native"
			       : NULL;
	}
	return NULL;
}

/* Whether a pool core has a sibling that is used, too. */
static bool has_shared_core(const struct findings *f)
{
	for (size_t i = 0; i < f->cores.n; i++) {
		const struct core *c = &f->cores.core[i];

		for (size_t k = 0; k < f->cores.n; k++) {
			const struct core *other = &f->cores.core[k];

			if (k != i && c->roles & CORE_POOL && other->physical == c->physical) {
				return true;
			}
		}
	}
	return false;
}

static void print_missing(const struct findings *f)
{
	const char *cost = kvm_cost(f);
	size_t n = 0;

	printf("\nMissing here, and what that costs\n");
	for (size_t i = 0; i < arch_names_count; i++) {
		if (!has_engine(f, arch_names[i].name)) {
			printf("  %-22s no %s guest can run\n", "engine", arch_names[i].name);
			n++;
		}
	}
	if (cost) {
		printf("  %-22s %s\n", "hardware KVM", cost);
		n++;
	}
	for (int i = 0; i < f->n_items; i++) {
		if (!f->items[i].is_available) {
			printf("  %-22s %s\n", f->items[i].name, f->items[i].cost);
			n++;
		}
	}
	if (has_shared_core(f)) {
		printf("  %-22s %s\n", "whole physical cores",
		       "guests on threads of one core share its pace and caches, and can spy by "
		       "both; booting with 'nosmt' ends that");
		n++;
	}
	if (!f->partition.item[PARTITION_WAY_ISOLATED].is_possible) {
		printf("  %-22s %s\n", "isolated pool cores",
		       "other tasks of the host may run on pool cores: they are counted and shown");
		n++;
	}
	if (partition_probe_best(&f->partition) == PARTITION_WAY_ORDINARY) {
		printf("  %-22s %s\n", "real-time priority",
		       "whatever else runs on the host delays VMs and the scheduler");
		n++;
	}
	if (n == 0) {
		printf("  nothing\n");
	}
}

static json_t *json_cores(const struct findings *f)
{
	json_t *o = json_object();
	json_t *plan = json_array();

	for (size_t i = 0; i < f->cores.n; i++) {
		const struct core *c = &f->cores.core[i];
		json_t *item = json_object();
		json_t *roles = json_array();
		struct pool_rival holder;

		if (c->roles & CORE_CONTROL) {
			json_array_append_new(roles, json_string("control"));
		}
		if (c->roles & CORE_HOUSEKEEPING) {
			json_array_append_new(roles, json_string("housekeeping"));
		}
		if (c->roles & CORE_POOL) {
			json_array_append_new(roles, json_string("pool"));
		}
		json_object_set_new(item, "core", json_integer(c->id));
		json_object_set_new(item, "roles", roles);
		json_object_set_new(item, "siblings", json_string(c->siblings));
		json_object_set_new(item, "claimed_by",
				    pool_claim_is_held(NULL, (uint16_t)c->id, &holder)
					    ? json_pack("{si ss*}", "pid", (int)holder.pid,
							"run_dir", holder.who)
					    : json_null());
		json_array_append_new(plan, item);
	}
	json_object_set_new(o, "online", json_integer((json_int_t)f->cores.n_online));
	json_object_set_new(o, "plan", plan);
	return o;
}

static json_t *json_partition(const struct findings *f)
{
	json_t *o = json_object();
	json_t *a = json_array();

	for (size_t i = 0; i < PARTITION_WAYS; i++) {
		const struct partition_item *it = &f->partition.item[i];
		json_t *item = json_object();

		json_object_set_new(item, "name", json_string(it->name));
		json_object_set_new(item, "possible", json_boolean(it->is_possible));
		json_object_set_new(item, "detail", json_string(it->why));
		json_object_set_new(item, "promise", json_string(it->promise));
		json_array_append_new(a, item);
	}
	json_object_set_new(o, "best",
			    json_string(partition_way_name(partition_probe_best(&f->partition))));
	json_object_set_new(o, "backends", a);
	return o;
}

static json_t *json_gaps(const struct findings *f)
{
	bool is_known = f->fair.error == 0;
	json_t *o = json_object();

	json_object_set_new(o, "state", json_string(fair_state(f)));
	json_object_set_new(o, "runtime_ns",
			    is_known ? json_integer((json_int_t)f->fair.most.runtime_ns)
				     : json_null());
	json_object_set_new(o, "period_ns",
			    is_known ? json_integer((json_int_t)f->fair.most.period_ns)
				     : json_null());
	json_object_set_new(o, "throttling", json_string(throttle_state(f)));
	json_object_set_new(o, "throttled_ns_per_s",
			    f->throttle_error == 0
				    ? json_integer((json_int_t)host_throttle_ns_per_s(&f->throttle))
				    : json_null());
	json_object_set_new(o, "detail",
			    is_known ? json_null() : json_string(host_fair_why(f->fair.error)));
	return o;
}

static json_t *json_words(const char *text)
{
	json_t *a = json_array();

	while (*text) {
		size_t len = strcspn(text, " ");

		json_array_append_new(a, json_stringn(text, len));
		text += len + (text[len] == ' ');
	}
	return a;
}

static json_t *json_socket(const struct findings *f)
{
	const struct socket_access *a = &f->access;

	return json_pack("{ss sb sb so ss}", "path", f->socket ? f->socket : "", "exists",
			 (int)a->is_there, "usable", (int)a->is_usable, "group",
			 a->group[0] ? json_string(a->group) : json_null(), "detail", a->detail);
}

static json_t *json_engines(const struct findings *f)
{
	json_t *a = json_array();

	for (size_t i = 0; i < f->engines.n; i++) {
		const struct engine_pair *p = &f->engines.pair[i];
		json_t *o = json_object();

		json_object_set_new(o, "arch", json_string(p->arch));
		json_object_set_new(o, "engine", json_string(p->engine));
		json_object_set_new(o, "usable", json_boolean(p->is_usable));
		json_object_set_new(o, "slowdown",
				    p->is_usable ? json_integer(p->slowdown) : json_null());
		json_object_set_new(o, "capabilities", json_words(p->caps));
		json_object_set_new(o, "detail", json_string(p->detail));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *json_isolation(const struct findings *f)
{
	json_t *a = json_array();

	for (int i = 0; i < f->n_items; i++) {
		const struct isolation_item *it = &f->items[i];
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(it->name));
		json_object_set_new(o, "available", json_boolean(it->is_available));
		json_object_set_new(o, "detail", json_string(it->detail));
		json_object_set_new(o, "cost",
				    it->is_available ? json_null() : json_string(it->cost));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *json_disassembly(void)
{
	json_t *o = json_object();

	for (size_t i = 0; i < arch_names_count; i++) {
		struct disas *d = disas_new(arch_names[i].id);
		bool is_there = d && !disas_lack(d);

		json_object_set_new(o, arch_names[i].name,
				    is_there ? json_string(disas_name(d)) : json_null());
		disas_free(d);
	}
	return o;
}

static void print_json(const struct findings *f)
{
	json_t *o = json_object();
	json_t *host = json_object();

	json_object_set_new(host, "kernel", json_string(f->host.release));
	json_object_set_new(host, "machine", json_string(f->host.machine));
	json_object_set_new(o, "version", json_string(PINFOLD_VERSION));
	json_object_set_new(o, "host", host);
	json_object_set_new(o, "cores", json_cores(f));
	json_object_set_new(o, "partition", json_partition(f));
	json_object_set_new(o, "fair_server", json_gaps(f));
	json_object_set_new(o, "socket", json_socket(f));
	json_object_set_new(o, "engines", json_engines(f));
	json_object_set_new(o, "isolation", json_isolation(f));
	json_object_set_new(o, "disassembly", json_disassembly());
	json_object_set_new(o, "guard", guard_module_json(&f->guard));
	json_object_set_new(o, "complete", json_boolean(has_engine_for_all(f)));
	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

static void print_text(const struct findings *f)
{
	printf("pinfold %s on Linux %s (%s)\n\n", PINFOLD_VERSION, f->host.release,
	       f->host.machine);
	print_cores(f);
	print_partition(f);
	print_gaps(f);
	print_socket(f);
	print_engines(f);
	print_isolation(f);
	print_disassembly();
	print_guard(f);
	print_missing(f);
}

static error_t parse_key(int key, char *arg, struct argp_state *state)
{
	bool *is_json = state->input;

	if (key == KEY_JSON) {
		*is_json = true;
		return 0;
	}
	if (key == ARGP_KEY_ARG) {
		argp_error(state, "'%s' is one argument too many", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "json", KEY_JSON, NULL, 0, "print one JSON object", 0 },
		{ 0 },
	};
	static const struct argp parser = {
		options,
		parse_key,
		NULL,
		"Say what this host offers Pinfold, what is missing and what that costs.\v"
		"Exit status: 0 when at least one engine works for every architecture, else 1; 125 "
		"for wrong options.",
		NULL,
		NULL,
		NULL,
	};
	struct findings *f;
	bool is_json = false;
	int status;

	argp_err_exit_status = EXIT_STATUS_ERROR;
	argp_parse(&parser, argc, argv, 0, NULL, &is_json);
	f = calloc(1, sizeof(*f));
	if (!f) {
		fprintf(stderr, "pinfold: out of memory\n");
		return EXIT_STATUS_ERROR;
	}
	gather(f);
	if (is_json) {
		print_json(f);
	} else {
		print_text(f);
	}
	status = has_engine_for_all(f) ? 0 : 1;
	free(f->socket);
	free(f);
	return status;
}
