/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registrations of shared images: another holder's file is shared only when it is sealed and has
 * the same bytes; stale, forged and foreign entries cost nothing but the sharing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "launch/image_store.h"
#include "test.h"

static char dir[] = "/tmp/pinfold-store-XXXXXX"; /* stands for $XDG_RUNTIME_DIR */
static char image[64];

static ino_t inode_of(int fd)
{
	struct stat st = { 0 };

	CHECK_INT(fstat(fd, &st), 0);
	return st.st_ino;
}

static int get(char entry[IMAGE_STORE_PATH_BYTES])
{
	struct errmsg e = { 0 };
	int fd = -1;

	CHECK_INT(image_store_get(image, 1 << 20, &fd, entry, &e), 0);
	CHECK_STR(e.text, "");
	return fd;
}

static void put_entry(const char *entry, const char *text)
{
	int fd = open(entry, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void same_bytes_are_one_file(void)
{
	char a[IMAGE_STORE_PATH_BYTES];
	char b[IMAGE_STORE_PATH_BYTES];
	int first = get(a);
	int second = get(b);

	CHECK(strncmp(a, dir, strlen(dir)) == 0);
	CHECK_STR(a, b);
	CHECK(inode_of(first) == inode_of(second));
	/* The entry names the second one now: the first one's end leaves it alone. */
	image_store_drop(a, first);
	CHECK_INT(access(b, F_OK), 0);
	image_store_drop(b, second);
	CHECK_INT(access(b, F_OK), -1);
	image_store_drop(b, second);
	image_store_drop("", -1);
	close(first);
	close(second);
}

/* Whatever the entry says, the caller gets a good file of its own, and registers it. */
static void check_forged(const char *text, int not_this_fd)
{
	char entry[IMAGE_STORE_PATH_BYTES];
	char bytes[8] = { 0 };
	int fd = get(entry);

	image_store_drop(entry, fd);
	close(fd);
	put_entry(entry, text);
	fd = get(entry);
	CHECK_INT(pread(fd, bytes, sizeof(bytes), 0), 8);
	CHECK(memcmp(bytes, "an image", 8) == 0);
	CHECK(not_this_fd < 0 || inode_of(fd) != inode_of(not_this_fd));
	CHECK_INT(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
	image_store_drop(entry, fd);
	CHECK_INT(access(entry, F_OK), -1);
	close(fd);
}

static void stale_and_forged_entries_are_not_believed(void)
{
	static const char *const texts[] = { "", "x", "2000000000 3\n", "-1 -1\n", "1 1",
					     "4294967295 4294967295", "99999999999999999999 1" };
	uint8_t other[4096] = "another i";
	char text[64];
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		check_forged(texts[i], -1);
	}
	/* The same bytes, but whoever holds it can still change them. */
	fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	memcpy(other, "an image", 8);
	CHECK_INT(write(fd, other, sizeof(other)), sizeof(other));
	snprintf(text, sizeof(text), "%d %d\n", getpid(), fd);
	check_forged(text, fd);
	/* Sealed, but with other bytes. */
	other[100] = 1;
	CHECK_INT(pwrite(fd, other, sizeof(other), 0), sizeof(other));
	CHECK_INT(fcntl(fd, F_ADD_SEALS,
			F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
		  0);
	check_forged(text, fd);
	/* Not a memory file at all. */
	snprintf(text, sizeof(text), "%d 0\n", getpid());
	check_forged(text, -1);
	close(fd);
}

static void links_in_place_of_entries_are_not_followed(void)
{
	char entry[IMAGE_STORE_PATH_BYTES];
	char victim[128];
	struct stat st;
	int fd = get(entry);

	image_store_drop(entry, fd);
	close(fd);
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	put_entry(victim, "keep");
	CHECK_INT(symlink(victim, entry), 0);
	fd = get(entry);
	CHECK(stat(victim, &st) == 0 && st.st_size == 4);
	CHECK(lstat(entry, &st) == 0 && S_ISREG(st.st_mode));
	image_store_drop(entry, fd);
	close(fd);
	unlink(victim);
}

/* A directory that others may write, or that is another's: no sharing, and a file all the same. */
static void foreign_directories_are_not_used(void)
{
	char entry[IMAGE_STORE_PATH_BYTES];
	char store[128];
	int fd;

	snprintf(store, sizeof(store), "%s/pinfold", dir);
	CHECK_INT(chmod(store, 0777), 0);
	fd = get(entry);
	CHECK(fd > 0);
	CHECK_STR(entry, "");
	close(fd);
	CHECK_INT(chmod(store, 0700), 0);
	if (geteuid() == 0) {
		CHECK_INT(chown(store, 65534, 65534), 0);
		fd = get(entry);
		CHECK(fd > 0);
		CHECK_STR(entry, "");
		close(fd);
		CHECK_INT(chown(store, 0, 0), 0);
	}
	fd = get(entry);
	CHECK(entry[0] != '\0');
	image_store_drop(entry, fd);
	close(fd);
}

static const struct test_case cases[] = {
	{ "same bytes are one file", same_bytes_are_one_file },
	{ "stale and forged entries are not believed", stale_and_forged_entries_are_not_believed },
	{ "links in place of entries are not followed", links_in_place_of_entries_are_not_followed },
	{ "foreign directories are not used", foreign_directories_are_not_used },
};

int main(void)
{
	char path[128];
	uint8_t bytes[4096] = "an image";
	int status;
	int fd;

	if (!mkdtemp(dir) || setenv("XDG_RUNTIME_DIR", dir, 1) < 0) {
		perror(dir);
		return 1;
	}
	fd = memfd_create("image", MFD_CLOEXEC);
	CHECK_INT(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	snprintf(image, sizeof(image), "/proc/self/fd/%d", fd);
	status = test_main(cases, ARRAY_SIZE(cases));
	snprintf(path, sizeof(path), "%s/pinfold/images", dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/pinfold", dir);
	rmdir(path);
	if (rmdir(dir) < 0) {
		printf("something was left in %s\n", dir);
		status = 1;
	}
	return status;
}
