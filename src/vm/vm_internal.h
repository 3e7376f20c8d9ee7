/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of room vm share: one VM, seen from inside its process. */
#ifndef PINFOLD_VM_VM_INTERNAL_H
#define PINFOLD_VM_VM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine.h"
#include "host/timer.h"
#include "machine/machine.h"
#include "mem/mem.h"
#include "proto/proto.h"
#include "vm/console.h"
#include "vm/disks.h"
#include "vm/gate.h"
#include "vm/memory.h"
#include "vm/netlink.h"
#include "vm/points.h"
#include "vm/vm.h"

/** What the vCPU is to do while the state is running. */
enum vm_goal {
	VM_GOAL_RUN,   /* until something ends it */
	VM_GOAL_STEPS, /* steps_left instructions */
	VM_GOAL_SLICE, /* one slice */
};

/** One CPU of the guest. */
struct vm_hart {
	struct engine *eng;
	bool is_online;
	bool is_waiting; /* for an interrupt */
};

struct vm {
	struct proto_config cfg;
	struct vm_fds fds;
	struct vm_callbacks cb;

	/* Protected by run_lock once the vCPU thread runs. */
	const struct cpu_arch *arch;
	struct cpu_mode mode;
	struct vm_memory memory;
	uint64_t ram_bytes;
	struct machine *machine;
	struct loading *loading; /* build.c: what is loaded again at a reset */
	struct engine_bus bus;	 /* what the engine calls */
	bool is_system;		 /* the board has interrupts and timers */
	bool has_sbi;		 /* the board is the guest\'s firmware */
	struct engine *eng;	 /* of the current CPU */
	uint32_t n_harts, cur_hart;
	uint64_t hart_left; /* instructions and traps of the current CPU's turn */
	struct vm_hart harts[MACHINE_HARTS_MAX];
	ns_t due_ns; /* monotonic: when the machine has to be polled; UINT64_MAX: not by time */
	struct vm_points points;
	_Atomic enum proto_vm_state state;
	enum vm_goal goal;
	uint64_t steps_left;
	bool is_leaving_point; /* the next instruction runs although a breakpoint is at it */
	bool is_waiting_input;
	struct proto_limits limits;
	ns_t cpu_ns;	   /* used by guest execution */
	ns_t wall_ns;	   /* running, up to run_since_ns */
	ns_t run_since_ns; /* 0 while the vCPU stands */
	ns_t slice_used_ns;
	ns_t turn_left_ns; /* CPU time until the slice or the grant could be over */
	uint64_t insns;
	uint64_t traps; /* exceptions that the guest took itself, since there is this process */
	bool are_insns_exact;
	uint64_t slices;
	ns_t made_at_ns;
	bool has_stopped;
	bool is_context_summed; /* of fds.context */
	struct proto_stopped last_stop;

	/* Shared by both threads. */
	struct vm_disks disks;
	struct net_link net;
	struct vm_console console;
	struct gate gate;
	struct host_timer timer; /* of the vCPU thread */
	pthread_t thread;
	bool has_thread;
	/* Whoever holds it may use everything above: the vCPU thread while it runs a turn, the
	 * control thread while it carries out an operation. */
	pthread_mutex_t run_lock;
	_Atomic bool is_call_pending; /* the control thread wants run_lock */
	_Atomic bool is_quitting;
	_Atomic bool is_reset_due; /* the guest asked for it: the control thread does it */
	_Atomic uint32_t resets;
	_Atomic bool has_news; /* a back-end of the machine has something for it */
	/* Grants come from outside: without one the vCPU thread does nothing, and while it stands the control thread
	 * sees to the machine. */
	_Atomic bool has_scheduler;
	int due_fd; /* timer by which the control thread does that; -1: the board has none */
	/* The vCPU's side writes the note while there is none, the control thread takes it. */
	_Atomic bool has_device_note;
	struct proto_device device_note;
	ns_t device_note_from_ns; /* no other before */
};

/* vm.c, with run_lock held */
/* Copy what is at a virtual address; returns the bytes up to the first that is no memory. */
size_t vm_peek(struct vm *vm, const struct cpu_state *cs, gva_t gva, uint8_t *buf, size_t n);
/* Hand all breakpoints to the engine, if it takes them. */
void vm_points_apply(struct vm *vm);

/* vcpu.c: carry out an operation while no instruction runs. */
int vm_call_vcpu(struct vm *vm, int (*fn)(struct vm *, void *, struct errmsg *), void *arg,
		 struct errmsg *e);
/* Whether the guest could go on if it had a core; with run_lock held. */
bool vm_is_runnable(struct vm *vm);

/* exits.c, with run_lock held */
/* How one run of the engine went on. */
enum outcome {
	OUTCOME_AGAIN, /* go on in this turn */
	OUTCOME_TURN,  /* the turn is over; the guest can go on */
	OUTCOME_STOP,  /* the vCPU stands: on_stop was told */
};
/* Go on after a run of the engine, or stop. */
enum outcome exits_handle(struct vm *vm, struct vm_exit *x);
/* The engine broke: nothing about the guest can be told any more. */
enum outcome exits_broken(struct vm *vm, const struct errmsg *e);
enum outcome exits_plain(struct vm *vm, enum proto_stop reason, enum proto_vm_state state,
			 const char *text);
