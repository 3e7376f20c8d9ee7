/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit log as the second place that knows how old the store may be at least (docs/store.md,
 * "What is believed", 7): heartbeats carry its generation. At the start only the log's last file is read, for a
 * restart must be quick; the whole of it while VMs run already.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/main/daemon.h"

/* A longer log is only checked when somebody asks: this one takes a third of a second. */
#define LOG_BYTES_MAX (64u << 20)

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

uint64_t daemon_generation(const char *note)
{
	json_t *o = json_loads(note, 0, NULL);
	json_int_t v = json_integer_value(json_object_get(o, "generation"));

	json_decref(o);
	return v > 0 ? (uint64_t)v : 0;
}

static void *check_log(void *arg)
{
	struct daemon *d = arg;
	char dir[CONFIG_PATH_BYTES + 8], text[ERRMSG_SIZE];
	struct audit_verify_options o = { .is_over = &d->is_log_check_over };
	struct audit_verdict verdict;
	struct errmsg e = { "" };
	int r;

	setpriority(PRIO_PROCESS, 0, 19); /* of this thread */
	snprintf(dir, sizeof(dir), "%s/audit", d->config.state_dir);
	if (log_bytes(dir) > LOG_BYTES_MAX) {
		return NULL;
	}
	r = audit_verify(dir, &o, &verdict, &e);
	if (r < 0 && r != -ECANCELED) {
		snprintf(text, sizeof(text), "the audit log can't be read: %.300s", e.text);
		daemon_warn(d, text);
	} else if (r == 0 && verdict.finding != AUDIT_INTACT) {
		snprintf(text, sizeof(text), "the audit log is not whole: record %" PRIu64 " %s",
			 verdict.bad_seq, audit_finding_text(verdict.finding));
		daemon_warn(d, text);
	}
	return NULL;
}

int daemon_log_check_begin(struct daemon *d, struct errmsg *e)
{
	int r = pthread_create(&d->log_check, NULL, check_log, d);

	if (r != 0) {
		return errmsg_set(e, -r, "no thread to check the audit log: %s", strerror(r));
	}
	d->has_log_check = true;
	return 0;
}

void daemon_log_check_end(struct daemon *d)
{
	if (d->has_log_check) {
		atomic_store(&d->is_log_check_over, true);
		pthread_join(d->log_check, NULL);
		d->has_log_check = false;
	}
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
