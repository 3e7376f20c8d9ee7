/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel takes from real-time threads (host/fair.h): the fair server of pool cores, made shorter or
 * switched off, and real-time throttling, switched off, when an administrator asks for it; and given
 * back: at the end, and by the next start when there was no end. So what was there before stands in
 * run_dir/fair-server before anything is changed:
 *
 *   pinfold-fair-server 1
 *   boot 5f8ae7b6-...
 *   throttle 950000               (-1: it was not changed)
 *   set 0
 *   core 2 50000000
 *   core 3 50000000
 *
 * Before the partition: when Linux 6.12 builds its scheduling domains anew for one, it forgets what the fair
 * servers have of them, and then finds that less is too much (EBUSY). So a daemon that finds a partition
 * and the value that it wants leaves both as they are.
 *
 * A core on which somebody else has set another value meanwhile is left alone. A crash of the host leaves
 * nothing to give back, so the file need not be on the disk; a record of another boot is forgotten.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/partition/partition_internal.h"
#include "host/fd.h"
#include "host/text.h"

#define BOOT_BYTES   40
#define RECORD_BYTES (64 + BOOT_BYTES + HOST_CPUS_MAX * 32)

struct entry {
	uint32_t core;
	ns_t before_ns;
};

/* What was changed on the host. */
struct record {
	char boot[BOOT_BYTES];
	int64_t throttle_us; /* what it was before it was switched off; -1: it was not */
	ns_t set_ns;
	uint32_t n;
	struct entry entry[HOST_CPUS_MAX];
};

static void path_of(const struct partition *p, const char *suffix, char ret[PARTITION_TEXT_BYTES])
{
	snprintf(ret, PARTITION_TEXT_BYTES, "%s/fair-server%s", p->run_dir, suffix);
}

static void read_boot(const struct partition *p, char ret[BOOT_BYTES])
{
	if (host_text_read(ret, BOOT_BYTES, "%s/proc/sys/kernel/random/boot_id", p->root) <= 0) {
		snprintf(ret, BOOT_BYTES, "unknown");
	}
}

/* @return length */
static size_t format(const struct record *rec, char text[RECORD_BYTES])
{
	size_t n = (size_t)snprintf(text, RECORD_BYTES,
				    "pinfold-fair-server 1\nboot %s\nthrottle %" PRId64
				    "\nset %" PRIu64 "\n",
				    rec->boot, rec->throttle_us, rec->set_ns);

	for (uint32_t i = 0; i < rec->n; i++) {
		n += (size_t)snprintf(text + n, RECORD_BYTES - n, "core %u %" PRIu64 "\n",
				      rec->entry[i].core, rec->entry[i].before_ns);
	}
	return n;
}

static int save(const struct partition *p, const struct record *rec)
{
	_cleanup_free_ char *text = malloc(RECORD_BYTES);
	char path[PARTITION_TEXT_BYTES];
	char tmp[PARTITION_TEXT_BYTES];
	_cleanup_close_ int fd = -1;
	int r;

	if (!text) {
		return -ENOMEM;
	}
	path_of(p, "", path);
	path_of(p, ".new", tmp);
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : host_fd_write_full(fd, text, format(rec, text));
	return r == 0 && rename(tmp, path) < 0 ? -errno : r;
}

static int parse(const char *text, struct record *ret)
{
	int at = 0;

	ret->n = 0;
	if (sscanf(text,
		   "pinfold-fair-server 1\nboot %39[0-9a-z-]\nthrottle %" SCNd64 "\nset %" SCNu64
		   "\n%n",
		   ret->boot, &ret->throttle_us, &ret->set_ns, &at) != 3 ||
	    ret->throttle_us < -1) {
		return -EBADMSG;
	}
	for (text += at; *text; text += at) {
		struct entry *e = &ret->entry[ret->n];

		if (ret->n == HOST_CPUS_MAX ||
		    sscanf(text, "core %u %" SCNu64 "\n%n", &e->core, &e->before_ns, &at) != 2 ||
		    e->core >= HOST_CPUS_MAX) {
			return -EBADMSG;
		}
		ret->n++;
	}
	return 0;
}

