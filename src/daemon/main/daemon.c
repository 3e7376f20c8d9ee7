/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening the parts in the order in which they need each other, and closing them in reverse. */
#include "daemon/main/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/guard/guard.h"

#define EVENTS_KEPT	   4096u
#define IMAGES_BYTES	   (64ULL << 30)
#define IMAGES_USER_BYTES  (4ULL << 30)
#define SCHED_RING_RECORDS 4096u
#define VERIFY_KEY_WARNING                                                     \
	"the first key of the audit log still lies in the state folder: move " \
	"audit/verify.key to another machine"

static int place(void *arg, pid_t tid, uint16_t host_core)
{
	return partition_place(arg, tid, host_core);
}

static uint64_t images_of_user(void *arg, uid_t uid)
{
	struct users_info info;

	users_get(arg, uid, &info);
	return info.quota.images_bytes;
}

/* POST /v1/shutdown; runs on the thread of a connection. */
static void shutdown_asked(void *arg, bool kill_vms)
{
	struct daemon *d = arg;
	uint64_t one = 1;

	atomic_store(&d->kills_vms, kill_vms);
	atomic_store(&d->is_stopping, true);
	if (write(d->stop_fd, &one, sizeof(one)) < 0) {
		log_err("the main loop can't be woken: %s", strerror(errno));
	}
}

/* The pool is ours: now nobody may be in the way who is not on it. */
static int claim(void *arg, const struct sched_roles *roles, struct errmsg *e)
{
	struct daemon *d = arg;
	int r = daemon_claim_pool(d, roles, e);

	if (r == 0) {
		vms_calm(d->config.run_dir, roles);
	}
	return r;
}

static int open_partition(struct daemon *d, struct errmsg *e)
{
	struct partition_options o = { .backend = d->config.backend,
				       .cores = d->config.cores[0] ? d->config.cores : NULL,
				       .run_dir = d->config.run_dir,
				       .sets_fair_server = d->config.sets_fair_server,
				       .fair_server_ns = d->config.fair_server_ns,
				       .ends_throttling = d->config.ends_throttling,
				       .claim = claim,
				       .claim_arg = d };
	int r = partition_open(&o, &d->partition, e);

	if (r < 0) {
		return r;
	}
	/* Threads made from here on inherit it; the dispatcher moves itself. */
	r = partition_enter(d->partition, SCHED_ROLE_HOUSEKEEPING);
	return r < 0 ? errmsg_set(e, r, "housekeeping core: %s", strerror(-r)) : 0;
}

/* What was found, for the log now and for the status later. */
struct findings {
	struct store_report store;
	struct audit_report audit;
};

static int open_records(struct daemon *d, struct findings *f, struct errmsg *e)
{
	struct store_options so;
	struct audit_options ao;
	int r;

	audit_options_defaults(&ao);
	ao.state_dir = d->config.state_dir;
	r = audit_open(&ao, &d->audit, &f->audit, e);
	if (r < 0) {
		return r;
	}
	store_options_defaults(&so);
	so.state_dir = d->config.state_dir;
	so.min_generation = daemon_generation(f->audit.note);
	r = store_open(&so, &d->store, &f->store, e);
	if (r < 0) {
		return r;
	}
	daemon_heartbeat(d);
	return 0;
}

static int take_cap(void *arg, const struct store_row *row)
{
	struct daemon *d = arg;

	d->config.exclusive_cap = (uint32_t)row->setting.value;
	if (d->config.exclusive_cap == SCHED_CAP_HALF) {
		log_info("exclusive cores as they were set at run time cap=half");
	} else {
		log_info("exclusive cores as they were set at run time cap=%" PRIu32,
			 d->config.exclusive_cap);
	}
	return 0;
}

/* What an administrator set while an earlier daemon ran goes before the configuration. */
static int take_settings(struct daemon *d, struct errmsg *e)
{
	const struct store_row key = { STORE_SETTING, .setting = { .name = STORE_SETTING_CAP } };
	int r = store_find(d->store, &key, take_cap, d, e);

	return r == -ENOENT ? 0 : r;
}

