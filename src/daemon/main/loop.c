/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The main thread: signals, and what has to be looked at every now and then. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/main/daemon.h"

#define CHANGES_MAX 64u

static ns_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ns_t)ts.tv_sec * NS_PER_S + (ns_t)ts.tv_nsec;
}

/* Heartbeats end with the seconds, so that a log that stops growing is noticed. */
static void do_heartbeat(struct daemon *d)
{
	daemon_heartbeat(d);
}

static void do_vms_audit(struct daemon *d)
{
	uint32_t n = vms_audit(d->vms);

	if (n > 0) {
		log_warn("leftovers of VMs were found and cleaned: n=%u", n);
	}
}

/* On housekeeping, as this whole thread is. */
static void do_scan(struct daemon *d)
{
	static struct partition_foreign found[PARTITION_FOREIGN_MAX];
	static ns_t per_core[SCHED_HOST_CORES_MAX];
	uint32_t n;

	memset(per_core, 0, sizeof(per_core));
	n = partition_scan(d->partition, vms_owns_pid, d->vms, found, per_core);
	api_foreign_set(d->api, found, n, per_core);
	daemon_note_rivals(d, found, n);
}

static void core_changed(struct daemon *d, const struct partition_change *c)
{
	const struct sched_roles *roles = partition_roles(d->partition);
	struct sched_event ev = { .type = c->is_online ? SCHED_EV_CORE_ONLINE
						       : SCHED_EV_CORE_OFFLINE,
				  .core = c->core };
	struct errmsg e = { "" };
	int r;

	if (c->is_online) {
		ev.arg = roles->rank[c->core];
	}
	r = dispatch_event(d->dispatch, &ev, &e);
	if (r < 0 && r != -EALREADY) {
		log_err("core %u: %s", roles->pool[c->core], e.text);
		return;
	}
	log_warn("core %u is %s", roles->pool[c->core], c->is_online ? "online" : "offline");
	events_publish(d->events, EVENTS_NOBODY, c->is_online ? "core.online" : "core.offline",
		       json_pack("{si}", "core", (int)roles->pool[c->core]));
}

static void do_cores(struct daemon *d)
{
	struct partition_change c[CHANGES_MAX];
	uint32_t n = partition_changes(d->partition, c, CHANGES_MAX);

	for (uint32_t i = 0; i < n; i++) {
		core_changed(d, &c[i]);
	}
}

static void do_collect(struct daemon *d)
{
	uint64_t bytes = images_collect(d->images);

	if (bytes > 0) {
		log_info("images that nobody uses were removed: bytes=%llu",
			 (unsigned long long)bytes);
	}
}

static void do_refusals(struct daemon *d)
{
	api_tick(d->api);
}

/* The service manager restarts a daemon whose main thread or dispatcher stands still: both are asked. */
static void do_alive(struct daemon *d)
{
	struct dispatch_stats s;

	if (daemon_is_watched()) {
		dispatch_stats_get(d->dispatch, &s);
		daemon_notify("WATCHDOG=1");
	}
}

static const struct {
	ns_t every_ns;
	void (*run)(struct daemon *d);
} chores[] = {
	{ 60 * NS_PER_S, do_heartbeat }, { 5 * NS_PER_S, do_vms_audit },
	{ 2 * NS_PER_S, do_scan },	 { NS_PER_S, do_cores },
	{ 600 * NS_PER_S, do_collect },	 { 10 * NS_PER_S, do_refusals },
	{ 4 * NS_PER_S, do_alive },
};

/* SIGHUP: what can change without a restart. */
static void reload(struct daemon *d)
{
	struct config c;
	struct errmsg e = { "" };

	logfile_reopen();
	config_defaults(&c);
	if (d->config_path[0] && config_read(&c, d->config_path, d->config_is_optional, &e) < 0) {
		log_err("the configuration stays as it was: %s", e.text);
		return;
	}
	for (uint32_t i = 0; i < c.n_warnings; i++) {
		log_warn("%s", c.warnings[i]);
	}
	d->config.quota = c.quota;
	d->config.log_level = d->args.is_debug ? LOG_LEVEL_DEBUG : c.log_level;
	log_setup("pinfoldd", d->config.log_level);
	users_default_quota_set(d->users, &c.quota);
	api_rate_change(d->api, c.rate_changes, c.rate_burst);
	log_info("configuration read again: log level, default quota and rates are in force");
}

/* @return whether the daemon ends */
static bool take_signal(struct daemon *d)
{
	struct signalfd_siginfo si;

	while (read(d->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGHUP) {
			reload(d);
			continue;
		}
		log_info("signal %u from pid %u: ending, VMs go on", si.ssi_signo, si.ssi_pid);
		return true;
	}
	return false;
}

static int until_ms(ns_t now, ns_t then)
{
	ns_t left = then > now ? then - now : 0;

	return (int)((left + NS_PER_MS - 1) / NS_PER_MS);
}

static ns_t run_due(struct daemon *d, ns_t due[ARRAY_SIZE(chores)])
{
	ns_t next = UINT64_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(chores); i++) {
		if (due[i] <= now_ns()) {
			chores[i].run(d);
			due[i] = now_ns() + chores[i].every_ns;
		}
		next = due[i] < next ? due[i] : next;
	}
	return next;
}

void daemon_loop(struct daemon *d)
{
	struct pollfd fds[] = { { d->signal_fd, POLLIN, 0 }, { d->stop_fd, POLLIN, 0 } };
	ns_t due[ARRAY_SIZE(chores)];

	for (size_t i = 0; i < ARRAY_SIZE(chores); i++) {
		due[i] = now_ns() + chores[i].every_ns;
	}
	for (;;) {
		ns_t next = run_due(d, due);
		int n = poll(fds, ARRAY_SIZE(fds), until_ms(now_ns(), next));

		if (n < 0 && errno != EINTR) {
			log_err("poll: %s", strerror(errno));
			return;
		}
		if (n > 0 && (take_signal(d) || atomic_load(&d->is_stopping))) {
			return;
		}
	}
}
