/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usertests [NAME]: what the kernel promises, tried from outside. Each test runs in a process of its own, and must leave no
 * memory behind. The last line is the tally; the status is 0 if all is well.
 */
#include "user.h"

#define KERNEL 0xffffffc080200000UL
#define PAGE   4096UL

#define CHECK(what)                                                      \
	do {                                                             \
		if (!(what)) {                                           \
			print("line %d: not so: %s\n", __LINE__, #what); \
			exit(1);                                         \
		}                                                        \
	} while (0)

/* A number that the compiler can't see through. */
static uint64_t opaque(uint64_t n)
{
	__asm__ volatile("" : "+r"(n));
	return n;
}

static volatile uint8_t *at(uint64_t va)
{
	return (volatile uint8_t *)opaque(va);
}

/* The status that a process ends with that does this; 99 if it comes through. */
static int status_of(void (*deed)(uint64_t n), uint64_t n)
{
	int status;
	int pid = fork();

	if (pid == 0) {
		deed(n);
		exit(99);
	}
	CHECK(pid > 0 && wait(&status) == pid);
	return status;
}

/* ---- processes ---- */

static void leave_with(uint64_t n)
{
	exit((int)n);
}

static void test_exit(void)
{
	CHECK(status_of(leave_with, 0) == 0);
	CHECK(status_of(leave_with, 255) == 255);
	CHECK(status_of(leave_with, 256 + 3) == 3);
	CHECK(wait(NULL) == -E_CHILD);
}

static void test_many_children(void)
{
	uint64_t seen = 0;
	int status;

	for (int i = 0; i < 20; i++) {
		if (fork() == 0) {
			exit(i);
		}
	}
	for (int i = 0; i < 20; i++) {
		CHECK(wait(&status) > 0);
		seen |= 1UL << status;
	}
	CHECK(seen == (1UL << 20) - 1);
}

/* Its child outlives it; init has to bury that. */
static void test_orphan(void)
{
	int fds[2];
	char c;

	CHECK(pipe(fds) == 0);
	if (fork() == 0) {
		if (fork() == 0) {
			sleep(30);
			write(fds[1], "x", 1);
			exit(0);
		}
		exit(0);
	}
	CHECK(wait(NULL) > 0);
	close(fds[1]);
	CHECK(read(fds[0], &c, 1) == 1);
	CHECK(read(fds[0], &c, 1) == 0);
	CHECK(wait(NULL) == -E_CHILD);
	sleep(30);
}

static void spin(uint64_t n)
{
	(void)n;
	for (;;) {
	}
}

static void wait_for_nothing(uint64_t n)
{
	int fds[2];

	pipe(fds);
	read(fds[0], &n, 1);
}

static void test_kill(void)
{
	static void (*const deeds[])(uint64_t n) = { spin, wait_for_nothing };
	int status;

	for (int i = 0; i < 4; i++) {
		int pid = fork();

		if (pid == 0) {
			deeds[i % 2](0);
			exit(1);
		}
		sleep(i < 2 ? 20 : 0);
		CHECK(kill(pid) == 0);
		CHECK(wait(&status) == pid && status == STATUS_KILLED);
		CHECK(kill(pid) == -E_SRCH);
	}
	CHECK(kill(1) == -E_SRCH); /* init */
}

/* Some never stop by themselves, more than there are harts; others get their turn all the same. */
static void test_preemption(void)
{
	int pids[8];

	for (int i = 0; i < 8; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			spin(0);
		}
	}
	for (int i = 0; i < 5; i++) {
		CHECK(status_of(leave_with, 5) == 5);
	}
	for (int i = 0; i < 8; i++) {
		CHECK(kill(pids[i]) == 0);
	}
	for (int i = 0; i < 8; i++) {
		CHECK(wait(NULL) > 0);
	}
}

static void test_sleep(void)
{
	long before = uptime();

	CHECK(sleep(50) == 0);
	CHECK(uptime() - before >= 50);
}

/* All registers survive others' turns: eight processes, each with a sum of its own. */
static void test_registers(void)
{
	int status;

	for (uint64_t i = 1; i <= 8; i++) {
		if (fork() == 0) {
			uint64_t x[12];

			for (uint64_t k = 0; k < 12; k++) {
				x[k] = i << k;
			}
			for (uint64_t n = opaque(400000); n > 0; n--) {
				for (uint64_t k = 0; k < 12; k++) {
					x[k] = opaque(x[k]) + i;
				}
			}
			for (uint64_t k = 0; k < 12; k++) {
				CHECK(x[k] == (i << k) + 400000 * i);
			}
			exit(0);
		}
	}
	for (int i = 0; i < 8; i++) {
		CHECK(wait(&status) > 0 && status == 0);
	}
}

