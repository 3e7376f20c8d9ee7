/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VmSpec: what is read is written the same, and nothing else is read. */
#include <errno.h>

#include "daemon/vms/spec.h"
#include "sched/sched.h"
#include "unit/test.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* A refusal: fields beside an image, and the word that the sentence must begin with. */
struct refusal {
	const char *json, *begins;
};

static int read_spec(const char *text, struct vm_spec *ret, struct errmsg *e)
{
	json_error_t err;
	json_t *o = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &err);
	int r;

	if (!o) {
		printf("%s: %s\n", text, err.text);
		test_failures++;
		return -EILSEQ;
	}
	r = spec_from_json(o, ret, e);
	json_decref(o);
	return r;
}

static void everything(void)
{
	static const char text[] =
		"{\"name\":\"My.vm_1-x\",\"image\":\"" HASH "\",\"context\":\"" HASH "\","
		"\"image_name\":\"a "
		"b/c.elf\",\"arch\":\"aarch64\",\"engine\":\"unicorn\",\"board\":\"bare\","
		"\"mem_bytes\":1048576,\"mode\":\"64\",\"endian\":\"big\",\"thumb\":true,"
		"\"load\":\"0xffffffffffffffff\",\"entry\":0,\"image_read_only\":true,\"count_"
		"insns\":true,"
		"\"args\":\"one two \\u00fc\",\"set\":{\"x0\":5,\"x1\":\"0xfedcba9876543210\"},"
		"\"limits\":{\"cpu_ns\":1,\"insns\":2,\"wall_ns\":3},\"slice_ns\":500000,\"prio\":"
		"7,"
		"\"exclusive\":true,\"core\":3,\"kvm\":false,\"owner\":\"somebody\"}";
	struct vm_spec a, b;
	struct errmsg e = { 0 };
	json_t *o;

	CHECK_INT(read_spec(text, &a, &e), 0);
	CHECK_STR(e.text, "");
	CHECK_STR(a.name, "My.vm_1-x");
	CHECK_STR(a.image, HASH);
	CHECK_STR(a.context, HASH);
	CHECK_STR(a.config.image_name, "a b/c.elf");
	CHECK_INT(a.config.arch, PROTO_ARCH_A64);
	CHECK_INT(a.config.flags, PROTO_CFG_BIG_ENDIAN | PROTO_CFG_THUMB | PROTO_CFG_HAS_LOAD |
					  PROTO_CFG_HAS_ENTRY | PROTO_CFG_IMAGE_RO |
					  PROTO_CFG_COUNT_INSNS);
	CHECK(a.config.load_gpa == UINT64_MAX && a.config.entry_gva == 0);
	CHECK_INT(a.config.args_bytes, strlen(a.config.args));
	CHECK_INT(a.config.n_sets, 2);
	CHECK_STR(a.config.sets[1].reg, "x1");
	CHECK(a.config.sets[1].value == 0xfedcba9876543210);
	CHECK(a.config.limits.cpu_ns == 1 && a.config.limits.insns == 2 &&
	      a.config.limits.wall_ns == 3 && a.config.limits.mem_bytes == 1 << 20);
	CHECK(a.prio == 7 && a.is_exclusive && a.host_core == 3 && !a.is_kvm_allowed);
	o = spec_to_json(&a);
	CHECK_INT(spec_from_json(o, &b, &e), 0);
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	json_decref(o);
}

