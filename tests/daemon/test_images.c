/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images: kept by hash, believed only while they are what they were, charged to who uploaded them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "daemon/images/images.h"
#include "temp_dir.h"
#include "test.h"

/* printf hello | sha256sum */
#define HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static char dir[256];
static struct images *im;
static struct images_options options;
static struct errmsg em;

static int open_images(void)
{
	em.text[0] = '\0';
	return images_open(&options, &im, &em);
}

static void begin(void)
{
	temp_dir_make(dir, sizeof(dir));
	options = (struct images_options){
		.state_dir = dir, .max_bytes = 1 << 20, .max_bytes_per_user = 64 << 10, .idle_ns = 1
	};
	CHECK_INT(open_images(), 0);
}

static void end(void)
{
	images_close(im);
	im = NULL;
	temp_dir_remove(dir);
}

static void restart(void)
{
	images_close(im);
	CHECK_INT(open_images(), 0);
}

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	BUG_ON(fd < 0 || write(fd, bytes, n) != (ssize_t)n);
	return fd;
}

static int put(uid_t uid, const void *bytes, size_t n, const char *want, char *hash)
{
	int fd = file_of(bytes, n);
	int r = images_put(im, uid, fd, want, hash, &em);

	close(fd);
	return r;
}

static unsigned int n_files(void)
{
	char cmd[400];
	unsigned int n = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "ls -A '%s/images' | wc -l", dir);
	f = popen(cmd, "r"); /* NOLINT(cert-env33-c): a path that this test made */
	BUG_ON(!f || fscanf(f, "%u", &n) != 1);
	pclose(f);
	return n;
}

static void test_put_find(void)
{
	char hash[IMAGES_HASH_BYTES] = "", path[IMAGES_PATH_BYTES];
	uint64_t bytes = 0;
	struct stat sb;

	begin();
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	CHECK_STR(hash, HELLO);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), 0);
	CHECK_INT(bytes, 5);
	images_path(im, HELLO, path);
	CHECK_INT(stat(path, &sb), 0);
	CHECK_INT(sb.st_mode & 07777, 0400);
	CHECK_INT(put(1000, "hello", 5, HELLO, hash), 0);
	strcpy(hash, "x");
	CHECK_INT(put(1000, "hellO", 5, HELLO, hash), -EINVAL);
	CHECK_STR(hash, "x");
	CHECK_INT(put(1000, "", 0, NULL, hash), -EINVAL);
	CHECK_INT(n_files(), 2);
	end();
}

static void test_rights(void)
{
	char hash[IMAGES_HASH_BYTES];
	uint64_t bytes = 9;

	begin();
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	CHECK_INT(images_find(im, 1001, HELLO, &bytes), -ENOENT);
	CHECK_INT(images_find(im, 0, HELLO, &bytes), -ENOENT);
	CHECK_INT(bytes, 9);
	restart();
	CHECK_INT(images_find(im, 1001, HELLO, &bytes), -ENOENT);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), 0);
	CHECK_INT(put(1001, "hello", 5, NULL, hash), 0);
	restart();
	CHECK_INT(images_find(im, 1001, HELLO, &bytes), 0);
	CHECK_INT(images_find(im, 1001, "../../etc/passwd", &bytes), -ENOENT);
	CHECK_INT(images_find(im, 1001, "", &bytes), -ENOENT);
	end();
}

