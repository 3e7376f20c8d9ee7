/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes, and who runs next. Those that are ready stand in one queue for all harts; a turn ends when the clock has ticked.
 *
 * A process that is not running is somewhere in schedule(), on its own kernel stack. The kernel lock is handed from the one
 * that calls schedule() to the one that comes out of it.
 */
#include "kernel.h"

#define STACK_CANARY 0x6c616d62206c616dUL /* at the lowest end of a kernel stack */

static struct process processes[PROCESSES_MAX];
static struct process *first_ready;
static struct process *last_ready;
static struct process *init;
static int32_t last_pid;
static const char clock_channel;

/* ---- the queue ---- */

static void make_ready(struct process *p)
{
	p->state = PROCESS_READY;
	p->next = NULL;
	if (first_ready) {
		last_ready->next = p;
	} else {
		first_ready = p;
	}
	last_ready = p;
	for (unsigned int i = 0; i < n_harts; i++) {
		if (harts[i].is_waiting) {
			harts[i].is_waiting = false;
			sbi_send_ipi(harts[i].id);
			break;
		}
	}
}

static struct process *take_ready(void)
{
	struct process *p = first_ready;

	if (p) {
		first_ready = p->next;
	}
	return p;
}

static void leave(struct process *p)
{
	if (*(uint64_t *)p->stack != STACK_CANARY) {
		panic("%s (%d): kernel stack is full", p->name, p->pid);
	}
	/* Dirty: changed since they were loaded. */
	if ((p->frame->status & STATUS_FS) == STATUS_FS) {
		floats_save(&p->floats);
		p->frame->status = (p->frame->status & ~STATUS_FS) | STATUS_FS_CLEAN;
	}
}

static void take_up(struct process *p)
{
	p->state = PROCESS_RUNNING;
	p->switches++;
	space_enter(&p->space);
	floats_load(&p->floats);
}

/* Let another one run. The caller has said what becomes of the present one: its state. */
static void schedule(void)
{
	struct hart *h = this_hart();
	struct process *old = h->process;
	struct process *new = take_ready();

	h->has_ticked = false;
	if (new == old) {
		if (new) {
			new->state = PROCESS_RUNNING;
		}
		return;
	}
	if (old) {
		leave(old);
	}
	if (new) {
		take_up(new);
	} else {
		space_enter(NULL);
	}
	h->process = new;
	context_switch(old ? &old->context : &h->idle, new ? &new->context : &h->idle);
}

void process_idle(void)
{
	struct hart *h = this_hart();

	for (;;) {
		if (first_ready) {
			schedule();
			continue;
		}
		h->is_waiting = true;
		kernel_unlock();
		__asm__ volatile(
			"wfi"); /* ends with an interrupt that is pending, although they are off */
		kernel_lock();
		h->is_waiting = false;
		interrupts_take();
	}
}

void process_yield(void)
{
	this_hart()->has_ticked = false;
	if (first_ready) {
		make_ready(this_process());
		schedule();
	}
}

/* ---- sleeping ---- */

int process_sleep(const void *channel)
{
	struct process *p = this_process();

	if (!p->is_killed) {
		p->channel = channel;
		p->state = PROCESS_SLEEPING;
		schedule();
		p->channel = NULL;
	}
	return p->is_killed ? -E_INTR : 0;
}

int process_sleep_until(uint64_t time)
{
	int r = 0;

	this_process()->wake_at = time;
	while (r == 0 && time_now() < time) {
		r = process_sleep(&clock_channel);
	}
	return r;
}

void process_wake(const void *channel)
{
	for (struct process *p = processes; p < processes + PROCESSES_MAX; p++) {
		if (p->state == PROCESS_SLEEPING && p->channel == channel) {
			make_ready(p);
		}
	}
}

void process_wake_sleepers(void)
{
	uint64_t now = time_now();

	for (struct process *p = processes; p < processes + PROCESSES_MAX; p++) {
		if (p->state == PROCESS_SLEEPING && p->channel == &clock_channel &&
		    p->wake_at <= now) {
			make_ready(p);
		}
	}
}

/* ---- life and death ---- */

static struct process *process_new(struct process *parent)
{
	struct process *p = processes;

	while (p->state != PROCESS_FREE) {
		if (++p == processes + PROCESSES_MAX) {
			return NULL;
		}
	}
	*p = (struct process){ .parent = parent, .stack = page_new() };
	if (!p->stack) {
		return NULL;
	}
	*(uint64_t *)p->stack = STACK_CANARY;
	p->frame = (struct frame *)(p->stack + PAGE_BYTES) - 1;
	p->context.ra = (uint64_t)trap_first;
	p->context.sp = (uint64_t)p->frame;
	p->pid = ++last_pid;
	return p;
}

