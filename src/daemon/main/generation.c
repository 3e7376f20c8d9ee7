/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit log as the second place that knows how old the store may be at least (docs/store.md,
 * "What is believed", 7): heartbeats carry its generation.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/main/daemon.h"

/* A longer log is not read at the start: a restart must be quick. */
#define LOG_BYTES_MAX (64u << 20)

static void visit(void *arg, const struct audit_record *rec)
{
	uint64_t *last = arg;
	json_t *o;
	json_int_t v;

	if (rec->kind != AUDIT_HEARTBEAT) {
		return;
	}
	o = json_loadb(rec->arguments, rec->arguments_bytes, 0, NULL);
	v = json_integer_value(json_object_get(o, "generation"));
	/* Not the highest: after a store was set aside they begin anew. */
	if (v >= 0) {
		*last = (uint64_t)v;
	}
	json_decref(o);
}

/* @return bytes of all files; 0: none */
static uint64_t log_bytes(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	struct stat st;
	uint64_t sum = 0;

	while (d && (de = readdir(d))) {
		if (strncmp(de->d_name, "log.", 4) == 0 &&
		    fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			sum += (uint64_t)st.st_size;
		}
	}
	if (d) {
		closedir(d);
	}
	return sum;
}

uint64_t daemon_generation(const char *state_dir, char *warning)
{
	char dir[CONFIG_PATH_BYTES + 8];
	uint64_t last = 0, bytes;
	struct audit_verify_options o = { .visit = visit, .arg = &last };
	struct audit_verdict verdict;
	struct errmsg e = { "" };

	warning[0] = '\0';
	snprintf(dir, sizeof(dir), "%s/audit", state_dir);
	bytes = log_bytes(dir);
	if (bytes == 0) {
		return 0;
	}
	if (bytes > LOG_BYTES_MAX) {
		snprintf(warning, ERRMSG_SIZE,
			 "the audit log is too long to be read at the start: a state that was "
			 "rolled "
			 "back would not be noticed");
		return 0;
	}
	if (audit_verify(dir, &o, &verdict, &e) < 0) {
		snprintf(warning, ERRMSG_SIZE, "the audit log can't be read: %.300s", e.text);
	} else if (verdict.finding != AUDIT_INTACT) {
		snprintf(warning, ERRMSG_SIZE, "the audit log is not whole: record %" PRIu64 " %s",
			 verdict.bad_seq, audit_finding_text(verdict.finding));
	}
	return last;
}

void daemon_heartbeat(struct daemon *d)
{
	char note[64], text[AUDIT_ANCHOR_BYTES];
	struct audit_anchor anchor;
	struct errmsg e = { "" };

	snprintf(note, sizeof(note), "{\"generation\":%" PRIu64 "}", store_generation(d->store));
	if (audit_heartbeat(d->audit, note, &e) < 0) {
		log_err("no heartbeat in the audit log: %s", e.text);
		return;
	}
	if (audit_anchor_get(d->audit, &anchor) == 0) {
		audit_anchor_print(&anchor, text);
		log_info("%s", text);
	}
}
