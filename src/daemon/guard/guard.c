/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See guard.h: the guard thread, and what the other parts of the daemon call. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "daemon/guard/guard_internal.h"
#include "host/timer.h"

void guard_options_defaults(struct guard_options *o)
{
	*o = (struct guard_options){ .dev = &guard_dev_host,
				     .dev_dir = "/dev",
				     .reply_ms = 1000,
				     .retry_ms = 10000,
				     .anchor_ms = 60000 };
}

void guard_trouble(struct guard *g, enum guard_part part, const char *text)
{
	char *now = g->trouble[part];
	bool is_news, is_loaded;

	pthread_mutex_lock(&g->lock);
	is_loaded = g->info.is_loaded;
	is_news = strcmp(now, text ? text : "") != 0;
	snprintf(now, ERRMSG_SIZE, "%s", text ? text : "");
	pthread_mutex_unlock(&g->lock);
	if (is_news && text) {
		log_warn("guard: %s", text);
	} else if (is_news && is_loaded) {
		log_info("guard: %s again",
			 part == GUARD_LINK ? "it answers" : "its log is copied");
	}
}

static int state_ask(struct guard *g, struct pinfold_guard_state *ret, struct errmsg *e)
{
	struct pinfold_guard_state s = { .revision = PINFOLD_GUARD_REVISION };
	int r = guard_io_call(g->io, PINFOLD_GUARD_STATE, &s, sizeof(s));

	if (r < 0) {
		return errmsg_set(e, r,
				  r == -ETIMEDOUT ? "it does not answer"
						  : "its state can't be read: %s",
				  strerror(-r));
	}
	if (s.revision != PINFOLD_GUARD_REVISION || s.vms > PINFOLD_GUARD_VMS_MAX ||
	    s.bans > PINFOLD_GUARD_BANS_MAX || s.terminals[0].state > PINFOLD_GUARD_GONE ||
	    s.terminals[1].state > PINFOLD_GUARD_GONE) {
		return errmsg_set(e, -EPROTO, "it answers nonsense, or is of another revision");
	}
	pthread_mutex_lock(&g->lock);
	g->info.state = s;
	pthread_mutex_unlock(&g->lock);
	*ret = s;
	return 0;
}

static int bans_ask(struct guard *g, struct pinfold_guard_bans *ret, struct errmsg *e)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->revision = PINFOLD_GUARD_REVISION;
	r = guard_io_call(g->io, PINFOLD_GUARD_BANS, ret, sizeof(*ret));
	if (r < 0) {
		return errmsg_set(e, r, "its bans can't be read: %s", strerror(-r));
	}
	if (ret->revision != PINFOLD_GUARD_REVISION || ret->count > PINFOLD_GUARD_BANS_MAX) {
		return errmsg_set(e, -EPROTO, "it lists bans in nonsense");
	}
	pthread_mutex_lock(&g->lock);
	g->info.n_bans = ret->count;
	memcpy(g->info.bans, ret->uids, ret->count * sizeof(ret->uids[0]));
	pthread_mutex_unlock(&g->lock);
	return 0;
}

static void log_stop(struct guard *g)
{
	guard_log_stop(g->log);
	g->log = NULL;
}

/* What fails is tried again with the next change. */
static void log_start(struct guard *g, uint64_t instance)
{
	struct errmsg e = { "" };

	if (g->log) {
		return;
	}
	g->log_instance = instance;
	if (guard_log_start(g, instance, &g->log, &e) < 0) {
		guard_trouble(g, GUARD_LOG, e.text);
	}
}

/* All that was done at the terminals becomes so here. */
static int reconcile(struct guard *g, struct errmsg *e)
{
	struct pinfold_guard_bans bans;
	struct pinfold_guard_state s;
	int r = state_ask(g, &s, e);
	int t;

	if (r < 0) {
		return r;
	}
	if (g->log && g->log_instance != s.instance) {
		return errmsg_set(e, -ENODEV, "it was loaded anew");
	}
	pthread_mutex_lock(&g->lock);
	g->synced = s.generation; /* what changes from here on is seen by poll() */
	pthread_mutex_unlock(&g->lock);
	r = bans_ask(g, &bans, e);
	r = r < 0 ? r : guard_bans_apply(g, s.instance, &bans, e);
	t = g->vms ? g->vms->sync(g->vms_arg, true) : 0;
	log_start(g, s.instance);
	return r == 0 && t < 0
		       ? errmsg_set(e, t, "not all VMs could be compared with it: %s", strerror(-t))
		       : r;
}

