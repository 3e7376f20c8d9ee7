/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failing and recording system calls; rebuilding what a power cut leaves (see sys_shim.h). */
#include "sys_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bug.h"

#define FDS_MAX	     1024
#define PATHS_MAX    64
#define SECTOR_BYTES 512u
#define NAME_BYTES   160

enum arming { ARM_NONE, ARM_CALLS, ARM_MEMORY };

static struct {
	enum arming what;
	unsigned int nth, seen;
	int err;
	bool has_fired;
} arm;

enum step_type {
	STEP_WRITE,
	STEP_TRUNCATE,
	STEP_SYNC,
	STEP_CREATE,
	STEP_MKDIR,
	STEP_RENAME,
	STEP_UNLINK,
	STEP_DIRSYNC,
	STEP_MARK
};

struct step {
	enum step_type type;
	int file;		/* data steps: which file, whatever its name */
	char name[NAME_BYTES];	/* below the folder; STEP_DIRSYNC: the folder synced */
	char name2[NAME_BYTES]; /* STEP_RENAME */
	uint64_t off, n, value;
	uint8_t *data;
};

static struct {
	bool is_on;
	char dir[PATH_MAX];
	struct step *steps;
	size_t n, cap;
	int n_files;
	struct {
		char name[NAME_BYTES];
		int file;
	} names[PATHS_MAX];
	struct {
		bool is_open;
		int file; /* -1: a folder */
		char name[NAME_BYTES];
	} fds[FDS_MAX];
} rec;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- failing ---- */

