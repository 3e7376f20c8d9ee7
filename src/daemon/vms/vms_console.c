/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consoles: what guests print, kept in a ring per VM, and what people type. Bytes are passed on as
 * they are; who shows them on a terminal looks after that.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "daemon/vms/vms_internal.h"
#include "host/timer.h"

/* What one VM may have moved before the others get their turn. */
#define PUMP_ROUNDS 16
#define PUMP_BYTES  4096

void vms_console_reset(struct vms_vm *vm)
{
	pthread_mutex_lock(&vm->out_lock);
	free(vm->out.ring);
	memset(&vm->out, 0, sizeof(vm->out));
	pthread_mutex_unlock(&vm->out_lock);
}

/* Behind what is there; the oldest goes. */
static void append_locked(struct vms *v, struct vms_vm *vm, const uint8_t *buf, size_t n)
{
	uint64_t size = v->o.console_bytes;

	if (!vm->out.ring) {
		vm->out.ring = malloc(size);
	}
	/* Without memory the output is counted and gone, like that of a full ring. */
	for (size_t done = 0; vm->out.ring && done < n;) {
		uint64_t at = (vm->out.total + done) % size;
		size_t part = size - at < n - done ? (size_t)(size - at) : n - done;

		memcpy(vm->out.ring + at, buf + done, part);
		done += part;
	}
	vm->out.total += n;
	pthread_cond_broadcast(&vm->out_changed);
}

/*
 * The process that is met again has kept the end of what it printed; only that is left. The marker
 * takes the place of the last bytes that are lost, so that the others keep their numbers.
 */
void vms_console_begin(struct vms *v, struct vms_vm *vm, uint64_t from)
{
	char marker[96];
	size_t n;

	if (from == 0) {
		return;
	}
	n = (size_t)snprintf(marker, sizeof(marker),
			     "\n[pinfold: %" PRIu64 " bytes of output before this are lost]\n",
			     from);
	/* Without a bound, the numbers of bytes to come would overflow. */
	from = from > INT64_MAX / 2 ? INT64_MAX / 2 : from;
	pthread_mutex_lock(&vm->out_lock);
	vm->out.first = vm->out.total = from > n ? from - n : 0;
	append_locked(v, vm, (const uint8_t *)marker, n);
	pthread_mutex_unlock(&vm->out_lock);
}

bool vms_console_pump(struct vms *v, struct vms_vm *vm)
{
	uint8_t buf[PUMP_BYTES];
	bool is_open = true;

	pthread_mutex_lock(&vm->out_lock);
	for (int i = 0; is_open && i < PUMP_ROUNDS && vm->console_fd >= 0; i++) {
		ssize_t n = recv(vm->console_fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n > 0) {
			append_locked(v, vm, buf, (size_t)n);
		} else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			break;
		} else {
			is_open = false;
		}
	}
	pthread_mutex_unlock(&vm->out_lock);
	return is_open;
}

/* Hostile text: printable ASCII, one line. */
static void words_add(char *words, size_t size, const char *buf, size_t n)
{
	size_t len = strlen(words);

	for (size_t i = 0; i < n && len < size - 1; i++) {
		words[len++] = buf[i] >= 0x20 && buf[i] < 0x7f ? buf[i] : ' ';
	}
	words[len] = '\0';
}

bool vms_words_pump(struct vms_vm *vm)
{
	char buf[512];
	bool is_open = true;

	pthread_mutex_lock(&vm->out_lock);
	if (vm->stderr_fd >= 0) {
		ssize_t n = read(vm->stderr_fd, buf, sizeof(buf));

		if (n > 0) {
			words_add(vm->out.words, sizeof(vm->out.words), buf, (size_t)n);
		} else {
			is_open = n < 0 && (errno == EAGAIN || errno == EINTR);
		}
	}
	pthread_mutex_unlock(&vm->out_lock);
	return is_open;
}

