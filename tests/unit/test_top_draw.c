/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture of `pinfold top`, on canvases of three sizes and as a snapshot, against golden text; and
 * what must never break it: names with control characters, canvases of any size.
 *
 * A golden text is printed in full when it differs; after looking at it, it can be copied here.
 */
#include <limits.h>
#include <locale.h>

#include "cli/top/top_draw.h"
#include "test.h"

#define SAMPLE_NS (100 * NS_PER_MS)

static struct top_model m;
static struct top_view v;
static ns_t now_ns;
static bool is_utf8;

static json_t *parse(const char *text)
{
	json_error_t e;
	json_t *j = json_loads(text, 0, &e);

	if (!j) {
		printf("bad JSON in the test: %s\n%s\n", e.text, text);
		exit(1);
	}
	return j;
}

static void take_vms(const char *text)
{
	json_t *j = parse(text);

	CHECK_INT(top_model_take_vms(&m, j, now_ns, NULL), 0);
	json_decref(j);
}

/* Core 1 is the pool; one core more is exclusive when there are four. */
static void sample(const char *holder, bool has_four)
{
	char text[2048];
	json_t *j;

	snprintf(text, sizeof(text),
		 "[{'host_core':0,'roles':['control'],'is_pool':false,'online':true},"
		 "{'host_core':1,'roles':['housekeeping'],'is_pool':false,'online':true},"
		 "{'host_core':2,'roles':['pool'],'is_pool':true,'online':true,'is_idle':%s,"
		 "'holder':%s%s%s,'holder_id':%s%s%s,'foreign_ns':%llu}%s]",
		 holder ? "false" : "true", holder ? "'" : "", holder ? holder : "null",
		 holder ? "'" : "", holder ? "'" : "", holder ? holder : "null", holder ? "'" : "",
		 (unsigned long long)(now_ns / 100),
		 has_four ? ",{'host_core':3,'roles':['pool'],'is_pool':true,'online':true,"
			    "'exclusive':true,'holder':'server','holder_id':'5e',"
			    "'foreign_ns':0}"
			  : "");
	for (char *p = text; *p; p++) {
		*p = *p == '\'' ? '"' : *p;
	}
	j = parse(text);
	CHECK_INT(top_model_take_cores(&m, j, now_ns, NULL), 0);
	json_decref(j);
	now_ns += SAMPLE_NS;
}

static const char vms_before[] =
	"[{\"id\":\"aa\",\"name\":\"crunch\",\"owner\":\"ann\",\"owner_uid\":1000,"
	"\"arch\":\"arm64\",\"engine\":\"unicorn\",\"state\":\"running\",\"core\":2,\"prio\":3,"
	"\"cpu_ns\":1000000000,\"wait_ns\":0,\"slices\":100,\"runs\":1,\"memory_bytes\":12582912},"
	"{\"id\":\"bb\",\"slot\":7,\"name\":\"sieve\",\"owner\":\"bob\",\"owner_uid\":1001,"
	"\"arch\":\"riscv64\",\"engine\":\"unicorn\",\"state\":\"running\",\"core\":null,"
	"\"prio\":3,\"cpu_ns\":500000000,\"wait_ns\":100,\"slices\":50,\"runs\":1,"
	"\"memory_bytes\":4194304},"
	"{\"id\":\"5e\",\"name\":\"server\",\"owner\":\"root\",\"owner_uid\":0,\"arch\":\"x64\","
	"\"engine\":\"kvm\",\"state\":\"running\",\"core\":3,\"exclusive\":true,\"prio\":7,"
	"\"cpu_ns\":0,\"wait_ns\":0,\"slices\":1,\"runs\":1,\"memory_bytes\":1073741824}]";

