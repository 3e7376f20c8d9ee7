/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where configuration, state and socket lie: for the system, or in the XDG folders of one user. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/main/daemon.h"

static int join(char *to, const char *base, const char *tail, struct errmsg *e)
{
	if (snprintf(to, CONFIG_PATH_BYTES, "%s%s", base, tail) >= CONFIG_PATH_BYTES) {
		return errmsg_set(e, -ENAMETOOLONG, "the path %.64s... is too long", base);
	}
	return 0;
}

/* $NAME, or $HOME with a tail; -ENOENT when neither is set. */
static int xdg(char *to, const char *name, const char *home_tail, const char *tail,
	       struct errmsg *e)
{
	const char *dir = getenv(name), *home = getenv("HOME");
	char base[CONFIG_PATH_BYTES];
	int r;

	if (dir && dir[0] == '/') {
		return join(to, dir, tail, e);
	}
	if (!home_tail || !home || home[0] != '/') {
		return errmsg_set(e, -ENOENT, "$%s is not set%s: name the folder with an option",
				  name, home_tail ? ", nor is $HOME" : "");
	}
	r = join(base, home, home_tail, e);
	return r < 0 ? r : join(to, base, tail, e);
}

/* An option wins over the configuration, that over the default. */
static int choose(char *to, const char *option, int (*fallback)(char *to, struct errmsg *e),
		  struct errmsg *e)
{
	char *full;
	int r;

	if (!option) {
		return to[0] ? 0 : fallback(to, e);
	}
	if (option[0] == '/') {
		return join(to, option, "", e);
	}
	/* The working folder may be left. */
	full = getcwd(NULL, 0);
	if (!full) {
		return errmsg_set(e, -errno, "working folder: %s", strerror(errno));
	}
	r = snprintf(to, CONFIG_PATH_BYTES, "%s/%s", full, option) >= CONFIG_PATH_BYTES
		    ? errmsg_set(e, -ENAMETOOLONG, "the path %.64s... is too long", option)
		    : 0;
	free(full);
	return r;
}

static int system_config(char *to, struct errmsg *e)
{
	return join(to, "/etc/pinfold/pinfoldd.conf", "", e);
}

static int system_state(char *to, struct errmsg *e)
{
	return join(to, "/var/lib/pinfold", "", e);
}

static int system_run(char *to, struct errmsg *e)
{
	return join(to, "/run/pinfold", "", e);
}

static int user_config(char *to, struct errmsg *e)
{
	return xdg(to, "XDG_CONFIG_HOME", "/.config", "/pinfold/pinfoldd.conf", e);
}

static int user_state(char *to, struct errmsg *e)
{
	return xdg(to, "XDG_STATE_HOME", "/.local/state", "/pinfold", e);
}

static int user_run(char *to, struct errmsg *e)
{
	return xdg(to, "XDG_RUNTIME_DIR", NULL, "/pinfold", e);
}

static int nothing(char *to, struct errmsg *e)
{
	(void)e;
	to[0] = '\0';
	return 0;
}

/* VMs are what it says: only root, or whom this daemon belongs to, may have written it. */
static int check_program(const char *path, struct errmsg *e)
{
	struct stat st;

	if (!path[0]) {
		return 0;
	}
	if (stat(path, &st) < 0) {
		return errmsg_set(e, -errno, "VM program %s: %s", path, strerror(errno));
	}
	if (!S_ISREG(st.st_mode) || !(st.st_mode & S_IXUSR)) {
		return errmsg_set(e, -EACCES, "VM program %s is no program", path);
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH))) {
		return errmsg_set(e, -EPERM, "VM program %s: others could write to it", path);
	}
	return 0;
}

static int settle_gaps(struct daemon *d, struct errmsg *e)
{
	struct config *c = &d->config;
	const char *option = "--fair-server ";
	int r = 0;

	if (d->args.fair_server) {
		r = config_parse_fair_server(d->args.fair_server, &c->sets_fair_server,
					     &c->fair_server_ns, e);
	}
	if (r == 0 && d->args.rt_throttling) {
		option = "--rt-throttling ";
		r = config_parse_throttling(d->args.rt_throttling, &c->ends_throttling, e);
	}
	if (r < 0) {
		errmsg_prefix(e, "%s", option);
	}
	return r;
}

