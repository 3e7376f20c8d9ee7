/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the seeds that the fuzzers start from: make_seeds DIRECTORY. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cpu/a64/a64.h"
#include "cpu/arm/arm.h"
#include "cpu/riscv/riscv.h"
#include "cpu/x86/x86.h"
#include "elf_builder.h"
#include "guard_record.h"
#include "vm/context_file.h"

static const char *root;

/* Write one seed to ROOT/KIND/NAME. */
static void seed(const char *kind, const char *name, const void *bytes, size_t n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, kind);
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		perror(path);
		exit(1);
	}
	snprintf(path, sizeof(path), "%s/%s/%s", root, kind, name);
	f = fopen(path, "we");
	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void elf_seeds(void)
{
	static const struct {
		const char *name;
		bool is_64, is_be;
		uint16_t machine;
		uint32_t relative;
	} t[] = {
		{ "x86", false, false, EM_386, R_386_RELATIVE },
		{ "x64", true, false, EM_X86_64, R_X86_64_RELATIVE },
		{ "arm", false, false, EM_ARM, R_ARM_RELATIVE },
		{ "armbe", false, true, EM_ARM, R_ARM_RELATIVE },
		{ "arm64", true, false, EM_AARCH64, R_AARCH64_RELATIVE },
		{ "riscv64", true, false, EM_RISCV, R_RISCV_RELATIVE },
	};
	struct elf_file f;
	char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		elf_start(&f, t[i].is_64, t[i].is_be, t[i].machine, 3);
		elf_load(&f, 0, 0, 0, 0, f.n, f.n + 64);
		elf_load(&f, 1, 0x10000, 0x20000, 0x200, 0x100, 0x1000);
		ELF_EHDR(&f, e_entry, 0x10001);
		ELF_EHDR(&f, e_flags, t[i].is_be ? 0x05800000 : 0);
		elf_host_symbols(&f, 0x10000, 0x10008);
		seed("elf", t[i].name, f.bytes, f.n);
		elf_relocate(&f, 2, t[i].is_64, t[i].relative, 0x1234);
		snprintf(name, sizeof(name), "%s-pie", t[i].name);
		seed("elf", name, f.bytes, f.n);
		elf_put(&f, 0x340, t[i].is_64 ? 8 : 4, 0x1234);
		snprintf(name, sizeof(name), "%s-pie-done", t[i].name);
		seed("elf", name, f.bytes, f.n);
	}
}

static void text_seeds(const char *kind, const char *const *texts, size_t n)
{
	char name[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		seed(kind, name, texts[i], strlen(texts[i]));
	}
}

static void device_seed(void)
{
	/* Two bytes say what, then address and value: each kind of step once. */
	static const uint8_t steps[] = {
		0, 8,	  0xf8, 3,    'A',  0,	  0,	0, 0, 0,    0, 0,	/* write THR */
		0, 0,	  0xfd, 3,    0,    0,	  0,	0, 0, 0,    0, 0,	/* read LSR */
		2, 8,	  0x04, 0x10, 0,    0x1a, 0,	0, 0, 0,    0, 0,    0, /* loopback */
		2, 8 + 3, 0x00, 0x30, 0,    'B',  0,	0, 0, 0,    0, 0,    0, /* PL011 DR */
		2, 7,	  0xf8, 0xbf, 1,    0,	  0,	0, 0, 0,    0, 0,    0, /* mtime */
		2, 8 + 3, 0x00, 0x40, 0,    0x55, 0x55, 0, 0, 0,    0, 0,    0, /* finisher */
		4, 20,								/* input and time */
		5, 0,	  0,	0,    0x41, 0,	  0,	0, 0, 0,    1, 1,	/* HTIF putc */
		6, 0,	  6,	3,    6,    6,	  7,	0, 1, 0x0f, 2, 0xc9, 11, 3, /* states */
	};

	seed("devices", "steps", steps, sizeof(steps));
}