static const char vms_after[] =
	"[{\"id\":\"aa\",\"name\":\"crunch\",\"owner\":\"ann\",\"owner_uid\":1000,"
	"\"arch\":\"arm64\",\"engine\":\"unicorn\",\"state\":\"running\",\"core\":2,\"prio\":3,"
	"\"cpu_ns\":1600000000,\"wait_ns\":390000000,\"slices\":160,\"runs\":1,"
	"\"memory_bytes\":12582912},"
	"{\"id\":\"bb\",\"slot\":7,\"name\":\"sieve\",\"owner\":\"bob\",\"owner_uid\":1001,"
	"\"arch\":\"riscv64\",\"engine\":\"unicorn\",\"state\":\"running\",\"core\":null,"
	"\"prio\":3,\"cpu_ns\":890000000,\"wait_ns\":600000100,\"waiting_ns\":8000000,"
	"\"slices\":89,\"runs\":1,\"memory_bytes\":4194304},"
	"{\"id\":\"cc\",\"name\":\"wild\",\"owner\":\"bob\",\"owner_uid\":1001,\"arch\":\"x86\","
	"\"engine\":\"unicorn\",\"state\":\"faulted\",\"core\":null,\"prio\":3,\"cpu_ns\":2000000,"
	"\"slices\":1,\"runs\":1,\"memory_bytes\":700},"
	"{\"id\":\"5e\",\"name\":\"server\",\"owner\":\"root\",\"owner_uid\":0,\"arch\":\"x64\","
	"\"engine\":\"kvm\",\"state\":\"running\",\"core\":3,\"exclusive\":true,\"prio\":7,"
	"\"cpu_ns\":999900000,\"wait_ns\":0,\"slices\":1,\"runs\":1,"
	"\"memory_bytes\":1073741824}]";

static void begin(bool utf8)
{
	json_t *users =
		parse("[{\"uid\":1001,\"quota\":{\"running_vms\":4,\"memory_bytes\":16777216,"
		      "\"exclusive_cores\":0},\"used\":{\"running_vms\":2,"
		      "\"memory_bytes\":4194304,\"exclusive_cores\":0}},"
		      "{\"uid\":0,\"quota\":{\"running_vms\":null,\"exclusive_cores\":1},"
		      "\"used\":{\"running_vms\":9,\"exclusive_cores\":1}}]");
	json_t *status =
		parse("{\"version\":\"1.2.3\",\"uptime_ns\":192000000000,\"backend\":\"cpuset\","
		      "\"is_rootless\":false,\"vms\":{\"defined\":9,\"running\":3,\"paused\":0,"
		      "\"faulted\":1},\"exclusive\":{\"cap\":1,\"used\":1}}");

	is_utf8 = utf8;
	now_ns = 100 * NS_PER_S;
	top_model_init(&m, SAMPLE_NS);
	top_view_init(&v);
	CHECK_INT(top_model_take_users(&m, users, NULL), 0);
	CHECK_INT(top_model_take_status(&m, status, NULL), 0);
	json_decref(users);
	json_decref(status);
}

static void end(void)
{
	top_view_done(&v);
	top_model_done(&m);
}

/* Twelve samples: six of aa, two of nobody, four of bb; aa and bb once a second. */
static void make_fleet(void)
{
	take_vms(vms_before);
	for (int i = 0; i < 12; i++) {
		if (i == 10) {
			take_vms(vms_after);
		}
		sample(i < 6 ? "aa" : i < 8 ? NULL : "bb", true);
	}
	CHECK_INT(top_view_arrange(&v, &m), 0);
}

static char picture[65536];

static const char *text_of(struct top_canvas *c)
{
	char line[TOP_CANVAS_COLS_MAX * MB_LEN_MAX + 1];
	size_t n = 0;

	for (uint32_t row = 0; row < c->rows; row++) {
		top_canvas_text(c, row, line, sizeof(line));
		n += (size_t)snprintf(picture + n, sizeof(picture) - n, "%s\n", line);
	}
	top_canvas_free(c);
	return picture;
}

static const char *screen(uint32_t rows, uint32_t cols)
{
	struct top_canvas *c = top_canvas_new(rows, cols, is_utf8);

	top_draw_screen(c, &m, &v);
	return text_of(c);
}

static void check_picture(const char *got, const char *want)
{
	if (strcmp(got, want) != 0) {
		printf("the picture is\n%s----\n", got);
		test_failures++;
	}
}

