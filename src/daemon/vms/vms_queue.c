/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work that must not hold up who finds it: VMs wait in line for a thread, each at most once. One that
 * comes again while it is being worked on waits again: something new may have happened.
 */
#include <string.h>

#include "daemon/vms/vms_internal.h"

/* @return the next one, which is the current one then; NULL: the table closes. Holds v->lock */
static struct vms_vm *next_locked(struct vms *v, struct vms_queue *q)
{
	struct vms_vm *vm;

	while (!q->first && !v->is_closing) {
		pthread_cond_wait(&q->wake, &v->lock);
	}
	vm = q->first;
	if (vm) {
		q->first = vm->entry[q->kind].next;
		q->last = q->first ? q->last : &q->first;
		vm->entry[q->kind].is_queued = false;
	}
	q->current = vm;
	return vm;
}

static void *queue_main(void *arg)
{
	struct vms_queue *q = arg;
	struct vms *v = q->vms;
	struct vms_vm *vm;

	pthread_mutex_lock(&v->lock);
	while ((vm = next_locked(v, q)) != NULL) {
		pthread_mutex_unlock(&v->lock);
		q->work(v, vm);
		pthread_mutex_lock(&v->lock);
		q->current = NULL;
		pthread_mutex_unlock(&v->lock);
		vms_unref(v, vm);
		pthread_mutex_lock(&v->lock);
	}
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

int vms_queue_start(struct vms *v, enum vms_queue_kind kind,
		    void (*work)(struct vms *v, struct vms_vm *vm), const char *name,
		    struct errmsg *e)
{
	struct vms_queue *q = &v->queue[kind];
	int r;

	*q = (struct vms_queue){ .vms = v, .kind = kind, .work = work, .last = &q->first };
	pthread_cond_init(&q->wake, NULL);
	r = pthread_create(&q->thread, NULL, queue_main, q);
	if (r > 0) {
		return errmsg_set(e, -r, "no thread can be made: %s", strerror(r));
	}
	pthread_setname_np(q->thread, name);
	q->has_thread = true;
	return 0;
}

void vms_queue_stop(struct vms *v, enum vms_queue_kind kind)
{
	struct vms_queue *q = &v->queue[kind];

	if (!q->has_thread) {
		return;
	}
	pthread_mutex_lock(&v->lock);
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&v->lock);
	pthread_join(q->thread, NULL);
	pthread_cond_destroy(&q->wake);
	q->has_thread = false;
}

void vms_queue_put_locked(struct vms *v, enum vms_queue_kind kind, struct vms_vm *vm)
{
	struct vms_queue *q = &v->queue[kind];

	if (vm->entry[kind].is_queued) {
		return;
	}
	vm->entry[kind].is_queued = true;
	vm->entry[kind].next = NULL;
	vm->refs++;
	*q->last = vm;
	q->last = &vm->entry[kind].next;
	pthread_cond_signal(&q->wake);
}

bool vms_queue_has_locked(const struct vms *v, enum vms_queue_kind kind, const struct vms_vm *vm)
{
	return vm->entry[kind].is_queued || v->queue[kind].current == vm;
}
