/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disassembly by Capstone, and by disas_riscv.c; see disas.h. */
#include "cli/disas.h"

#include <capstone/capstone.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "cli/disas_riscv.h"
#include "proto/proto.h"

/* One handle per way of decoding, opened when it is first needed. */
enum { MODES = 8 };

struct disas {
	uint32_t arch;
	csh handle[MODES];
	bool is_open[MODES];
	char name[64];
};

struct disas *disas_new(uint32_t arch)
{
	struct disas *d = calloc(1, sizeof(*d));
	int major;
	int minor;

	if (!d) {
		return NULL;
	}
	d->arch = arch;
	cs_version(&major, &minor);
	snprintf(d->name, sizeof(d->name), "Capstone %d.%d", major, minor);
	return d;
}

void disas_free(struct disas *d)
{
	if (!d) {
		return;
	}
	for (size_t i = 0; i < MODES; i++) {
		if (d->is_open[i]) {
			cs_close(&d->handle[i]);
		}
	}
	free(d);
}

void disas_bytes(const uint8_t *bytes, size_t n, char *ret)
{
	BUG_ON(n > 16);
	ret[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		sprintf(ret + i * 3, "%02x%s", bytes[i], i + 1 < n ? " " : "");
	}
}

static bool capstone_mode(uint32_t arch, uint32_t flags, cs_arch *ret_arch, cs_mode *ret_mode)
{
	/* ARM: --endian big is BE8, whose instructions stay little endian. */
	switch (arch) {
	case PROTO_ARCH_X86:
		*ret_arch = CS_ARCH_X86;
		*ret_mode = flags & PROTO_CFG_16BIT ? CS_MODE_16 : CS_MODE_32;
		return true;
	case PROTO_ARCH_X64:
		*ret_arch = CS_ARCH_X86;
		*ret_mode = CS_MODE_64;
		return true;
	case PROTO_ARCH_ARM:
		*ret_arch = CS_ARCH_ARM;
		*ret_mode = (flags & PROTO_CFG_THUMB ? CS_MODE_THUMB : CS_MODE_ARM) | CS_MODE_V8;
		return true;
	case PROTO_ARCH_A64:
		*ret_arch = CS_ARCH_ARM64;
		*ret_mode = CS_MODE_ARM;
		return true;
	default:
		return false;
	}
}

static bool open_mode(struct disas *d, uint32_t flags, size_t *ret_idx)
{
	size_t idx = (flags & PROTO_CFG_16BIT ? 1u : 0u) | (flags & PROTO_CFG_THUMB ? 2u : 0u);
	cs_arch arch;
	cs_mode mode;

	if (!capstone_mode(d->arch, flags, &arch, &mode)) {
		return false;
	}
	if (!d->is_open[idx]) {
		d->is_open[idx] = cs_open(arch, mode, &d->handle[idx]) == CS_ERR_OK;
	}
	*ret_idx = idx;
	return d->is_open[idx];
}

static size_t by_capstone(struct disas *d, uint32_t flags, uint64_t pc, const uint8_t *bytes,
			  size_t n, char *ret)
{
	cs_insn *insn = NULL;
	size_t idx;
	size_t used;

	if (!open_mode(d, flags, &idx) || cs_disasm(d->handle[idx], bytes, n, pc, 1, &insn) == 0) {
		return 0;
	}
	used = insn->size;
	snprintf(ret, DISAS_TEXT_BYTES, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "",
		 insn->op_str);
	cs_free(insn, 1);
	return used;
}

/* Bytes that are no known instruction. */
static void as_data(const struct disas *d, uint32_t flags, const uint8_t *bytes, size_t n,
		    char *ret)
{
	bool is_half =
		(flags & PROTO_CFG_THUMB) || (d->arch == PROTO_ARCH_RV64 && (bytes[0] & 3) != 3);

	if (d->arch == PROTO_ARCH_X86 || d->arch == PROTO_ARCH_X64 || n < 2) {
		snprintf(ret, DISAS_TEXT_BYTES, ".byte 0x%02x", bytes[0]);
	} else if (is_half || n < 4) {
		snprintf(ret, DISAS_TEXT_BYTES, ".short 0x%04" PRIx64, load_le(bytes, 2));
	} else {
		snprintf(ret, DISAS_TEXT_BYTES, ".word 0x%08" PRIx64, load_le(bytes, 4));
	}
}

size_t disas_one(struct disas *d, uint32_t flags, uint64_t pc, const uint8_t *bytes, size_t n,
		 char *ret)
{
	size_t used;

	ret[0] = '\0';
	if (n == 0) {
		return 0;
	}
	if (d->arch == PROTO_ARCH_RV64) {
		used = disas_riscv_one(pc, bytes, n, ret);
	} else {
		used = by_capstone(d, flags, pc, bytes, n, ret);
	}
	if (used == 0) {
		as_data(d, flags, bytes, n, ret);
	}
	return used;
}

const char *disas_lack(struct disas *d)
{
	size_t idx;

	if (d->arch == PROTO_ARCH_RV64) {
		return disas_riscv_lack();
	}
	return open_mode(d, 0, &idx) ? NULL : "this Capstone was built without the architecture";
}

const char *disas_name(struct disas *d)
{
	return d->arch == PROTO_ARCH_RV64 ? disas_riscv_name() : d->name;
}
