/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the system tests share: launching a guest program in a real VM process and driving it
 * through the VM interface. Every wait has an end; a VM that breaks fails the test with its
 * sentence. Link vmtest.c.
 */
#ifndef PINFOLD_TESTS_SYSTEM_VMTEST_H
#define PINFOLD_TESTS_SYSTEM_VMTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launch/launch.h"

#define VMT_OUT_MAX  65536
#define VMT_REGS_MAX 8192
/* Long enough for a machine that does other things too. */
#define VMT_WAIT_MS 60000

/** What these helpers found wrong; a test fails if it is not 0 at the end. */
extern int vmt_failures;

/** The guest variants of guests/manifest.json, and what they are. */
struct vmt_variant {
	const char *name;
	enum proto_arch arch;
	bool is_kvm; /* an engine "kvm" may run it */
};

extern const struct vmt_variant vmt_variants[];
extern const size_t vmt_variant_count;

/** A VM with what it printed so far. */
struct vmt_vm {
	struct launch_vm vm;
	size_t out_len;
	char out[VMT_OUT_MAX];
};

/** The end of a run, as another run can be compared with it. */
struct vmt_end {
	struct proto_stopped stop;
	size_t regs_bytes;
	uint8_t regs[VMT_REGS_MAX];
};

/**
 * Find VM program and guests; call first. Ends the program with 1 if they are not there.
 * @param build_dir the build directory
 */
void vmt_init(const char *build_dir);

/** Path of a guest: "x86", "sum.elf". The string lives until the next call. */
const char *vmt_guest(const char *variant, const char *file);

/** Options for a guest with 8 MiB of RAM. @p file NULL: no image */
void vmt_options(struct launch_options *o, const char *engine, const char *image_path);

/** Launch; a failure is printed and counted. @return whether it stands ready */
bool vmt_launch(struct vmt_vm *t, const struct launch_options *o);

/** Whether this host's engine runs such guests (kvm: prints why not, once). */
bool vmt_has_engine(const char *engine, const struct vmt_variant *v);

void vmt_done(struct vmt_vm *t);

/** A request without reply. @return its result */
int vmt_ask(struct vmt_vm *t, enum proto_type type, const void *body, size_t bytes, int fd,
	    struct errmsg *e);

/** vmt_ask() that must succeed. @return whether it did */
bool vmt_do(struct vmt_vm *t, enum proto_type type, const void *body, size_t bytes, int fd);

enum proto_vm_state vmt_state(struct vmt_vm *t);
struct proto_usage vmt_usage(struct vmt_vm *t);

/** Read all registers. @return bytes */
size_t vmt_regs(struct vmt_vm *t, uint8_t regs[VMT_REGS_MAX]);

/** Move what the guest printed to t->out. */
void vmt_take_output(struct vmt_vm *t);

/** Wait for the next stop event. @return false when none comes */
bool vmt_wait(struct vmt_vm *t, uint32_t timeout_ms, struct proto_stopped *ret);

/** Execute @p n instructions and wait. */
bool vmt_step(struct vmt_vm *t, uint64_t n, struct proto_stopped *ret);

/** START or RESUME, wait for the end, take registers and output. */
bool vmt_finish(struct vmt_vm *t, enum proto_type how, struct vmt_end *ret);

/** Whether two ends are the same in reason, code, pc, fault and registers; prints what differs. */
bool vmt_same_end(const struct vmt_end *a, const struct vmt_end *b, const char *what);

/** Save the context to a new memory file, sealed. @return the file, or -1 */
int vmt_save(struct vmt_vm *t);

/** A sealed memory file with these bytes. @return it; ends the program when there is no memory */
int vmt_seal(const void *bytes, size_t n);

/** The whole contents of a memory file; free() it. */
uint8_t *vmt_slurp(int fd, size_t *ret_n);

/** A repeatable random number. */
uint64_t vmt_random(uint64_t *state);

#endif
