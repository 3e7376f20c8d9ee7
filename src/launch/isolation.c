/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host lets the caller use to isolate a VM. Everything is tried in a short-lived child,
 * because a kernel's version or configuration says little about what a container or a security
 * module forbids.
 */
#include "launch/isolation.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/vm_ids.h"
#include "host/priv.h"
#include "host/proc.h"
#include "launch/launch_internal.h"

/* In a user namespace with few ids: the last ones. */
#define OWN_ID_FEW 0x4000u

struct namespace
{
	uint64_t flag;
	uint32_t jail;
	const char *name;
	const char *cost;
};

/* In the order in which doctor prints them. */
static const struct namespace namespaces[] = {
	{ CLONE_NEWUSER, PROTO_JAIL_USERNS, "user namespace",
	  "an ordinary user gets no other namespace and no empty root" },
	{ CLONE_NEWNS, PROTO_JAIL_MOUNTNS, "mount namespace",
	  "the VM process sees the host's files; seccomp still keeps it from opening any" },
	{ CLONE_NEWPID, PROTO_JAIL_PIDNS, "pid namespace",
	  "the VM process sees other processes; seccomp still keeps it from signalling them" },
	{ CLONE_NEWNET, PROTO_JAIL_NETNS, "network namespace",
	  "seccomp alone keeps the VM process off the network" },
	{ CLONE_NEWIPC, PROTO_JAIL_IPCNS, "ipc namespace",
	  "seccomp alone keeps the VM process from System V IPC" },
	{ CLONE_NEWUTS, PROTO_JAIL_UTSNS, "uts namespace",
	  "the VM process could learn the host's name" },
	{ CLONE_NEWCGROUP, PROTO_JAIL_CGROUPNS, "cgroup namespace",
	  "the VM process could learn its cgroup's path" },
};

/* Run in a child with new namespaces; the exit status says errno or 0. */
static int try_in_child(uint64_t ns_flags, int (*fn)(void))
{
	int pidfd = -1;
	int status;
	pid_t pid = host_proc_clone(ns_flags, &pidfd);
	int r;

	if (pid < 0) {
		return pid;
	}
	if (pid == 0) {
		_exit(fn ? -fn() & 0x7f : 0);
	}
	r = host_proc_wait(pidfd, pid, -1, &status, NULL);
	close(pidfd);
	if (r < 0) {
		return r;
	}
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

uint64_t isolation_namespaces(uint64_t flags)
{
	uint64_t user = flags & CLONE_NEWUSER;
	uint64_t got = 0;

	if (user && try_in_child(CLONE_NEWUSER, NULL) == 0) {
		got = CLONE_NEWUSER;
	}
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		uint64_t flag = namespaces[i].flag & flags & ~(uint64_t)CLONE_NEWUSER;

		if (flag && try_in_child(got | flag, NULL) == 0) {
			got |= flag;
		}
	}
	return got;
}

uint32_t isolation_jail_flags(uint64_t ns_flags)
{
	uint32_t jail = 0;

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		jail |= ns_flags & namespaces[i].flag ? namespaces[i].jail : 0;
	}
	return jail;
}

/* The highest range of ids that exist in the caller's own user namespace. */
static bool id_range(const char *path, uint64_t *ret_first, uint64_t *ret_end)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	unsigned long long first;
	unsigned long long count;
	uint64_t end = 0;

	if (!f) {
		return false;
	}
	while (fscanf(f, "%llu %*u %llu", &first, &count) == 2) {
		if (first + count > end) {
			*ret_first = first;
			end = first + count;
		}
	}
	*ret_end = end;
	return end != 0;
}

/* Users and groups. */
static bool common_range(uint64_t *ret_first, uint64_t *ret_end)
{
	uint64_t first[2] = { 0 };
	uint64_t end[2] = { 0 };

	if (!id_range("/proc/self/uid_map", &first[0], &end[0]) ||
	    !id_range("/proc/self/gid_map", &first[1], &end[1])) {
		return false;
	}
	*ret_first = first[0] > first[1] ? first[0] : first[1];
	*ret_end = end[0] < end[1] ? end[0] : end[1];
	return true;
}

bool isolation_own_id(pid_t pid, uint32_t *ret_id)
{
	/* Written once in the life of a user namespace, into which we don't move but by a clone. */
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static pid_t known_by; /* lock */
	static uint64_t first, end;
	bool is_known;

	if (!host_priv_has_cap(CAP_SETUID) || !host_priv_has_cap(CAP_SETGID)) {
		return false;
	}
	pthread_mutex_lock(&lock);
	is_known = known_by == getpid() || common_range(&first, &end);
	known_by = is_known ? getpid() : 0;
	pthread_mutex_unlock(&lock);
	if (!is_known) {
		return false;
	}
	if (first <= VM_ID_BASE && end >= (uint64_t)VM_ID_BASE + VM_ID_COUNT) {
		*ret_id = VM_ID_BASE + (uint32_t)pid % VM_ID_COUNT;
		return true;
	}
	/* Ids below OWN_ID_FEW belong to the people and services of the container. */
	if (end < 2 * OWN_ID_FEW || end - OWN_ID_FEW < first) {
		return false;
	}
	*ret_id = (uint32_t)(end - OWN_ID_FEW) + (uint32_t)pid % OWN_ID_FEW;
	return true;
}

