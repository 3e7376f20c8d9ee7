// SPDX-License-Identifier: GPL-2.0-or-later
/* See drive.h. The monitor speaks QMP, which wraps the human protocol: an answer is one line, and has an end. */
#include "drive.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A machine on a busy host, and not one that hangs. */
#define MONITOR_MS    30000
#define AGENT_MS      120000
#define BOOT_MS	      400000
#define PROCESSORS_MS 5000
#define SILENT	      "says nothing"

/* The check that runs, its reason to fail, and what it has to tell. */
static jmp_buf check_end;
static char check_reason[4096], check_notes[4096];

/* Of the machine that runs: struct bed_options. */
static unsigned int slowness;

static int64_t real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
	return slowness ? real_ms() / slowness : real_ms();
}

bool bed_checks_itself(void)
{
	return slowness > 0;
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(check_reason, sizeof(check_reason), format, args);
	va_end(args);
	longjmp(check_end, 1);
}

void note(const char *format, ...)
{
	size_t used = strlen(check_notes);
	va_list args;

	va_start(args, format);
	vsnprintf(check_notes + used, sizeof(check_notes) - used, format, args);
	va_end(args);
	used = strlen(check_notes);
	if (used + 1 < sizeof(check_notes)) {
		strcpy(check_notes + used, "\n");
	}
}

/* Each line of a text, indented. */
static void print_lines(const char *text, const char *before)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		printf("    %s%.*s\n", before, (int)n, text);
		text += n + (text[n] ? 1 : 0);
	}
}

/* The end of what the kernel said on its console. */
static void print_kernel(const struct bed *b)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[96], text[16385];

	snprintf(path, sizeof(path), "%s/console", b->dir);
	f = fopen(path, "re");
	if (f && (fseek(f, -(long)sizeof(text) + 1, SEEK_END) == 0 || fseek(f, 0, SEEK_SET) == 0)) {
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		print_lines(text, "kernel | ");
	}
}

/* What the monitor says of each processor: where it is, its flags, whether it is halted. */
static void print_registers(const char *said)
{
	for (const char *line = said; *line; line += strcspn(line, "\n"), line += *line != '\0') {
		int n = (int)strcspn(line, "\r\n");

		if (strncmp(line, "CPU#", 4) == 0 || strncmp(line, "RIP=", 4) == 0) {
			printf("    monitor | %.*s\n", n, line);
		}
	}
}

/* Where the processors of a machine are whose shell is silent: SysRq asks them, even those that have interrupts off. */
static void ask_processors(struct bed *b)
{
	if (setjmp(check_end) == 0) {
		print_registers(bed_monitor(b, "info registers -a"));
		bed_key(b, "alt-sysrq-9");
		bed_key(b, "alt-sysrq-l");
		poll(NULL, 0, PROCESSORS_MS);
		print_registers(bed_monitor(b, "info registers -a"));
	}
}

bool check_run(const char *name, void (*run)(struct bed *b), struct bed *b)
{
	volatile int64_t start = real_ms();
	volatile bool passed = false;

	check_reason[0] = '\0';
	check_notes[0] = '\0';
	if (setjmp(check_end) == 0) {
		run(b);
		passed = true;
	}
	printf("  %-44s %-4s %6.1f s\n", name, passed ? "pass" : "fail",
	       (double)(real_ms() - start) / 1000);
	print_lines(check_notes, "");
	print_lines(check_reason, "| ");
	if (!passed) {
		if (strstr(check_reason, SILENT)) {
			ask_processors(b);
		}
		print_kernel(b);
	}
	fflush(stdout);
	return passed;
}

/* Take what has come. Returns false when the other side has closed. */
static bool stream_read(struct stream *s, int timeout_ms)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0) {
		return true;
	}
	if (s->used + 65536 > s->size) {
		s->size = s->used + (1u << 20);
		s->text = realloc(s->text, s->size);
		need(s->text, "out of memory");
	}
	n = read(s->fd, s->text + s->used, s->size - s->used - 1);
	if (n > 0) {
		s->used += (size_t)n;
		s->text[s->used] = '\0';
	}
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void stream_drop(struct stream *s, size_t n)
{
	memmove(s->text, s->text + n, s->used - n + 1);
	s->used -= n;
}

