/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold guard: what belongs to the two emergency terminals in the kernel, seen from outside (docs/guard.md). */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cmd_guard.h"
#include "cli/guard_answer.h"
#include "cli/guard_key.h"
#include "cli/phrase.h"

enum { KEY_KEY = CMD_OWN_KEYS, KEY_PASSPHRASE };

/* All operands with a blank between them: a challenge may come as one or as many. */
static int join(const struct cmd_run *r, char *buf, size_t size, struct errmsg *e)
{
	size_t n = 0;

	buf[0] = '\0';
	for (int i = 0; i < r->n_operands; i++) {
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? " " : "", r->operand[i]);
		if (n >= size) {
			return errmsg_set(e, -EINVAL, "the challenge is too long");
		}
	}
	return 0;
}

static void print_answer(const struct cmd_run *r, const struct guard_challenge *c,
			 const char *answer)
{
	json_t *o;

	if (!r->is_json) {
		printf("%s (terminal %c): %s\n", c->meaning, c->terminal, answer);
		return;
	}
	o = json_pack("{ss# ss ss ss ss}", "terminal", &c->terminal, (size_t)1, "command",
		      c->command, "meaning", c->meaning, "nonce", c->nonce, "answer", answer);
	field_print_json(o);
	json_decref(o);
}

static int run_respond(struct cmd_run *r)
{
	const char *const *path = r->own;
	char text[256], answer[GUARD_ANSWER_BYTES];
	uint8_t key[GUARD_KEY_BYTES];
	struct guard_challenge c;
	struct errmsg e = { 0 };
	int ret = join(r, text, sizeof(text), &e);

	/* First what was typed: a mistake in it is told without the key. */
	ret = ret < 0 ? ret : guard_challenge_parse(text, &c, &e);
	ret = ret < 0 ? ret : guard_key_read(*path, key, &e);
	if (ret < 0) {
		return cmd_fail(&e);
	}
	guard_challenge_answer(&c, key, answer);
	sodium_memzero(key, sizeof(key));
	print_answer(r, &c, answer);
	return 0;
}

static int take_respond(void *own, int key, const char *arg, struct errmsg *e)
{
	const char **path = own;

	(void)e;
	if (key != KEY_KEY) {
		return ARGP_ERR_UNKNOWN;
	}
	*path = arg;
	return 0;
}

static int guard_respond(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "key", KEY_KEY, "FILE", 0,
		  "the key (default " GUARD_KEY_PATH "); - is standard input", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Compute the answer to a challenge of the guard, on any machine that has "
		       "the key. Case does not matter, nor do dashes and blanks in the nonce; O is "
		       "read as 0, I and L as 1.\v"
		       "What the answer authorises is printed in front of it: "
		       "compare.\n\nExample:\n"
		       "    pinfold guard respond a kill 7 0000-00B2-9XKM-PA3C",
		.operands = "TERMINAL COMMAND... NONCE",
		.min = 1,
		.max = CMD_MANY,
		.flags = CMD_JSON | CMD_LOCAL,
		.options = options,
		.option = take_respond,
		.run = run_respond,
	};
	const char *path = GUARD_KEY_PATH;

	return cmd_main(&cmd, &path, argc, argv);
}

/* Options of "guard key". */
struct key_wish {
	const char *path;
	bool has_phrase;
};

static int make_key(const struct key_wish *w, struct errmsg *e)
{
	char phrase[GUARD_KEY_PHRASE_MAX + 1] = "";
	char text[GUARD_KEY_TEXT_BYTES];
	int r = 0;

	if (w->has_phrase) {
		r = phrase_read_new(phrase, sizeof(phrase), e);
		r = r < 0 ? r : guard_key_check_phrase(phrase, e);
	}
	if (r == 0) {
		guard_key_make(w->has_phrase ? phrase : NULL, text);
		if (strcmp(w->path, "-") == 0) {
			fputs(text, stdout);
		} else {
			r = guard_key_write(w->path, text, e);
		}
		sodium_memzero(text, sizeof(text));
	}
	sodium_memzero(phrase, sizeof(phrase));
	return r;
}

static int run_key(struct cmd_run *r)
{
	const struct key_wish *w = r->own;
	struct errmsg e = { 0 };

	if (sodium_init() < 0) {
		errmsg_set(&e, -EIO, "no random numbers");
		return cmd_fail(&e);
	}
	if (make_key(w, &e) < 0) {
		return cmd_fail(&e);
	}
	if (strcmp(w->path, "-") != 0) {
		cmd_name_done(r, w->path);
	}
	return 0;
}

static int take_key(void *own, int key, const char *arg, struct errmsg *e)
{
	struct key_wish *w = own;

	(void)e;
	switch (key) {
	case 'o':
		w->path = arg;
		return 0;
	case KEY_PASSPHRASE:
		w->has_phrase = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int guard_key(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "output", 'o', "FILE", 0,
		  "the new file (default " GUARD_KEY_PATH "); - is standard output", 1 },
		{ "passphrase", KEY_PASSPHRASE, NULL, 0,
		  "ask for one, for use with a USB token; not from a terminal: it is one line", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Make a key for the guard: a file that only its owner may read. One that is "
		       "there is never overwritten.\v"
		       "The module reads it when it is loaded; whoever is to answer challenges "
		       "needs a copy on another machine: see docs/guard-admin.md.\n\nExample:\n"
		       "    pinfold guard key --passphrase",
		.flags = CMD_QUIET | CMD_LOCAL,
		.options = options,
		.option = take_key,
		.run = run_key,
	};
	struct key_wish w = { .path = GUARD_KEY_PATH };

	return cmd_main(&cmd, &w, argc, argv);
}

int cmd_guard(int argc, char **argv)
{
	static const struct cmd_member members[] = {
		{ "status", "whether it is loaded, and its state", cmd_guard_status },
		{ "respond", "answer a challenge", guard_respond },
		{ "key", "make a key", guard_key },
		{ "log", "what was done at the terminals", cmd_guard_log },
	};

	return cmd_group_main(members, ARRAY_SIZE(members), 0,
			      "The guard: two emergency terminals inside the kernel.", argc, argv);
}
