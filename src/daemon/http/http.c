/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's life: start, stop, counters. */
#include "daemon/http/http.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "daemon/http/http_internal.h"
#include "host/timer.h"

#define STOP_GRACE_S 2 /* for answers that are on their way */

void http_options_defaults(struct http_options *o)
{
	*o = (struct http_options){
		.socket_gid = HTTP_EVERYBODY,
		.listen_fd = -1,
		.max_connections = 256,
		.max_per_user = 64,
		.idle_s = 30,
		.max_spool_bytes = UINT64_C(1) << 30,
	};
}

static size_t unescape_nothing(void *cls, struct MHD_Connection *con, char *text)
{
	(void)cls;
	(void)con;
	return strlen(text); /* http_uri_parse() does it, strictly */
}

static int mhd_start(struct http *h, struct errmsg *e)
{
	unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
			     MHD_USE_NO_LISTEN_SOCKET | MHD_USE_POLL | MHD_USE_ITC;

	h->mhd = MHD_start_daemon(flags, 0, NULL, NULL, http_request_on_data, h,
				  MHD_OPTION_CONNECTION_LIMIT,
				  (unsigned int)(h->o.max_connections + 64),
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONN_BYTES,
				  MHD_OPTION_THREAD_STACK_SIZE, (size_t)HTTP_STACK_BYTES,
				  MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_STRICT_FOR_CLIENT,
				  1, MHD_OPTION_NOTIFY_CONNECTION, http_peer_on_connection, h,
				  MHD_OPTION_URI_LOG_CALLBACK, http_request_on_uri, h,
				  MHD_OPTION_NOTIFY_COMPLETED, http_request_on_end, h,
				  MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL,
				  MHD_OPTION_END);
	return h->mhd ? 0 : errmsg_set(e, -ENOMEM, "libmicrohttpd does not start");
}

/* Threads inherit the mask: no signal of the process lands on one of ours. */
static int threads_start(struct http *h, struct errmsg *e)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = mhd_start(h, e);
	if (r == 0) {
		r = -pthread_create(&h->acceptor, NULL, http_peer_accept_main, h);
		h->has_acceptor = r == 0;
		if (r) {
			(void)errmsg_set(e, r, "no thread for the API: %s", strerror(-r));
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static struct http *http_new(const struct http_options *o)
{
	struct http *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;

	if (!h) {
		return NULL;
	}
	h->o = *o;
	h->listen_fd = h->lock_fd = -1;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->quiet, &attr);
	pthread_condattr_destroy(&attr);
	h->socket_path = o->socket_path ? strdup(o->socket_path) : NULL;
	h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return h;
}

int http_start(const struct http_options *o, struct http **ret, struct errmsg *e)
{
	struct http *h = http_new(o);
	int r;

	if (!h || h->stop_fd < 0 || h->spare_fd < 0 || (o->socket_path && !h->socket_path)) {
		r = errmsg_set(e, -ENOMEM, "no memory or descriptors for the API");
	} else {
		r = http_listen_open(h, e);
	}
	if (r == 0) {
		r = threads_start(h, e);
	}
	if (r) {
		http_stop(h);
		return r;
	}
	*ret = h;
	return 0;
}

/* Answers under way may be finished, streams see is_stopping and end. */
static void quiet_wait(struct http *h)
{
	struct timespec until = host_deadline(STOP_GRACE_S * NS_PER_S);
	int r = 0;

	pthread_mutex_lock(&h->lock);
	while (h->n_busy && r == 0) {
		r = pthread_cond_timedwait(&h->quiet, &h->lock, &until);
	}
	pthread_mutex_unlock(&h->lock);
}

static void fd_close(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

void http_stop(struct http *h)
{
	const uint64_t one = 1;

	if (!h) {
		return;
	}
	atomic_store(&h->is_stopping, true);
	if (h->has_acceptor) {
		BUG_ON(write(h->stop_fd, &one, sizeof(one)) != sizeof(one));
		pthread_join(h->acceptor, NULL);
	}
	http_listen_close(h);
	quiet_wait(h);
	if (h->mhd) {
		MHD_stop_daemon(h->mhd);
	}
	while (h->peers) { /* those that libmicrohttpd never began with */
		struct http_peer *p = h->peers;

		h->peers = p->next;
		free(p);
	}
	fd_close(h->stop_fd);
	fd_close(h->spare_fd);
	pthread_cond_destroy(&h->quiet);
	pthread_mutex_destroy(&h->lock);
	free(h->socket_path);
	free(h);
}

void http_stats_get(struct http *h, struct http_stats *ret)
{
	ret->requests = atomic_load(&h->requests);
	ret->refused = atomic_load(&h->refused);
	ret->errors = atomic_load(&h->errors);
	ret->connections = atomic_load(&h->connections);
	pthread_mutex_lock(&h->lock);
	ret->open = h->n_peers;
	pthread_mutex_unlock(&h->lock);
}
