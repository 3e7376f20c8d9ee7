/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is connected: accepting, counting per user, closing what is silent for too long.
 *
 * libmicrohttpd's own time-outs are not used: they poll without waiting in their last second, and
 * start anew with every byte, so that one byte now and then holds a connection for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "daemon/http/http_internal.h"

#define SWEEP_MS       1000
#define ACCEPT_AT_ONCE 64 /* then time-outs and the stop are looked at again */

uint64_t http_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void http_peer_touch(struct http *h, struct http_peer *p)
{
	atomic_store(&p->until_ms, http_now_ms() + h->o.idle_s * UINT64_C(1000));
}

bool http_peer_is_gone(const struct http_peer *p)
{
	struct pollfd f = { .fd = p->fd }; /* POLLHUP: both directions are closed */

	return poll(&f, 1, 0) > 0 && (f.revents & (POLLHUP | POLLERR));
}

static bool is_our_own(const struct http_caller *c)
{
	return c->uid == 0 || c->uid == geteuid();
}

/* The last eighth of all connections is for administrators, so that they always get in. */
static int limits_check_locked(const struct http *h, const struct http_caller *c, struct errmsg *e)
{
	uint32_t max = h->o.max_connections, n_mine = 0;

	if (!is_our_own(c)) {
		max -= max / 8;
	}
	for (const struct http_peer *p = h->peers; p; p = p->next) {
		n_mine += p->caller.uid == c->uid;
	}
	if (n_mine >= h->o.max_per_user) {
		return errmsg_set(e, -EUSERS, "user %u has %u connections open, the limit",
				  (unsigned int)c->uid, n_mine);
	}
	if (h->n_peers >= max) {
		return errmsg_set(e, -EAGAIN, "%u connections are open, the limit", h->n_peers);
	}
	return 0;
}

int http_peer_spool(struct http *h, struct http_peer *p, size_t n_bytes, struct errmsg *e)
{
	uint64_t all = 0, mine = 0, max = h->o.max_spool_bytes;
	uint64_t max_mine = is_our_own(&p->caller) ? max : max / 2;
	uint64_t max_all = is_our_own(&p->caller) ? max : max - max / 8;
	int r = 0;

	pthread_mutex_lock(&h->lock);
	for (const struct http_peer *q = h->peers; q; q = q->next) {
		all += q->spooled_bytes;
		mine += q->caller.uid == p->caller.uid ? q->spooled_bytes : 0;
	}
	if (all > max_all || n_bytes > max_all - all || mine > max_mine ||
	    n_bytes > max_mine - mine) {
		r = -EAGAIN;
	} else {
		p->spooled_bytes += n_bytes;
	}
	pthread_mutex_unlock(&h->lock);
	return r ? errmsg_set(e, r, "too many bytes are being uploaded at once") : 0;
}

void http_peer_unspool(struct http *h, struct http_peer *p)
{
	pthread_mutex_lock(&h->lock);
	p->spooled_bytes = 0;
	pthread_mutex_unlock(&h->lock);
}

static void peer_link_locked(struct http *h, struct http_peer *p)
{
	p->next = h->peers;
	if (p->next) {
		p->next->prev = p;
	}
	h->peers = p;
	h->n_peers++;
}

static void peer_drop(struct http *h, struct http_peer *p)
{
	pthread_mutex_lock(&h->lock);
	if (p->next) {
		p->next->prev = p->prev;
	}
	if (p->prev) {
		p->prev->next = p->next;
	} else {
		h->peers = p->next;
	}
	h->n_peers--;
	pthread_mutex_unlock(&h->lock);
	free(p);
}

/* An address that carries our pointer: libmicrohttpd keeps a copy and never looks into it. */
static void address_make(struct http_peer *p, struct sockaddr_un *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, &p, sizeof(struct http_peer *));
}

