/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file: libinih splits lines, one table says what each key takes. */
#include "daemon/main/config.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "daemon/api/rate.h"
#include "daemon/partition/partition.h"
#include "daemon/vms/vms.h"

#define FILE_BYTES_MAX (1u << 20)
#define KEYS_MAX       32
#define CODE_MIN       (1u << 20)

/* The file while it is read. inih does not tell handlers the line; the reader of lines knows. */
struct reading {
	struct config *c;
	FILE *f;
	const char *path;
	unsigned int line, bytes;
	bool was_whole; /* the piece before ended its line */
	unsigned int seen_at[KEYS_MAX];
	int r;
	struct errmsg *e;
};

void config_defaults(struct config *c)
{
	struct users_options users;

	memset(c, 0, sizeof(*c));
	users_options_defaults(&users);
	c->quota = users.default_quota;
	c->backend = -1;
	c->exclusive_cap = SCHED_CAP_HALF;
	c->rate_changes = API_RATE_PER_S;
	c->rate_burst = API_RATE_BURST;
	c->max_vms = 4096;
	c->slice_ns = SCHED_SLICE_NS;
	/* In all some 70 ms: longer than the 50 ms that the kernel's fair server may take at once. */
	c->patience = 64;
	c->log_level = LOG_LEVEL_INFO;
	c->code_bytes = VMS_CODE_BYTES;
}

int config_parse_backend(const char *text, int *ret, struct errmsg *e)
{
	if (strcmp(text, "auto") == 0) {
		*ret = -1;
		return 0;
	}
	for (int i = 0; i < PARTITION_BACKENDS; i++) {
		if (strcmp(text, partition_backend_name((enum partition_backend)i)) == 0) {
			*ret = i;
			return 0;
		}
	}
	return errmsg_set(e, -EINVAL,
			  "\"%.32s\" is no back-end: auto, isolated, cpuset, affinity or ordinary",
			  text);
}

int config_parse_fair_server(const char *text, bool *ret_sets, ns_t *ret_ns, struct errmsg *e)
{
	bool is_left = strcmp(text, "leave") == 0;
	ns_t ns = 0;

	if (!is_left && strcmp(text, "off") != 0 &&
	    (parse_duration_ns(text, &ns, NULL) < 0 || ns < CONFIG_FAIR_MIN_NS ||
	     ns > CONFIG_FAIR_MAX_NS)) {
		return errmsg_set(e, -EINVAL,
				  "must be leave, off, or a duration from 0.1ms to 100ms");
	}
	*ret_sets = !is_left;
	*ret_ns = ns;
	return 0;
}

int config_parse_throttling(const char *text, bool *ret_ends, struct errmsg *e)
{
	bool is_off = strcmp(text, "off") == 0;

	if (!is_off && strcmp(text, "leave") != 0) {
		return errmsg_set(e, -EINVAL, "must be leave or off");
	}
	*ret_ends = is_off;
	return 0;
}

static int take_text(char *to, size_t n, const char *value, struct errmsg *e)
{
	if (value[0] == '\0' || strlen(value) >= n) {
		return errmsg_set(e, -EINVAL, "must have 1 to %zu bytes", n - 1);
	}
	snprintf(to, n, "%s", value);
	return 0;
}

static int take_path(char *to, const char *value, struct errmsg *e)
{
	if (value[0] != '/') {
		return errmsg_set(e, -EINVAL,
				  "must be a path from the root, like /var/lib/pinfold");
	}
	return take_text(to, CONFIG_PATH_BYTES, value, e);
}

/* A number, or "none" for no limit. */
static int take_limit(uint64_t *to, const char *value, bool is_size, uint64_t max, struct errmsg *e)
{
	uint64_t v = STORE_NONE;
	int r = 0;

	if (strcmp(value, "none") != 0) {
		r = is_size ? parse_size_bytes(value, &v, e) : parse_u64(value, &v, e);
		if (r == 0 && v > max) {
			r = errmsg_set(e, -EINVAL, "must be at most %" PRIu64, max);
		}
	}
	if (r == 0) {
		*to = v;
	}
	return r < 0 ? -EINVAL : 0;
}

