/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Semihosting for AArch32 and AArch64, Arm's document 2023Q1, all calls of chapter 4.
 *
 * The guest is hostile: a parameter block is read once, every length has a bound, text moves
 * through a small buffer. A transfer above the bound is cut, which the calls can express; so no
 * call keeps the virtual CPU from its deadline for long.
 */
#include "dev/semihost.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bug.h"

#define FIELDS_MAX	 4
#define CHUNK_BYTES	 256u
#define TEXT_BYTES_MAX	 65536u /* of one WRITE, WRITE0 or READ */
#define NAME_BYTES_MAX	 32u
#define HANDLES		 8u /* a handle is 1 + its index */
#define TICKS_PER_S	 NS_PER_S
#define NS_PER_CS	 (NS_PER_S / 100)
#define APPLICATION_EXIT 0x20026u

#define FAILED (~0ULL)

/* Modes 0 to 3 read, 4 to 7 write, 8 to 11 append: for ":tt" the three standard streams. */
#define MODE_COUNT 12u

enum handle_kind { HANDLE_FREE, HANDLE_IN, HANDLE_OUT, HANDLE_FEATURES, HANDLE_KINDS };

/* The magic number, then bit 0: SYS_EXIT_EXTENDED works; bit 1: ":tt" has an error stream. */
static const uint8_t features[] = { 'S', 'H', 'F', 'B', 0x03 };

struct handle {
	uint8_t kind; /* enum handle_kind */
	uint8_t pos;  /* HANDLE_FEATURES: next byte to read */
};

struct semihost {
	struct semihost_config config;
	uint64_t unknown_count;
	int32_t last_errno;
	struct handle handles[HANDLES];
};

#define STATE_VERSION 1
#define STATE_BYTES   (1 + 4 + 8 + HANDLES * 2)

/* One call being served. */
struct call {
	struct semihost *s;
	uint64_t param;
	uint8_t field_bytes;
	bool is_big_endian;
	uint64_t field[FIELDS_MAX];
	uint64_t value;
};

typedef enum semihost_result op_fn(struct call *c);

static enum semihost_result done(struct call *c, uint64_t value)
{
	c->value = value;
	return SEMIHOST_DONE;
}

static enum semihost_result fail(struct call *c, int err)
{
	c->s->last_errno = err;
	return done(c, FAILED);
}

/* Bytes of [gva, gva + n) that one translation covers. */
static size_t page_part(gva_t gva, size_t n)
{
	size_t left = (size_t)(PAGE_BYTES - gva % PAGE_BYTES);

	return n < left ? n : left;
}

static bool translate(const struct semihost *s, gva_t gva, uint32_t access, gpa_t *ret_gpa)
{
	if (!s->config.translate) {
		*ret_gpa = gva;
		return true;
	}
	return s->config.translate(s->config.translate_opaque, gva, access, ret_gpa);
}

static gva_t gva_add(const struct call *c, gva_t gva, uint64_t n)
{
	return low_bytes(gva + n, c->field_bytes);
}

static bool guest_read(const struct call *c, gva_t gva, void *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		gva_t from = gva_add(c, gva, at);
		size_t step = page_part(from, n - at);
		gpa_t gpa;

		if (!translate(c->s, from, MEM_R, &gpa) ||
		    !mem_read(c->s->config.mem, gpa, (uint8_t *)buf + at, step, NULL)) {
			return false;
		}
		at += step;
	}
	return true;
}

static bool guest_write(const struct call *c, gva_t gva, const void *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		gva_t to = gva_add(c, gva, at);
		size_t step = page_part(to, n - at);
		gpa_t gpa;

		if (!translate(c->s, to, MEM_W, &gpa) ||
		    !mem_write(c->s->config.mem, gpa, (const uint8_t *)buf + at, step, NULL)) {
			return false;
		}
		at += step;
	}
	return true;
}

