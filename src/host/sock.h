/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UNIX socket pairs and packets that carry descriptors. Receiving is safe against a hostile peer:
 * a packet that does not fit, or brings more descriptors than asked for, is refused whole and
 * leaves no descriptor open.
 */
#ifndef PINFOLD_HOST_SOCK_H
#define PINFOLD_HOST_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/** Most descriptors in one packet. */
#define HOST_SOCK_FDS_MAX 24

/** A pair of SOCK_SEQPACKET sockets: message borders are kept. @return 0; negative errno */
int host_sock_pair_packet(int ret_fds[2]);

/** A pair of SOCK_STREAM sockets. @return 0; negative errno */
int host_sock_pair_stream(int ret_fds[2]);

/**
 * Send one packet. Never raises SIGPIPE; restarts after signals.
 * @param fds      descriptors to pass; they stay open here
 * @param n_fds    at most HOST_SOCK_FDS_MAX
 * @param is_nowait -EAGAIN instead of waiting for room
 * @return 0; -EAGAIN; -EPIPE when the peer is gone; negative errno
 */
int host_sock_send(int fd, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds,
		   bool is_nowait);

/**
 * Receive one packet. Restarts after signals.
 * @param fds       receives descriptors (close-on-exec), owned by the caller
 * @param max_fds   room in @p fds, at most HOST_SOCK_FDS_MAX
 * @param ret_n_fds how many came
 * @param is_nowait -EAGAIN instead of waiting for a packet
 * @return bytes received; 0 when the peer has closed; -EMSGSIZE when the packet or its descriptors
 *         did not fit (all of it is dropped); -EAGAIN; negative errno
 */
ssize_t host_sock_recv(int fd, const struct iovec *iov, size_t n_iov, int *fds, size_t max_fds,
		       size_t *ret_n_fds, bool is_nowait);

/**
 * Wait until a descriptor can be read or its peer has closed.
 * @param timeout_ms -1: for ever. A signal restarts the wait with the time that is left
 * @return 0; -ETIMEDOUT; negative errno
 */
int host_sock_wait_readable(int fd, int timeout_ms);

#endif
