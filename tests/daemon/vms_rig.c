/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vms_rig.h. */
#include "vms_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "fake_dispatch.h"
#include "host/timer.h"
#include "proto/zygote.h"
#include "temp_dir.h"

#define WATCHDOG_S 280

int rig_failures;

static char build_dir[2048];
static char vm_program[2200];

#define FAIL(...)                    \
	do {                         \
		printf(__VA_ARGS__); \
		rig_failures++;      \
	} while (0)

/* The helper that makes VM processes is none. */
static bool is_zygote(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f) {
		(void)!fgets(name, sizeof(name), f);
		fclose(f);
	}
	return strcmp(name, ZYGOTE_NAME "\n") == 0;
}

#ifdef __SANITIZE_THREAD__
/* A daemon of its own is forked from a test that has a watchdog. */
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

static unsigned int list_children(pid_t *pids, unsigned int max)
{
	DIR *d = opendir("/proc/self/task");
	const struct dirent *ent;
	unsigned int n = 0;

	while (d && (ent = readdir(d)) != NULL) {
		char path[300];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/children", ent->d_name);
		f = fopen(path, "re");
		while (f && n < max && fscanf(f, "%d", &pids[n]) == 1) {
			if (is_zygote(pids[n])) {
				waitpid(pids[n], NULL, WNOHANG); /* that of a killed daemon */
			} else {
				n++;
			}
		}
		if (f) {
			fclose(f);
		}
	}
	closedir(d);
	return n;
}

/* VM processes outlive who made them: a test that fails or hangs must not leave them the cores of those that follow. */
static void kill_children(void)
{
	pid_t pids[256];
	unsigned int n = list_children(pids, 256);

	while (n > 0) {
		kill(pids[--n], SIGKILL);
	}
}

static void *watchdog_main(void *arg)
{
	unsigned int left_s = WATCHDOG_S;

	(void)arg;
	while (left_s > 0) {
		left_s = sleep(left_s);
	}
	printf("FAIL: the test takes too long\n");
	kill_children();
	_exit(1);
}

void rig_init(const char *dir)
{
	pthread_t watchdog;

	/* VMs of a daemon that was killed become children of the test. */
	BUG_ON(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0);
	BUG_ON(pthread_create(&watchdog, NULL, watchdog_main, NULL) != 0);
	snprintf(build_dir, sizeof(build_dir), "%s", dir);
	snprintf(vm_program, sizeof(vm_program), "%s/bin/pinfold-vm", dir);
	if (access(vm_program, X_OK) < 0 || access(rig_guest("x86", "sum.elf"), R_OK) < 0) {
		printf("%s has no bin/pinfold-vm or no guests\n", dir);
		exit(1);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
}

const char *rig_guest(const char *variant, const char *file)
{
	static _Thread_local char path[2400];

	snprintf(path, sizeof(path), "%s/guests/%s/%s", build_dir, variant, file);
	return path;
}

static void must(int r, const struct errmsg *e, const char *what)
{
	if (r < 0) {
		printf("%s: %s (%d)\n", what, e->text, r);
		exit(1);
	}
}

static void open_parts(struct rig *r)
{
	struct images_options io = { .state_dir = r->state_dir,
				     .max_bytes = 1 << 30,
				     .max_bytes_per_user = 1 << 30 };
	struct dispatch_options d;
	struct store_options so;
	struct users_options uo;
	struct errmsg e = { 0 };

	store_options_defaults(&so);
	so.state_dir = r->state_dir;
	must(store_open(&so, &r->store, NULL, &e), &e, "store");
	dispatch_options_defaults(&d);
	must(dispatch_start(&d, &r->dispatch, &e), &e, "dispatch");
	users_options_defaults(&uo);
	uo.store = r->store;
	uo.dispatch = r->dispatch;
	if (r->quota.running_vms) {
		uo.default_quota = r->quota;
	}
	must(users_open(&uo, &r->users, &e), &e, "users");
	must(images_open(&io, &r->images, &e), &e, "images");
	r->events = events_new(1024);
	BUG_ON(!r->events);
	r->o.run_dir = r->run_dir;
	r->o.state_dir = r->state_dir;
	r->o.vm_program = r->o.vm_program ? r->o.vm_program : vm_program;
	r->o.dispatch = r->dispatch;
	r->o.store = r->store;
	r->o.events = r->events;
	r->o.users = r->users;
	r->o.images = r->images;
	if (r->before_vms) {
		r->before_vms(r);
	}
	must(vms_open(&r->o, &r->vms, &e), &e, "vms");
}

void rig_open(struct rig *r)
{
	temp_dir_make(r->dir, sizeof(r->dir));
	snprintf(r->run_dir, sizeof(r->run_dir), "%s/run", r->dir);
	snprintf(r->state_dir, sizeof(r->state_dir), "%s/state", r->dir);
	BUG_ON(mkdir(r->run_dir, 0700) < 0 || mkdir(r->state_dir, 0700) < 0);
	if (!r->o.max_vms) {
		vms_options_defaults(&r->o);
	}
	r->o.grace_ms = RIG_WAIT_MS; /* that a machine is slow is no reason to be late */
	open_parts(r);
}

void rig_reopen(struct rig *r)
{
	open_parts(r);
}

void rig_close(struct rig *r, bool kills_vms)
{
	vms_close(r->vms, kills_vms);
	if (kills_vms && fake_dispatch_open_slots(r->dispatch) != 0) {
		FAIL("%u slots are left\n", fake_dispatch_open_slots(r->dispatch));
	}
	users_close(r->users);
	dispatch_stop(r->dispatch);
	images_close(r->images);
	events_free(r->events);
	store_close(r->store);
	r->vms = NULL;
}

void rig_remove(struct rig *r)
{
	temp_dir_remove(r->dir);
}

void rig_spec(struct rig *r, uid_t uid, const char *name, const char *variant, const char *file,
	      struct vm_spec *ret)
{
	struct errmsg e = { 0 };
	int fd = open(rig_guest(variant, file), O_RDONLY | O_CLOEXEC);

	spec_defaults(ret);
	must(fd < 0 ? -errno : images_put(r->images, uid, fd, NULL, ret->image, &e), &e,
	     rig_guest(variant, file));
	close(fd);
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->config.engine, sizeof(ret->config.engine), "unicorn");
	ret->config.limits.mem_bytes = 8 << 20;
}

