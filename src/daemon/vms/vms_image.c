/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images in memory: one sealed memory file per hash, mapped by every VM that runs it. What nobody
 * runs any more is kept for a while, so that short VMs one after another don't read it again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "daemon/vms/vms_internal.h"
#include "host/fd.h"
#include "host/timer.h"

/* Find, and count a user. */
static struct vms_image *take(struct vms *v, const char *hash)
{
	struct vms_image *im;

	pthread_mutex_lock(&v->image_lock);
	im = v->images;
	while (im && strcmp(im->hash, hash) != 0) {
		im = im->next;
	}
	if (im) {
		im->refs++;
	}
	pthread_mutex_unlock(&v->image_lock);
	return im;
}

static int load(struct vms *v, const char *hash, struct vms_image **ret, struct errmsg *e)
{
	struct vms_image *im = calloc(1, sizeof(*im));
	char path[IMAGES_PATH_BYTES];
	int r;

	if (!im) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	images_path(v->o.images, hash, path);
	r = host_fd_seal_file(path, IMAGES_MAX_BYTES, &im->fd, NULL, e);
	r = r < 0 ? r : host_fd_lift(&im->fd, 3);
	if (r < 0) {
		free(im);
		return r;
	}
	memcpy(im->hash, hash, sizeof(im->hash));
	im->refs = 1;
	*ret = im;
	return 0;
}

int vms_image_get(struct vms *v, const char *hash, struct vms_image **ret, struct errmsg *e)
{
	struct vms_image *im = take(v, hash);
	int r;

	if (im) {
		*ret = im;
		return 0;
	}
	r = images_check(v->o.images, hash, e);
	r = r < 0 ? r : load(v, hash, &im, e);
	if (r < 0) {
		return r;
	}
	/* Two may have loaded it at the same time: then there are two for a while. */
	pthread_mutex_lock(&v->image_lock);
	im->next = v->images;
	v->images = im;
	pthread_mutex_unlock(&v->image_lock);
	*ret = im;
	return 0;
}

void vms_image_put(struct vms *v, struct vms_image *im)
{
	if (!im) {
		return;
	}
	pthread_mutex_lock(&v->image_lock);
	BUG_ON(im->refs == 0);
	if (--im->refs == 0) {
		im->idle_since_ns = host_clock_monotonic_ns();
	}
	pthread_mutex_unlock(&v->image_lock);
}

void vms_image_trim(struct vms *v, uint64_t idle_ns)
{
	uint64_t now = host_clock_monotonic_ns();
	struct vms_image **at = &v->images;

	pthread_mutex_lock(&v->image_lock);
	while (*at) {
		struct vms_image *im = *at;

		if (im->refs || now - im->idle_since_ns < idle_ns) {
			at = &im->next;
			continue;
		}
		*at = im->next;
		close(im->fd);
		free(im);
	}
	pthread_mutex_unlock(&v->image_lock);
}