/* What boards for operating systems have. */
static void machine(void)
{
	static const char text[] =
		"{\"kernel\":\"" HASH "\",\"initrd\":\"" HASH "\",\"board\":\"virt\",\"cpus\":8,"
		"\"disks\":[{\"image\":\"" HASH "\"},{\"image\":\"" HASH
		"\",\"read_only\":true,\"name\":\"r\",\"bytes\":4096}],"
		"\"net\":\"user,hostfwd=tcp::8022-:22\",\"args\":\"console=ttyS0\"}";
	struct vm_spec a, b;
	struct errmsg e = { 0 };
	json_t *o;

	CHECK_INT(read_spec(text, &a, &e), 0);
	CHECK_STR(e.text, "");
	CHECK_STR(a.kernel, HASH);
	CHECK_STR(a.initrd, HASH);
	CHECK_STR(a.image, "");
	CHECK_INT(a.config.n_cpus, 8);
	CHECK_INT(a.n_disks, 2);
	CHECK_INT(a.config.disks_ro, 2);
	CHECK_STR(a.disks[1].name, "r");
	CHECK_INT(a.disks[1].bytes, 4096);
	CHECK_STR(a.net, "user,hostfwd=tcp::8022-:22");
	CHECK_INT(a.config.limits.mem_bytes, 128 << 20);
	o = spec_to_json(&a);
	CHECK_INT(spec_from_json(o, &b, &e), 0);
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	json_decref(o);
	CHECK_INT(read_spec("{\"kernel\":\"" HASH
			    "\",\"board\":\"virt\",\"disks\":[{\"image\":\"" HASH
			    "\",\"snapshot\":true},{\"image\":\"" HASH "\",\"room_bytes\":4096}]}",
			    &a, &e),
		  0);
	CHECK(a.disks[0].is_snapshot && !a.disks[1].is_snapshot);
	CHECK_INT(a.disks[1].room_bytes, 4096);
	o = spec_to_json(&a);
	CHECK_INT(spec_from_json(o, &b, &e), 0);
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	json_decref(o);
	/* One of bare looks as before, so that its digest stays the same. */
	CHECK_INT(read_spec("{\"image\":\"" HASH "\"}", &a, &e), 0);
	o = spec_to_json(&a);
	CHECK(!json_object_get(o, "cpus") && !json_object_get(o, "disks") &&
	      !json_object_get(o, "net") && !json_object_get(o, "kernel"));
	json_decref(o);
}

static void defaults(void)
{
	struct vm_spec a, b, d;
	struct errmsg e = { 0 };
	json_t *o;

	CHECK_INT(read_spec("{\"image\":\"" HASH "\",\"core\":null,\"name\":null}", &a, &e), 0);
	spec_defaults(&d);
	memcpy(d.image, HASH, sizeof(HASH));
	CHECK(memcmp(&a, &d, sizeof(a)) == 0);
	CHECK_STR(a.config.engine, "auto");
	CHECK_STR(a.config.board, "bare");
	CHECK_INT(a.config.slice_ns, SCHED_SLICE_NS);
	CHECK(a.is_kvm_allowed && a.prio == SCHED_PRIO_DEFAULT && a.host_core == SPEC_CORE_ANY);
	o = spec_to_json(&a);
	CHECK_INT(spec_from_json(o, &b, &e), 0);
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	json_decref(o);
	CHECK_INT(read_spec("{\"context\":\"" HASH "\",\"mode\":\"16\",\"arch\":\"x86\"}", &a, &e),
		  0);
	o = spec_to_json(&a);
	CHECK_STR(json_string_value(json_object_get(o, "mode")), "16");
	json_decref(o);
}

