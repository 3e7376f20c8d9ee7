/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs as the daemon shows them, and processes, threads and locks as the kernel does. See chaos.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "chaos.h"
#include "proto/zygote.h"

#define LOCKS_WORDS 64 /* offset of the first word in run_dir/locks (dispatch_internal.h) */

uint64_t chaos_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void chaos_sleep_ns(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };

	nanosleep(&ts, NULL);
}

uint64_t chaos_random(uint64_t n)
{
	static _Atomic uint64_t state;
	uint64_t x = atomic_fetch_add(&state, 0x9e3779b97f4a7c15ULL) + chaos.seed;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return n ? (x ^ (x >> 31)) % n : 0;
}

static ssize_t read_file(const char *path, char *buf, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, max - 1);

	if (fd >= 0) {
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

/* -- VMs */

void chaos_image(const char *path, char ret[65])
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	struct chaos_answer a;
	char name[100];
	struct stat st;
	void *bytes;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ret[0] = '\0';
	if (fd < 0 || fstat(fd, &st) < 0) {
		chaos_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
		return;
	}
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	crypto_hash_sha256(hash, bytes, (unsigned long long)st.st_size);
	sodium_bin2hex(ret, 65, hash, sizeof(hash));
	snprintf(name, sizeof(name), "/v1/images/%s", ret);
	chaos_receive(chaos_send("PUT", name, bytes, (size_t)st.st_size), &a);
	munmap(bytes, (size_t)st.st_size);
	CHECK(a.status == 200 || a.status == 201, "image %s: %d %s", path, a.status,
	      chaos_message(&a));
	chaos_answer_done(&a);
}

const char *chaos_guest(const char *variant, const char *file)
{
	static _Thread_local char path[400];

	snprintf(path, sizeof(path), "%s/%s/%s", chaos.guests, variant, file);
	return path;
}

bool chaos_has_kvm(void)
{
	return access("/dev/kvm", R_OK | W_OK) == 0;
}

int chaos_create(const char *name, const char *image, const char *more)
{
	char body[800];

	snprintf(body, sizeof(body),
		 "{\"name\":\"%s\",\"image\":\"%s\",\"image_name\":\"guest\","
		 "\"mem_bytes\":4194304%s}",
		 name, image, more);
	return chaos_do("POST", "/v1/vms", body);
}

int chaos_verb(const char *name, const char *verb)
{
	char path[200];

	snprintf(path, sizeof(path), "/v1/vms/%s/%s", name, verb);
	return chaos_do("POST", path, "{}");
}

static void copy_text(const json_t *o, const char *key, char *ret, size_t max)
{
	const char *text = json_string_value(json_object_get(o, key));

	snprintf(ret, max, "%s", text ? text : "");
}

static uint64_t number(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

bool chaos_vm_get(const char *name, struct chaos_vm *ret)
{
	struct chaos_answer a;
	char path[200];
	bool is_answered;

	memset(ret, 0, sizeof(*ret));
	snprintf(path, sizeof(path), "/v1/vms/%s", name);
	chaos_ask(&a, "GET", path, NULL);
	is_answered = a.status == 200 || a.status == 404;
	ret->is_there = a.status == 200;
	if (ret->is_there) {
		copy_text(a.json, "id", ret->id, sizeof(ret->id));
		copy_text(a.json, "state", ret->state, sizeof(ret->state));
		copy_text(a.json, "message", ret->message, sizeof(ret->message));
		ret->pid = (pid_t)number(a.json, "pid");
		ret->cpu_ns = number(a.json, "cpu_ns");
		ret->slice_ns = number(a.json, "slice_ns");
		ret->prio = number(a.json, "prio");
		ret->runs = number(a.json, "runs");
	}
	chaos_answer_done(&a);
	return is_answered;
}

bool chaos_is_live(const char *state)
{
	return strcmp(state, "starting") == 0 || strcmp(state, "running") == 0 ||
	       strcmp(state, "blocked") == 0 || strcmp(state, "paused") == 0 ||
	       strcmp(state, "stopping") == 0;
}

bool chaos_await(const char *name, const char *state, unsigned int timeout_ms, struct chaos_vm *ret)
{
	uint64_t until_ns = chaos_now_ns() + timeout_ms * NS_PER_MS;

	do {
		if (chaos_vm_get(name, ret) && ret->is_there &&
		    (state[0] ? strcmp(ret->state, state) == 0
			      : ret->pid == 0 && !chaos_is_live(ret->state))) {
			return true;
		}
		chaos_sleep_ns(2 * NS_PER_MS);
	} while (chaos_now_ns() < until_ns);
	return false;
}

/* -- processes */

/* The helper that makes VM processes is none. */
static bool is_zygote(pid_t pid)
{
	char path[64], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	return read_file(path, name, sizeof(name)) > 0 && strcmp(name, ZYGOTE_NAME "\n") == 0;
}

size_t chaos_children(pid_t pid, pid_t *ret, size_t max)
{
	char path[300];
	const struct dirent *ent;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (ent = readdir(d)) != NULL) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pid, ent->d_name);
		f = ent->d_name[0] == '.' ? NULL : fopen(path, "re");
		while (f && n < max && fscanf(f, "%d", &ret[n]) == 1) {
			n += !is_zygote(ret[n]);
		}
		if (f) {
			fclose(f);
		}
	}
	if (d) {
		closedir(d);
	}
	return n;
}