/* Wait for a whole line. Returns its length with the newline. */
static size_t stream_line(struct stream *s, int timeout_ms, const char *who)
{
	int64_t end = now_ms() + timeout_ms;
	char *newline;

	for (;;) {
		newline = s->used ? memchr(s->text, '\n', s->used) : NULL;
		if (newline) {
			return (size_t)(newline - s->text) + 1;
		}
		need(now_ms() < end, "%s " SILENT " for %d ms", who, timeout_ms);
		need(stream_read(s, 100), "%s has gone", who);
	}
}

static void send_all(int fd, const void *bytes, size_t n, const char *who)
{
	const char *p = bytes;

	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		need(done > 0, "%s takes nothing: %s", who, strerror(errno));
		p += done;
		n -= (size_t)done;
	}
}

/* QEMU makes its sockets early; until then there is none. */
static int connect_to(struct bed *b, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int64_t end = now_ms() + MONITOR_MS;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(fd >= 0, "socket: %s", strerror(errno));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", b->dir, name);
	while (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		need(waitpid(b->qemu, NULL, WNOHANG) == 0, "QEMU does not start");
		need(now_ms() < end, "QEMU's %s: %s", name, strerror(errno));
		poll(NULL, 0, 20);
	}
	return fd;
}

/* One line of QMP that is an answer, not an event. */
static json_t *monitor_reply(struct bed *b)
{
	json_t *reply;
	size_t n;

	for (;;) {
		n = stream_line(&b->replies, MONITOR_MS, "the monitor");
		reply = json_loadb(b->replies.text, n, 0, NULL);
		stream_drop(&b->replies, n);
		need(reply, "the monitor talks nonsense");
		if (!json_object_get(reply, "event")) {
			return reply;
		}
		json_decref(reply);
	}
}

static void monitor_send(struct bed *b, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);

	json_decref(request);
	need(text, "out of memory");
	send_all(b->replies.fd, text, strlen(text), "the monitor");
	send_all(b->replies.fd, "\n", 1, "the monitor");
	free(text);
}

const char *bed_monitor(struct bed *b, const char *format, ...)
{
	static char said[65536];
	char line[512];
	json_t *reply;
	const char *text;
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	monitor_send(b, json_pack("{s:s, s:{s:s}}", "execute", "human-monitor-command", "arguments",
				  "command-line", line));
	reply = monitor_reply(b);
	text = json_string_value(json_object_get(reply, "return"));
	snprintf(said, sizeof(said), "%s", text ? text : "");
	json_decref(reply);
	need(text, "the monitor refuses \"%s\"", line);
	return said;
}

int64_t bed_stolen_ns(const struct bed *b)
{
	int64_t sum_ns = 0, waited_ns;
	struct dirent *task;
	char path[64];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)b->qemu);
	tasks = opendir(path);
	need(tasks, "%s: %s", path, strerror(errno));
	while ((task = readdir(tasks))) {
		_cleanup_fclose_ FILE *f = NULL;

		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", (int)b->qemu,
			 task->d_name);
		f = fopen(path, "re");
		if (f && fscanf(f, "%*d %" SCNd64, &waited_ns) == 1) {
			sum_ns += waited_ns;
		}
	}
	closedir(tasks);
	return sum_ns;
}

bool bed_in_time(int64_t ns, int64_t limit_ns, int64_t stolen_ns)
{
	if (ns <= limit_ns || bed_checks_itself()) {
		return true;
	}
	need(stolen_ns >= ns - limit_ns,
	     "%.1f ms instead of %.1f, and the host held the machine up for %.1f ms only",
	     (double)ns / 1e6, (double)limit_ns / 1e6, (double)stolen_ns / 1e6);
	note("  late: the host held the machine up for %.1f ms", (double)stolen_ns / 1e6);
	return false;
}

