/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file of pinfoldd: one "key = value" per line, comments with # or ;, an optional section
 * [pinfoldd]. Every complaint is one sentence with file and line. A key that is not known is complained
 * about and ignored; a value that can't be used ends the start.
 */
#ifndef PINFOLD_DAEMON_CONFIG_H
#define PINFOLD_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "base/log.h"
#include "daemon/users/users.h"

#define CONFIG_PATH_BYTES   4096
#define CONFIG_CORES_BYTES  256
#define CONFIG_WARNINGS_MAX 8u
#define CONFIG_GROUP_BYTES  64
#define CONFIG_EVERYBODY    "everybody"
#define CONFIG_FAIR_MIN_NS  (100 * NS_PER_US)
#define CONFIG_FAIR_MAX_NS  (100 * NS_PER_MS)

/** What can be configured. Empty texts and -1: not said. */
struct config {
	char cores[CONFIG_CORES_BYTES];
	int backend;		/**< enum partition_backend, or -1 */
	uint32_t exclusive_cap; /**< cores, or SCHED_CAP_HALF */
	struct users_quota quota;
	char socket_group[CONFIG_GROUP_BYTES]; /**< whose members may call, or CONFIG_EVERYBODY */
	bool refuses_unknown;
	bool allows_shared_pool; /**< another daemon may schedule the same cores */
	bool sets_fair_server;	 /**< of pool cores; else it stays as it is */
	ns_t fair_server_ns;	 /**< that ordinary tasks get in its period; 0: none */
	bool ends_throttling;	 /**< switch real-time throttling of the host off */
	uint32_t rate_changes;	 /**< of an ordinary user, per second; 0: no bound */
	uint32_t rate_burst;	 /**< and at once */
	uint32_t max_vms;
	ns_t slice_ns;
	uint32_t
		patience; /**< a vCPU that does not leave its core is waited for so many times as long */
	uint64_t code_bytes; /**< of kept translations; 0: none are */
	enum log_level log_level;
	char log_file[CONFIG_PATH_BYTES];
	char state_dir[CONFIG_PATH_BYTES], run_dir[CONFIG_PATH_BYTES], socket[CONFIG_PATH_BYTES];
	char vm_program[CONFIG_PATH_BYTES]; /**< pinfold-vm */
	uint32_t n_warnings;
	char warnings[CONFIG_WARNINGS_MAX][ERRMSG_SIZE];
};

/** What holds when nothing is said. */
void config_defaults(struct config *c);

/**
 * Read a file on top of what is there.
 * @param path   file to read
 * @param is_optional whether it may be missing
 * @return 0; -EINVAL a value can't be used; errno of opening; then @p c is untouched
 */
int config_read(struct config *c, const char *path, bool is_optional, struct errmsg *e);

/** "isolated", "cpuset", ... or "auto". @return 0; -EINVAL */
int config_parse_backend(const char *text, int *ret, struct errmsg *e);

/** "leave", "off" or "1ms": whether to set the fair server of pool cores, and to what. @return 0; -EINVAL */
int config_parse_fair_server(const char *text, bool *ret_sets, ns_t *ret_ns, struct errmsg *e);

/** "leave" or "off": whether to switch real-time throttling off. @return 0; -EINVAL */
int config_parse_throttling(const char *text, bool *ret_ends, struct errmsg *e);

#endif