/* Fields 3 (state) and 4 (parent) of a stat file. */
static char read_stat(const char *path, pid_t *ret_parent)
{
	char text[1024];
	const char *p;
	char state = 0;
	int parent = 0;

	if (read_file(path, text, sizeof(text)) <= 0) {
		return 0;
	}
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %c %d", &state, &parent) != 2) {
		return 0;
	}
	*ret_parent = parent;
	return state;
}

char chaos_process_state(pid_t pid)
{
	char path[64];
	pid_t parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return read_stat(path, &parent);
}

pid_t chaos_parent(pid_t pid)
{
	char path[64];
	pid_t parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return read_stat(path, &parent) ? parent : 0;
}

pid_t chaos_vcpu(pid_t pid)
{
	char path[300], name[32];
	const struct dirent *ent;
	pid_t tid = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && tid == 0 && (ent = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, ent->d_name);
		if (ent->d_name[0] != '.' && read_file(path, name, sizeof(name)) > 0 &&
		    strcmp(name, "vcpu\n") == 0) {
			tid = (pid_t)atoi(ent->d_name);
		}
	}
	if (d) {
		closedir(d);
	}
	return tid;
}

pid_t chaos_stray(pid_t pid, pid_t vcpu, uint32_t core)
{
	const struct dirent *ent;
	pid_t stray = 0;
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && stray == 0 && (ent = readdir(d)) != NULL) {
		pid_t tid = (pid_t)atoi(ent->d_name);
		cpu_set_t cpus;

		CPU_ZERO(&cpus);
		if (tid > 0 && tid != vcpu && sched_getaffinity(tid, sizeof(cpus), &cpus) == 0 &&
		    CPU_ISSET(core, &cpus)) {
			stray = tid;
		}
	}
	if (d) {
		closedir(d);
	}
	return stray;
}

bool chaos_thread(pid_t pid, pid_t tid, char *ret_state, uint64_t *ret_run_ns)
{
	char path[80], text[128];
	pid_t parent;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	*ret_state = read_stat(path, &parent);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
	return *ret_state && read_file(path, text, sizeof(text)) > 0 &&
	       sscanf(text, "%" SCNu64, ret_run_ns) == 1;
}

unsigned int chaos_entries(const char *dir, const char *prefix)
{
	DIR *d = opendir(dir);
	const struct dirent *ent;
	unsigned int n = 0;

	while (d && (ent = readdir(d)) != NULL) {
		n += ent->d_name[0] != '.' && strncmp(ent->d_name, prefix, strlen(prefix)) == 0;
	}
	if (d) {
		closedir(d);
	}
	return n;
}

unsigned int chaos_fds(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	return chaos_entries(path, "");
}

uint64_t chaos_rss_bytes(pid_t pid)
{
	char path[64], text[128];
	uint64_t pages = 0;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	if (read_file(path, text, sizeof(text)) <= 0 || sscanf(text, "%*u %" SCNu64, &pages) != 1) {
		return 0;
	}
	return pages * 4096;
}

static json_t *record(const char *id)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/vms/%s/record", chaos.run, id);
	return json_load_file(path, 0, NULL);
}

uint64_t chaos_record_number(const char *id, const char *key)
{
	json_t *o = record(id);
	const json_t *v = json_object_get(o, key);
	uint64_t n = json_is_integer(v) ? (uint64_t)json_integer_value(v) : UINT64_MAX;

	json_decref(o);
	return n;
}

void chaos_record_text(const char *id, const char *key, char *ret, size_t max)
{
	json_t *o = record(id);

	copy_text(o, key, ret, max);
	json_decref(o);
}

/* -- cores */

struct sched_lock chaos_lock(unsigned int host_core)
{
	static const char *volatile map;
	uint64_t word;

	if (!map) {
		char path[200];
		int fd;
		void *p;

		snprintf(path, sizeof(path), "%s/locks", chaos.run);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
		if (p == MAP_FAILED) {
			chaos_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
			_exit(1);
		}
		map = p;
	}
	word = *(const volatile uint64_t *)(const void *)(map + LOCKS_WORDS + 8 * host_core);
	return sched_lock_unpack(word);
}

static unsigned int pool(unsigned int *ret_size)
{
	static _Atomic unsigned int core, size;

	if (!atomic_load(&size)) {
		struct chaos_answer a;
		json_t *list;

		chaos_ask(&a, "GET", "/v1/status", NULL);
		list = json_object_get(a.json, "pool");
		CHECK(json_array_size(list) > 0, "no pool in the status");
		atomic_store(&core, (unsigned int)json_integer_value(json_array_get(list, 0)));
		atomic_store(&size, (unsigned int)json_array_size(list));
		chaos_answer_done(&a);
	}
	*ret_size = atomic_load(&size);
	return atomic_load(&core);
}

unsigned int chaos_pool_core(void)
{
	unsigned int size;

	return pool(&size);
}

unsigned int chaos_pool_size(void)
{
	unsigned int size;

	(void)pool(&size);
	return size;
}

/* -- figures */

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void chaos_report(const char *what, uint64_t *ns, size_t n)
{
	if (n == 0) {
		printf("%s: none measured\n", what);
		return;
	}
	qsort(ns, n, sizeof(*ns), compare);
	printf("%s: n=%zu p50=%.3f ms p99=%.3f ms max=%.3f ms\n", what, n, (double)ns[n / 2] / 1e6,
	       (double)ns[(n * 99) / 100] / 1e6, (double)ns[n - 1] / 1e6);
}

double chaos_jain(const uint64_t *v, size_t n)
{
	double sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++) {
		sum += (double)v[i];
		squares += (double)v[i] * (double)v[i];
	}
	return squares > 0 ? sum * sum / ((double)n * squares) : 0;
}