void bed_ask(struct bed *b, const char *format, ...)
{
	char line[4096];
	va_list args;
	int n;

	if (b->agent.used) {
		stream_drop(&b->agent, b->agent.used);
	}
	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	need(n > 0 && (size_t)n < sizeof(line) - 1, "a command that is too long");
	line[n] = '\n';
	send_all(b->agent.fd, line, (size_t)n + 1, "the shell");
}

const char *bed_answer(struct bed *b, int *ret_status, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	size_t head = stream_line(&b->agent, timeout_ms, "the shell"), n;
	int status;

	need(sscanf(b->agent.text, "%d %zu", &status, &n) == 2, "the shell says %.80s",
	     b->agent.text);
	while (b->agent.used < head + n) {
		need(now_ms() < end, "the shell's answer does not end");
		need(stream_read(&b->agent, 100), "the shell has gone");
	}
	stream_drop(&b->agent, head);
	if (ret_status) {
		*ret_status = status;
	} else {
		need(status == 0, "exit status %d: %s", status, b->agent.text);
	}
	return b->agent.text;
}

const char *bed_run(struct bed *b, int *ret_status, const char *format, ...)
{
	char line[4000];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	bed_ask(b, "%s", line);
	return bed_answer(b, ret_status, AGENT_MS);
}

bool bed_has_answer(struct bed *b)
{
	need(stream_read(&b->agent, 0), "the shell has gone");
	return b->agent.used > 0;
}

void bed_line_send(struct bed *b, const void *bytes, size_t n)
{
	send_all(b->line.fd, bytes, n, "the serial line");
}

void bed_line_poll(struct bed *b, int timeout_ms)
{
	need(stream_read(&b->line, timeout_ms), "the serial line has gone");
}

void bed_line_drop(struct bed *b)
{
	bed_line_poll(b, 0);
	if (b->line.used) {
		stream_drop(&b->line, b->line.used);
	}
}

void bed_line_break(struct bed *b)
{
	bed_monitor(b, "chardev-send-break line");
}

void bed_screen(struct bed *b, char ret[SCREEN_ROWS * (SCREEN_COLS + 1) + 1])
{
	unsigned char cells[SCREEN_ROWS * SCREEN_COLS * 2];
	_cleanup_fclose_ FILE *f = NULL;
	char path[96], *p = ret;

	snprintf(path, sizeof(path), "%s/screen", b->dir);
	bed_monitor(b, "pmemsave 0xb8000 %zu \"%s\"", sizeof(cells), path);
	f = fopen(path, "re");
	need(f && fread(cells, sizeof(cells), 1, f) == 1, "no copy of the screen");
	for (size_t row = 0; row < SCREEN_ROWS; row++) {
		char *end = p;

		for (size_t col = 0; col < SCREEN_COLS; col++) {
			unsigned char c = cells[(row * SCREEN_COLS + col) * 2];

			*p++ = isprint(c) ? (char)c : c ? '?' : ' ';
			if (p[-1] != ' ') {
				end = p;
			}
		}
		p = end;
		*p++ = '\n';
	}
	*p = '\0';
}

void bed_key(struct bed *b, const char *keys)
{
	const char *said = bed_monitor(b, "sendkey %s 10", keys);

	need(!*said, "the monitor does not know the keys %s: %s", keys, said);
}

void bed_type(struct bed *b, const char *text)
{
	static const char plain[] = " \n-=,./;'[]", shifted[] = "_+:?!";
	static const char *const plain_names[] = { "spc",	   "ret",	   "minus",
						   "equal",	   "comma",	   "dot",
						   "slash",	   "semicolon",	   "apostrophe",
						   "bracket_left", "bracket_right" };
	static const char *const shifted_names[] = { "shift-minus", "shift-equal",
						     "shift-semicolon", "shift-slash", "shift-1" };

	for (; *text; text++) {
		const char *p = strchr(plain, *text), *s = strchr(shifted, *text);
		char key[16];

		snprintf(key, sizeof(key), isupper((unsigned char)*text) ? "shift-%c" : "%c",
			 tolower((unsigned char)*text));
		bed_key(b, p ? plain_names[p - plain] : s ? shifted_names[s - shifted] : key);
	}
}

