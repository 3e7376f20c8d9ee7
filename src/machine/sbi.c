/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SBI; see sbi.h. Section numbers are of the RISC-V SBI specification 2.0. */
#include "machine/sbi.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/bug.h"

/* 3: errors */
#define SBI_SUCCESS		  0LL
#define SBI_ERR_NOT_SUPPORTED	  -2LL
#define SBI_ERR_INVALID_PARAM	  -3LL
#define SBI_ERR_INVALID_ADDRESS	  -5LL
#define SBI_ERR_ALREADY_AVAILABLE -6LL

/* Extensions. */
#define EID_BASE 0x10u
#define EID_TIME 0x54494d45u
#define EID_IPI	 0x735049u
#define EID_RFNC 0x52464e43u
#define EID_HSM	 0x48534du
#define EID_SRST 0x53525354u
#define EID_DBCN 0x4442434eu

/* 5: legacy ones, whose number is all there is */
#define LEGACY_SET_TIMER 0u
#define LEGACY_PUTCHAR	 1u
#define LEGACY_GETCHAR	 2u
#define LEGACY_CLEAR_IPI 3u
#define LEGACY_SHUTDOWN	 8u

#define SPEC_VERSION (2ULL << 24)
#define IMPL_ID	     0x50464e44ULL /* "PFND": not one of the registered */
#define IMPL_VERSION 1ULL

/* Bytes that one call of the debug console moves at most; the guest asks again for the rest. */
#define CONSOLE_BYTES_MAX 4096u

struct sbi {
	struct sbi_config cfg;
};

/* An answer. */
struct answer {
	int64_t error;
	uint64_t value;
};

static struct answer ok(uint64_t value)
{
	return (struct answer){ SBI_SUCCESS, value };
}

static struct answer fail(int64_t error)
{
	return (struct answer){ error, 0 };
}

static bool is_extension(uint64_t eid)
{
	switch (eid) {
	case EID_BASE:
	case EID_TIME:
	case EID_IPI:
	case EID_RFNC:
	case EID_HSM:
	case EID_SRST:
	case EID_DBCN:
	case LEGACY_SET_TIMER:
	case LEGACY_PUTCHAR:
	case LEGACY_GETCHAR:
	case LEGACY_CLEAR_IPI:
	case LEGACY_SHUTDOWN:
		return true;
	default:
		return false;
	}
}

/* 4 */
static struct answer base(const struct sbi_call *c)
{
	switch (c->a[6]) {
	case 0:
		return ok(SPEC_VERSION);
	case 1:
		return ok(IMPL_ID);
	case 2:
		return ok(IMPL_VERSION);
	case 3:
		return ok(is_extension(c->a[0]));
	case 4: /* mvendorid, marchid, mimpid: not told */
	case 5:
	case 6:
		return ok(0);
	default:
		return fail(SBI_ERR_NOT_SUPPORTED);
	}
}

/* 3.1: hart masks. Calls fn for each hart that is meant; every one must exist. */
static struct answer for_harts(struct sbi *s, uint64_t mask, uint64_t first,
			       void (*fn)(void *opaque, uint32_t idx))
{
	const struct sbi_harts *h = &s->cfg.harts;

	if (first == UINT64_MAX) {
		mask = BIT(h->n) - 1;
		first = 0;
	}
	if (mask && (first >= h->n || (mask >> (h->n - first)) != 0)) {
		return fail(SBI_ERR_INVALID_PARAM);
	}
	for (uint32_t i = 0; i < h->n; i++) {
		if (i >= first && (mask >> (i - first) & 1)) {
			fn(h->opaque, i);
		}
	}
	return ok(0);
}

/* 8: the harts take turns on one thread, so a fence is done when it returns. */
static struct answer remote_fence(struct sbi *s, const struct sbi_call *c)
{
	switch (c->a[6]) {
	case 0:
		return for_harts(s, c->a[0], c->a[1], s->cfg.harts.fence_i);
	case 1: /* by address, by address and ASID: all of it is forgotten */
	case 2:
		return for_harts(s, c->a[0], c->a[1], s->cfg.harts.fence);
	default:
		return fail(SBI_ERR_NOT_SUPPORTED);
	}
}

