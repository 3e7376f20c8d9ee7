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
#include "vm/gate.h"
#include "vm/memory.h"
#include "vm/points.h"
#include "vm/vm.h"

/** What the vCPU is to do while the state is running. */
enum vm_goal {
	VM_GOAL_RUN,   /* until something ends it */
	VM_GOAL_STEPS, /* steps_left instructions */
	VM_GOAL_SLICE, /* one slice */
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
	struct engine_bus bus; /* what the engine calls */
	struct engine *eng;
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
	bool are_insns_exact;
	uint64_t slices;
	ns_t made_at_ns;
	bool has_stopped;
	bool is_context_summed; /* of fds.context */
	struct proto_stopped last_stop;

	/* Shared by both threads. */
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
};

/* vm.c, with run_lock held */
/* Copy what is at a virtual address; returns the bytes up to the first that is no memory. */
size_t vm_peek(struct vm *vm, const struct cpu_state *cs, gva_t gva, uint8_t *buf, size_t n);
/* Hand all breakpoints to the engine, if it takes them. */
void vm_points_apply(struct vm *vm);

/* vcpu.c: carry out an operation while no instruction runs. */
int vm_call_vcpu(struct vm *vm, int (*fn)(struct vm *, void *, struct errmsg *), void *arg,
		 struct errmsg *e);
/* End the vCPU thread and join it. */
void vm_thread_stop(struct vm *vm);

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
int vm_choose_engine(struct vm *vm, const struct engine_ops **ret, struct proto_ready *ready,
		     struct errmsg *e);

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
