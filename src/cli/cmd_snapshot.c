/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pinfold snapshot, restore: a VM as a file. The file is there whole or not at all, has holes where
 * there is nothing but zeros, and only its owner can read it: it holds the guest's memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "cli/upload.h"
#include "host/fd.h"

#define BLOCK_BYTES 4096u

/* A file that is being written. */
struct sparse {
	int fd;
	uint64_t bytes;	   /* so far */
	bool ends_in_hole; /* its size must be set */
	unsigned char block[BLOCK_BYTES];
	size_t fill;
};

static bool is_zero(const unsigned char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static int put_block(struct sparse *s)
{
	int r = 0;

	s->ends_in_hole = is_zero(s->block, s->fill);
	if (s->ends_in_hole) {
		r = lseek(s->fd, (off_t)s->fill, SEEK_CUR) < 0 ? -errno : 0;
	} else {
		r = host_fd_write_full(s->fd, s->block, s->fill);
	}
	s->bytes += s->fill;
	s->fill = 0;
	return r;
}

static int take(void *arg, const void *bytes, size_t n)
{
	struct sparse *s = arg;
	const unsigned char *p = bytes;
	int r = 0;

	while (n > 0 && r == 0) {
		size_t part = sizeof(s->block) - s->fill < n ? sizeof(s->block) - s->fill : n;

		memcpy(s->block + s->fill, p, part);
		s->fill += part;
		p += part;
		n -= part;
		if (s->fill == sizeof(s->block)) {
			r = put_block(s);
		}
	}
	return r;
}

static int finish(struct sparse *s)
{
	int r = s->fill > 0 ? put_block(s) : 0;

	if (r == 0 && s->ends_in_hole && ftruncate(s->fd, (off_t)s->bytes) < 0) {
		r = -errno;
	}
	if (r == 0 && fsync(s->fd) < 0 && errno != EINVAL) {
		r = -errno;
	}
	return r;
}

/* Both at once: the transfer counts for the bar, its bytes go to the file. */
struct saving {
	struct sparse file;
	struct progress bar;
};

static int take_saving(void *arg, const void *bytes, size_t n)
{
	struct saving *s = arg;

	return take(&s->file, bytes, n);
}

static void step_saving(void *arg, uint64_t done, uint64_t total)
{
	struct saving *s = arg;

	progress_step(&s->bar, done, total);
}

static int receive(struct cmd_run *r, struct saving *s, struct errmsg *e)
{
	struct client_request rq = {
		.method = "GET", .sink = take_saving, .progress = step_saving, .arg = s
	};
	char *url = client_path("/v1/vms/", r->operand[0], "/snapshot");
	int ret;

	if (!url) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	rq.path = url;
	progress_begin(&s->bar, "saving", r->operand[0], r->is_quiet);
	ret = client_do(r->client, &rq, NULL, e);
	progress_end(&s->bar);
	free(url);
	if (ret < 0) {
		return ret;
	}
	ret = finish(&s->file);
	if (ret == 0 && s->file.bytes == 0) {
		return errmsg_set(e, -EPROTO, "the daemon sent an empty snapshot");
	}
	return ret < 0 ? errmsg_set(e, ret, "%s: %s", r->operand[1], strerror(-ret)) : 0;
}

/* An unnamed file gets its name when it is whole, so that no end of this program leaves a part. */
static int open_unnamed(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	int fd = dir ? open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600) : -1;

	free(dir);
	return fd;
}

