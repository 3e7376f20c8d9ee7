/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the guard's module is here, and what to do to have it; see guard_module.h. */
#include "cli/guard_module.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "cli/guard_key.h"
#include "cli/guard_state.h"
#include "host/text.h"

static bool is_there(const char *root, const char *path, const char *more)
{
	char full[512];
	int n = snprintf(full, sizeof(full), "%s%s%s", root, path, more);

	return n > 0 && (size_t)n < sizeof(full) && access(full, F_OK) == 0;
}

/* Modules of a kernel are listed there, wherever below its folder they lie. */
static bool is_listed(const char *root, const char *release)
{
	char path[512];
	char line[4096];
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/lib/modules/%s/modules.dep", root, release);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *end = strchr(line, ':');

		if (end) {
			const char *name = memmem(line, (size_t)(end - line), "pinfold_guard.ko",
						  strlen("pinfold_guard.ko"));
			if (name && (name == line || name[-1] == '/')) {
				return true;
			}
		}
	}
	return false;
}

static bool takes_signed_only(const char *root)
{
	char text[64];

	return (host_text_read(text, sizeof(text), "%s/sys/module/module/parameters/sig_enforce",
			       root) > 0 &&
		text[0] == 'Y') ||
	       (host_text_read(text, sizeof(text), "%s/sys/kernel/security/lockdown", root) > 0 &&
		!strstr(text, "[none]"));
}

void guard_module_look(const char *root, const char *release, struct guard_module *ret)
{
	char modules[300];

	snprintf(modules, sizeof(modules), "/lib/modules/%s", release);
	*ret = (struct guard_module){
		.is_loaded = is_there(root, GUARD_DEVICE_PATH, ""),
		.is_built = is_listed(root, release),
		.has_source = is_there(root, GUARD_SOURCE_PATH, PINFOLD_VERSION "/Kbuild"),
		.has_headers = is_there(root, modules, "/build/Makefile"),
		.has_dkms = is_there(root, "/usr/sbin/dkms", ""),
		.has_key = is_there(root, GUARD_KEY_PATH, ""),
		.is_signed_only = takes_signed_only(root),
	};
}

const char *guard_module_next(const struct guard_module *m)
{
	if (m->is_loaded) {
		return m->has_key ? "" : "pinfold guard key, then load the module again";
	}
	if (m->is_built) {
		return m->has_key ? "modprobe pinfold_guard"
				  : "pinfold guard key, then modprobe pinfold_guard";
	}
	if (!m->has_source) {
		return "install Pinfold with 'cmake --install', which brings the module's source";
	}
	if (!m->has_headers) {
		return "install the headers of this kernel: linux-headers-amd64";
	}
	return m->has_dkms ? "dkms install pinfold-guard/" PINFOLD_VERSION
			   : "install dkms, then: dkms install pinfold-guard/" PINFOLD_VERSION;
}

json_t *guard_module_json(const struct guard_module *m)
{
	return json_pack("{sb sb sb sb sb sb sb ss}", "loaded", m->is_loaded, "built", m->is_built,
			 "source", m->has_source, "headers", m->has_headers, "dkms", m->has_dkms,
			 "key", m->has_key, "signed_only", m->is_signed_only, "next",
			 guard_module_next(m));
}

void guard_module_print(const struct guard_module *m)
{
	const struct {
		const char *name;
		bool holds;
		const char *text;
	} lines[] = {
		{ "loaded", m->is_loaded,
		  m->is_loaded ? "try it: docs/guard-admin.md, 'First drill'"
			       : "optional: Pinfold works without it" },
		{ "built", m->is_built, "for the kernel that runs" },
		{ "source", m->has_source, GUARD_SOURCE_PATH PINFOLD_VERSION },
		{ "headers", m->has_headers, "of the kernel that runs" },
		{ "key", m->has_key, GUARD_KEY_PATH },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		printf("  %-10s %-4s %s\n", lines[i].name, lines[i].holds ? "yes" : "no",
		       lines[i].text);
	}
	if (m->is_signed_only && !m->is_loaded) {
		printf("  %-10s %-4s %s\n", "signature", "",
		       "this kernel takes signed modules only: docs/guard-admin.md, 'Secure boot'");
	}
	if (*guard_module_next(m)) {
		printf("  %-10s %-4s %s\n", "next", "", guard_module_next(m));
	}
}