int daemon_settle(struct daemon *d, struct errmsg *e)
{
	struct config *c = &d->config;
	int r;

	d->is_rootless = geteuid() != 0;
	d->config_is_optional = !d->args.config;
	config_defaults(c);
	r = choose(d->config_path, d->args.config, d->is_rootless ? user_config : system_config, e);
	if (r < 0 && !(r == -ENOENT && d->config_is_optional)) {
		return r;
	}
	r = r < 0 ? 0 : config_read(c, d->config_path, d->config_is_optional, e);
	r = r < 0 ? r
		  : choose(c->state_dir, d->args.state_dir,
			   d->is_rootless ? user_state : system_state, e);
	r = r < 0 ? r
		  : choose(c->run_dir, d->args.run_dir, d->is_rootless ? user_run : system_run, e);
	r = r < 0 ? r : choose(c->log_file, d->args.log_file, nothing, e);
	r = r < 0 ? r : choose(c->vm_program, d->args.vm_program, nothing, e);
	r = r < 0 ? r : check_program(c->vm_program, e);
	if (r < 0) {
		return r;
	}
	if (d->args.socket || !c->socket[0]) {
		r = d->args.socket ? choose(c->socket, d->args.socket, nothing, e)
				   : join(c->socket, c->run_dir, "/pinfoldd.sock", e);
	}
	if (d->args.cores) {
		if (strlen(d->args.cores) >= sizeof(c->cores)) {
			return errmsg_set(e, -EINVAL, "--cores: the list is too long");
		}
		snprintf(c->cores, sizeof(c->cores), "%s", d->args.cores);
	}
	r = r < 0 ? r : settle_gaps(d, e);
	c->backend = d->args.backend != -2 ? d->args.backend : c->backend;
	c->log_level = d->args.is_debug ? LOG_LEVEL_DEBUG : c->log_level;
	if (d->args.is_foreground && !d->args.log_file) {
		c->log_file[0] = '\0';
	}
	return r;
}

/* Whether others could put something into a folder. In a user namespace root is whoever has "/". */
static bool is_open_to_others(const struct stat *st, bool is_above)
{
	bool is_shared = (st->st_mode & S_IWOTH) ||
			 ((st->st_mode & S_IWGRP) && st->st_gid != 0 && st->st_gid != getegid());
	struct stat root;

	if (st->st_uid != 0 && st->st_uid != geteuid() &&
	    (!is_above || stat("/", &root) < 0 || root.st_uid != st->st_uid)) {
		return true;
	}
	/* Where others may write, names still belong to their owners. */
	return is_shared && !(is_above && (st->st_mode & S_ISVTX));
}

/* Nobody else may put files into a folder of ours, or another folder in its place. */
static int check_dir(const char *path, struct errmsg *e)
{
	_cleanup_free_ char *full = realpath(path, NULL);
	struct stat st;

	if (!full) {
		return errmsg_set(e, -errno, "folder %s: %s", path, strerror(errno));
	}
	for (bool is_above = false;; is_above = true) {
		char *slash = strrchr(full, '/');

		if (stat(full[0] ? full : "/", &st) < 0) {
			return errmsg_set(e, -errno, "folder %s: %s", full, strerror(errno));
		}
		if (!S_ISDIR(st.st_mode)) {
			return errmsg_set(e, -ENOTDIR, "%s is no folder", full);
		}
		if (is_open_to_others(&st, is_above)) {
			return errmsg_set(
				e, -EPERM,
				"folder %s: others could change what is in it: %s is theirs "
				"or open to them",
				path, full[0] ? full : "/");
		}
		if (!slash) {
			return 0;
		}
		*slash = '\0';
	}
}

/* With all folders above; those get 0755 and the usual owner. */
static int make_dir(const char *path, mode_t mode, struct errmsg *e)
{
	char part[CONFIG_PATH_BYTES];

	snprintf(part, sizeof(part), "%s", path);
	for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(part, 0755) == 0) {
			(void)chmod(part, 0755);
		}
		*p = '/';
	}
	if (mkdir(path, mode) < 0) {
		return errno == EEXIST
			       ? 0
			       : errmsg_set(e, -errno, "folder %s: %s", path, strerror(errno));
	}
	/* The umask is ours and strict. */
	return chmod(path, mode) < 0 ? errmsg_set(e, -errno, "folder %s: %s", path, strerror(errno))
				     : 0;
}

int daemon_make_dirs(const struct daemon *d, struct errmsg *e)
{
	/* Others must reach the socket in the run folder. */
	int r = make_dir(d->config.run_dir, d->is_rootless ? 0700 : 0755, e);

	r = r < 0 ? r : make_dir(d->config.state_dir, 0700, e);
	r = r < 0 ? r : check_dir(d->config.run_dir, e);
	return r < 0 ? r : check_dir(d->config.state_dir, e);
}
