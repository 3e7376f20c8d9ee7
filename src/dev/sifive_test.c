/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A word at offset 0: what to do in its low half, a code in its high half. It has no state. */
#include "dev/sifive_test.h"

#include <stdlib.h>

#define STATUS_FAIL  0x3333
#define STATUS_PASS  0x5555
#define STATUS_RESET 0x7777

struct sifive_test {
	struct dev_host host;
};

static enum dev_result word_write(const struct sifive_test *t, uint32_t word)
{
	const struct dev_host *h = &t->host;

	switch (word & 0xffff) {
	case STATUS_PASS:
		h->stop(h->opaque, DEV_STOP_EXIT, 0, NULL);
		return DEV_STOP;
	case STATUS_FAIL:
		h->stop(h->opaque, DEV_STOP_EXIT, word >> 16, NULL);
		return DEV_STOP;
	case STATUS_RESET:
		h->stop(h->opaque, DEV_STOP_RESET, 0, NULL);
		return DEV_STOP;
	default:
		return DEV_OK;
	}
}

static enum dev_result sifive_test_access(void *dev, struct dev_access *a)
{
	if (a->offset >= SIFIVE_TEST_RANGE_BYTES || (a->bytes != 2 && a->bytes != 4)) {
		return DEV_UNMAPPED;
	}
	if (!a->is_write) {
		a->value = 0; /* U-Boot reads before it writes */
		return DEV_OK;
	}
	return a->offset ? DEV_OK : word_write(dev, (uint32_t)low_bytes(a->value, a->bytes));
}

static void sifive_test_destroy(void *dev)
{
	free(dev);
}

const struct dev_ops sifive_test_ops = {
	.name = "sifive-test",
	.access = sifive_test_access,
	.destroy = sifive_test_destroy,
};

struct sifive_test *sifive_test_new(const struct dev_host *host)
{
	struct sifive_test *t = calloc(1, sizeof(*t));

	if (t) {
		t->host = *host;
	}
	return t;
}