static uint64_t rounding(void)
{
	uint64_t mode;

	__asm__ volatile("frrm %0" : "=r"(mode));
	return mode;
}

/* The same for floating point, with a rounding mode of one's own. */
static void test_floats(void)
{
	double kept = (double)opaque(12345);
	int status;

	for (uint64_t i = 1; i <= 4; i++) {
		if (fork() == 0) {
			double sum = 0;

			CHECK(kept == 12345.0 && rounding() == 0);
			__asm__ volatile("fsrm %0" ::"r"(i % 4));
			for (uint64_t n = opaque(1000000); n > 0; n--) {
				sum += (double)i;
			}
			CHECK(sum == 1000000.0 * (double)i && rounding() == i % 4);
			exit(0);
		}
	}
	for (int i = 0; i < 4; i++) {
		CHECK(wait(&status) > 0 && status == 0);
	}
	CHECK(rounding() == 0);
}

static void test_unknown_calls(void)
{
	CHECK(system_call(0, 0, 0, 0) == -E_NOSYS);
	CHECK(system_call(0, 0, 0, CALLS_END) == -E_NOSYS);
	CHECK(system_call(0, 0, 0, ~0UL) == -E_NOSYS);
}

/* ---- memory ---- */

static void do_read(uint64_t va)
{
	(void)*at(va);
}

static void do_write(uint64_t va)
{
	*at(va) = 1;
}

static void do_jump(uint64_t va)
{
	((void (*)(void))opaque(va))();
}

static void test_null(void)
{
	CHECK(status_of(do_read, 0) == STATUS_FAULT);
	CHECK(status_of(do_write, 8) == STATUS_FAULT);
	CHECK(status_of(do_jump, 0) == STATUS_FAULT);
}

static void test_kernel_memory(void)
{
	static const uint64_t places[] = { KERNEL, KERNEL - 0x200000, 0xffffffc010000000,
					   0x8000000000, ~0UL - 7 };

	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		CHECK(status_of(do_read, places[i]) == STATUS_FAULT);
		CHECK(status_of(do_write, places[i]) == STATUS_FAULT);
		CHECK(status_of(do_jump, places[i] & ~3UL) == STATUS_FAULT);
	}
}

static void test_own_code(void)
{
	CHECK(status_of(do_write, (uint64_t)test_own_code) == STATUS_FAULT);
	CHECK(status_of(do_read, (uint64_t)test_own_code) == 99);
}

static void test_data_is_no_code(void)
{
	static uint32_t data[4] = { 0x00008067 }; /* ret */
	uint32_t local[4] = { 0x00008067 };
	uint32_t *heap = grow(PAGE);

	heap[0] = 0x00008067;
	CHECK(status_of(do_jump, (uint64_t)data) == STATUS_FAULT);
	CHECK(status_of(do_jump, opaque((uint64_t)local)) == STATUS_FAULT);
	CHECK(status_of(do_jump, (uint64_t)heap) == STATUS_FAULT);
}

static uint64_t recurse(uint64_t n)
{
	volatile uint64_t room[32];

	room[0] = n;
	return n ? recurse(n - 1) + room[0] : 0;
}

static void do_recurse(uint64_t n)
{
	exit(recurse(n) == n * (n + 1) / 2 ? 0 : 1);
}

static void test_stack(void)
{
	CHECK(status_of(do_recurse, 600) == 0);
	CHECK(status_of(do_recurse, 100000) == STATUS_FAULT);
}

static void test_heap(void)
{
	uint8_t *heap = grow(20 * (long)PAGE);
	long before;

	CHECK(grow(0) == heap + 20 * PAGE);
	before = memory();
	for (uint64_t i = 0; i < 20; i++) {
		CHECK(heap[i * PAGE] == 0);
		heap[i * PAGE] = 1;
	}
	CHECK(before - memory() >= 20);
	CHECK(grow(-10 * (long)PAGE) == heap + 20 * PAGE);
	CHECK(status_of(do_write, (uint64_t)heap + 9 * PAGE) == 99);
	CHECK(status_of(do_write, (uint64_t)heap + 10 * PAGE) == STATUS_FAULT);
	CHECK(grow(PAGE) == heap + 10 * PAGE);
	CHECK(heap[10 * PAGE] == 0);
	CHECK((long)grow(1L << 40) == -E_NOMEM);
	CHECK((long)grow(-(1L << 40)) == -E_NOMEM);
}

