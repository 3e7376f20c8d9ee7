/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partitioning the host: parsing, roles and the choice of a back-end, against a made-up /sys and /proc. */
#include <errno.h>
#include <unistd.h>

#include "partition_tree.h"

#define MOUNT_V2 "/sys/fs/cgroup"
#define MOUNT_V1 "/sys/fs/cgroup/cpuset"

/* What "member" over "isolated" leaves in a file that is not the kernel's. */
#define MEMBER "membered"

/* cgroup v2 with cpusets. The pool's files are there already, as the kernel would make them. */
static void tree_add_v2(const char *pool, const char *partition)
{
	put("/proc/self/mounts", "cgroup2 " MOUNT_V2 " cgroup2 rw,nosuid 0 0\n");
	put(MOUNT_V2 "/cgroup.controllers", "cpuset cpu memory pids\n");
	put(MOUNT_V2 "/cgroup.subtree_control", "");
	put(MOUNT_V2 "/cgroup.procs", "");
	put(MOUNT_V2 "/cgroup.threads", "");
	put_at("domain\n", MOUNT_V2 "/%s/cgroup.type", name);
	put_at("", MOUNT_V2 "/%s/cpuset.cpus", name);
	put_at(pool, MOUNT_V2 "/%s/cpuset.cpus.effective", name);
	put_at(partition, MOUNT_V2 "/%s/cpuset.cpus.partition", name);
}

/* cgroup v1 with cpusets, in the group /jail. */
static void tree_add_v1(void)
{
	static const char *const groups[] = { "", "/daemon", "/vms" };

	put("/proc/self/mounts", "none " MOUNT_V1 " cgroup rw,cpuset 0 0\n");
	put("/proc/self/cgroup", "3:memory:/\n2:cpuset:/jail\n0::/\n");
	put(MOUNT_V1 "/jail/cpuset.effective_mems", "0\n");
	for (size_t i = 0; i < 3; i++) {
		put_at("0\n", MOUNT_V1 "/jail/%s%s/cpuset.effective_mems", name, groups[i]);
		put_at("", MOUNT_V1 "/jail/%s%s/cpuset.mems", name, groups[i]);
		put_at("", MOUNT_V1 "/jail/%s%s/cpuset.cpus", name, groups[i]);
		put_at("", MOUNT_V1 "/jail/%s%s/cgroup.procs", name, groups[i]);
	}
}

static int open_tree(int backend, const char *cores, struct partition **ret, struct errmsg *e)
{
	struct partition_options o = {
		.backend = backend, .cores = cores, .run_dir = run_dir, .root = root
	};

	*ret = NULL;
	return partition_open(&o, ret, e);
}

static void test_lists(void)
{
	static const struct {
		const char *text;
		int r;
		uint32_t n;
		const char *again;
	} cases[] = {
		{ "", 0, 0, "" },
		{ "0", 0, 1, "0" },
		{ "0-5,8", 0, 7, "0-5,8" },
		{ "8,0-5", 0, 7, "0-5,8" },
		{ "1,2,3", 0, 3, "1-3" },
		{ "1023", 0, 1, "1023" },
		{ "1024", -ERANGE, 0, NULL },
		{ "0-99999999999999999999", -ERANGE, 0, NULL },
		{ "5-0", -EINVAL, 0, NULL },
		{ "0,", -EINVAL, 0, NULL },
		{ ",0", -EINVAL, 0, NULL },
		{ "0-", -EINVAL, 0, NULL },
		{ "-1", -EINVAL, 0, NULL },
		{ "+1", -EINVAL, 0, NULL },
		{ " 1", -EINVAL, 0, NULL },
		{ "1 ", -EINVAL, 0, NULL },
		{ "0-5:1/2", -EINVAL, 0, NULL },
		{ "0x1", -EINVAL, 0, NULL },
	};
	struct host_cpus odd = { 0 };
	char text[HOST_CPUS_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct host_cpus set = { .word = { 42 } };

		CHECK_INT(host_cpus_parse(cases[i].text, &set), cases[i].r);
		if (cases[i].r < 0) {
			CHECK_INT(set.word[0], 42);
			continue;
		}
		CHECK_INT(host_cpus_count(&set), cases[i].n);
		host_cpus_format(&set, text);
		CHECK_STR(text, cases[i].again);
	}
	for (uint32_t i = 1; i < HOST_CPUS_MAX; i += 2) {
		host_cpus_add(&odd, i);
	}
	host_cpus_format(&odd, text);
	CHECK(strlen(text) < HOST_CPUS_TEXT - 1);
	CHECK_STR(text + strlen(text) - 10, ",1021,1023");
}

