/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold user: roles, quotas, bans. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/text.h"

enum {
	KEY_ADMIN = CMD_OWN_KEYS,
	KEY_REASON,
	KEY_RUNNING_VMS,
	KEY_VCPUS,
	KEY_MEMORY,
	KEY_EXCLUSIVE,
	KEY_SHARE,
	KEY_DEFINITIONS,
	KEY_IMAGES,
	KEY_MAX_PRIO,
	KEY_MAX_SLICE,
};

static const struct argp_option quota_options[] = {
	{ NULL, 0, NULL, 0, "Quota (a number, or 'none' for no limit):", 2 },
	{ "running-vms", KEY_RUNNING_VMS, "N", 0, "VMs that run at a time", 0 },
	{ "vcpus", KEY_VCPUS, "N", 0, "virtual processors of running VMs", 0 },
	{ "memory", KEY_MEMORY, "SIZE", 0, "guest RAM of running VMs", 0 },
	{ "exclusive-cores", KEY_EXCLUSIVE, "N", 0, "cores of their own", 0 },
	{ "slice-share", KEY_SHARE, "PERMILLE", 0, "share of all shared cores", 0 },
	{ "definitions", KEY_DEFINITIONS, "N", 0, "VMs that exist, running or not", 0 },
	{ "images", KEY_IMAGES, "SIZE", 0, "images and contexts kept by the daemon", 0 },
	{ "max-prio", KEY_MAX_PRIO, "0..7", 0, "highest priority of a VM", 0 },
	{ "max-slice", KEY_MAX_SLICE, "TIME", 0, "longest slice of a VM, as 20ms", 0 },
	{ 0 },
};

enum quota_kind { QUOTA_NUMBER, QUOTA_SIZE, QUOTA_TIME };

/* How an option of a quota is called in JSON. */
static const struct {
	int key;
	const char *option, *member;
	enum quota_kind kind;
} quota_members[] = {
	{ KEY_RUNNING_VMS, "--running-vms", "running_vms", QUOTA_NUMBER },
	{ KEY_VCPUS, "--vcpus", "vcpus", QUOTA_NUMBER },
	{ KEY_MEMORY, "--memory", "memory_bytes", QUOTA_SIZE },
	{ KEY_EXCLUSIVE, "--exclusive-cores", "exclusive_cores", QUOTA_NUMBER },
	{ KEY_SHARE, "--slice-share", "slice_share_permille", QUOTA_NUMBER },
	{ KEY_DEFINITIONS, "--definitions", "definitions", QUOTA_NUMBER },
	{ KEY_IMAGES, "--images", "images_bytes", QUOTA_SIZE },
	{ KEY_MAX_PRIO, "--max-prio", "max_prio", QUOTA_NUMBER },
	{ KEY_MAX_SLICE, "--max-slice", "max_slice_ns", QUOTA_TIME },
};

static int parse_quota(enum quota_kind kind, const char *arg, uint64_t *ret, struct errmsg *e)
{
	switch (kind) {
	case QUOTA_SIZE:
		return parse_size_bytes(arg, ret, e);
	case QUOTA_TIME:
		return parse_duration_ns(arg, ret, e);
	default:
		return parse_u64(arg, ret, e);
	}
}

static int set_member(json_t *quota, size_t i, const char *arg, struct errmsg *e)
{
	static const char *const kinds[] = { "number", "size", "duration" };
	uint64_t v;
	int r;

	if (strcmp(arg, "none") == 0) {
		json_object_set_new(quota, quota_members[i].member, json_null());
		return 0;
	}
	r = parse_quota(quota_members[i].kind, arg, &v, e);
	if (r < 0 || v > INT64_MAX) {
		return errmsg_set(e, -EINVAL, "%s: '%.40s' is neither a %s nor 'none'",
				  quota_members[i].option, arg, kinds[quota_members[i].kind]);
	}
	json_object_set_new(quota, quota_members[i].member, json_integer((json_int_t)v));
	return 0;
}

