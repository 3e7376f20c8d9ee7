/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of a VM; see regs.h. */
#include "cli/regs.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define LINE_CHARS 100

/* What may reach a terminal or JSON: letters, digits and a few marks. */
static bool is_name(const char *s, size_t size, bool may_be_empty)
{
	size_t len = strnlen(s, size);

	if (len == size || (len == 0 && !may_be_empty)) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)s[i]) && !strchr("_-.", s[i])) {
			return false;
		}
	}
	return true;
}

static bool is_sound(const struct proto_reg_desc *d)
{
	return is_name(d->name, sizeof(d->name), false) &&
	       is_name(d->alias, sizeof(d->alias), true) &&
	       is_name(d->gdb_feature, sizeof(d->gdb_feature), true) &&
	       is_name(d->gdb_name, sizeof(d->gdb_name), true) &&
	       is_name(d->gdb_type, sizeof(d->gdb_type), true) && d->bytes >= 1 &&
	       d->bytes <= REGS_VALUE_BYTES && d->cls < PROTO_REG_CLASS_COUNT;
}

int regs_describe(struct launch_vm *vm, struct regs *ret, struct errmsg *e)
{
	struct proto_reg_desc descs[REGS_MAX];
	size_t bytes = 0;
	int r;

	r = launch_vm_request(vm, PROTO_GET_REG_DESC, NULL, 0, -1, descs, sizeof(descs), &bytes, e);
	if (r < 0) {
		return r;
	}
	if (bytes == 0 || bytes % sizeof(descs[0])) {
		return errmsg_set(e, -EPROTO, "the VM describes its registers in %zu bytes", bytes);
	}
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < bytes / sizeof(descs[0]); i++) {
		if (!is_sound(&descs[i])) {
			return errmsg_set(e, -EPROTO, "the VM describes register %zu wrongly", i);
		}
		ret->reg[i].desc = descs[i];
	}
	ret->n = bytes / sizeof(descs[0]);
	return 0;
}

int regs_read(struct launch_vm *vm, struct regs *regs, struct errmsg *e)
{
	uint8_t buf[REGS_MAX * REGS_VALUE_BYTES];
	size_t want = 0;
	size_t at = 0;
	size_t bytes = 0;
	int r;

	for (size_t i = 0; i < regs->n; i++) {
		want += regs->reg[i].desc.bytes;
	}
	r = launch_vm_request(vm, PROTO_GET_REGS, NULL, 0, -1, buf, sizeof(buf), &bytes, e);
	if (r < 0) {
		return r;
	}
	if (bytes != want) {
		return errmsg_set(e, -EPROTO, "the VM sent %zu bytes of registers instead of %zu",
				  bytes, want);
	}
	for (size_t i = 0; i < regs->n; i++) {
		memcpy(regs->reg[i].value, buf + at, regs->reg[i].desc.bytes);
		at += regs->reg[i].desc.bytes;
	}
	return 0;
}

void regs_format(const uint8_t *value, size_t bytes, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	size_t nibble = bytes * 2;

	while (nibble > 1 && ((value[(nibble - 1) / 2] >> ((nibble - 1) % 2 * 4)) & 0xf) == 0) {
		nibble--;
	}
	*ret++ = '0';
	*ret++ = 'x';
	while (nibble-- > 0) {
		*ret++ = digits[(value[nibble / 2] >> (nibble % 2 * 4)) & 0xf];
	}
	*ret = '\0';
}

static const char *class_title(uint32_t cls)
{
	static const char *const titles[PROTO_REG_CLASS_COUNT] = {
		[PROTO_REG_GPR] = "general",  [PROTO_REG_FLAGS] = "flags",
		[PROTO_REG_SEG] = "segments", [PROTO_REG_FP] = "floating point",
		[PROTO_REG_VEC] = "vector",   [PROTO_REG_SYS] = "system",
	};

	return cls < PROTO_REG_CLASS_COUNT ? titles[cls] : "other";
}

/* Widest name, and widest value, of a class. */
static void class_widths(const struct regs *regs, uint32_t cls, size_t *ret_name, size_t *ret_value)
{
	char text[REGS_TEXT_BYTES];

	*ret_name = 0;
	*ret_value = 0;
	for (size_t i = 0; i < regs->n; i++) {
		const struct reg *reg = &regs->reg[i];
		size_t name = strlen(reg->desc.name);
		size_t value;

		if (reg->desc.cls != cls) {
			continue;
		}
		regs_format(reg->value, reg->desc.bytes, text);
		value = strlen(text);
		*ret_name = name > *ret_name ? name : *ret_name;
		*ret_value = value > *ret_value ? value : *ret_value;
	}
}

static void print_class(const struct regs *regs, uint32_t cls, FILE *to)
{
	char text[REGS_TEXT_BYTES];
	size_t name;
	size_t value;
	size_t columns;
	size_t at = 0;

	class_widths(regs, cls, &name, &value);
	if (name == 0) {
		return;
	}
	columns = LINE_CHARS / (name + value + 5);
	columns = columns == 0 ? 1 : columns > 4 ? 4 : columns;
	fprintf(to, "%s:\n", class_title(cls));
	for (size_t i = 0; i < regs->n; i++) {
		const struct reg *reg = &regs->reg[i];

		if (reg->desc.cls != cls) {
			continue;
		}
		regs_format(reg->value, reg->desc.bytes, text);
		fprintf(to, "%s%-*s %*s", at % columns ? "   " : "  ", (int)name, reg->desc.name,
			(int)value, text);
		at++;
		if (at % columns == 0) {
			fputc('\n', to);
		}
	}
	if (at % columns) {
		fputc('\n', to);
	}
}

void regs_print(const struct regs *regs, FILE *to)
{
	for (uint32_t cls = 0; cls < PROTO_REG_CLASS_COUNT; cls++) {
		print_class(regs, cls, to);
	}
}