/* One of the guard's flags. */
static bool says(struct guard *g, const bool *flag)
{
	bool is;

	pthread_mutex_lock(&g->lock);
	is = *flag;
	pthread_mutex_unlock(&g->lock);
	return is;
}

static void attached_set(struct guard *g, bool is_loaded, bool is_attached)
{
	pthread_mutex_lock(&g->lock);
	g->info.is_loaded = is_loaded;
	g->info.is_attached = is_attached;
	if (!is_attached) {
		g->info.n_bans = 0;
	}
	pthread_mutex_unlock(&g->lock);
}

/* The module has gone, or is of no use. */
static void drop(struct guard *g, bool is_there)
{
	bool was_attached = says(g, &g->info.is_attached);

	attached_set(g, is_there, false);
	log_stop(g);
	if (g->dev_fd >= 0) {
		guard_io_shut(g->io);
		g->dev_fd = -1;
	}
	if (was_attached && g->vms) {
		(void)g->vms->sync(g->vms_arg, false);
	}
	if (!is_there) {
		log_info("guard: the module is gone");
	}
}

static int open_device(struct guard *g, struct errmsg *e)
{
	int r = g->io ? 0 : guard_io_new(g->o.dev, g->o.dev_ctx, g->o.reply_ms, g->wake_fd, &g->io);

	r = r < 0 ? r : guard_io_open(g->io);
	if (r < 0) {
		return errmsg_set(e, r, "its device can't be opened: %s%s", strerror(-r),
				  r == -EPERM
					  ? " (as a service: restart it, the devices that it may "
					    "open are looked up at its start)"
					  : "");
	}
	g->dev_fd = r;
	attached_set(g, true, false);
	return 0;
}

static int attach(struct guard *g, struct errmsg *e)
{
	struct pinfold_guard_state s;
	int r = guard_io_call(g->io, PINFOLD_GUARD_ATTACH, NULL, 0);

	if (r < 0) {
		(void)state_ask(g, &s, NULL);
		return errmsg_set(e, r,
				  r == -EBUSY ? "another process tells it of its VMs: those of "
						"this daemon are not known at its terminals"
					      : "it can't be told of VMs: %s",
				  strerror(-r));
	}
	attached_set(g, true, true);
	log_info("guard: the module is there, and is told of all VMs");
	return 0;
}

static int turn(struct guard *g, struct errmsg *e)
{
	bool is_there = g->o.dev->is_there(g->o.dev_ctx);
	bool is_let_go;
	int r;

	if (!is_there) {
		/* Not whether the device is open: a call may have found it gone before. */
		if (says(g, &g->info.is_loaded)) {
			drop(g, false);
		}
		return 0;
	}
	r = g->dev_fd < 0 ? open_device(g, e) : 0;
	is_let_go = r == 0 && g->o.dev->is_let_go(g->o.dev_ctx, g->dev_fd);
	r = r < 0 || is_let_go || says(g, &g->info.is_attached) ? r : attach(g, e);
	r = r == 0 && says(g, &g->info.is_attached) ? reconcile(g, e) : r;
	/* What was done before that is known now. */
	r = r == 0 && is_let_go ? errmsg_set(e, -ENODEV, "it may be unloaded, and is left alone")
				: r;
	if (r == -ENODEV || r == -EPROTO || r == -EPERM) {
		drop(g, true);
	}
	return r;
}

/* Once around; notes when to try again. */
static void look(struct guard *g)
{
	struct errmsg e = { "" };
	int r = turn(g, &e);

	guard_trouble(g, GUARD_LINK, r < 0 ? e.text : NULL);
	g->retry_ns = UINT64_MAX;
	if (r < 0 || (g->dev_fd < 0 && g->watch_fd < 0)) {
		g->retry_ns = host_clock_monotonic_ns() + (ns_t)g->o.retry_ms * NS_PER_MS;
	}
}