/* Own data of all user commands: the body of the request; "quota" in it for add. */
static int take_quota(json_t *quota, int key, const char *arg, struct errmsg *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(quota_members); i++) {
		if (quota_members[i].key == key) {
			return set_member(quota, i, arg, e);
		}
	}
	return ARGP_ERR_UNKNOWN;
}

static int take_add(void *own, int key, const char *arg, struct errmsg *e)
{
	if (key == KEY_ADMIN) {
		json_object_set_new(own, "role", json_string("admin"));
		return 0;
	}
	return take_quota(json_object_get(own, "quota"), key, arg, e);
}

static int run_add(struct cmd_run *r)
{
	json_t *name = json_string(r->operand[0]);

	json_object_set_new(r->own, "user", name ? name : json_string("?"));
	if (json_object_size(json_object_get(r->own, "quota")) == 0) {
		json_object_del(r->own, "quota");
	}
	return cmd_send(r, "POST", "/v1/users", r->own, NULL);
}

static int user_add(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "admin", KEY_ADMIN, NULL, 0, "an administrator", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Add a user, with a quota of their own (administrators).\v"
		       "Example:\n    pinfold user add ann --running-vms 4 --memory 256M",
		.operands = "USER",
		.min = 1,
		.max = 1,
		.options = options,
		.more_options = quota_options,
		.option = take_add,
		.run = run_add,
	};
	json_t *body = json_pack("{s:{}}", "quota");
	int status = cmd_main(&cmd, body, argc, argv);

	json_decref(body);
	return status;
}

static int take_set_quota(void *own, int key, const char *arg, struct errmsg *e)
{
	return take_quota(own, key, arg, e);
}

static int run_set_quota(struct cmd_run *r)
{
	struct errmsg e = { 0 };
	char *path;
	int status;

	if (json_object_size(r->own) == 0) {
		errmsg_set(&e, -EINVAL, "no limit is named; see 'pinfold user set-quota --help'");
		return cmd_fail(&e);
	}
	path = client_path("/v1/users/", r->operand[0], "/quota");
	status = cmd_send(r, "PUT", path, r->own, NULL);
	free(path);
	return status;
}

static int user_set_quota(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Change limits of a user; those that are not named stay (administrators).\v"
		       "Example:\n    pinfold user set-quota ann --exclusive-cores 1 --memory "
		       "none\n"
		       "    pinfold user set-quota bob --max-prio 2 --max-slice 5ms",
		.operands = "USER",
		.min = 1,
		.max = 1,
		.more_options = quota_options,
		.option = take_set_quota,
		.run = run_set_quota,
	};
	json_t *body = json_object();
	int status = cmd_main(&cmd, body, argc, argv);

	json_decref(body);
	return status;
}

static int take_ban(void *own, int key, const char *arg, struct errmsg *e)
{
	json_t *reason;

	if (key != KEY_REASON) {
		return ARGP_ERR_UNKNOWN;
	}
	reason = json_string(arg);
	if (!reason) {
		return errmsg_set(e, -EINVAL, "--reason: not UTF-8");
	}
	json_object_set_new(own, "reason", reason);
	return 0;
}

static int run_ban(struct cmd_run *r)
{
	char *path = client_path("/v1/users/", r->operand[0], "/ban");
	int status = cmd_send(r, "PUT", path, r->own, NULL);

	free(path);
	return status;
}

static int user_ban(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "reason", KEY_REASON, "TEXT", 0, "is told to the user", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "End all VMs of a user and refuse new requests (administrators).\v"
		       "Example:\n    pinfold user ban bob --reason 'mining'",
		.operands = "USER",
		.min = 1,
		.max = 1,
		.options = options,
		.option = take_ban,
		.run = run_ban,
	};
	json_t *body = json_object();
	int status = cmd_main(&cmd, body, argc, argv);

	json_decref(body);
	return status;
}

static int delete_one(struct cmd_run *r, const char *name, struct errmsg *e)
{
	char *path = client_path("/v1/users/", name, r->own);
	int ret = client_send(r->client, "DELETE", path, NULL, NULL, e);

	free(path);
	return ret;
}

