/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of debugfs, one value each; see fair.h. */
#include "host/fair.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/parse.h"
#include "host/cgroup.h"
#include "host/text.h"

#define SCHED_DIR "/sys/kernel/debug/sched"
#define SYSCTL	  "/proc/sys/kernel/sched_rt_"
/* The fair server came with this release of Linux. */
#define FAIR_MAJOR 6u
#define FAIR_MINOR 12u

static int read_ns(const char *root, uint32_t core, const char *name, ns_t *ret)
{
	char text[32];
	ssize_t n = host_text_read(text, sizeof(text), "%s" SCHED_DIR "/fair_server/cpu%u/%s", root,
				   core, name);

	if (n < 0) {
		return n == -EFBIG ? -EBADMSG : (int)n;
	}
	return parse_u64(text, ret, NULL) < 0 ? -EBADMSG : 0;
}

static bool is_older(const char *root)
{
	char text[64];
	unsigned int major;
	unsigned int minor;

	return host_text_read(text, sizeof(text), "%s/proc/sys/kernel/osrelease", root) > 0 &&
	       sscanf(text, "%u.%u", &major, &minor) == 2 &&
	       (major < FAIR_MAJOR || (major == FAIR_MAJOR && minor < FAIR_MINOR));
}

/* No file: because debugfs is not there, or because the kernel does not know it? */
static int why_missing(const char *root)
{
	char path[PATH_MAX];

	if (is_older(root)) {
		return -ENOTSUP;
	}
	snprintf(path, sizeof(path), "%s" SCHED_DIR, root);
	if (access(path, F_OK) == 0) {
		return -ENOTSUP;
	}
	return errno == ENOENT ? -ENOENT : -errno;
}

int host_fair_read(const char *root, uint32_t core, struct host_fair *ret)
{
	struct host_fair f;
	int r = read_ns(root, core, "runtime", &f.runtime_ns);

	r = r < 0 ? r : read_ns(root, core, "period", &f.period_ns);
	if (r == -ENOENT) {
		return why_missing(root);
	}
	if (r == 0) {
		*ret = f;
	}
	return r;
}

int host_fair_write(const char *root, uint32_t core, ns_t runtime_ns)
{
	struct host_fair f;
	char text[32];
	int r = host_fair_read(root, core, &f);

	if (r < 0 || f.runtime_ns == runtime_ns) {
		return r;
	}
	if (runtime_ns > f.period_ns) {
		return -EINVAL;
	}
	snprintf(text, sizeof(text), "%" PRIu64, runtime_ns);
	r = host_text_write(text, "%s" SCHED_DIR "/fair_server/cpu%u/runtime", root, core);
	r = r < 0 ? r : host_fair_read(root, core, &f);
	return r < 0 ? r : f.runtime_ns == runtime_ns ? 0 : -EIO;
}

void host_fair_look(const char *root, const struct host_cpus *cores, struct host_fair_state *ret)
{
	bool is_first = true;

	*ret = (struct host_fair_state){ .error = -ENODEV };
	for (uint32_t i = 0; i < HOST_CPUS_MAX; i++) {
		struct host_fair f;

		if (!host_cpus_has(cores, i)) {
			continue;
		}
		ret->error = host_fair_read(root, i, &f);
		if (ret->error < 0) {
			return;
		}
		if (is_first || f.runtime_ns < ret->least.runtime_ns) {
			ret->least = f;
		}
		if (is_first || f.runtime_ns > ret->most.runtime_ns) {
			ret->most = f;
		}
		is_first = false;
	}
}

const char *host_fair_why(int error)
{
	switch (error) {
	case -ENOTSUP:
		return "this kernel has no fair server (Linux 6.12 and later have one)";
	case -ENOENT:
		return "debugfs is not mounted (mount -t debugfs none /sys/kernel/debug)";
	case -EPERM:
		return "the kernel refuses it (lockdown, or a container)";
	case -EACCES:
		return "only root may";
	case -EROFS:
		return "its file is read-only here (a container, or ProtectKernelTunables= of the "
		       "unit)";
	case -EINVAL:
		return "it can't be longer than its period";
	case -EBUSY:
		return "other deadline tasks have taken that share of the cores";
	case -EIO:
		return "the kernel took the value, and it is not in force";
	default:
		return "the kernel says something else than expected";
	}
}

/* @param least lowest value that makes sense */
static int read_us(const char *root, const char *name, int64_t least, int64_t *ret)
{
	char text[32];
	char *end;
	long long v;
	ssize_t n = host_text_read(text, sizeof(text), "%s" SYSCTL "%s", root, name);

	if (n < 0) {
		return (int)n;
	}
	v = strtoll(text, &end, 10);
	if (n == 0 || *end || v < least || v > INT32_MAX) {
		return -EBADMSG;
	}
	*ret = v;
	return 0;
}

/* The kernel says so only by a file of the first cgroups, and not at all where they are not mounted. */
static bool has_rt_groups(const char *root)
{
	char dir[HOST_CGROUP_PATH_BYTES];
	char path[PATH_MAX];

	if (!host_cgroup_mount(root, 1, "cpu", dir)) {
		return false;
	}
	snprintf(path, sizeof(path), "%s/cpu.rt_runtime_us", dir);
	return access(path, F_OK) == 0;
}

int host_throttle_read(const char *root, struct host_throttle *ret)
{
	struct host_throttle t = { .is_in_force = false };
	int r = read_us(root, "runtime_us", -1, &t.runtime_us);

	r = r < 0 ? r : read_us(root, "period_us", 1, &t.period_us);
	if (r == 0) {
		t.is_in_force = t.runtime_us >= 0 && t.runtime_us < t.period_us &&
				(is_older(root) || has_rt_groups(root));
		*ret = t;
	}
	return r;
}

int host_throttle_write(const char *root, int64_t runtime_us)
{
	int64_t now_us = 0;
	char text[32];
	int r;

	snprintf(text, sizeof(text), "%" PRId64 "\n", runtime_us);
	r = host_text_write(text, "%s" SYSCTL "runtime_us", root);
	r = r < 0 ? r : read_us(root, "runtime_us", -1, &now_us);
	return r < 0 ? r : now_us == runtime_us ? 0 : -EIO;
}

ns_t host_throttle_ns_per_s(const struct host_throttle *t)
{
	return t->is_in_force ? (ns_t)(t->period_us - t->runtime_us) * NS_PER_S / (ns_t)t->period_us
			      : 0;
}
