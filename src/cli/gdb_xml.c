/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The target description; see gdb_xml.h. Every register carries its number, so that the order of
 * the features does not matter. Types that gdb does not know by itself are defined in the feature
 * that uses them, as gdb's own descriptions (gdb/features/) do. The OS ABI is "none": gdb-multiarch
 * would take a guest for a Linux program, and step RISC-V by breakpoints instead of asking us.
 */
#include "cli/gdb_xml.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"

#define BIT_FIELD(nm, n)    "<field name=\"" nm "\" start=\"" #n "\" end=\"" #n "\"/>"
#define VECTOR(id, type, n) "<vector id=\"" id "\" type=\"" type "\" count=\"" #n "\"/>"
#define MEMBER(nm, type)    "<field name=\"" nm "\" type=\"" type "\"/>"
#define UNION(id, members)  "<union id=\"" id "\">" members "</union>"

/* xml NULL: gdb knows the type. */
static const struct xml_type {
	const char *name;
	const char *xml;
} types[] = {
	{ "int8", NULL },
	{ "int16", NULL },
	{ "int32", NULL },
	{ "int64", NULL },
	{ "int128", NULL },
	{ "uint8", NULL },
	{ "uint16", NULL },
	{ "uint32", NULL },
	{ "uint64", NULL },
	{ "uint128", NULL },
	{ "code_ptr", NULL },
	{ "data_ptr", NULL },
	{ "ieee_single", NULL },
	{ "ieee_double", NULL },
	{ "i387_ext", NULL },
	{ "i386_eflags",
	  "<flags id=\"i386_eflags\" size=\"4\">" BIT_FIELD("CF", 0) BIT_FIELD("", 1)
		  BIT_FIELD("PF", 2) BIT_FIELD("AF", 4) BIT_FIELD("ZF", 6) BIT_FIELD("SF", 7)
			  BIT_FIELD("TF", 8) BIT_FIELD("IF", 9) BIT_FIELD("DF", 10)
				  BIT_FIELD("OF", 11) BIT_FIELD("NT", 14) BIT_FIELD("RF", 16)
					  BIT_FIELD("VM", 17) BIT_FIELD("AC", 18)
						  BIT_FIELD("VIF", 19) BIT_FIELD("VIP", 20)
							  BIT_FIELD("ID", 21) "</flags>" },
	{ "vec128",
	  VECTOR("v4f", "ieee_single", 4) VECTOR("v2d", "ieee_double", 2) VECTOR("v16i8", "int8",
										 16)
		  VECTOR("v8i16", "int16", 8) VECTOR("v4i32", "int32", 4) VECTOR("v2i64", "int64",
										 2)
			  UNION("vec128",
				MEMBER("v4_float", "v4f") MEMBER("v2_double", "v2d")
					MEMBER("v16_int8", "v16i8") MEMBER("v8_int16", "v8i16")
						MEMBER("v4_int32", "v4i32")
							MEMBER("v2_int64", "v2i64")
								MEMBER("uint128", "uint128")) },
	{ "i386_mxcsr",
	  "<flags id=\"i386_mxcsr\" size=\"4\">" BIT_FIELD("IE", 0) BIT_FIELD("DE", 1)
		  BIT_FIELD("ZE", 2) BIT_FIELD("OE", 3) BIT_FIELD("UE", 4) BIT_FIELD("PE", 5)
			  BIT_FIELD("DAZ", 6) BIT_FIELD("IM", 7) BIT_FIELD("DM", 8)
				  BIT_FIELD("ZM", 9) BIT_FIELD("OM", 10) BIT_FIELD("UM", 11)
					  BIT_FIELD("PM", 12) BIT_FIELD("FZ", 15) "</flags>" },
	{ "cpsr_flags",
	  "<flags id=\"cpsr_flags\" size=\"4\">" BIT_FIELD(
		  "SP", 0) "<field name=\"EL\" start=\"2\" end=\"3\"/>" BIT_FIELD("nRW", 4)
		  BIT_FIELD("F", 6) BIT_FIELD("I", 7) BIT_FIELD("A", 8) BIT_FIELD("D", 9)
			  BIT_FIELD("IL", 20) BIT_FIELD("SS", 21) BIT_FIELD("PAN", 22)
				  BIT_FIELD("V", 28) BIT_FIELD("C", 29) BIT_FIELD("Z", 30)
					  BIT_FIELD("N", 31) "</flags>" },
	{ "aarch64v",
	  VECTOR("v2d", "ieee_double", 2) VECTOR("v2u", "uint64", 2) VECTOR("v2i", "int64", 2)
		  VECTOR("v4f", "ieee_single", 4) VECTOR("v4u", "uint32", 4) VECTOR(
			  "v4i",
			  "int32",
			  4) VECTOR("v8f", "ieee_half",
				    8) VECTOR("v8u", "uint16",
					      8) VECTOR("v8i", "int16",
							8) VECTOR("v16u", "uint8", 16)
			  VECTOR("v16i", "int8", 16) VECTOR("v1u", "uint128", 1) VECTOR(
				  "v1i",
				  "int128",
				  1) UNION("vnd",
					   MEMBER("f", "v2d") MEMBER("u", "v2u")
						   MEMBER("s", "v2i"))
				  UNION("vns",
					MEMBER("f", "v4f") MEMBER("u", "v4u") MEMBER(
						"s",
						"v4i")) UNION("vnh",
							      MEMBER("f", "v8f")
								      MEMBER("u", "v8u")
									      MEMBER("s", "v8i"))
					  UNION("vnb", MEMBER("u", "v16u") MEMBER("s", "v16i"))
						  UNION("vnq",
							MEMBER("u", "v1u") MEMBER("s", "v1i"))
							  UNION("aarch64v",
								MEMBER("d", "vnd") MEMBER("s",
											  "vns")
									MEMBER("h", "vnh") MEMBER(
										"b", "vnb")
										MEMBER("q",
										       "vnq")) },
	{ "riscv_double",
	  UNION("riscv_double", MEMBER("float", "ieee_single") MEMBER("double", "ieee_double")) },
};

