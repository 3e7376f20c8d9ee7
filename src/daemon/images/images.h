/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Uploaded images and contexts, by the SHA-256 of their bytes: state_dir/images/HASH, read-only,
 * the daemon's own. A user sees the images that he uploaded; knowing a hash is not a right.
 */
#ifndef PINFOLD_DAEMON_IMAGES_H
#define PINFOLD_DAEMON_IMAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"

#define IMAGES_HASH_BYTES 65
#define IMAGES_PATH_BYTES 4096
#define IMAGES_MAX_BYTES  (1ull << 30) /* one image */

struct images;

struct images_options {
	const char *state_dir;
	uint64_t max_bytes;	     /**< of all */
	uint64_t max_bytes_per_user; /**< as long as users_quota says nothing */
	/** What a user may have, instead of max_bytes_per_user; NULL: the same for all. */
	uint64_t (*user_max)(void *arg, uid_t uid);
	void *user_max_arg;
	uint64_t idle_ns; /**< images_collect() leaves what was used since; 0: an hour */
};

/** Open the folder; what is not named by its content's hash is removed. */
int images_open(const struct images_options *o, struct images **ret, struct errmsg *e);
/** Accepts NULL. */
void images_close(struct images *im);

/**
 * Keep the bytes of a file. Uploading what is there already costs nothing and gives the right to use it.
 * @param fd     at any offset; stays with the caller
 * @param want   hash that the caller expects, or NULL
 * @return 0; -EINVAL hash differs; -EDQUOT, -ENOSPC, -EFBIG
 */
int images_put(struct images *im, uid_t uid, int fd, const char *want,
	       char ret_hash[IMAGES_HASH_BYTES], struct errmsg *e);

/**
 * Whether a user may use an image. The first time in the life of the daemon all its bytes are hashed
 * again; a file that was changed is removed and is as good as never uploaded.
 * @return 0 with its size; -ENOENT
 */
int images_find(struct images *im, uid_t uid, const char *hash, uint64_t *ret_bytes);

/**
 * As images_find(), whoever asks: for starting a VM that was defined under an earlier daemon.
 * @return 0; -ENOENT gone or changed, with a sentence
 */
int images_check(struct images *im, const char *hash, struct errmsg *e);

/**
 * Promise room: out of a user's quota, out of what all may have, and out of what is free on the disk, for a file that is kept
 * elsewhere in the state folder (the disk of a VM) and may grow to that size at any time.
 * @return 0; -EDQUOT, -ENOSPC with a sentence; -ENOMEM
 */
int images_charge(struct images *im, uid_t uid, uint64_t bytes, struct errmsg *e);
/** After a restart: what is there is charged whatever the quota says. */
void images_charge_again(struct images *im, uid_t uid, uint64_t bytes);
/** How much of all that is promised the files take already. What they don't is for nobody else. */
void images_charges_took(struct images *im, uint64_t bytes);
/** Takes back one of these. */
void images_release(struct images *im, uid_t uid, uint64_t bytes);

/** What counts against a user's quota: every image, in whole pages, and what was charged. */
uint64_t images_used_bytes(struct images *im, uid_t uid);

/** SHA-256 of a file from its start, as images are named by. @return 0; -ENODATA shorter; -errno */
int images_hash(int fd, uint64_t bytes, char ret_hash[IMAGES_HASH_BYTES]);

/** Whether a text has the form of a hash: 64 lower-case hexadecimal digits. */
bool images_hash_is_sane(const char *text);

/** Where its bytes are; for launch_options. */
void images_path(const struct images *im, const char *hash, char ret_path[IMAGES_PATH_BYTES]);

/**
 * An image that was made for a VM alone, such as a restored one's context: it goes with the last VM that names it. Does
 * nothing to one that other VMs name, or that is not there. Forgotten with the daemon: then it goes after an hour.
 */
void images_make_fleeting(struct images *im, const char *hash);

/** VMs that name it keep it from being removed. */
void images_ref(struct images *im, const char *hash);
/** Takes back one images_ref(). */
void images_unref(struct images *im, const char *hash);

/** Remove images nobody names that were not used for an hour. @return bytes freed */
uint64_t images_collect(struct images *im);

#endif
