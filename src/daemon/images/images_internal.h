/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside images/: the folder, and the table of what is in it. */
#ifndef PINFOLD_DAEMON_IMAGES_INTERNAL_H
#define PINFOLD_DAEMON_IMAGES_INTERNAL_H

#include <pthread.h>

#include "base/bits.h"
#include "daemon/images/images.h"

/** Most images at a time, of all users. */
#define IMAGES_MAX 16384u
/** "HASH.UID" with its NUL, and room for a temporary name. */
#define IMAGES_NAME_BYTES 96

/** One image. */
struct image {
	char hash[IMAGES_HASH_BYTES];
	uint64_t bytes;
	bool is_checked;  /**< hashed since the daemon started */
	bool is_fleeting; /**< goes with its last VM */
	bool is_gone;	  /**< was changed and removed; somebody still names it */
	uint32_t refs;
	ns_t used_ns; /**< monotonic */
	uint32_t n_owners;
	uid_t *owners;
};

/** What a user has beside images. */
struct images_charge {
	uid_t uid;
	uint64_t bytes;
};

struct images {
	struct images_options options;
	char state_dir[IMAGES_PATH_BYTES];
	int dir_fd;
	pthread_mutex_t lock;
	uint32_t n, max;
	struct image *image;
	uint64_t total_bytes;
	uint32_t n_charges;
	struct images_charge *charges;
	uint64_t promised_bytes; /**< sum of the charges */
	uint64_t taken_bytes;	 /**< images_charges_took() */
	uint64_t next_temp;
};

/** @return NULL when there is none */
struct image *images_lookup_locked(struct images *im, const char *hash);

/** Add an empty entry. @return NULL: out of memory or too many */
struct image *images_entry_locked(struct images *im, const char *hash);

/** Remove an entry, its owners too, not its files. */
void images_forget_locked(struct images *im, struct image *img);

/** @return whether this user uploaded it */
bool images_is_owner(const struct image *img, uid_t uid);

/** Note a right in memory. @return 0; -ENOMEM */
int images_owner_add(struct image *img, uid_t uid);

/* images_dir.c */

/** Read the folder: fills the table, removes what does not belong. */
int images_dir_load(struct images *im, struct errmsg *e);

/** Copy @p bytes of a file to a new, durable file; @p ret_hash of what was written. */
int images_dir_copy(struct images *im, int fd, uint64_t bytes, const char *temp,
		    char ret_hash[IMAGES_HASH_BYTES], struct errmsg *e);

/** Give the temporary file its name, durable. */
int images_dir_rename(struct images *im, const char *temp, const char *hash, struct errmsg *e);

/** Note durably that a user may use an image. */
int images_dir_grant(struct images *im, const char *hash, uid_t uid, struct errmsg *e);

/** Remove an image and the notes of its owners. */
void images_dir_remove(struct images *im, const struct image *img);

/** Hash the file of an image as it is. @return 0; -EUCLEAN is not what its name says; errno */
int images_dir_check(struct images *im, const char *hash, uint64_t bytes);

#endif
