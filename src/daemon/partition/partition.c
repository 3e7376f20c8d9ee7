/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Choosing a back-end, setting it up, placing threads; see partition.h and docs/partition.md.
 *
 *   leftovers undone ─▶ cores read ─▶ roles ─▶ probe ─▶ best back-end set up and tried with a
 *   process of our own; when that fails, undone, and the next one
 *
 * An isolated partition that is still in force is kept as it is: VMs may be running on its cores, and each change
 * makes Linux before 6.2 forget where the threads of others are bound.
 */
#include "daemon/partition/partition.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/partition/partition_internal.h"
#include "host/task.h"

#define THREADS_MAX 64 /* more than a VM process may have */

const char *partition_backend_name(enum partition_backend b)
{
	return partition_way_name((enum partition_way)b);
}

/* All threads of this process; those made later inherit it. */
static void set_own_affinity(const struct host_cpus *cpus)
{
	DIR *d = opendir("/proc/self/task");
	const struct dirent *ent;

	while (d && (ent = readdir(d)) != NULL) {
		int tid;

		/* One that has just ended needs no core. */
		if (sscanf(ent->d_name, "%d", &tid) == 1) {
			host_cpus_set_affinity(tid, cpus);
		}
	}
	if (d) {
		closedir(d);
	}
}

static void close_join(struct partition *p)
{
	if (p->join_fd >= 0) {
		close(p->join_fd);
	}
	p->join_fd = -1;
}

static void undo(struct partition *p, bool is_kept_if_used)
{
	if (p->made.backend == PARTITION_ISOLATED) {
		partition_isolated_undo(&p->made, is_kept_if_used);
	} else if (p->made.backend == PARTITION_CPUSET) {
		partition_cpuset_undo(&p->made, is_kept_if_used);
	}
	if (!p->made.dir[0]) {
		partition_record_remove(p);
	}
	free(p->moved);
	p->moved = NULL;
	close_join(p);
}

/* An earlier daemon ended without undoing. A group in which VMs live stays, to be used again. */
static void undo_leftovers(struct partition *p)
{
	int r = partition_record_load(p, &p->made);

	if (r == 0 && partition_isolated_is_kept(&p->made, &p->kept)) {
		log_info("the partition of an earlier daemon is kept dir=\"%s\"", p->made.dir);
	} else if (r == 0) {
		log_info("an earlier daemon left its partition behind dir=\"%s\"", p->made.dir);
		undo(p, true);
	} else if (r == -EBADMSG) {
		log_warn("the record of the partition is damaged or not ours: ignored dir=\"%s\"",
			 p->run_dir);
	}
}

static int try_backend(struct partition *p, enum partition_backend b, struct errmsg *e)
{
	bool is_real = !p->root[0];
	bool is_kept;
	int r;

	/* A group that still holds VMs of another back-end is given up. */
	if (p->made.dir[0] && p->made.backend != b) {
		undo(p, false);
	}
	p->backend = b;
	switch (b) {
	case PARTITION_ISOLATED:
		r = partition_isolated_setup(p, e);
		break;
	case PARTITION_CPUSET:
		r = partition_cpuset_setup(p, e);
		break;
	default:
		return 0;
	}
	/* There is no kernel behind a made-up tree that could place a process; and in one that was kept VMs may be
	 * running that are not to be disturbed. */
	is_kept = p->made.backend == b && host_cpus_count(&p->kept) > 0;
	return r == 0 && is_real && !is_kept ? partition_group_try(p, e) : r;
}

