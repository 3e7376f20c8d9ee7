/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel counted about processes, for daemon_scale.c. */
#ifndef PINFOLD_BENCH_DAEMON_WATCH_H
#define PINFOLD_BENCH_DAEMON_WATCH_H

#include <stdint.h>
#include <sys/types.h>

/** Threads of the daemon that have a name of their own; all others serve requests. */
enum watch_thread {
	WATCH_DISPATCH,
	WATCH_WATCHER,
	WATCH_REAPER,
	WATCH_STORE,
	WATCH_AUDIT,
	WATCH_THREADS,
};

/** CPU time since boot or since the start of a process. */
struct watch_cpu {
	double wall_s;
	double daemon_s; /* its threads, and its zygote */
	double zygote_s; /* alone */
	double thread_s[WATCH_THREADS];
	double children_s; /* of the daemon: VM processes that it has waited for */
	double self_s;	   /* this process */
	double kernel_s;   /* kernel threads, whoever made work for them */
	double machine_s;  /* all cores, whoever used them */
};

/** How often the threads of a process were switched in, and what they used. */
struct watch_task {
	uint64_t voluntary, forced;
	uint64_t cpu_ns;
	uint32_t threads;
};

/** Memory of a process, from smaps_rollup. */
struct watch_memory {
	double rss_mib, private_mib, pss_mib;
};

/** Read the clocks. */
void watch_cpu_get(pid_t daemon, struct watch_cpu *ret);

/** Sum over all threads. @return 0; -ESRCH */
int watch_task_get(pid_t pid, struct watch_task *ret);

/** Read the memory. @return 0; -ESRCH */
int watch_memory_get(pid_t pid, struct watch_memory *ret);

/** MemAvailable of the machine. */
double watch_available_mib(void);

#endif
