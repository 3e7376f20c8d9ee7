/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Differential fuzzing of engines: what the files of the fuzzer share.
 *
 *   diff_main.c      options, the loop, what is printed
 *   diff_case.c      a sequence: make, assemble, minimise
 *   diff_compare.c   which differences count; the named exclusions
 *   diff_engine.c    the engine under test, through engine/engine.h
 *   diff_referee.c   the other side, see referee.c
 *   gen.h, gen_*.c   instructions of each instruction set
 */
#ifndef TESTS_DIFFFUZZ_DIFF_H
#define TESTS_DIFFFUZZ_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "wire.h"

#define DIFF_INSNS_MAX	     24
#define DIFF_INSN_BYTES_MAX  28
#define DIFF_END_BYTES_MAX   4
#define DIFF_LOOP_BYTES_MAX  64 /* of head or tail */

/** Random numbers: splitmix64. */
struct rng {
	uint64_t s;
};

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/** 0 .. n - 1 */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 33) % n);
}

/** x86 status flags, as in EFLAGS. */
#define X86F_CF	 0x001u
#define X86F_PF	 0x004u
#define X86F_AF	 0x010u
#define X86F_ZF	 0x040u
#define X86F_SF	 0x080u
#define X86F_OF	 0x800u
#define X86F_ALL 0x8d5u

/** One instruction, or a few that only make sense together. */
struct diff_insn {
	const char *name; /* of its template: static */
	uint8_t bytes[DIFF_INSN_BYTES_MAX];
	uint8_t n_bytes;
	uint8_t branch;	  /* 0, or the generator's kind of branch: forward, its displacement open */
	uint8_t skip;	  /* branch: how many instructions it jumps over */
	/* x86 flags that it needs, that it leaves undefined, that it defines. */
	uint16_t uses, undefines, defines;
};

/** A sequence with its registers and memory. */
struct diff_seq {
	struct diff_insn insns[DIFF_INSNS_MAX];
	size_t n;
	struct wire_state start;
	uint64_t data_seed;
	uint32_t turns; /* of the loop around it; 0: there is none */
};

/** A sequence with its bytes. */
struct diff_code {
	struct wire_case c;
	uint32_t offset[DIFF_INSNS_MAX + 1];  /* of each instruction, and of the end */
	uint16_t undefined[DIFF_INSNS_MAX + 1]; /* flags that are undefined before it */
};

/** RISC-V: f0 up to here hold singles only, the others doubles only. */
#define DIFF_RV_SINGLES 8

/** An instruction set, for the fuzzer. */
struct diff_isa {
	const char *name;
	enum wire_isa isa;
	const char *arch;	  /* as cpu_arch_by_name() takes it */
	const char *referee;	  /* program, below the directory of referees */
	const char *referee_args; /* "qemu-arm -cpu ...", or NULL: the CPU itself */
	const char *objdump;	  /* command that disassembles a flat file; the address follows */
	uint64_t flags_mask;
	uint64_t fp_control_mask, fp_status_mask;
	uint8_t n_gpr;		  /* compared; beginning with first_gpr */
	uint8_t first_gpr;
	uint8_t n_vec;
	uint8_t n_single; /* so many vectors in front hold single precision in a wider register */
	uint8_t vec_bytes;
	uint64_t gpr_mask;	  /* significant bits of a general register */
	uint8_t end[DIFF_END_BYTES_MAX];
	uint8_t end_bytes;

	/** One random instruction. @param has_fp floating point and vectors may be used */
	void (*gen)(struct rng *r, bool has_fp, struct diff_insn *ret);
	/** Registers to begin with; base register and stack pointer as the instructions expect. */
	void (*start)(struct rng *r, struct wire_state *ret);
	/**
	 * What makes a loop of a sequence: code before it, which also sets a counter, and behind it. It leaves registers and flags
	 * as they are but for the base register and the stack pointer, which begin each turn with their values. NULL: there is none.
	 * @param body_bytes of the sequence
	 * @return bytes
	 */
	uint32_t (*loop_head)(uint8_t *code, uint32_t turns);
	uint32_t (*loop_tail)(uint8_t *code, uint32_t body_bytes);
	/** Store the displacement of a branch. */
	void (*branch)(struct diff_insn *i, uint8_t *bytes, uint32_t distance);
};

