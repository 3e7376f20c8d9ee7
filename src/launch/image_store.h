/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One sealed memory file per image and user, however many controllers run it.
 *
 * A controller that holds a sealed image says so in a small file under the user's run directory,
 * named after the image's content hash: "PID FD". Another controller that wants the same bytes
 * opens /proc/PID/fd/FD, checks the seals and compares every byte with the file that it was asked
 * to run; only then the pages are shared. What the run directory says is never believed, so a
 * stale or forged entry costs a comparison and nothing else. The kernel lets only the same user
 * (and root) open the descriptor.
 */
#ifndef PINFOLD_LAUNCH_IMAGE_STORE_H
#define PINFOLD_LAUNCH_IMAGE_STORE_H

#include <stdint.h>

#include "base/errmsg.h"

/** Room for the name of a registration. */
#define IMAGE_STORE_PATH_BYTES 320

/**
 * Get a sealed memory file with the contents of a file, shared with other controllers if possible.
 * @param path      a regular file
 * @param max_bytes largest size that is accepted
 * @param ret_fd    the sealed file; keep it open while VMs run the image, so that others can share
 * @param ret_entry the registration to give to image_store_drop(); empty when there is none
 * @return 0; errors of host_fd_seal_file()
 */
int image_store_get(const char *path, uint64_t max_bytes, int *ret_fd,
		    char ret_entry[IMAGE_STORE_PATH_BYTES], struct errmsg *e);

/**
 * Remove the registration if it is still that of this process's descriptor.
 * @param entry of image_store_get(); may be empty
 * @param fd    that it gave; the caller closes it
 */
void image_store_drop(const char *entry, int fd);

#endif
