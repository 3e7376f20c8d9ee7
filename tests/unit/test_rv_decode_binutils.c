/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoding against binutils, which has tables of its own: names and operands of every compressed instruction there is,
 * and of many random words. Differences on purpose are listed: is_unknown_to_binutils(), has_free_fields(), is_agreed().
 */
#include "test_rv_decode.h"

#include <unistd.h>

#include "base/bits.h"

#define RANDOM_WORDS 40000

/* What binutils 2.40 doesn't know. */
static bool is_unknown_to_binutils(enum rv_op op)
{
	return op == RV_OP_CZERO_EQZ || op == RV_OP_CZERO_NEZ;
}

/* What compressed instructions stand for, unless that is the name without "c.". */
static const struct {
	const char *compressed, *name;
} expansions[] = {
	{ "c.addi4spn", "addi" }, { "c.addi16sp", "addi" }, { "c.nop", "addi" },
	{ "c.li", "addi" },	  { "c.lwsp", "lw" },	    { "c.ldsp", "ld" },
	{ "c.swsp", "sw" },	  { "c.sdsp", "sd" },	    { "c.fldsp", "fld" },
	{ "c.fsdsp", "fsd" },	  { "c.j", "jal" },	    { "c.jr", "jalr" },
	{ "c.beqz", "beq" },	  { "c.bnez", "bne" },	    { "c.mv", "add" },
	{ "c.slli64", "slli" },	  { "c.srli64", "srli" },   { "c.srai64", "srai" },
	{ "c.unimp", "illegal" },
};

/* binutils' name as ours: without "c.", without .aq and .rl. */
static void our_name(const char *theirs, char *ret, size_t bytes)
{
	static const char *const orders[] = { ".aqrl", ".aq", ".rl" };
	bool is_atomic = strncmp(theirs, "amo", 3) == 0 || strncmp(theirs, "lr.", 3) == 0 ||
			 strncmp(theirs, "sc.", 3) == 0;

	for (size_t i = 0; i < ARRAY_SIZE(expansions); i++) {
		if (strcmp(theirs, expansions[i].compressed) == 0) {
			snprintf(ret, bytes, "%s", expansions[i].name);
			return;
		}
	}
	snprintf(ret, bytes, "%s", strncmp(theirs, "c.", 2) == 0 ? theirs + 2 : theirs);
	for (size_t i = 0; is_atomic && i < ARRAY_SIZE(orders); i++) {
		size_t n = strlen(ret);
		size_t k = strlen(orders[i]);

		if (n > k && strcmp(ret + n - k, orders[i]) == 0) {
			ret[n - k] = '\0';
			break;
		}
	}
	if (theirs[0] == '.') {
		snprintf(ret, bytes, "illegal");
	}
	if (strcmp(theirs, "fence.tso") == 0 || strcmp(theirs, "pause") == 0) {
		snprintf(ret, bytes, "fence");
	}
}

/* What binutils knows only with fields that execution ignores being zero: modes of exact conversions, fences. */
static bool has_free_fields(enum rv_op op)
{
	return op == RV_OP_FENCE || op == RV_OP_FENCE_I || op == RV_OP_FCVT_D_S ||
	       op == RV_OP_FCVT_D_W || op == RV_OP_FCVT_D_WU;
}

#define RESERVED_ADDI16SP 0x6101 /* by 0; binutils prints it */

/* The same, or one of the differences on purpose: binutils prints reserved rounding modes as "unknown". */
static bool is_agreed(const struct rv_insn *i, const char *name, const char *rest)
{
	enum rv_op op = (enum rv_op)i->op;

	if (strcmp(rv_op_name(op), name) == 0) {
		return true;
	}
	if (strcmp(name, "illegal") == 0) {
		return has_free_fields(op) || is_unknown_to_binutils(op);
	}
	/* The hypervisor's instructions come with binutils' Svinval. */
	return op == RV_OP_ILLEGAL && (strstr(rest, "unknown") || i->raw == RESERVED_ADDI16SP ||
				       strncmp(name, "hinval.", 7) == 0);
}

/* The instructions to compare: all compressed ones, then random words that are 32 bits long. */
static uint32_t word(uint32_t n)
{
	uint32_t raw;

	if (n < 0xc000) {
		return (n & 0x3fff) << 2 | n >> 14;
	}
	if (n & 3) {
		return encode(1 + rv_below(&rv_decode_rng, RV_OP_COUNT - 1));
	}
	do {
		raw = (uint32_t)rv_rand(&rv_decode_rng) | 3;
	} while ((raw & 0x1f) == 0x1f);
	return raw;
}

static bool write_source(const char *path, uint32_t n)
{
	FILE *f = fopen(path, "we");

	if (!f) {
		return false;
	}
	fprintf(f, ".option norelax\n.text\n");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t raw = word(i);

		fprintf(f, (raw & 3) == 3 ? ".4byte 0x%x\n" : ".2byte 0x%x\n", raw);
	}
	return fclose(f) == 0;
}

