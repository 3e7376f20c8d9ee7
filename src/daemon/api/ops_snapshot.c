/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots: a VM with all that it is, as one file, and a VM made from such a file. The VM process writes
 * its context into a memory file of its own, which is sealed before a byte of it is used; the head is
 * never where the VM could write. docs/snapshot.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/cleanup.h"
#include "daemon/api/api_internal.h"

#define SEALS	    (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define CHUNK_BYTES (256u << 10)

/* A snapshot on its way out: head, context, disks. */
struct snapshot {
	struct api *a;
	uint8_t *head;
	size_t head_bytes;
	int fd; /* the context, sealed; -1: none yet */
	uint64_t context_bytes;
	int disks[PROTO_DISKS_MAX]; /* -1: none */
	uint64_t disk_bytes[PROTO_DISKS_MAX];
	uid_t owner; /* who was charged for the copies of disks: */
	uint64_t charged_bytes;
	uint64_t at, total_bytes;
	uint32_t place; /* among those of the API */
};

/*
 * One at a time counts: each may hold as much memory as its VM. The last place is never for somebody who has one
 * already: who reads slowly keeps nobody else waiting.
 */
static int place_take(struct api *a, uid_t uid, uint32_t *ret)
{
	uint32_t n_free = 0, n_mine = 0, place = 0;

	pthread_mutex_lock(&a->lock);
	for (uint32_t i = 0; i < API_SNAPSHOTS_MAX; i++) {
		n_mine += a->snapshots[i].is_taken && a->snapshots[i].uid == uid;
		if (!a->snapshots[i].is_taken) {
			n_free++;
			place = i;
		}
	}
	if (n_free > (n_mine ? 1u : 0u)) {
		a->snapshots[place].is_taken = true;
		a->snapshots[place].uid = uid;
		*ret = place;
	}
	pthread_mutex_unlock(&a->lock);
	return n_free > (n_mine ? 1u : 0u) ? 0 : -EAGAIN;
}

static void place_give_back(struct api *a, uint32_t place)
{
	pthread_mutex_lock(&a->lock);
	a->snapshots[place].is_taken = false;
	pthread_mutex_unlock(&a->lock);
}

static void snapshot_free(void *arg)
{
	struct snapshot *s = arg;

	if (!s) {
		return;
	}
	place_give_back(s->a, s->place);
	if (s->fd >= 0) {
		close(s->fd);
	}
	vms_disks_close(s->disks);
	images_release(s->a->o.images, s->owner, s->charged_bytes);
	free(s->head);
	free(s);
}

/* From the context, or the disk in which that place is. */
static ssize_t file_read(const struct snapshot *s, uint64_t at, uint8_t *buf, size_t max)
{
	uint64_t bytes = s->context_bytes;
	int fd = s->fd;

	for (size_t i = 0; at >= bytes; i++) {
		at -= bytes;
		fd = s->disks[i];
		bytes = s->disk_bytes[i];
	}
	return pread(fd, buf, max < bytes - at ? max : (size_t)(bytes - at), (off_t)at);
}

static ssize_t snapshot_read(void *arg, uint8_t *buf, size_t max)
{
	struct snapshot *s = arg;
	ssize_t n;

	if (atomic_load(&s->a->is_stopping) || s->at == s->total_bytes) {
		return -1;
	}
	if (s->at < s->head_bytes) {
		size_t left = s->head_bytes - (size_t)s->at;

		n = (ssize_t)(left < max ? left : max);
		memcpy(buf, s->head + s->at, (size_t)n);
	} else {
		n = file_read(s, s->at - s->head_bytes, buf, max);
		if (n <= 0) {
			return n < 0 && errno == EINTR ? 0 : -1;
		}
	}
	s->at += (uint64_t)n;
	return n;
}

