/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of boards that run operating systems; see machine_options.h. */
#include "cli/machine_options.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/net_options.h"
#include "base/parse.h"
#include "cli/upload.h"
#include "cli/vm_options.h"

#define BOARD_BARE     "bare"
#define CONSOLE_VIRTIO "virtio"

enum key {
	KEY_BOARD = 400,
	KEY_SMP,
	KEY_APPEND,
	KEY_KERNEL,
	KEY_INITRD,
	KEY_DISK,
	KEY_NET,
	KEY_CONSOLE,
	KEY_NO_REBOOT,
};

const struct argp_option machine_options_table[] = {
	{ "board", KEY_BOARD, "BOARD", 0,
	  "bare (default), or virt: a machine for kernels, with interrupts, timers and virtio", 1 },
	{ "smp", KEY_SMP, "N", 0, "number of CPUs, where the board has several", 1 },
	{ "append", KEY_APPEND, "TEXT", 0, "command line of the kernel", 1 },
	{ "kernel", KEY_KERNEL, "FILE", 0,
	  "board virt: boot this kernel; the board is its firmware", 1 },
	{ "initrd", KEY_INITRD, "FILE", 0, "initial RAM disk for the kernel", 1 },
	{ "disk", KEY_DISK, "FILE[,OPTION...]", 0,
	  "add a disk: an image file; repeatable. ro: only read; snapshot: changes are thrown away "
	  "at "
	  "the end; overlay=FILE: changes are kept there; size=SIZE, room=SIZE: of the disk, for "
	  "changes",
	  1 },
	{ "console", KEY_CONSOLE, "KIND", 0,
	  "board virt: what the console is, uart (default) or virtio (the kernel's hvc0)", 1 },
	{ "no-reboot", KEY_NO_REBOOT, NULL, 0,
	  "board virt: a guest that resets the machine ends, instead of beginning anew", 1 },
	{ "net", KEY_NET, "user[,...]", 0,
	  "add a network card: user,hostfwd=tcp::8022-:22 leads port 8022 of this machine's "
	  "loopback to the guest's "
	  "22; host=on: 10.0.2.2 is this machine's loopback; restrict=on: nothing goes out",
	  1 },
	{ 0 },
};

static int parse_smp(struct proto_config *c, const char *arg, struct errmsg *e)
{
	uint64_t n = 0;
	int r = parse_u64(arg, &n, e);

	if (r < 0 || n < 1 || n > PROTO_CPUS_MAX) {
		return errmsg_set(e, -EINVAL, "--smp: a number from 1 to %u is expected",
				  PROTO_CPUS_MAX);
	}
	c->n_cpus = (uint32_t)n;
	return 0;
}

/* Cut the last ",NAME" or ",NAME=VALUE" off, if it is an option of a disk. */
static bool cut_option(char *arg, const char *name, char **ret_value)
{
	char *comma = strrchr(arg, ',');
	size_t n = strlen(name);
	bool has_value = name[n - 1] == '=';

	if (!comma || strncmp(comma + 1, name, n) != 0 || (!has_value && comma[1 + n])) {
		return false;
	}
	*comma = '\0';
	*ret_value = comma + 1 + n;
	return true;
}

static int parse_disk_size(const char *name, const char *value, uint64_t *ret, struct errmsg *e)
{
	int r = parse_size_bytes(value, ret, e);

	if (r < 0 || *ret == 0) {
		return errmsg_set(e, -EINVAL, "--disk: %s'%.40s' is not a size", name, value);
	}
	return 0;
}

/* Take one option off the end. @return 1; 0 there is none; -EINVAL with a sentence */
static int parse_disk_option(struct launch_disk *d, char *arg, bool *is_ro, struct errmsg *e)
{
	char *value;
	int r = 0;

	if (cut_option(arg, "ro", &value)) {
		*is_ro = true;
	} else if (cut_option(arg, "snapshot", &value)) {
		d->is_snapshot = true;
	} else if (cut_option(arg, "overlay=", &value)) {
		d->overlay_path = value;
	} else if (cut_option(arg, "size=", &value)) {
		r = parse_disk_size("size=", value, &d->bytes, e);
	} else if (cut_option(arg, "room=", &value)) {
		r = parse_disk_size("room=", value, &d->room_bytes, e);
	} else {
		return 0;
	}
	return r < 0 ? r : 1;
}