/* @return 0; -ENOENT; -EBADMSG not exactly what we write */
static int load(const struct partition *p, struct record *ret)
{
	_cleanup_free_ char *text = malloc(RECORD_BYTES);
	_cleanup_free_ char *again = malloc(RECORD_BYTES);
	ssize_t n;

	if (!text || !again) {
		return -ENOMEM;
	}
	n = host_text_read(text, RECORD_BYTES, "%s/fair-server", p->run_dir);
	if (n < 0) {
		return n == -ENOENT ? -ENOENT : -EBADMSG;
	}
	if (parse(text, ret) < 0) {
		return -EBADMSG;
	}
	again[format(ret, again) - 1] = '\0'; /* a newline at the end is not read */
	return strcmp(text, again) == 0 ? 0 : -EBADMSG;
}

static void forget(const struct partition *p)
{
	char path[PARTITION_TEXT_BYTES];

	path_of(p, "", path);
	unlink(path);
}

static int give_throttle_back(const struct partition *p, const struct record *rec)
{
	struct host_throttle now;
	int r;

	if (rec->throttle_us < 0) {
		return 0;
	}
	r = host_throttle_read(p->root, &now);
	if (r == 0 && now.runtime_us == -1) {
		r = host_throttle_write(p->root, rec->throttle_us);
	}
	if (r < 0) {
		log_warn("real-time throttling can't be given back: %s", strerror(-r));
	}
	return r;
}

static int give_core_back(const struct partition *p, const struct record *rec,
			  const struct entry *e)
{
	struct host_fair now;
	int r = host_fair_read(p->root, e->core, &now);

	if (r == 0 && now.runtime_ns == rec->set_ns) {
		r = host_fair_write(p->root, e->core, e->before_ns);
	}
	if (r < 0) {
		log_warn("the fair server of core %u can't be given back: %s", e->core,
			 host_fair_why(r));
	}
	return r;
}

/* Of this boot. @return whether there is one */
static bool load_own(const struct partition *p, struct record *ret)
{
	char boot[BOOT_BYTES];
	int r = load(p, ret);

	if (r == -EBADMSG) {
		log_warn("the record of the fair server is damaged or not ours: ignored dir=\"%s\"",
			 p->run_dir);
	}
	read_boot(p, boot);
	if (r == 0 && strcmp(boot, ret->boot) != 0) {
		forget(p);
		r = -ENOENT;
	}
	return r == 0;
}

void partition_fair_undo(struct partition *p)
{
	_cleanup_free_ struct record *rec = malloc(sizeof(*rec));
	int r;

	p->fair.is_set = p->fair.is_throttle_set = false;
	if (!rec || !load_own(p, rec)) {
		return;
	}
	r = give_throttle_back(p, rec);
	for (uint32_t i = 0; i < rec->n; i++) {
		int one = give_core_back(p, rec, &rec->entry[i]);

		r = r < 0 ? r : one;
	}
	if (r == 0) {
		forget(p); /* else it stays for another try */
	}
}

/* What a core had before the first daemon changed it. */
static ns_t before_ns(const struct record *old, uint32_t core, ns_t now_ns)
{
	for (uint32_t i = 0; i < old->n; i++) {
		if (old->entry[i].core == core && now_ns == old->set_ns) {
			return old->entry[i].before_ns;
		}
	}
	return now_ns;
}

/* @param old of an earlier daemon: what it changed goes on from there, so that it need not be changed twice */
static int plan_fair(const struct partition *p, const struct record *old, struct record *rec)
{
	rec->set_ns = p->fair.runtime_ns;
	for (uint32_t i = 0; i < p->roles.n_pool; i++) {
		uint16_t core = p->roles.pool[i];
		struct host_fair now;
		ns_t ns;
		int r = host_fair_read(p->root, core, &now);

		if (r < 0) {
			return r;
		}
		ns = before_ns(old, core, now.runtime_ns);
		/* What is so already is not ours to give back. */
		if (ns != rec->set_ns) {
			rec->entry[rec->n++] = (struct entry){ core, ns };
		}
	}
	return 0;
}

