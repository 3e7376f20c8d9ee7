/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up rights. Capabilities go through the system calls themselves: a library adds start-up
 * time to every VM and would have to be loaded into the jailed process.
 */
#include "host/priv.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"

/* Version 3: two 32-bit halves of 64-bit sets. */
struct caps {
	struct __user_cap_header_struct hdr;
	struct __user_cap_data_struct half[2];
};

static int caps_get(struct caps *c)
{
	memset(c, 0, sizeof(*c));
	c->hdr.version = _LINUX_CAPABILITY_VERSION_3;
	return syscall(SYS_capget, &c->hdr, c->half) < 0 ? -errno : 0;
}

/* The same permitted, effective and inheritable set. */
static int caps_set(uint64_t set)
{
	struct caps c = { .hdr.version = _LINUX_CAPABILITY_VERSION_3 };

	for (unsigned int i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(set >> (32 * i));

		c.half[i].permitted = half;
		c.half[i].effective = half;
		c.half[i].inheritable = half;
	}
	return syscall(SYS_capset, &c.hdr, c.half) < 0 ? -errno : 0;
}

bool host_priv_has_cap(int cap)
{
	struct caps c;

	if (cap < 0 || cap > 63 || caps_get(&c) < 0) {
		return false;
	}
	return (c.half[cap / 32].effective >> (cap % 32)) & 1;
}

int host_priv_thread_has_caps(pid_t tid)
{
	struct caps c = { .hdr = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = tid } };

	if (syscall(SYS_capget, &c.hdr, c.half) < 0) {
		return -errno;
	}
	for (unsigned int i = 0; i < 2; i++) {
		if (c.half[i].permitted || c.half[i].effective || c.half[i].inheritable) {
			return 1;
		}
	}
	return 0;
}

int host_priv_set_caps(uint64_t caps)
{
	return caps_set(caps);
}

int host_priv_keep_caps(uint64_t caps)
{
	int r = caps_set(caps);

	for (int i = 0; r == 0 && i < 64; i++) {
		if (((caps >> i) & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0) {
			r = -errno;
		}
	}
	return r;
}

void host_priv_empty_bounding_set(void)
{
	/* EINVAL: behind the last capability; EPERM: no CAP_SETPCAP. */
	for (int i = 0; i < 64 && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; i++) {
	}
}

int host_priv_drop_caps(struct errmsg *e)
{
	int r;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = caps_set(0);
	if (r < 0) {
		return errmsg_set(e, r, "can't give up capabilities: %s", strerror(-r));
	}
	return 0;
}

static bool has_ids(uid_t uid, gid_t gid)
{
	uid_t u[3];
	gid_t g[3];

	return getresuid(&u[0], &u[1], &u[2]) == 0 && getresgid(&g[0], &g[1], &g[2]) == 0 &&
	       u[0] == uid && u[1] == uid && u[2] == uid && g[0] == gid && g[1] == gid &&
	       g[2] == gid && getgroups(0, NULL) == 0;
}

int host_priv_set_ids(uid_t uid, gid_t gid, struct errmsg *e)
{
	/* Since its birth, and then all its threads have: glibc would interrupt each. */
	if (has_ids(uid, gid)) {
		return 0;
	}
	/* Not allowed in a user namespace made by an ordinary user; then there is nothing to gain. */
	if (setgroups(0, NULL) < 0 && errno != EPERM) {
		return errmsg_set(e, -errno, "can't drop groups: %s", strerror(errno));
	}
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) {
		return errmsg_set(e, -errno, "can't become user %u, group %u: %s", uid, gid,
				  strerror(errno));
	}
	return 0;
}

int host_priv_set_ids_keep_caps(uid_t uid, gid_t gid)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM) {
		return -errno;
	}
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0 ||
	    syscall(SYS_setresuid, uid, uid, uid) < 0) {
		return -errno;
	}
	return 0;
}

int host_priv_no_new_privs(struct errmsg *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		return errmsg_set(e, -errno, "can't set no_new_privs: %s", strerror(errno));
	}
	return 0;
}

int host_priv_set_undumpable(struct errmsg *e)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		return errmsg_set(e, -errno, "can't become undumpable: %s", strerror(errno));
	}
	return 0;
}

static int enter_tmpfs(void)
{
	static const char *const places[] = { "/tmp", "/proc", "/dev", "/usr" };
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (mount("pinfold", places[i], "tmpfs", flags, "size=4k,nr_inodes=1,mode=0555") <
		    0) {
			r = -errno;
			continue;
		}
		return chdir(places[i]) < 0 ? -errno : 0;
	}
	return r;
}

/* This process, or the one that it was cloned from, has done it: what was mounted since is nothing. */
static bool is_root_empty;

bool host_priv_is_root_empty(void)
{
	return is_root_empty;
}

int host_priv_empty_root(struct errmsg *e)
{
	int r;

	if (is_root_empty) {
		return 0;
	}
	/* Nothing done here may reach the host's mounts. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		return errmsg_set(e, -errno, "can't make mounts private: %s", strerror(errno));
	}
	r = enter_tmpfs();
	if (r < 0) {
		return errmsg_set(e, r, "can't mount an empty root: %s", strerror(-r));
	}
	/* The old root ends on top of the new one and is taken off there: pivot_root(2). */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0) {
		return errmsg_set(e, -errno, "can't move to the empty root: %s", strerror(errno));
	}
	is_root_empty = true;
	return 0;
}

int host_priv_limit(int resource, uint64_t max, struct errmsg *e)
{
	struct rlimit lim;

	if (getrlimit((__rlimit_resource_t)resource, &lim) < 0) {
		return errmsg_set(e, -errno, "can't read resource limit %d: %s", resource,
				  strerror(errno));
	}
	lim.rlim_max = lim.rlim_max < max ? lim.rlim_max : max;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &lim) < 0) {
		return errmsg_set(e, -errno, "can't set resource limit %d: %s", resource,
				  strerror(errno));
	}
	return 0;
}