/* Every field with a wrong type, a value out of range, or a form that is not its own. */
static const struct refusal refusals[] = {
	{ "\"nme\":\"x\"", "there is no field nme" },
	{ "\"name\":5", "name " },
	{ "\"name\":\"\"", "name " },
	{ "\"name\":\".x\"", "name " },
	{ "\"name\":\"-x\"", "name " },
	{ "\"name\":\"a/b\"", "name " },
	{ "\"name\":\"a b\"", "name " },
	{ "\"name\":\"a\\u0000b\"", "name " },
	{ "\"name\":\"\\u00fc\"", "name " },
	{ "\"name\":\"0123456789abcdef\"", "name " },
	{ "\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
	  "name " },
	{ "\"context\":7", "context " },
	{ "\"context\":\"abc\"", "context " },
	{ "\"context\":\"../../../../../../../../../../../../../../../../etc/passwd......\"",
	  "context " },
	{ "\"image_name\":[]", "image_name " },
	{ "\"image_name\":\"a\\nb\"", "image_name " },
	{ "\"arch\":\"vax\"", "arch " },
	{ "\"arch\":1", "arch " },
	{ "\"kernel\":1", "kernel " },
	{ "\"kernel\":\"abc\"", "kernel " },
	{ "\"kernel\":\"" HASH "\"", "kernel can't be had on board bare" },
	{ "\"initrd\":\"" HASH "\",\"board\":\"virt\"", "initrd needs kernel" },
	{ "\"initrd\":[]", "initrd " },
	{ "\"cpus\":0", "cpus " },
	{ "\"cpus\":9", "cpus " },
	{ "\"cpus\":2", "cpus can't be had on board bare" },
	{ "\"disks\":{}", "disks " },
	{ "\"disks\":[1]", "disks 0 must be an object" },
	{ "\"disks\":[{\"image\":\"" HASH "\"},{}]", "disks 1 needs image" },
	{ "\"disks\":[{\"image\":\"../etc/passwd\"}]", "disks 0 image " },
	{ "\"disks\":[{\"image\":\"" HASH "\",\"read_only\":1}]", "disks 0 read_only " },
	{ "\"disks\":[{\"image\":\"" HASH "\",\"bytes\":-1}]", "disks 0 bytes " },
	{ "\"disks\":[{\"image\":\"" HASH "\",\"bytes\":1073741825}]", "disks 0 bytes " },
	{ "\"disks\":[{\"file\":\"x\"}]", "disks 0 file is no field" },
	{ "\"disks\":[{\"image\":\"" HASH "\"}]", "disks can't be had on board bare" },
	{ "\"net\":5", "net " },
	{ "\"net\":\"tap\"", "net can't be had: " },
	{ "\"net\":\"user,hostfwd=tcp:8.8.8.8.8:1-:1\"", "net can't be had: hostfwd" },
	{ "\"net\":\"user\"", "net can't be had on board bare" },
	{ "\"engine\":\"\"", "engine " },
	{ "\"engine\":\"Unicorn!\"", "engine " },
	{ "\"engine\":\"aaaaaaaaaaaaaaaa\"", "engine " },
	{ "\"board\":{}", "board " },
	{ "\"mem_bytes\":0", "mem_bytes " },
	{ "\"mem_bytes\":-1", "mem_bytes " },
	{ "\"mem_bytes\":1.5", "mem_bytes " },
	{ "\"mem_bytes\":4611686018427387904", "mem_bytes " },
	{ "\"mem_bytes\":\"64M\"", "mem_bytes " },
	{ "\"mode\":16", "mode " },
	{ "\"mode\":\"8\"", "mode " },
	{ "\"mode\":\"16\",\"arch\":\"arm\"", "mode 16 " },
	{ "\"mode\":\"64\",\"arch\":\"x86\"", "mode 64 " },
	{ "\"mode\":\"32\",\"arch\":\"riscv64\"", "mode 32 " },
	{ "\"endian\":\"middle\"", "endian " },
	{ "\"thumb\":1", "thumb " },
	{ "\"load\":\"0x10000000000000000\"", "load " },
	{ "\"load\":\"12x\"", "load " },
	{ "\"entry\":true", "entry " },
	{ "\"entry\":\"\"", "entry " },
	{ "\"image_read_only\":\"yes\"", "image_read_only " },
	{ "\"count_insns\":0", "count_insns " },
	{ "\"args\":[\"a\"]", "args " },
	{ "\"args\":\"a\\u0000\"", "args " },
	{ "\"set\":[]", "set " },
	{ "\"set\":{\"\":1}", "set " },
	{ "\"set\":{\"r 0\":1}", "set " },
	{ "\"set\":{\"abcdefghijklmnop\":1}", "set " },
	{ "\"set\":{\"r0\":-1}", "set r0 " },
	{ "\"set\":{\"r0\":null}", "set r0 " },
	{ "\"limits\":5", "limits " },
	{ "\"limits\":{\"cpu\":5}", "limits " },
	{ "\"limits\":{\"cpu_ns\":-5}", "limits cpu_ns " },
	{ "\"limits\":{\"insns\":\"x\"}", "limits insns " },
	{ "\"limits\":{\"mem_bytes\":5}", "limits " },
	{ "\"slice_ns\":499999", "slice_ns " },
	{ "\"slice_ns\":100000001", "slice_ns " },
	{ "\"prio\":8", "prio " },
	{ "\"prio\":\"high\"", "prio " },
	{ "\"exclusive\":\"true\"", "exclusive " },
	{ "\"core\":65535,\"exclusive\":true", "core " },
	{ "\"core\":3", "core " },
	{ "\"core\":\"any\",\"exclusive\":true", "core " },
	{ "\"kvm\":null,\"kvm2\":1", "there is no field kvm2" },
	{ "\"kvm\":1", "kvm " },
	{ "\"owner\":[]", "owner " },
};