static int run_delete(struct cmd_run *r)
{
	return cmd_each(r, delete_one);
}

static int user_unban(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Lift bans (administrators).\vExample:\n    pinfold user unban bob",
		.operands = "USER...",
		.min = 1,
		.max = CMD_MANY,
		.run = run_delete,
	};
	char rest[] = "/ban";

	return cmd_main(&cmd, rest, argc, argv);
}

static int user_rm(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Forget users that have no VMs: role and quota are the default again "
		       "(administrators).\v"
		       "Example:\n    pinfold user rm ann",
		.operands = "USER...",
		.min = 1,
		.max = CMD_MANY,
		.run = run_delete,
	};
	char rest[] = "";

	return cmd_main(&cmd, rest, argc, argv);
}

/* "2 of 4", "64M of 256M"; nothing behind it where there is no limit. */
static void add_used(struct table *t, const json_t *user, const char *member, bool is_size)
{
	const json_t *used = json_object_get(user, "used");
	const json_t *quota = json_object_get(user, "quota");
	char text[2 * TEXT_FIGURE_BYTES + 8];
	char now[TEXT_FIGURE_BYTES];
	char max[TEXT_FIGURE_BYTES];
	uint64_t n = field_u64(used, member);
	uint64_t limit = field_u64(quota, member);

	if (is_size) {
		text_size(n, now);
		text_size(limit, max);
	} else {
		snprintf(now, sizeof(now), "%llu", (unsigned long long)n);
		snprintf(max, sizeof(max), "%llu", (unsigned long long)limit);
	}
	snprintf(text, sizeof(text), field_has(quota, member) ? "%s of %s" : "%s", now, max);
	table_add(t, text);
}

static void print_users(const json_t *users)
{
	struct table *t = table_new("USER >UID ROLE >VMS >VCPUS >MEMORY >EXCLUSIVE >SHARE BANNED");
	const json_t *user;
	size_t i;

	json_array_foreach(users, i, user)
	{
		const char *reason = field_text(user, "ban_reason");
		const json_t *quota = json_object_get(user, "quota");
		char share[32] = "";

		field_cell_text(t, user, "name");
		field_cell_u64(t, user, "uid");
		field_cell_text(t, user, "role");
		add_used(t, user, "running_vms", false);
		add_used(t, user, "vcpus", false);
		add_used(t, user, "memory_bytes", true);
		add_used(t, user, "exclusive_cores", false);
		if (field_has(quota, "slice_share_permille")) {
			snprintf(share, sizeof(share), "%.1f%%",
				 (double)field_u64(quota, "slice_share_permille") / 10);
		}
		table_add(t, share);
		table_add(t, !field_bool(user, "is_banned") ? "" : *reason ? reason : "yes");
	}
	table_print(t, stdout);
	table_free(t);
}

static int run_ls(struct cmd_run *r)
{
	json_t *users = NULL;
	int status = cmd_get_list(r, "/v1/users", &users);
	const json_t *user;
	size_t i;

	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(users);
	} else if (r->is_quiet) {
		json_array_foreach(users, i, user)
		{
			printf("%llu\n", (unsigned long long)field_u64(user, "uid"));
		}
	} else {
		print_users(users);
	}
	json_decref(users);
	return 0;
}

static int user_ls(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "List users with what they use of their quota; administrators see all.\v"
		       "Example:\n    pinfold user ls",
		.flags = CMD_JSON | CMD_QUIET,
		.run = run_ls,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

int cmd_user(int argc, char **argv)
{
	static const struct cmd_member members[] = {
		{ "ls", "list users, quotas and what is used", user_ls },
		{ "add", "add a user", user_add },
		{ "set-quota", "change limits", user_set_quota },
		{ "ban", "end all their VMs, refuse requests", user_ban },
		{ "unban", "lift a ban", user_unban },
		{ "rm", "forget a user", user_rm },
	};

	return cmd_group_main(members, ARRAY_SIZE(members), 0,
			      "Users of the daemon: roles, quotas, bans.", argc, argv);
}