static void doctor(const char *to)
{
	char path[IMAGES_PATH_BYTES];
	int fd;

	images_path(im, HELLO, path);
	CHECK_INT(chmod(path, 0600), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
	CHECK(fd >= 0 && write(fd, to, strlen(to)) == (ssize_t)strlen(to));
	close(fd);
	CHECK_INT(chmod(path, 0400), 0);
}

static void test_doctored(void)
{
	char hash[IMAGES_HASH_BYTES];
	uint64_t bytes;

	begin();
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	doctor("hullo");
	restart();
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), -ENOENT);
	CHECK_INT(n_files(), 0);
	/* Uploading it again repairs it. */
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), 0);
	/* Found by an upload, too, and by a VM that starts. */
	doctor("hello, longer");
	restart();
	CHECK_INT(put(1001, "hello", 5, NULL, hash), 0);
	CHECK_INT(images_find(im, 1001, HELLO, &bytes), 0);
	doctor("hullo");
	restart();
	images_ref(im, HELLO);
	CHECK_INT(images_check(im, HELLO, &em), -ENOENT);
	CHECK_INT(images_check(im, HELLO, &em), -ENOENT);
	CHECK_INT(put(1001, "hello", 5, NULL, hash), 0);
	CHECK_INT(images_check(im, HELLO, &em), 0);
	end();
}

static void test_foreign_files(void)
{
	char path[IMAGES_PATH_BYTES], hash[IMAGES_HASH_BYTES];
	uint64_t bytes;
	FILE *f;

	begin();
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	snprintf(path, sizeof(path), "%s/images/new-17", dir);
	f = fopen(path, "w");
	BUG_ON(!f);
	fclose(f);
	/* A right to nothing, and a right that is no number. */
	snprintf(path, sizeof(path), "%s/images/%.63s0.1000", dir, HELLO);
	f = fopen(path, "w");
	BUG_ON(!f);
	fclose(f);
	snprintf(path, sizeof(path), "%s/images/" HELLO ".root", dir);
	f = fopen(path, "w");
	BUG_ON(!f);
	fclose(f);
	restart();
	CHECK_INT(n_files(), 2);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), 0);
	/* Readable by others: not believed. */
	images_path(im, HELLO, path);
	CHECK_INT(chmod(path, 0444), 0);
	restart();
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), -ENOENT);
	CHECK_INT(n_files(), 0);
	end();
}

static uint64_t no_more_than_a_page(void *arg, uid_t uid)
{
	(void)arg;
	return uid == 1000 ? PAGE_BYTES : UINT64_MAX;
}

static void test_quota(void)
{
	char hash[IMAGES_HASH_BYTES];
	static uint8_t big[1 << 20];

	begin();
	CHECK_INT(put(1000, big, 60 << 10, NULL, hash), 0);
	CHECK_INT(images_used_bytes(im, 1000), 60 << 10);
	CHECK_INT(put(1000, "a", 1, NULL, hash), 0); /* costs a page */
	CHECK_INT(put(1000, "b", 1, NULL, hash), -EDQUOT);
	CHECK_STR(em.text, "images and disks of this user take 64 KiB of 64 KiB that are allowed; "
			   "this one needs 4 KiB");
	CHECK_INT(n_files(), 4);
	CHECK_INT(put(1001, "b", 1, NULL, hash), 0);
	/* What somebody else has uploaded costs as much. */
	CHECK_INT(put(1000, "b", 1, NULL, hash), -EDQUOT);
	options.user_max = no_more_than_a_page;
	restart();
	CHECK_INT(put(1001, big, 1 << 20, NULL, hash), -ENOSPC); /* all together */
	CHECK_INT(put(1001, big, 512 << 10, NULL, hash), 0);
	CHECK_INT(put(1000, "c", 1, NULL, hash), -EDQUOT);
	CHECK_INT(n_files(), 8);
	end();
}

static void test_collect(void)
{
	char hash[IMAGES_HASH_BYTES];
	uint64_t bytes;

	begin();
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	images_ref(im, HELLO);
	CHECK_INT(images_collect(im), 0);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), 0);
	images_unref(im, HELLO);
	CHECK_INT(images_collect(im), 5);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), -ENOENT);
	CHECK_INT(n_files(), 0);
	options.idle_ns = 0;
	restart();
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	CHECK_INT(images_collect(im), 0); /* not yet an hour */
	end();
}

