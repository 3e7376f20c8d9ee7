// SPDX-License-Identifier: GPL-2.0
#include "chain.h"
#include "text.h"

/* What chain_can_begin() wants to be free: a command and its result, for two terminals. */
#define COMMAND_PLACES 4

#define HASHED_BYTES offsetof(struct pinfold_guard_record, hash)

static u32 index_of(const struct chain *c, u64 seq)
{
	return (u32)((seq - 1) % c->size);
}

static bool is_important(u16 kind)
{
	switch (kind) {
	case PINFOLD_GUARD_LOG_LOAD:
	case PINFOLD_GUARD_LOG_UNLOAD:
	case PINFOLD_GUARD_LOG_COMMAND:
	case PINFOLD_GUARD_LOG_RESULT:
	case PINFOLD_GUARD_LOG_ENFORCED:
		return true;
	default:
		return false;
	}
}

static bool is_countable(u16 kind)
{
	return kind != PINFOLD_GUARD_LOG_COMMAND && kind != PINFOLD_GUARD_LOG_RESULT;
}

static u8 terminal_bit(u8 terminal)
{
	return terminal == 'A' ? 1 : terminal == 'B' ? 2 : 0;
}

/* How many more records have a place, not counting those that results are owed. */
static u32 places(const struct chain *c)
{
	u32 used = c->kept ? (u32)(c->last - c->kept + 1) : 0;

	return c->size - used - (c->owed & 1u) - (c->owed >> 1);
}

static bool has_place(const struct chain *c, const struct pinfold_guard_record *r)
{
	u16 kind = le16_to_cpu(r->kind);

	if (kind == PINFOLD_GUARD_LOG_RESULT && (c->owed & terminal_bit(r->terminal)))
		return true;
	if (kind == PINFOLD_GUARD_LOG_COMMAND)
		return places(c) >= 2;
	return places(c) > (is_important(kind) ? c->size / 8 : c->size / 4);
}

void chain_init(struct chain *c, u32 size, u64 instance, const struct chain_ops *ops, void *ctx)
{
	__le64 bytes = cpu_to_le64(instance);

	BUG_ON(size < CHAIN_SIZE_MIN || size > CHAIN_SIZE_MAX);
	memset(c, 0, sizeof(*c));
	port_lock_init(&c->lock);
	c->size = size;
	c->first = 1;
	c->ops = ops;
	c->ctx = ctx;
	ops->sha256(&bytes, sizeof(bytes), c->head);
}

static void set_text(struct pinfold_guard_record *r, const char *s)
{
	size_t i;

	for (i = 0; i < sizeof(r->text) && s[i]; i++)
		r->text[i] = s[i];
	memset(r->text + i, 0, sizeof(r->text) - i);
	for (i = 0; i < sizeof(r->text); i++)
		if (r->text[i] && (r->text[i] < ' ' || r->text[i] > '~'))
			r->text[i] = '?';
}

/* Puts how many were lost before the text. */
static void tell_lost(struct pinfold_guard_record *r, u64 lost)
{
	char buf[PINFOLD_GUARD_TEXT_BYTES + 1];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add(&t, "(");
	text_add_u64(&t, lost);
	text_add(&t, " lost) ");
	text_add_n(&t, r->text, sizeof(r->text));
	set_text(r, buf);
}

static void note_importance(struct chain *c, u64 seq, u16 kind)
{
	u64 *word = &c->important[index_of(c, seq) / 64];
	u64 bit = 1ull << (index_of(c, seq) % 64);

	if (!is_important(kind)) {
		*word &= ~bit;
		return;
	}
	*word |= bit;
	if (!c->kept)
		c->kept = seq;
}

/* Writes a record that has a place. Its number, hashes and what was lost are filled in here. */
static void write_record(struct chain *c, const struct pinfold_guard_record *event)
{
	struct pinfold_guard_record r = *event;
	u16 kind = le16_to_cpu(r.kind);

	r.seq = cpu_to_le64(c->last + 1);
	if (c->lost)
		tell_lost(&r, c->lost);
	memcpy(r.prev, c->head, sizeof(r.prev));
	c->ops->sha256(&r, HASHED_BYTES, r.hash);
	c->ops->store(c->ctx, index_of(c, c->last + 1), &r);
	memcpy(c->head, r.hash, sizeof(c->head));
	c->lost = 0;
	c->last++;
	if (c->last - c->first == c->size)
		c->first++;
	note_importance(c, c->last, kind);
	if (kind == PINFOLD_GUARD_LOG_COMMAND)
		c->owed |= terminal_bit(r.terminal);
	if (kind == PINFOLD_GUARD_LOG_RESULT)
		c->owed &= (u8)~terminal_bit(r.terminal);
}