static bool is_arch(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)s[i]) && !strchr("._-:", s[i])) {
			return false;
		}
	}
	return n > 0;
}

static const struct xml_type *type_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].name, name) == 0) {
			return &types[i];
		}
	}
	return NULL;
}

/* Define each type once in front of the first register of the feature that has it. */
static void put_types(FILE *f, const struct regs *regs, const char *feature)
{
	bool is_done[ARRAY_SIZE(types)] = { false };

	for (size_t i = 0; i < regs->n; i++) {
		const struct xml_type *t = type_find(regs->reg[i].desc.gdb_type);

		if (!t || !t->xml || strcmp(regs->reg[i].desc.gdb_feature, feature) != 0 ||
		    is_done[t - types]) {
			continue;
		}
		is_done[t - types] = true;
		fprintf(f, "%s\n", t->xml);
	}
}

static void put_feature(FILE *f, const struct regs *regs, const char *feature)
{
	size_t number = 0;

	fprintf(f, "<feature name=\"%s\">\n", feature);
	put_types(f, regs, feature);
	for (size_t i = 0; i < regs->n; i++) {
		if (strcmp(regs->reg[i].desc.gdb_feature, feature) == 0) {
			fprintf(f, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%zu\"/>\n",
				regs->reg[i].desc.gdb_name, regs->reg[i].desc.bytes * 8,
				type_find(regs->reg[i].desc.gdb_type) ? regs->reg[i].desc.gdb_type
								      : "int",
				number);
		}
		number += regs->reg[i].desc.gdb_feature[0] != '\0';
	}
	fprintf(f, "</feature>\n");
}

static bool is_first_of_feature(const struct regs *regs, size_t idx)
{
	for (size_t i = 0; i < idx; i++) {
		if (strcmp(regs->reg[i].desc.gdb_feature, regs->reg[idx].desc.gdb_feature) == 0) {
			return false;
		}
	}
	return regs->reg[idx].desc.gdb_feature[0] != '\0';
}

int gdb_xml_make(const char *gdb_arch, const struct regs *regs, char **ret, size_t *ret_len,
		 struct errmsg *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f;

	if (!is_arch(gdb_arch)) {
		return errmsg_set(e, -EPROTO, "the VM process names an impossible architecture");
	}
	f = open_memstream(&text, &len);
	if (!f) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	fprintf(f,
		"<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
		"<target version=\"1.0\">\n<architecture>%s</architecture>\n<osabi>none</osabi>\n",
		gdb_arch);
	for (size_t i = 0; i < regs->n; i++) {
		if (is_first_of_feature(regs, i)) {
			put_feature(f, regs, regs->reg[i].desc.gdb_feature);
		}
	}
	fprintf(f, "</target>\n");
	if (fclose(f) != 0) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	*ret = steal_ptr(&text);
	if (ret_len) {
		*ret_len = len;
	}
	return 0;
}