/* Online, allowed, chosen: only what is all three gets a role. */
static void check_roles(const char *online, const char *allowed, const char *cores,
			uint16_t control, uint16_t housekeeping, const char *pool)
{
	struct errmsg e = { 0 };
	struct partition *p;
	char text[HOST_CPUS_TEXT];

	tree_init(online, allowed);
	CHECK_INT(open_tree(PARTITION_ORDINARY, cores, &p, &e), 0);
	if (p) {
		CHECK_INT(partition_roles(p)->control, control);
		CHECK_INT(partition_roles(p)->housekeeping, housekeeping);
		host_cpus_format(&p->pool, text);
		CHECK_STR(text, pool);
	}
	partition_close(p);
	tree_done();
}

static void test_roles(void)
{
	check_roles("0-5\n", "0-5", NULL, 0, 1, "2-5");
	check_roles("0-5\n", "0-63", NULL, 0, 1, "2-5");
	check_roles("0,2-5\n", "0-5", NULL, 0, 2, "3-5");
	check_roles("0-5\n", "1,3-4", NULL, 1, 3, "4");
	check_roles("0-5\n", "4-5", NULL, 4, 4, "5");
	check_roles("0-5\n", "5", NULL, 5, 5, "5");
	check_roles("0-5\n", "0-5", "2-4", 2, 3, "4");
	check_roles("0-5\n", "0-5", "5", 5, 5, "5");
}

static void check_refused(const char *online, const char *allowed, const char *cores, int r,
			  const char *text)
{
	struct errmsg e = { 0 };
	struct partition *p;

	tree_init(online, allowed);
	CHECK_INT(open_tree(-1, cores, &p, &e), r);
	CHECK(p == NULL);
	if (!strstr(e.text, text)) {
		CHECK_STR(e.text, text);
	}
	CHECK(!is_there("/run/partition"));
	tree_done();
}

static void test_refused_cores(void)
{
	check_refused("0-5\n", "0-63", "6", -EINVAL, "core 6 is offline");
	check_refused("0-5\n", "0-3", "3-4", -EINVAL, "core 4 is offline");
	check_refused("0-5\n", "0-5", "0-", -EINVAL, "no list of cores");
	check_refused("0-5\n", "0-5", "", -ENODEV, "no core");
	check_refused("0-5\n", "6-7", NULL, -ENODEV, "no core");
	check_refused("0-5,\n", "0-5", NULL, -EINVAL, "online");
	check_refused("0-5\n", "all", NULL, -EINVAL, "may be used");
	check_refused("0-2000\n", "0-5", NULL, -ERANGE, "online");
}

/* What is promised of siblings: pool cores have some among each other, and with the control core or not. */
static void check_shares(const struct partition *p, bool has_own)
{
	struct partition_guarantee g[PARTITION_GUARANTEES_MAX];
	uint32_t n = partition_guarantees(p, g);
	uint32_t seen = 0;

	for (uint32_t i = 0; i < n; i++) {
		CHECK(strlen(g[i].why) > 0 && strlen(g[i].why) < sizeof(g[i].why) - 1);
		if (strstr(g[i].name, "no physical core")) {
			CHECK_INT(g[i].holds, has_own && strstr(g[i].name, "with control"));
			seen++;
		}
	}
	CHECK_INT(seen, 2);
}

