/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfoldd: options, then daemon.c and loop.c. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/main/daemon.h"

#define NOT_SAID (-2)

const char *argp_program_version = "pinfoldd " PINFOLD_VERSION;

enum option_key {
	OPT_SOCKET = 256,
	OPT_STATE_DIR,
	OPT_RUN_DIR,
	OPT_CONFIG,
	OPT_CORES,
	OPT_BACKEND,
	OPT_LOG,
	OPT_VM_PROGRAM,
	OPT_SHARED_POOL,
	OPT_FAIR_SERVER,
	OPT_RT_THROTTLING,
	OPT_FOREGROUND,
	OPT_DEBUG,
};

static const struct argp_option options[] = {
	{ "socket", OPT_SOCKET, "PATH", 0, "listen there", 0 },
	{ "state-dir", OPT_STATE_DIR, "DIR", 0, "users, VM definitions, audit log, images", 0 },
	{ "run-dir", OPT_RUN_DIR, "DIR", 0, "socket, locks, running VMs", 0 },
	{ "config", OPT_CONFIG, "FILE", 0, "configuration file", 0 },
	{ "cores", OPT_CORES, "LIST", 0, "use these host cores only, as 0-5,8", 0 },
	{ "backend", OPT_BACKEND, "NAME", 0,
	  "how the pool is kept free: auto, isolated, cpuset, affinity, ordinary", 0 },
	{ "log", OPT_LOG, "FILE", 0, "messages to a file, five of 10 MB in rotation", 0 },
	{ "vm-program", OPT_VM_PROGRAM, "FILE", 0, "the pinfold-vm that VMs run", 0 },
	{ "allow-shared-pool", OPT_SHARED_POOL, NULL, 0,
	  "start even if another pinfoldd schedules guests on the same cores", 0 },
	{ "fair-server", OPT_FAIR_SERVER, "WHAT", 0,
	  "what ordinary tasks may have of a pool core each second: leave, off, or as 1ms", 0 },
	{ "rt-throttling", OPT_RT_THROTTLING, "WHAT", 0,
	  "the kernel's stop of all real-time threads, 50 ms of each second: leave or off", 0 },
	{ "foreground", OPT_FOREGROUND, NULL, 0,
	  "messages to standard error, also when the configuration names a file", 0 },
	{ "debug", OPT_DEBUG, NULL, 0, "most detailed messages", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct daemon_args *a = state->input;
	struct errmsg e = { "" };

	switch (key) {
	case OPT_SOCKET:
		a->socket = arg;
		break;
	case OPT_STATE_DIR:
		a->state_dir = arg;
		break;
	case OPT_RUN_DIR:
		a->run_dir = arg;
		break;
	case OPT_CONFIG:
		a->config = arg;
		break;
	case OPT_CORES:
		a->cores = arg;
		break;
	case OPT_BACKEND:
		if (config_parse_backend(arg, &a->backend, &e) < 0) {
			argp_error(state, "%s", e.text);
		}
		break;
	case OPT_LOG:
		a->log_file = arg;
		break;
	case OPT_VM_PROGRAM:
		a->vm_program = arg;
		break;
	case OPT_SHARED_POOL:
		a->allows_shared_pool = true;
		break;
	case OPT_FAIR_SERVER:
		a->fair_server = arg;
		break;
	case OPT_RT_THROTTLING:
		a->rt_throttling = arg;
		break;
	case OPT_FOREGROUND:
		a->is_foreground = true;
		break;
	case OPT_DEBUG:
		a->is_debug = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Descriptors 0 to 2 exist, so that nothing else gets their numbers. */
static bool has_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

static int start(struct daemon *d, struct errmsg *e)
{
	int r = daemon_settle(d, e);

	r = r < 0 ? r : daemon_prepare(d, e);
	r = r < 0 ? r : daemon_make_dirs(d, e);
	r = r < 0 ? r : daemon_lock(d, e);
	if (r < 0) {
		return r;
	}
	log_setup("pinfoldd", d->config.log_level);
	return daemon_open(d, e);
}

int main(int argc, char **argv)
{
	static struct daemon d = { .lock_fd = -1, .stop_fd = -1, .signal_fd = -1, .listen_fd = -1 };
	const struct argp argp = { options, parse, NULL,
				   "The daemon of Pinfold: many virtual machines on the cores that "
				   "you choose." };
	struct errmsg e = { "" };
	int r;

	if (!has_standard_fds()) {
		return EXIT_FAILURE;
	}
	d.listen_fd = daemon_listen_fd();
	d.args.backend = NOT_SAID;
	log_setup("pinfoldd", LOG_LEVEL_INFO);
	(void)logfile_open(NULL, NULL); /* until the configuration is known */
	r = (int)argp_parse(&argp, argc, argv, 0, NULL, &d.args);
	if (r != 0) {
		return EXIT_FAILURE;
	}
	r = start(&d, &e);
	if (r == 0) {
		log_info("ready: version=%s socket=%s", PINFOLD_VERSION, d.config.socket);
		daemon_notify("READY=1");
		daemon_loop(&d);
		daemon_notify("STOPPING=1");
	} else {
		log_err("%s", e.text);
	}
	daemon_close(&d);
	logfile_close();
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