static int must_fail(enum arming what)
{
	int err = 0;

	/* Not armed for this: no lock, which the recorder may hold while it allocates. */
	if (__atomic_load_n(&arm.what, __ATOMIC_ACQUIRE) != what) {
		return 0;
	}
	pthread_mutex_lock(&lock);
	if (arm.what == what && ++arm.seen == arm.nth) {
		arm.has_fired = true;
		err = arm.err;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

static void arm_as(enum arming what, unsigned int nth, int err)
{
	pthread_mutex_lock(&lock);
	__atomic_store_n(&arm.what, what, __ATOMIC_RELEASE);
	arm.nth = nth;
	arm.seen = 0;
	arm.err = err;
	arm.has_fired = false;
	pthread_mutex_unlock(&lock);
}

void shim_arm(unsigned int nth, int err)
{
	arm_as(ARM_CALLS, nth, err);
}

void shim_arm_memory(unsigned int nth)
{
	arm_as(ARM_MEMORY, nth, ENOMEM);
}

unsigned int shim_disarm(void)
{
	unsigned int seen = arm.seen;

	pthread_mutex_lock(&lock);
	__atomic_store_n(&arm.what, ARM_NONE, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return seen;
}

int shim_has_fired(void)
{
	return arm.has_fired;
}

/* ---- recording ---- */

/* The part of @path below the recorded folder, or NULL. */
static const char *below(const char *path)
{
	size_t n = strlen(rec.dir);

	if (!rec.is_on || strncmp(path, rec.dir, n) != 0) {
		return NULL;
	}
	return path[n] == '/' ? path + n + 1 : path[n] == '\0' ? "" : NULL;
}

/* Resolve a path against a descriptor that we know. */
static bool resolve(int dir, const char *path, char *ret)
{
	const char *name;

	if (!rec.is_on) {
		return false;
	}
	if (path[0] == '/') {
		name = below(path);
		if (!name) {
			return false;
		}
		snprintf(ret, NAME_BYTES, "%s", name);
		return true;
	}
	if (dir < 0 || dir >= FDS_MAX || !rec.fds[dir].is_open || rec.fds[dir].file >= 0) {
		return false;
	}
	snprintf(ret, NAME_BYTES, "%.70s%s%.80s", rec.fds[dir].name,
		 rec.fds[dir].name[0] ? "/" : "", path);
	return true;
}

static struct step *add_step(enum step_type type)
{
	if (rec.n == rec.cap) {
		rec.cap = rec.cap ? rec.cap * 2 : 256;
		rec.steps = realloc(rec.steps, rec.cap * sizeof(*rec.steps));
		BUG_ON(!rec.steps);
	}
	memset(&rec.steps[rec.n], 0, sizeof(rec.steps[0]));
	rec.steps[rec.n].type = type;
	return &rec.steps[rec.n++];
}

static int slot_of(const char *name)
{
	for (int i = 0; i < PATHS_MAX; i++) {
		if (rec.names[i].file >= 0 && strcmp(rec.names[i].name, name) == 0) {
			return i;
		}
	}
	return -1;
}

static int slot_new(const char *name, int file)
{
	for (int i = 0; i < PATHS_MAX; i++) {
		if (rec.names[i].file < 0) {
			snprintf(rec.names[i].name, NAME_BYTES, "%s", name);
			rec.names[i].file = file;
			return i;
		}
	}
	BUG_ON(true);
}

static void note_open(int dir, const char *path, int flags, bool existed, int fd)
{
	char name[NAME_BYTES];
	int slot;

	if (!resolve(dir, path, name)) {
		return;
	}
	BUG_ON(fd >= FDS_MAX);
	rec.fds[fd].is_open = true;
	rec.fds[fd].file = -1;
	snprintf(rec.fds[fd].name, NAME_BYTES, "%s", name);
	if (flags & O_DIRECTORY) {
		return;
	}
	slot = slot_of(name);
	if (slot < 0 && (flags & O_ACCMODE) == O_RDONLY && existed) {
		struct stat st;

		if (syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 &&
		    S_ISDIR(st.st_mode)) {
			return; /* a folder opened without O_DIRECTORY */
		}
	}
	if (slot < 0) {
		struct step *s = add_step(STEP_CREATE);

		BUG_ON(existed); /* recording starts with an empty folder */
		slot = slot_new(name, rec.n_files);
		s->file = rec.n_files++;
		snprintf(s->name, NAME_BYTES, "%s", name);
	}
	rec.fds[fd].file = rec.names[slot].file;
	if (flags & O_TRUNC) {
		add_step(STEP_TRUNCATE)->file = rec.fds[fd].file;
	}
}

static void note_data(enum step_type type, int fd, const void *data, uint64_t n, uint64_t off)
{
	struct step *s;

	pthread_mutex_lock(&lock);
	if (rec.is_on && fd >= 0 && fd < FDS_MAX && rec.fds[fd].is_open) {
		if (rec.fds[fd].file < 0) {
			BUG_ON(type != STEP_SYNC);
			s = add_step(STEP_DIRSYNC);
			snprintf(s->name, NAME_BYTES, "%s", rec.fds[fd].name);
		} else {
			s = add_step(type);
			s->file = rec.fds[fd].file;
			s->off = off;
			s->n = n;
			if (data) {
				s->data = malloc(n);
				BUG_ON(!s->data);
				memcpy(s->data, data, n);
			}
		}
	}
	pthread_mutex_unlock(&lock);
}

static void note_name(enum step_type type, int dir, const char *path, const char *path2)
{
	char name[NAME_BYTES], name2[NAME_BYTES] = "";
	struct step *s;
	int slot;

	pthread_mutex_lock(&lock);
	if (resolve(dir, path, name) && (!path2 || resolve(dir, path2, name2))) {
		s = add_step(type);
		snprintf(s->name, NAME_BYTES, "%s", name);
		snprintf(s->name2, NAME_BYTES, "%s", name2);
		slot = slot_of(name);
		if (slot >= 0 && type == STEP_UNLINK) {
			rec.names[slot].file = -1;
		} else if (slot >= 0 && type == STEP_RENAME) {
			snprintf(rec.names[slot].name, NAME_BYTES, "%s", name2);
		}
	}
	pthread_mutex_unlock(&lock);
}

void shim_record(const char *dir)
{
	BUG_ON(rec.is_on || rec.n);
	snprintf(rec.dir, sizeof(rec.dir), "%s", dir);
	memset(rec.fds, 0, sizeof(rec.fds));
	for (int i = 0; i < PATHS_MAX; i++) {
		rec.names[i].file = -1;
	}
	rec.is_on = true;
}

size_t shim_record_end(void)
{
	rec.is_on = false;
	return rec.n;
}

void shim_mark(uint64_t value)
{
	pthread_mutex_lock(&lock);
	if (rec.is_on) {
		add_step(STEP_MARK)->value = value;
	}
	pthread_mutex_unlock(&lock);
}

void shim_record_free(void)
{
	for (size_t i = 0; i < rec.n; i++) {
		free(rec.steps[i].data);
	}
	free(rec.steps);
	memset(&rec, 0, sizeof(rec));
}

/* ---- rebuilding ---- */

struct disk_file {
	uint8_t *data;
	size_t n;
};

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void resize(struct disk_file *f, size_t n)
{
	if (n == f->n) {
		return;
	}
	f->data = realloc(f->data, n + 1);
	BUG_ON(!f->data);
	if (n > f->n) {
		memset(f->data + f->n, 0, n - f->n);
	}
	f->n = n;
}

static void apply_data(struct disk_file *f, const struct step *s)
{
	if (s->type == STEP_TRUNCATE) {
		resize(f, s->off);
	} else if (s->type == STEP_WRITE) {
		if (s->off + s->n > f->n) {
			resize(f, s->off + s->n);
		}
		memcpy(f->data + s->off, s->data, s->n);
	}
}

/* Some of its sectors arrived; of the others nothing, or, beyond the old end, zeros. */
static void apply_torn(struct disk_file *f, const struct step *s, uint64_t *seed)
{
	uint64_t done = 0;

	if (s->type != STEP_WRITE) {
		return;
	}
	while (done < s->n) {
		uint64_t at = s->off + done;
		uint64_t len = SECTOR_BYTES - at % SECTOR_BYTES;

		len = len < s->n - done ? len : s->n - done;
		if (next_random(seed) & 1) {
			if (at + len > f->n) {
				resize(f, at + len);
			}
			memcpy(f->data + at, s->data + done, len);
		}
		done += len;
	}
}

static void rebuild_file(size_t step, int file, uint64_t *seed, struct disk_file *f)
{
	uint64_t mode = next_random(seed) % 5; /* none, all, some, torn, torn and reordered */
	size_t synced = 0, n_loose = 0;
	const struct step **loose = calloc(step + 1, sizeof(*loose));

	BUG_ON(!loose);
	for (size_t i = 0; i < step; i++) {
		if (rec.steps[i].type == STEP_SYNC && rec.steps[i].file == file) {
			synced = i + 1;
		}
	}
	for (size_t i = 0; i < step; i++) {
		const struct step *s = &rec.steps[i];

		if ((s->type != STEP_WRITE && s->type != STEP_TRUNCATE) || s->file != file) {
			continue;
		}
		if (i < synced) {
			apply_data(f, s);
		} else {
			loose[n_loose++] = s;
		}
	}
	for (size_t i = n_loose; mode == 4 && i > 1; i--) {
		size_t j = next_random(seed) % i;
		const struct step *t = loose[i - 1];

		loose[i - 1] = loose[j];
		loose[j] = t;
	}
	for (size_t i = 0; i < n_loose && mode != 0; i++) {
		if (mode == 1 || next_random(seed) % 3) {
			apply_data(f, loose[i]);
		} else if (mode >= 3) {
			apply_torn(f, loose[i], seed);
		}
	}
	free(loose);
}

static bool is_name_step(const struct step *s)
{
	return s->type == STEP_CREATE || s->type == STEP_MKDIR || s->type == STEP_RENAME ||
	       s->type == STEP_UNLINK;
}

/* Whether @name lies directly in folder @dir. */
static bool is_in(const char *name, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 0) {
		return !strchr(name, '/');
	}
	return strncmp(name, dir, n) == 0 && name[n] == '/' && !strchr(name + n + 1, '/');
}

static bool is_name_safe(size_t i, size_t step)
{
	for (size_t j = i + 1; j < step; j++) {
		if (rec.steps[j].type == STEP_DIRSYNC &&
		    is_in(rec.steps[i].name, rec.steps[j].name)) {
			return true;
		}
	}
	return false;
}

static void put_file(const char *path, const struct disk_file *f)
{
	int fd = (int)syscall(SYS_open, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	BUG_ON(fd < 0);
	BUG_ON(f->n && syscall(SYS_write, fd, f->data, f->n) != (long)f->n);
	syscall(SYS_close, fd);
}

static void apply_name(const struct step *s, const char *to, struct disk_file *files)
{
	char a[PATH_MAX], b[PATH_MAX];

	snprintf(a, sizeof(a), "%s/%s", to, s->name);
	snprintf(b, sizeof(b), "%s/%s", to, s->name2);
	if (s->type == STEP_CREATE) {
		put_file(a, &files[s->file]);
	} else if (s->type == STEP_MKDIR) {
		BUG_ON(syscall(SYS_mkdir, a, 0700) < 0);
	} else if (s->type == STEP_RENAME) {
		BUG_ON(syscall(SYS_rename, a, b) < 0);
	} else {
		BUG_ON(syscall(SYS_unlink, a) < 0);
	}
}

uint64_t shim_rebuild(size_t step, uint64_t seed, const char *to)
{
	struct disk_file *files = calloc((size_t)rec.n_files + 1, sizeof(*files));
	size_t n_loose = 0, keep;
	uint64_t mark = 0;

	BUG_ON(!files || step > rec.n);
	for (int f = 0; f < rec.n_files; f++) {
		rebuild_file(step, f, &seed, &files[f]);
	}
	for (size_t i = 0; i < step; i++) {
		n_loose += is_name_step(&rec.steps[i]) && !is_name_safe(i, step);
		mark = rec.steps[i].type == STEP_MARK ? rec.steps[i].value : mark;
	}
	keep = next_random(&seed) % (n_loose + 1);
	for (size_t i = 0; i < step; i++) {
		const struct step *s = &rec.steps[i];

		if (!is_name_step(s)) {
			continue;
		}
		if (!is_name_safe(i, step)) {
			if (keep == 0) {
				continue;
			}
			keep--;
		}
		apply_name(s, to, files);
	}
	for (int f = 0; f < rec.n_files; f++) {
		free(files[f].data);
	}
	free(files);
	return mark;
}

/* ---- the calls ---- */

#define FAIL_IF_ARMED(value)                     \
	do {                                     \
		int err_ = must_fail(ARM_CALLS); \
		if (err_) {                      \
			errno = err_;            \
			return (value);          \
		}                                \
	} while (0)

int openat(int dir, const char *path, int flags, ...);
int openat(int dir, const char *path, int flags, ...)
{
	unsigned int mode = 0;
	bool existed;
	va_list ap;
	int fd;

	FAIL_IF_ARMED(-1);
	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, unsigned int);
		va_end(ap);
	}
	pthread_mutex_lock(&lock);
	existed = syscall(SYS_faccessat, dir, path, F_OK) == 0;
	fd = (int)syscall(SYS_openat, dir, path, flags, mode);
	if (fd >= 0) {
		note_open(dir, path, flags, existed, fd);
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

int open(const char *path, int flags, ...);
int open(const char *path, int flags, ...)
{
	unsigned int mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, unsigned int);
		va_end(ap);
	}
	return openat(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int close(int fd)
{
	pthread_mutex_lock(&lock);
	if (fd >= 0 && fd < FDS_MAX) {
		rec.fds[fd].is_open = false;
	}
	pthread_mutex_unlock(&lock);
	/* Like Linux: the descriptor is gone even when an error is told. */
	if (syscall(SYS_close, fd) < 0) {
		return -1;
	}
	FAIL_IF_ARMED(-1);
	return 0;
}

ssize_t read(int fd, void *buf, size_t n)
{
	FAIL_IF_ARMED(-1);
	return syscall(SYS_read, fd, buf, n);
}

ssize_t pread(int fd, void *buf, size_t n, off_t off)
{
	FAIL_IF_ARMED(-1);
	return syscall(SYS_pread64, fd, buf, n, off);
}
ssize_t pread64(int fd, void *buf, size_t n, off_t off) __attribute__((alias("pread")));

ssize_t pwrite(int fd, const void *buf, size_t n, off_t off)
{
	ssize_t done;

	FAIL_IF_ARMED(-1);
	done = syscall(SYS_pwrite64, fd, buf, n, off);
	if (done > 0) {
		note_data(STEP_WRITE, fd, buf, (uint64_t)done, (uint64_t)off);
	}
	return done;
}
ssize_t pwrite64(int fd, const void *buf, size_t n, off_t off) __attribute__((alias("pwrite")));

ssize_t write(int fd, const void *buf, size_t n)
{
	off_t off;
	ssize_t done;

	FAIL_IF_ARMED(-1);
	off = syscall(SYS_lseek, fd, 0, SEEK_CUR);
	done = syscall(SYS_write, fd, buf, n);
	if (done > 0 && off >= 0) {
		note_data(STEP_WRITE, fd, buf, (uint64_t)done, (uint64_t)off);
	}
	return done;
}

int fdatasync(int fd)
{
	FAIL_IF_ARMED(-1);
	note_data(STEP_SYNC, fd, NULL, 0, 0);
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	FAIL_IF_ARMED(-1);
	note_data(STEP_SYNC, fd, NULL, 0, 0);
	return (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t n)
{
	int r;

	FAIL_IF_ARMED(-1);
	r = (int)syscall(SYS_ftruncate, fd, n);
	if (r == 0) {
		note_data(STEP_TRUNCATE, fd, NULL, 0, (uint64_t)n);
	}
	return r;
}
int ftruncate64(int fd, off_t n) __attribute__((alias("ftruncate")));

int fstat(int fd, struct stat *st)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_fstat, fd, st);
}
int fstat64(int fd, struct stat64 *st);
int fstat64(int fd, struct stat64 *st)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_fstat, fd, st);
}