/* One request for each kind of device: the kind, bytes of RAM, then descriptors. */
static void virtio_seeds(void)
{
	static const uint8_t read_sector[] = {
		0,				  /* disk */
		1, 15, 0,    8,	   0, 0, 0, 0,	   /* header at 0x0800 */
		0, 0,  0,    0,	   1, 0, 0, 0, 0, 0, 0, 0,
		2, 0,  0,    8,	   16, 0, 1, 1,   /* header, data, status */
		2, 2,  0,    16,   0,  2, 3, 2,
		2, 4,  0,    9,	   1,  0, 2, 0,
		2, 0x30, 0,  8,	   16, 0, 1, 1,   /* offered and notified */
		4, 0,  8,    0,
	};
	static const uint8_t send_and_receive[] = {
		0x21,				  /* card with an echo */
		2, 0x10, 0,  16,   0, 4, 2, 0,	  /* receive buffers */
		2, 0x12, 0,  24,   0, 4, 2, 0,
		2, 0x31, 0,  8,	   72, 0, 0, 0,	  /* a frame */
		5, 6,
	};
	static const uint8_t type_and_print[] = {
		2,				  /* console */
		2, 0x10, 0,  16,   0, 1, 2, 0,
		4, 9,
		2, 0x31, 0,  8,	   40, 0, 0, 0,
		8, 0,  4,    1,
	};
	static const uint8_t entropy[] = {
		3,
		2, 0x00, 0,  32,   16, 0, 4, 0,	  /* an indirect table at 0x2000 */
		1, 15, 0,    32,   0, 16, 0, 0x80, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0,
		2, 0x30, 0,  32,   16, 0, 4, 0,
		0, 6,  0x70, 0,	   0, 0, 0, 0, 0, 0, 0, 0,
		7, 0,
	};

	seed("virtio", "read", read_sector, sizeof(read_sector));
	seed("virtio", "echo", send_and_receive, sizeof(send_and_receive));
	seed("virtio", "console", type_and_print, sizeof(type_and_print));
	seed("virtio", "entropy", entropy, sizeof(entropy));
}

static void semihost_seeds(void)
{
	static const uint8_t open_write[] = {
		0, 0x00, 0x01, ':',  't',  't', 0, 0,	 0,    0, 0, /* name at 0x1100 */
		0, 0x00, 0x00, 0x00, 0x11, 0,	0, 4,	 0,    0, 0, /* its address and mode */
		0, 0x08, 0x00, 3,    0,	   0,	0, 0,	 0,    0, 0, /* its length */
		3, 0x00, 0x01, 0x00, 0x10,			     /* OPEN */
		0, 0x00, 0x00, 1,    0,	   0,	0, 0x00, 0x11, 0, 0, /* handle, text */
		3, 0x00, 0x05, 0x00, 0x10,			     /* WRITE */
		3, 0x00, 0x04, 0x00, 0x11,			     /* WRITE0 */
		3, 0xf0, 0x07, 0x00, 0x00,			     /* READC */
		7, 13,	 2, /* state: a handle changes kind */
	};
	uint8_t every[64 * 5];

	for (unsigned int op = 0; op < 64; op++) {
		const uint8_t step[5] = { 3, (uint8_t)(op & 3), (uint8_t)op, 0x00, 0x10 };

		memcpy(every + op * 5, step, sizeof(step));
	}
	seed("semihost", "open-write", open_write, sizeof(open_write));
	seed("semihost", "every", every, sizeof(every));
}

