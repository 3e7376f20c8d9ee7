/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls (abi.h). What a program passes is never believed: numbers are checked, and its memory is only reached through
 * space.c, which refuses what is not the program's own.
 */
#include "kernel.h"

enum { ARGS_BYTES = 1024 };

/* The calls' arguments: a0 to a2. */
typedef long call_fn(const uint64_t *a);

static struct space *space(void)
{
	return &this_process()->space;
}

/* ---- processes ---- */

static long call_exit(const uint64_t *a)
{
	process_exit((int)(a[0] & 0xff));
}

static long call_fork(const uint64_t *a)
{
	(void)a;
	return process_fork();
}

static long call_wait(const uint64_t *a)
{
	int status;
	long pid = process_wait(&status);

	if (pid >= 0 && a[0] && space_write(space(), a[0], &status, sizeof(status)) < 0) {
		return -E_FAULT;
	}
	return pid;
}

/* One behind the other, with their zeros. Returns how many. */
static long read_args(uint64_t argv, char args[ARGS_BYTES])
{
	size_t used = 0;

	for (unsigned int n = 0; n <= ARGS_MAX; n++) {
		uint64_t va;
		long r;

		r = space_read(space(), &va, argv + n * sizeof(va), sizeof(va));
		if (r < 0 || !va) {
			return r < 0 ? r : n;
		}
		r = n < ARGS_MAX ? space_read_text(space(), args + used, va, ARGS_BYTES - used)
				 : -E_2BIG;
		if (r < 0) {
			return r;
		}
		used += (size_t)r + 1;
	}
	return -E_2BIG;
}

static long call_exec(const uint64_t *a)
{
	char path[PATH_BYTES];
	char *args = page_new(); /* too large for the stack */
	long r;

	if (!args) {
		return -E_NOMEM;
	}
	r = space_read_text(space(), path, a[0], sizeof(path));
	r = r < 0 ? r : read_args(a[1], args);
	r = r < 0 ? r : process_exec(path, args, (unsigned int)r);
	page_put(args);
	return r;
}

static long call_kill(const uint64_t *a)
{
	return process_kill((int32_t)a[0]);
}

static long call_getpid(const uint64_t *a)
{
	(void)a;
	return this_process()->pid;
}

static long call_getcpu(const uint64_t *a)
{
	(void)a;
	return this_hart() - harts;
}

static long call_grow(const uint64_t *a)
{
	uint64_t end = space()->heap_end;
	long r = space_grow(space(), (int64_t)a[0]);

	return r < 0 ? r : (long)end;
}

static long call_sleep(const uint64_t *a)
{
	return process_sleep_until(time_now() + (a[0] & 0xffffffff) * time_hz() / 1000);
}

static long call_uptime(const uint64_t *a)
{
	(void)a;
	return (long)(time_now() * 1000 / time_hz());
}

static long call_process(const uint64_t *a)
{
	struct process_info info;

	if (a[0] >= PROCESSES_MAX || !process_info((unsigned int)a[0], &info)) {
		return 0;
	}
	return space_write(space(), a[1], &info, sizeof(info)) < 0 ? -E_FAULT : 1;
}

static long call_memory(const uint64_t *a)
{
	(void)a;
	return (long)page_free_count();
}

static long call_poweroff(const uint64_t *a)
{
	sbi_poweroff(a[0] != 0);
}

/* ---- files ---- */

static long call_open(const uint64_t *a)
{
	char path[PATH_BYTES];
	long r = space_read_text(space(), path, a[0], sizeof(path));

	return r < 0 ? r : file_open(path, (unsigned int)a[1]);
}

static long call_close(const uint64_t *a)
{
	struct file *f = file_of(a[0]);

	if (!f) {
		return -E_BADF;
	}
	this_process()->files[a[0]] = NULL;
	file_put(f);
	return 0;
}

/* Page by page, because pages that lie side by side for the program need not do so for us. */
static long transfer(const uint64_t *a, bool is_write)
{
	struct file *f = file_of(a[0]);
	uint64_t done = 0;
	long r = 0;

	if (!f) {
		return -E_BADF;
	}
	while (done < a[2]) {
		uint64_t va = a[1] + done;
		uint64_t bytes = PAGE_BYTES - va % PAGE_BYTES;
		uint8_t *memory;

		bytes = bytes < a[2] - done ? bytes : a[2] - done;
		r = space_reach(space(), va, is_write ? ACCESS_READ : ACCESS_WRITE, &memory);
		if (r >= 0) {
			r = is_write ? file_write(f, memory, bytes) : file_read(f, memory, bytes);
		}
		done += r > 0 ? (uint64_t)r : 0;
		/* A pipe or the console gives what it has; don't wait for more. */
		if (r != (long)bytes || (!is_write && (f->pipe || f->node->kind != NODE_FILE))) {
			break;
		}
	}
	return done > 0 ? (long)done : r;
}