static void drain(int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0) {
	}
}

static int until_ms(ns_t then_ns)
{
	ns_t now_ns = host_clock_monotonic_ns();

	if (then_ns == UINT64_MAX) {
		return -1;
	}
	return then_ns > now_ns ? (int)((then_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

static void *guard_main(void *arg)
{
	struct guard *g = arg;

	while (!says(g, &g->is_stopping)) {
		struct pollfd p[] = { { .fd = g->wake_fd, .events = POLLIN },
				      { .fd = g->watch_fd, .events = POLLIN },
				      { .fd = g->dev_fd, .events = POLLIN } };

		look(g);
		/* One that is in trouble is not heard: it would be all the time. */
		p[2].fd = g->retry_ns == UINT64_MAX ? g->dev_fd : -1;
		if (poll(p, ARRAY_SIZE(p), until_ms(g->retry_ns)) < 0) {
			BUG_ON(errno != EINTR);
			continue;
		}
		drain(g->wake_fd);
		if (p[1].revents) {
			drain(g->watch_fd);
		}
	}
	return NULL;
}

static void wake(struct guard *g)
{
	BUG_ON(eventfd_write(g->wake_fd, 1) < 0);
}

int guard_open(const struct guard_options *o, struct guard **ret, struct errmsg *e)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	g->o = *o;
	g->dev_fd = -1;
	pthread_mutex_init(&g->lock, NULL);
	g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (g->wake_fd < 0) {
		guard_close(g);
		return errmsg_set(e, -EMFILE, "no descriptor for the guard");
	}
	if (g->watch_fd >= 0 &&
	    inotify_add_watch(g->watch_fd, o->dev_dir, IN_CREATE | IN_DELETE | IN_MOVED_TO) < 0) {
		close(g->watch_fd);
		g->watch_fd = -1;
	}
	look(g);
	*ret = g;
	return 0;
}

int guard_start(struct guard *g, const struct guard_vms *vms, void *arg, struct errmsg *e)
{
	int r;

	g->vms = vms;
	g->vms_arg = arg;
	r = pthread_create(&g->thread, NULL, guard_main, g);
	if (r != 0) {
		return errmsg_set(e, -r, "no thread for the guard: %s", strerror(r));
	}
	g->has_thread = true;
	pthread_setname_np(g->thread, "guard");
	return 0;
}

void guard_stop(struct guard *g)
{
	if (!g) {
		return;
	}
	pthread_mutex_lock(&g->lock);
	g->is_stopping = true;
	pthread_mutex_unlock(&g->lock);
	if (g->has_thread) {
		wake(g);
		pthread_join(g->thread, NULL);
		g->has_thread = false;
	}
	g->vms = NULL;
	log_stop(g);
}

void guard_close(struct guard *g)
{
	if (!g) {
		return;
	}
	guard_stop(g);
	guard_io_free(g->io);
	if (g->wake_fd >= 0) {
		close(g->wake_fd);
	}
	if (g->watch_fd >= 0) {
		close(g->watch_fd);
	}
	pthread_mutex_destroy(&g->lock);
	free(g);
}

bool guard_is_attached(struct guard *g)
{
	return g && says(g, &g->info.is_attached);
}

/* One call about a VM. @return -ENODEV: nobody is there to be told */
static int vm_call(struct guard *g, unsigned int request, struct pinfold_guard_vm *vm)
{
	if (!guard_is_attached(g)) {
		return -ENODEV;
	}
	vm->revision = PINFOLD_GUARD_REVISION;
	return guard_io_call(g->io, request, vm, sizeof(*vm));
}

/* Nobody waits for one that hangs; it is told when it answers again. */
static bool is_worth_a_line(int r)
{
	return r < 0 && r != -ENODEV && r != -ETIMEDOUT && r != -ESRCH;
}

int guard_vm_register(struct guard *g, const struct pinfold_guard_vm *vm, struct errmsg *e)
{
	struct pinfold_guard_vm copy = *vm;
	int r = vm_call(g, PINFOLD_GUARD_REGISTER, &copy);

	if (r == -EACCES) {
		return errmsg_set(e, r, "user %u is banned at the guard's terminal", vm->owner_uid);
	}
	if (is_worth_a_line(r)) {
		log_warn("guard: a VM is not known at its terminals name=\"%.63s\" error=\"%s\"",
			 vm->name, strerror(-r));
	}
	return 0;
}

int guard_vm_update(struct guard *g, const struct pinfold_guard_vm *vm)
{
	struct pinfold_guard_vm copy = *vm;
	int r = vm_call(g, PINFOLD_GUARD_UPDATE, &copy);

	/* One that was reclaimed a moment ago is busy: comparing tells what becomes of it. */
	if (r != -EBUSY && is_worth_a_line(r)) {
		log_warn("guard: the cores of a VM are not known name=\"%.63s\" error=\"%s\"",
			 vm->name, strerror(-r));
	}
	return r;
}

void guard_vm_unregister(struct guard *g, uint64_t id)
{
	struct pinfold_guard_id arg = { .revision = PINFOLD_GUARD_REVISION, .id = id };
	int r;

	if (!guard_is_attached(g)) {
		return;
	}
	r = guard_io_call(g->io, PINFOLD_GUARD_UNREGISTER, &arg, sizeof(arg));
	if (r != -ENOENT && is_worth_a_line(r)) {
		log_warn("guard: a VM that has ended stays registered error=\"%s\"", strerror(-r));
	}
}

int guard_vm_find(struct guard *g, uint64_t id, struct pinfold_guard_vm *ret)
{
	struct pinfold_guard_vm vm = { .id = id };
	int r = vm_call(g, PINFOLD_GUARD_LOOKUP, &vm);

	if (r == 0 && (vm.revision != PINFOLD_GUARD_REVISION || vm.id != id)) {
		return -EPROTO;
	}
	if (r == 0) {
		*ret = vm;
	}
	return r;
}

void guard_tell(struct guard *g, const char *what, uid_t owner, json_t *object)
{
	struct audit_entry entry = { .uid = USERS_BY_GUARD, .operation = what };
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	struct errmsg e = { "" };

	entry.arguments = text ? text : "{}";
	log_warn("at a terminal of the guard: %s %s", what, entry.arguments);
	if (audit_submit(g->o.audit, &entry, NULL, NULL, &e) < 0) {
		log_err("an action of the guard could not be recorded: %s error=\"%s\"", what,
			e.text);
	}
	free(text);
	events_publish(g->o.events, owner, what, object);
}

int guard_unban_check(struct guard *g, uid_t uid, struct errmsg *e)
{
	bool is_banned = false;

	if (!g) {
		return 0;
	}
	pthread_mutex_lock(&g->lock);
	for (uint32_t i = 0; i < g->info.n_bans; i++) {
		is_banned = is_banned || g->info.bans[i] == uid;
	}
	pthread_mutex_unlock(&g->lock);
	return is_banned ? errmsg_set(e, -EBUSY,
				      "user %u is banned at the guard's terminal\n"
				      "lift it there: unban %u",
				      uid, uid)
			 : 0;
}

void guard_info_get(struct guard *g, struct guard_info *ret)
{
	struct pinfold_guard_state s;
	bool is_news = false;

	memset(ret, 0, sizeof(*ret));
	if (!g) {
		return;
	}
	if (says(g, &g->info.is_attached)) {
		is_news = state_ask(g, &s, NULL) < 0;
		pthread_mutex_lock(&g->lock);
		is_news = is_news || s.generation != g->synced;
		pthread_mutex_unlock(&g->lock);
	}
	if (is_news) {
		wake(g); /* to have asked here is to have silenced poll() */
	}
	pthread_mutex_lock(&g->lock);
	*ret = g->info;
	for (int i = 0; i < GUARD_PARTS && !ret->trouble[0]; i++) {
		memcpy(ret->trouble, g->trouble[i], sizeof(ret->trouble));
	}
	pthread_mutex_unlock(&g->lock);
	ret->is_hung = ret->is_loaded && guard_io_is_hung(g->io);
}
