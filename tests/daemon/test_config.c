/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file: what every key takes, and every complaint with file and line. */
#include <errno.h>
#include <unistd.h>

#include "daemon/main/config.h"
#include "daemon/partition/partition.h"
#include "temp_dir.h"
#include "test.h"

static char dir[256], path[300];
static struct config c;
static struct errmsg em;

static int read_text(const char *text)
{
	FILE *f = fopen(path, "w");

	BUG_ON(!f || fputs(text, f) < 0);
	fclose(f);
	config_defaults(&c);
	em.text[0] = '\0';
	return config_read(&c, path, false, &em);
}

/* The text behind "FILE:". */
static const char *behind_path(const char *text)
{
	size_t n = strlen(path);

	return strncmp(text, path, n) == 0 && text[n] == ':' ? text + n + 1 : text;
}

static void test_defaults(void)
{
	CHECK_INT(read_text("\n# nothing\n; nothing\n"), 0);
	CHECK_INT(c.backend, -1);
	CHECK_INT(c.max_vms, 4096);
	CHECK_INT(c.slice_ns, 10000000);
	CHECK(c.exclusive_cap == SCHED_CAP_HALF && !c.refuses_unknown && c.n_warnings == 0);
	CHECK_STR(c.cores, "");
	CHECK_STR(c.socket_group, "");
	CHECK_INT(c.log_level, LOG_LEVEL_INFO);
	CHECK(!c.sets_fair_server && !c.ends_throttling && !c.allows_shared_pool);
}

static void test_fair_server(void)
{
	CHECK_INT(read_text("fair_server = off\n"), 0);
	CHECK(c.sets_fair_server);
	CHECK_INT(c.fair_server_ns, 0);
	CHECK_INT(read_text("fair_server = leave\nallow_shared_pool = no\n"), 0);
	CHECK(!c.sets_fair_server && !c.allows_shared_pool);
}

static void test_all_keys(void)
{
	CHECK_INT(read_text("[pinfoldd]\n"
			    "cores = 0-5,8   ; a comment\n"
			    "backend = affinity\n"
			    "exclusive_cap = 2\n"
			    "quota_running_vms = 3\n"
			    "quota_vcpus: 4\n"
			    "quota_memory = 2G\n"
			    "quota_exclusive_cores = 0\n"
			    "quota_slice_share_permille = 500\n"
			    "quota_definitions = none\n"
			    "quota_images = 100M\n"
			    "quota_max_prio = 7\n"
			    "quota_max_slice = none\n"
			    "rate_changes = none\n"
			    "rate_burst = 10\n"
			    "refuse_unknown_users = yes\n"
			    "allow_shared_pool = yes\n"
			    "fair_server = 1ms\n"
			    "rt_throttling = off\n"
			    "max_vms = 100\n"
			    "slice_default = 1.5ms\n"
			    "patience = 20\n"
			    "translation_cache = 64M\n"
			    "log_level = debug\n"
			    "log_file = /var/log/pinfoldd.log\n"
			    "state_dir = /s\nrun_dir = /r\nsocket = /r/sock\n"
			    "socket_group = staff\n"
			    "vm_program = /bin/pinfold-vm\n"),
		  0);
	CHECK_STR(em.text, "");
	CHECK_INT(c.n_warnings, 0);
	CHECK_STR(c.cores, "0-5,8");
	CHECK_INT(c.backend, PARTITION_AFFINITY);
	CHECK_INT(c.exclusive_cap, 2);
	CHECK_INT(c.quota.running_vms, 3);
	CHECK_INT(c.quota.vcpus, 4);
	CHECK_INT(c.quota.memory_bytes, 2ull << 30);
	CHECK_INT(c.quota.exclusive_cores, 0);
	CHECK_INT(c.quota.slice_share_permille, 500);
	CHECK(c.quota.definitions == STORE_NONE);
	CHECK_INT(c.quota.images_bytes, 100 << 20);
	CHECK_INT(c.quota.max_prio, 7);
	CHECK(c.quota.max_slice_ns == STORE_NONE);
	CHECK_INT(c.rate_changes, 0);
	CHECK_INT(c.rate_burst, 10);
	CHECK(c.refuses_unknown && c.allows_shared_pool);
	CHECK(c.sets_fair_server && c.ends_throttling);
	CHECK_INT(c.fair_server_ns, 1000000);
	CHECK_INT(c.max_vms, 100);
	CHECK_INT(c.slice_ns, 1500000);
	CHECK_INT(c.patience, 20);
	CHECK_INT(c.code_bytes, 64 << 20);
	CHECK_INT(c.log_level, LOG_LEVEL_DEBUG);
	CHECK_STR(c.log_file, "/var/log/pinfoldd.log");
	CHECK_STR(c.state_dir, "/s");
	CHECK_STR(c.run_dir, "/r");
	CHECK_STR(c.socket, "/r/sock");
	CHECK_STR(c.socket_group, "staff");
	CHECK_STR(c.vm_program, "/bin/pinfold-vm");
}

