/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command line says of the guard's state, and what it finds of its module. */
#include "cli/guard_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../daemon/temp_dir.h"
#include "base/bits.h"
#include "cli/guard_module.h"
#include "test.h"

static void state_as_json(void)
{
	struct pinfold_guard_state s = {
		.revision = PINFOLD_GUARD_REVISION,
		.control_core = 1,
		.instance = 0xabc,
		.generation = 9,
		.vms = 3,
		.bans = 2,
		.sources = PINFOLD_GUARD_CHORD | PINFOLD_GUARD_SERIAL,
		.abandoned = 1,
		.spares = 5,
		.keyed = 1,
		.log_first = 2,
		.log_last = 7,
		.log_exported = 6,
		.log_head = { 0x5a },
		.terminals = { { 11, PINFOLD_GUARD_BUSY, 4, 8 }, { 0, PINFOLD_GUARD_GONE, 1, 0 } },
	};
	struct pinfold_guard_bans b = { .revision = 1, .count = 2, .uids = { 1000, 4000000000u } };
	json_t *o = guard_state_json(&s, &b);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	CHECK_STR(text ? text : "(none)",
		  "{\"is_loaded\":true,\"instance\":\"0000000000000abc\",\"control_core\":1,"
		  "\"generation\":9,\"vms\":3,\"is_keyed\":true,\"sources\":[\"chord\",\"serial\"],"
		  "\"terminals\":[{\"terminal\":\"A\",\"pid\":11,\"state\":\"busy\",\"deaths\":4,"
		  "\"wakeups\":8},{\"terminal\":\"B\",\"pid\":0,\"state\":\"gone\",\"deaths\":1,"
		  "\"wakeups\":0}],\"spares\":5,\"abandoned\":1,\"bans\":[1000,4000000000],"
		  "\"log\":{\"first\":2,\"last\":7,\"exported\":6,\"head\":\"5a00000000000000000000"
		  "000000000000000000000000000000000000000000\"}}");
	free(text);
	json_decref(o);
}

/* A folder that stands for the root of a machine. */
static char root[128];

static void put(const char *path, const char *text)
{
	char full[512];
	int n = snprintf(full, sizeof(full), "%s", root);
	int fd;

	for (const char *p = path + 1; *p; p++) {
		if (*p == '/') {
			snprintf(full + n, sizeof(full) - (size_t)n, "%.*s", (int)(p - path), path);
			mkdir(full, 0700);
		}
	}
	snprintf(full + n, sizeof(full) - (size_t)n, "%s", path);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* The steps that an administrator is told, one after the other. */
static void step_by_step(void)
{
	static const struct {
		const char *path, *text, *next;
	} steps[] = {
		{ "/lib/modules/6.1/modules.dep",
		  "kernel/x.ko: a/pinfold_guard.ko\nextra/not_pinfold_guard.ko:\n",
		  "install Pinfold with 'cmake --install', which brings the module's source" },
		{ "/usr/src/pinfold-guard-" PINFOLD_VERSION "/Kbuild", "",
		  "install the headers of this kernel: linux-headers-amd64" },
		{ "/lib/modules/6.1/build/Makefile", "",
		  "install dkms, then: dkms install pinfold-guard/" PINFOLD_VERSION },
		{ "/usr/sbin/dkms", "", "dkms install pinfold-guard/" PINFOLD_VERSION },
		{ "/lib/modules/6.1/modules.dep", "updates/dkms/pinfold_guard.ko.xz:\n",
		  "pinfold guard key, then modprobe pinfold_guard" },
		{ "/etc/pinfold/guard.key", "", "modprobe pinfold_guard" },
		{ "/dev/pinfold-guard", "", "" },
	};
	struct guard_module m;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		put(steps[i].path, steps[i].text);
		guard_module_look(root, "6.1", &m);
		CHECK_STR(guard_module_next(&m), steps[i].next);
		CHECK_INT(m.is_loaded, i == ARRAY_SIZE(steps) - 1);
		CHECK(!m.is_signed_only);
	}
	guard_module_look(root, "6.12", &m);
	CHECK(!m.is_built && !m.has_headers);
}

static void signed_only(void)
{
	struct guard_module m;

	put("/sys/module/module/parameters/sig_enforce", "N\n");
	put("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	guard_module_look(root, "6.1", &m);
	CHECK(!m.is_signed_only);
	put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	guard_module_look(root, "6.1", &m);
	CHECK(m.is_signed_only);
	put("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	put("/sys/module/module/parameters/sig_enforce", "Y\n");
	guard_module_look(root, "6.1", &m);
	CHECK(m.is_signed_only);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "state as JSON", state_as_json },
		{ "step by step", step_by_step },
		{ "signed only", signed_only },
	};
	int status;

	temp_dir_make(root, sizeof(root));
	status = test_main(cases, ARRAY_SIZE(cases));
	temp_dir_remove(root);
	return status;
}