int stat64(const char *path, struct stat64 *st)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_stat, path, st);
}

int lstat64(const char *path, struct stat64 *st)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_lstat, path, st);
}

int fstatat(int dir, const char *path, struct stat *st, int flags)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_newfstatat, dir, path, st, flags);
}

int access(const char *path, int mode)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_access, path, mode);
}

int unlinkat(int dir, const char *path, int flags)
{
	FAIL_IF_ARMED(-1);
	if (syscall(SYS_unlinkat, dir, path, flags) < 0) {
		return -1;
	}
	note_name(STEP_UNLINK, dir, path, NULL);
	return 0;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	FAIL_IF_ARMED(-1);
	if (syscall(SYS_mkdirat, dir, path, mode) < 0) {
		return -1;
	}
	note_name(STEP_MKDIR, dir, path, NULL);
	return 0;
}

int renameat2(int dir, const char *from, int dir2, const char *to, unsigned int flags)
{
	FAIL_IF_ARMED(-1);
	BUG_ON(dir != dir2);
	if (syscall(SYS_renameat2, dir, from, dir2, to, flags) < 0) {
		return -1;
	}
	note_name(STEP_RENAME, dir, from, to);
	return 0;
}

int fchmod(int fd, mode_t mode)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_fchmod, fd, mode);
}