static int snapshot_new(struct api *a, uid_t uid, struct snapshot **ret, struct errmsg *e)
{
	struct snapshot *s;
	uint32_t place;

	if (place_take(a, uid, &place) < 0) {
		return errmsg_set(e, -EAGAIN, "other snapshots are being made\ntry again");
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		place_give_back(a, place);
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	s->place = place;
	s->a = a;
	s->fd = -1;
	for (size_t i = 0; i < PROTO_DISKS_MAX; i++) {
		s->disks[i] = -1;
	}
	*ret = s;
	return 0;
}

static int hash_of(int fd, uint64_t bytes, uint8_t ret[32])
{
	char hex[IMAGES_HASH_BYTES];
	int r = images_hash(fd, bytes, hex);

	BUG_ON(r == 0 && sodium_hex2bin(ret, 32, hex, strlen(hex), NULL, NULL, NULL) != 0);
	return r;
}

/* What the VM is made from, without what only means something here. Its disks are named by what they hold. */
static char *portable_spec(const struct snapshot *s, struct vms_info *i)
{
	json_t *o;
	char *text;

	for (uint32_t k = 0; k < i->spec.n_disks; k++) {
		if (images_hash(s->disks[k], s->disk_bytes[k], i->spec.disks[k].image) < 0) {
			return NULL;
		}
	}
	o = spec_to_json(&i->spec);

	if (!o) {
		return NULL;
	}
	json_object_del(o, "image");
	json_object_del(o, "context");
	json_object_del(o, "kernel");
	json_object_del(o, "initrd");
	json_object_del(o, "core");
	json_object_del(o, "load");
	json_object_del(o, "entry");
	json_object_del(o, "set");
	if (i->arch[0]) {
		json_object_set_new(o, "arch", json_string(i->arch));
	}
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	return text;
}

/* Copies of the disks take room for as long as the snapshot is on its way. */
static int charge(struct snapshot *s, const char *id, struct errmsg *e)
{
	struct vms_info i;
	uint64_t bytes = 0;
	int r = 0;

	if (vms_get(s->a->o.vms, id, &i) < 0) {
		return errmsg_set(e, -ENOENT, "the VM was removed meanwhile");
	}
	for (uint32_t k = 0; k < i.spec.n_disks; k++) {
		s->disk_bytes[k] = i.spec.disks[k].bytes;
		bytes += i.spec.config.disks_ro & BIT(k) ? 0 : s->disk_bytes[k];
	}
	if (bytes > 0) {
		r = images_charge(s->a->o.images, i.owner, bytes, e);
	}
	if (r == 0) {
		s->owner = i.owner;
		s->charged_bytes = bytes;
	}
	return r;
}

static int take(struct snapshot *s, const char *id, struct errmsg *e)
{
	_cleanup_free_ char *spec = NULL;
	struct snapshot_head h = { .created_ns = api_real_ns() };
	struct vms_info info;
	struct stat st;
	int r;

	s->fd = memfd_create("pinfold-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0) {
		return errmsg_set(e, -errno, "no memory file: %s", strerror(errno));
	}
	r = charge(s, id, e);
	r = r < 0 ? r : vms_save(s->a->o.vms, id, s->fd, s->disks, e);
	if (r < 0) {
		return r;
	}
	if (vms_get(s->a->o.vms, id, &info) < 0) {
		return errmsg_set(e, -ENOENT, "the VM was removed meanwhile");
	}
	/* The VM process may still have a descriptor: from here on it can't write. */
	if (fcntl(s->fd, F_ADD_SEALS, SEALS) < 0 || fstat(s->fd, &st) < 0) {
		return errmsg_set(e, -errno, "the context can't be sealed: %s", strerror(errno));
	}
	if (st.st_size <= 0 || (uint64_t)st.st_size > IMAGES_MAX_BYTES) {
		return errmsg_set(e, -EFBIG, "the context has %lld bytes: at most %llu can be kept",
				  (long long)st.st_size, IMAGES_MAX_BYTES);
	}
	h.context_bytes = s->context_bytes = (uint64_t)st.st_size;
	h.has_disks = info.spec.n_disks > 0;
	spec = portable_spec(s, &info);
	r = spec ? hash_of(s->fd, h.context_bytes, h.context_hash) : -ENOMEM;
	r = r < 0 ? r : snapshot_head_make(spec, &h, &s->head, &s->head_bytes);
	if (r < 0) {
		return errmsg_set(e, r, "the snapshot can't be made: %s", strerror(-r));
	}
	s->total_bytes = s->head_bytes + h.context_bytes;
	for (uint32_t i = 0; i < info.spec.n_disks; i++) {
		s->total_bytes += s->disk_bytes[i];
	}
	return s->total_bytes <= SNAPSHOT_MAX_BYTES
		       ? 0
		       : errmsg_set(e, -EFBIG,
				    "memory and disks have %" PRIu64
				    " MiB: a snapshot has at most %llu",
				    s->total_bytes >> 20, SNAPSHOT_MAX_BYTES >> 20);
}

int op_vm_snapshot(void *ctx, const struct http_request *rq, struct http_reply *rp,
		   struct errmsg *e)
{
	struct snapshot *s = NULL;
	char id[VMS_ID_BYTES];
	int r = api_vm_find(ctx, rq, id, e);

	r = r < 0 ? r : snapshot_new(ctx, rq->caller.uid, &s, e);
	r = r < 0 ? r : take(s, id, e);
	if (r < 0) {
		snapshot_free(s);
		return r;
	}
	rp->type = "application/octet-stream";
	rp->header = "Pinfold-Length";
	rp->header_value = s->total_bytes;
	rp->stream = (struct http_stream){ .read = snapshot_read, .free = snapshot_free, .arg = s };
	return 0;
}

/* The context or a disk alone, as a file of its own. */
static int part_copy(int fd, uint64_t at, uint64_t bytes, int *ret_fd, struct errmsg *e)
{
	_cleanup_close_ int to = memfd_create("pinfold-context", MFD_CLOEXEC);
	off_t from = (off_t)at;

	if (to < 0) {
		return errmsg_set(e, -errno, "no memory file: %s", strerror(errno));
	}
	while (bytes > 0) {
		ssize_t n =
			sendfile(to, fd, &from, bytes < CHUNK_BYTES ? (size_t)bytes : CHUNK_BYTES);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return errmsg_set(e, n < 0 ? -errno : -EBADMSG,
					  "the snapshot can't be read to its end");
		}
		bytes -= (uint64_t)n;
	}
	*ret_fd = steal_fd(&to);
	return 0;
}

