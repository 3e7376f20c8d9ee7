/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Example of a Pinfold device plug-in: sits on the PC's console port and prints what the guest
 * writes there in lower case. Anything but the write of a single byte ends the run.
 *
 *	pinfold run hello.bin --arch x86 --mode 16 --plugin lib/pinfold/lowercase_uart.so
 */
#include <pinfold/device.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define CONSOLE_PORT 0x3f8

static int init(const struct pinfold_host *host, void **ret_state)
{
	/* The host table is all the state that this device needs. */
	*ret_state = (void *)(uintptr_t)host;
	return 0;
}

static int access_port(void *state, struct pinfold_access *a)
{
	const struct pinfold_host *host = state;
	char sentence[160];

	if (!a->is_write || a->bytes != 1 || a->count != 1) {
		snprintf(sentence, sizeof(sentence),
			 "%s of size %" PRIu32 ", count %" PRIu32 " at port 0x%" PRIx64
			 "; only writes of size 1, count 1 are allowed",
			 a->is_write ? "write" : "read", a->bytes, a->count, a->address);
		host->stop_error(host->opaque, sentence);
		return PINFOLD_STOP;
	}
	host->console_put(host->opaque, (uint8_t)tolower(a->values[0]));
	return PINFOLD_OK;
}

static const struct pinfold_range ranges[] = {
	{ .space = PINFOLD_PORT, .base = CONSOLE_PORT, .size = 1 },
};

static const struct pinfold_plugin plugin = {
	.magic = PINFOLD_ABI_MAGIC,
	.revision = PINFOLD_ABI_REVISION,
	.struct_bytes = sizeof(plugin),
	.n_ranges = 1,
	.name = "lowercase-uart",
	.version = "1.0",
	.ranges = ranges,
	.init = init,
	.access = access_port,
};

const struct pinfold_plugin *pinfold_plugin_v1(void)
{
	return &plugin;
}
