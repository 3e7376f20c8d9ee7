/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM interface: one VM, the same operations whatever its architecture or engine
 * (docs/design.md, section 3). Written once, above the engines.
 *
 *   created -> ready <-> running          ready, running -> paused -> running
 *                          |
 *                          +-> stopped | faulted          (the end; registers stay readable)
 *
 * Two threads: the vCPU thread runs the guest; the control thread calls the functions below, each
 * of which is carried out between two instructions, while the vCPU thread stands. Both take the
 * same lock around engine, machine, memory and state.
 * An operation that the state does not allow is refused with -EBUSY and a sentence that names
 * both states, the same for every architecture. What happened to the guest is reported through
 * the on_stop callback.
 */
#ifndef PINFOLD_VM_VM_H
#define PINFOLD_VM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "cpu/cpu.h"
#include "engine/engine.h"
#include "proto/proto.h"

struct vm;

/** Descriptors that came with the configuration; -1 if absent. Borrowed until vm_free(). */
struct vm_fds {
	int image;
	int kvm;
	int trace;
	int plugin;
	int context;
	int kernel;
	int initrd;
	int net; /* socket for frames */
	int code;
	int disks[PROTO_DISKS_MAX];
	int overlays[PROTO_DISKS_MAX]; /* of the disks with the same numbers */
};

/** No descriptor at all. */
#define VM_FDS_NONE                                                                             \
	{                                                                                       \
		.image = -1, .kvm = -1, .trace = -1, .plugin = -1, .context = -1, .kernel = -1, \
		.initrd = -1, .net = -1, .code = -1, .disks = { -1, -1, -1, -1 },               \
		.overlays = { -1, -1, -1, -1 },                                                 \
	}

/** How the VM talks to whoever drives it. */
struct vm_callbacks {
	void *opaque;
	/** The vCPU stands. On either thread; must not call back into the VM. */
	void (*on_stop)(void *opaque, const struct proto_stopped *s);
	/** The control thread is to look: at console output, the network, the devices. On any thread. */
	void (*on_output)(void *opaque);
};

/**
 * Make a VM from a configuration: load the image, choose the engine, set up the board. No guest
 * instruction runs. State afterwards: ready.
 * @param cfg checked by proto_check(); copied
 * @param ret_ready what to tell the controller; its jail field is left alone
 */
int vm_new(const struct proto_config *cfg, const struct vm_fds *fds,
	   const struct vm_callbacks *callbacks, struct vm **ret, struct proto_ready *ret_ready,
	   struct errmsg *e);

/** @return a descriptor on which the control thread waits until it is readable, for vm_net_arrived(); -1: none now */
int vm_net_wants(struct vm *vm);

/** The network has something for the guest. */
void vm_net_arrived(struct vm *vm);

/** @return a descriptor on which the control thread waits until it is readable, for vm_devices_serve(); -1: none */
int vm_devices_fd(const struct vm *vm);

/**
 * Under a scheduler: let the machine see its news and its time, if the vCPU stands, so that its thread needs no core to
 * find out whether it wants one.
 * @param is_due vm_devices_fd() is readable
 * Thread: the control thread, whenever it was woken.
 */
void vm_devices_serve(struct vm *vm, bool is_due);

/** Press the machine's power button. @return 0; -EBUSY it does not run; -ENODEV the guest does not look at one */
int vm_power_press(struct vm *vm, struct errmsg *e);

/** Carry out a reset that the guest asked for. @return how many there were. Thread: the control thread, whenever it was woken. */
uint32_t vm_resets_serve(struct vm *vm);

/**
 * Take what is to be told about a device that has stopped.
 * @return whether there is something, now. Thread: the control thread, whenever it was woken.
 */
bool vm_device_note_take(struct vm *vm, struct proto_device *ret);

/** @return size of the longest file that its disks are in; 0: it has none */
uint64_t vm_disk_bytes(const struct vm *vm);

/** Wait until its disks have all that a guest that stands has written. Thread: the control thread. */
void vm_disks_settle(struct vm *vm);

/** Ends the vCPU thread at the next instruction and frees all. Accepts NULL. */
void vm_free(struct vm *vm);

/** Start the vCPU thread; call once, before the jail closes. */
int vm_thread_start(struct vm *vm, struct errmsg *e);

/*
 * Every operation below returns 0 or a negative errno with a sentence; -EBUSY when the state does
 * not allow it.
 */

/** ready -> running. */
int vm_start(struct vm *vm, struct errmsg *e);