static uint64_t printed(struct vms_vm *vm)
{
	uint64_t total;

	pthread_mutex_lock(&vm->out_lock);
	total = vm->out.total;
	pthread_mutex_unlock(&vm->out_lock);
	return total;
}

/* Everything a dead process left, but no more than can be kept. The watcher may be at it, too. */
static void drain(struct vms *v, struct vms_vm *vm)
{
	uint64_t rounds = v->o.console_bytes / ((uint64_t)PUMP_ROUNDS * PUMP_BYTES) + 1;
	uint64_t before;

	do {
		before = printed(vm);
	} while (vms_console_pump(v, vm) && printed(vm) != before && rounds-- > 0);
	vms_words_pump(vm);
}

void vms_console_close(struct vms *v, struct vms_vm *vm)
{
	drain(v, vm);
	pthread_mutex_lock(&vm->out_lock);
	vm->console_fd = vm->stderr_fd = -1;
	vm->out.is_over = true;
	pthread_cond_broadcast(&vm->out_changed);
	pthread_mutex_unlock(&vm->out_lock);
}

/* Copy from @p from on. @return bytes, *ret_from where they were */
static size_t copy_locked(const struct vms *v, const struct vms_vm *vm, uint64_t from, uint8_t *buf,
			  size_t max, uint64_t *ret_from)
{
	uint64_t size = v->o.console_bytes;
	uint64_t oldest = vm->out.total > size ? vm->out.total - size : 0;
	uint64_t at;
	size_t n = 0;

	oldest = oldest < vm->out.first ? vm->out.first : oldest;
	at = from < oldest ? oldest : from;
	*ret_from = at;
	while (vm->out.ring && n < max && at + n < vm->out.total) {
		uint64_t pos = (at + n) % size;
		uint64_t part = vm->out.total - (at + n);

		part = part > size - pos ? size - pos : part;
		part = part > max - n ? max - n : part;
		memcpy(buf + n, vm->out.ring + pos, part);
		n += (size_t)part;
	}
	return n;
}

ssize_t vms_console_read(struct vms *v, const char *id, uint64_t from, uint8_t *buf, size_t max,
			 uint32_t wait_ms, uint64_t *ret_from)
{
	struct timespec until = host_deadline(wait_ms * NS_PER_MS);
	struct vms_vm *vm = vms_ref(v, id);
	ssize_t n;
	int r = 0;

	if (!vm) {
		return -ENOENT;
	}
	pthread_mutex_lock(&vm->out_lock);
	from = from > vm->out.total ? vm->out.total : from;
	while (from >= vm->out.total && !vm->out.is_over && r == 0 && wait_ms) {
		r = pthread_cond_timedwait(&vm->out_changed, &vm->out_lock, &until);
	}
	n = (ssize_t)copy_locked(v, vm, from, buf, max, ret_from);
	if (n == 0 && vm->out.is_over && from >= vm->out.total) {
		n = -ENODATA;
	}
	pthread_mutex_unlock(&vm->out_lock);
	vms_unref(v, vm);
	return n;
}

ssize_t vms_console_write(struct vms *v, const char *id, const uint8_t *buf, size_t n,
			  struct errmsg *e)
{
	struct vms_vm *vm;
	ssize_t r;

	r = vms_ref_or(v, id, &vm, e);
	if (r < 0) {
		return r;
	}
	pthread_mutex_lock(&vm->out_lock);
	if (vm->console_fd < 0) {
		r = errmsg_set(e, -EINVAL, "the VM has no process that could read");
	} else {
		r = send(vm->console_fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0) {
			r = errno == EAGAIN
				    ? errmsg_set(e, -EAGAIN, "the guest does not read its console")
				    : errmsg_set(e, -EINVAL, "the VM's console: %s",
						 strerror(errno));
		}
	}
	pthread_mutex_unlock(&vm->out_lock);
	vms_unref(v, vm);
	return r;
}
