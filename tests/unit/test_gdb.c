/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GDB protocol without sockets: framing, commands, stop replies, target description, places. */
#include <errno.h>

#include "cli/gdb_command.h"
#include "cli/gdb_listen.h"
#include "cli/gdb_packet.h"
#include "cli/gdb_stop.h"
#include "cli/gdb_xml.h"
#include "test.h"

static struct gdb_parser parser;
static struct gdb_command cmd;

/* Feed text until an event; checks that exactly @p taken bytes were needed. */
static enum gdb_event feed(const char *text, size_t taken)
{
	enum gdb_event event;

	CHECK_INT(gdb_parser_feed(&parser, (const uint8_t *)text, strlen(text), &event), taken);
	return event;
}

static void test_packet(void)
{
	CHECK_INT(feed("$m0,4#fdrest", 8), GDB_EVENT_PACKET);
	CHECK_INT(parser.len, 4);
	CHECK_STR((const char *)parser.payload, "m0,4");
	/* In two pieces, with noise in front. */
	CHECK_INT(feed("xy$OK#9", 7), GDB_EVENT_NONE);
	CHECK_INT(feed("a", 1), GDB_EVENT_PACKET);
	CHECK_STR((const char *)parser.payload, "OK");
	CHECK_INT(feed("$#00", 4), GDB_EVENT_PACKET);
	CHECK_INT(parser.len, 0);
}

static void test_marks(void)
{
	CHECK_INT(feed("+", 1), GDB_EVENT_ACK);
	CHECK_INT(feed("-", 1), GDB_EVENT_NAK);
	CHECK_INT(feed("\x03", 1), GDB_EVENT_INTERRUPT);
	/* Inside a packet they are bytes like any other. */
	CHECK_INT(feed("$+-\x03#5b", 7), GDB_EVENT_PACKET);
	CHECK_INT(parser.len, 3);
}

static void test_escape(void)
{
	/* } and 0x03 (0x23 ^ 0x20) stand for '#'. */
	CHECK_INT(feed("$a}\x03z#5b", 8), GDB_EVENT_PACKET);
	CHECK_STR((const char *)parser.payload, "a#z");
	CHECK_INT(feed("$a}#de", 6), GDB_EVENT_BROKEN);
}

static void test_broken(void)
{
	CHECK_INT(feed("$OK#9b", 6), GDB_EVENT_BROKEN);
	CHECK_INT(feed("$OK#9x", 6), GDB_EVENT_BROKEN);
	/* A packet that was given up for a new one. */
	CHECK_INT(feed("$garb$OK#9a", 11), GDB_EVENT_PACKET);
	CHECK_STR((const char *)parser.payload, "OK");
}

static void test_longest(void)
{
	static uint8_t payload[GDB_PACKET_MAX + 1];
	static uint8_t wire[GDB_PACKET_ENCODED(sizeof(payload))];
	enum gdb_event event;
	size_t n;

	memset(payload, 'x', sizeof(payload));
	n = gdb_packet_encode(wire, payload, GDB_PACKET_MAX);
	CHECK_INT(gdb_parser_feed(&parser, wire, n, &event), n);
	CHECK_INT(event, GDB_EVENT_PACKET);
	CHECK_INT(parser.len, GDB_PACKET_MAX);
	n = gdb_packet_encode(wire, payload, GDB_PACKET_MAX + 1);
	CHECK_INT(gdb_parser_feed(&parser, wire, n, &event), n);
	CHECK_INT(event, GDB_EVENT_BROKEN);
	CHECK_INT(feed("$OK#9a", 6), GDB_EVENT_PACKET);
}

static void test_encode(void)
{
	uint8_t wire[GDB_PACKET_ENCODED(4)];
	size_t n = gdb_packet_encode(wire, "OK", 2);

	CHECK_INT(n, 6);
	CHECK(memcmp(wire, "$OK#9a", 6) == 0);
	n = gdb_packet_encode(wire, "$#}*", 4);
	CHECK_INT(n, 12);
	CHECK(memcmp(wire, "$}\x04}\x03}]}\x0a#62", 12) == 0);
}

static enum gdb_command_kind parse(const char *text)
{
	gdb_command_parse((const uint8_t *)text, strlen(text), &cmd);
	return cmd.kind;
}