/* The best of those that are wanted and work. */
static int choose(struct partition *p, int wanted, struct errmsg *e)
{
	int r = -ENOTSUP;

	for (int b = 0; b < PARTITION_BACKENDS; b++) {
		struct partition_item *it = &p->probe.item[b];
		struct errmsg why = { 0 };

		if (wanted >= 0 && b != wanted) {
			continue;
		}
		if (!it->is_possible) {
			r = p->probe.fifo_error == -EPERM ? -EPERM : -ENOTSUP;
			errmsg_set(e, r, "the back-end %s does not work here: %s", it->name,
				   it->why);
			continue;
		}
		r = try_backend(p, (enum partition_backend)b, &why);
		if (r == 0) {
			return 0;
		}
		undo(p, false);
		it->is_possible = false;
		snprintf(it->why, sizeof(it->why), "%.159s", why.text);
		errmsg_set(e, r, "the back-end %s does not work here: %s", it->name, it->why);
		r = r == -EPERM || r == -EACCES ? -EPERM : -ENOTSUP;
	}
	return r;
}

static int set_options(struct partition *p, const struct partition_options *o, struct errmsg *e)
{
	const char *root = o->root ? o->root : "";

	if (o->backend >= PARTITION_BACKENDS || o->backend < -1) {
		return errmsg_set(e, -EINVAL, "there is no partition back-end number %d",
				  o->backend);
	}
	if (snprintf(p->root, sizeof(p->root), "%s", root) >= (int)sizeof(p->root) ||
	    snprintf(p->run_dir, sizeof(p->run_dir), "%s", o->run_dir) >= (int)sizeof(p->run_dir)) {
		return errmsg_set(e, -ENAMETOOLONG, "the run directory has too long a name");
	}
	partition_group_name(p->run_dir, p->name);
	p->fair.is_wanted = o->sets_fair_server;
	p->fair.runtime_ns = o->fair_server_ns;
	p->fair.is_throttle_wanted = o->ends_throttling;
	p->seen = calloc(PARTITION_SEEN_MAX, sizeof(*p->seen));
	return p->seen ? 0 : errmsg_set(e, -ENOMEM, "out of memory");
}

/* What this process may use when we are gone: where a partition is in force, the kernel keeps all others off it. */
static int read_found(struct partition *p, struct errmsg *e)
{
	int r = host_cpus_allowed(p->root, &p->found, e);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(p->found.word); i++) {
		p->found.word[i] |= p->kept.word[i];
	}
	return r;
}

static int set_up(struct partition *p, const struct partition_options *o, struct errmsg *e)
{
	int r = set_options(p, o, e);

	if (r < 0) {
		return r;
	}
	undo_leftovers(p);
	r = partition_topology_read(p->root, o->cores, &p->kept, &p->topology, &p->usable, e);
	if (r == 0) {
		r = host_cpus_online(p->root, &p->online, e);
	}
	r = r < 0 ? r : read_found(p, e);
	if (r == 0) {
		r = partition_topology_fold(p, e);
	}
	if (r == 0 && o->claim) {
		r = o->claim(o->claim_arg, &p->roles, e);
	}
	if (r < 0) {
		return r;
	}
	/* Cores came, went or are no longer wanted. */
	if (host_cpus_count(&p->kept) > 0 && !host_cpus_equal(&p->kept, &p->pool)) {
		partition_hold(p);
		memset(&p->kept, 0, sizeof(p->kept));
		undo(p, true);
	}
	partition_probe(p->root, host_cpus_count(&p->usable), &p->probe);
	if (!p->root[0]) {
		set_own_affinity(&p->own);
	}
	if (p->probe.fifo_prio > 0 && o->backend != PARTITION_ORDINARY && !p->roles.guests_lowest) {
		partition_fair_set(p);
	} else {
		partition_fair_none(p);
	}
	r = choose(p, o->backend, e);
	partition_go_on(p);
	if (r == 0 && !partition_fifo_prio(p)) {
		partition_fair_none(p);
	}
	return r;
}

