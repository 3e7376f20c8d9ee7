/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything at once: threads that start, pause, resume, stop, kill, save, update, watch, type to and
 * remove the same few VMs, while another audits, and processes are killed from outside. What may come
 * back is limited to errors that name a state; afterwards nothing is left. Meant for the thread sanitizer, too.
 * Usage: test_vms_race BUILD-DIR
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bug.h"
#include "fake_dispatch.h"
#include "host/timer.h"
#include "unit/test.h"
#include "vms_rig.h"

#define N_VMS	  6
#define N_THREADS 6
#define RUN_S	  8

static struct rig rig;
static struct vm_spec specs[N_VMS];
static char ids[N_VMS][VMS_ID_BYTES];
static pthread_mutex_t ids_lock = PTHREAD_MUTEX_INITIALIZER;
static ns_t end_ns;
static _Atomic unsigned int n_done[32], n_ops;

static void get_id(unsigned int k, char id[VMS_ID_BYTES])
{
	pthread_mutex_lock(&ids_lock);
	memcpy(id, ids[k], VMS_ID_BYTES);
	pthread_mutex_unlock(&ids_lock);
}

static int op_remove(unsigned int k, const char *id, struct errmsg *e)
{
	char fresh[VMS_ID_BYTES];
	int r = vms_remove(rig.vms, id, true, e);

	if (r == 0) {
		BUG_ON(vms_create(rig.vms, 0, &specs[k], fresh, e) < 0);
		pthread_mutex_lock(&ids_lock);
		memcpy(ids[k], fresh, VMS_ID_BYTES);
		pthread_mutex_unlock(&ids_lock);
	}
	return r;
}

static int op_save(const char *id, struct errmsg *e)
{
	int fd = memfd_create("context", MFD_CLOEXEC);
	int disks[PROTO_DISKS_MAX];
	int r = vms_save(rig.vms, id, fd, disks, e);

	close(fd);
	return r;
}

static int op_look(const char *id, struct errmsg *e)
{
	struct vms_info i;
	json_t *regs = NULL;
	int r = vms_get(rig.vms, id, &i);

	if (r == 0 && i.state == VMS_FAULTED) {
		r = vms_registers(rig.vms, id, &regs, e);
		json_decref(regs);
	}
	return r;
}

static int op_outside(const char *id)
{
	struct vms_info i;

	/* Never a stranger: a number that the table shows belongs to a child of this process. */
	if (vms_get(rig.vms, id, &i) == 0 && i.pid > 0 && i.state == VMS_RUNNING) {
		kill(i.pid, SIGKILL);
	}
	return 0;
}

static int count_visit(void *arg, const struct vms_info *i)
{
	(void)arg;
	(void)i;
	return 0;
}

static int do_op(unsigned int op, unsigned int k, const char *id, struct errmsg *e)
{
	struct vms_update u = { .mask = SCHED_UPDATE_PRIO | VMS_UPDATE_LIMITS,
				.prio = 5,
				.limits = { .cpu_ns = 5 * NS_PER_S } };
	struct vms_info i;
	uint8_t buf[512];
	uint64_t from;

	switch (op) {
	case 0:
	case 1:
	case 2:
		return vms_start(rig.vms, id, e);
	case 3:
		return vms_pause(rig.vms, id, e);
	case 4:
		return vms_resume(rig.vms, id, e);
	case 5:
		return vms_stop(rig.vms, id, e);
	case 6:
		return vms_kill(rig.vms, id, e);
	case 7:
		return op_save(id, e);
	case 8:
		return vms_update(rig.vms, id, &u, e);
	case 9:
		return vms_console_read(rig.vms, id, 0, buf, sizeof(buf), 5, &from) == -ENOENT
			       ? -ENOENT
			       : 0;
	case 10:
		return vms_wait(rig.vms, id, 5, &i) < 0 ? -ENOENT : 0;
	case 11:
		return op_remove(k, id, e);
	case 12:
		return op_look(id, e);
	case 13:
		return vms_each(rig.vms, count_visit, NULL);
	case 14:
		return vms_pin(rig.vms, id, 1, e);
	case 15:
		return vms_unpin(rig.vms, id, e);
	default:
		return op_outside(id);
	}
}

/* States that forbid it, VMs that are gone, processes that die in the middle. */
static bool is_fair(int r)
{
	return r == 0 || r == -EBUSY || r == -EALREADY || r == -ENOENT || r == -EPIPE ||
	       r == -ECANCELED || r == -ESRCH || r == -ESTALE || r == -EINVAL || r == -EPROTO;
}

static void *race_main(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	char id[VMS_ID_BYTES];

	while (host_clock_monotonic_ns() < end_ns) {
		struct errmsg e = { 0 };
		unsigned int op, k;
		int r;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		op = (unsigned int)(seed >> 33) % 17;
		k = (unsigned int)(seed >> 45) % N_VMS;
		get_id(k, id);
		r = do_op(op, k, id, &e);
		atomic_fetch_add(&n_ops, 1);
		if (r == 0) {
			atomic_fetch_add(&n_done[op], 1);
		} else if (!is_fair(r)) {
			printf("operation %u: %d, %s\n", op, r, e.text);
			atomic_fetch_add(&n_done[31], 1);
		}
	}
	return NULL;
}

static void race(void)
{
	static const char *const files[] = { "endless.elf", "fault_illegal.elf", "bench/mix.elf" };
	pthread_t t[N_THREADS];
	char name[16];

	for (unsigned int k = 0; k < N_VMS; k++) {
		snprintf(name, sizeof(name), "r%u", k);
		rig_spec(&rig, 0, name, k % 2 ? "arm64" : "riscv64", files[k % 3], &specs[k]);
		CHECK_INT(vms_create(rig.vms, 0, &specs[k], ids[k], NULL), 0);
	}
	end_ns = host_clock_monotonic_ns() + RUN_S * NS_PER_S;
	for (uintptr_t k = 0; k < N_THREADS; k++) {
		CHECK_INT(pthread_create(&t[k], NULL, race_main, (void *)(k + 1)), 0);
	}
	while (host_clock_monotonic_ns() < end_ns) {
		vms_audit(rig.vms);
		usleep(100000);
	}
	for (int k = 0; k < N_THREADS; k++) {
		pthread_join(t[k], NULL);
	}
	CHECK_INT(n_done[31], 0);
	printf("%u operations; done:", n_ops);
	for (int op = 0; op < 17; op++) {
		printf(" %u", n_done[op]);
	}
	printf("\n");
	/* On a slow machine others may never have found the state that they need. */
	CHECK(n_done[0] > 0 && n_done[6] > 0 && n_done[11] > 0 && n_done[12] > 0);
	for (int k = 0; k < N_VMS; k++) {
		CHECK_INT(vms_remove(rig.vms, ids[k], true, NULL), 0);
	}
	vms_audit(rig.vms);
	rig_check_clean(&rig);
}

static const struct test_case cases[] = { { "every operation from many threads", race } };

int main(int argc, char **argv)
{
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: test_vms_race BUILD-DIR\n");
		return 1;
	}
	rig_init(argv[1]);
	rig_open(&rig);
	r = test_main(cases, 1);
	rig_close(&rig, true);
	rig_remove(&rig);
	return r || rig_failures ? 1 : 0;
}