/* Those of an earlier daemon that this one does not want. */
static void give_rest_back(const struct partition *p, const struct record *old)
{
	for (uint32_t i = 0; i < old->n; i++) {
		if (!p->fair.is_wanted || !host_cpus_has(&p->pool, old->entry[i].core)) {
			(void)give_core_back(p, old, &old->entry[i]);
		}
	}
	if (!p->fair.is_throttle_wanted) {
		(void)give_throttle_back(p, old);
	}
}

static int set_fair(const struct partition *p, const struct record *rec)
{
	int r = 0;

	for (uint32_t i = 0; i < rec->n && r == 0; i++) {
		r = host_fair_write(p->root, rec->entry[i].core, rec->set_ns);
	}
	return r;
}

/* All pool cores or none. */
static void do_fair(struct partition *p, const struct record *old, struct record *rec)
{
	int r = plan_fair(p, old, rec);

	r = r < 0 ? r : save(p, rec);
	r = r < 0 ? r : set_fair(p, rec);
	p->fair.error = r;
	p->fair.is_set = r == 0;
	if (r < 0) {
		for (uint32_t i = 0; i < rec->n; i++) {
			(void)give_core_back(p, rec, &rec->entry[i]);
		}
		give_rest_back(p, old);
		rec->n = 0;
		return;
	}
	log_info("the fair server of the pool cores is set runtime_us=%llu",
		 (unsigned long long)(p->fair.runtime_ns / NS_PER_US));
}

/* The record goes on with what was done to the fair server. */
static void do_throttle(struct partition *p, struct record *rec)
{
	struct host_throttle now = { .is_in_force = false };
	int r = host_throttle_read(p->root, &now);

	if (r == 0 && now.is_in_force) {
		rec->throttle_us = now.runtime_us;
		r = save(p, rec);
		r = r < 0 ? r : host_throttle_write(p->root, -1);
	}
	p->fair.throttle_error = r;
	p->fair.is_throttle_set = r == 0 && rec->throttle_us >= 0;
	if (p->fair.is_throttle_set) {
		log_info("real-time throttling of the host is switched off");
	}
}

void partition_fair_set(struct partition *p)
{
	_cleanup_free_ struct record *old = malloc(sizeof(*old));
	_cleanup_free_ struct record *rec = malloc(sizeof(*rec));

	if (!old || !rec || (!p->fair.is_wanted && !p->fair.is_throttle_wanted)) {
		partition_fair_undo(p);
		return;
	}
	if (!load_own(p, old)) {
		old->n = 0;
		old->throttle_us = -1;
	}
	read_boot(p, rec->boot);
	rec->throttle_us = p->fair.is_throttle_wanted ? old->throttle_us : -1;
	rec->set_ns = 0;
	rec->n = 0;
	give_rest_back(p, old);
	if (p->fair.is_wanted) {
		do_fair(p, old, rec);
	}
	if (p->fair.is_throttle_wanted) {
		do_throttle(p, rec);
	}
	if (rec->n == 0 && rec->throttle_us < 0) {
		forget(p);
	}
}

void partition_fair_none(struct partition *p)
{
	partition_fair_undo(p);
	p->fair.error = p->fair.is_wanted ? -ENODEV : 0;
	p->fair.throttle_error = p->fair.is_throttle_wanted ? -ENODEV : 0;
}

void partition_fair_get(const struct partition *p, struct partition_fair *ret)
{
	*ret = p->fair;
	host_fair_look(p->root, &p->pool, &ret->now);
	ret->throttle = (struct host_throttle){ .is_in_force = false };
	ret->throttle_now_error = host_throttle_read(p->root, &ret->throttle);
}

const char *partition_fair_why(int error)
{
	switch (error) {
	case -ENODEV:
		return "VM threads have no real-time priority here, so it takes nothing from them";
	case -EBUSY:
		return "the kernel refuses less for cores that are a partition already: end all "
		       "VMs "
		       "and the daemon, and start it again";
	default:
		return host_fair_why(error);
	}
}