/* Read the first n fields of the parameter block. */
static bool block_read(struct call *c, size_t n)
{
	uint8_t block[FIELDS_MAX * 8];

	BUG_ON(n > FIELDS_MAX);
	if (!guest_read(c, c->param, block, n * c->field_bytes)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = block + i * c->field_bytes;

		c->field[i] =
			c->is_big_endian ? load_be(p, c->field_bytes) : load_le(p, c->field_bytes);
	}
	return true;
}

static bool fields_write(struct call *c, gva_t gva, const uint64_t *v, size_t n)
{
	uint8_t block[FIELDS_MAX * 8];

	BUG_ON(n > FIELDS_MAX);
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = block + i * c->field_bytes;
		uint64_t part = low_bytes(v[i], c->field_bytes);

		if (c->is_big_endian) {
			store_be(p, part, c->field_bytes);
		} else {
			store_le(p, part, c->field_bytes);
		}
	}
	return guest_write(c, gva, block, n * c->field_bytes);
}

/* The handle in field 0, or NULL. */
static struct handle *handle_get(struct call *c)
{
	uint64_t idx = c->field[0] - 1;

	if (idx >= HANDLES || c->s->handles[idx].kind == HANDLE_FREE) {
		return NULL;
	}
	return &c->s->handles[idx];
}

static void put(const struct semihost *s, uint8_t ch)
{
	s->config.chr.put(s->config.chr.opaque, ch);
}

static enum semihost_result handle_open(struct call *c, enum handle_kind kind)
{
	for (unsigned int i = 0; i < HANDLES; i++) {
		if (c->s->handles[i].kind == HANDLE_FREE) {
			c->s->handles[i] = (struct handle){ .kind = (uint8_t)kind };
			return done(c, i + 1);
		}
	}
	return fail(c, EMFILE);
}

static enum semihost_result op_open(struct call *c)
{
	static const char tt[] = ":tt";
	static const char list[] = ":semihosting-features";
	char name[NAME_BYTES_MAX];
	uint64_t mode;
	uint64_t n;

	if (!block_read(c, 3)) {
		return fail(c, EFAULT);
	}
	mode = c->field[1];
	n = c->field[2];
	if (mode >= MODE_COUNT) {
		return fail(c, EINVAL);
	}
	if (n > sizeof(name)) {
		return fail(c, EACCES); /* longer than any name that opens */
	}
	if (!guest_read(c, c->field[0], name, (size_t)n)) {
		return fail(c, EFAULT);
	}
	if (n == sizeof(tt) - 1 && memcmp(name, tt, n) == 0) {
		return handle_open(c, mode < 4 ? HANDLE_IN : HANDLE_OUT);
	}
	if (n == sizeof(list) - 1 && memcmp(name, list, n) == 0 && mode < 2) {
		return handle_open(c, HANDLE_FEATURES);
	}
	return fail(c, EACCES);
}

static enum semihost_result op_close(struct call *c)
{
	struct handle *h;

	if (!block_read(c, 1)) {
		return fail(c, EFAULT);
	}
	h = handle_get(c);
	if (!h) {
		return fail(c, EBADF);
	}
	*h = (struct handle){ .kind = HANDLE_FREE };
	return done(c, 0);
}

static enum semihost_result op_writec(struct call *c)
{
	uint8_t ch;

	if (!guest_read(c, c->param, &ch, 1)) {
		return fail(c, EFAULT);
	}
	put(c->s, ch);
	return done(c, 0);
}

static enum semihost_result op_write0(struct call *c)
{
	uint8_t chunk[CHUNK_BYTES];

	for (uint64_t at = 0; at < TEXT_BYTES_MAX;) {
		gva_t gva = gva_add(c, c->param, at);
		size_t n =
			page_part(gva, sizeof(chunk)); /* the text may end before the next page */

		if (!guest_read(c, gva, chunk, n)) {
			return fail(c, EFAULT);
		}
		for (size_t i = 0; i < n; i++) {
			if (!chunk[i]) {
				return done(c, 0);
			}
			put(c->s, chunk[i]);
		}
		at += n;
	}
	return fail(c, EMSGSIZE);
}