static long call_read(const uint64_t *a)
{
	return transfer(a, false);
}

static long call_write(const uint64_t *a)
{
	return transfer(a, true);
}

static long call_seek(const uint64_t *a)
{
	struct file *f = file_of(a[0]);

	if (!f || !f->node) {
		return -E_BADF;
	}
	f->offset = a[1];
	return 0;
}

static long call_dup(const uint64_t *a)
{
	struct file *f = file_of(a[0]);

	return f ? file_dup(f) : -E_BADF;
}

static long call_pipe(const uint64_t *a)
{
	int fds[2];
	long r;

	r = file_pipe(fds);
	if (r < 0 || space_write(space(), a[0], fds, sizeof(fds)) == 0) {
		return r;
	}
	call_close(&(uint64_t){ (uint64_t)fds[0] });
	call_close(&(uint64_t){ (uint64_t)fds[1] });
	return -E_FAULT;
}

static long call_stat(const uint64_t *a)
{
	const struct file *f = file_of(a[0]);
	struct stat s = { .kind = 0 };

	if (!f) {
		return -E_BADF;
	}
	if (f->node) {
		s = (struct stat){ .kind = f->node->kind,
				   .number = node_number(f->node),
				   .bytes = f->node->bytes };
	}
	return space_write(space(), a[1], &s, sizeof(s));
}

static long call_list(const uint64_t *a)
{
	struct file *f = file_of(a[0]);
	struct entry entry;
	long r = f ? file_list(f, &entry) : -E_BADF;

	return r == 1 && space_write(space(), a[1], &entry, sizeof(entry)) < 0 ? -E_FAULT : r;
}

static long call_mkdir(const uint64_t *a)
{
	char path[PATH_BYTES];
	struct node *n;
	long r = space_read_text(space(), path, a[0], sizeof(path));

	return r < 0 ? r : node_make(path, NODE_DIRECTORY, &n);
}

static long call_unlink(const uint64_t *a)
{
	char path[PATH_BYTES];
	long r = space_read_text(space(), path, a[0], sizeof(path));

	return r < 0 ? r : node_unlink(path);
}

static long call_chdir(const uint64_t *a)
{
	char path[PATH_BYTES];
	struct node *n;
	long r = space_read_text(space(), path, a[0], sizeof(path));

	r = r < 0 ? r : node_find(path, &n);
	if (r < 0 || n->kind != NODE_DIRECTORY) {
		return r < 0 ? r : -E_NOTDIR;
	}
	node_get(n);
	node_put(this_process()->cwd);
	this_process()->cwd = n;
	return 0;
}

static call_fn *const calls[CALLS_END] = {
	[CALL_EXIT] = call_exit,	 [CALL_FORK] = call_fork,	[CALL_WAIT] = call_wait,
	[CALL_EXEC] = call_exec,	 [CALL_KILL] = call_kill,	[CALL_GETPID] = call_getpid,
	[CALL_GETCPU] = call_getcpu,	 [CALL_GROW] = call_grow,	[CALL_SLEEP] = call_sleep,
	[CALL_UPTIME] = call_uptime,	 [CALL_OPEN] = call_open,	[CALL_CLOSE] = call_close,
	[CALL_READ] = call_read,	 [CALL_WRITE] = call_write,	[CALL_SEEK] = call_seek,
	[CALL_DUP] = call_dup,		 [CALL_PIPE] = call_pipe,	[CALL_STAT] = call_stat,
	[CALL_LIST] = call_list,	 [CALL_MKDIR] = call_mkdir,	[CALL_UNLINK] = call_unlink,
	[CALL_CHDIR] = call_chdir,	 [CALL_PROCESS] = call_process, [CALL_MEMORY] = call_memory,
	[CALL_POWEROFF] = call_poweroff,
};

void syscall(struct frame *f)
{
	uint64_t number = f->x[17]; /* a7 */
	uint64_t a[3] = { f->x[10], f->x[11], f->x[12] };
	call_fn *call = number < CALLS_END ? calls[number] : NULL;

	f->x[10] = (uint64_t)(call ? call(a) : -E_NOSYS);
}