void http_peer_on_connection(void *cls, struct MHD_Connection *con, void **socket_context,
			     enum MHD_ConnectionNotificationCode code)
{
	struct http *h = cls;
	struct http_peer *p;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) { /* the descriptor is still open */
		peer_drop(h, *socket_context);
		return;
	}
	memcpy(&p,
	       ((const struct sockaddr_un *)(const void *)
			MHD_get_connection_info(con, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
				->client_addr)
		       ->sun_path,
	       sizeof(struct http_peer *));
	*socket_context = p;
	pthread_mutex_lock(&h->lock);
	p->is_started = true;
	pthread_mutex_unlock(&h->lock);
}

static void refuse(struct http *h, int fd, struct http_fail *f, int err)
{
	atomic_fetch_add(&h->refused, 1);
	http_fail_set(f, err);
	http_reply_raw(fd, f);
	close(fd);
}

/* Takes over the descriptor. */
static void peer_add(struct http *h, int fd)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);
	struct http_fail fail = { 0 };
	struct sockaddr_un addr;
	struct http_peer *p;
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0) {
		close(fd);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		refuse(h, fd, &fail, -ENOMEM);
		return;
	}
	p->caller = (struct http_caller){ cred.uid, cred.gid, cred.pid };
	p->fd = fd;
	http_peer_touch(h, p);
	r = h->o.hooks.admit ? h->o.hooks.admit(h->o.hooks.ctx, &p->caller, &fail.e) : 0;
	if (r == 0) {
		pthread_mutex_lock(&h->lock);
		r = limits_check_locked(h, &p->caller, &fail.e);
		if (r == 0) {
			peer_link_locked(h, p);
		}
		pthread_mutex_unlock(&h->lock);
	}
	if (r) {
		free(p);
		refuse(h, fd, &fail, r);
		return;
	}
	atomic_fetch_add(&h->connections, 1);
	address_make(p, &addr);
	if (MHD_add_connection(h->mhd, fd, (const struct sockaddr *)&addr, sizeof(addr)) !=
	    MHD_YES) {
		peer_drop(h, p); /* the descriptor is closed */
	}
}

/* Out of descriptors: give up the spare one to tell the caller, and take it again. */
static void accept_without_fd(struct http *h)
{
	struct http_fail fail = { 0 };
	int fd;

	if (h->spare_fd >= 0) {
		close(h->spare_fd);
	}
	fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		refuse(h, fd, &fail, -EAGAIN);
	}
	h->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* @return false: nothing can be accepted for now, though somebody waits */
static bool accept_some(struct http *h)
{
	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		int fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			peer_add(h, fd);
		} else if (errno == EMFILE || errno == ENFILE) {
			bool had_spare = h->spare_fd >= 0;

			accept_without_fd(h);
			return had_spare;
		} else if (errno == EAGAIN) {
			return true;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return false;
		}
	}
	return true;
}

/* Wake the threads of those whose time is over: they see the end of their connection. */
static bool sweep(struct http *h)
{
	uint64_t now = http_now_ms();
	bool has_peers;

	pthread_mutex_lock(&h->lock);
	for (struct http_peer *p = h->peers; p; p = p->next) {
		uint64_t until = atomic_load(&p->until_ms);

		if (p->is_started && until && until <= now) {
			atomic_store(&p->until_ms, 0);
			shutdown(p->fd, SHUT_RDWR);
		}
	}
	has_peers = h->peers != NULL;
	pthread_mutex_unlock(&h->lock);
	return has_peers;
}

void *http_peer_accept_main(void *arg)
{
	struct http *h = arg;
	bool can_accept = true;

	for (;;) {
		struct pollfd f[2] = { { .fd = h->stop_fd, .events = POLLIN },
				       { .fd = can_accept ? h->listen_fd : -1, .events = POLLIN } };
		int wait_ms = sweep(h) || !can_accept ? SWEEP_MS : -1;
		int r = poll(f, 2, wait_ms);

		if (r < 0 && errno != EINTR) {
			log_err("the API socket can no longer be watched: %s", strerror(errno));
			return NULL;
		}
		if (r > 0 && f[0].revents) {
			return NULL;
		}
		can_accept = r > 0 && f[1].revents ? accept_some(h) : true;
	}
}
