/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A carrier's process, seen from its monitor.
 *
 *   monitor:  registers into the frame, calls into the mailbox, SIGCONT, waitpid ........... look at the frame
 *   carrier:                            makes the calls, back to the guest ... signal, stop
 */
#include "engine/trap/trap_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"

#define ECALL_BYTES 4u
#define DEAF_NS	    (200 * NS_PER_MS) /* CPU time after a kick, while others follow */

_Static_assert(sizeof(struct trap_call) == 64 && sizeof(struct trap_mailbox) == 2 * PAGE_BYTES,
	       "trap_stub.S knows");

/* ---- birth and end ---- */

static int make_area(struct trap_carrier *c, int *ret_fd, struct errmsg *e)
{
	_cleanup_close_ int fd = memfd_create("trap-area", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, sizeof(struct trap_area)) < 0) {
		return errmsg_set(e, -errno, "no memory for a carrier: %s", strerror(errno));
	}
	c->area = mmap(NULL, sizeof(struct trap_area), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c->area == MAP_FAILED) {
		c->area = NULL;
		return errmsg_set(e, -errno, "no memory for a carrier: %s", strerror(errno));
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* CPU time that the carrier has used; 0: it can't be told. */
static ns_t used_ns(const struct trap_carrier *c)
{
	struct timespec ts;
	clockid_t id;

	if (clock_getcpuclockid(c->pid, &id) != 0 || clock_gettime(id, &ts) < 0) {
		return 0;
	}
	return (ns_t)ts.tv_sec * NS_PER_S + (ns_t)ts.tv_nsec;
}

/*
 * A kick was sent while the carrier ran. One that goes on and on has got itself a mask of signals, in a frame that it
 * forged: that was no guest's code any more.
 */
static void press(const struct trap_engine *t, struct trap_carrier *c)
{
	if (!t->is_kicked) {
		return;
	}
	if (!c->pressed_ns) {
		c->pressed_ns = used_ns(c) + 1;
	} else if (used_ns(c) > c->pressed_ns + DEAF_NS) {
		kill(c->pid, SIGKILL);
	}
}

/* Wait until the carrier has stopped at its own will, or is dead. */
static bool await_stop(const struct trap_engine *t, struct trap_carrier *c)
{
	int status;

	c->pressed_ns = 0;
	for (;;) {
		pid_t got = waitpid(c->pid, &status, WUNTRACED);

		if (got < 0 && errno == EINTR) {
			press(t, c);
			continue;
		}
		if (got < 0 || !WIFSTOPPED(status)) {
			c->pid = 0;
			c->end_status = got < 0 ? -1 : status;
			return false;
		}
		if (__atomic_load_n(&c->area->box.is_stopping, __ATOMIC_ACQUIRE)) {
			return true;
		}
		kill(c->pid, SIGCONT); /* somebody else stopped it */
	}
}

static size_t list_fds(const struct trap_engine *t, int fds[TRAP_REGIONS_MAX + 1])
{
	size_t n = 0;

	fds[n++] = t->copies_fd;
	for (size_t i = 0; i < t->n_regions; i++) {
		if (t->regions[i].has_file) {
			fds[n++] = t->regions[i].fd;
		}
	}
	return n;
}

int trap_carrier_init(struct trap_engine *t, struct trap_carrier *c, struct errmsg *e)
{
	int fds[TRAP_REGIONS_MAX + 1];
	struct trap_birth b = { .stub_va = t->stub_va, .keep = fds, .parent = getpid() };
	_cleanup_close_ int fd = -1;
	int r = make_area(c, &fd, e);

	if (r < 0) {
		return r;
	}
	b.area_fd = fd;
	b.n_keep = list_fds(t, fds);
	c->pid = fork();
	if (c->pid == 0) {
		trap_child_main(&b);
	}
	if (c->pid < 0) {
		r = errmsg_set(e, -errno, "no process for the guest: %s", strerror(errno));
		c->pid = 0;
	} else if (!await_stop(t, c)) {
		r = errmsg_set(e, -EIO, "a process for the guest ended early: wait status %#x",
			       (unsigned int)c->end_status);
	}
	if (r < 0) {
		trap_carrier_done(c);
	}
	return r;
}

void trap_carrier_done(struct trap_carrier *c)
{
	if (c->pid) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) {
		}
	}
	if (c->area) {
		munmap(c->area, sizeof(struct trap_area));
	}
	memset(c, 0, sizeof(*c));
}

