/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dispatcher, shared by the files of this folder. Everything belongs to its thread, but for the
 * queue of commands and the notices, each behind a mutex that inherits priority and is held for a
 * few instructions.
 *
 *   dispatch.c         start, stop, the loop, events into the scheduler
 *   dispatch_api.c     commands from other threads
 *   dispatch_act.c     what the scheduler decided: grants, revokes, locks
 *   dispatch_look.c    is it asleep? acks and samples
 *   dispatch_halt.c    freeze, thaw, kill
 *   dispatch_slot.c    pages and threads of VMs
 *   dispatch_locks.c   the lock file, restart
 *   dispatch_watch.c   looks at VMs that should sleep
 *   dispatch_notice.c  news for the life cycle
 */
#ifndef PINFOLD_DAEMON_DISPATCH_INTERNAL_H
#define PINFOLD_DAEMON_DISPATCH_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "daemon/dispatch/dispatch.h"
#include "host/proc.h"
#include "host/task.h"
#include "host/timer.h"
#include "proto/grant.h"

#define POSTS_MAX  1024
#define OTHERS_MAX 16
#define CORE_NONE  UINT16_MAX /* also: not pinned to a host core */

/* Waits, in the order in which they come up after a claim to have parked. */
#define SPIN_NS	  (20 * NS_PER_US)
#define AGAIN_NS  (50 * NS_PER_US)
#define FORGED_NS (200 * NS_PER_US)

/* A VM may change its mind so often in a window; more, and its eventfd is not heard for a while. */
#define NOISE_WINDOW_NS (10 * NS_PER_MS)
#define NOISE_MAX	200
#define MUTE_NS		(20 * NS_PER_MS)

/* The sampler. */
#define WATCH_EVERY_NS (100 * NS_PER_MS)
#define WATCH_SLOTS    32
#define ROGUE_NS       NS_PER_MS
#define ROGUE_MAX_NS   (WATCH_EVERY_NS / 2) /* with the usual patience, and less */
#define ROGUE_PATIENCE 64		    /* beyond it more is forgiven, */
#define ROGUE_PATIENT_NS \
	(ROGUE_WINDOW_NS / 8) /* but less than one among several on a core could use */
#define ROGUE_SHARED_NS \
	(ROGUE_MAX_NS / 4) /* without real-time it shares its core with everybody; above a tick */
#define ROGUE_WINDOW_NS NS_PER_S /* over which its time adds up: others may use its core, too */

/* On the housekeeping core: who is to come to a stop goes before who is being torn down. */
#define PRIO_STOP 2
#define PRIO_DIE  1

enum slot_state { SLOT_FREE, SLOT_VM };

/* What is to be looked at again when due_ns comes. */
enum todo {
	TODO_LOOK = 1,	 /* it says that it parked, but has not been seen asleep */
	TODO_FREEZE = 2, /* the kernel has not confirmed yet */
	TODO_UNMUTE = 4, /* its eventfd is heard again */
	TODO_DEATH = 8,	 /* killed: the pidfd says so as well, this is the second string */
};

/* What a slot's VM has of us. Whoever has the slot has them, not the dispatcher's thread. */
struct pages {
	int grant_fd, ack_fd, notify_fd;
	struct grant_page *grant; /* NULL: there are none */
	struct ack_page *ack;
	bool is_open;	  /* in use */
	bool is_keepable; /* only the VM's own process ever had them */
};