static void test_memory_commands(void)
{
	CHECK_INT(parse("m80100000,40"), GDB_CMD_READ_MEM);
	CHECK_INT(cmd.addr, 0x80100000);
	CHECK_INT(cmd.bytes, 0x40);
	CHECK_INT(parse("mffffffffffffffff,1"), GDB_CMD_READ_MEM);
	CHECK(cmd.addr == UINT64_MAX);
	CHECK_INT(parse("m10000000000000000,1"), GDB_CMD_BAD);
	CHECK_INT(parse("m0,4001"), GDB_CMD_BAD); /* over the packet size */
	CHECK_INT(parse("m0"), GDB_CMD_BAD);
	CHECK_INT(parse("m,1"), GDB_CMD_BAD);
	CHECK_INT(parse("m0,1x"), GDB_CMD_BAD);
	CHECK_INT(parse("M10,2:a55A"), GDB_CMD_WRITE_MEM);
	CHECK_INT(cmd.n_data, 2);
	CHECK(cmd.data[0] == 0xa5 && cmd.data[1] == 0x5a);
	CHECK_INT(parse("M10,3:a55A"), GDB_CMD_BAD);
	CHECK_INT(parse("M10,2:a55"), GDB_CMD_BAD);
	CHECK_INT(parse("M10,1:g0"), GDB_CMD_BAD);
	CHECK_INT(parse("X10,3:a:#"), GDB_CMD_WRITE_MEM);
	CHECK_INT(cmd.n_data, 3);
	CHECK(memcmp(cmd.data, "a:#", 3) == 0);
	CHECK_INT(parse("X10,4:a:#"), GDB_CMD_BAD);
	CHECK_INT(parse("X10,0:"), GDB_CMD_WRITE_MEM);
}

static void test_register_commands(void)
{
	CHECK_INT(parse("g"), GDB_CMD_READ_REGS);
	CHECK_INT(parse("gx"), GDB_CMD_BAD);
	CHECK_INT(parse("p1f"), GDB_CMD_READ_REG);
	CHECK_INT(cmd.reg, 0x1f);
	CHECK_INT(parse("p"), GDB_CMD_BAD);
	CHECK_INT(parse("p100000000"), GDB_CMD_BAD);
	CHECK_INT(parse("P3=78563412"), GDB_CMD_WRITE_REG);
	CHECK_INT(cmd.reg, 3);
	CHECK_INT(cmd.n_data, 4);
	CHECK_INT(cmd.data[3], 0x12);
	CHECK_INT(parse("P3:78"), GDB_CMD_BAD);
	CHECK_INT(parse("G0011"), GDB_CMD_WRITE_REGS);
	CHECK_INT(cmd.n_data, 2);
	CHECK_INT(parse("G001"), GDB_CMD_BAD);
}

static void test_run_commands(void)
{
	CHECK_INT(parse("c"), GDB_CMD_CONTINUE);
	CHECK_INT(parse("s"), GDB_CMD_STEP);
	CHECK_INT(parse("C05"), GDB_CMD_CONTINUE);
	CHECK_INT(parse("c1000"), GDB_CMD_BAD); /* at an address: not offered */
	CHECK_INT(parse("vCont?"), GDB_CMD_VCONT_QUERY);
	CHECK_INT(parse("vCont;c"), GDB_CMD_CONTINUE);
	CHECK_INT(parse("vCont;s:1;c"), GDB_CMD_STEP);
	CHECK_INT(parse("vCont;s:2;c:-1"), GDB_CMD_CONTINUE);
	CHECK_INT(parse("vCont;C05:1"), GDB_CMD_CONTINUE);
	CHECK_INT(parse("vCont;S0b"), GDB_CMD_STEP);
	CHECK_INT(parse("vCont;s:2"), GDB_CMD_BAD); /* nothing for the one thread */
	CHECK_INT(parse("vCont"), GDB_CMD_BAD);
	CHECK_INT(parse("vCont;t"), GDB_CMD_BAD);
	CHECK_INT(parse("vCont;c:"), GDB_CMD_BAD);
	CHECK_INT(parse("vCont;r1000,2000"), GDB_CMD_BAD);
	CHECK_INT(parse("D"), GDB_CMD_DETACH);
	CHECK_INT(parse("k"), GDB_CMD_KILL);
	CHECK_INT(parse("vKill;1"), GDB_CMD_KILL_REPLY);
}

static void test_point_commands(void)
{
	CHECK_INT(parse("Z0,40100000,4"), GDB_CMD_ADD_POINT);
	CHECK_INT(cmd.point, GDB_POINT_BREAK);
	CHECK_INT(cmd.addr, 0x40100000);
	CHECK_INT(parse("z2,1000,8"), GDB_CMD_REMOVE_POINT);
	CHECK_INT(cmd.point, GDB_POINT_WATCH_WRITE);
	CHECK_INT(cmd.bytes, 8);
	CHECK_INT(parse("Z5,0,1"), GDB_CMD_BAD);
	CHECK_INT(parse("Z0,0"), GDB_CMD_BAD);
	CHECK_INT(parse("Z0,0,1;X1,0"), GDB_CMD_BAD); /* a condition nobody offered */
}