/* The result of WRITE and READ is the number of bytes that were left over. */
static enum semihost_result op_write(struct call *c)
{
	uint8_t chunk[CHUNK_BYTES];
	const struct handle *h;
	uint64_t n;
	uint64_t at = 0;

	if (!block_read(c, 3)) {
		return fail(c, EFAULT);
	}
	h = handle_get(c);
	n = c->field[2];
	if (!h || h->kind != HANDLE_OUT) {
		c->s->last_errno = EBADF;
		return done(c, n);
	}
	while (at < n && at < TEXT_BYTES_MAX) {
		uint64_t left = n - at;
		size_t step = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);

		if (!guest_read(c, gva_add(c, c->field[1], at), chunk, step)) {
			c->s->last_errno = EFAULT;
			break;
		}
		for (size_t i = 0; i < step; i++) {
			put(c->s, chunk[i]);
		}
		at += step;
	}
	return done(c, n - at);
}

/* Input that is there now, up to and including a line end. */
static enum semihost_result console_read(struct call *c)
{
	const struct chr_backend *chr = &c->s->config.chr;
	uint64_t n = c->field[2];
	uint64_t at = 0;

	if (n && !chr->has(chr->opaque)) {
		return chr->is_eof && chr->is_eof(chr->opaque) ? done(c, n) : SEMIHOST_WOULD_BLOCK;
	}
	while (at < n && at < TEXT_BYTES_MAX && chr->has(chr->opaque)) {
		int got = chr->get(chr->opaque);
		uint8_t ch = (uint8_t)got;

		if (got < 0) {
			break;
		}
		if (!guest_write(c, gva_add(c, c->field[1], at), &ch, 1)) {
			c->s->last_errno = EFAULT;
			break;
		}
		at++;
		if (ch == '\n') {
			break;
		}
	}
	return done(c, n - at);
}

static enum semihost_result features_read(struct call *c, struct handle *h)
{
	uint64_t n = c->field[2];
	size_t step = sizeof(features) - h->pos;

	step = n < step ? (size_t)n : step;
	if (!guest_write(c, c->field[1], features + h->pos, step)) {
		c->s->last_errno = EFAULT;
		return done(c, n);
	}
	h->pos = (uint8_t)(h->pos + step);
	return done(c, n - step);
}

static enum semihost_result op_read(struct call *c)
{
	struct handle *h;

	if (!block_read(c, 3)) {
		return fail(c, EFAULT);
	}
	h = handle_get(c);
	if (!h || h->kind == HANDLE_OUT) {
		return fail(c, EBADF);
	}
	return h->kind == HANDLE_IN ? console_read(c) : features_read(c, h);
}

static enum semihost_result op_readc(struct call *c)
{
	const struct chr_backend *chr = &c->s->config.chr;
	int ch = chr->get(chr->opaque);

	if (ch >= 0) {
		return done(c, (uint8_t)ch);
	}
	return chr->is_eof && chr->is_eof(chr->opaque) ? fail(c, EIO) : SEMIHOST_WOULD_BLOCK;
}

static enum semihost_result op_iserror(struct call *c)
{
	if (!block_read(c, 1)) {
		return fail(c, EFAULT);
	}
	return done(c, c->field[0] >> (c->field_bytes * 8 - 1));
}

static enum semihost_result op_istty(struct call *c)
{
	const struct handle *h;

	if (!block_read(c, 1)) {
		return fail(c, EFAULT);
	}
	h = handle_get(c);
	if (!h) {
		return fail(c, EBADF);
	}
	return done(c, h->kind != HANDLE_FEATURES);
}

static enum semihost_result op_seek(struct call *c)
{
	struct handle *h;

	if (!block_read(c, 2)) {
		return fail(c, EFAULT);
	}
	h = handle_get(c);
	if (!h) {
		return fail(c, EBADF);
	}
	if (h->kind != HANDLE_FEATURES) {
		return fail(c, ESPIPE);
	}
	if (c->field[1] > sizeof(features)) {
		return fail(c, EINVAL);
	}
	h->pos = (uint8_t)c->field[1];
	return done(c, 0);
}

