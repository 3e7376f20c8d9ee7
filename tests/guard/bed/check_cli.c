// SPDX-License-Identifier: GPL-2.0-or-later
/* What pinfold says of the guard on its real devices, alone and with a daemon. Its JSON is read here with the blanks left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "daemon.h"
#include "uapi/pinfold_guard.h"

#define COPY "/var/lib/pinfold/guard/log.*"

static void expect_in(const char *text, const char *part, const char *what)
{
	need(strstr(text, part), "%s does not say \"%s\" but: %s", what, part, text);
}

/* Runs a command of pinfold, whose output shall have all these parts. */
static void expect_parts(struct bed *b, const char *command, int status, const char *const *parts)
{
	int is;
	const char *text = bed_run(b, &is, "%s", command);

	need(is == status, "%s: exit status %d: %s", command, is, text);
	for (; *parts; parts++) {
		expect_in(text, *parts, command);
	}
}

#define EXPECT(b, command, status, ...) \
	expect_parts(b, command, status, (const char *const[]){ __VA_ARGS__, NULL })

/* Commands that change something, so that there is something to see. */
static void begin(struct bed *b)
{
	guard_reload(b, "");
	dialogue_begin(b);
	authorised(b, SERIAL, "ban 1001");
	leave(b, SERIAL);
	guard_sleeps(b);
}

void check_cli_status(struct bed *b)
{
	begin(b);
	EXPECT(b, "pinfold guard status", 0, "loaded, instance ", "on core 0", "asleep, thread ",
	       "woken 1 times, died 0 times", "chord, sysrq, serial", "6 spare, 0 abandoned",
	       "0 registered", "1001", "safe elsewhere up to 0");
	EXPECT(b, "pinfold guard status --json | tr -d ' \\n'", 0, "\"is_loaded\":true",
	       "\"is_keyed\":true", "\"bans\":[1001]", "\"state\":\"asleep\"", "\"spares\":6",
	       "\"sources\":[\"chord\",\"sysrq\",\"serial\"");
	EXPECT(b, "pinfold doctor", 0, "Guard:", "loaded     yes");
	EXPECT(b, "pinfold doctor --json | tr -d ' \\n'", 0, "\"guard\":{\"loaded\":true");
	daemon_start(b);
	daemon_vm(b, "one");
	EXPECT(b, "guard_inside agrees 60 /v1/guard '\"is_attached\":true'; pinfold guard status",
	       0, "1 registered", "attached; log copied up to record");
	EXPECT(b, "pinfold guard status --json | tr -d ' \\n'", 0, "\"is_attached\":true",
	       "\"vms\":1", "\"bans\":[1001]");
	daemon_end(b);
	guard_unload(b);
	EXPECT(b, "pinfold guard status", 125, "not loaded");
	EXPECT(b, "pinfold guard status --json | tr -d ' \\n'", 0, "\"is_loaded\":false");
	EXPECT(b, "pinfold doctor", 0, "loaded     no", "Pinfold works without it");
}

/* Every record, in the words that guard_inside finds in it. */
void check_cli_log(struct bed *b)
{
	char last[32];

	begin(b);
	bed_run(b, NULL,
		"guard_inside log-copy /tmp/log && guard_inside log-print /tmp/log | "
		"cut -d ' ' -f 1,8- >/tmp/expected");
	bed_run(b, NULL,
		"pinfold guard log >/tmp/said; wc -l </tmp/said >/tmp/lines;"
		"wc -l </tmp/expected | cmp - /tmp/lines");
	bed_run(b, NULL,
		"while read -r n text; do grep -q \"^ *$n .*$text\" /tmp/said || "
		"{ echo no $n $text; cat /tmp/said; exit 1; }; done </tmp/expected");
	snprintf(last, sizeof(last), "\"seq\":%llu",
		 (unsigned long long)guard_state(b, "log_last"));
	EXPECT(b, "pinfold guard log --json --last 1 | tr -d ' \\n'", 0, last);
	EXPECT(b, "pinfold guard log --json | tr -d ' \\n'", 0, "\"seq\":1,", last,
	       "\"text\":\"ban1001\"", "\"kind\":\"command\"");
	EXPECT(b, "pinfold guard log /tmp/log | cmp - /tmp/said", 0, "");
}

/* One byte of one record of a copy in a folder of its own. */
static void doctor(struct bed *b, unsigned int record, unsigned int offset)
{
	bed_run(b, NULL,
		"rm -rf /tmp/copies; cp -R /var/lib/pinfold/guard /tmp/copies; f=$(ls "
		"/tmp/copies/log.*); printf '\\377' | dd of=$f bs=1 seek=%u conv=notrunc "
		"2>/dev/null",
		(record - 1) * (unsigned int)sizeof(struct pinfold_guard_record) + offset);
}

static void expect_refused(struct bed *b, unsigned int record)
{
	char text[48], json[48];

	snprintf(text, sizeof(text), "record %u ", record);
	snprintf(json, sizeof(json), "\"bad_record\":%u,", record);
	EXPECT(b, "pinfold audit verify --guard /tmp/copies", 1, "BAD", text);
	EXPECT(b,
	       "pinfold audit verify --guard --json /tmp/copies >/tmp/said; s=$?; "
	       "tr -d ' \\n' </tmp/said; exit $s",
	       1, "\"is_intact\":false", json);
	EXPECT(b, "pinfold guard log /tmp/copies/log.*", 125, text);
}

void check_cli_verify(struct bed *b)
{
	const unsigned int bytes = sizeof(struct pinfold_guard_record);

	bed_run(b, NULL, "rm -rf /var/lib/pinfold/guard");
	begin(b);
	daemon_start(b);
	daemon_stop(b, "-TERM"); /* the end of the log is anchored now */
	bed_run(b, NULL, "guard_inside log-verify " COPY);
	EXPECT(b, "pinfold audit verify --guard", 0, "good", "each follows from the one before",
	       "the module confirms all of it");
	EXPECT(b, "pinfold audit verify --guard --json | tr -d ' \\n'", 0, "\"is_intact\":true",
	       "\"bad_record\":null");
	doctor(b, 2, offsetof(struct pinfold_guard_record, text) + 100);
	expect_refused(b, 2);
	doctor(b, 4, offsetof(struct pinfold_guard_record, hash) + 31);
	expect_refused(b, 4);
	/* One left out of the middle, and the last ones: known by the daemon's anchor. */
	bed_run(b, NULL,
		"rm /tmp/copies/*; f=$(ls " COPY "); (head -c %u $f; tail -c +%u $f) "
		">/tmp/copies/${f##*/}",
		2 * bytes, 3 * bytes + 1);
	expect_refused(b, 3);
	daemon_start(b);
	bed_run(b, NULL, "f=$(ls " COPY "); head -c %u $f >/tmp/copies/${f##*/}", 4 * bytes);
	EXPECT(b, "pinfold audit verify --guard /tmp/copies", 1,
	       "record 5 and later ones were cut");
	daemon_end(b);
	dialogue_begin(b);
	authorised(b, SERIAL, "unban 1001");
	leave(b, SERIAL);
	guard_sleeps(b);
}