static void test_smt(void)
{
	struct errmsg e = { 0 };
	struct partition *p;

	/* 0 and 4 are one core, 1 and 5, 2 and 3; what core 3 says is nonsense. */
	tree_init("0-5\n", "0-5");
	put("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,4\n");
	put("/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,5\n");
	put("/sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2-3\n");
	put("/sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "x\n");
	put("/sys/devices/system/cpu/cpu4/topology/thread_siblings_list", "0,4\n");
	put("/sys/devices/system/cpu/cpu5/topology/thread_siblings_list", "1,5\n");
	CHECK_INT(open_tree(PARTITION_ORDINARY, NULL, &p, &e), 0);
	if (p) {
		CHECK_INT(p->roles.housekeeping, 4);
		CHECK_INT(p->roles.n_smt_shared, 0);
		check_shares(p, true);
	}
	partition_close(p);
	CHECK_INT(open_tree(PARTITION_ORDINARY, "0-3,5", &p, &e), 0);
	if (p) {
		CHECK_INT(p->roles.housekeeping, 1);
		CHECK_INT(p->roles.n_smt_shared, 1);
		check_shares(p, false);
	}
	partition_close(p);
	tree_done();
}

static void test_isolated_chosen(void)
{
	struct errmsg e = { 0 };
	struct partition *p;

	tree_init("0-5\n", "0-5");
	tree_add_v2("2-5\n", "isolated\n");
	CHECK_INT(open_tree(-1, NULL, &p, &e), 0);
	if (p) {
		CHECK_INT(partition_backend_get(p), PARTITION_ISOLATED);
		check_file("+cpuset", MOUNT_V2 "/cgroup.subtree_control");
		check_file("threaded", MOUNT_V2 "/%s/cgroup.type", name);
		check_file("2-5", MOUNT_V2 "/%s/cpuset.cpus", name);
		check_file("isolated", MOUNT_V2 "/%s/cpuset.cpus.partition", name);
		CHECK(is_there("/run/partition"));
	}
	partition_close(p);
	/* The kernel's group would be gone; this one holds files that are in the way. */
	check_file(MEMBER, MOUNT_V2 "/%s/cpuset.cpus.partition", name);
	tree_done();
}

/* The kernel takes the word, and says that it does not hold. */
static void check_not_isolated(const char *pool, const char *partition, const char *why)
{
	struct errmsg e = { 0 };
	struct partition *p;

	tree_init("0-5\n", "0-5");
	tree_add_v2(pool, partition);
	CHECK_INT(open_tree(PARTITION_ISOLATED, NULL, &p, &e), -ENOTSUP);
	CHECK(p == NULL);
	if (!strstr(e.text, why)) {
		CHECK_STR(e.text, why);
	}
	CHECK_INT(open_tree(-1, NULL, &p, &e), 0);
	CHECK(p && partition_backend_get(p) == PARTITION_AFFINITY);
	partition_close(p);
	tree_done();
}

static void test_isolated_invalid(void)
{
	check_not_isolated("2-5\n", "isolated invalid (Parent is not a partition root)\n",
			   "Parent is not a partition root");
	check_not_isolated("2-4\n", "isolated\n", "got the cores '2-4', not 2-5");
}

static void test_isolated_lacking(void)
{
	struct partition_probe probe;

	tree_init("0-5\n", "0-5");
	partition_probe(root, 6, &probe);
	CHECK(!probe.item[PARTITION_WAY_ISOLATED].is_possible);
	CHECK_STR(probe.item[PARTITION_WAY_ISOLATED].why, "no cgroup v2 is mounted");
	tree_add_v2("2-5\n", "isolated\n");
	partition_probe(root, 6, &probe);
	CHECK(probe.item[PARTITION_WAY_ISOLATED].is_possible);
	CHECK_INT(partition_probe_best(&probe), PARTITION_WAY_ISOLATED);
	partition_probe(root, 1, &probe);
	CHECK(!probe.item[PARTITION_WAY_ISOLATED].is_possible);
	put(MOUNT_V2 "/cgroup.type", "domain\n");
	partition_probe(root, 6, &probe);
	CHECK(strstr(probe.item[PARTITION_WAY_ISOLATED].why, "not the root cgroup") != NULL);
	put(MOUNT_V2 "/cgroup.controllers", "cpu memory cpuset2\n");
	partition_probe(root, 6, &probe);
	CHECK(strstr(probe.item[PARTITION_WAY_ISOLATED].why, "no cpuset controller") != NULL);
	CHECK_INT(partition_probe_best(&probe), PARTITION_WAY_AFFINITY);
	tree_done();
}

static void test_cpuset_chosen(void)
{
	struct errmsg e = { 0 };
	struct partition *p;
	char pid[16];

	tree_init("0-5\n", "0-5");
	tree_add_v1();
	CHECK_INT(open_tree(-1, NULL, &p, &e), 0);
	if (p) {
		snprintf(pid, sizeof(pid), "%d", getpid());
		CHECK_INT(partition_backend_get(p), PARTITION_CPUSET);
		check_file("0-5", MOUNT_V1 "/jail/%s/cpuset.cpus", name);
		check_file("0-1", MOUNT_V1 "/jail/%s/daemon/cpuset.cpus", name);
		check_file("1-5", MOUNT_V1 "/jail/%s/vms/cpuset.cpus", name);
		check_file("0", MOUNT_V1 "/jail/%s/vms/cpuset.mems", name);
		check_file(pid, MOUNT_V1 "/jail/%s/daemon/cgroup.procs", name);
	}
	partition_close(p);
	tree_done();
	/* Two cores: housekeeping is the control core. */
	tree_init("0-1\n", "0-1");
	tree_add_v1();
	CHECK_INT(open_tree(PARTITION_CPUSET, NULL, &p, &e), 0);
	check_file("0", MOUNT_V1 "/jail/%s/daemon/cpuset.cpus", name);
	check_file("0-1", MOUNT_V1 "/jail/%s/vms/cpuset.cpus", name);
	partition_close(p);
	tree_done();
}

/* A record that we did not write must not make us touch a group. */
static void test_bad_record(void)
{
	static const char *const bad[] = {
		"backend isolated\ndir %s\nhome -\nenabled 0\ndynmods 0\n",
		"backend isolated\ndir %s/..\nhome -\nenabled 0\ndynmods 0\n",
		"backend isolated\ndir %s/../x\nhome -\nenabled 0\ndynmods 0\n",
		"backend isolated\ndir /tmp/..%s\nhome -\nenabled 0\ndynmods 0\n",
		"backend isolated\ndir x%s\nhome -\nenabled 0\ndynmods 0\n",
		"backend isolated\ndir %s\nhome -\nenabled 2\ndynmods 0\n",
		"backend isolated\ndir %s \nhome -\nenabled 0\ndynmods 0\n",
		"backend affinity\ndir %s\nhome -\nenabled 0\ndynmods 0\n",
		"backend cpuset\ndir %s\nhome -\nenabled 0\ndynmods 0\n",
		"backend cpuset\ndir %s\nhome /a/../b\nenabled 0\ndynmods 0\n",
		"backend isolated\ndir %s\nhome -\nenabled 0\ndynmods 3\n",
		"backend isolated\ndir %s\nhome -\nenabled 0\n",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char dir[256];
		char body[512];
		char text[600];
		struct errmsg e = { 0 };
		struct partition *p;

		tree_init("0-5\n", "0-5");
		/* The first one names a group that is not ours by its name. */
		snprintf(dir, sizeof(dir), "%s/g/%s", root,
			 i == 0 ? "pinfold-pool-00000000" : name);
		put_at("isolated", "/g/%s/cpuset.cpus.partition",
		       i == 0 ? "pinfold-pool-00000000" : name);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(body, sizeof(body), bad[i], dir);
#pragma GCC diagnostic pop
		snprintf(text, sizeof(text), "pinfold-partition 1\n%s", body);
		put("/run/partition", text);
		CHECK_INT(open_tree(PARTITION_ORDINARY, NULL, &p, &e), 0);
		check_file("isolated", "/g/%s/cpuset.cpus.partition",
			   i == 0 ? "pinfold-pool-00000000" : name);
		partition_close(p);
		tree_done();
	}
}

static void test_good_record(void)
{
	char text[600];
	struct errmsg e = { 0 };
	struct partition *p;

	tree_init("0-5\n", "0-5");
	put_at("isolated", "/g/%s/cpuset.cpus.partition", name);
	snprintf(text, sizeof(text),
		 "pinfold-partition 1\nbackend isolated\ndir %s/g/%s\nhome -\nenabled 0\ndynmods "
		 "0\n",
		 root, name);
	put("/run/partition", text);
	CHECK_INT(open_tree(PARTITION_ORDINARY, NULL, &p, &e), 0);
	check_file(MEMBER, "/g/%s/cpuset.cpus.partition", name);
	partition_close(p);
	tree_done();
}

static void test_changes(void)
{
	struct partition_change c[8];
	struct errmsg e = { 0 };
	struct partition *p;

	tree_init("0-5\n", "0-5");
	CHECK_INT(open_tree(PARTITION_ORDINARY, NULL, &p, &e), 0);
	CHECK_INT(partition_changes(p, c, 8), 0);
	put("/sys/devices/system/cpu/online", "1,3-4\n");
	CHECK_INT(partition_changes(p, c, 1), 1);
	CHECK(c[0].core == 2 && !c[0].is_online);
	CHECK_INT(partition_changes(p, c, 8), 1);
	CHECK(c[0].core == 5 && !c[0].is_online);
	CHECK_INT(partition_changes(p, c, 8), 0);
	put("/sys/devices/system/cpu/online", "rubbish\n");
	CHECK_INT(partition_changes(p, c, 8), 0);
	put("/sys/devices/system/cpu/online", "0-4\n");
	CHECK_INT(partition_changes(p, c, 8), 1);
	CHECK(c[0].core == 2 && c[0].is_online);
	partition_close(p);
	tree_done();
}

static void test_guarantees(void)
{
	struct partition_guarantee g[PARTITION_GUARANTEES_MAX];
	struct errmsg e = { 0 };
	struct partition *p;
	uint32_t n_foreign = 0;

	tree_init("0-5\n", "0-5");
	tree_add_v2("2-5\n", "isolated\n");
	for (int b = PARTITION_ISOLATED; b < PARTITION_BACKENDS; b++) {
		uint32_t n;

		if (b == PARTITION_CPUSET) {
			continue;
		}
		CHECK_INT(open_tree(b, NULL, &p, &e), 0);
		n = p ? partition_guarantees(p, g) : 0;
		CHECK(n >= 8 && n <= PARTITION_GUARANTEES_MAX);
		for (uint32_t i = 0; i < n; i++) {
			bool is_foreign =
				strcmp(g[i].name, "no foreign user task on pool cores") == 0;

			n_foreign += is_foreign;
			CHECK(!is_foreign || g[i].holds == (b == PARTITION_ISOLATED));
		}
		CHECK_INT(p ? partition_fifo_prio(p) > 0 : -1, b != PARTITION_ORDINARY);
		partition_close(p);
		put_at("isolated\n", MOUNT_V2 "/%s/cpuset.cpus.partition", name);
	}
	CHECK_INT(n_foreign, 3);
	tree_done();
}

int main(void)
{
	static const struct test_case all[] = {
		{ "lists of cores", test_lists },
		{ "roles", test_roles },
		{ "refused cores", test_refused_cores },
		{ "SMT", test_smt },
		{ "bad record", test_bad_record },
		{ "good record", test_good_record },
		{ "changes", test_changes },
	};
	static const struct test_case real_time[] = {
		{ "isolated: chosen", test_isolated_chosen },
		{ "isolated: invalid", test_isolated_invalid },
		{ "isolated: lacking", test_isolated_lacking },
		{ "cpuset: chosen", test_cpuset_chosen },
		{ "guarantees", test_guarantees },
	};
	int r = test_main(all, ARRAY_SIZE(all));

	/* Without real-time priority the choice always ends at "ordinary". */
	if (!can_fifo()) {
		printf("not run: the choice of a back-end, for want of real-time priority\n");
		return r;
	}
	return test_main(real_time, ARRAY_SIZE(real_time));
}