static void test_screen_80x24(void)
{
	begin(true);
	make_fleet();
	check_picture(
		screen(24, 80),
		"Pinfold 1.2.3  3 running, 1 faulted of 9  exclusive 1/1  cpuset  up 3m12s\n"
		"CORE ROLE    HOLDER         IDLE% OTHER% 100ms per column\n"
		"   0 control                         0.0 scheduler, life cycle\n"
		"   1 house                           0.0 devices, logs, chores\n"
		"   2 pool    A bb            16.6    1.0                            B━━━━━··A━━━\n"
		"   3 excl    C server         0.0    0.0                            C═══════════\n"
		"   NAME            STATE    CORE ▼CPU% WAIT%  SL/S    AGE   MEM ARCH    OWNER\n"
		"▶C server          running    =3   100   0.0   0.0      0  1.0G x64     root\n"
		" B crunch          running     2  60.0  39.0  60.0      0   12M arm64   ann\n"
		" A sieve           running     -  39.0  60.0  39.0    8ms  4.0M riscv64 bob\n"
		" D wild            faulted     -     -     -     -      0   700 x86     bob\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"\n"
		"? help  q quit  Enter details  p pause  k kill  n pin  / filter  f faults\n");
	end();
}

static void test_screen_120x12_ascii(void)
{
	begin(false);
	make_fleet();
	check_picture(
		screen(12, 120),
		"Pinfold 1.2.3  3 running, 1 faulted of 9  exclusive 1/1  cpuset  up 3m12s\n"
		"CORE ROLE    HOLDER               IDLE% OTHER% 100ms per column\n"
		"   0 control                               0.0 scheduler, life cycle\n"
		"   1 house                                 0.0 devices, logs, chores\n"
		"   2 pool    A bb                  16.6    1.0                                    "
		"                          B-----..A---\n"
		"   3 excl    C server               0.0    0.0                                    "
		"                          C===========\n"
		"   NAME                             STATE    CORE vCPU% WAIT%  SL/S    AGE   MEM "
		"ARCH    ENGINE  OWNER    QUOTA    PR\n"
		">C server                           running    =3   100   0.0   0.0      0  1.0G "
		"x64     kvm     root     ex 1/1    7\n"
		" B crunch                           running     2  60.0  39.0  60.0      0   12M "
		"arm64   unicorn ann      -         3\n"
		" A sieve                            running     -  39.0  60.0  39.0    8ms  4.0M "
		"riscv64 unicorn bob      vm 2/4    3\n"
		" D wild                             faulted     -     -     -     -      0   700 "
		"x86     unicorn bob      vm 2/4    3\n"
		"? help  q quit  Enter details  p pause  k kill  n pin  / filter  f faults\n");
	end();
}

static void test_screen_40x10(void)
{
	begin(true);
	make_fleet();
	check_picture(screen(10, 40), "Pinfold 1.2.3  3 running, 1 faulted of 9\n"
				      "CPU R HOLDER   3 of 4 cores, 100ms per …\n"
				      "  2 P A bb                  B━━━━━··A━━━\n"
				      "  3 X C server              C═══════════\n"
				      "  0 C          scheduler, life cycle\n"
				      "   NAME        STATE    CORE ▼CPU% WAIT%\n"
				      "▶C server      running    =3   100   0.0\n"
				      " B crunch      running     2  60.0  39.0\n"
				      " A sieve       running     -  39.0  60.0\n"
				      "? help  q quit  p pause  k kill\n");
	end();
}

