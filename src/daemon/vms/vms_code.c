/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kept translations (docs/engine-dbt.md): state_dir/translations/KEY, one file per guest and user.
 *
 *   first VM of a guest starts ─▶ queue ─▶ the trainer lets the guest run in a VM of its own: launch_train() ─▶ file
 *   next ones                  ─▶ file ─▶ checksum ─▶ sealed memory file, shared by all VMs that begin with it
 *
 * The key is a digest of all that the guest was made from and of its owner, so what comes out of one's guest is for that guest
 * alone. Nothing that a VM process which serves a user has made gets here. A file that is damaged is removed with a message; one that
 * the VM process does not take (another build) too. Then it is made anew, once in the life of a daemon.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"
#include "host/fd.h"

/* How long a guest is watched: a kernel is up, or waits, by then. */
#define TRAIN_CPU_NS  (5 * NS_PER_S)
#define TRAIN_WALL_NS (30 * NS_PER_S)
#define TRAIN_NICE    19

#define TRAILER_MAGIC "pinfold kept\n"

/* The end of a file. */
struct trailer {
	char magic[16];
	char key[SPEC_HASH_MAX];
	uint8_t sum[crypto_generichash_BYTES]; /* of all before the trailer, and the key */
};

static void hash_text(crypto_generichash_state *st, const char *text)
{
	crypto_generichash_update(st, (const uint8_t *)text, strlen(text) + 1);
}

static void hash_u64(crypto_generichash_state *st, uint64_t v)
{
	crypto_generichash_update(st, (const uint8_t *)&v, sizeof(v));
}

void vms_code_key(uid_t owner, const struct vm_spec *spec, char ret[SPEC_HASH_MAX + 1])
{
	const struct proto_config *c = &spec->config;
	uint8_t digest[crypto_generichash_BYTES];
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, sizeof(digest));
	hash_u64(&st, owner);
	hash_text(&st, spec->image);
	hash_text(&st, spec->kernel);
	hash_text(&st, spec->initrd);
	hash_text(&st, c->board);
	hash_text(&st, c->engine);
	hash_text(&st, c->args);
	hash_u64(&st, c->arch);
	hash_u64(&st, c->flags);
	hash_u64(&st, c->load_gpa);
	hash_u64(&st, c->entry_gva);
	hash_u64(&st, c->limits.mem_bytes);
	crypto_generichash_update(&st, (const uint8_t *)c->sets, c->n_sets * sizeof(*c->sets));
	crypto_generichash_final(&st, digest, sizeof(digest));
	sodium_bin2hex(ret, SPEC_HASH_MAX + 1, digest, sizeof(digest));
}

/* Programs on board bare are translated in a millisecond. */
static bool is_worth(const struct vms *v, const struct vm_spec *spec)
{
	return v->o.code_bytes && strcmp(spec->config.board, "bare") != 0 &&
	       (spec->image[0] || spec->kernel[0]);
}

static void path_of(const struct vms *v, const char *name, char ret[VMS_PATH_BYTES])
{
	snprintf(ret, VMS_PATH_BYTES, "%s/%s", v->code_dir, name);
}

static void sum_make(const uint8_t *bytes, uint64_t n, const char *key,
		     uint8_t ret[crypto_generichash_BYTES])
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, crypto_generichash_BYTES);
	crypto_generichash_update(&st, bytes, n);
	crypto_generichash_update(&st, (const uint8_t *)key, SPEC_HASH_MAX);
	crypto_generichash_final(&st, ret, crypto_generichash_BYTES);
}

/* Whether a sealed file is what was kept under this key. */
static bool is_whole(int fd, uint64_t bytes, const char *key)
{
	uint8_t sum[crypto_generichash_BYTES];
	struct trailer t;
	uint8_t *at;
	bool is_same;

	if (bytes < sizeof(t)) {
		return false;
	}
	at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		return false;
	}
	memcpy(&t, at + bytes - sizeof(t), sizeof(t));
	sum_make(at, bytes - sizeof(t), key, sum);
	is_same = memcmp(t.magic, TRAILER_MAGIC, sizeof(TRAILER_MAGIC)) == 0 &&
		  memcmp(t.key, key, sizeof(t.key)) == 0 && memcmp(t.sum, sum, sizeof(sum)) == 0;
	munmap(at, bytes);
	return is_same;
}