static enum semihost_result op_flen(struct call *c)
{
	const struct handle *h;

	if (!block_read(c, 1)) {
		return fail(c, EFAULT);
	}
	h = handle_get(c);
	if (!h) {
		return fail(c, EBADF);
	}
	return h->kind == HANDLE_FEATURES ? done(c, sizeof(features)) : fail(c, ESPIPE);
}

/* TMPNAM, REMOVE, RENAME: there are no files. SYSTEM: there is no shell. */
static enum semihost_result op_refuse(struct call *c)
{
	return fail(c, EACCES);
}

static enum semihost_result op_clock(struct call *c)
{
	const struct clock_backend *clock = &c->s->config.clock;

	return done(c, clock->now_ns(clock->opaque) / NS_PER_CS);
}

static enum semihost_result op_time(struct call *c)
{
	const struct clock_backend *clock = &c->s->config.clock;

	return done(c, clock->wall_s(clock->opaque));
}

static enum semihost_result op_errno(struct call *c)
{
	return done(c, (uint64_t)c->s->last_errno);
}

static enum semihost_result op_get_cmdline(struct call *c)
{
	const char *text = c->s->config.cmdline ? c->s->config.cmdline : "";
	uint64_t n = strlen(text);

	if (!block_read(c, 2)) {
		return fail(c, EFAULT);
	}
	if (c->field[1] <= n) {
		return fail(c, E2BIG);
	}
	if (!guest_write(c, c->field[0], text, n + 1) ||
	    !fields_write(c, gva_add(c, c->param, c->field_bytes), &n, 1)) {
		return fail(c, EFAULT);
	}
	return done(c, 0);
}

static enum semihost_result op_heapinfo(struct call *c)
{
	const struct semihost_config *config = &c->s->config;
	const uint64_t info[4] = { config->heap_base, config->heap_limit, config->stack_base,
				   config->stack_limit };

	if (!block_read(c, 1) || !fields_write(c, c->field[0], info, ARRAY_SIZE(info))) {
		return fail(c, EFAULT);
	}
	return done(c, 0);
}

static enum semihost_result stop(struct call *c, enum dev_stop_kind kind, uint64_t code,
				 const char *why)
{
	c->s->config.host.stop(c->s->config.host.opaque, kind, code, why);
	return SEMIHOST_STOP;
}

/* Reason and code from a block. A guest that asked to end must not run on, whatever it passed. */
static enum semihost_result op_exit_extended(struct call *c)
{
	if (!block_read(c, 2)) {
		return stop(
			c, DEV_STOP_ERROR, 0,
			"the guest's semihosting exit has a parameter block outside its memory");
	}
	return stop(c, DEV_STOP_EXIT, c->field[0] == APPLICATION_EXIT ? c->field[1] : 1, NULL);
}

/* With 32-bit fields the parameter is the reason itself. */
static enum semihost_result op_exit(struct call *c)
{
	if (c->field_bytes == 8) {
		return op_exit_extended(c);
	}
	return stop(c, DEV_STOP_EXIT, c->param == APPLICATION_EXIT ? 0 : 1, NULL);
}

/* A 64-bit count: one field, or two of 32 bits, the low one first in either byte order. */
static enum semihost_result op_elapsed(struct call *c)
{
	const struct clock_backend *clock = &c->s->config.clock;
	uint64_t ticks = clock->now_ns(clock->opaque);
	const uint64_t words[2] = { ticks, ticks >> 32 };

	if (!fields_write(c, c->param, words, c->field_bytes == 8 ? 1 : 2)) {
		return fail(c, EFAULT);
	}
	return done(c, 0);
}

static enum semihost_result op_tickfreq(struct call *c)
{
	return done(c, TICKS_PER_S);
}