/* The spec of the file, with the context that was kept and the name that was asked for. */
static int restored_spec(const char *text, const char *hash, const char *name, struct vm_spec *ret,
			 struct errmsg *e)
{
	json_error_t why;
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	int r;

	if (!json_is_object(o)) {
		json_decref(o);
		return errmsg_set(e, -EBADMSG, "the snapshot describes no VM: %.100s", why.text);
	}
	json_object_del(o, "image");
	json_object_del(o, "owner");
	json_object_set_new(o, "context", json_string(hash));
	if (name) {
		json_object_set_new(o, "name", json_string(name));
	}
	r = spec_from_json(o, ret, e);
	json_decref(o);
	if (r < 0) {
		errmsg_prefix(e, "the VM of this snapshot can't be made here: ");
	}
	return r;
}

/* What follows the context is what the description says. */
static int check_disks(const struct vm_spec *s, bool has_disks, uint64_t left_bytes,
		       struct errmsg *e)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < s->n_disks; i++) {
		bytes += s->disks[i].bytes;
	}
	if (has_disks != (s->n_disks > 0) || bytes != left_bytes) {
		return errmsg_set(e, -EBADMSG, "the disks in this snapshot are not whole");
	}
	return 0;
}

/* A part of the file becomes an image of the caller. */
static int keep_part(struct api *a, const struct http_request *rq, uint64_t at, uint64_t bytes,
		     const char *want, const char *what, struct errmsg *e)
{
	bool is_new = images_check(a->o.images, want, NULL) < 0;
	_cleanup_close_ int fd = -1;
	char hash[IMAGES_HASH_BYTES];
	int r = part_copy(rq->body_fd, at, bytes, &fd, e);

	r = r < 0 ? r : images_put(a->o.images, rq->caller.uid, fd, want, hash, e);
	if (r == 0 && is_new) {
		images_make_fleeting(a->o.images, hash);
	}
	return r == -EINVAL ? errmsg_set(e, -EBADMSG, "the %s in this snapshot is damaged", what)
			    : r;
}

static int restore(struct api *a, const struct http_request *rq, struct vm_spec *spec,
		   struct errmsg *e)
{
	_cleanup_free_ char *text = NULL;
	struct snapshot_head h;
	char want[IMAGES_HASH_BYTES];
	uint64_t at;
	int r = snapshot_head_read(rq->body_fd, rq->body_bytes, &h, &text, &at, e);

	if (r < 0) {
		return r;
	}
	sodium_bin2hex(want, sizeof(want), h.context_hash, sizeof(h.context_hash));
	/* Nothing is kept of a file whose VM can't be made. */
	r = restored_spec(text, want, http_query(rq, "name"), spec, e);
	r = r < 0 ? r : check_disks(spec, h.has_disks, rq->body_bytes - at - h.context_bytes, e);
	r = r < 0 ? r : keep_part(a, rq, at, h.context_bytes, want, "context", e);
	at += h.context_bytes;
	for (uint32_t i = 0; r == 0 && i < spec->n_disks; i++) {
		r = keep_part(a, rq, at, spec->disks[i].bytes, spec->disks[i].image, "disk", e);
		at += spec->disks[i].bytes;
	}
	return r;
}

int op_vm_restore(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	_cleanup_free_ struct vm_spec *spec = malloc(sizeof(*spec));
	int r = spec ? restore(ctx, rq, spec, e) : errmsg_set(e, -ENOMEM, "out of memory");

	/* Nothing is named: a snapshot of better days is lowered. */
	r = r < 0 ? r : api_ceiling_apply(ctx, rq->caller.uid, NULL, spec, e);
	r = r < 0 ? r : api_net_check(ctx, rq->caller.uid, spec, e);
	return r < 0 ? r : api_vm_create(ctx, rq->caller.uid, spec, false, rp, e);
}
