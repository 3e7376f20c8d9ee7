/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one list of engines. */
#include "engine/engine.h"

#include <string.h>

#include "base/bug.h"
#include "engine/dbt/dbt_engine.h"
#include "engine/kvm/kvm_engine.h"
#include "engine/trap/trap_engine.h"
#include "engine/unicorn/unicorn_engine.h"

const struct engine_ops *const engine_table[] = {
#ifdef __riscv
	&trap_engine_ops,
#else
	&kvm_engine_ops,
	&dbt_engine_ops,
	&unicorn_engine_ops,
#endif
};
const size_t engine_count = ARRAY_SIZE(engine_table);

const struct engine_ops *engine_by_name(const char *name)
{
	for (size_t i = 0; i < engine_count; i++) {
		if (strcmp(engine_table[i]->name, name) == 0) {
			return engine_table[i];
		}
	}
	return NULL;
}

const char *vm_exit_kind_name(enum vm_exit_kind kind)
{
	static const char *const names[VM_EXIT_KIND_COUNT] = {
		[VM_EXIT_KICKED] = "kicked",
		[VM_EXIT_INSN_LIMIT] = "insn-limit",
		[VM_EXIT_HALT] = "halt",
		[VM_EXIT_EXCEPTION] = "exception",
		[VM_EXIT_FAULT] = "fault",
		[VM_EXIT_BUS_STOP] = "bus-stop",
		[VM_EXIT_BREAKPOINT] = "breakpoint",
		[VM_EXIT_WATCHPOINT] = "watchpoint",
		[VM_EXIT_SHUTDOWN] = "shutdown",
		[VM_EXIT_UNHANDLED] = "unhandled",
	};

	BUG_ON(kind >= VM_EXIT_KIND_COUNT);
	return names[kind];
}
