/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The slice protocol with a real guest behind it: an endless guest executes only while a grant
 * says so, gives the core back when budget or deadline are over or when it is revoked, and counts
 * its CPU time; a paused VM says that it wants nothing; a VM under a new scheduler forgets the old
 * one's grants.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/fd.h"
#include "host/timer.h"
#include "proto/grant.h"
#include "test.h"
#include "vcpu_time.h"
#include "vm/gate.h"
#include "vm/vm.h"

#define AROUND_NS (100 * NS_PER_US)
#define ATTEMPTS  5

/* The scheduler's side of one vCPU. */
struct rig {
	struct vm *vm;
	struct grant_page *grant;
	struct ack_page *ack;
	int grant_fd, ack_fd, notify_fd;
};

static void on_stop(void *opaque, const struct proto_stopped *s)
{
	(void)opaque;
	(void)s;
}

static void on_output(void *opaque)
{
	(void)opaque;
}

static void *new_page(int *ret_fd)
{
	*ret_fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK_INT(ftruncate(*ret_fd, (off_t)PAGE_BYTES), 0);
	return mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
}

static void new_pages(struct rig *r)
{
	r->grant = new_page(&r->grant_fd);
	r->ack = new_page(&r->ack_fd);
	r->grant->magic = GRANT_MAGIC;
	r->grant->revision = GRANT_REVISION;
	r->ack->magic = ACK_MAGIC;
	r->ack->revision = GRANT_REVISION;
	CHECK_INT(fcntl(r->grant_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	r->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* jmp . in 16-bit code */
static const uint8_t endless[] = { 0xeb, 0xfe };

static bool make(struct rig *r)
{
	struct proto_config cfg = {
		.engine = "unicorn",
		.board = "bare",
		.arch = CPU_ARCH_X86,
		.flags = PROTO_CFG_16BIT,
		.n_cpus = 1,
		.slice_ns = 10 * NS_PER_MS,
	};
	struct vm_fds fds = VM_FDS_NONE;
	struct vm_callbacks cb = { NULL, on_stop, on_output };
	struct proto_ready ready;
	struct errmsg e = { "" };

	cfg.limits.mem_bytes = 1 << 20;
	fds.image = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK_INT(write(fds.image, endless, sizeof(endless)), sizeof(endless));
	fcntl(fds.image, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	new_pages(r);
	if (vm_new(&cfg, &fds, &cb, &r->vm, &ready, &e) < 0 || vm_thread_start(r->vm, &e) < 0) {
		printf("no VM: %s\n", e.text);
		return false;
	}
	CHECK_INT(vm_attach_scheduler(r->vm, r->grant_fd, r->ack_fd, r->notify_fd, &e), 0);
	CHECK_INT(vm_start(r->vm, &e), 0);
	return true;
}

static void grant(struct rig *r, uint64_t epoch, ns_t budget_ns, ns_t deadline_ns)
{
	atomic_store(&r->grant->budget_ns, budget_ns);
	atomic_store(&r->grant->base_ns, vcpu_time_ns(getpid()));
	atomic_store(&r->grant->deadline_ns, deadline_ns);
	atomic_store(&r->grant->epoch, epoch);
	atomic_fetch_add(&r->ack->wake, 1);
	host_futex_wake(&r->ack->wake);
}

/* Wait until the ack page shows a state; false after half a minute. */
static bool await(struct rig *r, enum ack_state state, uint64_t epoch)
{
	ns_t until_ns = host_clock_monotonic_ns() + 30 * NS_PER_S;

	while (host_clock_monotonic_ns() < until_ns) {
		struct pollfd p = { .fd = r->notify_fd, .events = POLLIN };
		uint64_t n;

		if (atomic_load(&r->ack->state) == (unsigned int)state &&
		    atomic_load(&r->ack->epoch) == epoch) {
			return true;
		}
		if (poll(&p, 1, 100) == 1 && read(r->notify_fd, &n, sizeof(n)) < 0) {
			return false;
		}
	}
	printf("ack: state %u epoch %" PRIu64 "\n", r->ack->state, r->ack->epoch);
	return false;
}

static ns_t guest_ns(struct rig *r)
{
	struct proto_usage u;

	CHECK_INT(vm_get_usage(r->vm, &u, NULL), 0);
	return u.cpu_ns;
}

static void done(struct rig *r)
{
	vm_free(r->vm);
	munmap(r->grant, PAGE_BYTES);
	munmap(r->ack, PAGE_BYTES);
	close(r->grant_fd);
	close(r->ack_fd);
	close(r->notify_fd);
}

/*
 * A grant is spent in the guest, but for a little around it. Where the host below pauses a processor, the pause counts as time of whoever had it, and
 * may hit the monitor: of one try nothing follows.
 */
static bool is_spent_in_guest(ns_t in_guest_ns, ns_t budget_ns)
{
	return in_guest_ns >= budget_ns - AROUND_NS;
}

static void runs_only_when_granted(void)
{
	struct rig r = { 0 };
	uint32_t n_spent = 0;
	ns_t used_ns;

	if (!make(&r)) {
		test_failures++;
		return;
	}
	CHECK(await(&r, ACK_PARKED, 0));
	CHECK_INT(guest_ns(&r), 0);
	for (uint64_t epoch = 1; epoch <= 20; epoch++) {
		ns_t before_ns = guest_ns(&r);

		grant(&r, epoch, 2 * NS_PER_MS, GRANT_NO_END);
		CHECK(await(&r, ACK_PARKED, epoch));
		used_ns = vcpu_time_ns(getpid()) - atomic_load(&r.grant->base_ns);
		/* Not less than the budget; how much more is the host's timer's business. */
		CHECK(used_ns >= 2 * NS_PER_MS);
		CHECK(guest_ns(&r) - before_ns <= used_ns);
		n_spent += is_spent_in_guest(guest_ns(&r) - before_ns, 2 * NS_PER_MS);
	}
	CHECK(n_spent > 10);
	done(&r);
}

static void a_deadline_ends_it(void)
{
	struct rig r = { 0 };
	ns_t now_ns;

	if (!make(&r)) {
		test_failures++;
		return;
	}
	now_ns = host_clock_monotonic_ns();
	grant(&r, 1, GRANT_NO_END, now_ns + 5 * NS_PER_MS);
	CHECK(await(&r, ACK_PARKED, 1));
	CHECK(host_clock_monotonic_ns() - now_ns >= 5 * NS_PER_MS);
	/* One that is over already: it parks without a guest instruction. */
	now_ns = guest_ns(&r);
	grant(&r, 2, GRANT_NO_END, 1);
	CHECK(await(&r, ACK_PARKED, 2));
	CHECK_INT(guest_ns(&r), now_ns);
	done(&r);
}

static void revoke_ends_an_exclusive_grant(void)
{
	struct rig r = { 0 };

	if (!make(&r)) {
		test_failures++;
		return;
	}
	grant(&r, 7, GRANT_NO_END, GRANT_NO_END);
	CHECK(await(&r, ACK_RUNNING, 7));
	atomic_store(&r.grant->revoked, 7);
	CHECK(await(&r, ACK_PARKED, 7)); /* at the latest when it looks around, after a slice */
	done(&r);
}

static void a_paused_vm_is_blocked(void)
{
	struct rig r = { 0 };
	struct errmsg e = { "" };

	if (!make(&r)) {
		test_failures++;
		return;
	}
	grant(&r, 1, GRANT_NO_END, GRANT_NO_END);
	CHECK(await(&r, ACK_RUNNING, 1));
	CHECK_INT(vm_pause(r.vm, &e), 0);
	CHECK(await(&r, ACK_BLOCKED, 1));
	guest_ns(&r); /* an operation on a blocked VM leaves it blocked */
	CHECK_INT(atomic_load(&r.ack->state), ACK_BLOCKED);
	CHECK_INT(vm_resume(r.vm, &e), 0);
	CHECK(await(&r, ACK_PARKED, 1)); /* it asks for a core, and does not take the old one */
	grant(&r, 2, NS_PER_MS, GRANT_NO_END);
	CHECK(await(&r, ACK_PARKED, 2));
	done(&r);
}

/* @return whether it had its grant of the new one */
static bool starts_afresh(void)
{
	struct rig r = { 0 };
	struct rig old;
	struct errmsg e = { "" };
	ns_t before_ns;
	bool is_spent;

	if (!make(&r)) {
		test_failures++;
		return true;
	}
	grant(&r, 5, GRANT_NO_END, GRANT_NO_END);
	CHECK(await(&r, ACK_RUNNING, 5));
	old = r;
	new_pages(&r);
	CHECK_INT(vm_attach_scheduler(r.vm, r.grant_fd, r.ack_fd, r.notify_fd, &e), 0);
	CHECK(await(&r, ACK_PARKED, 0));
	before_ns = guest_ns(&r);
	grant(&old, 6, GRANT_NO_END, GRANT_NO_END);
	grant(&r, 1, NS_PER_MS, GRANT_NO_END);
	CHECK(await(&r, ACK_PARKED, 1));
	is_spent = is_spent_in_guest(guest_ns(&r) - before_ns, NS_PER_MS);
	munmap(old.grant, PAGE_BYTES);
	munmap(old.ack, PAGE_BYTES);
	close(old.grant_fd);
	close(old.ack_fd);
	close(old.notify_fd);
	done(&r);
	return is_spent;
}

static void a_new_scheduler_starts_afresh(void)
{
	bool is_spent = false;

	for (int i = 0; i < ATTEMPTS && !is_spent; i++) {
		is_spent = starts_afresh();
	}
	CHECK(is_spent);
}

static void a_wrong_page_is_refused(void)
{
	struct rig r = { 0 };
	struct rig bad = { 0 };
	struct errmsg e = { "" };

	if (!make(&r)) {
		test_failures++;
		return;
	}
	new_pages(&bad);
	bad.grant->revision++;
	CHECK_INT(vm_attach_scheduler(r.vm, bad.grant_fd, bad.ack_fd, bad.notify_fd, &e), -EINVAL);
	CHECK_STR(e.text, "the grant or ack page is of another revision");
	grant(&r, 1, NS_PER_MS, GRANT_NO_END); /* the old one still counts */
	CHECK(await(&r, ACK_PARKED, 1));
	done(&r);
}

static struct gate hasty;
static _Atomic bool is_over;

static void *sleep_and_wake(void *arg)
{
	(void)arg;
	while (!atomic_load(&is_over)) {
		gate_sleep(&hasty, gate_wake_word(&hasty), 1); /* a time that has passed */
	}
	return NULL;
}

/* A daemon comes back at whatever moment, also between a park and the sleep after it. */
static void pages_are_never_missing(void)
{
	struct rig pages[2] = { { 0 }, { 0 } };
	struct errmsg e = { "" };
	pthread_t thread;

	gate_init(&hasty);
	new_pages(&pages[0]);
	new_pages(&pages[1]);
	CHECK_INT(gate_attach(&hasty, pages[0].grant_fd, pages[0].ack_fd, pages[0].notify_fd, &e),
		  0);
	atomic_store(&is_over, false);
	CHECK_INT(pthread_create(&thread, NULL, sleep_and_wake, NULL), 0);
	for (int i = 0; i < 20000; i++) {
		const struct rig *p = &pages[i % 2];

		CHECK_INT(gate_attach(&hasty, p->grant_fd, p->ack_fd, p->notify_fd, &e), 0);
	}
	atomic_store(&is_over, true);
	pthread_join(thread, NULL);
	gate_done(&hasty);
}

static const struct test_case cases[] = {
	{ "runs only when granted", runs_only_when_granted },
	{ "a deadline ends it", a_deadline_ends_it },
	{ "revoke ends an exclusive grant", revoke_ends_an_exclusive_grant },
	{ "a paused VM is blocked", a_paused_vm_is_blocked },
	{ "a new scheduler starts afresh", a_new_scheduler_starts_afresh },
	{ "a wrong page is refused", a_wrong_page_is_refused },
	{ "pages are never missing", pages_are_never_missing },
};

TEST_MAIN(cases)