/* 9 */
static struct answer hart_start(struct sbi *s, const struct sbi_call *c)
{
	const struct sbi_harts *h = &s->cfg.harts;
	uint8_t insn[2];

	if (c->a[0] >= h->n) {
		return fail(SBI_ERR_INVALID_PARAM);
	}
	if (h->state(h->opaque, (uint32_t)c->a[0]) != SBI_HART_STOPPED) {
		return fail(SBI_ERR_ALREADY_AVAILABLE);
	}
	if ((c->a[1] & 1) || !mem_fetch(s->cfg.mem, c->a[1], insn, sizeof(insn), NULL)) {
		return fail(SBI_ERR_INVALID_ADDRESS);
	}
	h->start(h->opaque, (uint32_t)c->a[0], c->a[1], c->a[2]);
	return ok(0);
}

static struct answer hart_status(struct sbi *s, const struct sbi_call *c)
{
	const struct sbi_harts *h = &s->cfg.harts;

	return c->a[0] < h->n ? ok((uint64_t)h->state(h->opaque, (uint32_t)c->a[0]))
			      : fail(SBI_ERR_INVALID_PARAM);
}

/* Only the default retentive suspend, which is WFI. */
static struct answer hart_suspend(struct sbi *s, uint32_t idx, const struct sbi_call *c)
{
	if (c->a[0] & ~0xffffffffULL) {
		return fail(SBI_ERR_INVALID_PARAM);
	}
	if (c->a[0] != 0) {
		return fail(SBI_ERR_NOT_SUPPORTED);
	}
	s->cfg.harts.wait(s->cfg.harts.opaque, idx);
	return ok(0);
}

static enum sbi_result hsm(struct sbi *s, uint32_t idx, const struct sbi_call *c,
			   struct answer *ret)
{
	switch (c->a[6]) {
	case 0:
		*ret = hart_start(s, c);
		break;
	case 1:
		s->cfg.harts.stop(s->cfg.harts.opaque, idx);
		return SBI_STARTS_ANEW;
	case 2:
		*ret = hart_status(s, c);
		break;
	case 3:
		*ret = hart_suspend(s, idx, c);
		break;
	default:
		*ret = fail(SBI_ERR_NOT_SUPPORTED);
		break;
	}
	return SBI_DONE;
}

/* 10 */
static enum sbi_result reset(struct sbi *s, const struct sbi_call *c, struct answer *ret)
{
	const struct dev_host *host = &s->cfg.host;

	if (c->a[6] != 0) {
		*ret = fail(SBI_ERR_NOT_SUPPORTED);
	} else if (c->a[0] > 2 || c->a[1] > 1) {
		*ret = fail(SBI_ERR_INVALID_PARAM);
	} else {
		/* A system failure as reason is a failure as exit status. */
		host->stop(host->opaque, c->a[0] == 0 ? DEV_STOP_EXIT : DEV_STOP_RESET, c->a[1],
			   NULL);
		return SBI_STOP;
	}
	return SBI_DONE;
}

/* 12 */
static struct answer console_write(struct sbi *s, const struct sbi_call *c)
{
	const struct chr_backend *chr = &s->cfg.chr;
	uint64_t n = c->a[0] < CONSOLE_BYTES_MAX ? c->a[0] : CONSOLE_BYTES_MAX;
	uint8_t bytes[CONSOLE_BYTES_MAX];

	if (c->a[2] || !mem_read(s->cfg.mem, c->a[1], bytes, n, NULL)) {
		return fail(SBI_ERR_INVALID_PARAM);
	}
	for (uint64_t i = 0; i < n; i++) {
		chr->put(chr->opaque, bytes[i]);
	}
	return ok(n);
}

static struct answer console_read(struct sbi *s, const struct sbi_call *c)
{
	const struct chr_backend *chr = &s->cfg.chr;
	uint64_t max = c->a[0] < CONSOLE_BYTES_MAX ? c->a[0] : CONSOLE_BYTES_MAX;
	uint8_t byte;
	uint64_t n;

