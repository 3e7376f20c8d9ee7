/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GET /metrics for Prometheus (text format 0.0.4). Values are collected first, then written family by family,
 * because all samples of a family stand together below its one HELP and TYPE. Ordinary users get the
 * numbers of the machine and of their own VMs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api_internal.h"

/* One VM, as much as is shown. */
struct vm_row {
	char id[VMS_ID_BYTES];
	char name[SPEC_NAME_MAX + 1];
	char owner[65];
	enum vms_state state;
	uint32_t slot;
	uint64_t cpu_ns, wait_ns, slices, preemptions, memory_bytes;
};

struct page {
	struct api *a;
	FILE *f;
	bool sees_all;
	uid_t uid;
	struct vm_row *vms;
	size_t n_vms, max_vms;
	struct dispatch_core_info *cores;
	uint32_t n_cores;
};

static int vm_visit(void *arg, const struct vms_info *i)
{
	struct page *p = arg;
	struct vm_row *row;
	struct users_info owner;

	if (!p->sees_all && i->owner != p->uid) {
		return 0;
	}
	if (p->n_vms == p->max_vms) {
		row = realloc(p->vms, (p->max_vms * 2 + 64) * sizeof(*row));
		if (!row) {
			return -ENOMEM;
		}
		p->vms = row;
		p->max_vms = p->max_vms * 2 + 64;
	}
	row = &p->vms[p->n_vms++];
	users_get(p->a->o.users, i->owner, &owner);
	memcpy(row->id, i->id, sizeof(row->id));
	memcpy(row->name, i->spec.name, sizeof(row->name));
	memcpy(row->owner, owner.name, sizeof(row->owner));
	row->state = i->state;
	row->slot = i->slot;
	row->cpu_ns = i->cpu_ns;
	row->wait_ns = i->wait_ns;
	row->slices = i->slices;
	row->preemptions = i->dispatch.preemptions;
	row->memory_bytes = i->memory_bytes;
	return 0;
}

/* The value of a label: backslash, quote and newline are escaped. */
static void put_label(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", f);
			continue;
		}
		if (*text == '\\' || *text == '"') {
			fputc('\\', f);
		}
		fputc(*text, f);
	}
}

