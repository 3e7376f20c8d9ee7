/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of a VM, as it names them. Names and sizes come from hostile messages: checked. */
#ifndef PINFOLD_CLI_REGS_H
#define PINFOLD_CLI_REGS_H

#include <stdint.h>
#include <stdio.h>

#include "base/errmsg.h"
#include "launch/launch.h"
#include "proto/proto.h"

/** Most registers of one VM. */
#define REGS_MAX	 (PROTO_BODY_MAX / sizeof(struct proto_reg_desc))
#define REGS_VALUE_BYTES 32
/** Room for a value as text: "0x", 64 digits, NUL. */
#define REGS_TEXT_BYTES (2 + 2 * REGS_VALUE_BYTES + 1)

/** One register with its value, little endian. */
struct reg {
	struct proto_reg_desc desc;
	uint8_t value[REGS_VALUE_BYTES];
};

/** All registers of a VM, in the VM's order. */
struct regs {
	size_t n;
	struct reg reg[REGS_MAX];
};

/**
 * Ask the VM what registers it has. Their values are zero until regs_read().
 * @return 0; -EPROTO when the answer is not sound; errors of launch_vm_request()
 */
int regs_describe(struct launch_vm *vm, struct regs *ret, struct errmsg *e);

/** Ask for the values of described registers. The vCPU must be stopped. */
int regs_read(struct launch_vm *vm, struct regs *regs, struct errmsg *e);

/**
 * A value as text, without leading zeros: "0x13ba".
 * @param value little endian
 * @param ret   REGS_TEXT_BYTES
 */
void regs_format(const uint8_t *value, size_t bytes, char *ret);

/** Print all, aligned, class by class. */
void regs_print(const struct regs *regs, FILE *to);

#endif