static void test_queries(void)
{
	static const char version[] = "vMustReplyEmpty";
	char line[2 * GDB_MONITOR_MAX + 16] = "qRcmd,";

	CHECK_INT(parse(""), GDB_CMD_UNKNOWN);
	CHECK_INT(parse(version), GDB_CMD_UNKNOWN);
	CHECK_INT(parse("qSupported:multiprocess+;swbreak+;hwbreak+"), GDB_CMD_SUPPORTED);
	CHECK(cmd.has_swbreak && cmd.has_hwbreak);
	CHECK_INT(parse("qSupported:swbreak-"), GDB_CMD_SUPPORTED);
	CHECK(!cmd.has_swbreak && !cmd.has_hwbreak);
	CHECK_INT(parse("qC"), GDB_CMD_THREAD);
	CHECK_INT(parse("qCRC:0,4"), GDB_CMD_UNKNOWN);
	CHECK_INT(parse("qfThreadInfo"), GDB_CMD_THREADS_FIRST);
	CHECK_INT(parse("qAttached"), GDB_CMD_ATTACHED);
	CHECK_INT(parse("QStartNoAckMode"), GDB_CMD_NO_ACK);
	CHECK_INT(parse("qXfer:features:read:target.xml:1000,ffb"), GDB_CMD_READ_XML);
	CHECK_INT(cmd.addr, 0x1000);
	CHECK_INT(cmd.bytes, 0xffb);
	CHECK_INT(parse("qXfer:features:read:other.xml:0,ffb"), GDB_CMD_UNKNOWN);
	CHECK_INT(parse("qRcmd,696e666f"), GDB_CMD_MONITOR);
	CHECK_STR((const char *)cmd.data, "info");
	CHECK_INT(parse("qRcmd,696e0066"), GDB_CMD_BAD);
	CHECK_INT(parse("qRcmd,6"), GDB_CMD_BAD);
	memset(line + 6, '4', 2 * GDB_MONITOR_MAX);
	CHECK_INT(parse(line), GDB_CMD_MONITOR);
	memset(line + 6, '4', 2 * GDB_MONITOR_MAX + 2);
	CHECK_INT(parse(line), GDB_CMD_BAD);
}

/* The stop reply, or the one to a client that goes on, of a stop. */
static const char *stop_text(const struct proto_stopped *stop, enum gdb_point point, bool want_gone)
{
	static const struct gdb_stop_features features = { true, true };
	static char text[GDB_STOP_TEXT];

	CHECK_INT(gdb_stop_format(stop, point, false, &features, text), want_gone);
	return text;
}

static void test_stops(void)
{
	static const struct gdb_stop_features none = { 0 };
	struct proto_stopped stop = { .reason = PROTO_STOP_BREAKPOINT, .pc = 0x1000 };
	char text[GDB_STOP_TEXT];

	CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, false), "T05swbreak:;thread:1;");
	CHECK_STR(stop_text(&stop, GDB_POINT_HW_BREAK, false), "T05hwbreak:;thread:1;");
	CHECK(!gdb_stop_format(&stop, GDB_POINT_BREAK, false, &none, text));
	CHECK_STR(text, "T05thread:1;");
	stop = (struct proto_stopped){ .reason = PROTO_STOP_WATCHPOINT, .address = 0xabc123 };
	stop.point = PROTO_POINT_WATCH_WRITE;
	CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, false), "T05watch:abc123;thread:1;");
	stop.point = PROTO_POINT_WATCH_READ;
	CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, false), "T05rwatch:abc123;thread:1;");
	stop.point = PROTO_POINT_WATCH_ACCESS;
	CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, false), "T05awatch:abc123;thread:1;");
	stop.reason = PROTO_STOP_PAUSED;
	CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, false), "T05thread:1;");
	CHECK(!gdb_stop_format(&stop, GDB_POINT_BREAK, true, &none, text));
	CHECK_STR(text, "T02thread:1;");
	CHECK(!gdb_stop_is_end(&stop));
	stop = (struct proto_stopped){ .reason = PROTO_STOP_EXIT, .code = 0x12b };
	CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, true), "W2b");
	stop.reason = PROTO_STOP_HALT;
	CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, true), "W00");
	CHECK(gdb_stop_is_end(&stop));
	stop.reason = PROTO_STOP_LIMIT;
	CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, false), "T18thread:1;");
	stop.reason = PROTO_STOP_REQUESTED;
	CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, true), "X0f");
}

