/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which engine runs this guest: the one asked for, or the fastest that can (and say why). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vm/vm_internal.h"

static int probe(const struct vm *vm, const struct engine_ops *ops, struct engine_probe *ret)
{
	struct engine_host host = { .kvm_fd = vm->fds.kvm };

	struct machine_map map;
	struct errmsg e = { 0 };
	int r;

	*ret = (struct engine_probe){ 0 };
	r = machine_map(vm->cfg.board, vm->arch, &vm->mode, false, &map, &e);
	if (r < 0) {
		snprintf(ret->detail, sizeof(ret->detail), "%.150s", e.text);
		return r;
	}
	r = ops->probe(vm->arch, &vm->mode, &host, ret);
	if (r == 0 && map.is_system && !(ret->caps & ENGINE_CAP_SYSTEM)) {
		snprintf(ret->detail, sizeof(ret->detail),
			 "it can't interrupt its guests, as board %s needs", vm->cfg.board);
		return -ENOTSUP;
	}
	return r;
}

/* What a guest of this engine must do without. */
static void describe_lacks(const struct engine_ops *ops, const struct engine_probe *p,
			   struct proto_ready *ready)
{
	if (!(p->caps & ENGINE_CAP_FP)) {
		snprintf(ready->note, sizeof(ready->note),
			 "engine %s has no floating point at the privilege in which the guest "
			 "starts (%s)",
			 ops->name, p->detail);
	} else if (!(p->caps & ENGINE_CAP_SIMD)) {
		snprintf(ready->note, sizeof(ready->note),
			 "engine %s has no vector unit at the privilege in which the guest starts "
			 "(%s)",
			 ops->name, p->detail);
	}
}

static int choose_named(struct vm *vm, const struct engine_ops **ret,
			struct engine_probe *ret_probe, struct proto_ready *ready, struct errmsg *e)
{
	const struct engine_ops *ops = engine_by_name(vm->cfg.engine);
	struct engine_probe p;
	int r;

	if (!ops) {
		return errmsg_set(e, -EINVAL, "there is no engine '%s'; see pinfold doctor",
				  vm->cfg.engine);
	}
	r = probe(vm, ops, &p);
	if (r < 0) {
		return errmsg_set(e, r, "engine %s can't run %s guests here: %s", ops->name,
				  vm->arch->title, p.detail);
	}
	snprintf(ready->reason, sizeof(ready->reason), "engine %s, as asked (%s)", ops->name,
		 p.detail);
	describe_lacks(ops, &p, ready);
	*ret = ops;
	*ret_probe = p;
	return 0;
}

/* Gather why engines were not chosen. */
static void note_rejected(char *why, size_t size, const struct engine_ops *ops,
			  const struct engine_probe *p)
{
	size_t len = strlen(why);

	snprintf(why + len, size - len, "%s%s: %s", len ? "; " : "", ops->name, p->detail);
}

static int choose_auto(struct vm *vm, const struct engine_ops **ret, struct engine_probe *ret_probe,
		       struct proto_ready *ready, struct errmsg *e)
{
	const struct engine_ops *best = NULL;
	struct engine_probe best_probe = { 0 };
	char why[PROTO_TEXT - 64] = "";
	int last_r = -ENOTSUP;

	for (size_t i = 0; i < engine_count; i++) {
		const struct engine_ops *ops = engine_table[i];
		struct engine_probe p;
		int r = probe(vm, ops, &p);

		if (r < 0) {
			last_r = r;
			note_rejected(why, sizeof(why), ops, &p);
			continue;
		}
		if (!best || p.speed < best_probe.speed) {
			if (best) {
				note_rejected(why, sizeof(why), best, &best_probe);
			}
			best = ops;
			best_probe = p;
		} else {
			note_rejected(why, sizeof(why), ops, &p);
		}
	}
	if (!best) {
		return errmsg_set(e, last_r, "no engine can run %s guests here: %s",
				  vm->arch->title, why);
	}
	/* One other engine and its reason fit; of more, as much as does. */
	snprintf(ready->reason, sizeof(ready->reason), "engine %s (%s)%s%.191s", best->name,
		 best_probe.detail, why[0] ? "; not " : "", why);
	describe_lacks(best, &best_probe, ready);
	*ret = best;
	*ret_probe = best_probe;
	return 0;
}

int vm_choose_engine(struct vm *vm, const struct engine_ops **ret, struct engine_probe *ret_probe,
		     struct proto_ready *ready, struct errmsg *e)
{
	return strcmp(vm->cfg.engine, "auto") == 0 ? choose_auto(vm, ret, ret_probe, ready, e)
						   : choose_named(vm, ret, ret_probe, ready, e);
}