static void test_batch(void)
{
	struct top_canvas *c;

	begin(false);
	make_fleet();
	c = top_canvas_new(top_draw_batch_rows(&m, &v), 100, false);
	top_draw_batch(c, &m, &v);
	check_picture(text_of(c),
		      "Pinfold 1.2.3  3 running, 1 faulted of 9  exclusive 1/1  cpuset  up 3m12s\n"
		      "CORE ROLE    HOLDER               IDLE% OTHER% 100ms per column\n"
		      "   0 control                               0.0 scheduler, life cycle\n"
		      "   1 house                                 0.0 devices, logs, chores\n"
		      "   2 pool    A bb                  16.6    1.0                              "
		      "            B-----..A---\n"
		      "   3 excl    C server               0.0    0.0                              "
		      "            C===========\n"
		      "   NAME            STATE    CORE vCPU% WAIT%  SL/S    AGE   MEM ARCH    "
		      "ENGINE  OWNER    QUOTA    PR\n"
		      " C server          running    =3   100   0.0   0.0      0  1.0G x64     kvm "
		      "    root     ex 1/1    7\n"
		      " B crunch          running     2  60.0  39.0  60.0      0   12M arm64   "
		      "unicorn ann      -         3\n"
		      " A sieve           running     -  39.0  60.0  39.0    8ms  4.0M riscv64 "
		      "unicorn bob      vm 2/4    3\n"
		      " D wild            faulted     -     -     -     -      0   700 x86     "
		      "unicorn bob      vm 2/4    3\n");
	end();
}

static void test_details_panel(void)
{
	json_t *vm = parse("{\"name\":\"wild\",\"id\":\"cc\",\"state\":\"faulted\",\"core\":null,"
			   "\"cpu_ns\":2000000,\"mem_bytes\":16777216,\"exclusive\":false,"
			   "\"fault\":{\"kind\":\"unmapped\",\"pc\":\"0x1000\"},"
			   "\"registers\":{\"eax\":\"0x1\",\"eip\":\"0x1000\"}}");

	begin(true);
	make_fleet();
	v.panel_kind = TOP_PANEL_VM;
	CHECK_INT(top_panel_vm(&v.panel, vm, NULL), 0);
	json_decref(vm);
	check_picture(screen(14, 60),
		      "Pinfold 1.2.3  3 running, 1 faulted of 9  exclusive 1/1  cp…\n"
		      " VM wild\n"
		      "  name                     wild\n"
		      "  id                       cc\n"
		      "  state                    faulted\n"
		      "  cpu                      2ms\n"
		      "  mem                      16M\n"
		      "  exclusive                no\n"
		      "  fault.kind               unmapped\n"
		      "  fault.pc                 0x1000\n"
		      "  registers.eax            0x1\n"
		      "  registers.eip            0x1000\n"
		      "\n"
		      "Esc back  up down PgUp PgDn scroll\n");
	end();
}

/* Lanes by decision: bb from 40 ms before the end, nobody for the last 10 ms. */
static void test_zoomed_lane(void)
{
	json_t *log = parse("[{\"seq\":1,\"time_ns\":5000000000,\"event\":\"woken\",\"core\":2,"
			    "\"vm\":\"crunch\",\"action\":\"grant\",\"reason\":\"idle-core\"},"
			    "{\"seq\":2,\"time_ns\":5080000000,\"event\":\"stopped\",\"core\":2,"
			    "\"vm\":7,\"action\":\"grant\",\"reason\":\"hand-off\"},"
			    "{\"seq\":3,\"time_ns\":5110000000,\"event\":\"tick\",\"core\":2,"
			    "\"vm\":null,\"action\":\"sample\",\"reason\":\"none\"},"
			    "{\"seq\":4,\"time_ns\":5120000000,\"event\":\"stopped\",\"core\":2,"
			    "\"vm\":null,\"action\":\"lock\",\"reason\":\"none\"}]");

	begin(false);
	make_fleet();
	v.is_zoomed = true;
	CHECK_INT(top_model_take_log(&m, log, NULL), 0);
	json_decref(log);
	check_picture(screen(8, 60),
		      "Pinfold 1.2.3  3 running, 1 faulted of 9  exclusive 1/1  cp~\n"
		      "CPU R HOLDER       IDLE% 2 of 4 cores, 10ms per column\n"
		      "  2 P A bb          16.6                       B-------A---.\n"
		      "  3 X C server       0.0 C==================================\n"
		      "   NAME       STATE    CORE vCPU% WAIT%  SL/S    AGE ARCH\n"
		      ">C server     running    =3   100   0.0   0.0      0 x64\n"
		      " B crunch     running     2  60.0  39.0  60.0      0 arm64\n"
		      "? help  q quit  p pause  k kill\n");
	end();
}