static void test_fault_signals(void)
{
	static const struct {
		const char *kind;
		const char *stop, *end;
	} t[] = {
		{ "illegal-instruction", "T04thread:1;", "X04" },
		{ "unmapped", "T0bthread:1;", "X0b" },
		{ "protection", "T0bthread:1;", "X0b" },
		{ "divide-error", "T08thread:1;", "X08" },
		{ "unaligned", "T0athread:1;", "X0a" },
		{ "triple-fault", "T06thread:1;", "X06" },
		{ "breakpoint", "T05thread:1;", "X05" },
		{ "syscall", "T0cthread:1;", "X0c" },
	};
	struct proto_stopped stop = { .reason = PROTO_STOP_FAULT };
	char text[GDB_STOP_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		snprintf(stop.fault.kind, sizeof(stop.fault.kind), "%s", t[i].kind);
		CHECK_STR(stop_text(&stop, GDB_POINT_BREAK, false), t[i].stop);
		gdb_stop_format_end(&stop, text);
		CHECK_STR(text, t[i].end);
	}
}

static void test_xml(void)
{
	static struct regs regs = {
		.n = 4,
		.reg = {
			{ .desc = { "pc", "", "core", "pc", "code_ptr", 8, 0 } },
			{ .desc = { "secret", "", "", "secret", "int64", 8, 0 } },
			{ .desc = { "flags", "", "other", "cpsr", "cpsr_flags", 4, 0 } },
			{ .desc = { "sp", "", "core", "sp", "strange", 4, 0 } },
		},
	};
	struct errmsg e = { 0 };
	char *xml = NULL;
	size_t len = 0;
	const char *core;

	CHECK_INT(gdb_xml_make("riscv:rv64", &regs, &xml, &len, &e), 0);
	if (!xml) {
		return;
	}
	CHECK_INT(strlen(xml), len);
	CHECK(strstr(xml, "<architecture>riscv:rv64</architecture>"));
	core = strstr(xml, "<feature name=\"core\">\n"
			   "<reg name=\"pc\" bitsize=\"64\" type=\"code_ptr\" regnum=\"0\"/>\n"
			   "<reg name=\"sp\" bitsize=\"32\" type=\"int\" regnum=\"2\"/>\n"
			   "</feature>\n<feature name=\"other\">\n<flags id=\"cpsr_flags\"");
	CHECK(core);
	CHECK(strstr(xml, "<reg name=\"cpsr\" bitsize=\"32\" type=\"cpsr_flags\" regnum=\"1\"/>"));
	CHECK(!strstr(xml, "secret"));
	free(xml);
	CHECK_INT(gdb_xml_make("a<b", &regs, &xml, &len, &e), -EPROTO);
	CHECK_INT(gdb_xml_make("", &regs, &xml, &len, &e), -EPROTO);
}

static void test_places(void)
{
	static const char *const refused[] = {
		"",
		"unix:",
		"12345678",
		"0.0.0.0:1234",
		"192.168.1.1:1",
		"example.org:1",
		"[::]:1234",
		"1234x",
		"localhost:",
		"128.0.0.1:80",
	};
	char where[128], target[128];
	struct gdb_place place;
	struct errmsg e;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		e.text[0] = '\0';
		CHECK_INT(gdb_place_parse(refused[i], &place, &e), -EINVAL);
		CHECK(e.text[0]);
	}
	CHECK_INT(gdb_place_parse("1234", &place, &e), 0);
	gdb_place_describe(&place, where, target);
	CHECK_STR(where, "127.0.0.1:1234");
	CHECK_STR(target, ":1234");
	CHECK_INT(gdb_place_parse("127.1.2.3:5", &place, &e), 0);
	gdb_place_describe(&place, where, target);
	CHECK_STR(target, "127.1.2.3:5");
	CHECK_INT(gdb_place_parse("[::1]:65535", &place, &e), 0);
	gdb_place_describe(&place, where, target);
	CHECK_STR(where, "[::1]:65535");
	CHECK_INT(gdb_place_parse("unix:/a b", &place, &e), 0);
	gdb_place_describe(&place, where, target);
	CHECK_STR(target, "/a b");
}

static const struct test_case cases[] = {
	{ "packet", test_packet },
	{ "acknowledgements and interrupt", test_marks },
	{ "escape", test_escape },
	{ "broken packets", test_broken },
	{ "longest packet", test_longest },
	{ "encode", test_encode },
	{ "memory commands", test_memory_commands },
	{ "register commands", test_register_commands },
	{ "run commands", test_run_commands },
	{ "point commands", test_point_commands },
	{ "queries", test_queries },
	{ "stop replies", test_stops },
	{ "signals of faults", test_fault_signals },
	{ "target description", test_xml },
	{ "places to listen", test_places },
};
TEST_MAIN(cases)