/** ready or running -> paused, between two instructions; on_stop() was called when it returns. */
int vm_pause(struct vm *vm, struct errmsg *e);

/** paused -> running. */
int vm_resume(struct vm *vm, struct errmsg *e);

/** Ask the guest to end, then end it: -> stopped. A board that has no way to ask ends it at once. */
int vm_stop(struct vm *vm, struct errmsg *e);

/**
 * Run instructions while the vCPU stands; the end is reported by on_stop().
 * @param n at least 1
 * @return 0; -ENOTSUP without ENGINE_CAP_STEP
 */
int vm_run_instructions(struct vm *vm, uint64_t n, struct errmsg *e);

/** Run one slice of CPU time while the vCPU stands; the end is reported by on_stop(). */
int vm_run_one_slice(struct vm *vm, struct errmsg *e);

/**
 * Write registers, devices and memory to a file (vm/context_file.h), in any state but running.
 * @param fd written sequentially from its current position; stays with the caller
 */
int vm_save_context(struct vm *vm, int fd, struct errmsg *e);

/** Write what the engine has translated to an empty file. Not while it runs. @return 0; -ENOTSUP: nothing that could be kept */
int vm_save_code(struct vm *vm, int fd, struct errmsg *e);

/**
 * Replace registers, devices and memory; in any state but running; -> paused.
 * @param fd a sealed memory file; stays with the caller
 * @return 0; -EINVAL with what does not fit, the VM is unchanged then
 */
int vm_load_context(struct vm *vm, int fd, struct errmsg *e);

/**
 * Put a scheduler in charge: from now on the guest runs only while a grant says so (proto/grant.h).
 * @param grant_fd  memory file with the grant page
 * @param ack_fd    memory file with the ack page
 * @param notify_fd eventfd that is written at every change of the ack page; must stay open
 */
int vm_attach_scheduler(struct vm *vm, int grant_fd, int ack_fd, int notify_fd, struct errmsg *e);

/**
 * The last stop that was reported.
 * @return 0; -ENOENT when there was none
 */
int vm_get_last_stop(struct vm *vm, struct proto_stopped *ret, struct errmsg *e);

/** What the VM has used so far; in any state. */
int vm_get_usage(struct vm *vm, struct proto_usage *ret, struct errmsg *e);

/**
 * Replace all limits, in any state; they count from the VM's start.
 * @return 0; -ENOTSUP when the engine can't count instructions; -EINVAL for another RAM size
 */
int vm_set_limits(struct vm *vm, const struct proto_limits *limits, struct errmsg *e);

/** The state now; it may be another one by the time the caller looks. */
enum proto_vm_state vm_state(struct vm *vm);

/** The guest's architecture; never changes. */
const struct cpu_arch *vm_arch(const struct vm *vm);

/**
 * Read all registers, in any state.
 * @param buf receives the values in table order
 * @return bytes; negative errno
 */
int vm_get_regs(struct vm *vm, uint8_t *buf, size_t max, struct errmsg *e);

/** Set a register, in any state but running. @return 0; -EINVAL, -ERANGE */
int vm_set_reg(struct vm *vm, const struct proto_set_reg *s, struct errmsg *e);

/**
 * Read memory as the debugger sees it, in any state.
 * @return bytes read (0..m->bytes), up to the first that is not memory; negative errno
 */
int vm_read_mem(struct vm *vm, const struct proto_mem *m, uint8_t *buf, struct errmsg *e);

/** Write memory whatever its permission is, in any state but running. @return like vm_read_mem() */
int vm_write_mem(struct vm *vm, const struct proto_mem *m, const uint8_t *bytes, struct errmsg *e);

/** Add or remove a breakpoint or watchpoint, in any state. @return 0; see points_set() */
int vm_set_point(struct vm *vm, const struct proto_point *p, struct errmsg *e);

/* Console: the control thread moves bytes. */
/** @return bytes taken from the output queue */
size_t vm_console_take(struct vm *vm, uint8_t *buf, size_t max);
/** Whether somebody takes output from now on. */
void vm_console_set_reader(struct vm *vm, bool has_reader);
/** Begin again at the oldest byte that is kept. @return its number since the start */
uint64_t vm_console_rewind(struct vm *vm);
/** @return bytes accepted into the input queue; 0 when it is full */
size_t vm_console_give(struct vm *vm, const uint8_t *buf, size_t n);
/** No more input will come. */
void vm_console_eof(struct vm *vm);
/** Whether vm_console_give() would take a byte. */
bool vm_console_has_room(struct vm *vm);

#endif