static void strictness(void)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct vm_spec s, before;
		struct errmsg e = { 0 };
		char text[4096];
		int r;

		memset(&s, 0x5a, sizeof(s));
		before = s;
		snprintf(text, sizeof(text), "{\"image\":\"" HASH "\",%s}", refusals[i].json);
		r = read_spec(text, &s, &e);
		if (r != -EINVAL ||
		    strncmp(e.text, refusals[i].begins, strlen(refusals[i].begins)) != 0) {
			printf("%s: %d, \"%s\"\n", refusals[i].json, r, e.text);
			test_failures++;
		}
		CHECK(memcmp(&s, &before, sizeof(s)) == 0);
	}
}

static void shapes(void)
{
	struct vm_spec s;
	struct errmsg e = { 0 };

	CHECK_INT(read_spec("[]", &s, &e), -EINVAL);
	CHECK_INT(read_spec("\"x\"", &s, &e), -EINVAL);
	CHECK_INT(spec_from_json(NULL, &s, &e), -EINVAL);
	CHECK_INT(read_spec("{}", &s, &e), -EINVAL);
	CHECK(strstr(e.text, "image, kernel or context") != NULL);
	CHECK_INT(read_spec("{\"image\":\"" HASH "\"}", &s, NULL), 0);
}

/* As many registers as fit, and one more; the longest arguments, and one byte more. */
static void bounds(void)
{
	struct vm_spec s;
	struct errmsg e = { 0 };
	json_t *o = json_pack("{s:s}", "image", HASH);
	json_t *set = json_object();
	char args[PROTO_ARGS_MAX + 1];
	char reg[16];

	for (int i = 0; i < PROTO_SETS_MAX; i++) {
		snprintf(reg, sizeof(reg), "r%d", i);
		json_object_set_new(set, reg, json_integer(i));
	}
	json_object_set_new(o, "set", set);
	CHECK_INT(spec_from_json(o, &s, &e), 0);
	CHECK_INT(s.config.n_sets, PROTO_SETS_MAX);
	json_object_set_new(set, "more", json_integer(0));
	CHECK_INT(spec_from_json(o, &s, &e), -EINVAL);
	json_object_del(o, "set");
	memset(args, 'a', sizeof(args));
	args[PROTO_ARGS_MAX - 1] = '\0';
	json_object_set_new(o, "args", json_string(args));
	CHECK_INT(spec_from_json(o, &s, &e), 0);
	CHECK_INT(s.config.args_bytes, PROTO_ARGS_MAX - 1);
	args[PROTO_ARGS_MAX - 1] = 'a';
	args[PROTO_ARGS_MAX] = '\0';
	json_object_set_new(o, "args", json_string(args));
	CHECK_INT(spec_from_json(o, &s, &e), -EINVAL);
	json_decref(o);
}

static const struct test_case cases[] = {
	{ "every field there and back", everything },
	{ "kernel, disks, network and CPUs are read and written", machine },
	{ "what says nothing is the default", defaults },
	{ "wrong types, ranges and names are refused by name", strictness },
	{ "what is no description at all", shapes },
	{ "the most that fits", bounds },
};

TEST_MAIN(cases)