/* ---- operands: as lists of numbers, in binutils' order ---- */

/** Numbers in the order of the text. */
struct operands {
	int64_t v[8];
	unsigned int n;
};

static void add(struct operands *o, int64_t v)
{
	if (o->n < ARRAY_SIZE(o->v)) {
		o->v[o->n++] = v;
	}
}

static const char *const modes[] = { "rne", "rtz", "rdn", "rup", "rmm" }; /* dynamic: no word */

/* Registers, numbers, rounding modes; other words are skipped. */
static void add_word(struct operands *o, const char *word)
{
	const char *digits = word[0] == 'x' || word[0] == 'f' ? word + 1 : word;
	char *end;
	int64_t v = (int64_t)strtoull(digits, &end, 0);

	if (*digits && !*end) {
		add(o, v);
		return;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(word, modes[i]) == 0) {
			add(o, i);
		}
	}
}

/* @param name its suffix says how an atomic access is ordered */
static struct operands their_operands(const char *name, const char *rest, bool has_csr)
{
	struct operands o = { .n = 0 };
	char text[128];
	char *at = text;
	char *word;

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(rest, "#"), rest); /* a comment */
	for (unsigned int i = 0; (word = strsep(&at, ",() \t\n")) != NULL;) {
		i += *word != '\0';
		if (!(has_csr && i == 2)) {
			add_word(&o, word);
		}
	}
	if (strncmp(name, "amo", 3) == 0 || strncmp(name, "lr.", 3) == 0 ||
	    strncmp(name, "sc.", 3) == 0) {
		add(&o, (strstr(name, ".aq") ? 2 : 0) + (strstr(name, "rl") ? 1 : 0));
	}
	return o;
}

/* Whether the instruction has the 5-bit field at @p bit for an operand. */
static bool has_field(const struct rv_insn *i, unsigned int bit)
{
	uint32_t match;
	uint32_t mask;

	rv_op_encoding((enum rv_op)i->op, &match, &mask);
	return !(mask >> bit & 31);
}

static bool is_offset(const struct rv_insn *i)
{
	const char *name = rv_op_name((enum rv_op)i->op);

	return (name[0] == 'l' && i->op != RV_OP_LUI) || i->op == RV_OP_FLW || i->op == RV_OP_FLD ||
	       i->op == RV_OP_JALR;
}

static void add_registers(struct operands *o, const struct rv_insn *i)
{
	if (has_field(i, 7)) {
		add(o, i->rd);
	}
	if (rv_op_format((enum rv_op)i->op) == RV_FMT_AMO && has_field(i, 20)) {
		add(o, i->rs2);
	}
	if (has_field(i, 15)) {
		add(o, i->rs1);
	}
	if (rv_op_format((enum rv_op)i->op) != RV_FMT_AMO && has_field(i, 20)) {
		add(o, i->rs2);
	}
}

static void add_mode(struct operands *o, const struct rv_insn *i)
{
	if (i->rm != 7 && !has_free_fields((enum rv_op)i->op)) {
		add(o, i->rm);
	}
}

static void add_memory(struct operands *o, const struct rv_insn *i, uint8_t reg)
{
	add(o, reg);
	add(o, i->imm);
	add(o, i->rs1);
}

static struct operands our_operands_4(const struct rv_insn *i, uint64_t pc)
{
	struct operands o = { .n = 0 };

	switch (rv_op_format((enum rv_op)i->op)) {
	case RV_FMT_S:
		add_memory(&o, i, i->rs2);
		break;
	case RV_FMT_B:
		add(&o, i->rs1);
		add(&o, i->rs2);
		add(&o, (int64_t)pc + i->imm);
		break;
	case RV_FMT_U:
		add(&o, i->rd);
		add(&o, (uint32_t)i->imm >> 12);
		break;
	case RV_FMT_J:
		add(&o, i->rd);
		add(&o, (int64_t)pc + i->imm);
		break;
	case RV_FMT_SHIFT:
	case RV_FMT_CSR:
	case RV_FMT_I:
		if (is_offset(i)) {
			add_memory(&o, i, i->rd);
			break;
		}
		add(&o, i->rd);
		add(&o, i->rs1);
		if (has_field(i, 20) && rv_op_format((enum rv_op)i->op) != RV_FMT_CSR) {
			add(&o, i->imm);
		}
		break;
	case RV_FMT_AMO:
		add_registers(&o, i);
		add(&o, i->imm);
		break;
	case RV_FMT_R4:
		add_registers(&o, i);
		add(&o, i->rs3);
		add_mode(&o, i);
		break;
	case RV_FMT_RM:
		add_registers(&o, i);
		add_mode(&o, i);
		break;
	case RV_FMT_R:
		add_registers(&o, i);
		break;
	case RV_FMT_NONE:
		break;
	}
	return o;
}