/* Room for what is kept elsewhere. */
static void test_charge(void)
{
	char hash[IMAGES_HASH_BYTES];

	begin();
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	CHECK_INT(images_charge(im, 1000, 48 << 10, &em), 0);
	CHECK_INT(images_used_bytes(im, 1000), 52 << 10);
	CHECK_INT(images_charge(im, 1000, 16 << 10, &em), -EDQUOT);
	CHECK_STR(em.text, "images and disks of this user take 52 KiB of 64 KiB that are allowed; "
			   "this one needs 16 KiB");
	CHECK_INT(images_charge(im, 1001, 16 << 10, &em), 0);
	images_release(im, 1000, 48 << 10);
	CHECK_INT(images_used_bytes(im, 1000), 4 << 10);
	CHECK_INT(images_charge(im, 1000, 60 << 10, &em), 0);
	images_release(im, 1000, 60 << 10);
	images_charge_again(im, 1000, 100 << 10); /* it is there already */
	CHECK_INT(put(1000, "a", 1, NULL, hash), -EDQUOT);
	images_release(im, 1000, 100 << 10);
	images_release(im, 1001, 16 << 10);
	CHECK_INT(images_used_bytes(im, 1001), 0);
	end();
}

static void test_fleeting(void)
{
	char hash[IMAGES_HASH_BYTES];
	uint64_t bytes;

	begin();
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	images_make_fleeting(im, HELLO);
	images_ref(im, HELLO);
	images_ref(im, HELLO);
	images_unref(im, HELLO);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), 0);
	images_unref(im, HELLO);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), -ENOENT);
	CHECK_INT(n_files(), 0);
	CHECK_INT(images_used_bytes(im, 1000), 0);
	/* Not what a VM runs that was not made with it, nor what is uploaded for itself. */
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	images_ref(im, HELLO);
	images_make_fleeting(im, HELLO);
	images_unref(im, HELLO);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), 0);
	images_make_fleeting(im, HELLO);
	CHECK_INT(put(1000, "hello", 5, NULL, hash), 0);
	images_ref(im, HELLO);
	images_unref(im, HELLO);
	CHECK_INT(images_find(im, 1000, HELLO, &bytes), 0);
	end();
}

struct putter {
	uid_t uid;
	int failed;
};

static void *put_many(void *arg)
{
	struct putter *p = arg;
	static const char bytes[40000] = "the same for all";
	char hash[IMAGES_HASH_BYTES];
	int fd = file_of(bytes, sizeof(bytes));

	for (int i = 0; i < 50; i++) {
		p->failed += images_put(im, p->uid, fd, NULL, hash, NULL) != 0;
	}
	close(fd);
	return NULL;
}

static void test_concurrent(void)
{
	struct putter p[6];
	pthread_t t[6];

	begin();
	for (unsigned int i = 0; i < 6; i++) {
		p[i] = (struct putter){ 1000 + i % 3, 0 };
		CHECK_INT(pthread_create(&t[i], NULL, put_many, &p[i]), 0);
	}
	for (unsigned int i = 0; i < 6; i++) {
		pthread_join(t[i], NULL);
		CHECK_INT(p[i].failed, 0);
	}
	CHECK_INT(n_files(), 4); /* one image, three users */
	CHECK_INT(images_used_bytes(im, 1002), 40960);
	end();
}

static const struct test_case cases[] = {
	{ "bytes are kept under their hash, closed to others", test_put_find },
	{ "knowing a hash is not a right, also after a restart", test_rights },
	{ "a file that was changed is not believed", test_doctored },
	{ "what does not belong into the folder is removed", test_foreign_files },
	{ "quotas of users and of all", test_quota },
	{ "what nobody names and uses is collected", test_collect },
	{ "room for what is kept elsewhere counts", test_charge },
	{ "what was made for a VM goes with it", test_fleeting },
	{ "six threads put the same bytes", test_concurrent },
};

TEST_MAIN(cases)