extern const struct diff_isa diff_isa_x86, diff_isa_x64, diff_isa_arm, diff_isa_thumb, diff_isa_a64,
	diff_isa_rv64;

/** What sequences are like. */
struct diff_shape {
	const char *only;   /* names of the templates that may be used, with commas between; NULL: all */
	uint32_t insns_max; /* 1 to DIFF_INSNS_MAX */
	uint32_t turns;	    /* see struct diff_seq */
	bool has_fp;
};

/** Make sequence number @p index of a seed; the same whatever was made before. */
void diff_seq_make(const struct diff_isa *isa, const struct diff_shape *shape, uint64_t seed, uint64_t index,
		   struct diff_seq *ret);

/** @return false when an instruction would use a flag that is undefined (the sequence is of no use) */
bool diff_seq_assemble(const struct diff_isa *isa, const struct diff_seq *s, struct diff_code *ret);

/**
 * Drop one instruction.
 * @return false when the sequence makes no sense without it
 */
bool diff_seq_drop(struct diff_seq *s, size_t at);

/** Index of the instruction at @p pc (n at the end, SIZE_MAX inside or outside). */
size_t diff_code_index(const struct diff_seq *s, const struct diff_code *code, uint64_t pc);

/** The engine under test. */
struct diff_engine;

/**
 * @param kvm_fd /dev/kvm or -1; kept open by the caller
 * @return 0; -ENOTSUP or -ENODEV with the reason
 */
int diff_engine_new(const struct diff_isa *isa, const char *name, int kvm_fd, struct diff_engine **ret,
		    struct errmsg *e);
void diff_engine_free(struct diff_engine *d);
/** Whether floating point may be used. */
bool diff_engine_has_fp(const struct diff_engine *d);
/** Run one case. @return 0; negative errno when the engine broke */
int diff_engine_run(struct diff_engine *d, const struct wire_case *c, struct wire_result *ret,
		    struct errmsg *e);

/** The referee's process. */
struct diff_referee;

int diff_referee_new(const struct diff_isa *isa, const char *dir, struct diff_referee **ret,
		     struct errmsg *e);
void diff_referee_free(struct diff_referee *r);
/** Run @p n (at most WIRE_BATCH_MAX) cases. */
int diff_referee_run(struct diff_referee *r, const struct wire_case *cases, uint32_t n,
		     struct wire_result *ret, struct errmsg *e);

/** What is compared, beyond the tables of the instruction set. */
struct diff_rules {
	const struct diff_isa *isa;
	const char *engine;
};

/**
 * Compare two results of one sequence.
 * @param ret_text what differs, a line each; empty when nothing does
 * @return 0, or bits that say what differs
 */
uint64_t diff_compare(const struct diff_rules *rules, const struct diff_seq *s, const struct diff_code *code,
		      const struct wire_result *want, const struct wire_result *got, char *ret_text,
		      size_t bytes);

/**
 * Whether the difference that a shortest sequence shows is a known one; counts it.
 * @return its heading in docs/known-differences.md, or NULL
 */
const char *diff_explain(const struct diff_rules *rules, const struct diff_seq *s,
			 const struct diff_code *code, const struct wire_result *want,
			 const struct wire_result *got, uint64_t parts);

/** Print the known differences that apply and how often each was met. */
void diff_print_exclusions(const struct diff_rules *rules);

/** For the self-check: spoil the engine's result when the sequence has an instruction called @p name. */
void diff_inject(const char *name, const struct diff_seq *s, const struct diff_code *code,
		 struct wire_result *r, unsigned int gpr);

#endif
