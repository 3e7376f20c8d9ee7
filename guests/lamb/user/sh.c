/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sh [FILE]: the shell.
 *
 *   COMMAND | COMMAND ... [&] ; ...    < FILE   > FILE   >> FILE    # comment
 *
 * Built in: cd PATH, status (of the last command), exit. Words are separated by blanks; there is no quoting.
 */
#include "user.h"

enum { LINE_BYTES = 256, COMMANDS_MAX = 8 };

struct command {
	int argc;
	char *argv[ARGS_MAX + 1];
	const char *in;
	const char *out;
	unsigned int out_flags;
};

struct pipeline {
	struct command commands[COMMANDS_MAX];
	int n;
	bool is_background;
};

static int last_status;

/* ---- reading ---- */

/* A piece of a line: a word, or a sign: one of | & ; < > or + for >>. */
struct token {
	char sign; /* 0: a word */
	char word[LINE_BYTES];
};

static const char *skip_blanks(const char *p)
{
	while (*p && strchr(" \t\n", *p)) {
		p++;
	}
	return p;
}

/* false: the line ends */
static bool next_token(const char **line, struct token *ret)
{
	const char *p = skip_blanks(*line);
	size_t n = 0;

	ret->sign = 0;
	if (!*p || *p == '#') {
		return false;
	}
	if (strchr("|&;<>", *p)) {
		ret->sign = *p++;
		if (ret->sign == '>' && *p == '>') {
			ret->sign = '+';
			p++;
		}
	} else {
		while (!strchr(" \t\n|&;<>", *p)) {
			ret->word[n++] = *p++;
		}
	}
	ret->word[n] = 0;
	*line = p;
	return true;
}

/* Words live here until the line is done. */
static char words[2 * LINE_BYTES];
static size_t words_used;

static char *keep(const char *word)
{
	char *room = words + words_used;

	text_copy(room, sizeof(words) - words_used, word);
	words_used += strlen(room) + 1;
	return room;
}

static bool add_file(struct command *c, const char **line, char sign)
{
	struct token t;

	if (!next_token(line, &t) || t.sign) {
		return false;
	}
	if (sign == '<') {
		c->in = keep(t.word);
	} else {
		c->out = keep(t.word);
		c->out_flags = OPEN_WRITE | OPEN_CREATE | (sign == '+' ? OPEN_APPEND : OPEN_EMPTY);
	}
	return true;
}

/* One pipeline. Returns whether it is complete and makes sense; *line is behind it. */
static bool parse(const char **line, struct pipeline *ret)
{
	struct command *c = &ret->commands[0];
	struct token t;

	memset(ret, 0, sizeof(*ret));
	while (next_token(line, &t) && t.sign != ';') {
		if (t.sign == '&') {
			ret->is_background = true;
			break;
		}
		if (t.sign == '|') {
			if (!c->argc || c == &ret->commands[COMMANDS_MAX - 1]) {
				return false;
			}
			c++;
		} else if (t.sign) {
			if (!add_file(c, line, t.sign)) {
				return false;
			}
		} else if (c->argc == ARGS_MAX) {
			return false;
		} else {
			c->argv[c->argc++] = keep(t.word);
		}
	}
	ret->n = (int)(c - ret->commands) + (c->argc > 0);
	return c->argc > 0 || (c == ret->commands && !c->in && !c->out);
}

/* ---- running ---- */

static void redirect(int fd, const char *path, unsigned int flags)
{
	int r;

	close(fd);
	r = open(
		path,
		flags); /* gets the descriptor that was closed: the lowest free one, if 0 to 2 are open */
	if (r < 0) {
		fail(path, r);
	}
}

static void become(struct command *c)
{
	char path[PATH_BYTES] = "/bin/";
	int r;

	if (c->in) {
		redirect(0, c->in, OPEN_READ);
	}
	if (c->out) {
		redirect(1, c->out, c->out_flags);
	}
	if (strchr(c->argv[0], '/')) {
		text_copy(path, sizeof(path), c->argv[0]);
	} else {
		text_copy(path + 5, sizeof(path) - 5, c->argv[0]);
	}
	r = exec(path, c->argv);
	fprint(2, "%s: %s\n", c->argv[0], r == -E_NOENT ? "no such command" : error_name(r));
	exit(127);
}

static void use_as(int fd, int pipe_end)
{
	close(fd);
	dup(pipe_end);
	close(pipe_end);
}

static void explain(int status)
{
	if (status == STATUS_KILLED) {
		fprint(2, "killed\n");
	} else if (status >= STATUS_FAULT) {
		fprint(2, "crashed\n");
	}
}

/* Until the last one of the pipeline has ended; others that end meanwhile were in the background. */
static void wait_for(const int *pids, int n)
{
	int left = n;

	while (left > 0) {
		int status;
		int pid = wait(&status);

		if (pid < 0) {
			return;
		}
		for (int i = 0; i < n; i++) {
			left -= pids[i] == pid;
		}
		if (pid == pids[n - 1]) {
			last_status = status;
			explain(status);
		}
	}
}

/* In the child: with the pipes where the program expects them. */
static void run_command(struct command *c, int from, const int to[2])
{
	if (from >= 0) {
		use_as(0, from);
	}
	if (to[1] >= 0) {
		close(to[0]);
		use_as(1, to[1]);
	}
	become(c);
}

static void run(struct pipeline *p)
{
	int pids[COMMANDS_MAX];
	int from = -1; /* the reading end of the pipe before */
	int n;

	for (n = 0; n < p->n; n++) {
		int to[2] = { -1, -1 };

		if (n + 1 < p->n && pipe(to) < 0) {
			break;
		}
		pids[n] = fork();
		if (pids[n] == 0) {
			run_command(&p->commands[n], from, to);
		}
		close(from);
		close(to[1]);
		from = to[0];
		if (pids[n] < 0) {
			break;
		}
	}
	close(from);
	if (n < p->n) {
		fprint(2, "sh: no more pipes or processes\n");
	}
	if (n > 0 && !p->is_background) {
		wait_for(pids, n);
	}
}

static bool run_builtin(const struct command *c)
{
	int r;

	if (strcmp(c->argv[0], "cd") == 0) {
		r = chdir(c->argc > 1 ? c->argv[1] : "/");
		if (r < 0) {
			fprint(2, "cd: %s\n", error_name(r));
		}
	} else if (strcmp(c->argv[0], "status") == 0) {
		print("%d\n", last_status);
	} else if (strcmp(c->argv[0], "exit") == 0) {
		exit(c->argc > 1 ? (int)text_number(c->argv[1]) : 0);
	} else {
		return false;
	}
	return true;
}

static void run_line(const char *line)
{
	struct pipeline p;

	words_used = 0;
	for (line = skip_blanks(line); *line && *line != '#'; line = skip_blanks(line)) {
		if (!parse(&line, &p)) {
			fprint(2, "sh: that makes no sense\n");
			last_status = 2;
			return;
		}
		if (p.n > 1 || (p.n == 1 && !run_builtin(&p.commands[0]))) {
			run(&p);
		}
	}
}

int main(int argc, char **argv)
{
	char line[LINE_BYTES];
	struct stat s;
	int fd = argc > 1 ? open(argv[1], OPEN_READ) : 0;
	bool has_prompt;

	if (fd < 0) {
		fail(argv[1], fd);
	}
	has_prompt = stat(fd, &s) == 0 && s.kind == NODE_DEVICE;
	for (;;) {
		if (has_prompt) {
			print("$ ");
		}
		if (read_line(fd, line, sizeof(line)) <= 0) {
			return last_status & 0xff;
		}
		run_line(line);
	}
}