static int check_disk(const struct launch_disk *d, bool is_ro, struct errmsg *e)
{
	bool has_overlay = d->overlay_path || d->is_snapshot;

	if (!*d->path || (d->overlay_path && !*d->overlay_path)) {
		return errmsg_set(e, -EINVAL, "--disk: a file is expected");
	}
	if (is_ro && (has_overlay || d->bytes || d->room_bytes)) {
		return errmsg_set(e, -EINVAL, "--disk: ro is for a disk that is not written to");
	}
	return d->overlay_path && d->is_snapshot
		       ? errmsg_set(e, -EINVAL,
				    "--disk: overlay keeps changes, snapshot throws them away")
		       : 0;
}

/* FILE[,OPTION...]; the text is the program's own: it may be cut. */
static int parse_disk(struct launch_options *o, char *arg, struct errmsg *e)
{
	struct launch_disk d = { .path = arg, .fd = -1, .overlay_fd = -1 };
	bool is_ro = false;
	size_t n = 0;
	int r;

	while (n < PROTO_DISKS_MAX && o->disks[n].path) {
		n++;
	}
	if (n == PROTO_DISKS_MAX) {
		return errmsg_set(e, -EINVAL, "--disk: a VM has at most %u disks", PROTO_DISKS_MAX);
	}
	do {
		r = parse_disk_option(&d, arg, &is_ro, e);
	} while (r > 0);
	r = r < 0 ? r : check_disk(&d, is_ro, e);
	if (r == 0) {
		o->disks[n] = d;
		o->config.disks_ro |= is_ro ? (uint32_t)BIT(n) : 0;
	}
	return r;
}

static int parse_console(struct proto_config *c, const char *arg, struct errmsg *e)
{
	if (strcmp(arg, "uart") != 0 && strcmp(arg, CONSOLE_VIRTIO) != 0) {
		return errmsg_set(e, -EINVAL, "--console: '%.40s' is neither uart nor virtio", arg);
	}
	c->flags &= ~(uint32_t)PROTO_CFG_VIRTIO_CONSOLE;
	c->flags |= strcmp(arg, CONSOLE_VIRTIO) == 0 ? PROTO_CFG_VIRTIO_CONSOLE : 0;
	return 0;
}

static int bad_net(struct errmsg *e)
{
	errmsg_prefix(e, "--net: ");
	return -EINVAL;
}

