// SPDX-License-Identifier: GPL-2.0
/* What "status" says of the module proper. Called in terminal threads, without locks. */
#include <linux/kernel.h>

#include "main.h"
#include "threads.h"

static void add_terminal(struct text *out, const char *name,
			 const struct pinfold_guard_terminal *terminal)
{
	static const char *const states[] = {
		[PINFOLD_GUARD_ASLEEP] = "asleep",
		[PINFOLD_GUARD_AWAKE] = "awake",
		[PINFOLD_GUARD_BUSY] = "awake",
		[PINFOLD_GUARD_GONE] = "gone: waits for a thread",
	};

	text_add(out, name);
	text_add(out, states[terminal->state]);
	text_add_number(out, ", thread ", terminal->pid, "");
	text_add_number(out, ", woken ", terminal->wakeups, " times");
	text_add_number(out, ", lost ", terminal->deaths, " threads\n");
}

static void add_sources(struct text *out)
{
	static const struct {
		u32 bit;
		const char *name;
	} names[] = {
		{ PINFOLD_GUARD_CHORD, " chord" },
		{ PINFOLD_GUARD_SYSRQ, " sysrq" },
		{ PINFOLD_GUARD_SERIAL, " serial" },
		{ PINFOLD_GUARD_USB, " usb" },
	};
	u32 sources = main_sources();

	text_add(out, "woken by:");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (sources & names[i].bit)
			text_add(out, names[i].name);
	}
	text_add(out, sources ? "\n" : " nothing\n");
}

void status_write(struct text *out)
{
	struct pinfold_guard_state state = {};
	u32 fifo = threads_fifo();

	threads_state(&state);
	add_terminal(out, "terminal A: ", &state.terminals[0]);
	add_terminal(out, "terminal B: ", &state.terminals[1]);
	text_add_number(out, "control core ", state.control_core, "");
	text_add_number(out, ", spare threads: ", state.spares, "\n");
	if (state.abandoned)
		text_add_number(out, "given up, the module can't be unloaded before they end: ",
				state.abandoned, "\n");
	if (fifo)
		text_add_number(out,
				"refused SCHED_DEADLINE, wait behind hogs of priority 99: ", fifo,
				"\n");
	add_sources(out);
	text_add(out, device_has_registrar() ? "daemon: attached\n" : "daemon: none attached\n");
}
