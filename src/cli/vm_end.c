/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a VM ended; see vm_end.h. */
#include "cli/vm_end.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/text.h"

#define GUEST_STATUS_MAX 255

static const struct {
	const char *word;
	int status;
} ends[] = {
	{ "halt", 0 },
	{ "limit", EXIT_STATUS_LIMIT },
	{ "error", EXIT_STATUS_ERROR },
	{ "fault", EXIT_STATUS_FAULT },
	{ "killed", EXIT_STATUS_KILLED },
	{ "requested", EXIT_STATUS_KILLED }, /* pinfold stop */
	{ "scheduler", EXIT_STATUS_FAULT },  /* it broke the scheduler's rules */
	{ "unknown", EXIT_STATUS_ERROR },
	/* states, where nothing more is known */
	{ "faulted", EXIT_STATUS_FAULT },
};

bool vm_end_has(const json_t *vm)
{
	const char *state = field_text(vm, "state");

	return strcmp(state, "stopped") == 0 || strcmp(state, "faulted") == 0 ||
	       strcmp(state, "killed") == 0;
}

static int word_status(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (strcmp(ends[i].word, word) == 0) {
			return ends[i].status;
		}
	}
	return -1;
}

int vm_end_status(const json_t *vm)
{
	const json_t *end = json_object_get(vm, "exit");
	bool has_end = json_is_object(end);
	int status = word_status(has_end ? field_text(end, "kind") : field_text(vm, "state"));
	uint64_t code = has_end ? field_u64(end, "code") : field_u64(vm, "exit_code");

	if (status >= 0) {
		return status;
	}
	return code > GUEST_STATUS_MAX ? GUEST_STATUS_MAX : (int)code;
}

void vm_end_say(const json_t *vm)
{
	const char *message = field_text(json_object_get(vm, "exit"), "message");
	char name[ERRMSG_SIZE];
	char safe[ERRMSG_SIZE];

	if (vm_end_status(vm) == 0) {
		return;
	}
	if (!*message) {
		message = field_text(vm, "message");
	}
	fprintf(stderr, "pinfold: %s: %s\n",
		text_safe_to(field_text(vm, "name"), name, sizeof(name)),
		text_safe_to(*message ? message : field_text(vm, "state"), safe, sizeof(safe)));
}