/* The operands that the compressed form names. */
static struct operands our_operands_2(const struct rv_insn *i, uint64_t pc, const char *theirs)
{
	struct operands o = { .n = 0 };
	enum rv_format format = rv_op_format((enum rv_op)i->op);
	size_t n = strlen(theirs);

	if (format == RV_FMT_S) {
		add_memory(&o, i, i->rs2);
	} else if (format == RV_FMT_B) {
		add(&o, i->rs1);
		add(&o, (int64_t)pc + i->imm);
	} else if (format == RV_FMT_J) {
		add(&o, (int64_t)pc + i->imm);
	} else if (i->op == RV_OP_JALR) {
		add(&o, i->rs1);
	} else if (format == RV_FMT_R) {
		add(&o, i->rd);
		add(&o, i->rs2);
	} else if (is_offset(i)) {
		add_memory(&o, i, i->rd);
	} else if (format != RV_FMT_NONE) {
		add(&o, i->rd);
		if (strcmp(theirs, "c.addi4spn") == 0) {
			add(&o, i->rs1);
		}
		if (strcmp(theirs + n - 2, "64") != 0) {
			add(&o, i->op == RV_OP_LUI ? i->imm >> 12 & 0xfffff : i->imm);
		}
	}
	return o;
}

static bool has_same_operands(const struct rv_insn *i, uint64_t pc, const char *theirs,
			      const char *rest)
{
	bool has_csr = rv_op_format((enum rv_op)i->op) == RV_FMT_CSR;
	struct operands want = their_operands(theirs, rest, has_csr);
	struct operands got = i->bytes == 2 ? our_operands_2(i, pc, theirs) : our_operands_4(i, pc);

	if (i->op == RV_OP_FENCE || i->op == RV_OP_FENCE_I || i->op == RV_OP_ILLEGAL) {
		return true;
	}
	return want.n == got.n && memcmp(want.v, got.v, want.n * sizeof(want.v[0])) == 0;
}

/* One line of objdump: "   12:\t0001 \tc.nop\t..."; @return whether it is an instruction */
static bool compare_line(const char *line, uint32_t *ret_same)
{
	char name[32];
	char theirs[32];
	uint64_t pc;
	uint32_t raw;
	int at = 0;
	struct rv_insn i;

	if (sscanf(line, " %" SCNx64 ":\t%x %31s%n", &pc, &raw, theirs, &at) != 3) {
		return false;
	}
	our_name(theirs, name, sizeof(name));
	i = decode(raw);
	if (is_agreed(&i, name, line + at) &&
	    (strcmp(name, "illegal") == 0 || has_same_operands(&i, pc, theirs, line + at))) {
		(*ret_same)++;
	} else {
		printf("%08x: %s rd %u rs1 %u rs2 %u rs3 %u rm %u imm %d, binutils says %s%s", raw,
		       rv_op_name((enum rv_op)i.op), i.rd, i.rs1, i.rs2, i.rs3, i.rm, i.imm, theirs,
		       line + at);
	}
	return true;
}

#define TOOLS "riscv64-linux-gnu-"

/* Without symbols, objdump does not take what .4byte made for data. */
static FILE *disassemble(const char *dir)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "cd %s && " TOOLS
		 "as -march=rv64gc_zba_zbb_zbs_zicbom_zicboz_zicsr_zifencei_svinval t.s -o t.o"
		 " && " TOOLS "strip t.o && " TOOLS "objdump -d -z -M no-aliases,numeric t.o",
		 dir);
	return popen(command,
		     "re"); // NOLINT(bugprone-command-processor): fixed words and our own directory
}

static void remove_files(const char *dir)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/t.s", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/t.o", dir);
	unlink(path);
	rmdir(dir);
}

static void instructions_are_those_of_binutils(void)
{
	const uint32_t n = 0xc000 + RANDOM_WORDS;
	char dir[] = "/tmp/rv_decode.XXXXXX";
	char path[512];
	char line[256];
	uint32_t n_lines = 0;
	uint32_t n_same = 0;
	FILE *f;

	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.s", dir);
	CHECK(write_source(path, n));
	f = disassemble(dir);
	CHECK(f);
	while (f && fgets(line, sizeof(line), f)) {
		n_lines += compare_line(line, &n_same);
	}
	CHECK(f && pclose(f) == 0);
	CHECK_INT(n_lines, n);
	CHECK_INT(n_same, n);
	remove_files(dir);
}

static const struct test_case cases[] = {
	{ "instructions_are_those_of_binutils", instructions_are_those_of_binutils },
};

int main(void)
{
	if (system("riscv64-linux-gnu-objdump --version >/dev/null 2>&1")) {
		printf("skipped: riscv64-linux-gnu-objdump is not installed\n");
		return 77;
	}
	return test_main(cases, ARRAY_SIZE(cases));
}
