/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Definitions that can never start are refused when they are made, by whoever would refuse them at the start: a VM process
 * is made from it, without disks, network and grant, and ended again. No guest instruction runs. What came to be ready once
 * is not tried again, so that a fleet of one image costs one process.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "daemon/vms/vms_internal.h"

/* What tells whether two definitions can start alike. */
static void checked_fill(uid_t owner, const struct vm_spec *spec, struct vms_checked *ret)
{
	memset(ret, 0, sizeof(*ret)); /* the padding is compared, too */
	vms_code_key(owner, spec, ret->key);
	ret->insns = spec->config.limits.insns;
	ret->n_cpus = spec->config.n_cpus;
	ret->is_kvm_allowed = spec->is_kvm_allowed;
}

static bool is_known(struct vms *v, const struct vms_checked *c)
{
	bool is = false;

	pthread_mutex_lock(&v->image_lock);
	for (size_t i = 0; i < ARRAY_SIZE(v->checked) && !is; i++) {
		is = memcmp(&v->checked[i], c, sizeof(*c)) == 0;
	}
	pthread_mutex_unlock(&v->image_lock);
	return is;
}

static void remember(struct vms *v, const struct vms_checked *c)
{
	pthread_mutex_lock(&v->image_lock);
	v->checked[v->n_checked++ % ARRAY_SIZE(v->checked)] = *c;
	pthread_mutex_unlock(&v->image_lock);
}

/* Whether it will be so at every start: of anything else, and of what this host lacks now, the start tells. */
static bool is_for_good(int r)
{
	return r == -EINVAL || r == -ENOEXEC || r == -ENOTSUP;
}

static int try_out(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	struct launch_vm lv = LAUNCH_VM_NONE;
	struct launch_options o;
	int r = vms_launch_fill(v, vm, &vm->spec, &o, e);

	if (r < 0) {
		return -EAGAIN; /* an image can't be read now */
	}
	o.config.jail = 0;
	o.config.disks_ro = 0;
	o.join_fd = -1; /* it stays where the daemon is */
	while (sem_wait(&v->launches) < 0) {
		BUG_ON(errno != EINTR);
	}
	r = launch_vm(&o, &lv, e);
	launch_vm_done(&lv);
	sem_post(&v->launches);
	return r;
}

int vms_check(struct vms *v, uid_t owner, const struct vm_spec *spec, struct errmsg *e)
{
	struct vms_checked c;
	struct vms_vm *vm;
	struct errmsg why = { 0 };
	int r = vms_define_check(v, owner, spec, e);

	if (r < 0 || spec->context[0]) {
		return r; /* a context is as large as a guest's memory: it is read when it is needed */
	}
	checked_fill(owner, spec, &c);
	if (is_known(v, &c)) {
		return 0;
	}
	vm = vms_vm_new("", owner, spec);
	if (!vm) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = try_out(v, vm, &why);
	vms_images_put(v, vm);
	vms_unref(v, vm);
	if (r == 0) {
		remember(v, &c);
	}
	return is_for_good(r) ? errmsg_set(e, r, "%s", why.text) : 0;
}