bool rig_create(struct rig *r, uid_t uid, const char *name, const char *variant, const char *file,
		char ret_id[VMS_ID_BYTES])
{
	struct vm_spec spec;
	struct errmsg e = { 0 };

	rig_spec(r, uid, name, variant, file, &spec);
	if (vms_create(r->vms, uid, &spec, ret_id, &e) < 0) {
		FAIL("create %s: %s\n", name, e.text);
		return false;
	}
	return true;
}

bool rig_run(struct rig *r, uid_t uid, const char *name, const char *variant, const char *file,
	     char ret_id[VMS_ID_BYTES])
{
	struct errmsg e = { 0 };

	if (!rig_create(r, uid, name, variant, file, ret_id)) {
		return false;
	}
	if (vms_start(r->vms, ret_id, &e) < 0) {
		FAIL("start %s: %s\n", name, e.text);
		return false;
	}
	return true;
}

enum vms_state rig_end(struct rig *r, const char *id, struct vms_info *ret)
{
	if (vms_wait(r->vms, id, RIG_WAIT_MS, ret) != 1) {
		FAIL("VM %s does not end\n", id);
		return VMS_STATES;
	}
	return ret->state;
}

enum vms_state rig_state(struct rig *r, const char *id)
{
	struct vms_info i;

	return vms_get(r->vms, id, &i) == 0 ? i.state : VMS_STATES;
}

bool rig_await(struct rig *r, const char *id, enum vms_state want)
{
	ns_t until_ns = host_clock_monotonic_ns() + (uint64_t)RIG_WAIT_MS * NS_PER_MS;

	while (host_clock_monotonic_ns() < until_ns) {
		if (rig_state(r, id) == want) {
			return true;
		}
		usleep(1000);
	}
	FAIL("VM %s is %s, not %s\n", id, vms_state_name(rig_state(r, id)), vms_state_name(want));
	return false;
}

char *rig_output(struct rig *r, const char *id, const char *until)
{
	size_t len = 0;
	size_t max = 1 << 20;
	char *out = calloc(1, max);

	BUG_ON(!out);
	while (len < max - 1 && !(until && strstr(out, until))) {
		uint64_t from;
		ssize_t n = vms_console_read(r->vms, id, len, (uint8_t *)out + len, max - 1 - len,
					     RIG_WAIT_MS, &from);

		if (n <= 0) {
			if (n != -ENODATA) {
				FAIL("no more output of %s after \"%s\"\n", id, out);
			}
			break;
		}
		len += (size_t)n;
	}
	return out;
}

unsigned int rig_children(void)
{
	pid_t pids[256];

	return list_children(pids, 256);
}

void rig_check_clean(struct rig *r)
{
	const uid_t uids[] = { 0, RIG_UID };
	char path[200];
	struct users_info user;
	const struct dirent *ent;
	unsigned int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/vms", r->run_dir);
	d = opendir(path);
	while (d && (ent = readdir(d)) != NULL) {
		n += ent->d_name[0] != '.' ? 1 : 0;
	}
	closedir(d);
	if (n) {
		FAIL("%u folders of VMs are left\n", n);
	}
	if (rig_children()) {
		FAIL("%u processes are left\n", rig_children());
	}
	for (size_t i = 0; i < 2; i++) {
		if (users_get(r->users, uids[i], &user) == 0 &&
		    (user.memory_bytes || user.running_vms)) {
			FAIL("user %u is still charged %llu bytes, %llu VMs\n", uids[i],
			     (unsigned long long)user.memory_bytes,
			     (unsigned long long)user.running_vms);
		}
	}
	if (fake_dispatch_open_slots(r->dispatch)) {
		FAIL("%u slots are left\n", fake_dispatch_open_slots(r->dispatch));
	}
	if (vms_audit(r->vms) != 0) {
		FAIL("the audit found something\n");
	}
}

int rig_main(int argc, char **argv, struct rig *r, const struct test_case *cases, size_t n_cases,
	     int (*run)(const struct test_case *cases, size_t n_cases))
{
	int status = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: %s BUILD-DIR [CASE]\n", argv[0]);
		return 1;
	}
	rig_init(argv[1]);
	for (size_t i = 0; i < n_cases; i++) {
		if (!argv[2] || strstr(cases[i].name, argv[2])) {
			memset(r, 0, sizeof(*r));
			status |= run(&cases[i], 1);
			kill_children();
		}
	}
	return status || rig_failures ? 1 : 0;
}