/* After fork each has its own copy, whoever writes, and also if the kernel writes for it. */
static void test_copy_on_write(void)
{
	uint64_t *page = grow(2 * (long)PAGE);
	int fds[2];
	int there[2];
	uint64_t n = 5;
	int status;

	CHECK(pipe(fds) == 0 && pipe(there) == 0);
	page[0] = 1;
	page[512] = 2;
	if (fork() == 0) {
		read(there[0], &n, 1); /* when the parent has written */
		CHECK(page[0] == 1 && page[512] == 2);
		page[0] = 7;
		CHECK(read(fds[0], &page[512], 8) == 8);
		CHECK(page[0] == 7 && page[512] == 5);
		exit(0);
	}
	page[0] = 3;
	CHECK(write(fds[1], &n, 8) == 8 && write(there[1], "x", 1) == 1);
	CHECK(wait(&status) > 0 && status == 0);
	CHECK(page[0] == 3 && page[512] == 2);
}

/* A fork shares pages: it costs a few for tables and the stack, not one per page of ours. */
static void test_fork_is_cheap(void)
{
	uint8_t *heap = grow(200 * (long)PAGE);
	long before;
	int fds[2];
	char c;

	for (uint64_t i = 0; i < 200; i++) {
		heap[i * PAGE] = 1;
	}
	CHECK(pipe(fds) == 0);
	before = memory();
	if (fork() == 0) {
		read(fds[0], &c, 1);
		exit(0);
	}
	CHECK(before - memory() < 20);
	CHECK(write(fds[1], "x", 1) == 1);
	CHECK(wait(NULL) > 0);
}

static void eat(uint64_t n)
{
	for (;;) {
		uint8_t *p = grow((long)n);

		if ((long)p < 0) {
			exit(98);
		}
		for (uint64_t i = 0; i < n; i += PAGE) {
			p[i] = 1;
		}
	}
}

static void test_no_memory(void)
{
	CHECK(status_of(eat, 256 * PAGE) == STATUS_MEMORY);
}

static void do_sstatus(uint64_t n)
{
	__asm__ volatile("csrr %0, sstatus" : "=r"(n));
}

static void do_satp(uint64_t n)
{
	__asm__ volatile("csrw satp, %0" ::"r"(n));
}

static void do_sret(uint64_t n)
{
	__asm__ volatile("sret" ::"r"(n));
}

static void do_fence(uint64_t n)
{
	__asm__ volatile("sfence.vma" ::"r"(n));
}

static void do_zeros(uint64_t n)
{
	__asm__ volatile(".4byte 0" ::"r"(n));
}

static void do_cycle(uint64_t n)
{
	__asm__ volatile("rdcycle %0" : "=r"(n));
}

static void do_time(uint64_t n)
{
	__asm__ volatile("rdtime %0" : "=r"(n));
}

static void do_break(uint64_t n)
{
	__asm__ volatile("ebreak" ::"r"(n));
}

static void test_instructions(void)
{
	static void (*const deeds[])(uint64_t n) = { do_sstatus, do_satp,  do_sret, do_fence,
						     do_zeros,	 do_cycle, do_break };

	for (unsigned int i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		CHECK(status_of(deeds[i], 0) == STATUS_ILLEGAL);
	}
	CHECK(status_of(do_time, 0) == 99);
}

/* The kernel believes no pointer. */
static void test_bad_pointers(void)
{
	static const uint64_t places[] = { 0, KERNEL, 0x30000000, 0x8000000000, ~0UL - 3 };
	uint64_t code = (uint64_t)test_bad_pointers;
	int fds[2];

	CHECK(pipe(fds) == 0 && write(fds[1], "xyz", 3) == 3);
	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint64_t p = places[i];

		CHECK(system_call((uint64_t)fds[0], p, 8, CALL_READ) == -E_FAULT);
		CHECK(system_call((uint64_t)fds[1], p, 8, CALL_WRITE) == -E_FAULT);
		CHECK(system_call(p, OPEN_READ, 0, CALL_OPEN) == -E_FAULT);
		CHECK(system_call(p, p, 0, CALL_EXEC) == -E_FAULT);
		CHECK(system_call((uint64_t) "/bin/sh", p, 0, CALL_EXEC) == -E_FAULT);
		CHECK(system_call(p, 0, 0, CALL_PIPE) == -E_FAULT);
		CHECK(system_call((uint64_t)fds[0], p, 0, CALL_STAT) == -E_FAULT);
		CHECK(system_call(0, p, 0, CALL_PROCESS) == -E_FAULT);
		CHECK(system_call(p, 0, 0, CALL_CHDIR) == -E_FAULT);
	}
	CHECK(system_call((uint64_t)fds[0], code, 3, CALL_READ) == -E_FAULT);
	CHECK(system_call(code, 0, 0, CALL_PIPE) == -E_FAULT);
	CHECK(system_call((uint64_t)fds[0], (uint64_t)fds, 0, CALL_READ) == 0);
}