int partition_open(const struct partition_options *o, struct partition **ret, struct errmsg *e)
{
	struct partition *p = calloc(1, sizeof(*p));
	int r;

	if (!p) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	p->backend = PARTITION_ORDINARY;
	p->made.backend = PARTITION_ORDINARY;
	p->join_fd = -1;
	r = set_up(p, o, e);
	if (r < 0) {
		partition_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

void partition_close(struct partition *p)
{
	if (!p) {
		return;
	}
	if (p->made.dir[0]) {
		undo(p, false);
	}
	/* Half-built: the cores were never read, nothing was changed. */
	if (!p->root[0] && host_cpus_count(&p->found) > 0) {
		set_own_affinity(&p->found);
	}
	partition_leave(p);
}

void partition_leave(struct partition *p)
{
	if (p) {
		if (p->fair.is_set || p->fair.is_throttle_set) {
			partition_fair_undo(p);
		}
		free(p->moved);
		close_join(p);
		free(p->seen);
		free(p);
	}
}

enum partition_backend partition_backend_get(const struct partition *p)
{
	return p->backend;
}

const struct sched_roles *partition_roles(const struct partition *p)
{
	return &p->roles;
}

int partition_fifo_prio(const struct partition *p)
{
	/* Guests that share the only core with us must not be able to starve us. */
	return p->backend == PARTITION_ORDINARY || p->roles.guests_lowest ? 0 : p->probe.fifo_prio;
}

int partition_admit(struct partition *p, pid_t pid, pid_t vcpu_tid, char freeze_dir[256],
		    struct errmsg *e)
{
	int r = 0;

	if (p->backend == PARTITION_ISOLATED) {
		r = partition_isolated_admit(p, pid, vcpu_tid, freeze_dir);
	} else if (p->backend == PARTITION_CPUSET) {
		r = partition_cpuset_admit(p, pid, vcpu_tid);
	}
	return r < 0 ? errmsg_set(e, r, "process %d can't be moved into the cgroup of the pool: %s",
				  pid, strerror(-r))
		     : 0;
}

int partition_join_fd(const struct partition *p)
{
	return p->join_fd;
}

int partition_place(struct partition *p, pid_t tid, uint16_t host_core)
{
	if (tid <= 0 || !host_cpus_has(&p->usable, host_core)) {
		return -EINVAL;
	}
	switch (p->backend) {
	case PARTITION_ISOLATED:
		return partition_isolated_place(p, tid, host_core);
	case PARTITION_CPUSET:
		return partition_cpuset_place(p, tid, host_core);
	default:
		return host_task_pin(tid, host_core);
	}
}

int partition_keep_off(struct partition *p, pid_t pid, pid_t but)
{
	pid_t tids[THREADS_MAX];
	int n = host_task_list(pid, tids, THREADS_MAX);
	int res = n < 0 ? n : n > THREADS_MAX ? -E2BIG : 0;

	for (int i = 0; i < n && i < THREADS_MAX; i++) {
		int r = tids[i] == but ? 0 : partition_place(p, tids[i], p->roles.housekeeping);

		res = res == 0 && r != -ESRCH ? r : res;
		if (tids[i] != but) {
			(void)host_task_set_fifo(tids[i], 0);
		}
	}
	return res;
}

int partition_enter(struct partition *p, enum sched_role role)
{
	struct sched_param ordinary = { .sched_priority = 0 };
	int r;

	if (role != SCHED_ROLE_CONTROL && role != SCHED_ROLE_HOUSEKEEPING) {
		return -EINVAL;
	}
	r = host_task_pin(0, role == SCHED_ROLE_CONTROL ? p->roles.control : p->roles.housekeeping);
	if (r == 0 && sched_setscheduler(0, SCHED_OTHER, &ordinary) < 0) {
		r = -errno;
	}
	return r;
}

uint32_t partition_changes(struct partition *p, struct partition_change *ret, uint32_t max)
{
	struct host_cpus online;
	uint32_t n = 0;

	if (host_cpus_online(p->root, &online, NULL) < 0) {
		return 0;
	}
	for (uint32_t i = 0; i < p->roles.n_pool && n < max; i++) {
		uint16_t core = p->roles.pool[i];
		bool is_online = host_cpus_has(&online, core);

		if (is_online == host_cpus_has(&p->online, core)) {
			continue;
		}
		/* What does not fit into ret is told next time. */
		p->online.word[core / 64] ^= BIT(core % 64);
		ret[n++] = (struct partition_change){ .core = core, .is_online = is_online };
	}
	return n;
}