static int take_cores(struct config *c, const char *v, struct errmsg *e)
{
	if (strspn(v, "0123456789-,") != strlen(v)) {
		return errmsg_set(e, -EINVAL, "must be a list like 0-5,8");
	}
	return take_text(c->cores, sizeof(c->cores), v, e);
}

static int take_backend(struct config *c, const char *v, struct errmsg *e)
{
	return config_parse_backend(v, &c->backend, e);
}

static int take_cap(struct config *c, const char *v, struct errmsg *e)
{
	uint64_t n;

	if (strcmp(v, "half") == 0) {
		c->exclusive_cap = SCHED_CAP_HALF;
		return 0;
	}
	if (parse_u64(v, &n, NULL) < 0 || n > SCHED_CORES_MAX) {
		return errmsg_set(e, -EINVAL, "must be \"half\" or a number of cores");
	}
	c->exclusive_cap = (uint32_t)n;
	return 0;
}

static int take_running(struct config *c, const char *v, struct errmsg *e)
{
	return take_limit(&c->quota.running_vms, v, false, STORE_NONE, e);
}

static int take_vcpus(struct config *c, const char *v, struct errmsg *e)
{
	return take_limit(&c->quota.vcpus, v, false, STORE_NONE, e);
}

static int take_memory(struct config *c, const char *v, struct errmsg *e)
{
	return take_limit(&c->quota.memory_bytes, v, true, STORE_NONE, e);
}

static int take_exclusive(struct config *c, const char *v, struct errmsg *e)
{
	return take_limit(&c->quota.exclusive_cores, v, false, STORE_NONE, e);
}

static int take_share(struct config *c, const char *v, struct errmsg *e)
{
	return take_limit(&c->quota.slice_share_permille, v, false, 1000, e);
}

static int take_definitions(struct config *c, const char *v, struct errmsg *e)
{
	return take_limit(&c->quota.definitions, v, false, STORE_NONE, e);
}

static int take_images(struct config *c, const char *v, struct errmsg *e)
{
	return take_limit(&c->quota.images_bytes, v, true, STORE_NONE, e);
}

static int take_max_prio(struct config *c, const char *v, struct errmsg *e)
{
	return take_limit(&c->quota.max_prio, v, false, SCHED_LEVELS - 1, e);
}

static int take_max_slice(struct config *c, const char *v, struct errmsg *e)
{
	ns_t ns = STORE_NONE;

	if (strcmp(v, "none") != 0 && (parse_duration_ns(v, &ns, NULL) < 0 ||
				       ns < SCHED_SLICE_MIN_NS || ns > SCHED_SLICE_MAX_NS)) {
		return errmsg_set(e, -EINVAL, "must be \"none\" or a duration from 0.5ms to 100ms");
	}
	c->quota.max_slice_ns = ns;
	return 0;
}

static int take_yes_no(bool *to, const char *value, struct errmsg *e)
{
	bool is_yes = strcmp(value, "yes") == 0;

	if (!is_yes && strcmp(value, "no") != 0) {
		return errmsg_set(e, -EINVAL, "must be yes or no");
	}
	*to = is_yes;
	return 0;
}

static int take_refuse(struct config *c, const char *v, struct errmsg *e)
{
	return take_yes_no(&c->refuses_unknown, v, e);
}

static int take_shared_pool(struct config *c, const char *v, struct errmsg *e)
{
	return take_yes_no(&c->allows_shared_pool, v, e);
}

static int take_fair_server(struct config *c, const char *v, struct errmsg *e)
{
	return config_parse_fair_server(v, &c->sets_fair_server, &c->fair_server_ns, e);
}

static int take_throttling(struct config *c, const char *v, struct errmsg *e)
{
	return config_parse_throttling(v, &c->ends_throttling, e);
}

static int take_rate(struct config *c, const char *v, struct errmsg *e)
{
	uint64_t n = 0;

	if (strcmp(v, "none") != 0 &&
	    (parse_u64(v, &n, NULL) < 0 || n < 1 || n > API_RATE_PER_S_MAX)) {
		return errmsg_set(e, -EINVAL, "must be \"none\" or from 1 to %u per second",
				  API_RATE_PER_S_MAX);
	}
	c->rate_changes = (uint32_t)n;
	return 0;
}

