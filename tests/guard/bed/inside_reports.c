// SPDX-License-Identifier: GPL-2.0-or-later
/* See inside.h. The kernel keeps what was cleared ("dmesg -c") where /dev/kmsg still finds it. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "inside.h"

#define NEXT_FILE    "/tmp/reports.next" /* number of the first record that nobody has looked at */
#define LINES	     40			 /* that are shown of all that is found */
#define RECORD_BYTES 8193		 /* /dev/kmsg gives no longer ones */

/* What the first line of a report has, on any kernel. That RCU stalls is what hogs do. */
static const char *const signs[] = {
	"WARNING:",
	"BUG:",
	"Oops",
	"general protection",
	"ockup",
	"blocked for more",
	"corrupt",
	"KASAN:",
	"UBSAN:",
	"ODEBUG:",
	"DEBUG_LOCKS_WARN_ON",
	"INFO: trying to register",
	"lockdep is turned off",
	"suspected memory leaks",
	"unreferenced object",
	"leak detector disabled",
};

struct look {
	uint64_t next;
	unsigned int lines; /* shown; 0: nothing was found */
	bool is_before_6_3;
	bool in_stray; /* between the first and the last line of such a report */
	unsigned int strays;
};

/*
 * A mistake of Linux before 6.3. Making or ending an isolated partition rewrites the masks of all tasks but those that are known to be
 * bound, and a kworker that is just being made is bound before it is known to be (update_tasks_cpumask(), worker_attach_to_pool()):
 * it is let go, and says so when it has work. Nothing in user space can keep it from that.
 */
static bool is_stray(struct look *l, const char *line)
{
	bool begins = l->is_before_6_3 && strncmp(line, "WARNING:", 8) == 0 &&
		      strstr(line, " at kernel/workqueue.c:") && strstr(line, " process_one_work+");
	bool is = begins || l->in_stray;

	l->strays += begins;
	l->in_stray = is && !strstr(line, "---[ end trace");
	return is;
}

static bool is_sign(const char *line)
{
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		if (strstr(line, signs[i])) {
			return true;
		}
	}
	return false;
}

/* One record: "priority,number,microseconds,flags;text", a newline, and more that nobody needs. */
static void take(struct look *l, char *record)
{
	char *line = strchr(record, ';');
	uint64_t number;

	if (!line || sscanf(record, "%*u,%" SCNu64, &number) != 1) {
		errx(1, "/dev/kmsg says %.80s", record);
	}
	if (number < l->next) {
		return;
	}
	line++;
	line[strcspn(line, "\n")] = '\0';
	if (number > l->next) {
		printf("nobody has seen %" PRIu64 " records of the kernel's log\n",
		       number - l->next);
		l->lines++;
	}
	l->next = number + 1;
	if (!is_stray(l, line) && (l->lines || is_sign(line)) && l->lines < LINES) {
		puts(line);
		l->lines++;
	}
}

static void take_all(struct look *l)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char record[RECORD_BYTES + 1];
	ssize_t n;

	if (fd < 0) {
		err(1, "/dev/kmsg");
	}
	for (;;) {
		n = read(fd, record, RECORD_BYTES);
		if (n > 0) {
			record[n] = '\0';
			take(l, record);
		} else if (n == 0 ||
			   errno != EPIPE) { /* EPIPE: records were overwritten; the next is read */
			break;
		}
	}
	if (n < 0 && errno != EAGAIN) {
		err(1, "/dev/kmsg");
	}
	close(fd);
}

/* After its first report lockdep looks at nothing any more, and says so where nobody reads it. */
static void look_at_lockdep(struct look *l)
{
	FILE *f = fopen("/proc/lockdep_stats", "re");
	char line[256];
	unsigned int is_on;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " debug_locks: %u", &is_on) == 1 && !is_on) {
			puts("lockdep is off");
			l->lines++;
		}
	}
	if (f) {
		fclose(f);
	}
}

int inside_reports(char **args)
{
	struct look l = { 0 };
	FILE *f = fopen(NEXT_FILE, "re");
	unsigned int major, minor;
	struct utsname u;

	(void)args;
	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		errx(1, "uname");
	}
	l.is_before_6_3 = major < 6 || (major == 6 && minor < 3);
	if (f && fscanf(f, "%" SCNu64, &l.next) != 1) {
		errx(1, NEXT_FILE);
	}
	if (f) {
		fclose(f);
	}
	take_all(&l);
	look_at_lockdep(&l);
	f = fopen(NEXT_FILE, "we");
	if (!f || fprintf(f, "%" PRIu64 "\n", l.next) < 0 || fclose(f)) {
		err(1, NEXT_FILE);
	}
	if (!l.lines && l.strays) {
		printf("a kworker has left its processor");
	}
	return l.lines > 0;
}