/* One VM and its vCPU. */
struct slot {
	uint8_t state; /* enum slot_state */
	uint8_t todo;  /* enum todo, a set */
	bool is_muted, is_frozen, is_dead;
	bool is_thaw_due;  /* with its next grant, once it is where that lets it run */
	bool is_blocked;   /* told so to the scheduler */
	bool is_held_back; /* its grant is on no page yet */
	bool is_killed;
	bool is_thread_gone; /* its process may not be: other threads of it may wait for a core */
	int prio;	     /* real-time priority of its thread now; 0: none */
	uint16_t host_core;  /* its thread's affinity, or CORE_NONE */
	uint16_t core;	     /* pool core that it owns or is next on, or SCHED_CORE_NONE */
	uint32_t number, gen;
	uint64_t epoch; /* of the grant in force */
	int notify_fd, pidfd;
	struct grant_page *grant;
	struct ack_page *ack;
	struct host_task task; /* the vCPU thread */
	/* since it got the core */
	struct host_task_times base;
	ns_t since_ns, deadline_ns;
	ns_t woken_ns; /* behind another on its core, which it was not seen to come onto yet; 0: not */
	ns_t arrived_ns; /* when it came onto it; 0: not known */
	/* a claim to have parked that is not proved yet */
	ns_t claim_ns, claim_run_ns;
	/* when it was last signalled */
	struct host_task_times signaled;
	ns_t signaled_ns;
	/* todo list */
	struct slot *prev, *next;
	ns_t look_ns, freeze_ns, freeze_step_ns, unmute_ns, death_ns, death_step_ns;
	/* noise */
	ns_t noise_since_ns;
	uint32_t noise;
	/* the sampler */
	ns_t seen_run_ns, seen_ns; /* time without a grant counts from there; since when */
	uint32_t n_others, n_threads;
	pid_t others[OTHERS_MAX];
	/* counters */
	uint64_t grants, preemptions, strays, forged, signals, freezes;
	char freeze_dir[256];
};

/* A command of another thread, on that thread's stack. */
struct command {
	struct command *next;
	int (*run)(struct dispatch *d, void *arg);
	void *arg;
	int result;
	_Atomic uint32_t is_done;
};

/* The lock file. A change of its layout bumps LOCKS_REVISION. */
#define LOCKS_MAGIC    0x4b434f4cu /* "LOCK" */
#define LOCKS_REVISION 1u
#define LOCKS_FILE     "locks"

struct locks_file {
	uint32_t magic, revision;
	char boot_id[40];
	uint64_t starts; /* of dispatchers since boot */
	uint32_t n_cores, pad;
	_Atomic uint64_t word[SCHED_HOST_CORES_MAX]; /* by host core */
};

/* A core of the pool. */
struct pool_core {
	uint16_t host_core;
	uint8_t rank;
};

struct dispatch {
	struct sched_config cfg;
	uint16_t control, housekeeping;
	int fifo_prio;
	uint32_t patience; /* dispatch_options */
	int (*place)(void *arg, pid_t tid, uint16_t host_core);
	void *place_arg;
	bool is_one_core; /* guests share the control core: waiting for them there is vain */
	void *mem;
	struct sched *s;
	struct sched_out out;
	struct slot *slots;
	struct pages *pages; /* by slot */
	uint32_t n_vms;	     /* slots in state SLOT_VM */
	uint32_t top;	     /* slots above were never used */
	struct pool_core cores[SCHED_CORES_MAX];
	int locks_fd;
	struct locks_file *locks;
	/* events that came up while others were handled */
	struct sched_event posts[POSTS_MAX];
	uint32_t posts_first, posts_n;
	bool is_handling;
	struct slot *todo_head, *todo_tail;
	ns_t watch_ns; /* next look of the sampler, or SCHED_NEVER */
	uint32_t watch_at;
	/* the thread */
	pthread_t thread;
	int epoll_fd, command_fd;
	bool is_stopping;
	ns_t busy_ns, decide_max_ns;
	uint64_t wakeups;
	pthread_mutex_t command_lock; /* guards the two below */
	struct command *commands, *commands_tail;
	pthread_mutex_t notice_lock; /* guards the rest */
	struct dispatch_notice *notices;
	uint32_t notices_first, notices_n, notices_room;
	uint64_t notices_lost;
	int notice_fd;
};

enum source { SOURCE_COMMAND, SOURCE_NOTIFY, SOURCE_PIDFD, SOURCE_THREAD };