static int load(struct vms *v, const char *key, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	char path[VMS_PATH_BYTES];
	struct errmsg e = { 0 };
	uint64_t bytes;
	int r;

	path_of(v, key, path);
	r = host_fd_seal_file(path, LAUNCH_CODE_BYTES_MAX + sizeof(struct trailer), &fd, &bytes,
			      &e);
	if (r == -ENOENT) {
		return r;
	}
	if (r == 0 && !is_whole(fd, bytes, key)) {
		r = errmsg_set(&e, -EBADMSG, "%s is damaged", path);
	}
	if (r < 0) {
		log_warn("kept translations are ignored: %s", e.text);
		unlink(path);
		return r;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

static bool is_older(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec < b->st_mtim.tv_sec
						      : a->st_mtim.tv_nsec < b->st_mtim.tv_nsec;
}

/* @return what all take; ret_oldest is the one that was used longest ago */
static uint64_t look(DIR *dir, char ret_oldest[NAME_MAX + 1])
{
	struct stat oldest = { 0 };
	uint64_t sum = 0;
	const struct dirent *ent;

	ret_oldest[0] = '\0';
	while ((ent = readdir(dir)) != NULL) {
		struct stat st;

		if (ent->d_name[0] == '.' ||
		    fstatat(dirfd(dir), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			continue;
		}
		sum += (uint64_t)st.st_size;
		if (!ret_oldest[0] || is_older(&st, &oldest)) {
			snprintf(ret_oldest, NAME_MAX + 1, "%s", ent->d_name);
			oldest = st;
		}
	}
	return sum;
}

static void evict(const struct vms *v)
{
	DIR *dir = opendir(v->code_dir);
	char oldest[NAME_MAX + 1];

	while (dir && look(dir, oldest) > v->o.code_bytes && unlinkat(dirfd(dir), oldest, 0) == 0) {
		rewinddir(dir);
	}
	if (dir) {
		closedir(dir);
	}
}

/* Write a file that is there whole or not at all. */
static int keep(struct vms *v, const char *key, int fd)
{
	_cleanup_close_ int to = -1;
	char temp[VMS_PATH_BYTES];
	char path[VMS_PATH_BYTES];
	struct trailer t = { .magic = TRAILER_MAGIC };
	struct stat st;
	uint8_t *at;
	int r;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		return -errno;
	}
	memcpy(t.key, key, sizeof(t.key));
	sum_make(at, (uint64_t)st.st_size, key, t.sum);
	path_of(v, key, path);
	path_of(v, "new", temp);
	to = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = to < 0 ? -errno : host_fd_write_full(to, at, (size_t)st.st_size);
	munmap(at, (size_t)st.st_size);
	r = r < 0 ? r : host_fd_write_full(to, &t, sizeof(t));
	if (r == 0 && rename(temp, path) < 0) {
		r = -errno;
	}
	if (r < 0) {
		unlink(temp);
		return r;
	}
	evict(v);
	return 0;
}

void vms_code_get(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec,
		  struct launch_options *o)
{
	char path[VMS_PATH_BYTES];
	char key[SPEC_HASH_MAX + 1];
	int fd;

	if (!is_worth(v, spec)) {
		return;
	}
	vms_code_key(vm->owner, spec, key);
	vm->code = vms_image_take(v, key);
	if (!vm->code && load(v, key, &fd) == 0) {
		vm->code = vms_image_add(v, key, fd);
	}
	if (vm->code) {
		path_of(v, key, path);
		(void)utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
		o->code_fd = vm->code->fd;
	}
}

void vms_code_started(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec)
{
	char path[VMS_PATH_BYTES];

	if (vm->code && vm->lv.ready.code_result < 0) {
		log_warn("kept translations are ignored, they are not for this version of "
			 "pinfold-vm "
			 "vm=%s",
			 vm->id);
		path_of(v, vm->code->hash, path);
		unlink(path);
		vms_image_forget(v, vm->code);
		vm->code = NULL;
	}
	if (!vm->code && is_worth(v, spec) && !spec->context[0] &&
	    vm->lv.ready.caps & PROTO_CAP_STORED_CODE) {
		pthread_mutex_lock(&v->lock);
		vms_queue_put_locked(v, VMS_TRAINER, vm);
		pthread_mutex_unlock(&v->lock);
	}
}

/* Once for each guest in the life of a daemon, as far back as is remembered. Only the trainer is here. */
static bool is_tried(struct vms *v, const char *key)
{
	for (size_t i = 0; i < VMS_TRIES; i++) {
		if (memcmp(v->tried[i], key, SPEC_HASH_MAX) == 0) {
			return true;
		}
	}
	memcpy(v->tried[v->n_tried++ % VMS_TRIES], key, SPEC_HASH_MAX);
	return false;
}

static int train(struct vms *v, const struct vm_spec *spec, int *ret_fd, struct errmsg *e)
{
	const struct launch_train t = { .cpu_ns = TRAIN_CPU_NS,
					.wall_ns = TRAIN_WALL_NS,
					.cancel_fd = v->stop_fd };
	const char *const hashes[] = { spec->image, spec->kernel, spec->initrd };
	struct vms_image *images[ARRAY_SIZE(hashes)] = { NULL };
	struct launch_options o;
	int r = 0;

	launch_options_defaults(&o);
	o.config = spec->config;
	o.vm_program = v->o.vm_program;
	o.is_kvm_allowed = false;
	o.reply_ms = v->o.reply_ms;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(hashes); i++) {
		r = hashes[i][0] ? vms_image_get(v, hashes[i], &images[i], e) : 0;
	}
	if (r == 0) {
		o.image_fd = images[0] ? images[0]->fd : -1;
		o.kernel_fd = images[1] ? images[1]->fd : -1;
		o.initrd_fd = images[2] ? images[2]->fd : -1;
		r = launch_train(&o, &t, ret_fd, e);
	}
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
		vms_image_put(v, images[i]);
	}
	return r;
}

void vms_train_one(struct vms *v, struct vms_vm *vm)
{
	char key[SPEC_HASH_MAX + 1];
	struct errmsg e = { 0 };
	struct vm_spec spec;
	bool is_closing;
	int fd;
	int r;

	/* The VM of its own inherits this. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), TRAIN_NICE);
	pthread_mutex_lock(&v->lock);
	spec = vm->spec;
	is_closing = v->is_closing;
	pthread_mutex_unlock(&v->lock);
	vms_code_key(vm->owner, &spec, key);
	if (is_closing || is_tried(v, key)) {
		return;
	}
	r = train(v, &spec, &fd, &e);
	if (r == 0) {
		r = keep(v, key, fd);
		vms_image_put(v, vms_image_add(v, key, fd));
		if (r < 0) {
			errmsg_set(&e, r, "%s: %s", v->code_dir, strerror(-r));
		}
	}
	if (r < 0 && r != -ENODATA && r != -ECANCELED) {
		log_warn("no translations are kept vm=%s: %s", vm->id, e.text);
	} else if (r == 0) {
		log_info("translations are kept vm=%s", vm->id);
	}
}
