/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See fake_guard.h. */
#include "fake_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "unit/guard_record.h"

static void change_locked(struct fake_guard *f)
{
	f->generation++;
	BUG_ON(eventfd_write(f->dev_fd, 1) < 0);
}

static bool fake_is_there(void *ctx)
{
	struct fake_guard *f = ctx;
	bool is;

	pthread_mutex_lock(&f->lock);
	is = f->is_there;
	pthread_mutex_unlock(&f->lock);
	return is;
}

static int fake_open(void *ctx, bool is_log)
{
	struct fake_guard *f = ctx;
	int fd = -ENXIO;

	pthread_mutex_lock(&f->lock);
	if (f->is_there) {
		fd = fcntl(is_log ? f->log_fd : f->dev_fd, F_DUPFD_CLOEXEC, 3);
		BUG_ON(fd < 0);
		f->n_open++;
		if (is_log) {
			f->read_at = 0;
			BUG_ON(eventfd_write(f->log_fd, 1) < 0);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return fd;
}

static void fake_close(void *ctx, int fd)
{
	struct fake_guard *f = ctx;

	pthread_mutex_lock(&f->lock);
	close(fd);
	f->registrar_fd = fd == f->registrar_fd ? -1 : f->registrar_fd;
	f->n_open--;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static struct pinfold_guard_vm *find_locked(struct fake_guard *f, uint64_t id)
{
	for (uint32_t i = 0; i < f->n_vms; i++) {
		if (f->vms[i].id == id) {
			return &f->vms[i];
		}
	}
	return NULL;
}

static bool is_banned_locked(const struct fake_guard *f, uid_t uid)
{
	for (uint32_t i = 0; i < f->n_bans; i++) {
		if (f->bans[i] == uid) {
			return true;
		}
	}
	return f->secret_ban && f->secret_ban == uid;
}

static int register_locked(struct fake_guard *f, const struct pinfold_guard_vm *said)
{
	struct pinfold_guard_vm *vm = find_locked(f, said->id);
	uint32_t kept = 0;

	f->n_registered++;
	if (is_banned_locked(f, said->owner_uid)) {
		return -EACCES;
	}
	if (said->flags & ~PINFOLD_GUARD_EXCLUSIVE || said->id == 0 || said->pid <= 0 ||
	    said->start_ticks == 0 || !said->name[0]) {
		return -EINVAL;
	}
	if (vm && vm->pid == said->pid && vm->start_ticks == said->start_ticks) {
		kept = vm->flags &
		       (PINFOLD_GUARD_KILLED | PINFOLD_GUARD_FROZEN | PINFOLD_GUARD_RECLAIMED);
	}
	if (!vm) {
		BUG_ON(f->n_vms == FAKE_VMS);
		vm = &f->vms[f->n_vms++];
	}
	*vm = *said;
	vm->flags |= kept;
	return 0;
}

static int update_locked(struct fake_guard *f, const struct pinfold_guard_vm *said)
{
	struct pinfold_guard_vm *vm = find_locked(f, said->id);

	f->n_updated++;
	if (!vm) {
		return -ENOENT;
	}
	if (said->flags & PINFOLD_GUARD_EXCLUSIVE && vm->flags & PINFOLD_GUARD_RECLAIMED) {
		return -EBUSY;
	}
	memcpy(vm->cores, said->cores, sizeof(vm->cores));
	vm->flags &= ~(PINFOLD_GUARD_EXCLUSIVE | (said->flags & PINFOLD_GUARD_RECLAIMED));
	vm->flags |= said->flags & PINFOLD_GUARD_EXCLUSIVE;
	return 0;
}

static int state_locked(struct fake_guard *f, struct pinfold_guard_state *s)
{
	eventfd_t ignored;

	if (!f->is_let_go) {
		(void)eventfd_read(f->dev_fd, &ignored);
	}
	*s = (struct pinfold_guard_state){ .revision = f->lies ? 77 : PINFOLD_GUARD_REVISION,
					   .instance = f->instance,
					   .generation = f->generation,
					   .vms = f->n_vms,
					   .bans = f->n_bans,
					   .log_first = f->n_records ? 1 : 0,
					   .log_last = f->n_records,
					   .log_exported = f->exported };
	return 0;
}

static int bans_locked(struct fake_guard *f, struct pinfold_guard_bans *b)
{
	b->count = f->n_bans;
	b->generation = f->generation;
	memcpy(b->uids, f->bans, f->n_bans * sizeof(b->uids[0]));
	return 0;
}

static int remove_locked(struct fake_guard *f, const struct pinfold_guard_id *id)
{
	struct pinfold_guard_vm *vm = find_locked(f, id->id);

	if (!vm) {
		return -ENOENT;
	}
	*vm = f->vms[--f->n_vms];
	return 0;
}

static int registrar_locked(struct fake_guard *f, int fd, unsigned int request, void *arg)
{
	if (f->registrar_fd != fd) {
		return -EPERM;
	}
	switch (request) {
	case PINFOLD_GUARD_REGISTER:
		return register_locked(f, arg);
	case PINFOLD_GUARD_UPDATE:
		return update_locked(f, arg);
	case PINFOLD_GUARD_UNREGISTER:
		return remove_locked(f, arg);
	case PINFOLD_GUARD_EXPORTED:
		f->exported = ((const struct pinfold_guard_id *)arg)->id;
		return f->exported > f->n_records ? -EINVAL : 0;
	default:
		return -ENOTTY;
	}
}

static int call_locked(struct fake_guard *f, int fd, unsigned int request, void *arg)
{
	struct pinfold_guard_vm *vm;

	if (request != PINFOLD_GUARD_ATTACH && *(const uint32_t *)arg != PINFOLD_GUARD_REVISION) {
		return -EPROTO;
	}
	switch (request) {
	case PINFOLD_GUARD_STATE:
		return state_locked(f, arg);
	case PINFOLD_GUARD_BANS:
		return bans_locked(f, arg);
	case PINFOLD_GUARD_LOOKUP:
		vm = find_locked(f, ((const struct pinfold_guard_vm *)arg)->id);
		if (vm) {
			memcpy(arg, vm, sizeof(*vm));
		}
		return vm ? 0 : -ENOENT;
	case PINFOLD_GUARD_ATTACH:
		f->registrar_fd = f->is_busy ? -1 : fd;
		return f->is_busy ? -EBUSY : 0;
	default:
		return registrar_locked(f, fd, request, arg);
	}
}

static int fake_call(void *ctx, int fd, unsigned int request, void *arg)
{
	struct fake_guard *f = ctx;
	int r;

	pthread_mutex_lock(&f->lock);
	f->n_hanging++;
	pthread_cond_broadcast(&f->changed);
	while (f->hangs) {
		pthread_cond_wait(&f->changed, &f->lock);
	}
	f->n_hanging--;
	r = f->is_there ? call_locked(f, fd, request, arg) : -ENODEV;
	pthread_mutex_unlock(&f->lock);
	return r;
}

static ssize_t fake_read(void *ctx, int fd, void *buf, size_t n)
{
	struct fake_guard *f = ctx;
	eventfd_t ignored;
	ssize_t r = -EAGAIN;

	(void)fd;
	pthread_mutex_lock(&f->lock);
	if (!f->is_there) {
		r = -ENODEV;
	} else if (f->read_at == f->n_records) {
		(void)eventfd_read(f->log_fd, &ignored);
	} else {
		uint64_t left = f->n_records - f->read_at;
		uint64_t want = n / sizeof(f->records[0]);

		want = want < left ? want : left;
		memcpy(buf, &f->records[f->read_at], want * sizeof(f->records[0]));
		f->read_at += want;
		r = (ssize_t)(want * sizeof(f->records[0]));
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

static bool fake_is_let_go(void *ctx, int fd)
{
	struct fake_guard *f = ctx;
	bool is;

	(void)fd;
	pthread_mutex_lock(&f->lock);
	is = f->is_let_go;
	pthread_mutex_unlock(&f->lock);
	return is;
}

const struct guard_dev fake_guard_dev = { .is_there = fake_is_there,
					  .is_let_go = fake_is_let_go,
					  .open = fake_open,
					  .call = fake_call,
					  .read = fake_read,
					  .close = fake_close };

/* As devtmpfs: who watches the folder hears of it. */
static void show(const struct fake_guard *f, bool is_there)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/pinfold-guard", f->dir);
	if (!is_there) {
		unlink(path);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	BUG_ON(fd < 0);
	close(fd);
}

void fake_guard_init(struct fake_guard *f, const char *dir, bool is_there)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "%s", dir);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	f->dev_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->log_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->registrar_fd = -1;
	f->instance = 0xfeed000000000000;
	f->records = calloc(FAKE_RECORDS, sizeof(f->records[0]));
	BUG_ON(f->dev_fd < 0 || f->log_fd < 0 || !f->records);
	if (is_there) {
		fake_guard_load(f, true);
	}
}

void fake_guard_done(struct fake_guard *f)
{
	/* A call that hung was left behind by its caller, and ends by itself. */
	pthread_mutex_lock(&f->lock);
	while (f->n_open) {
		pthread_cond_wait(&f->changed, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	close(f->dev_fd);
	close(f->log_fd);
	free(f->records);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
}

void fake_guard_load(struct fake_guard *f, bool is_there)
{
	pthread_mutex_lock(&f->lock);
	f->is_there = is_there;
	f->registrar_fd = -1;
	f->is_let_go = false;
	if (is_there) {
		f->instance++;
		f->generation = f->instance << 8;
		f->n_bans = f->n_vms = 0;
		f->n_records = f->read_at = f->exported = 0;
	}
	BUG_ON(eventfd_write(f->dev_fd, 1) < 0);
	pthread_mutex_unlock(&f->lock);
	show(f, is_there);
}

void fake_guard_busy(struct fake_guard *f, bool is_busy)
{
	pthread_mutex_lock(&f->lock);
	f->is_busy = is_busy;
	pthread_mutex_unlock(&f->lock);
}

void fake_guard_let_go(struct fake_guard *f, bool is_let_go)
{
	pthread_mutex_lock(&f->lock);
	f->is_let_go = is_let_go;
	BUG_ON(eventfd_write(f->dev_fd, 1) < 0);
	pthread_mutex_unlock(&f->lock);
}

void fake_guard_hang(struct fake_guard *f, bool hangs)
{
	pthread_mutex_lock(&f->lock);
	f->hangs = hangs;
	pthread_cond_broadcast(&f->changed);
	if (hangs) {
		change_locked(f);
	}
	while (hangs && f->n_hanging == 0) {
		pthread_cond_wait(&f->changed, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
}

void fake_guard_lie(struct fake_guard *f, bool lies)
{
	pthread_mutex_lock(&f->lock);
	f->lies = lies;
	change_locked(f);
	pthread_mutex_unlock(&f->lock);
}

void fake_guard_ban(struct fake_guard *f, uid_t uid)
{
	pthread_mutex_lock(&f->lock);
	f->bans[f->n_bans++] = uid;
	change_locked(f);
	pthread_mutex_unlock(&f->lock);
}

void fake_guard_unban(struct fake_guard *f, uid_t uid)
{
	pthread_mutex_lock(&f->lock);
	for (uint32_t i = 0; i < f->n_bans; i++) {
		if (f->bans[i] == uid) {
			f->bans[i] = f->bans[--f->n_bans];
		}
	}
	change_locked(f);
	pthread_mutex_unlock(&f->lock);
}

bool fake_guard_mark(struct fake_guard *f, uint64_t id, uint32_t set, uint32_t clear)
{
	struct pinfold_guard_vm *vm;

	pthread_mutex_lock(&f->lock);
	vm = find_locked(f, id);
	if (vm) {
		vm->flags = (vm->flags & ~clear) | set;
	}
	change_locked(f);
	pthread_mutex_unlock(&f->lock);
	return vm != NULL;
}

bool fake_guard_get(struct fake_guard *f, uint64_t id, struct pinfold_guard_vm *ret)
{
	const struct pinfold_guard_vm *vm;

	pthread_mutex_lock(&f->lock);
	vm = find_locked(f, id);
	if (vm) {
		*ret = *vm;
	}
	pthread_mutex_unlock(&f->lock);
	return vm != NULL;
}

static void log_put(struct fake_guard *f, const char *text, char spoil)
{
	struct pinfold_guard_record *r;

	pthread_mutex_lock(&f->lock);
	BUG_ON(f->n_records == FAKE_RECORDS);
	r = &f->records[f->n_records++];
	*r = (struct pinfold_guard_record){ .magic = htole32(PINFOLD_GUARD_RECORD_MAGIC),
					    .revision = htole16(PINFOLD_GUARD_REVISION),
					    .kind = htole16(PINFOLD_GUARD_LOG_COMMAND),
					    .seq = htole64(f->n_records),
					    .count = htole32(1) };
	memcpy(r->text, text, strlen(text));
	if (f->n_records > 1) {
		memcpy(r->prev, r[-1].hash, sizeof(r->prev));
	} else {
		guard_record_begin(f->instance, r->prev);
	}
	guard_record_seal(r);
	r->text[0] ^= spoil;
	BUG_ON(eventfd_write(f->log_fd, 1) < 0);
	pthread_mutex_unlock(&f->lock);
}

void fake_guard_log(struct fake_guard *f, const char *text)
{
	log_put(f, text, 0);
}

void fake_guard_log_bad(struct fake_guard *f)
{
	log_put(f, "kill 7", 1);
}
