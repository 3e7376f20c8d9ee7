/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of the guard's log; see guard_source.h. */
#include "cli/guard_source.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/fd.h"

#define RECORD_BYTES sizeof(struct pinfold_guard_record)

int guard_source_open(struct guard_source *s, const char *path, struct errmsg *e)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = -errno;

		if (fd >= 0) {
			close(fd);
		}
		return errmsg_set(e, r, "%s: %s", path, strerror(-r));
	}
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)) {
		close(fd);
		return errmsg_set(e, -EINVAL, "%s: is not a file", path);
	}
	s->fd = fd;
	s->is_live = !S_ISREG(st.st_mode);
	s->offset = 0;
	s->n = s->at = s->rest = 0;
	return 0;
}

void guard_source_close(struct guard_source *s)
{
	if (s->fd >= 0) {
		close(s->fd);
		s->fd = -1;
	}
}

/* The live log gives whole records, and says EAGAIN when it has no more. */
static ssize_t fill(struct guard_source *s)
{
	ssize_t n;

	if (!s->is_live) {
		return host_fd_read_full(s->fd, s->buf, sizeof(s->buf));
	}
	do {
		n = read(s->fd, s->buf, sizeof(s->buf));
	} while (n < 0 && errno == EINTR);
	return n >= 0 ? n : errno == EAGAIN ? 0 : -errno;
}

int guard_source_next(struct guard_source *s, struct pinfold_guard_record *ret)
{
	ssize_t n;

	if (s->at == s->n && s->rest == 0) {
		n = fill(s);
		if (n < 0) {
			return (int)n;
		}
		s->at = 0;
		s->n = (size_t)n / RECORD_BYTES;
		s->rest = (size_t)n % RECORD_BYTES;
	}
	if (s->at == s->n) {
		return s->rest ? -EBADMSG : 0;
	}
	*ret = s->buf[s->at++];
	s->offset += RECORD_BYTES;
	return 1;
}

int guard_source_wait(const struct guard_source *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	if (poll(&p, 1, -1) < 0) {
		return errno == EINTR ? 0 : -errno;
	}
	return p.revents & POLLIN ? 0 : -ENODEV;
}

static const char *kind_name(uint16_t kind, char buf[16])
{
	static const char *const names[PINFOLD_GUARD_LOG_KINDS_END] = {
		[PINFOLD_GUARD_LOG_LOAD] = "load",
		[PINFOLD_GUARD_LOG_UNLOAD] = "unload",
		[PINFOLD_GUARD_LOG_WAKE] = "wake",
		[PINFOLD_GUARD_LOG_SLEEP] = "sleep",
		[PINFOLD_GUARD_LOG_CHALLENGE] = "challenge",
		[PINFOLD_GUARD_LOG_REFUSED] = "refused",
		[PINFOLD_GUARD_LOG_COMMAND] = "command",
		[PINFOLD_GUARD_LOG_RESULT] = "result",
		[PINFOLD_GUARD_LOG_BAD_INPUT] = "bad-input",
		[PINFOLD_GUARD_LOG_TERMINAL] = "terminal",
		[PINFOLD_GUARD_LOG_REGISTRAR] = "registrar",
		[PINFOLD_GUARD_LOG_ENFORCED] = "enforced",
		[PINFOLD_GUARD_LOG_SHOWN] = "shown",
	};

	if (kind < ARRAY_SIZE(names) && names[kind]) {
		return names[kind];
	}
	snprintf(buf, 16, "kind-%u", kind); /* of a newer module */
	return buf;
}

static const char *time_text(uint64_t real_ns, char buf[32])
{
	time_t s = (time_t)(real_ns / NS_PER_S);
	struct tm tm;

	if (!gmtime_r(&s, &tm) || strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		return "-";
	}
	return buf;
}

json_t *guard_record_json(const struct pinfold_guard_record *r)
{
	char kind[16];
	char time[32];

	return json_pack(
		"{sI ss sI ss so so sI sI ss#}", "seq", (json_int_t)le64toh(r->seq), "time",
		time_text(le64toh(r->real_ns), time), "boot_ns", (json_int_t)le64toh(r->boot_ns),
		"kind", kind_name(le16toh(r->kind), kind), "terminal",
		r->terminal ? json_stringn((const char *)&r->terminal, 1) : json_null(), "channel",
		r->channel ? json_string(r->channel == 's' ? "serial" : "console") : json_null(),
		"count", (json_int_t)le32toh(r->count), "result", -(json_int_t)le32toh(r->result),
		"text", r->text, strnlen(r->text, sizeof(r->text)));
}