static void family(struct page *p, const char *name, const char *type, const char *help)
{
	fprintf(p->f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Nanoseconds as seconds, exactly. */
static void put_seconds(FILE *f, uint64_t ns)
{
	fprintf(f, "%" PRIu64 ".%09" PRIu64 "\n", ns / (uint64_t)NS_PER_S, ns % (uint64_t)NS_PER_S);
}

static void put_value(FILE *f, const char *name, uint64_t v)
{
	if (strstr(name, "_seconds")) {
		put_seconds(f, v);
	} else {
		fprintf(f, "%" PRIu64 "\n", v);
	}
}

static void single(struct page *p, const char *name, const char *type, const char *help, uint64_t v)
{
	family(p, name, type, help);
	fprintf(p->f, "%s ", name);
	put_value(p->f, name, v);
}

static const struct vm_row *row_of_slot(const struct page *p, uint32_t slot)
{
	for (size_t i = 0; slot != SCHED_NONE && i < p->n_vms; i++) {
		if (p->vms[i].slot == slot) {
			return &p->vms[i];
		}
	}
	return NULL;
}

static const char *role_name(const struct sched_roles *roles, uint16_t host_core)
{
	switch (sched_roles_of(roles, host_core)) {
	case SCHED_ROLE_CONTROL:
		return "control";
	case SCHED_ROLE_HOUSEKEEPING:
		return "housekeeping";
	case SCHED_ROLE_POOL:
		return "pool";
	case SCHED_ROLE_NONE:
		break;
	}
	return "none";
}

static void put_core_info(struct page *p)
{
	const struct sched_roles *roles = partition_roles(p->a->o.partition);

	family(p, "pinfold_core_info", "gauge",
	       "Role of a core, and the VM that holds it; always 1");
	if (sched_roles_of(roles, roles->control) == SCHED_ROLE_CONTROL && !roles->guests_lowest) {
		fprintf(p->f, "pinfold_core_info{core=\"%u\",role=\"control\",holder=\"\"} 1\n",
			roles->control);
	}
	if (roles->housekeeping != roles->control) {
		fprintf(p->f,
			"pinfold_core_info{core=\"%u\",role=\"housekeeping\",holder=\"\"} 1\n",
			roles->housekeeping);
	}
	for (uint32_t i = 0; i < p->n_cores; i++) {
		const struct vm_row *row = row_of_slot(p, p->cores[i].holder);

		fprintf(p->f, "pinfold_core_info{core=\"%u\",role=\"%s\",holder=\"",
			p->cores[i].host_core, role_name(roles, p->cores[i].host_core));
		put_label(p->f, row ? row->name : "");
		fputs("\"} 1\n", p->f);
	}
}

static const struct {
	const char *name, *type, *help;
	size_t offset;
} core_families[] = {
	{ "pinfold_core_switches_total", "counter", "Times that another vCPU got the core",
	  offsetof(struct sched_core_info, switches) },
	{ "pinfold_core_lock_waits_total", "counter", "Waits for the lock of the core",
	  offsetof(struct sched_core_info, lock_waits) },
	{ "pinfold_core_lock_wait_seconds_total", "counter", "Time waited for the lock",
	  offsetof(struct sched_core_info, lock_wait_ns) },
	{ "pinfold_core_lock_wait_max_seconds", "gauge", "Longest wait for the lock",
	  offsetof(struct sched_core_info, lock_wait_max_ns) },
	{ "pinfold_core_lock_holds_total", "counter", "Times that the lock was held",
	  offsetof(struct sched_core_info, lock_holds) },
	{ "pinfold_core_lock_hold_seconds_total", "counter", "Time that the lock was held",
	  offsetof(struct sched_core_info, lock_hold_ns) },
	{ "pinfold_core_lock_hold_max_seconds", "gauge", "Longest time that the lock was held",
	  offsetof(struct sched_core_info, lock_hold_max_ns) },
	{ "pinfold_core_stolen_seconds_total", "counter",
	  "Time that the core was held without a slice being consumed",
	  offsetof(struct sched_core_info, stolen_ns) },
};

static void put_core_value(struct page *p, const char *name, uint32_t i, uint64_t v)
{
	fprintf(p->f, "%s{core=\"%u\"} ", name, p->cores[i].host_core);
	put_value(p->f, name, v);
}

static void put_core_states(struct page *p)
{
	family(p, "pinfold_core_online", "gauge", "Whether the core is online");
	for (uint32_t i = 0; i < p->n_cores; i++) {
		put_core_value(p, "pinfold_core_online", i, p->cores[i].core.is_online);
	}
	family(p, "pinfold_core_idle", "gauge", "Whether nobody holds the core");
	for (uint32_t i = 0; i < p->n_cores; i++) {
		put_core_value(p, "pinfold_core_idle", i, p->cores[i].core.is_idle);
	}
	family(p, "pinfold_core_exclusive", "gauge", "Whether the core belongs to one vCPU");
	for (uint32_t i = 0; i < p->n_cores; i++) {
		put_core_value(p, "pinfold_core_exclusive", i, p->cores[i].is_exclusive);
	}
	family(p, "pinfold_core_foreign_seconds_total", "counter",
	       "Run time of tasks that are not ours");
	for (uint32_t i = 0; i < p->n_cores; i++) {
		pthread_mutex_lock(&p->a->lock);
		put_core_value(p, "pinfold_core_foreign_seconds_total", i, p->a->foreign_sum[i]);
		pthread_mutex_unlock(&p->a->lock);
	}
}

static void put_cores(struct page *p)
{
	uint64_t v;

	put_core_info(p);
	put_core_states(p);
	for (size_t k = 0; k < ARRAY_SIZE(core_families); k++) {
		family(p, core_families[k].name, core_families[k].type, core_families[k].help);
		for (uint32_t i = 0; i < p->n_cores; i++) {
			memcpy(&v, (const char *)&p->cores[i].core + core_families[k].offset,
			       sizeof(v));
			put_core_value(p, core_families[k].name, i, v);
		}
	}
}

static const struct {
	const char *name, *type, *help;
	size_t offset;
} vm_families[] = {
	{ "pinfold_vm_cpu_seconds_total", "counter", "CPU time of this run",
	  offsetof(struct vm_row, cpu_ns) },
	{ "pinfold_vm_wait_seconds_total", "counter", "Time of this run ready but not running",
	  offsetof(struct vm_row, wait_ns) },
	{ "pinfold_vm_slices_total", "counter", "Slices of this run",
	  offsetof(struct vm_row, slices) },
	{ "pinfold_vm_preemptions_total", "counter", "Grants that ended while it wanted more",
	  offsetof(struct vm_row, preemptions) },
	{ "pinfold_vm_memory_bytes", "gauge", "Resident memory of the VM process",
	  offsetof(struct vm_row, memory_bytes) },
};

static void put_vm_labels(struct page *p, const char *name, const struct vm_row *row)
{
	fprintf(p->f, "%s{vm=\"", name);
	put_label(p->f, row->name);
	fprintf(p->f, "\",id=\"%s\",owner=\"", row->id);
	put_label(p->f, row->owner);
	fputc('"', p->f);
}

static void put_vms(struct page *p)
{
	uint64_t v;

	family(p, "pinfold_vm_state", "gauge", "State of a VM; always 1");
	for (size_t i = 0; i < p->n_vms; i++) {
		put_vm_labels(p, "pinfold_vm_state", &p->vms[i]);
		fprintf(p->f, ",state=\"%s\"} 1\n", vms_state_name(p->vms[i].state));
	}
	family(p, "pinfold_vm_faulted", "gauge", "Whether the VM is in the fault queue");
	for (size_t i = 0; i < p->n_vms; i++) {
		put_vm_labels(p, "pinfold_vm_faulted", &p->vms[i]);
		fprintf(p->f, "} %d\n", p->vms[i].state == VMS_FAULTED);
	}
	for (size_t k = 0; k < ARRAY_SIZE(vm_families); k++) {
		family(p, vm_families[k].name, vm_families[k].type, vm_families[k].help);
		for (size_t i = 0; i < p->n_vms; i++) {
			memcpy(&v, (const char *)&p->vms[i] + vm_families[k].offset, sizeof(v));
			put_vm_labels(p, vm_families[k].name, &p->vms[i]);
			fputs("} ", p->f);
			put_value(p->f, vm_families[k].name, v);
		}
	}
}

static void put_dispatcher(struct page *p)
{
	struct dispatch_stats d;

	dispatch_stats_get(p->a->o.dispatch, &d);
	single(p, "pinfold_dispatch_busy_seconds_total", "counter", "CPU time of the dispatcher",
	       d.busy_ns);
	single(p, "pinfold_dispatch_wakeups_total", "counter", "Times that the dispatcher woke up",
	       d.wakeups);
	single(p, "pinfold_dispatch_decision_max_seconds", "gauge",
	       "Longest from an event to its last action", d.decide_max_ns);
	single(p, "pinfold_sched_events_total", "counter", "Events that were handled",
	       d.sched.events);
	single(p, "pinfold_sched_refused_total", "counter", "Events that were refused",
	       d.sched.refused);
	single(p, "pinfold_sched_grants_total", "counter", "Cores given to a vCPU", d.sched.grants);
	single(p, "pinfold_sched_freezes_total", "counter", "VMs frozen because they did not park",
	       d.sched.freezes);
	single(p, "pinfold_sched_faults_total", "counter", "VMs put into the fault queue",
	       d.sched.faults);
	single(p, "pinfold_sched_violations_total", "counter", "Broken invariants",
	       d.sched.violations);
	single(p, "pinfold_sched_ready", "gauge", "vCPUs that wait for a core", d.sched.ready);
	single(p, "pinfold_sched_wait_max_seconds", "gauge", "Longest wait for a core",
	       d.sched.max_wait_ns);
	single(p, "pinfold_sched_exclusive_cores", "gauge", "Cores that are exclusive now",
	       d.sched.excl_cores);
}

static void put_guard(struct page *p)
{
	struct guard_info g;

	guard_info_get(p->a->o.guard, &g);
	single(p, "pinfold_guard_loaded", "gauge", "Whether the guard's module is there",
	       g.is_loaded);
	single(p, "pinfold_guard_attached", "gauge", "Whether the guard is told of VMs",
	       g.is_attached);
	single(p, "pinfold_guard_bans", "gauge", "Users who are banned at the guard's terminals",
	       g.n_bans);
	single(p, "pinfold_guard_log_seq", "gauge", "Number of the last record of the guard's log",
	       g.state.log_last);
	single(p, "pinfold_guard_log_copied_seq", "gauge", "Number of the last one on disk",
	       g.copied);
}

static void put_daemon(struct page *p)
{
	struct store_stats st;
	struct http_stats h = { 0 };
	struct audit_anchor anchor = { 0 };

	family(p, "pinfold_build_info", "gauge", "Version of the daemon; always 1");
	fprintf(p->f, "pinfold_build_info{version=\"%s\"} 1\n", PINFOLD_VERSION);
	single(p, "pinfold_uptime_seconds", "gauge", "Time since the start",
	       api_now_ns() - p->a->started_ns);
	put_dispatcher(p);
	store_stats_get(p->a->o.store, &st);
	single(p, "pinfold_store_depth", "gauge", "Changes that are not yet durable", st.depth);
	single(p, "pinfold_store_commits_total", "counter", "Transactions", st.commits);
	single(p, "pinfold_store_failed_commits_total", "counter", "Transactions that failed",
	       st.failed_commits);
	(void)audit_anchor_get(p->a->o.audit, &anchor);
	single(p, "pinfold_audit_seq", "gauge", "Number of the last audit record", anchor.seq);
	single(p, "pinfold_audit_ok", "gauge", "Whether audit records can be written",
	       !atomic_load(&p->a->audit_failed));
	put_guard(p);
	pthread_mutex_lock(&p->a->lock);
	if (p->a->http) {
		http_stats_get(p->a->http, &h);
	}
	pthread_mutex_unlock(&p->a->lock);
	single(p, "pinfold_http_requests_total", "counter", "Requests", h.requests);
	single(p, "pinfold_http_refused_total", "counter", "Requests that were refused", h.refused);
	single(p, "pinfold_http_errors_total", "counter", "Requests that failed", h.errors);
	single(p, "pinfold_http_connections_total", "counter", "Connections so far", h.connections);
	single(p, "pinfold_http_open", "gauge", "Open connections", h.open);
}

static int collect(struct page *p)
{
	uint32_t n = partition_roles(p->a->o.partition)->n_pool;
	int r = 0;

	p->cores = calloc(n ? n : 1, sizeof(*p->cores));
	if (!p->cores) {
		return -ENOMEM;
	}
	for (p->n_cores = 0; r == 0 && p->n_cores < n; p->n_cores++) {
		r = dispatch_core_get(p->a->o.dispatch, (uint16_t)p->n_cores,
				      &p->cores[p->n_cores]);
	}
	return r < 0 ? r : vms_each(p->a->o.vms, vm_visit, p);
}

int op_metrics(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct page p = { .a = ctx, .uid = rq->caller.uid, .sees_all = api_is_admin(ctx, rq) };
	char *text = NULL;
	size_t n = 0;
	int r = collect(&p);

	p.f = r == 0 ? open_memstream(&text, &n) : NULL;
	if (p.f) {
		put_daemon(&p);
		put_cores(&p);
		put_vms(&p);
		r = ferror(p.f) ? -ENOMEM : 0;
		r = fclose(p.f) != 0 ? -ENOMEM : r;
	} else {
		r = r < 0 ? r : -ENOMEM;
	}
	free(p.vms);
	free(p.cores);
	if (r < 0) {
		free(text);
		return errmsg_set(e, r, "the numbers can't be collected: %s", strerror(-r));
	}
	rp->text = text;
	rp->type = "text/plain; version=0.0.4; charset=utf-8";
	return 0;
}