int machine_options_take(int key, char *arg, struct launch_options *o, struct errmsg *e)
{
	struct net_options net;

	switch (key) {
	case KEY_BOARD:
		return vm_options_text(o->config.board, sizeof(o->config.board), arg, "--board", e);
	case KEY_SMP:
		return parse_smp(&o->config, arg, e);
	case KEY_APPEND:
		return vm_options_take_guest_arg(&o->config, arg, e);
	case KEY_KERNEL:
		o->kernel_path = arg;
		return 0;
	case KEY_INITRD:
		o->initrd_path = arg;
		return 0;
	case KEY_DISK:
		return parse_disk(o, arg, e);
	case KEY_CONSOLE:
		return parse_console(&o->config, arg, e);
	case KEY_NO_REBOOT:
		o->config.flags |= PROTO_CFG_NO_REBOOT;
		return 0;
	case KEY_NET:
		o->net = arg;
		return net_options_parse(arg, &net, e) < 0 ? bad_net(e) : 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int machine_options_check(const struct launch_options *o, struct errmsg *e)
{
	const struct {
		const char *option;
		bool is_there;
	} wants[] = {
		{ "--kernel", o->kernel_path },
		{ "--initrd", o->initrd_path },
		{ "--disk", o->disks[0].path },
		{ "--net", o->net },
		{ "--smp", o->config.n_cpus > 1 },
		{ "--console", o->config.flags & PROTO_CFG_VIRTIO_CONSOLE },
	};

	/* A context says itself what board it is of. */
	for (size_t i = 0; i < ARRAY_SIZE(wants) && !o->context_path; i++) {
		if (wants[i].is_there && strcmp(o->config.board, BOARD_BARE) == 0) {
			return errmsg_set(e, -EINVAL, "%s needs another board: add --board virt",
					  wants[i].option);
		}
	}
	if (o->initrd_path && !o->kernel_path) {
		return errmsg_set(e, -EINVAL,
				  "--initrd needs --kernel: nothing else would find it");
	}
	if (o->kernel_path && o->context_path) {
		return errmsg_set(
			e, -EINVAL,
			"--kernel and --load-context: the context has its kernel already");
	}
	return 0;
}

/* Upload a file, if there is one, and name it in the spec. */
static int add_file(struct client *c, const char *path, bool is_quiet, const char *name,
		    json_t *spec, struct errmsg *e)
{
	char hash[UPLOAD_HASH_BYTES];
	int r;

	if (!path) {
		return 0;
	}
	r = upload_image(c, path, is_quiet, hash, e);
	return r < 0 ? r : json_object_set_new(spec, name, json_string(hash)) < 0 ? -ENOMEM : 0;
}

static json_t *disk_json(const struct launch_disk *d, bool is_ro)
{
	json_t *disk = json_object();
	char name[64];

	vm_options_base_name(d->path, name, sizeof(name));
	json_object_set_new(disk, "read_only", json_boolean(is_ro));
	json_object_set_new(disk, "name", json_string(name)); /* left out if it is not UTF-8 */
	if (d->is_snapshot) {
		json_object_set_new(disk, "snapshot", json_true());
	}
	if (d->room_bytes) {
		json_object_set_new(disk, "room_bytes", json_integer((json_int_t)d->room_bytes));
	}
	return disk;
}

static int add_disks(struct client *c, const struct launch_options *o, bool is_quiet, json_t *spec,
		     struct errmsg *e)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; r == 0 && i < PROTO_DISKS_MAX && o->disks[i].path; i++) {
		const struct launch_disk *d = &o->disks[i];
		json_t *disk = disk_json(d, o->config.disks_ro & BIT(i));

		r = d->overlay_path || d->bytes
			    ? errmsg_set(e, -EINVAL,
					 "--disk: overlay and size are for pinfold run; under the "
					 "daemon a VM's changes are always its own")
			    : add_file(c, d->path, is_quiet, "image", disk, e);
		json_array_append_new(list, disk);
	}
	if (json_array_size(list) > 0) {
		json_object_set(spec, "disks", list);
	}
	json_decref(list);
	return r;
}

int machine_options_to_spec(struct client *c, const struct launch_options *o, bool is_quiet,
			    json_t *spec, struct errmsg *e)
{
	int r;

	if (strcmp(o->config.board, BOARD_BARE) != 0) {
		json_object_set_new(spec, "board", json_string(o->config.board));
	}
	if (o->config.n_cpus > 1) {
		json_object_set_new(spec, "cpus", json_integer(o->config.n_cpus));
	}
	if (o->config.flags & PROTO_CFG_VIRTIO_CONSOLE) {
		json_object_set_new(spec, "console", json_string(CONSOLE_VIRTIO));
	}
	if (o->config.flags & PROTO_CFG_NO_REBOOT) {
		json_object_set_new(spec, "reboot", json_false());
	}
	if (o->net) {
		json_object_set_new(spec, "net", json_string(o->net));
	}
	r = add_file(c, o->kernel_path, is_quiet, "kernel", spec, e);
	r = r < 0 ? r : add_file(c, o->initrd_path, is_quiet, "initrd", spec, e);
	return r < 0 ? r : add_disks(c, o, is_quiet, spec, e);
}
