/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many durable creations per second the state store and the audit log sustain.
 *
 *   store_rate FOLDER [CALLERS [SECONDS [SYNC_MS]]]
 *
 * Each caller creates a VM with its allocation, waits until that is durable, writes the audit
 * record, waits until that is durable, and goes on. SYNC_MS makes every sync take at least that
 * long, like a slower disk. Prints one line of JSON; status 1 when fewer than 500 per second.
 */
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "daemon/audit/audit.h"
#include "store_rows.h"

#define CALLERS_MAX 256
#define SAMPLES_MAX 400000u
#define RATE_WANTED 500.0

static struct store *st;
static struct audit *au;
static uint64_t end_ns, sync_ns;
static size_t n_samples, n_syncs;
static uint64_t samples_ns[SAMPLES_MAX];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* In place of the C library's, for SQLite and us: a disk of the wanted slowness. */
int fdatasync(int fildes)
{
	uint64_t until = now_ns() + sync_ns;
	struct timespec ts = { (time_t)(until / 1000000000u), (long)(until % 1000000000u) };
	int r = (int)syscall(SYS_fdatasync, fildes);

	__atomic_fetch_add(&n_syncs, 1, __ATOMIC_RELAXED);
	if (sync_ns) {
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	}
	return r;
}

static void *caller_main(void *arg)
{
	unsigned int me = (unsigned int)(uintptr_t)arg;
	struct audit_entry entry = { 1000, 1, 0, "create", "{\"name\":\"web\",\"image\":\"x\"}" };

	for (unsigned int i = 0; now_ns() < end_ns; i++) {
		uint64_t start = now_ns();
		struct store_change c[2];
		size_t at;
		char id[32];

		snprintf(id, sizeof(id), "vm-%u-%u", me, i);
		c[0] = change_vm(STORE_CREATE, id, 1000 + me);
		c[1] = change_alloc(STORE_CREATE, id, 2, i);
		BUG_ON(store_apply(st, c, 2, NULL) != 0);
		BUG_ON(audit_append(au, &entry, NULL) != 0);
		at = __atomic_fetch_add(&n_samples, 1, __ATOMIC_RELAXED);
		BUG_ON(at >= SAMPLES_MAX);
		samples_ns[at] = now_ns() - start;
	}
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void open_both(const char *folder)
{
	struct audit_options ao;
	struct store_options so;
	struct errmsg e = { "" };

	store_options_defaults(&so);
	so.state_dir = folder;
	audit_options_defaults(&ao);
	ao.state_dir = folder;
	if (store_open(&so, &st, NULL, &e) < 0 || audit_open(&ao, &au, NULL, &e) < 0) {
		fprintf(stderr, "store_rate: %s\n", e.text);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	unsigned long callers = argc > 2 ? strtoul(argv[2], NULL, 10) : 32;
	unsigned long seconds = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;
	pthread_t threads[CALLERS_MAX];
	struct store_stats stats;
	uint64_t start, p50_ns, p99_ns;
	double rate;

	if (argc < 2 || callers < 1 || callers > CALLERS_MAX || seconds < 1) {
		fprintf(stderr, "usage: store_rate FOLDER [CALLERS [SECONDS [SYNC_MS]]]\n");
		return 2;
	}
	sync_ns = argc > 4 ? strtoull(argv[4], NULL, 10) * 1000000u : 0;
	open_both(argv[1]);
	start = now_ns();
	end_ns = start + seconds * 1000000000ull;
	for (uintptr_t i = 0; i < callers; i++) {
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): the number of the caller */
		BUG_ON(pthread_create(&threads[i], NULL, caller_main, (void *)i) != 0);
	}
	for (size_t i = 0; i < callers; i++) {
		pthread_join(threads[i], NULL);
	}
	rate = (double)n_samples * 1e9 / (double)(now_ns() - start);
	store_stats_get(st, &stats);
	audit_close(au);
	store_close(st);
	qsort(samples_ns, n_samples, sizeof(samples_ns[0]), by_value);
	p50_ns = samples_ns[n_samples / 2];
	p99_ns = samples_ns[n_samples * 99 / 100];
	printf("{\"callers\":%lu,\"seconds\":%lu,\"sync_ms\":%llu,\"creations\":%zu,"
	       "\"per_second\":%.0f,\"store_commits\":%llu,\"syncs\":%zu,\"p50_ms\":%.2f,"
	       "\"p99_ms\":%.2f}\n",
	       callers, seconds, (unsigned long long)(sync_ns / 1000000u), n_samples, rate,
	       (unsigned long long)stats.commits, n_syncs, (double)p50_ns / 1e6,
	       (double)p99_ns / 1e6);
	return rate >= RATE_WANTED ? 0 : 1;
}