static op_fn *const ops[] = {
	[SEMIHOST_OPEN] = op_open,
	[SEMIHOST_CLOSE] = op_close,
	[SEMIHOST_WRITEC] = op_writec,
	[SEMIHOST_WRITE0] = op_write0,
	[SEMIHOST_WRITE] = op_write,
	[SEMIHOST_READ] = op_read,
	[SEMIHOST_READC] = op_readc,
	[SEMIHOST_ISERROR] = op_iserror,
	[SEMIHOST_ISTTY] = op_istty,
	[SEMIHOST_SEEK] = op_seek,
	[SEMIHOST_FLEN] = op_flen,
	[SEMIHOST_TMPNAM] = op_refuse,
	[SEMIHOST_REMOVE] = op_refuse,
	[SEMIHOST_RENAME] = op_refuse,
	[SEMIHOST_CLOCK] = op_clock,
	[SEMIHOST_TIME] = op_time,
	[SEMIHOST_SYSTEM] = op_refuse,
	[SEMIHOST_ERRNO] = op_errno,
	[SEMIHOST_GET_CMDLINE] = op_get_cmdline,
	[SEMIHOST_HEAPINFO] = op_heapinfo,
	[SEMIHOST_EXIT] = op_exit,
	[SEMIHOST_EXIT_EXTENDED] = op_exit_extended,
	[SEMIHOST_ELAPSED] = op_elapsed,
	[SEMIHOST_TICKFREQ] = op_tickfreq,
};

enum semihost_result semihost_call(struct semihost *s, uint64_t op, uint64_t param,
				   uint8_t field_bytes, bool is_big_endian, uint64_t *ret_value)
{
	struct call c = { .s = s, .field_bytes = field_bytes, .is_big_endian = is_big_endian };
	enum semihost_result result;

	BUG_ON(field_bytes != 4 && field_bytes != 8);
	op = low_bytes(op, field_bytes);
	c.param = low_bytes(param, field_bytes);
	if (op >= ARRAY_SIZE(ops) || !ops[op]) {
		s->unknown_count++;
		result = fail(&c, ENOSYS);
	} else {
		result = ops[op](&c);
	}
	if (result == SEMIHOST_DONE) {
		*ret_value = low_bytes(c.value, field_bytes);
	}
	return result;
}

uint64_t semihost_unknown_count(const struct semihost *s)
{
	return s->unknown_count;
}

static void semihost_destroy(void *dev)
{
	free(dev);
}

static void semihost_save(const void *dev, uint8_t *to)
{
	const struct semihost *s = dev;

	to[0] = STATE_VERSION;
	store_le(to + 1, (uint32_t)s->last_errno, 4);
	store_le(to + 5, s->unknown_count, 8);
	for (unsigned int i = 0; i < HANDLES; i++) {
		to[13 + i * 2] = s->handles[i].kind;
		to[14 + i * 2] = s->handles[i].pos;
	}
}

static int semihost_load(void *dev, const uint8_t *from, struct errmsg *e)
{
	struct semihost *s = dev;
	struct semihost t = { .config = s->config };
	bool is_right = from[0] == STATE_VERSION;

	t.last_errno = (int32_t)(uint32_t)load_le(from + 1, 4);
	t.unknown_count = load_le(from + 5, 8);
	for (unsigned int i = 0; i < HANDLES; i++) {
		struct handle h = { from[13 + i * 2], from[14 + i * 2] };

		is_right = is_right && h.kind < HANDLE_KINDS &&
			   h.pos <= (h.kind == HANDLE_FEATURES ? sizeof(features) : 0);
		t.handles[i] = h;
	}
	if (!is_right) {
		return errmsg_set(e, -EINVAL, "the saved state of semihosting is damaged");
	}
	*s = t;
	return 0;
}

const struct dev_ops semihost_ops = {
	.name = "semihosting",
	.destroy = semihost_destroy,
	.state_bytes = STATE_BYTES,
	.save = semihost_save,
	.load = semihost_load,
};

struct semihost *semihost_new(const struct semihost_config *config)
{
	struct semihost *s = calloc(1, sizeof(*s));

	if (s) {
		s->config = *config;
	}
	return s;
}