/* Writes the repetitions that are counted. They stay counted if there is no place. */
static bool write_repeats(struct chain *c)
{
	if (!c->repeated.count)
		return true;
	if (!has_place(c, &c->repeated))
		return false;
	write_record(c, &c->repeated);
	c->repeated.count = 0;
	return true;
}

static bool is_equal(const struct pinfold_guard_record *a, const struct pinfold_guard_record *b)
{
	return a->kind == b->kind && a->terminal == b->terminal && a->channel == b->channel &&
	       a->result == b->result && memcmp(a->text, b->text, sizeof(a->text)) == 0;
}

static void count_repeat(struct chain *c, const struct pinfold_guard_record *r)
{
	u32 count = le32_to_cpu(c->repeated.count);

	if (count == (u32)-1) {
		c->lost++;
		return;
	}
	c->repeated.boot_ns = r->boot_ns;
	c->repeated.real_ns = r->real_ns;
	c->repeated.count = cpu_to_le32(count + 1);
}

static void append(struct chain *c, struct pinfold_guard_record *r)
{
	if (is_equal(r, &c->repeated)) {
		count_repeat(c, r);
		return;
	}
	if (!write_repeats(c))
		c->lost += le32_to_cpu(c->repeated.count);
	memset(&c->repeated, 0, sizeof(c->repeated));
	if (!has_place(c, r)) {
		c->lost++;
		return;
	}
	write_record(c, r);
	if (is_countable(le16_to_cpu(r->kind))) {
		c->repeated = *r;
		c->repeated.count = 0;
	}
}

static bool is_wanted(const struct chain *c, const struct chain_event *e)
{
	if (e->may_write && !e->may_write(e->who))
		return false;
	return !e->is_owed || c->owed & terminal_bit(e->terminal);
}

bool chain_append(struct chain *c, const struct chain_event *e)
{
	struct pinfold_guard_record r = {
		.magic = cpu_to_le32(PINFOLD_GUARD_RECORD_MAGIC),
		.revision = cpu_to_le16(PINFOLD_GUARD_REVISION),
		.kind = cpu_to_le16((u16)e->kind),
		.count = cpu_to_le32(1),
		.result = cpu_to_le32((u32)-e->result),
		.terminal = e->terminal,
		.channel = e->channel,
	};
	bool is_written;

	set_text(&r, e->text);
	port_lock(&c->lock);
	r.boot_ns = cpu_to_le64(c->ops->boot_ns(c->ctx));
	r.real_ns = cpu_to_le64(c->ops->real_ns(c->ctx));
	is_written = is_wanted(c, e);
	if (is_written)
		append(c, &r);
	port_unlock(&c->lock);
	return is_written;
}

bool chain_can_begin(struct chain *c)
{
	bool can;

	port_lock(&c->lock);
	can = places(c) >= COMMAND_PLACES;
	port_unlock(&c->lock);
	return can;
}

void chain_flush(struct chain *c)
{
	port_lock(&c->lock);
	write_repeats(c);
	port_unlock(&c->lock);
}

int chain_read(struct chain *c, u64 seq, struct pinfold_guard_record *ret)
{
	int found = -EAGAIN;

	port_lock(&c->lock);
	if (seq < c->first)
		seq = c->first;
	if (seq <= c->last) {
		c->ops->load(c->ctx, index_of(c, seq), ret);
		found = 0;
	}
	port_unlock(&c->lock);
	return found;
}

/* The oldest that is important and not exported. */
static u64 find_kept(const struct chain *c)
{
	u64 seq = c->exported + 1 > c->first ? c->exported + 1 : c->first;
	u32 i = index_of(c, seq);

	for (; seq <= c->last; seq++) {
		if (c->important[i / 64] & (1ull << (i % 64)))
			return seq;
		i = i + 1 == c->size ? 0 : i + 1;
	}
	return 0;
}

int chain_exported(struct chain *c, u64 seq)
{
	int ret = 0;

	port_lock(&c->lock);
	if (seq > c->last) {
		ret = -EINVAL;
	} else if (seq > c->exported) {
		c->exported = seq;
		c->kept = find_kept(c);
	}
	port_unlock(&c->lock);
	return ret;
}

void chain_numbers(struct chain *c, u64 *ret_first, u64 *ret_last, u64 *ret_exported,
		   u8 ret_head[32])
{
	port_lock(&c->lock);
	if (ret_first)
		*ret_first = c->last ? c->first : 0;
	if (ret_last)
		*ret_last = c->last;
	if (ret_exported)
		*ret_exported = c->exported;
	if (ret_head)
		memcpy(ret_head, c->head, sizeof(c->head));
	port_unlock(&c->lock);
}
