/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PLIC after the RISC-V Platform-Level Interrupt Controller Specification 1.0.0.
 *
 *   level --[gateway]--> pending --[enable, priority > threshold]--> line of a context
 *              ^            |
 *              +- complete -+- claim
 *
 * The gateway of a level-triggered source forwards one request, and none until it was completed. A
 * request that was forwarded stays pending when the level falls (section 3). Neither claim nor
 * completion looks at the threshold or at who claimed what (sections 8, 9).
 */
#include "dev/plic.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bug.h"

#define PRIORITY_END	0x1000u
#define PENDING_OFFSET	0x1000u
#define ENABLE_OFFSET	0x2000u
#define ENABLE_STRIDE	0x80u
#define CONTEXT_OFFSET	0x200000u
#define CONTEXT_STRIDE	0x1000u
#define REG_THRESHOLD	0u
#define REG_CLAIM	4u
#define WORDS		(PLIC_SOURCES / 32 + 1)
#define SOURCE_0_ABSENT 1u

/** What a source's line needs to know. */
struct source {
	struct plic *plic;
	unsigned int id;
};

struct plic {
	unsigned int n_contexts;
	struct irq_line lines[PLIC_CONTEXTS_MAX];
	struct source sources[PLIC_SOURCES + 1];
	/* A bit per source; bit 0 of word 0 is never set. */
	uint32_t level[WORDS];
	uint32_t pending[WORDS];
	uint32_t busy[WORDS]; /* claimed and not completed: the gateway forwards nothing */
	uint32_t enable[PLIC_CONTEXTS_MAX][WORDS];
	uint8_t threshold[PLIC_CONTEXTS_MAX];
	uint8_t priority[PLIC_SOURCES + 1];
};

#define STATE_VERSION 1
#define STATE_BYTES   (2 + 3 * WORDS * 4 + PLIC_CONTEXTS_MAX * (WORDS * 4 + 1) + PLIC_SOURCES + 1)

/* The pending and enabled source of the highest priority, the lowest number among equals; 0: none. */
static unsigned int best(const struct plic *p, unsigned int context)
{
	unsigned int best_id = 0;
	uint8_t best_priority = 0;

	for (unsigned int w = 0; w < WORDS; w++) {
		uint32_t bits = p->pending[w] & p->enable[context][w];

		for (; bits; bits &= bits - 1) {
			unsigned int id = w * 32 + (unsigned int)__builtin_ctz(bits);

			if (p->priority[id] > best_priority) {
				best_priority = p->priority[id];
				best_id = id;
			}
		}
	}
	return best_id;
}

static void line_drive(struct plic *p, unsigned int context)
{
	irq_line_set(&p->lines[context], p->priority[best(p, context)] > p->threshold[context]);
}

static void lines_drive(struct plic *p)
{
	for (unsigned int i = 0; i < p->n_contexts; i++) {
		line_drive(p, i);
	}
}

static void gateways_forward(struct plic *p)
{
	for (unsigned int w = 0; w < WORDS; w++) {
		p->pending[w] |= p->level[w] & ~p->busy[w];
	}
	lines_drive(p);
}

static void source_set(void *opaque, bool level)
{
	const struct source *s = opaque;
	struct plic *p = s->plic;
	uint32_t bit = 1u << s->id % 32;

	if (level == !!(p->level[s->id / 32] & bit)) {
		return;
	}
	p->level[s->id / 32] ^= bit;
	if (level) {
		gateways_forward(p);
	}
}

static uint32_t claim(struct plic *p, unsigned int context)
{
	unsigned int id = best(p, context);

	if (id) {
		p->pending[id / 32] &= ~(1u << id % 32);
		p->busy[id / 32] |= 1u << id % 32;
		lines_drive(p);
	}
	return id;
}

static void complete(struct plic *p, unsigned int context, uint32_t id)
{
	if (id > PLIC_SOURCES || !(p->enable[context][id / 32] >> id % 32 & 1)) {
		return;
	}
	p->busy[id / 32] &= ~(1u << id % 32);
	gateways_forward(p);
}

static void priority_access(struct plic *p, uint64_t id, struct dev_access *a)
{
	if (id < 1 || id > PLIC_SOURCES) {
		return;
	}
	if (a->is_write) {
		p->priority[id] = a->value & PLIC_PRIORITY_MAX;
		lines_drive(p);
	} else {
		a->value = p->priority[id];
	}
}

static void enable_access(struct plic *p, uint64_t offset, struct dev_access *a)
{
	uint64_t context = offset / ENABLE_STRIDE;
	uint64_t word = offset % ENABLE_STRIDE / 4;

	if (context >= p->n_contexts || word >= WORDS) {
		return;
	}
	if (!a->is_write) {
		a->value = p->enable[context][word];
		return;
	}
	p->enable[context][word] = (uint32_t)a->value & ~(word ? 0 : SOURCE_0_ABSENT);
	line_drive(p, (unsigned int)context);
}

static void context_access(struct plic *p, uint64_t offset, struct dev_access *a)
{
	unsigned int context = (unsigned int)(offset / CONTEXT_STRIDE);
	uint64_t reg = offset % CONTEXT_STRIDE;

	if (context >= p->n_contexts) {
		return;
	}
	if (reg == REG_THRESHOLD && a->is_write) {
		p->threshold[context] = a->value & PLIC_PRIORITY_MAX;
		line_drive(p, context);
	} else if (reg == REG_THRESHOLD) {
		a->value = p->threshold[context];
	} else if (reg == REG_CLAIM && a->is_write) {
		complete(p, context, (uint32_t)a->value);
	} else if (reg == REG_CLAIM) {
		a->value = claim(p, context);
	}
}