/* dispatch.c */
int dispatch_handle(struct dispatch *d, struct sched_event *ev);
void dispatch_post(struct dispatch *d, const struct sched_event *ev);
void dispatch_todo(struct dispatch *d, struct slot *sl, enum todo what, ns_t at_ns);
void dispatch_todo_clear(struct dispatch *d, struct slot *sl, enum todo what);
int dispatch_mutex_init(pthread_mutex_t *m);
struct sched_event dispatch_vcpu_event(const struct slot *sl, enum sched_event_type type);
int dispatch_epoll_add(struct dispatch *d, int fd, enum source source, uint32_t number,
		       uint32_t events);

/* dispatch_api.c */
void dispatch_commands_run(struct dispatch *d);
/* A sentence for what sched_handle() says. */
int dispatch_explain(int r, const struct sched_event *ev, struct errmsg *e);
int dispatch_command(struct dispatch *d, int (*run)(struct dispatch *d, void *arg), void *arg);
int dispatch_vm_copy(struct dispatch *d, uint32_t number, struct dispatch_vm_info *ret);

/* dispatch_act.c */
void dispatch_carry_out(struct dispatch *d, const struct sched_action *a);
void dispatch_publish(struct slot *sl, uint64_t epoch, ns_t budget_ns, ns_t deadline_ns);
int dispatch_pin(struct dispatch *d, pid_t tid, uint16_t host_core);
void dispatch_settle_on(struct dispatch *d, struct slot *sl, uint16_t host_core);

/* dispatch_look.c */
void dispatch_heard(struct dispatch *d, struct slot *sl);
void dispatch_look(struct dispatch *d, struct slot *sl);
/** Answer SAMPLE; @p reason is its reason. */
void dispatch_sample(struct dispatch *d, struct slot *sl, enum sched_reason reason);
bool dispatch_stopped(struct dispatch *d, struct slot *sl);
/**
 * When a vCPU that was woken behind the owner of its core came onto it, by the kernel's account of how
 * long it waited; looked up once. 0: it has not come, or was not woken behind anybody.
 */
ns_t dispatch_arrived_ns(struct slot *sl);
/** Whether a vCPU that was woken behind another still waits for it to leave their core. */
bool dispatch_is_behind(const struct slot *sl);
int dispatch_fresh_times(struct dispatch *d, const struct slot *sl, struct host_task_times *ret);
/** Whether a vCPU thread could run, and the host keeps it off its core at this moment. */
bool dispatch_is_kept_off(struct dispatch *d, const struct slot *sl);
void dispatch_thread_gone(struct dispatch *d, struct slot *sl);
void dispatch_unmute(struct dispatch *d, struct slot *sl);

/* dispatch_halt.c */
void dispatch_freeze(struct dispatch *d, struct slot *sl);
void dispatch_freeze_check(struct dispatch *d, struct slot *sl);
void dispatch_thaw(struct dispatch *d, struct slot *sl);
void dispatch_kill(struct dispatch *d, struct slot *sl);
void dispatch_death_check(struct dispatch *d, struct slot *sl);

/* dispatch_slot.c */
void dispatch_slot_done(struct dispatch *d, struct slot *sl);
void dispatch_pages_free(struct dispatch *d);
void dispatch_slot_keep_off(struct dispatch *d, struct slot *sl);

/* dispatch_locks.c */
int dispatch_locks_open(struct dispatch *d, const char *run_dir, struct errmsg *e);
void dispatch_locks_close(struct dispatch *d);
void dispatch_lock_change(struct dispatch *d, const struct sched_action *a);
int dispatch_locks_adopt(struct dispatch *d);

/* dispatch_watch.c */
void dispatch_watch(struct dispatch *d, ns_t now_ns);
void dispatch_watch_arm(struct dispatch *d);

/* dispatch_notice.c */
int dispatch_notices_init(struct dispatch *d);
void dispatch_notices_done(struct dispatch *d);
void dispatch_notice_put(struct dispatch *d, const struct dispatch_notice *n);
void dispatch_notice_slot(struct dispatch *d, enum dispatch_notice_type type,
			  enum sched_reason reason, const struct slot *sl, uint16_t core);

static inline struct slot *dispatch_slot(struct dispatch *d, uint32_t number)
{
	BUG_ON(number >= d->cfg.limits.vms);
	return &d->slots[number];
}

#endif