enum outcome exits_limit(struct vm *vm, enum proto_limit_kind kind);
/* A device, plug-in, semihosting call or cell in RAM ended the run. */
enum outcome exits_machine(struct vm *vm);
enum outcome exits_watch(struct vm *vm, const struct cpu_state *cs, const struct vm_point *p,
			 gva_t at, const char *what);

/* devices.c */
/* Signal by which an engine is made to leave the guest. */
#define VM_KICK_SIGNAL GRANT_SIGNAL
/* A timer and a thread for devices, before the jail closes. */
int devices_start(struct vm *vm, struct errmsg *e);
/* Let the machine see that time has passed or a back-end has news, if so; with run_lock held. */
void devices_poll(struct vm *vm);
/*
 * Under a scheduler: the control thread is to see to the machine when it is due, or at once if there is news. One that
 * waits for a core sees to its time itself when it has it, and so does one that is paused. With run_lock held.
 */
void devices_arm(struct vm *vm, bool wants_core);
/* Without run_lock: news that the control thread could not see to, because the lock was taken, are not forgotten. */
void devices_remind(struct vm *vm);
/* Have it told if a device has stopped; with run_lock held. */
void devices_note_stopped(struct vm *vm);
/* A back-end has something for the machine: it is to be looked at soon. */
void vm_has_news(struct vm *vm);
/* End the vCPU thread and join it. */
void vm_thread_stop(struct vm *vm);

/* harts.c: the CPUs. */
/* Make their engines, and give them the guest's memory. */
int harts_make(struct vm *vm, const struct engine_ops *ops, const struct engine_config *cfg,
	       struct errmsg *e);
void harts_free(struct vm *vm);
/* What the first CPU's engine has translated, to an empty file. */
int harts_save_code(struct vm *vm, int fd, struct errmsg *e);
/* Such a file, sealed, for all of them. @return 0; negative errno: there is none of it that all have */
int harts_load_code(struct vm *vm, int fd);
struct engine_code harts_count_code(const struct vm *vm);
/* First states; first is that of CPU 0. */
int harts_setup(struct vm *vm, const struct cpu_state *first, struct errmsg *e);
/* What the board needs of them. */
struct machine_cpus harts_cpus(struct vm *vm);
/* Whether any of them has something to do. */
bool harts_can_run(struct vm *vm);
/* Take the guest's memory from all CPUs, and give it to them. */
int harts_unmap_memory(struct vm *vm, struct errmsg *e);
int harts_map_memory(struct vm *vm, struct errmsg *e);
/* Let the machine see that time has passed; its devices may store to memory. */
void harts_poll_machine(struct vm *vm);
/* Memory was changed from outside, by a debugger. */
void harts_memory_changed(struct vm *vm, gpa_t gpa, uint64_t bytes);
/* Make the CPU whose turn it is the current one; false: none has anything to do. */
bool harts_pick(struct vm *vm);
/* How many instructions and traps the current one may run before it is another's turn; 0: nobody else wants one. */
uint64_t harts_turn_insns(struct vm *vm);
/* The current one has executed so many, traps included. */
void harts_charge(struct vm *vm, uint64_t n);
/* When the machine or a CPU's timer is due, on the monotonic clock; UINT64_MAX: never. */
ns_t harts_due_ns(struct vm *vm);
/* All of them, as part of a context; 0 bytes on boards without interrupts. */
size_t harts_state_bytes(const struct vm *vm);
int harts_state_save(struct vm *vm, uint8_t *to, struct errmsg *e);
int harts_state_load(struct vm *vm, const uint8_t *from, struct errmsg *e);

/* report.c: fill in what is known about the vCPU's stop, and its sentence. */
void vm_report_init(struct vm *vm, struct proto_stopped *s, enum proto_stop reason,
		    const struct cpu_state *state);
void vm_report_fault(struct vm *vm, struct proto_stopped *s, const struct cpu_state *state,
		     const struct cpu_fault *f);
void vm_usage_fill(struct vm *vm, struct proto_usage *u);
/* The vCPU stands from here on, in that state: count its time, keep the stop, tell the controller. */
void vm_report_stop(struct vm *vm, struct proto_stopped *s, enum proto_vm_state state);
/* A mode as PROTO_CFG_* bits. */
uint32_t vm_mode_flags(struct cpu_mode mode);
/* PROTO_CFG_* bits that say how to disassemble at the current pc. */
uint32_t vm_insn_flags(const struct vm *vm, const struct cpu_state *state);

/* choose.c: the engine for this guest. */
int vm_choose_engine(struct vm *vm, const struct engine_ops **ret, struct engine_probe *ret_probe,
		     struct proto_ready *ready, struct errmsg *e);

/* trace.c: one executed instruction. */
int vm_trace_step(struct vm *vm, const struct cpu_state *before, const struct cpu_state *after);
size_t vm_regs_pack(const struct cpu_arch *arch, const struct cpu_state *s, uint8_t *buf,
		    size_t max);

/* context.c */
int vm_context_save(struct vm *vm, int fd, struct errmsg *e);
/* is_summed: the file's checksum was found right before */
int vm_context_load(struct vm *vm, int fd, bool is_summed, struct errmsg *e);
/* Without an image, the context says what the VM is: architecture, mode and RAM. */
int vm_context_settle(struct vm *vm, int fd, struct errmsg *e);

#endif
