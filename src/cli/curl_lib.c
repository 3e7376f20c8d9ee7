/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/curl_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/bits.h"

struct curl_lib curl_lib;

/* The build with GnuTLS: the licence of OpenSSL does not mix with all of ours. */
#define LIBRARY "libcurl-gnutls.so.4"

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
#define CURL_LIB_SYMBOL(name) { "curl_" #name, offsetof(struct curl_lib, name) },
	CURL_LIB_FUNCTIONS(CURL_LIB_SYMBOL)
#undef CURL_LIB_SYMBOL
};

int curl_lib_open(struct errmsg *e)
{
	static bool is_open;
	void *handle;

	if (is_open) {
		return 0;
	}
	handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; handle && i < ARRAY_SIZE(symbols); i++) {
		void *addr = dlsym(handle, symbols[i].name);

		if (!addr) {
			return errmsg_set(e, -ENODEV, LIBRARY " has no %s", symbols[i].name);
		}
		memcpy((char *)&curl_lib + symbols[i].offset, &addr, sizeof(addr));
	}
	if (!handle) {
		return errmsg_set(e, -ENODEV,
				  LIBRARY " is not installed, which is needed to talk to a daemon: "
					  "apt-get install libcurl3-gnutls");
	}
	/* No TLS and nothing else that would need to be set up. */
	if (curl_lib.global_init(CURL_GLOBAL_NOTHING) != CURLE_OK) {
		return errmsg_set(e, -ENOMEM, "libcurl can't be used");
	}
	is_open = true;
	return 0;
}