static unsigned int asid_of(const struct process *p)
{
	return (unsigned int)(p - processes) + 1;
}

void process_init(void)
{
	struct process *p = process_new(NULL);

	if (!p || space_new(&p->space, asid_of(p)) < 0) {
		panic("no memory for the first process");
	}
	init = p;
	p->frame->status =
		(csr_read(sstatus) & ~(STATUS_SPP | STATUS_FS)) | STATUS_SPIE | STATUS_FS_CLEAN;
	this_hart()->process = p; /* the next calls are on its behalf */
	if (node_find("/", &p->cwd) < 0 || file_open("/dev/console", OPEN_READ | OPEN_WRITE) != 0 ||
	    file_dup(file_of(0)) != 1 || file_dup(file_of(0)) != 2) {
		panic("no console");
	}
	node_get(p->cwd);
	if (process_exec("/bin/init", "init", 1) != 1) {
		panic("no /bin/init");
	}
	this_hart()->process = NULL;
	space_enter(NULL);
	make_ready(p);
}

long process_fork(void)
{
	struct process *parent = this_process();
	struct process *p = process_new(parent);
	int r;

	if (!p) {
		return -E_AGAIN;
	}
	r = space_copy(&parent->space, &p->space, asid_of(p));
	if (r < 0) {
		page_put(p->stack);
		return r;
	}
	leave(parent); /* for its floating point registers */
	p->floats = parent->floats;
	*p->frame = *parent->frame;
	p->frame->x[10] = 0; /* a0: what fork() returns in the child */
	memcpy(p->name, parent->name, sizeof(p->name));
	p->cwd = node_get(parent->cwd);
	for (unsigned int i = 0; i < FDS_MAX; i++) {
		p->files[i] = parent->files[i];
		if (p->files[i]) {
			file_get(p->files[i]);
		}
	}
	make_ready(p);
	return p->pid;
}

void process_exit(int status)
{
	struct process *p = this_process();

	if (p == init) {
		panic("init has ended with status %d", status);
	}
	for (unsigned int i = 0; i < FDS_MAX; i++) {
		if (p->files[i]) {
			file_put(p->files[i]);
		}
	}
	node_put(p->cwd);
	space_enter(NULL);
	space_free(&p->space);
	for (struct process *q = processes; q < processes + PROCESSES_MAX; q++) {
		if (q->state != PROCESS_FREE && q->parent == p) {
			q->parent = init;
			process_wake(init); /* perhaps it has ended already */
		}
	}
	p->status = status;
	p->state = PROCESS_ZOMBIE;
	process_wake(p->parent);
	schedule();
	panic("a dead process runs");
}

long process_wait(int *ret_status)
{
	struct process *self = this_process();

	for (;;) {
		bool has_children = false;

		for (struct process *p = processes; p < processes + PROCESSES_MAX; p++) {
			if (p->state == PROCESS_FREE || p->parent != self) {
				continue;
			}
			has_children = true;
			if (p->state == PROCESS_ZOMBIE) {
				*ret_status = p->status;
				page_put(p->stack);
				p->state = PROCESS_FREE;
				return p->pid;
			}
		}
		if (!has_children) {
			return -E_CHILD;
		}
		if (process_sleep(self) < 0) {
			return -E_INTR;
		}
	}
}

long process_kill(int32_t pid)
{
	for (struct process *p = processes; p < processes + PROCESSES_MAX; p++) {
		if (p->pid != pid || p->state == PROCESS_FREE || p->state == PROCESS_ZOMBIE ||
		    p == init) {
			continue;
		}
		p->is_killed = true;
		if (p->state == PROCESS_SLEEPING) {
			make_ready(p);
		}
		return 0;
	}
	return -E_SRCH;
}

bool process_info(unsigned int idx, struct process_info *ret)
{
	const struct process *p = &processes[idx];

	if (idx >= PROCESSES_MAX) {
		return false;
	}
	*ret = (struct process_info){
		.pid = p->state == PROCESS_FREE ? 0 : p->pid,
		.parent = p->parent ? p->parent->pid : 0,
		.state = p->state,
		.pages = p->space.pages,
		.ticks = p->ticks,
		.switches = p->switches,
	};
	memcpy(ret->name, p->name, sizeof(ret->name));
	return true;
}
