/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What guests print, as a stream; what they are told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api_internal.h"

#define FOLLOW_WAIT_MS 1000u

struct console {
	struct api *a;
	char id[VMS_ID_BYTES];
	uint64_t at;
	bool is_followed;
};

static ssize_t console_read(void *arg, uint8_t *buf, size_t max)
{
	struct console *c = arg;
	uint64_t from;
	ssize_t n;

	if (atomic_load(&c->a->is_stopping)) {
		return -1;
	}
	n = vms_console_read(c->a->o.vms, c->id, c->at, buf, max,
			     c->is_followed ? FOLLOW_WAIT_MS : 0, &from);
	if (n > 0) {
		c->at = from + (uint64_t)n;
		return n;
	}
	return n == 0 && c->is_followed ? 0 : -1;
}

/* Where to begin: "now", an offset, or what is still kept. */
static int begin_at(const struct http_request *rq, const struct vms_info *i, uint64_t *ret,
		    struct errmsg *e)
{
	const char *from = http_query(rq, "from");

	if (from && strcmp(from, "now") == 0) {
		*ret = i->console_bytes;
		return 0;
	}
	return api_query_u64(rq, "from", UINT64_MAX, 0, ret, e);
}

int op_vm_console_read(void *ctx, const struct http_request *rq, struct http_reply *rp,
		       struct errmsg *e)
{
	struct api *a = ctx;
	struct console *c;
	struct vms_info info;
	char id[VMS_ID_BYTES];
	uint64_t at = 0;
	uint8_t probe;
	int r = api_vm_find(a, rq, id, e);

	if (r == 0 && vms_get(a->o.vms, id, &info) < 0) {
		r = errmsg_set(e, -ENOENT, "VM \"%s\" was removed", rq->param[0]);
	}
	r = r < 0 ? r : begin_at(rq, &info, &at, e);
	if (r < 0) {
		return r;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	c->a = a;
	memcpy(c->id, id, sizeof(id));
	c->at = at;
	c->is_followed = api_query_flag(rq, "follow");
	/* What is gone is skipped: the answer says where it really begins. */
	if (vms_console_read(a->o.vms, id, at, &probe, 1, 0, &at) > 0) {
		c->at = at;
	}
	rp->type = "application/octet-stream";
	rp->header = "Pinfold-Offset";
	rp->header_value = c->at;
	rp->stream = (struct http_stream){ .read = console_read, .free = free, .arg = c };
	return 0;
}

int op_vm_console_write(void *ctx, const struct http_request *rq, struct http_reply *rp,
			struct errmsg *e)
{
	struct api *a = ctx;
	char id[VMS_ID_BYTES];
	ssize_t n = 0;
	int r = api_vm_find(a, rq, id, e);

	if (r < 0) {
		return r;
	}
	if (rq->n_bytes > 0) {
		n = vms_console_write(a->o.vms, id, rq->bytes, rq->n_bytes, e);
	}
	if (n < 0 && n != -EAGAIN) {
		return (int)n;
	}
	return api_reply(rp, json_pack("{sI}", "taken", (json_int_t)(n > 0 ? n : 0)), e);
}
