/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images: there or not, and uploads. */
#include <errno.h>

#include "daemon/api/api_internal.h"

int op_image_get(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	uint64_t bytes = 0;
	int r = images_find(a->o.images, rq->caller.uid, rq->param[0], &bytes);

	if (r < 0) {
		return errmsg_set(e, r, "image %.64s is not here\nupload it with PUT",
				  rq->param[0]);
	}
	return api_reply(rp,
			 json_pack("{ss so}", "hash", rq->param[0], "bytes", api_json_u64(bytes)),
			 e);
}

int op_image_head(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	return op_image_get(ctx, rq, rp, e);
}

int op_image_put(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	char hash[IMAGES_HASH_BYTES];
	int r;

	if (!images_hash_is_sane(rq->param[0])) {
		return errmsg_set(e, -EINVAL,
				  "an image is named by its SHA-256, 64 lower-case hexadecimal "
				  "digits");
	}
	r = images_put(a->o.images, rq->caller.uid, rq->body_fd, rq->param[0], hash, e);
	if (r < 0) {
		return r;
	}
	return api_reply(rp,
			 json_pack("{ss so}", "hash", hash, "bytes", api_json_u64(rq->body_bytes)),
			 e);
}