__attribute__((format(printf, 3, 4))) static void set_item(struct isolation_item *it,
							   bool is_available, const char *fmt, ...)
{
	va_list ap;

	it->is_available = is_available;
	va_start(ap, fmt);
	vsnprintf(it->detail, sizeof(it->detail), fmt, ap);
	va_end(ap);
}

static int probe_namespaces(struct isolation_item *items)
{
	uint64_t user = isolation_namespaces(CLONE_NEWUSER);
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		struct isolation_item *it = &items[n++];
		bool is_user = namespaces[i].flag == CLONE_NEWUSER;
		int r = try_in_child(namespaces[i].flag | user, NULL);

		it->name = namespaces[i].name;
		it->jail_flag = namespaces[i].jail;
		it->cost = namespaces[i].cost;
		if (r < 0) {
			set_item(it, false, "the kernel refuses it: %s%s", strerror(-r),
				 !user && !is_user && geteuid() != 0
					 ? " (it needs a user namespace or root)"
					 : "");
		} else {
			set_item(it, true, "a new one per VM");
		}
	}
	return n;
}

static int try_empty_root(void)
{
	return host_priv_empty_root(NULL);
}

static void probe_root(struct isolation_item *it)
{
	uint64_t ns = isolation_namespaces(CLONE_NEWUSER | CLONE_NEWNS);
	int r = ns & CLONE_NEWNS ? try_in_child(ns, try_empty_root) : -EPERM;

	it->name = "empty root";
	it->cost = "the VM process sees the host's files; seccomp still keeps it from opening any";
	if (r < 0) {
		set_item(it, false, "no empty file system can be made the root: %s", strerror(-r));
	} else {
		set_item(it, true, "an empty read-only tmpfs, by pivot_root");
	}
}

static void probe_own_id(struct isolation_item *it)
{
	uint32_t id;

	it->name = "own user id";
	it->jail_flag = PROTO_JAIL_SETUID;
	it->cost = "VM processes have the id of the user who starts them; namespaces and seccomp "
		   "keep them apart";
	if (isolation_own_id(0, &id)) {
		set_item(it, true, "%u + process id", id);
	} else {
		set_item(it, false, "only root can give a VM an id of its own");
	}
}

static void probe_caps(struct isolation_item *it)
{
	uint64_t held = 0;

	for (int i = 0; i < 64; i++) {
		held |= host_priv_has_cap(i) ? BIT(i) : 0;
	}
	it->name = "capabilities";
	it->cost = "nothing: a VM process gives all of them up";
	set_item(it, true, "caller holds 0x%llx; VM processes none", (unsigned long long)held);
}

static int try_no_new_privs(void)
{
	return host_priv_no_new_privs(NULL);
}

static void probe_no_new_privs(struct isolation_item *it)
{
	int r = try_in_child(0, try_no_new_privs);

	it->name = "no_new_privs";
	it->cost = "an ordinary user can't use seccomp";
	if (r < 0) {
		set_item(it, false, "the kernel refuses it: %s", strerror(-r));
	} else {
		set_item(it, true, "set for every VM");
	}
}

bool isolation_has_seccomp(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static void probe_seccomp(struct isolation_item *it)
{
	it->name = "seccomp";
	it->jail_flag = PROTO_JAIL_SECCOMP;
	it->cost = "a guest that breaks out of its engine can use every system call";
	if (isolation_has_seccomp()) {
		set_item(it, true, "filter on every thread, default: kill the process");
	} else {
		set_item(it, false, "the kernel has no filters that kill the process");
	}
}

static void probe_cgroup(struct isolation_item *it, const char *controller, const char *name,
			 const char *cost)
{
	char path[256];
	int version = launch_cgroup_probe(controller, path);

	it->name = name;
	it->cost = cost;
	if (version) {
		set_item(it, true, "v%d, below %.120s", version, path);
	} else {
		set_item(it, false, "no %s cgroup that the caller may write", controller);
	}
}

int isolation_probe(struct isolation_item items[ISOLATION_ITEMS_MAX])
{
	int n;

	memset(items, 0, sizeof(*items) * ISOLATION_ITEMS_MAX);
	n = probe_namespaces(items);
	probe_root(&items[n++]);
	probe_own_id(&items[n++]);
	probe_caps(&items[n++]);
	probe_no_new_privs(&items[n++]);
	probe_seccomp(&items[n++]);
	probe_cgroup(&items[n++], "memory", "cgroup memory limit",
		     "resource limits alone bound a VM's memory");
	probe_cgroup(&items[n++], "pids", "cgroup pids limit",
		     "seccomp and resource limits alone keep a VM from making processes");
	return n;
}