static enum dev_result plic_access(void *dev, struct dev_access *a)
{
	struct plic *p = dev;
	uint64_t offset = a->offset;

	if (a->bytes != 4 || offset % 4 || offset >= PLIC_RANGE_BYTES) {
		return DEV_UNMAPPED;
	}
	if (!a->is_write) {
		a->value = 0; /* what is reserved reads as zero and ignores writes */
	}
	if (offset < PRIORITY_END) {
		priority_access(p, offset / 4, a);
	} else if (offset < ENABLE_OFFSET) {
		if (!a->is_write && offset - PENDING_OFFSET < sizeof(p->pending)) {
			a->value = p->pending[(offset - PENDING_OFFSET) / 4];
		}
	} else if (offset < CONTEXT_OFFSET) {
		enable_access(p, offset - ENABLE_OFFSET, a);
	} else {
		context_access(p, offset - CONTEXT_OFFSET, a);
	}
	return DEV_OK;
}

static void plic_destroy(void *dev)
{
	free(dev);
}

static uint8_t *words_save(uint8_t *to, const uint32_t words[WORDS])
{
	for (unsigned int i = 0; i < WORDS; i++, to += 4) {
		store_le(to, words[i], 4);
	}
	return to;
}

/* Returns NULL when a source is named that does not exist. */
static const uint8_t *words_load(const uint8_t *from, uint32_t words[WORDS])
{
	if (!from) {
		return NULL;
	}
	for (unsigned int i = 0; i < WORDS; i++, from += 4) {
		words[i] = (uint32_t)load_le(from, 4);
	}
	return words[0] & SOURCE_0_ABSENT ? NULL : from;
}

static void plic_save(const void *dev, uint8_t *to)
{
	const struct plic *p = dev;

	_Static_assert(PLIC_SOURCES % 32 == 31, "every bit but the first is a source");
	*to++ = STATE_VERSION;
	*to++ = (uint8_t)p->n_contexts;
	to = words_save(to, p->level);
	to = words_save(to, p->pending);
	to = words_save(to, p->busy);
	for (unsigned int i = 0; i < PLIC_CONTEXTS_MAX; i++) {
		to = words_save(to, p->enable[i]);
		*to++ = p->threshold[i];
	}
	memcpy(to, p->priority, sizeof(p->priority));
}

/* What the gateways let through: nothing is pending and busy, nothing high is neither. */
static bool is_possible(const struct plic *p)
{
	for (unsigned int w = 0; w < WORDS; w++) {
		if (p->pending[w] & p->busy[w] || p->level[w] & ~(p->pending[w] | p->busy[w])) {
			return false;
		}
	}
	for (unsigned int i = 0; i < PLIC_CONTEXTS_MAX; i++) {
		uint32_t any = p->enable[i][0] | p->enable[i][1] | p->enable[i][2];

		if (p->threshold[i] > PLIC_PRIORITY_MAX ||
		    (i >= p->n_contexts && (any || p->threshold[i]))) {
			return false;
		}
	}
	for (unsigned int id = 0; id <= PLIC_SOURCES; id++) {
		if (p->priority[id] > (id ? PLIC_PRIORITY_MAX : 0)) {
			return false;
		}
	}
	return true;
}

static int plic_load(void *dev, const uint8_t *from, struct errmsg *e)
{
	struct plic *p = dev;
	struct plic t = *p;
	bool is_right = from[0] == STATE_VERSION && from[1] == p->n_contexts;

	_Static_assert(WORDS == 3, "is_possible() knows the words");
	from = words_load(from + 2, t.level);
	from = words_load(from, t.pending);
	from = words_load(from, t.busy);
	for (unsigned int i = 0; from && i < PLIC_CONTEXTS_MAX; i++) {
		from = words_load(from, t.enable[i]);
		if (from) {
			t.threshold[i] = *from++;
		}
	}
	if (from) {
		memcpy(t.priority, from, sizeof(t.priority));
	}
	if (!is_right || !from || !is_possible(&t)) {
		return errmsg_set(e, -EINVAL, "the saved state of the PLIC is damaged");
	}
	*p = t;
	lines_drive(p);
	return 0;
}

const struct dev_ops plic_ops = {
	.name = "plic",
	.access = plic_access,
	.destroy = plic_destroy,
	.state_bytes = STATE_BYTES,
	.save = plic_save,
	.load = plic_load,
};

void plic_wire(struct plic *p, unsigned int context, const struct irq_line *line)
{
	BUG_ON(context >= p->n_contexts);
	p->lines[context] = *line;
	line_drive(p, context);
}

struct irq_line plic_source(struct plic *p, unsigned int source)
{
	BUG_ON(source < 1 || source > PLIC_SOURCES);
	return (struct irq_line){ &p->sources[source], source_set };
}

struct plic *plic_new(unsigned int n_harts)
{
	struct plic *p = calloc(1, sizeof(*p));

	BUG_ON(n_harts < 1 || n_harts > PLIC_HARTS_MAX);
	if (!p) {
		return NULL;
	}
	p->n_contexts = 2 * n_harts;
	for (unsigned int id = 0; id <= PLIC_SOURCES; id++) {
		p->sources[id] = (struct source){ p, id };
	}
	return p;
}
