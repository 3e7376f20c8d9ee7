/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core locks in a file that outlives the daemon, and what a new daemon makes of them
 * (docs/sched.md, "Restart").
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "daemon/dispatch/dispatch_internal.h"
#include "host/fd.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static int read_boot_id(char ret[40])
{
	_cleanup_close_ int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	memset(ret, 0, 40);
	if (fd < 0) {
		return -errno;
	}
	n = host_fd_read_full(fd, ret, 39);
	return n < 0 ? (int)n : 0;
}

static int map(int fd, struct locks_file **ret)
{
	void *p =
		mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	if (p == MAP_FAILED) {
		return -errno;
	}
	*ret = p;
	return 0;
}

/* Whether a file of an earlier dispatcher of this boot. */
static bool is_ours(const struct locks_file *f, const char *boot_id)
{
	return f->magic == LOCKS_MAGIC && f->revision == LOCKS_REVISION &&
	       f->n_cores == SCHED_HOST_CORES_MAX && memcmp(f->boot_id, boot_id, 40) == 0 &&
	       f->starts < 1U << 23;
}

/* Take the file over. @return 1: not ours */
static int take_over(struct dispatch *d, const char *path, const char *boot_id)
{
	struct stat st;
	int r;

	d->locks_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (d->locks_fd < 0) {
		return errno == ENOENT || errno == ELOOP || errno == ENXIO ? 1 : -errno;
	}
	if (flock(d->locks_fd, LOCK_EX | LOCK_NB) < 0) {
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	}
	if (fstat(d->locks_fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof(*d->locks) ||
	    st.st_uid != geteuid() || (st.st_mode & 0777) != 0600) {
		return 1;
	}
	r = map(d->locks_fd, &d->locks);
	if (r < 0) {
		return r;
	}
	if (!is_ours(d->locks, boot_id)) {
		dispatch_locks_close(d);
		return 1;
	}
	return 0;
}

/* Make a new one under another name; whole, or not at all. */
static int make(struct dispatch *d, const char *path, const char *boot_id)
{
	char tmp[320];
	int r;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	unlink(tmp);
	d->locks_fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->locks_fd < 0 || flock(d->locks_fd, LOCK_EX | LOCK_NB) < 0 ||
	    ftruncate(d->locks_fd, (off_t)sizeof(*d->locks)) < 0) {
		return -errno;
	}
	r = map(d->locks_fd, &d->locks);
	if (r < 0) {
		return r;
	}
	d->locks->magic = LOCKS_MAGIC;
	d->locks->revision = LOCKS_REVISION;
	memcpy(d->locks->boot_id, boot_id, sizeof(d->locks->boot_id));
	d->locks->n_cores = SCHED_HOST_CORES_MAX;
	return rename(tmp, path) < 0 ? -errno : 0;
}

static int set_aside(const char *path)
{
	char aside[320];

	snprintf(aside, sizeof(aside), "%s.aside", path);
	return rename(path, aside) < 0 && errno != ENOENT ? -errno : 0;
}

int dispatch_locks_open(struct dispatch *d, const char *run_dir, struct errmsg *e)
{
	char boot_id[40];
	char path[300];
	int r;

	if (snprintf(path, sizeof(path), "%s/" LOCKS_FILE, run_dir) >= (int)sizeof(path)) {
		return errmsg_set(e, -ENAMETOOLONG, "%s: the name is too long", run_dir);
	}
	r = read_boot_id(boot_id);
	if (r == 0) {
		r = take_over(d, path, boot_id);
	}
	if (r == 1) {
		dispatch_locks_close(d);
		r = set_aside(path);
		if (r == 0) {
			r = make(d, path, boot_id);
		}
	}
	if (r < 0) {
		return errmsg_set(e, r, "%s: %s", path,
				  r == -EBUSY ? "another daemon holds the core locks"
					      : strerror(-r));
	}
	d->locks->starts++;
	return 0;
}

void dispatch_locks_close(struct dispatch *d)
{
	if (d->locks) {
		munmap(d->locks, sizeof(*d->locks));
		d->locks = NULL;
	}
	if (d->locks_fd >= 0) {
		close(d->locks_fd);
		d->locks_fd = -1;
	}
}

static _Atomic uint64_t *word_of(struct dispatch *d, uint32_t core)
{
	return &d->locks->word[d->cores[core].host_core];
}

void dispatch_lock_change(struct dispatch *d, const struct sched_action *a)
{
	uint64_t expected = a->a;

	if (atomic_compare_exchange_strong(word_of(d, a->core), &expected, a->b)) {
		return;
	}
	/* Somebody else wrote in our file. What the scheduler knows is true; people must hear. */
	atomic_store(word_of(d, a->core), a->b);
	dispatch_notice_put(d, &(struct dispatch_notice){ .type = DISPATCH_REPORT,
							  .reason = SCHED_REASON_VIOLATION,
							  .slot = SCHED_NONE,
							  .core = a->core });
}

