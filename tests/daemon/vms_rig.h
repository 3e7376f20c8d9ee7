/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of VMs on real store, users, images and events, over the fake dispatcher: with real VM
 * processes that run the guests of the build directory.
 */
#ifndef PINFOLD_TESTS_DAEMON_VMS_RIG_H
#define PINFOLD_TESTS_DAEMON_VMS_RIG_H

#include "daemon/vms/vms.h"
#include "unit/test.h"

#define RIG_UID	    4711 /* an ordinary user */
#define RIG_WAIT_MS 60000
#define RIG_LATE_MS 50 /* grace_ms of tests with VMs that shall be late */

struct rig {
	char dir[128], run_dir[160], state_dir[160];
	struct vms_options o;
	struct users_quota quota; /* of users who are not administrators */
	struct store *store;
	struct dispatch *dispatch;
	struct users *users;
	struct images *images;
	struct events *events;
	struct vms *vms;
	void (*before_vms)(struct rig *r); /* all other parts are open; NULL: nothing */
};

/** Find VM program and guests; call first. Ends the program with 1 if they are not there. */
void rig_init(const char *build_dir);
/** Folders in memory, all parts. */
void rig_open(struct rig *r);
/** The same on the folders of an earlier rig, as after a restart. */
void rig_reopen(struct rig *r);
/** Close all parts. @param kills_vms false: they go on for rig_reopen() */
void rig_close(struct rig *r, bool kills_vms);
/** Remove the folders; nothing may run any more. */
void rig_remove(struct rig *r);

/** Path of a guest: "riscv64", "sum.elf". Lives until the next call. */
const char *rig_guest(const char *variant, const char *file);
/** A spec for a guest, uploaded by @p uid; on the engine unicorn, 8 MiB. */
void rig_spec(struct rig *r, uid_t uid, const char *name, const char *variant, const char *file,
	      struct vm_spec *ret);
/** Create; a failure is printed and counted. */
bool rig_create(struct rig *r, uid_t uid, const char *name, const char *variant, const char *file,
		char ret_id[VMS_ID_BYTES]);
/** Create and start. */
bool rig_run(struct rig *r, uid_t uid, const char *name, const char *variant, const char *file,
	     char ret_id[VMS_ID_BYTES]);
/** Wait for the end. @return its state, or VMS_STATES when it does not come */
enum vms_state rig_end(struct rig *r, const char *id, struct vms_info *ret);
/** State now. */
enum vms_state rig_state(struct rig *r, const char *id);
/** Wait until that state is shown. */
bool rig_await(struct rig *r, const char *id, enum vms_state want);
/** Console output from the start, up to @p until (NULL: the end). @return heap, terminated */
char *rig_output(struct rig *r, const char *id, const char *until);
/** Nothing is left: processes, folders, cgroups, charges, slots. */
void rig_check_clean(struct rig *r);
/** Number of our children that still exist. */
unsigned int rig_children(void);

/** What these helpers found wrong. */
extern int rig_failures;

/**
 * main() of a test whose cases open and close the rig themselves: BUILD-DIR [PART OF A CASE'S NAME].
 * @param r   made empty before each case
 * @param run the program's test_main()
 */
int rig_main(int argc, char **argv, struct rig *r, const struct test_case *cases, size_t n_cases,
	     int (*run)(const struct test_case *cases, size_t n_cases));

#endif