static void test_unknown(void)
{
	CHECK_INT(read_text("max_vms = 7\ncolour = blue\n[other]\nmax_vms = 9\n"), 0);
	CHECK_INT(c.max_vms, 7);
	CHECK_INT(c.n_warnings, 2);
	CHECK_STR(behind_path(c.warnings[0]), "2: colour is not known and ignored");
	CHECK_STR(behind_path(c.warnings[1]), "4: section [other] is not known and ignored");
}

static const struct {
	const char *text, *why;
} bad[] = {
	{ "backend = magic\n",
	  "1: backend \"magic\" is no back-end: auto, isolated, cpuset, affinity or ordinary" },
	{ "\ncores = zero\n", "2: cores must be a list like 0-5,8" },
	{ "cores =\n", "1: cores must have 1 to 255 bytes" },
	{ "exclusive_cap = -1\n", "1: exclusive_cap must be \"half\" or a number of cores" },
	{ "quota_slice_share_permille = 1001\n",
	  "1: quota_slice_share_permille must be at most 1000" },
	{ "quota_max_prio = 8\n", "1: quota_max_prio must be at most 7" },
	{ "quota_max_slice = 1s\n",
	  "1: quota_max_slice must be \"none\" or a duration from 0.5ms to 100ms" },
	{ "rate_changes = 0\n",
	  "1: rate_changes must be \"none\" or from 1 to 1000000 per second" },
	{ "rate_burst = none\n", "1: rate_burst must be from 1 to 1000000" },
	{ "refuse_unknown_users = maybe\n", "1: refuse_unknown_users must be yes or no" },
	{ "allow_shared_pool = 1\n", "1: allow_shared_pool must be yes or no" },
	{ "fair_server = 0\n",
	  "1: fair_server must be leave, off, or a duration from 0.1ms to 100ms" },
	{ "fair_server = 1s\n",
	  "1: fair_server must be leave, off, or a duration from 0.1ms to 100ms" },
	{ "socket_group =\n", "1: socket_group must have 1 to 63 bytes" },
	{ "rt_throttling = on\n", "1: rt_throttling must be leave or off" },
	{ "max_vms = 0\n", "1: max_vms must be from 1 to 65536" },
	{ "max_vms = 70000\n", "1: max_vms must be from 1 to 65536" },
	{ "slice_default = 1s\n", "1: slice_default must be a duration from 0.5ms to 100ms" },
	{ "patience = 0\n", "1: patience must be from 1 to 1000" },
	{ "translation_cache = 4K\n",
	  "1: translation_cache must be off, or a size of at least 1M" },
	{ "log_level = loud\n", "1: log_level must be err, warn, info or debug" },
	{ "log_file = here\n", "1: log_file must be a path from the root, like /var/lib/pinfold" },
	{ "max_vms = 1\n\nmax_vms = 2\n", "3: max_vms stands in line 1 already" },
	{ "max_vms = 1\nmax_vms 2\n", "2: this is no line of the form \"key = value\"" },
};

static void test_bad(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(read_text(bad[i].text), -EINVAL);
		CHECK_STR(behind_path(em.text), bad[i].why);
		CHECK_INT(c.max_vms, 4096); /* untouched */
	}
	CHECK_INT(read_text("quota_memory = 4Q\n"), -EINVAL);
	CHECK(strncmp(behind_path(em.text), "1: quota_memory ", 16) == 0);
	CHECK_INT(read_text("quota_vcpus = 9223372036854775808\n"), -EINVAL);
}

static void test_long_line(void)
{
	char text[5000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "max_vms = 3\nlog_file = /", 24);
	CHECK_INT(read_text(text), -EINVAL);
	CHECK(strncmp(behind_path(em.text), "2: the line is longer than ", 27) == 0);
	CHECK_INT(c.max_vms, 4096);
}

static void test_missing(void)
{
	config_defaults(&c);
	CHECK_INT(config_read(&c, "/nonexistent/pinfoldd.conf", true, &em), 0);
	CHECK_INT(config_read(&c, "/nonexistent/pinfoldd.conf", false, &em), -ENOENT);
	CHECK_STR(em.text, "configuration /nonexistent/pinfoldd.conf: No such file or directory");
	CHECK_INT(config_read(&c, dir, false, &em), -EIO);
}

static const struct test_case cases[] = {
	{ "an empty file changes nothing", test_defaults },
	{ "the fair server", test_fair_server },
	{ "every key", test_all_keys },
	{ "what is not known is named and ignored", test_unknown },
	{ "what can't be used is refused with file and line", test_bad },
	{ "a line that is too long", test_long_line },
	{ "a file that is missing, and a folder", test_missing },
};

int main(void)
{
	int r;

	temp_dir_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/c", dir);
	r = test_main(cases, ARRAY_SIZE(cases));
	temp_dir_remove(dir);
	return r;
}