/* QEMU's whole command line: what is given, the kernel, and everything that this side holds. */
static _Noreturn void qemu_exec(const struct bed *b, const struct bed_options *o)
{
	const char **argv = calloc(o->qemu_words + 64, sizeof(*argv));
	char text[4][256];
	size_t n = 0;
	int fd;

	if (!argv) {
		_exit(127);
	}
	for (; n < o->qemu_words; n++) {
		argv[n] = o->qemu[n];
	}
	snprintf(text[0], sizeof(text[0]), "file,id=console,path=%s/console", b->dir);
	snprintf(text[1], sizeof(text[1]), "socket,id=line,path=%s/line,server=on,wait=off",
		 b->dir);
	snprintf(text[2], sizeof(text[2]), "socket,id=agent,path=%s/agent,server=on,wait=off",
		 b->dir);
	snprintf(text[3], sizeof(text[3]), "unix:%s/monitor,server=on,wait=off", b->dir);
	const char *const more[] = { "-kernel",	 o->kernel,
				     "-initrd",	 o->image,
				     "-append",	 o->append,
				     "-chardev", text[0],
				     "-serial",	 "chardev:console",
				     "-chardev", text[1],
				     "-serial",	 "chardev:line",
				     "-chardev", text[2],
				     "-device",	 "virtio-serial-pci",
				     "-device",	 "virtserialport,chardev=agent,name=agent",
				     "-qmp",	 text[3],
				     "-device",	 "VGA",
				     "-device",	 "qemu-xhci" };

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		argv[n++] = more[i];
	}
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(fd, 0);
	dup2(2, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void make_stick(const struct bed *b)
{
	_cleanup_close_ int fd = -1;
	char path[96];

	snprintf(path, sizeof(path), "%s/stick", b->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	need(fd >= 0 && ftruncate(fd, 1 << 20) == 0, "%s: %s", path, strerror(errno));
}

void bed_start(struct bed *b, const struct bed_options *o)
{
	int64_t start = real_ms();

	slowness = o->slowness;
	snprintf(b->dir, sizeof(b->dir), "%s/bed.XXXXXX", o->dir);
	need(mkdtemp(b->dir), "%s: %s", b->dir, strerror(errno));
	make_stick(b);
	b->qemu = fork();
	need(b->qemu >= 0, "fork: %s", strerror(errno));
	if (b->qemu == 0) {
		qemu_exec(b, o);
	}
	b->replies.fd = connect_to(b, "monitor");
	b->line.fd = connect_to(b, "line");
	b->agent.fd = connect_to(b, "agent");
	json_decref(monitor_reply(b)); /* the greeting */
	monitor_send(b, json_pack("{s:s}", "execute", "qmp_capabilities"));
	json_decref(monitor_reply(b));
	/* The shell speaks first: "0 0", as if something had been run. */
	bed_answer(b, NULL, BOOT_MS);
	note("the machine is up after %.1f s: %s", (double)(real_ms() - start) / 1000,
	     bed_run(b, NULL, "uname -sr | tr -d '\\n'"));
}

bool bed_is_up(const struct bed *b)
{
	return b->qemu > 0;
}

static void stream_done(struct stream *s)
{
	if (s->fd > 0) {
		close(s->fd);
	}
	free(s->text);
	*s = (struct stream){ 0 };
}

void bed_stop(struct bed *b)
{
	static const char *const files[] = { "monitor", "line",	  "agent",
					     "console", "screen", "stick" };
	char path[96];

	if (b->qemu <= 0) {
		return;
	}
	kill(b->qemu, SIGKILL);
	waitpid(b->qemu, NULL, 0);
	b->qemu = 0;
	stream_done(&b->replies);
	stream_done(&b->line);
	stream_done(&b->agent);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", b->dir, files[i]);
		unlink(path);
	}
	rmdir(b->dir);
}