/* Head, zeroed state, devices, one region, one page, tail. The fuzzer mends the checksum. */
static void context_seed(const char *name, uint32_t version, enum cpu_arch_id arch,
			 size_t state_bytes)
{
	static uint8_t file[8 * PAGE_BYTES];
	struct context_head head = {
		.magic = CONTEXT_MAGIC,
		.version = version,
		.arch = arch,
		.n_regions = 1,
		.ram_bytes = PAGE_BYTES,
		.state_bytes = state_bytes,
		.device_bytes = 8,
		.board = "bare",
	};
	struct context_region region = { 0, PAGE_BYTES, MEM_RWX };
	struct context_tail tail = { .n_pages = 1 };
	size_t at = sizeof(head) + state_bytes + 8;

	memset(file, 0, sizeof(file));
	memcpy(file, &head, sizeof(head));
	memcpy(file + at, &region, sizeof(region));
	at += sizeof(region);
	if (version > 1) { /* pages first, at a multiple of their size, then where they belong */
		at = (at + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
		at += PAGE_BYTES + sizeof(uint64_t);
	} else {
		at += sizeof(struct context_page_v1);
	}
	memcpy(file + at, &tail, sizeof(tail));
	seed("context", name, file, at + sizeof(tail));
}

/* A context per architecture, and what older versions wrote. */
static void context_seeds(void)
{
	context_seed("x86", CONTEXT_VERSION, CPU_ARCH_X86, sizeof(struct x86_state));
	context_seed("x64", CONTEXT_VERSION, CPU_ARCH_X64, sizeof(struct x86_state));
	context_seed("arm", CONTEXT_VERSION, CPU_ARCH_ARM, sizeof(struct arm_state));
	context_seed("arm64", CONTEXT_VERSION, CPU_ARCH_A64, sizeof(struct a64_state));
	context_seed("riscv64", CONTEXT_VERSION, CPU_ARCH_RV64, sizeof(struct rv_state));
	context_seed("version1", 1, CPU_ARCH_RV64, offsetof(struct rv_state, mcountinhibit));
	context_seed("version2", 2, CPU_ARCH_RV64, offsetof(struct rv_state, mcountinhibit));
}

/* Records of the guard's log behind the bytes that choose. */
static void guard_seeds(void)
{
	static uint8_t input[2 + 6 * sizeof(struct pinfold_guard_record)];
	struct pinfold_guard_record r[6];
	uint8_t prev[32];

	guard_record_begin(1, prev);
	guard_record_chain(r, ARRAY_SIZE(r), 1, prev);
	input[0] = 1;
	input[1] = 3;
	memcpy(input + 2, r, sizeof(r));
	seed("guard_log", "repaired", input, sizeof(input));
	input[0] = 2;
	seed("guard_log", "as-is", input, sizeof(input));
}

/* Any bytes are a dialogue: these reach into it from the start. */
static void guard_dialogue_seeds(void)
{
	uint8_t bytes[1024];
	uint32_t state = 1;
	char name[32];

	for (unsigned int i = 0; i < 8; i++) {
		for (size_t at = 0; at < sizeof(bytes); at++) {
			state = state * 1103515245u + 12345u;
			bytes[at] = (uint8_t)(state >> 24);
		}
		snprintf(name, sizeof(name), "any%u", i);
		seed("guard", name, bytes, sizeof(bytes));
	}
}

int main(int argc, char **argv)
{
	static const char *const hex[] = {
		":10010000214601360121470136007EFE09D2190140\r\n:00000001FF\r\n",
		":0200000480007A\n:02001000AABB89\n:040000058000001067\n:00000001FF\n",
		":020000021234B6\n:0100100001EE\n:0100000002FD\n:0400000312340005AE\n:00000001FF",
		":0100000001FE\n\n:0100020002FB\n:00000001FF\n",
	};
	static const char *const values[] = {
		"0",	    "123",  "0x7b", "16M", "0x10K",
		"4GiB",	    "10ms", "1.5s", "2m",  "18446744073709551615",
		"0.000001h"
	};
	static const char *const packets[] = {
		"0qSupported:swbreak+;hwbreak+\nQStartNoAckMode\n?\ng\np0\nP0=00000001\nD",
		"1m1000,10\nM1000,2:abcd\nX1000,2:ab\nm1ffe,4\nG00112233",
		"2Z0,1000,4\nZ2,1000,4\nc\ns\nz0,1000,4\nvCont;c\nvCont;s:1;c\nk",
		"3qRcmd,696e666f\nqRcmd,72656773\nqXfer:features:read:target.xml:0,fff\nvKill;1",
		"\x80$g#67\x03+$?#3f-",
	};

	if (argc != 2) {
		fprintf(stderr, "usage: make_seeds DIRECTORY\n");
		return 1;
	}
	root = argv[1];
	if (mkdir(root, 0755) < 0 && errno != EEXIST) {
		perror(root);
		return 1;
	}
	elf_seeds();
	context_seeds();
	guard_seeds();
	guard_dialogue_seeds();
	text_seeds("hex", hex, ARRAY_SIZE(hex));
	text_seeds("parse", values, ARRAY_SIZE(values));
	text_seeds("gdb", packets, ARRAY_SIZE(packets));
	device_seed();
	virtio_seeds();
	semihost_seeds();
	return 0;
}
