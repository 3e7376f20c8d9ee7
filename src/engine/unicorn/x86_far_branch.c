/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A far CALL or JMP with a register as operand (FF /3, FF /5) is no instruction. The library
 * translates it all the same, with the address that the instruction before it in the block has
 * left behind; where there is none, it gives up. So such a block ends in front of it, and giving up
 * is what becomes an undefined instruction (unicorn_on_abort()).
 *
 * Nearly all blocks are dismissed by a search for the two bytes; only where they occur is it worth
 * decoding up to them.
 */
#include <Zydis/Zydis.h>

#include "engine/unicorn/unicorn_priv.h"

#define WINDOW_BYTES PAGE_BYTES /* the library ends blocks that get longer than a page */

/* Whatever can be read of the code at an address. @return how many bytes */
static size_t read_code(struct unicorn_engine *u, gva_t pc, uint8_t window[WINDOW_BYTES])
{
	size_t n = 0;

	while (n < WINDOW_BYTES) {
		size_t left = PAGE_BYTES - ((pc + n) & (PAGE_BYTES - 1));
		size_t want = left < WINDOW_BYTES - n ? left : WINDOW_BYTES - n;
		uint64_t gpa = pc + n;
		size_t got;

		if (u->target->is_paging(u) &&
		    !unicorn_virt_to_phys(u->target->id, u->ip.cpu, pc + n, &gpa)) {
			break;
		}
		got = mem_peek(u->mem, gpa, window + n, want);
		n += got;
		if (got < want) {
			break;
		}
	}
	return n;
}

/* The next place at or behind @p at where the two bytes stand; SIZE_MAX: none */
static size_t find_suspect(const uint8_t *code, size_t n, size_t at)
{
	while (at + 1 < n) {
		const uint8_t *p = memchr(code + at, 0xff, n - 1 - at);

		if (!p) {
			break;
		}
		if ((p[1] & 0xc8) == 0xc8 && (p[1] & 0x30) >= 0x10 && (p[1] & 0x30) <= 0x20) {
			return (size_t)(p - code);
		}
		at = (size_t)(p - code) + 1;
	}
	return SIZE_MAX;
}

static void init_decoder(struct unicorn_engine *u, ZydisDecoder *ret)
{
	switch (unicorn_x86_code_bits(u)) {
	case 64:
		ZydisDecoderInit(ret, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
		break;
	case 32:
		ZydisDecoderInit(ret, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
		break;
	default:
		ZydisDecoderInit(ret, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
		break;
	}
}

static bool is_branch(const ZydisDecodedInstruction *insn)
{
	return insn->meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
	       insn->meta.category == ZYDIS_CATEGORY_COND_BR ||
	       insn->meta.category == ZYDIS_CATEGORY_CALL ||
	       insn->meta.category == ZYDIS_CATEGORY_RET;
}

int unicorn_x86_limit_block(struct unicorn_engine *u, gva_t pc, int max_insns)
{
	uint8_t code[WINDOW_BYTES];
	size_t n = read_code(u, pc, code);
	size_t suspect = find_suspect(code, n, 0);
	ZydisDecodedInstruction insn;
	ZydisDecoder decoder;
	size_t at = 0;

	if (suspect == SIZE_MAX) {
		return max_insns;
	}
	init_decoder(u, &decoder);
	for (int i = 0; i < max_insns && suspect != SIZE_MAX; i++) {
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code + at, n - at,
								&insn))) {
			return i > 0 ? i : 1;
		}
		at += insn.length;
		if (is_branch(&insn)) {
			break;
		}
		if (suspect < at) {
			suspect = find_suspect(code, n, at);
		}
	}
	return max_insns;
}