/* ---- files ---- */

static void test_file(void)
{
	static uint32_t data[5000];
	static uint32_t back[5000];
	int fd = open("/tmp/file", OPEN_READ | OPEN_WRITE | OPEN_CREATE);
	struct stat s;

	for (uint32_t i = 0; i < 5000; i++) {
		data[i] = i * 2654435761U;
	}
	CHECK(fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data));
	CHECK(stat(fd, &s) == 0 && s.kind == NODE_FILE && s.bytes == sizeof(data));
	CHECK(seek(fd, 4000) == 0 && read(fd, back, sizeof(back)) == sizeof(back) - 4000);
	CHECK(memcmp(back, data + 1000, sizeof(back) - 4000) == 0);
	CHECK(read(fd, back, 1) == 0);
	CHECK(seek(fd, 100000) == 0 && write(fd, "x", 1) == 1); /* leaves a hole of zeros */
	CHECK(seek(fd, 50000) == 0 && read(fd, back, 4) == 4 && back[0] == 0);
	CHECK(seek(fd, 2UL << 20) == 0 && write(fd, "x", 1) == -E_FBIG);
	CHECK(unlink("/tmp/file") == 0 && open("/tmp/file", OPEN_READ) == -E_NOENT);
	CHECK(seek(fd, 4) == 0 && read(fd, back, 4) == 4 &&
	      back[0] == data[1]); /* still there for us */
	CHECK(close(fd) == 0 && close(fd) == -E_BADF);
}

static void test_flags(void)
{
	char text[8] = "";
	int fd = open("/tmp/flags", OPEN_WRITE | OPEN_CREATE);

	CHECK(write(fd, "abc", 3) == 3 && read(fd, text, 1) == -E_BADF && close(fd) == 0);
	fd = open("/tmp/flags", OPEN_WRITE | OPEN_APPEND);
	CHECK(write(fd, "de", 2) == 2 && close(fd) == 0);
	fd = open("/tmp/flags", OPEN_READ);
	CHECK(read(fd, text, 8) == 5 && memcmp(text, "abcde", 5) == 0 &&
	      write(fd, "x", 1) == -E_BADF);
	CHECK(close(open("/tmp/flags", OPEN_WRITE | OPEN_EMPTY)) == 0);
	CHECK(seek(fd, 0) == 0 && read(fd, text, 8) == 0 && close(fd) == 0);
	CHECK(unlink("/tmp/flags") == 0);
	CHECK(open("/tmp", OPEN_WRITE) == -E_ISDIR);
	fd = open("/dev/null", OPEN_READ | OPEN_WRITE);
	CHECK(write(fd, text, 8) == 8 && read(fd, text, 8) == 0);
}

static void test_directories(void)
{
	struct entry e;
	int fd;

	CHECK(mkdir("/tmp/a") == 0 && mkdir("/tmp/a/b") == 0 && mkdir("/tmp/a") == -E_EXIST);
	CHECK(mkdir("/tmp/x/y") == -E_NOENT && unlink("/tmp/a") == -E_NOTEMPTY);
	CHECK(chdir("/tmp/a/b") == 0 && chdir("../../a/./b") == 0);
	CHECK(close(open("f", OPEN_WRITE | OPEN_CREATE)) == 0);
	CHECK(open("f/g", OPEN_READ) == -E_NOTDIR && chdir("f") == -E_NOTDIR);
	fd = open("/tmp/a//b/", OPEN_READ);
	CHECK(list(fd, &e) == 1 && e.kind == NODE_FILE && strcmp(e.name, "f") == 0);
	CHECK(list(fd, &e) == 0 && close(fd) == 0);
	CHECK(unlink("f") == 0 && unlink("/tmp/a/b") == 0 && unlink("/tmp/a") == 0);
	CHECK(mkdir("c") == -E_NOENT); /* we are in one that is gone */
	CHECK(chdir("/") == 0 && unlink("/") == -E_NOTEMPTY);
	CHECK(mkdir("/tmp/a-name-that-is-much-too-long-for-it") == -E_NOENT);
}