/*
 * Whether one named in a lock is known to execute no more: there is no such VM, it is dead or was
 * killed, or it is not for the scheduler to run and sleeps without a grant on its new page.
 */
static bool is_over(struct dispatch *d, uint32_t vcpu)
{
	struct sched_vcpu_info info;
	struct host_task_look look;
	const struct slot *sl;

	if (vcpu == SCHED_NONE) {
		return false;
	}
	if (vcpu >= d->cfg.limits.vms || d->slots[vcpu].state != SLOT_VM) {
		return true;
	}
	sl = &d->slots[vcpu];
	if (sl->is_dead || sl->is_killed) {
		return true;
	}
	if (sched_vcpu_get(d->s, vcpu, 0, &info) < 0 || info.state == SCHED_VCPU_READY) {
		return false;
	}
	return host_task_look(&sl->task, &look) == 0 && strchr("STt", look.state);
}

/* Holders that are over give the lock on. A word that makes no sense stays, and is refused. */
static uint64_t clean(struct dispatch *d, uint64_t word)
{
	if (is_over(d, sched_lock_unpack(word).successor)) {
		(void)sched_lock_withdraw(word, &word);
	}
	if (is_over(d, sched_lock_unpack(word).owner)) {
		(void)sched_lock_pass(word, sched_lock_unpack(word).epoch + 1ULL, &word);
	}
	if (sched_lock_unpack(word).owner == SCHED_NONE &&
	    sched_lock_unpack(word).successor == SCHED_NONE) {
		word = SCHED_LOCK_FREE; /* whatever else it says */
	}
	return word;
}

/* The holders of a word are on that core, until they are known to have stopped. */
static void note_holders(struct dispatch *d, uint16_t core, uint64_t word)
{
	struct sched_lock l = sched_lock_unpack(word);
	uint32_t holders[2] = { l.owner, l.successor };

	for (int i = 0; i < 2; i++) {
		struct slot *sl;

		if (holders[i] == SCHED_NONE) {
			continue;
		}
		sl = dispatch_slot(d, holders[i]);
		sl->core = core;
		sl->since_ns = host_clock_monotonic_ns();
		(void)host_task_times(&sl->task, &sl->base);
		sl->is_held_back = i == 1; /* its grant was on a page that is no more */
	}
}

static void forget_holders(struct dispatch *d, uint64_t word)
{
	struct sched_lock l = sched_lock_unpack(word);

	if (l.owner != SCHED_NONE) {
		dispatch_slot(d, l.owner)->core = SCHED_CORE_NONE;
	}
	if (l.successor != SCHED_NONE) {
		dispatch_slot(d, l.successor)->core = SCHED_CORE_NONE;
	}
}

/* An exclusive owner runs on. The scheduler has nothing to say to it: its new page gets the grant. */
static void run_on(struct dispatch *d, uint16_t core, uint64_t word)
{
	struct sched_lock l = sched_lock_unpack(word);
	struct slot *sl = dispatch_slot(d, l.owner);

	dispatch_settle_on(d, sl, d->cores[core].host_core);
	sl->epoch = l.epoch ? l.epoch : 1; /* the number of an adopted grant is not known in full */
	dispatch_publish(sl, sl->epoch, GRANT_NO_END, GRANT_NO_END);
	host_futex_wake(&sl->ack->wake);
}

static void adopt_core(struct dispatch *d, uint16_t core)
{
	struct sched_event ev = { .type = SCHED_EV_ADOPT, .core = core };
	uint64_t word = clean(d, atomic_load(word_of(d, core)));

	atomic_store(word_of(d, core), word);
	note_holders(d, core, word);
	ev.arg = word;
	if (dispatch_handle(d, &ev) == 0) {
		if (sched_lock_unpack(word).exclusive) {
			run_on(d, core, word);
		}
		return;
	}
	forget_holders(d, word);
	ev = (struct sched_event){ .type = SCHED_EV_CORE_OFFLINE, .core = core };
	(void)dispatch_handle(d, &ev);
}

/* Cores that are no longer in the pool: whoever was there is kept off it. */
static void drop_strangers(struct dispatch *d)
{
	for (uint32_t host = 0; host < SCHED_HOST_CORES_MAX; host++) {
		bool is_pool = false;

		for (uint32_t i = 0; i < d->cfg.limits.cores; i++) {
			is_pool = is_pool || d->cores[i].host_core == host;
		}
		if (!is_pool && atomic_load(&d->locks->word[host]) != SCHED_LOCK_FREE) {
			atomic_store(&d->locks->word[host], SCHED_LOCK_FREE);
		}
	}
}

int dispatch_locks_adopt(struct dispatch *d)
{
	struct sched_event ev = { .type = SCHED_EV_DISPATCH, .arg = 1 };

	for (uint32_t i = 0; i < d->cfg.limits.cores; i++) {
		adopt_core(d, (uint16_t)i);
	}
	drop_strangers(d);
	return dispatch_handle(d, &ev);
}
