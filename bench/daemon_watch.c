/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon_watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bench.h"
#include "proto/zygote.h"

#define TEXT_BYTES 4096

static double ticks_s(unsigned long long ticks)
{
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* utime and stime, with those of children that were waited for in ret_children_s. */
static double read_process(pid_t pid, double *ret_children_s)
{
	unsigned long long t[4];
	char path[64], text[TEXT_BYTES];
	_cleanup_fclose_ FILE *f = NULL;
	const char *p;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	p = f && fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	/* After the name: state and ten more, then utime, stime, cutime, cstime. */
	if (p && sscanf(p, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu %llu %llu",
			&t[0], &t[1], &t[2], &t[3]) == 4) {
		*ret_children_s = ticks_s(t[2] + t[3]);
		return ticks_s(t[0] + t[1]);
	}
	return 0;
}

/* Kernel threads are the children of process 2. New ones begin at 0, so nothing is missed but those that ended. */
static double read_kernel(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/2/task/2/children", "re");
	double sum = 0;
	double rest;
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1) {
		sum += read_process(pid, &rest);
	}
	return sum;
}

static bool is_zygote(pid_t pid)
{
	char path[64], name[32] = "";
	_cleanup_fclose_ FILE *f = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	return f && fgets(name, sizeof(name), f) && strcmp(name, ZYGOTE_NAME "\n") == 0;
}

/* The zygotes are children of the daemon's first thread. */
static double read_zygotes(pid_t daemon)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64];
	double sum_s = 0;
	double rest;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", daemon, daemon);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		if (is_zygote(pid)) {
			sum_s += read_process(pid, &rest);
		}
	}
	return sum_s;
}

static double read_schedstat(pid_t pid, const char *tid)
{
	char path[128];
	unsigned long long ns = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", pid, tid);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%llu", &ns) != 1) {
			ns = 0;
		}
		fclose(f);
	}
	return (double)ns / 1e9;
}

static void read_threads(pid_t daemon, struct watch_cpu *ret)
{
	static const char *const names[WATCH_THREADS] = { "dispatch\n", "vms-watcher\n",
							  "vms-reaper\n", "store-writer\n",
							  "audit-writer\n" };
	const struct dirent *ent;
	char path[128];
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", daemon);
	d = opendir(path);
	while (d && (ent = readdir(d)) != NULL) {
		char name[32] = "";
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", daemon, ent->d_name);
		f = fopen(path, "re");
		if (!f) {
			continue;
		}
		if (!fgets(name, sizeof(name), f)) {
			name[0] = 0;
		}
		fclose(f);
		for (int i = 0; i < WATCH_THREADS; i++) {
			if (strcmp(name, names[i]) == 0) {
				ret->thread_s[i] += read_schedstat(daemon, ent->d_name);
			}
		}
	}
	if (d) {
		closedir(d);
	}
}

static void read_machine(struct watch_cpu *ret)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/stat", "re");
	unsigned long long t[8];

	/* user nice system idle iowait irq softirq steal */
	if (f && fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2],
			&t[3], &t[4], &t[5], &t[6], &t[7]) == 8) {
		ret->machine_s = ticks_s(t[0] + t[1] + t[2] + t[5] + t[6]);
	}
}

void watch_cpu_get(pid_t daemon, struct watch_cpu *ret)
{
	struct rusage u;

	memset(ret, 0, sizeof(*ret));
	ret->wall_s = bench_clock_ms(CLOCK_MONOTONIC) / 1e3;
	getrusage(RUSAGE_SELF, &u);
	ret->self_s = bench_rusage_ms(&u) / 1e3;
	ret->daemon_s = read_process(daemon, &ret->children_s);
	ret->zygote_s = read_zygotes(daemon);
	ret->daemon_s += ret->zygote_s;
	read_threads(daemon, ret);
	ret->kernel_s = read_kernel();
	read_machine(ret);
}

static void read_thread(const char *dir, const char *tid, struct watch_task *ret)
{
	char path[128], line[256];
	unsigned long long v;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%.16s/status", dir, tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &v) == 1) {
			ret->voluntary += v;
		} else if (sscanf(line, "nonvoluntary_ctxt_switches: %llu", &v) == 1) {
			ret->forced += v;
		}
	}
	if (f) {
		fclose(f);
		ret->threads++;
	}
	(void)snprintf(path, sizeof(path), "%s/%.16s/schedstat", dir, tid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%llu", &v) == 1) {
		ret->cpu_ns += v;
	}
	if (f) {
		fclose(f);
	}
}

int watch_task_get(pid_t pid, struct watch_task *ret)
{
	char dir[64];
	const struct dirent *ent;
	DIR *d;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(dir, sizeof(dir), "/proc/%d/task", pid);
	d = opendir(dir);
	if (!d) {
		return -ESRCH;
	}
	while ((ent = readdir(d)) != NULL) {
		if (ent->d_name[0] != '.') {
			read_thread(dir, ent->d_name, ret);
		}
	}
	closedir(d);
	return ret->threads ? 0 : -ESRCH;
}

int watch_memory_get(pid_t pid, struct watch_memory *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64], line[256];
	double kib;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	if (!f) {
		return -ESRCH;
	}
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Rss: %lf", &kib) == 1) {
			ret->rss_mib = kib / 1024;
		} else if (sscanf(line, "Pss: %lf", &kib) == 1) {
			ret->pss_mib = kib / 1024;
		} else if (sscanf(line, "Private_%*[^:]: %lf", &kib) == 1) {
			ret->private_mib += kib / 1024;
		}
	}
	return 0;
}

double watch_available_mib(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/meminfo", "re");
	char line[256];
	double kib;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %lf", &kib) == 1) {
			return kib / 1024;
		}
	}
	return 0;
}
