/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words for made-up requests to the API: fields with values that are right for them, and strange values. */
#ifndef PINFOLD_TESTS_DAEMON_API_FUZZ_WORDS_H
#define PINFOLD_TESTS_DAEMON_API_FUZZ_WORDS_H

/* Fields that some operation knows, and values that are right for them. */
static const struct {
	const char *ops, *name;
	const char *good[4];
} fields[] = {
	{ "vm.create", "name", { "\"v0\"", "\"v1\"", "\"v2\"", "\"v3\"" } },
	{ "vm.create", "image", { "@", "@", "@", "@" } },
	{ "vm.create", "context", { "null", "null", "null", "@" } },
	{ "vm.create", "image_name", { "\"a\"", "\"/etc/passwd\"", "\"x.elf\"", "\"\"" } },
	{ "vm.create", "arch", { "\"riscv64\"", "\"x86\"", "null", "\"arm\"" } },
	{ "vm.create", "engine", { "\"auto\"", "\"unicorn\"", "\"kvm\"", "\"dbt\"" } },
	{ "vm.create", "board", { "\"bare\"", "\"pc\"", "\"virt\"", "\"bare\"" } },
	{ "vm.create", "kernel", { "@", "null", "null", "null" } },
	{ "vm.create", "initrd", { "@", "null", "null", "null" } },
	{ "vm.create", "cpus", { "1", "8", "null", "2" } },
	{ "vm.create",
	  "disks",
	  { "[]", "[{}]", "[{\"image\":1}]", "[{\"image\":\"\",\"read_only\":true}]" } },
	{ "vm.create",
	  "net",
	  { "\"user\"", "\"user,hostfwd=tcp::8080-:80\"", "\"user,hostfwd=udp:0.0.0.0:53-:53\"",
	    "\"\"" } },
	{ "vm.create", "mem_bytes", { "4096", "67108864", "\"0x100000\"", "1099511627776" } },
	{ "vm.create", "mode", { "\"16\"", "\"32\"", "\"64\"", "null" } },
	{ "vm.create", "endian", { "\"little\"", "\"big\"", "null", "null" } },
	{ "vm.create", "load", { "0", "\"0xffffffffffffffff\"", "4096", "null" } },
	{ "vm.create", "entry", { "0", "\"0xffffffffffffffff\"", "4096", "null" } },
	{ "vm.create", "args", { "\"a b c\"", "\"\"", "[\"a\"]", "[]" } },
	{ "vm.create", "set", { "{\"a0\":1}", "{\"x\":\"0x1\"}", "{}", "null" } },
	{ "vm.create vm.update", "limits", { "{\"cpu_ns\":1}", "{}", "{\"insns\":9}", "null" } },
	{ "vm.create vm.update", "slice_ns", { "500000", "100000000", "10000000", "null" } },
	{ "vm.create vm.update", "prio", { "0", "7", "3", "4" } },
	{ "vm.create", "exclusive", { "true", "false", "false", "null" } },
	{ "vm.create vm.pin", "core", { "0", "1", "2", "null" } },
	{ "vm.create", "kvm", { "true", "false", "true", "null" } },
	{ "vm.create", "owner", { "4201", "\"4202\"", "0", "\"root\"" } },
	{ "user.add", "user", { "\"4201\"", "\"4203\"", "\"root\"", "\"nobody\"" } },
	{ "user.add", "role", { "\"user\"", "\"admin\"", "\"user\"", "\"user\"" } },
	{ "user.add", "quota", { "{}", "{\"vcpus\":9}", "{\"memory_bytes\":null}", "null" } },
	{ "user.quota", "vcpus", { "64", "null", "9223372036854775807", "64" } },
	{ "user.quota", "running_vms", { "64", "null", "9223372036854775807", "64" } },
	{ "user.quota", "memory_bytes", { "999999999", "null", "9223372036854775807", "0" } },
	{ "user.quota", "slice_share_permille", { "1000", "1", "null", "1001" } },
	{ "user.quota", "definitions", { "64", "null", "9223372036854775807", "0" } },
	{ "user.ban", "reason", { "\"x\"", "\"a\\nb\\u001b[2J\"", "\"\"", "\"y\"" } },
	{ "core.exclusive-cap", "cores", { "0", "1", "null", "1024" } },
};

static const char *const strange[] = {
	"null",
	"true",
	"-1",
	"0",
	"1e999",
	"0.5",
	"9223372036854775807",
	"9223372036854775808",
	"18446744073709551616",
	"\"\"",
	"\"\\u0000\"",
	"\"\\ud800\"",
	"\"../../etc/shadow\"",
	"\"%s%n\"",
	"\"a\\nb\"",
	"\"0xffffffffffffffffff\"",
	"[]",
	"{}",
	"[[[[[[[[]]]]]]]]",
	"{\"a\":{\"a\":{\"a\":{}}}}",
	"\"0000000000000000000000000000000000000000000000000000000000000000\"",
	"nul",
	"\xff",
	"\"",
};

#endif