static void test_descriptors(void)
{
	int fd = dup(0);
	int n = 0;

	CHECK(fd == 3 && dup(1) == 4 && close(3) == 0 && dup(2) == 3);
	while (dup(0) >= 0) {
		n++;
	}
	CHECK(n == FDS_MAX - 5 && dup(0) == -E_MFILE && open("/", OPEN_READ) == -E_MFILE);
	CHECK(close(FDS_MAX) == -E_BADF && close(-1) == -E_BADF && dup(99) == -E_BADF);
	CHECK(system_call((uint64_t)&fd, 0, 0, CALL_PIPE) == -E_MFILE);
}

static void test_pipe(void)
{
	enum { BYTES = 30000 };
	uint8_t text[700];
	uint32_t n = 0;
	int fds[2];
	long r;

	CHECK(pipe(fds) == 0);
	if (fork() == 0) {
		close(fds[0]);
		while (n < BYTES) {
			for (unsigned int i = 0; i < 500; i++) {
				text[i] = (uint8_t)(n++ % 251);
			}
			write_all(fds[1], text, 500);
		}
		exit(0);
	}
	close(fds[1]);
	while ((r = read(fds[0], text, sizeof(text))) > 0) {
		for (long i = 0; i < r; i++) {
			CHECK(text[i] == n++ % 251);
		}
	}
	CHECK(r == 0 && n == BYTES);
	CHECK(wait(NULL) > 0);
	close(fds[0]);
	CHECK(pipe(fds) == 0 && close(fds[0]) == 0 && write(fds[1], "x", 1) == -E_PIPE);
}

static void test_exec(void)
{
	char *argv[ARGS_MAX + 2] = { "echo", "one", "two words", "", "end", NULL };
	char text[64] = "";
	int fds[2];

	CHECK(pipe(fds) == 0);
	if (fork() == 0) {
		close(1);
		dup(fds[1]);
		exec("/bin/echo", argv);
		exit(1);
	}
	CHECK(wait(NULL) > 0);
	CHECK(read(fds[0], text, sizeof(text)) == 19 &&
	      memcmp(text, "one two words  end\n", 19) == 0);
	CHECK(exec("/bin/nothing", argv) == -E_NOENT);
	CHECK(exec("/etc/motd", argv) == -E_NOEXEC);
	CHECK(exec("/bin", argv) == -E_NOEXEC);
	for (int i = 0; i <= ARGS_MAX; i++) {
		argv[i] = "x";
	}
	argv[ARGS_MAX + 1] = NULL;
	CHECK(exec("/bin/echo", argv) == -E_2BIG);
}

/* ---- all of them ---- */

static const struct test {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "exit", test_exit },
	{ "many-children", test_many_children },
	{ "orphan", test_orphan },
	{ "kill", test_kill },
	{ "preemption", test_preemption },
	{ "sleep", test_sleep },
	{ "registers", test_registers },
	{ "floats", test_floats },
	{ "unknown-calls", test_unknown_calls },
	{ "null", test_null },
	{ "kernel-memory", test_kernel_memory },
	{ "own-code", test_own_code },
	{ "data-is-no-code", test_data_is_no_code },
	{ "stack", test_stack },
	{ "heap", test_heap },
	{ "copy-on-write", test_copy_on_write },
	{ "fork-is-cheap", test_fork_is_cheap },
	{ "no-memory", test_no_memory },
	{ "instructions", test_instructions },
	{ "bad-pointers", test_bad_pointers },
	{ "file", test_file },
	{ "flags", test_flags },
	{ "directories", test_directories },
	{ "descriptors", test_descriptors },
	{ "pipe", test_pipe },
	{ "exec", test_exec },
};

static bool passes(const struct test *t)
{
	long before = memory();
	int status;
	int pid;

	pid = fork();
	if (pid == 0) {
		t->run();
		exit(0);
	}
	if (pid < 0 || wait(&status) != pid || status != 0) {
		print("FAILED: %s\n", t->name);
		return false;
	}
	if (memory() != before) {
		print("FAILED: %s: %ld pages are lost\n", t->name, before - memory());
		return false;
	}
	print("ok: %s\n", t->name);
	return true;
}

int main(int argc, char **argv)
{
	int passed = 0;
	int failed = 0;

	for (unsigned int i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (argc > 1 && strcmp(argv[1], tests[i].name) != 0) {
			continue;
		}
		if (passes(&tests[i])) {
			passed++;
		} else {
			failed++;
		}
	}
	print("usertests: %d passed, %d failed\n", passed, failed);
	return failed > 0;
}
