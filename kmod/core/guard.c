// SPDX-License-Identifier: GPL-2.0
#include "guard.h"

bool guard_is_current(const struct guard_actor *a)
{
	return a->guard->ops->is_current(a->guard->ctx, a->holder);
}

static bool may_write(const void *who)
{
	return guard_is_current(who);
}

bool guard_log(const struct guard_actor *a, enum pinfold_guard_kind kind, int result,
	       const char *text)
{
	struct chain_event e = {
		.kind = kind,
		.terminal = (u8)guard_letter(a),
		.channel = (u8)a->channel,
		.result = result,
		.text = text,
		.may_write = may_write,
		.who = a,
	};

	return chain_append(&a->guard->chain, &e);
}

void guard_add_vm(struct text *t, const struct registry_vm *vm)
{
	text_add(t, "VM ");
	text_add_u64(t, vm->id);
	text_add(t, " \"");
	text_add_n(t, vm->name, sizeof(vm->name));
	text_add(t, "\"");
}
