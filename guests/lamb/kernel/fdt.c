/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine has, from the flattened device tree. We know our board, so only what differs from one
 * to the next is read: memory, harts, and how fast the clock ticks.
 *
 * The tree is a sequence of big-endian words: BEGIN name, PROPERTY size name-offset data, END. Source: Devicetree
 * Specification 0.4, section 5.
 */
#include "kernel.h"

enum { FDT_BEGIN = 1, FDT_END = 2, FDT_PROPERTY = 3, FDT_NOP = 4 };

/* Where in the header */
enum { HEADER_MAGIC = 0, HEADER_STRUCTURE = 8, HEADER_STRINGS = 12 };

#define FDT_MAGIC 0xd00dfeed

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t two_words(const uint8_t *p)
{
	return (uint64_t)word(p) << 32 | word(p + 4);
}

static bool begins_with(const char *s, const char *what)
{
	return memcmp(s, what, strlen(what)) == 0;
}

static void read_property(const char *node, const char *name, const uint8_t *data,
			  struct machine *m)
{
	if (begins_with(node, "memory@") && strcmp(name, "reg") == 0) {
		m->ram_pa = two_words(data);
		m->ram_bytes = two_words(data + 8);
	} else if (begins_with(node, "cpu@") && strcmp(name, "reg") == 0) {
		if (m->n_harts < HARTS_MAX) {
			m->hart_ids[m->n_harts++] = word(data);
		}
	} else if (strcmp(name, "timebase-frequency") == 0) {
		m->timer_hz = word(data);
	}
}

void fdt_read(const uint8_t *fdt, struct machine *ret)
{
	const uint8_t *p = fdt + word(fdt + HEADER_STRUCTURE);
	const char *strings = (const char *)fdt + word(fdt + HEADER_STRINGS);
	const char *node = "";
	unsigned int depth = 0;

	*ret = (struct machine){ .n_harts = 0 };
	if (word(fdt + HEADER_MAGIC) != FDT_MAGIC) {
		panic("no device tree");
	}
	do {
		uint32_t token = word(p);
		uint32_t bytes = 0;

		p += 4;
		if (token == FDT_BEGIN) {
			node = (const char *)p;
			bytes = (uint32_t)strlen(node) + 1;
			depth++;
		} else if (token == FDT_END) {
			node = ""; /* properties come before nodes in a node */
			depth--;
		} else if (token == FDT_PROPERTY) {
			bytes = word(p);
			read_property(node, strings + word(p + 4), p + 8, ret);
			p += 8;
		} else if (token != FDT_NOP) {
			panic("device tree: token %x", token);
		}
		p += (bytes + 3) & ~3U;
	} while (depth > 0);
	if (!ret->ram_bytes || !ret->n_harts || !ret->timer_hz) {
		panic("device tree: no memory, no hart or no clock");
	}
}