static int open_dispatch(struct daemon *d, struct errmsg *e)
{
	struct dispatch_options o;

	dispatch_options_defaults(&o);
	o.sched.limits.vms = d->config.max_vms;
	o.sched.limits.vcpus = d->config.max_vms;
	o.sched.limits.ring = SCHED_RING_RECORDS;
	o.sched.excl_cap = d->config.exclusive_cap;
	o.patience = d->config.patience;
	o.roles = partition_roles(d->partition);
	o.run_dir = d->config.run_dir;
	o.fifo_prio = partition_fifo_prio(d->partition);
	o.place = place;
	o.place_arg = d->partition;
	return dispatch_start(&o, &d->dispatch, e);
}

static int open_users(struct daemon *d, struct errmsg *e)
{
	struct users_options uo;
	struct images_options io = { .state_dir = d->config.state_dir,
				     .max_bytes = IMAGES_BYTES,
				     .max_bytes_per_user = IMAGES_USER_BYTES,
				     .user_max = images_of_user };
	int r;

	users_options_defaults(&uo);
	uo.default_quota = d->config.quota;
	uo.refuses_unknown = d->config.refuses_unknown;
	uo.store = d->store;
	uo.dispatch = d->dispatch;
	r = users_open(&uo, &d->users, e);
	if (r < 0) {
		return r;
	}
	io.user_max_arg = d->users;
	r = images_open(&io, &d->images, e);
	if (r < 0) {
		return r;
	}
	d->events = events_new(EVENTS_KEPT);
	return d->events ? 0 : errmsg_set(e, -ENOMEM, "out of memory");
}

static int guard_sync(void *arg, bool is_there)
{
	return vms_guard_sync(arg, is_there);
}

static void guard_kill_user(void *arg, uid_t uid)
{
	(void)vms_kill_user(arg, uid);
}

static const struct guard_vms guard_vms = { .sync = guard_sync, .kill_user = guard_kill_user };

/* Bans that were made while no daemon was there hold before VMs are met. */
static int open_guard(struct daemon *d, struct errmsg *e)
{
	struct guard_options o;

	guard_options_defaults(&o);
	o.state_dir = d->config.state_dir;
	o.users = d->users;
	o.audit = d->audit;
	o.events = d->events;
	return guard_open(&o, &d->guard, e);
}

static int open_vms(struct daemon *d, struct errmsg *e)
{
	struct vms_options o;

	vms_options_defaults(&o);
	o.run_dir = d->config.run_dir;
	o.state_dir = d->config.state_dir;
	o.dispatch = d->dispatch;
	o.partition = d->partition;
	o.store = d->store;
	o.events = d->events;
	o.users = d->users;
	o.images = d->images;
	o.guard = d->guard;
	o.max_vms = d->config.max_vms;
	o.code_bytes = d->config.code_bytes;
	o.vm_program = d->config.vm_program[0] ? d->config.vm_program : NULL;
	return vms_open(&o, &d->vms, e);
}

static int open_api(struct daemon *d, struct errmsg *e)
{
	struct api_options o = { .dispatch = d->dispatch,
				 .partition = d->partition,
				 .store = d->store,
				 .audit = d->audit,
				 .events = d->events,
				 .users = d->users,
				 .images = d->images,
				 .guard = d->guard,
				 .vms = d->vms,
				 .state_dir = d->config.state_dir,
				 .is_rootless = d->is_rootless,
				 .exclusive_cap = d->config.exclusive_cap,
				 .slice_ns = d->config.slice_ns,
				 .rate_changes = d->config.rate_changes,
				 .rate_burst = d->config.rate_burst,
				 .shutdown = shutdown_asked,
				 .shutdown_arg = d };

	d->api = api_new(&o);
	return d->api ? 0 : errmsg_set(e, -ENOMEM, "out of memory");
}

void daemon_warn(struct daemon *d, const char *text)
{
	if (text[0]) {
		log_warn("%s", text);
		api_warn(d->api, text);
	}
}