static int take_burst(struct config *c, const char *v, struct errmsg *e)
{
	uint64_t n;

	if (parse_u64(v, &n, NULL) < 0 || n < 1 || n > API_RATE_BURST_MAX) {
		return errmsg_set(e, -EINVAL, "must be from 1 to %u", API_RATE_BURST_MAX);
	}
	c->rate_burst = (uint32_t)n;
	return 0;
}

static int take_max_vms(struct config *c, const char *v, struct errmsg *e)
{
	uint64_t n;

	if (parse_u64(v, &n, NULL) < 0 || n < 1 || n > 65536) {
		return errmsg_set(e, -EINVAL, "must be from 1 to 65536");
	}
	c->max_vms = (uint32_t)n;
	return 0;
}

static int take_slice(struct config *c, const char *v, struct errmsg *e)
{
	ns_t ns;

	if (parse_duration_ns(v, &ns, NULL) < 0 || ns < SCHED_SLICE_MIN_NS ||
	    ns > SCHED_SLICE_MAX_NS) {
		return errmsg_set(e, -EINVAL, "must be a duration from 0.5ms to 100ms");
	}
	c->slice_ns = ns;
	return 0;
}

static int take_patience(struct config *c, const char *v, struct errmsg *e)
{
	uint64_t n;

	if (parse_u64(v, &n, NULL) < 0 || n < 1 || n > 1000) {
		return errmsg_set(e, -EINVAL, "must be from 1 to 1000");
	}
	c->patience = (uint32_t)n;
	return 0;
}

static int take_code(struct config *c, const char *v, struct errmsg *e)
{
	uint64_t bytes = 0;

	if (strcmp(v, "off") != 0 && (parse_size_bytes(v, &bytes, NULL) < 0 || bytes < CODE_MIN)) {
		return errmsg_set(e, -EINVAL, "must be off, or a size of at least 1M");
	}
	c->code_bytes = bytes;
	return 0;
}

static int take_level(struct config *c, const char *v, struct errmsg *e)
{
	static const char *const names[] = { "err", "warn", "info", "debug" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(v, names[i]) == 0) {
			c->log_level = (enum log_level)i;
			return 0;
		}
	}
	return errmsg_set(e, -EINVAL, "must be err, warn, info or debug");
}

static int take_log_file(struct config *c, const char *v, struct errmsg *e)
{
	return take_path(c->log_file, v, e);
}

static int take_state_dir(struct config *c, const char *v, struct errmsg *e)
{
	return take_path(c->state_dir, v, e);
}

static int take_run_dir(struct config *c, const char *v, struct errmsg *e)
{
	return take_path(c->run_dir, v, e);
}

static int take_socket(struct config *c, const char *v, struct errmsg *e)
{
	return take_path(c->socket, v, e);
}

static int take_socket_group(struct config *c, const char *v, struct errmsg *e)
{
	return take_text(c->socket_group, sizeof(c->socket_group), v, e);
}

static int take_vm_program(struct config *c, const char *v, struct errmsg *e)
{
	return take_path(c->vm_program, v, e);
}

static const struct {
	const char *name;
	int (*take)(struct config *c, const char *value, struct errmsg *e);
} keys[] = {
	{ "cores", take_cores },
	{ "backend", take_backend },
	{ "exclusive_cap", take_cap },
	{ "quota_running_vms", take_running },
	{ "quota_vcpus", take_vcpus },
	{ "quota_memory", take_memory },
	{ "quota_exclusive_cores", take_exclusive },
	{ "quota_slice_share_permille", take_share },
	{ "quota_definitions", take_definitions },
	{ "quota_images", take_images },
	{ "quota_max_prio", take_max_prio },
	{ "quota_max_slice", take_max_slice },
	{ "refuse_unknown_users", take_refuse },
	{ "allow_shared_pool", take_shared_pool },
	{ "fair_server", take_fair_server },
	{ "rt_throttling", take_throttling },
	{ "rate_changes", take_rate },
	{ "rate_burst", take_burst },
	{ "max_vms", take_max_vms },
	{ "slice_default", take_slice },
	{ "patience", take_patience },
	{ "translation_cache", take_code },
	{ "log_level", take_level },
	{ "log_file", take_log_file },
	{ "state_dir", take_state_dir },
	{ "run_dir", take_run_dir },
	{ "socket", take_socket },
	{ "socket_group", take_socket_group },
	{ "vm_program", take_vm_program },
};