static int give_name(int fd, const char *temporary)
{
	char proc[40];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int save_to(struct cmd_run *r, struct saving *s, const char *temporary, bool is_named,
		   struct errmsg *e)
{
	int ret = receive(r, s, e);

	if (ret == 0 && !is_named) {
		ret = give_name(s->file.fd, temporary);
	}
	if (ret == 0 && rename(temporary, r->operand[1]) < 0) {
		ret = -errno;
		unlink(temporary);
	}
	if (ret < 0 && is_named) {
		unlink(temporary);
	}
	if (ret < 0 && e->text[0] == '\0') {
		errmsg_set(e, ret, "%s: %s", r->operand[1], strerror(-ret));
	}
	return ret;
}

static int save(struct cmd_run *r, struct saving *s, struct errmsg *e)
{
	_cleanup_free_ char *temporary = NULL;
	bool is_named = false;
	int ret;

	if (asprintf(&temporary, "%s.%d.XXXXXX", r->operand[1], (int)getpid()) < 0) {
		temporary = NULL;
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	s->file.fd = open_unnamed(r->operand[1]);
	if (s->file.fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		s->file.fd = mkostemp(temporary, O_CLOEXEC);
		is_named = s->file.fd >= 0;
	}
	if (s->file.fd < 0) {
		return errmsg_set(e, -errno, "%s: %s", r->operand[1], strerror(errno));
	}
	ret = save_to(r, s, temporary, is_named, e);
	close(s->file.fd);
	return ret;
}

static int run_snapshot(struct cmd_run *r)
{
	struct saving *s = calloc(1, sizeof(*s));
	struct errmsg e = { 0 };
	char size[TEXT_FIGURE_BYTES];
	int ret;

	ret = s ? save(r, s, &e) : errmsg_set(&e, -ENOMEM, "out of memory");
	if (ret == 0 && !r->is_quiet) {
		printf("%s: %s\n", r->operand[1], text_size(s->file.bytes, size));
	}
	free(s);
	return ret < 0 ? cmd_fail(&e) : 0;
}

int cmd_snapshot(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Save a VM to a file: registers, devices, memory. One that runs is paused "
		       "meanwhile.\v"
		       "The file is written whole or not at all, with holes instead of zeros.\n\n"
		       "Example:\n    pinfold snapshot web web.pfsnap",
		.operands = "VM FILE",
		.min = 2,
		.max = 2,
		.flags = CMD_QUIET,
		.run = run_snapshot,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

enum { KEY_NAME = CMD_OWN_KEYS, KEY_START };

/* What restore was asked for. */
struct restoring {
	const char *name;
	bool is_started;
};

static int start(struct cmd_run *r, const char *id)
{
	char *path = client_path("/v1/vms/", id, "/start");
	int status = cmd_send(r, "POST", path, NULL, NULL);

	free(path);
	return status;
}

static int run_restore(struct cmd_run *r)
{
	const struct restoring *o = r->own;
	struct errmsg e = { 0 };
	json_t *answer = NULL;
	char *safe;
	char *url = o->name ? client_path("/v1/restore?name=", o->name, "") : strdup("/v1/restore");
	int status = 0;
	int ret;

	ret = url ? upload_post(r->client, url, r->operand[0], r->is_quiet, &answer, &e)
		  : errmsg_set(&e, -ENOMEM, "out of memory");
	free(url);
	if (ret < 0) {
		return cmd_fail(&e);
	}
	if (o->is_started) {
		status = start(r, field_text(answer, "id"));
	}
	if (r->is_json) {
		field_print_json(answer);
	} else {
		safe = text_safe(field_text(answer, r->is_quiet ? "id" : "name"));
		puts(safe ? safe : "");
		free(safe);
	}
	json_decref(answer);
	return status;
}

static int take_restore_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct restoring *o = own;

	(void)e;
	switch (key) {
	case KEY_NAME:
		o->name = arg;
		return 0;
	case KEY_START:
		o->is_started = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_restore(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "name", KEY_NAME, "NAME", 0, "its name (default: the one in the snapshot)", 1 },
		{ "start", KEY_START, NULL, 0, "let it go on at once", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Make a VM from a snapshot and print its name; 'pinfold start' lets it go "
		       "on.\v"
		       "Example:\n    pinfold restore --name web2 --start web.pfsnap",
		.operands = "FILE",
		.min = 1,
		.max = 1,
		.flags = CMD_JSON | CMD_QUIET,
		.options = options,
		.option = take_restore_option,
		.run = run_restore,
	};
	struct restoring o = { 0 };

	return cmd_main(&cmd, &o, argc, argv);
}
