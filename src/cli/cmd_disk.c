/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold disk: what an overlay holds, back into its base, out into a file of its own. No VM may use the files meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/text.h"
#include "disk/overlay.h"

static int open_locked(const char *path, int flags, int *ret_fd, struct errmsg *e)
{
	bool is_ro = (flags & O_ACCMODE) == O_RDONLY;
	_cleanup_close_ int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	if (flock(fd, (is_ro ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		return errmsg_set(e, -EBUSY, "%s is used by a VM: end it first", path);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* An error of the overlay, with its name. */
static int about(const char *path, int r, struct errmsg *e)
{
	if (r < 0) {
		errmsg_prefix(e, "%s: ", path);
	}
	return r;
}

static void print_size(const char *label, uint64_t bytes)
{
	char size[TEXT_FIGURE_BYTES];
	char line[TEXT_FIGURE_BYTES + 32];

	snprintf(line, sizeof(line), "%s (%llu bytes)", text_size(bytes, size),
		 (unsigned long long)bytes);
	text_print(stdout, label, line);
}

static void print_info(const struct overlay_form *f, uint64_t own_bytes, const char *base)
{
	print_size("disk", f->disk_bytes);
	print_size("base", f->base_bytes);
	print_size("changed", own_bytes);
	if (f->room_bytes < f->disk_bytes) {
		print_size("room", f->room_bytes);
	}
	text_print(stdout, "state",
		   f->is_half_committed ? "a commit was cut off: do it again"
		   : base		? base
					: "whole");
}

static json_t *info_json(const struct overlay_form *f, uint64_t own_bytes)
{
	return json_pack("{sI sI sI sI sb}", "disk_bytes", (json_int_t)f->disk_bytes, "base_bytes",
			 (json_int_t)f->base_bytes, "room_bytes", (json_int_t)f->room_bytes,
			 "changed_bytes", (json_int_t)own_bytes, "half_committed",
			 f->is_half_committed ? 1 : 0);
}

static int own_bytes_of(int fd, uint64_t *ret, struct errmsg *e)
{
	struct overlay *o;
	int r = overlay_open(fd, -1, &o, e);

	if (r == 0) {
		*ret = overlay_own_bytes(o);
		overlay_free(o);
	}
	return r;
}

/* The sentence about the base, if one was named. */
static int look_at_base(const struct cmd_run *r, const struct overlay_form *f, struct errmsg *e)
{
	_cleanup_close_ int base_fd = -1;
	int ret;

	if (r->n_operands < 2) {
		return 0;
	}
	ret = open_locked(r->operand[1], O_RDONLY, &base_fd, e);
	return ret < 0 ? ret : about(r->operand[0], overlay_base_check(f, base_fd, e), e);
}

static int info(const struct cmd_run *r, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	struct overlay_form f;
	uint64_t own_bytes = 0;
	json_t *o;
	int ret = open_locked(r->operand[0], O_RDONLY, &fd, e);

	ret = ret < 0 ? ret : about(r->operand[0], overlay_form_read(fd, &f, e), e);
	if (ret == 0 && !f.is_half_committed) {
		ret = about(r->operand[0], own_bytes_of(fd, &own_bytes, e), e);
		ret = ret < 0 ? ret : look_at_base(r, &f, e);
	}
	if (ret < 0) {
		return ret;
	}
	if (r->is_json) {
		o = info_json(&f, own_bytes);
		field_print_json(o);
		json_decref(o);
	} else {
		print_info(&f, own_bytes, r->n_operands > 1 ? "whole, and this is its base" : NULL);
	}
	return 0;
}

static int commit(const struct cmd_run *r, struct errmsg *e)
{
	_cleanup_close_ int base_fd = -1;
	_cleanup_close_ int fd = -1;
	int ret = open_locked(r->operand[0], O_RDWR, &base_fd, e);

	ret = ret < 0 ? ret : open_locked(r->operand[1], O_RDWR, &fd, e);
	return ret < 0 ? ret : about(r->operand[1], overlay_commit(fd, base_fd, e), e);
}

static int copy_out(int fd, int base_fd, const char *path, struct errmsg *e)
{
	_cleanup_close_ int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	struct overlay *o = NULL;
	int r = 0;

	if (to < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	r = overlay_open(fd, base_fd, &o, e);
	if (r == 0) {
		r = overlay_copy_out(o, to);
		r = r < 0 ? r : fdatasync(to) < 0 ? -errno : 0;
		overlay_free(o);
		errmsg_set(e, r, "%s", r < 0 ? strerror(-r) : "");
	}
	if (r < 0) {
		unlink(path);
	}
	return r;
}

static int export_disk(const struct cmd_run *r, struct errmsg *e)
{
	_cleanup_close_ int base_fd = -1;
	_cleanup_close_ int fd = -1;
	struct overlay_form f;
	int ret = open_locked(r->operand[0], O_RDONLY, &base_fd, e);

	ret = ret < 0 ? ret : open_locked(r->operand[1], O_RDONLY, &fd, e);
	ret = ret < 0 ? ret : about(r->operand[1], overlay_form_read(fd, &f, e), e);
	if (ret == 0 && !f.is_half_committed) {
		ret = about(r->operand[1], overlay_base_check(&f, base_fd, e), e);
	}
	return ret < 0 ? ret : about(r->operand[2], copy_out(fd, base_fd, r->operand[2], e), e);
}

static int run(struct cmd_run *r)
{
	int (*const *work)(const struct cmd_run *r, struct errmsg *e) = r->own;
	struct errmsg e = { 0 };

	return (*work)(r, &e) < 0 ? cmd_fail(&e) : 0;
}

static int disk_info(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Say how large an overlay's disk is, how much of it was changed, and "
		       "whether BASE is its base.\v"
		       "Example:\n    pinfold disk info web.overlay debian.img",
		.operands = "OVERLAY [BASE]",
		.min = 1,
		.max = 2,
		.flags = CMD_JSON | CMD_LOCAL,
		.run = run,
	};
	int (*work)(const struct cmd_run *r, struct errmsg *e) = info;

	return cmd_main(&cmd, &work, argc, argv);
}

static int disk_commit(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Write the changes in an overlay into its base, and empty it. Other "
		       "overlays of that base are of no use then. Cut off, it can be done again.\v"
		       "Example:\n    pinfold disk commit debian.img web.overlay",
		.operands = "BASE OVERLAY",
		.min = 2,
		.max = 2,
		.flags = CMD_LOCAL,
		.run = run,
	};
	int (*work)(const struct cmd_run *r, struct errmsg *e) = commit;

	return cmd_main(&cmd, &work, argc, argv);
}

static int disk_export(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Write a disk, base and changes together, into a new file that needs "
		       "neither.\v"
		       "Example:\n    pinfold disk export debian.img web.overlay web.img",
		.operands = "BASE OVERLAY FILE",
		.min = 3,
		.max = 3,
		.flags = CMD_LOCAL,
		.run = run,
	};
	int (*work)(const struct cmd_run *r, struct errmsg *e) = export_disk;

	return cmd_main(&cmd, &work, argc, argv);
}

int cmd_disk(int argc, char **argv)
{
	static const struct cmd_member members[] = {
		{ "info", "what an overlay holds", disk_info },
		{ "commit", "write its changes into its base", disk_commit },
		{ "export", "write the whole disk into a new file", disk_export },
	};

	return cmd_group_main(members, ARRAY_SIZE(members), 0,
			      "Copy-on-write disks: overlays of 'pinfold run --disk "
			      "BASE,overlay=OVERLAY'.",
			      argc, argv);
}