/* What was asked for and can't be had does not keep VMs from running. */
static void tell_gaps(struct daemon *d)
{
	struct partition_fair f;
	char text[ERRMSG_SIZE];

	partition_fair_get(d->partition, &f);
	if (f.error < 0) {
		snprintf(text, sizeof(text), "the fair server of pool cores stays as it was: %s",
			 partition_fair_why(f.error));
		daemon_warn(d, text);
	}
	if (f.throttle_error < 0) {
		snprintf(text, sizeof(text), "real-time throttling stays as it was: %s",
			 strerror(-f.throttle_error));
		daemon_warn(d, text);
	}
}

static void tell_findings(struct daemon *d, const struct findings *f)
{
	char path[CONFIG_PATH_BYTES + 32];

	for (uint32_t i = 0; i < d->config.n_warnings; i++) {
		daemon_warn(d, d->config.warnings[i]);
	}
	daemon_warn(d, d->claim_warning);
	tell_gaps(d);
	daemon_warn(d, f->store.notice);
	daemon_warn(d, f->audit.notice);
	snprintf(path, sizeof(path), "%s/audit/verify.key", d->config.state_dir);
	if (access(path, F_OK) == 0) {
		daemon_warn(d, VERIFY_KEY_WARNING);
	}
}

static int open_http(struct daemon *d, struct errmsg *e)
{
	struct http_options o;
	int r = 0;

	http_options_defaults(&o);
	o.listen_fd = d->listen_fd;
	if (d->listen_fd < 0) {
		o.socket_path = d->config.socket;
		r = daemon_socket_group(d, &o.socket_gid, e);
	} else if (d->config.socket_group[0]) {
		daemon_warn(
			d,
			"the socket is the service manager's: SocketGroup= and SocketMode= of its "
			"unit say who "
			"may call, not socket_group");
	}
	if (r < 0) {
		return r;
	}
	o.ops = api_ops(&o.n_ops);
	o.hooks = api_hooks(d->api);
	r = http_start(&o, &d->http, e);
	if (r == 0) {
		api_http_set(d->api, d->http);
	}
	return r;
}

int daemon_open(struct daemon *d, struct errmsg *e)
{
	struct findings f = { 0 };
	int r = open_partition(d, e);

	/* Its thread inherits the housekeeping core. */
	r = r < 0 ? r : logfile_open(d->config.log_file, e);
	r = r < 0 ? r : open_records(d, &f, e);
	r = r < 0 ? r : take_settings(d, e);
	r = r < 0 ? r : open_dispatch(d, e);
	r = r < 0 ? r : open_users(d, e);
	r = r < 0 ? r : open_guard(d, e);
	r = r < 0 ? r : open_vms(d, e);
	r = r < 0 ? r : guard_start(d->guard, &guard_vms, d->vms, e);
	r = r < 0 ? r : open_api(d, e);
	if (r < 0) {
		return r;
	}
	tell_findings(d, &f);
	r = open_http(d, e);
	r = r < 0 ? r : daemon_log_check_begin(d, e);
	if (r == 0) {
		events_publish(d->events, EVENTS_NOBODY, "daemon.started", NULL);
	}
	return r;
}

static int count_running(void *arg, const struct vms_info *i)
{
	*(uint32_t *)arg += i->slot != SCHED_NONE;
	return 0;
}

/* VMs that go on keep the partition, which the next daemon takes over. */
static void close_partition(struct daemon *d, uint32_t n_left)
{
	if (!d->partition) {
		return;
	}
	if (n_left > 0) {
		partition_leave(d->partition);
	} else {
		partition_close(d->partition);
	}
}

void daemon_close(struct daemon *d)
{
	bool kills = atomic_load(&d->kills_vms);
	uint32_t n_left = 0;

	daemon_log_check_end(d);
	if (d->api) {
		api_stop(d->api);
	}
	http_stop(d->http);
	guard_stop(d->guard);
	if (d->vms) {
		if (!kills) {
			vms_each(d->vms, count_running, &n_left);
		}
		log_info("stopping, vms=%s n=%u", kills ? "killed" : "kept", n_left);
		vms_close(d->vms, kills);
	}
	api_free(d->api);
	guard_close(d->guard);
	events_free(d->events);
	images_close(d->images);
	users_close(d->users);
	dispatch_stop(d->dispatch);
	if (d->audit && d->store) {
		daemon_heartbeat(d);
	}
	audit_close(d->audit);
	store_close(d->store);
	close_partition(d, n_left);
}