	if (c->a[2]) {
		return fail(SBI_ERR_INVALID_PARAM);
	}
	for (n = 0; n < max && chr->has(chr->opaque); n++) {
		/* Seen to be writable before a character is taken, so that none is lost. */
		if (!mem_read(s->cfg.mem, c->a[1] + n, &byte, 1, NULL) ||
		    !mem_write(s->cfg.mem, c->a[1] + n, &byte, 1, NULL)) {
			return fail(SBI_ERR_INVALID_PARAM);
		}
		byte = (uint8_t)chr->get(chr->opaque);
		mem_write(s->cfg.mem, c->a[1] + n, &byte, 1, NULL);
	}
	return ok(n);
}

static struct answer debug_console(struct sbi *s, const struct sbi_call *c)
{
	switch (c->a[6]) {
	case 0:
		return console_write(s, c);
	case 1:
		return console_read(s, c);
	case 2:
		s->cfg.chr.put(s->cfg.chr.opaque, (uint8_t)c->a[0]);
		return ok(0);
	default:
		return fail(SBI_ERR_NOT_SUPPORTED);
	}
}

/* 5: these answer in a0 alone. */
static enum sbi_result legacy(struct sbi *s, uint32_t idx, struct sbi_call *c)
{
	const struct chr_backend *chr = &s->cfg.chr;

	switch (c->a[7]) {
	case LEGACY_SET_TIMER:
		s->cfg.harts.set_timer(s->cfg.harts.opaque, idx, c->a[0]);
		c->a[0] = 0;
		break;
	case LEGACY_PUTCHAR:
		chr->put(chr->opaque, (uint8_t)c->a[0]);
		c->a[0] = 0;
		break;
	case LEGACY_GETCHAR:
		c->a[0] = (uint64_t)(int64_t)chr->get(chr->opaque);
		break;
	case LEGACY_SHUTDOWN:
		s->cfg.host.stop(s->cfg.host.opaque, DEV_STOP_EXIT, 0, NULL);
		return SBI_STOP;
	default:
		c->a[0] = 0;
		break;
	}
	return SBI_DONE;
}

static struct answer timer(struct sbi *s, uint32_t idx, const struct sbi_call *c)
{
	if (c->a[6] != 0) {
		return fail(SBI_ERR_NOT_SUPPORTED);
	}
	s->cfg.harts.set_timer(s->cfg.harts.opaque, idx, c->a[0]);
	return ok(0);
}

static struct answer ipi(struct sbi *s, const struct sbi_call *c)
{
	return c->a[6] == 0 ? for_harts(s, c->a[0], c->a[1], s->cfg.harts.interrupt)
			    : fail(SBI_ERR_NOT_SUPPORTED);
}

enum sbi_result sbi_call(struct sbi *s, uint32_t idx, struct sbi_call *c)
{
	enum sbi_result result = SBI_DONE;
	struct answer a = fail(SBI_ERR_NOT_SUPPORTED);

	BUG_ON(idx >= s->cfg.harts.n);
	switch (c->a[7]) {
	case EID_BASE:
		a = base(c);
		break;
	case EID_TIME:
		a = timer(s, idx, c);
		break;
	case EID_IPI:
		a = ipi(s, c);
		break;
	case EID_RFNC:
		a = remote_fence(s, c);
		break;
	case EID_HSM:
		result = hsm(s, idx, c, &a);
		break;
	case EID_SRST:
		result = reset(s, c, &a);
		break;
	case EID_DBCN:
		a = debug_console(s, c);
		break;
	default:
		if (is_extension(c->a[7])) {
			return legacy(s, idx, c);
		}
		break;
	}
	if (result == SBI_DONE) {
		c->a[0] = (uint64_t)a.error;
		c->a[1] = a.value;
	}
	return result;
}

struct sbi *sbi_new(const struct sbi_config *cfg)
{
	struct sbi *s = calloc(1, sizeof(*s));

	BUG_ON(cfg->harts.n < 1 || cfg->harts.n > SBI_HARTS_MAX);
	if (s) {
		s->cfg = *cfg;
	}
	return s;
}

void sbi_free(struct sbi *s)
{
	free(s);
}