_Static_assert(ARRAY_SIZE(keys) <= KEYS_MAX, "seen_at is too short");

static void warn(struct reading *rd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void warn(struct reading *rd, const char *fmt, ...)
{
	char *to;
	int n;
	va_list ap;

	if (rd->c->n_warnings == CONFIG_WARNINGS_MAX) {
		return;
	}
	to = rd->c->warnings[rd->c->n_warnings++];
	n = snprintf(to, ERRMSG_SIZE, "%.200s:%u: ", rd->path, rd->line);
	va_start(ap, fmt);
	vsnprintf(to + n, ERRMSG_SIZE - (size_t)n, fmt, ap);
	va_end(ap);
}

/* The first complaint counts. */
static int refuse(struct reading *rd, const char *name)
{
	if (rd->r == 0) {
		rd->r = -EINVAL;
		errmsg_prefix(rd->e, "%.200s:%u: %.64s ", rd->path, rd->line, name);
	}
	return 1;
}

static int handle(void *user, const char *section, const char *name, const char *value)
{
	struct reading *rd = user;
	size_t i = 0;

	if (rd->r < 0) {
		return 1;
	}
	if (section[0] && strcmp(section, "pinfoldd") != 0) {
		warn(rd, "section [%.64s] is not known and ignored", section);
		return 1;
	}
	while (i < ARRAY_SIZE(keys) && strcmp(keys[i].name, name) != 0) {
		i++;
	}
	if (i == ARRAY_SIZE(keys)) {
		warn(rd, "%.64s is not known and ignored", name);
		return 1;
	}
	if (rd->seen_at[i]) {
		(void)errmsg_set(rd->e, -EINVAL, "stands in line %u already", rd->seen_at[i]);
		return refuse(rd, name);
	}
	rd->seen_at[i] = rd->line;
	return keys[i].take(rd->c, value, rd->e) < 0 ? refuse(rd, name) : 1;
}

/* Like fgets(), and counts lines. */
static char *next_line(char *buf, int n, void *stream)
{
	struct reading *rd = stream;
	size_t len;

	if (rd->r < 0 || rd->bytes > FILE_BYTES_MAX || !fgets(buf, n, rd->f)) {
		return NULL;
	}
	len = strlen(buf);
	rd->line += rd->was_whole ? 1 : 0;
	rd->was_whole = len > 0 && buf[len - 1] == '\n';
	rd->bytes += (unsigned int)len;
	if (!rd->was_whole && !feof(rd->f)) {
		rd->r = errmsg_set(rd->e, -EINVAL, "%.200s:%u: the line is longer than %d bytes",
				   rd->path, rd->line, n - 2);
		return NULL;
	}
	return buf;
}

int config_read(struct config *c, const char *path, bool is_optional, struct errmsg *e)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	struct config to = *c;
	struct errmsg own = { "" };
	struct reading rd = {
		.c = &to, .f = f, .path = path, .was_whole = true, .e = e ? e : &own
	};
	int r;

	if (!f) {
		r = -errno;
		return r == -ENOENT && is_optional
			       ? 0
			       : errmsg_set(e, r, "configuration %s: %s", path, strerror(-r));
	}
	r = ini_parse_stream(next_line, &rd, handle, &rd);
	if (rd.r < 0) {
		return rd.r;
	}
	if (ferror(f) || rd.bytes > FILE_BYTES_MAX) {
		return errmsg_set(e, -EIO, "configuration %s can't be read to its end", path);
	}
	if (r != 0) {
		return errmsg_set(e, r > 0 ? -EINVAL : -ENOMEM,
				  "%.200s:%d: this is no line of the form \"key = value\"", path,
				  r > 0 ? r : 0);
	}
	*c = to;
	return 0;
}