int fchown(int fd, uid_t uid, gid_t gid)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_fchown, fd, uid, gid);
}

int flock(int fd, int op);
int flock(int fd, int op)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_flock, fd, op);
}

int fcntl64(int fd, int op, ...);
int fcntl64(int fd, int op, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, op);
	arg = va_arg(ap, void *);
	va_end(ap);
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_fcntl, fd, op, arg);
}

int eventfd(unsigned int value, int flags);
int eventfd(unsigned int value, int flags)
{
	FAIL_IF_ARMED(-1);
	return (int)syscall(SYS_eventfd2, value, flags);
}

/* ---- memory and threads: through the linker's --wrap, for our objects only ---- */

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
	return must_fail(ARM_MEMORY) ? NULL : __real_malloc(n);
}

void *__real_calloc(size_t n, size_t m);
void *__wrap_calloc(size_t n, size_t m);
void *__wrap_calloc(size_t n, size_t m)
{
	return must_fail(ARM_MEMORY) ? NULL : __real_calloc(n, m);
}

void *__real_sodium_malloc(size_t n);
void *__wrap_sodium_malloc(size_t n);
void *__wrap_sodium_malloc(size_t n)
{
	return must_fail(ARM_MEMORY) ? NULL : __real_sodium_malloc(n);
}

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
	int err = must_fail(ARM_CALLS);

	return err ? err : __real_pthread_create(t, a, run, arg);
}

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int n)
{
	return must_fail(ARM_MEMORY) ? NULL : sqlite_memory.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
	return must_fail(ARM_MEMORY) ? NULL : sqlite_memory.xRealloc(p, n);
}

void shim_init(void)
{
	sqlite3_mem_methods ours;

	BUG_ON(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory) != SQLITE_OK);
	ours = sqlite_memory;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	BUG_ON(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK);
}
