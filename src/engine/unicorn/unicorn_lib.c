/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/unicorn/unicorn_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bits.h"
#include "engine/unicorn/unicorn_interpose.h"

#define MAJOR_KNOWN 2u

/* Where each function's address goes. */
static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
#define UNICORN_LIB_SYMBOL(name, result, args) { #name, offsetof(struct unicorn_lib, name) },
	UNICORN_LIB_FUNCTIONS(UNICORN_LIB_SYMBOL)
#undef UNICORN_LIB_SYMBOL
};

static int resolve(struct unicorn_lib *lib, struct errmsg *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *addr = dlsym(lib->handle, symbols[i].name);

		if (!addr) {
			return errmsg_set(e, -ENODEV,
					  UNICORN_LIB_FILE
					  " has no %s: install Debian's libunicorn2",
					  symbols[i].name);
		}
		memcpy((uint8_t *)lib + symbols[i].offset, &addr, sizeof(addr));
	}
	return 0;
}

int unicorn_lib_open(const struct unicorn_lib **ret_lib, struct errmsg *e)
{
	static struct unicorn_lib lib;
	static bool is_open;
	unsigned int major = 0;
	unsigned int minor = 0;
	int r;

	if (is_open) {
		*ret_lib = &lib;
		return 0;
	}
	/* NOW: every symbol is bound here, before any jail, and to our interposers. */
	lib.handle = dlopen(UNICORN_LIB_FILE, RTLD_NOW | RTLD_GLOBAL);
	if (!lib.handle) {
		return errmsg_set(e, -ENODEV,
				  UNICORN_LIB_FILE
				  " is not installed: apt-get install libunicorn2");
	}
	r = resolve(&lib, e);
	if (r < 0) {
		return r;
	}
	lib.uc_version(&major, &minor);
	if (major != MAJOR_KNOWN) {
		return errmsg_set(e, -ENODEV, UNICORN_LIB_FILE " is version %u.%u, not 2.x", major,
				  minor);
	}
	unicorn_interpose_bind(lib.handle);
	is_open = true;
	*ret_lib = &lib;
	return 0;
}