/* ---- the frame ---- */

/* The frame that the last signal left; NULL: the guest says that it is where none can be. */
static ucontext_t *frame_of(const struct trap_engine *t, struct trap_carrier *c)
{
	uint64_t at = __atomic_load_n(&c->area->box.uc, __ATOMIC_RELAXED);
	uint64_t area = t->stub_va + PAGE_BYTES;

	if (at % 16 || !range_within(at, sizeof(ucontext_t),
				     area + offsetof(struct trap_area, stack), TRAP_STACK_BYTES)) {
		return NULL;
	}
	return (ucontext_t *)(void *)((uint8_t *)c->area + (at - area));
}

static void put_registers(const struct rv_state *s, ucontext_t *uc, bool has_fp)
{
	struct __riscv_mc_d_ext_state *d = &uc->uc_mcontext.__fpregs.__d;

	uc->uc_mcontext.__gregs[REG_PC] = s->pc;
	for (unsigned int i = 1; i < 32; i++) {
		uc->uc_mcontext.__gregs[i] = s->x[i];
	}
	if (has_fp) {
		memcpy(d->__f, s->f, sizeof(s->f));
		d->__fcsr = s->fcsr;
	}
}

static void take_registers(struct rv_state *s, const ucontext_t *uc, bool has_fp)
{
	const struct __riscv_mc_d_ext_state *d = &uc->uc_mcontext.__fpregs.__d;

	s->pc = uc->uc_mcontext.__gregs[REG_PC] & ~1ULL;
	for (unsigned int i = 1; i < 32; i++) {
		s->x[i] = uc->uc_mcontext.__gregs[i];
	}
	if (has_fp) {
		memcpy(s->f, d->__f, sizeof(s->f));
		s->fcsr = d->__fcsr & 0xff;
	}
}

/* ---- running ---- */

/* Let it go on: it makes the calls in the mailbox, up to the first of number 0, where it stops. */
static bool proceed(struct trap_engine *t, struct trap_carrier *c)
{
	bool is_alive;

	c->area->box.calls[c->n_calls].nr = 0;
	c->area->box.is_stopping = 0;
	c->n_calls = 0;
	t->running = c->pid;
	is_alive = kill(c->pid, SIGCONT) == 0 && await_stop(t, c);
	t->running = 0;
	return is_alive;
}

int trap_carrier_call(struct trap_engine *t, struct trap_carrier *c, const struct trap_call *call)
{
	if (!c->pid || (c->n_calls + 2 >= TRAP_CALLS && !proceed(t, c))) {
		return -EIO;
	}
	c->area->box.calls[c->n_calls++] = *call;
	return 0;
}

enum trap_stay trap_carrier_run(struct trap_engine *t, struct trap_carrier *c, bool has_fp)
{
	struct trap_mailbox *box = &c->area->box;
	ucontext_t *uc = frame_of(t, c);
	uint64_t signo;

	if (!c->pid || !uc) {
		return TRAP_STAY_LOST;
	}
	put_registers(&t->hart.s, uc, has_fp);
	box->calls[c->n_calls++].nr = SYS_rt_sigreturn;
	t->counts.entries++;
	if (!proceed(t, c)) {
		return TRAP_STAY_LOST;
	}
	uc = frame_of(t, c);
	if (!uc) {
		return TRAP_STAY_LOST;
	}
	signo = __atomic_load_n(&box->signo, __ATOMIC_RELAXED);
	take_registers(&t->hart.s, uc, has_fp);
	if (signo == SIGSYS) {
		t->hart.s.pc -= ECALL_BYTES; /* the filter's signal comes behind the instruction */
	}
	return TRAP_STAY_SIGNAL;
}

/* ---- what the host can do ---- */

/* A child that reads a page which may only be executed dies of it, where that is kept. */
bool trap_can_hide(void)
{
	static int known = -1;
	const volatile uint8_t *page;
	int status;
	pid_t pid;

	if (known >= 0) {
		return known;
	}
	page = mmap(NULL, PAGE_BYTES, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		return false;
	}
	pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(page[0]);
	}
	known = pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
	munmap((void *)(uintptr_t)page, PAGE_BYTES);
	return known;
}
