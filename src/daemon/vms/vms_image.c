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

struct vms_image *vms_image_take(struct vms *v, const char *hash)
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

struct vms_image *vms_image_add(struct vms *v, const char *hash, int fd)
{
	struct vms_image *im = calloc(1, sizeof(*im));

	if (!im || host_fd_lift(&fd, 3) < 0) {
		free(im);
		close(fd);
		return NULL;
	}
	memcpy(im->hash, hash, sizeof(im->hash));
	im->fd = fd;
	im->refs = 1;
	/* Two may have loaded it at the same time: then there are two for a while. */
	pthread_mutex_lock(&v->image_lock);
	im->next = v->images;
	v->images = im;
	pthread_mutex_unlock(&v->image_lock);
	return im;
}

int vms_image_get(struct vms *v, const char *hash, struct vms_image **ret, struct errmsg *e)
{
	struct vms_image *im = vms_image_take(v, hash);
	char path[IMAGES_PATH_BYTES];
	int fd;
	int r;

	if (im) {
		*ret = im;
		return 0;
	}
	r = images_check(v->o.images, hash, e);
	if (r < 0) {
		return r;
	}
	images_path(v->o.images, hash, path);
	r = host_fd_seal_file(path, IMAGES_MAX_BYTES, &fd, NULL, e);
	if (r < 0) {
		return r;
	}
	im = vms_image_add(v, hash, fd);
	if (!im) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	*ret = im;
	return 0;
}

void vms_image_forget(struct vms *v, struct vms_image *im)
{
	pthread_mutex_lock(&v->image_lock);
	im->hash[0] = '\0'; /* no hash is like that */
	pthread_mutex_unlock(&v->image_lock);
	vms_image_put(v, im);
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

void vms_images_put(struct vms *v, struct vms_vm *vm)
{
	struct vms_image **all[] = { &vm->image, &vm->context, &vm->kernel, &vm->initrd,
				     &vm->code };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		vms_image_put(v, *all[i]);
		*all[i] = NULL;
	}
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
