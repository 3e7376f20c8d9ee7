/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Meeting one VM again after a restart of the daemon, step by step (vms_restart.c). */
#ifndef PINFOLD_DAEMON_VMS_MEET_H
#define PINFOLD_DAEMON_VMS_MEET_H

#include "daemon/vms/vms_internal.h"

/** How far it is. */
enum vms_progress {
	MEET_WAITS, /* for a thread */
	MEET_BEGUN,
	MEET_DONE, /* in time: r says how */
	MEET_LATE, /* whoever has begun with it sees to the rest */
};

/** A VM that may still run. */
struct meeting {
	struct vms_vm *vm;
	struct vms_record rec;
	enum vms_progress progress;
	ns_t begun_ns;
	int pidfd; /* or -1 */
	enum proto_vm_state state;
	struct proto_stopped stop;
	int r; /* not 0: it is ended */
	struct errmsg e;
};

/** A hold on the process that a record names, if it is still that one. @return pidfd; negative errno */
int vms_meet_open(const struct vms_record *rec, struct errmsg *e);
/** The slot and all that a running VM has in the table. @return 0; -EBADMSG */
int vms_meet_slot(struct vms *v, struct meeting *m);
/** Who it is, new pages, a new console, how it is. Talk is held; waits for the process. */
int vms_meet(struct vms *v, struct meeting *m);
/** Back among the living. Talk is held. */
int vms_meet_join(struct vms *v, struct meeting *m);
/** Whatever it has: gone. The scheduler may know it already. Talk is held, its process is dead. */
void vms_meet_give_up(struct vms *v, struct meeting *m);
/** An exclusive core that its lock did not give back; talk is held, so that nobody buries the VM. */
void vms_meet_regain(struct vms *v, struct vms_vm *vm);

#endif