static void test_question_and_lost_daemon(void)
{
	begin(false);
	make_fleet();
	v.is_stale = true;
	top_view_key(&v, &m, 'k');
	check_picture(screen(6, 50), "Pinfold no answer from the daemon\n"
				     "CPU R HOLDER       IDLE% 1 of 4 cores, 100ms per ~\n"
				     "  2 P A bb          16.6              B-----..A---\n"
				     "   NAME           STATE    CORE vCPU% WAIT%    AGE\n"
				     ">C server         running    =3   100   0.0      0\n"
				     "kill server? y: yes, other keys: no\n");
	end();
}

static void test_empty(void)
{
	begin(false);
	check_picture(screen(8, 60),
		      "Pinfold 1.2.3  3 running, 1 faulted of 9  exclusive 1/1  cp~\n"
		      "   NAME       STATE    CORE vCPU% WAIT%  SL/S    AGE ARCH\n"
		      "   waiting for the first answer\n"
		      "\n"
		      "\n"
		      "\n"
		      "\n"
		      "? help  q quit  p pause  k kill\n");
	end();
}

/* Names are what people choose. Escape sequences, tabs, halves of characters, turned directions. */
static void test_hostile_names(void)
{
	begin(true);
	take_vms("[{\"id\":\"a1\",\"name\":\"\\u001b[2J\\u0007x\\ty\",\"state\":\"ru\\nnning\"},"
		 "{\"id\":\"a2\",\"name\":\"\\u202eevil\\u0301\"},"
		 "{\"id\":\"a3\",\"name\":"
		 "\"\\u4e2d\\u6587\\u4e2d\\u6587\\u4e2d\\u6587\\u4e2d\\u6587\"},"
		 "{\"id\":\"../../x\",\"name\":\"no row: its id would become a path\"},"
		 "{\"name\":\"no row: no id\"},17,null]");
	CHECK_INT(top_view_arrange(&v, &m), 0);
	check_picture(screen(6, 40), "Pinfold 1.2.3  3 running, 1 faulted of 9\n"
				     "   NAME        STATE    CORE ▼CPU% WAIT%\n"
				     "▶A ?[2J?x?y    ru?nning    -     -     -\n"
				     " B ?evil?                  -     -     -\n"
				     " C 中文中文中…             -     -     -\n"
				     "? help  q quit  p pause  k kill\n");
	end();
}

/* Every size, every panel: nothing is written outside (ASan's build looks), nothing crashes. */
static void test_every_size(void)
{
	begin(true);
	make_fleet();
	top_panel_help(&v.panel);
	for (uint32_t rows = 0; rows < 30; rows++) {
		for (uint32_t cols = 0; cols < 130; cols++) {
			v.panel_kind = (rows + cols) % 5 ? TOP_PANEL_NONE : TOP_PANEL_HELP;
			v.is_zoomed = cols % 3 == 0;
			v.prompt = cols % 7 == 0 ? TOP_PROMPT_KILL : TOP_PROMPT_NONE;
			CHECK(screen(rows, cols)[0] != '\0');
		}
	}
	end();
}

static const struct test_case cases[] = {
	{ "screen_80x24", test_screen_80x24 },
	{ "screen_120x12_ascii", test_screen_120x12_ascii },
	{ "screen_40x10", test_screen_40x10 },
	{ "batch", test_batch },
	{ "details_panel", test_details_panel },
	{ "zoomed_lane", test_zoomed_lane },
	{ "question_and_lost_daemon", test_question_and_lost_daemon },
	{ "empty", test_empty },
	{ "hostile_names", test_hostile_names },
	{ "every_size", test_every_size },
};

int main(void)
{
	if (!setlocale(LC_ALL, "C.UTF-8")) {
		printf("skip: there is no locale C.UTF-8\n");
		return 77;
	}
	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}
