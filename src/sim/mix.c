/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mix and fault files: see mix.h. */
#include "sim/mix.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "sched/sched.h"

struct key {
	const char *name;
	size_t offset;
	uint64_t max;
	bool is_time;
};

#define NUM(type, field, max)                                    \
	{                                                        \
#field, offsetof(struct type, field), max, false \
	}
#define TIME(type, name)                                                       \
	{                                                                      \
#name, offsetof(struct type, name##_ns), 3600 * NS_PER_S, true \
	}
#define PPM(field) NUM(sim_faults, field, 1000000)

static const struct key mix_keys[] = {
	NUM(sim_mix, users, 4096),	NUM(sim_mix, quota_vcpus, 1U << 20),
	NUM(sim_mix, quota_excl, 1024), TIME(sim_mix, churn_every),
	TIME(sim_mix, admin_every),	TIME(sim_mix, excl_wait),
	TIME(sim_mix, aging_step),	{ NULL, 0, 0, false },
};

static const struct key class_keys[] = {
	NUM(sim_class, weight, 1000000),
	NUM(sim_class, prio, SCHED_LEVELS - 1),
	TIME(sim_class, slice),
	TIME(sim_class, run),
	TIME(sim_class, sleep),
	NUM(sim_class, exclusive, 1),
	NUM(sim_class, vcpus, SCHED_VCPUS_PER_VM),
	TIME(sim_class, limit_cpu),
	{ NULL, 0, 0, false },
};

static const struct key fault_keys[] = {
	PPM(hang_ppm),
	PPM(ignore_revoke_ppm),
	PPM(late_park_ppm),
	PPM(forge_park_ppm),
	PPM(lost_park_ppm),
	PPM(steal_ppm),
	PPM(stale_park_ppm),
	PPM(guest_fault_ppm),
	PPM(lost_freeze_ppm),
	PPM(lost_death_ppm),
	PPM(double_death_ppm),
	PPM(late_timer_ppm),
	TIME(sim_faults, crash_every),
	TIME(sim_faults, rogue_every),
	TIME(sim_faults, clock_jump_every),
	TIME(sim_faults, core_offline_every),
	TIME(sim_faults, daemon_crash_every),
	{ NULL, 0, 0, false },
};

static const struct sim_class class_defaults = {
	.weight = 1, .prio = SCHED_PRIO_DEFAULT, .slice_ns = SCHED_SLICE_NS, .vcpus = 1
};

void sim_mix_defaults(struct sim_mix *m)
{
	*m = (struct sim_mix){
		.users = 1,
		.quota_vcpus = 1U << 20,
		.quota_excl = 64,
		.aging_step_ns = 500 * NS_PER_MS,
		.n_classes = 1,
		.classes[0] = class_defaults,
	};
	strcpy(m->classes[0].name, "compute");
}

static int set(const struct key *keys, void *base, const char *name, const char *value,
	       struct errmsg *e)
{
	uint64_t v;
	int r;

	for (const struct key *k = keys; k->name; k++) {
		if (strcmp(k->name, name) != 0) {
			continue;
		}
		r = k->is_time ? parse_duration_ns(value, &v, e) : parse_u64(value, &v, e);
		if (r < 0) {
			return r;
		}
		if (v > k->max) {
			return errmsg_set(e, -EINVAL, "%s is at most %llu", name,
					  (unsigned long long)k->max);
		}
		memcpy((char *)base + k->offset, &v, sizeof(v));
		return 0;
	}
	return errmsg_set(e, -EINVAL, "unknown key \"%s\"", name);
}

static int begin_class(struct sim_mix *m, const char *name, struct errmsg *e)
{
	size_t bytes = strlen(name) + 1;
	struct sim_class *c;

	if (m->n_classes == SIM_CLASSES_MAX) {
		return errmsg_set(e, -EINVAL, "more than %d classes", SIM_CLASSES_MAX);
	}
	if (bytes > sizeof(c->name)) {
		return errmsg_set(e, -EINVAL, "class name longer than %zu characters",
				  sizeof(c->name) - 1);
	}
	c = &m->classes[m->n_classes++];
	*c = class_defaults;
	memcpy(c->name, name, bytes);
	return 0;
}

static int mix_line(void *to, const char *name, const char *value, struct errmsg *e)
{
	struct sim_mix *m = to;

	if (strcmp(name, "class") == 0) {
		return begin_class(m, value, e);
	}
	return m->n_classes ? set(class_keys, &m->classes[m->n_classes - 1], name, value, e)
			    : set(mix_keys, m, name, value, e);
}

static int fault_line(void *to, const char *name, const char *value, struct errmsg *e)
{
	return set(fault_keys, to, name, value, e);
}

static int read_lines(const char *path, void *to,
		      int (*line_fn)(void *, const char *, const char *, struct errmsg *),
		      struct errmsg *e)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[256];
	int r;

	if (!f) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	for (int n = 1; fgets(line, sizeof(line), f); n++) {
		char name[64], value[64], rest[2];
		int got;

		line[strcspn(line, "#\n")] = '\0';
		got = sscanf(line, "%63s %63s %1s", name, value, rest);
		if (got <= 0) {
			continue;
		}
		r = got == 2 ? line_fn(to, name, value, e)
			     : errmsg_set(e, -EINVAL, "want \"key value\"");
		if (r < 0) {
			errmsg_prefix(e, "%s:%d: ", path, n);
			return r;
		}
	}
	return 0;
}

static int check_mix(const struct sim_mix *m, const char *path, struct errmsg *e)
{
	for (uint32_t i = 0; i < m->n_classes; i++) {
		const struct sim_class *c = &m->classes[i];

		if (c->slice_ns < SCHED_SLICE_MIN_NS || c->slice_ns > SCHED_SLICE_MAX_NS ||
		    c->vcpus == 0 || (c->run_ns && !c->sleep_ns)) {
			return errmsg_set(e, -EINVAL,
					  "%s: class %s: slice, vcpus or sleep is out of range",
					  path, c->name);
		}
	}
	if (m->n_classes == 0 || m->users == 0 || m->aging_step_ns == 0) {
		return errmsg_set(e, -EINVAL, "%s: no class, no user, or no aging step", path);
	}
	return 0;
}

int sim_mix_read(const char *path, struct sim_mix *ret, struct errmsg *e)
{
	struct sim_mix m;
	int r;

	sim_mix_defaults(&m);
	m.n_classes = 0;
	r = read_lines(path, &m, mix_line, e);
	if (r == 0) {
		r = check_mix(&m, path, e);
	}
	if (r == 0) {
		*ret = m;
	}
	return r;
}

int sim_faults_read(const char *path, struct sim_faults *ret, struct errmsg *e)
{
	struct sim_faults f = { 0 };
	int r;

	r = read_lines(path, &f, fault_line, e);
	if (r == 0) {
		*ret = f;
	}
	return r;
}
