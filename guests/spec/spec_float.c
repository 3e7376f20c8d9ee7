/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floating point: NaN, boxes, flags, rounding, conversions. */
#include "spec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define NAN_D  0x7ff8000000000000ULL
#define SNAN_D 0x7ff0000000000001ULL
#define INF_D  0x7ff0000000000000ULL
#define ONE_D  0x3ff0000000000000ULL
#define NEG    BIT(63)
#define BOX    0xffffffff00000000ULL
#define NAN_S  (BOX | 0x7fc00000ULL)
#define ONE_S  (BOX | 0x3f800000ULL)

enum { NX = 1, UF = 2, OF = 4, DZ = 8, NV = 16 };

#define FMV_D_X_FA0 0xf2050553u /* fa0 = a0 */
#define FMV_D_X_FA1 0xf20585d3u /* fa1 = a1 */
#define FMV_X_D	    0xe2050653u /* a2 = fa0 */
#define FCSR_A3	    CSR_INSN(CSR_FCSR, FUNCT_S, REG_A3, 0)
#define FCSR_A4	    CSR_INSN(CSR_FCSR, FUNCT_W, 0, REG_A4)

/** fa0 = op(fa0, fa1), or a2 = op(fa0) where is_int. */
struct operation {
	const char *name;
	uint32_t insn;
	uint64_t a, b;
	uint64_t wanted;
	uint32_t fcsr, flags; /* before, and the flags after */
	bool is_int;
	const char *section;
};

static const struct operation operations[] = {
	{ "fadd.d of a NaN is the canonical one", 0x02b57553, NAN_D | NEG | 5, ONE_D, NAN_D, 0, 0,
	  false, "I 11.3" },
	{ "fadd.d of a signalling NaN sets NV", 0x02b57553, SNAN_D, ONE_D, NAN_D, 0, NV, false,
	  "I 11.3" },
	{ "fsub.d inf - inf is NaN and NV", 0x0ab57553, INF_D, INF_D, NAN_D, 0, NV, false,
	  "I 11.3" },
	{ "fmul.d 0 * inf is NaN and NV", 0x12b57553, 0, INF_D, NAN_D, 0, NV, false, "I 11.3" },
	{ "fdiv.d 1 / 0 is inf and DZ", 0x1ab57553, ONE_D, 0, INF_D, 0, DZ, false, "I 11.2" },
	{ "fdiv.d 0 / 0 is NaN and NV", 0x1ab57553, 0, 0, NAN_D, 0, NV, false, "I 11.2" },
	{ "fdiv.d 1 / 3 towards zero", 0x1ab57553, ONE_D, 0x4008000000000000, 0x3fd5555555555555,
	  0x20, NX, false, "I 11.2" },
	{ "fdiv.d 1 / 3 upwards", 0x1ab57553, ONE_D, 0x4008000000000000, 0x3fd5555555555556, 0x60,
	  NX, false, "I 11.2" },
	{ "fdiv.d 1 / 3 with a rounding mode of its own", 0x1ab51553, ONE_D, 0x4008000000000000,
	  0x3fd5555555555555, 0x60, NX, false, "I 11.2" },
	{ "fmul.d: overflow towards zero", 0x12b57553, 0x7fefffffffffffff, 0x4000000000000000,
	  0x7fefffffffffffff, 0x20, OF | NX, false, "I 11.2" },
	{ "fmul.d: underflow", 0x12b57553, 1, 0x3fe0000000000000, 0, 0, UF | NX, false, "I 11.2" },
	{ "fsqrt.d of -1 is NaN and NV", 0x5a057553, ONE_D | NEG, 0, NAN_D, 0, NV, false,
	  "I 11.7" },
	{ "fsqrt.d of -0 is -0", 0x5a057553, NEG, 0, NEG, 0, 0, false, "I 11.7" },
	{ "fmin.d of a NaN and 1 is 1", 0x2ab50553, NAN_D, ONE_D, ONE_D, 0, 0, false, "I 11.6" },
	{ "fmin.d of a signalling NaN and 1 is 1 and NV", 0x2ab50553, SNAN_D, ONE_D, ONE_D, 0, NV,
	  false, "I 11.6" },
	{ "fmax.d of two NaNs is the canonical one", 0x2ab51553, NAN_D | 1, NAN_D | 2, NAN_D, 0, 0,
	  false, "I 11.6" },
	{ "fmin.d: -0 is less than 0", 0x2ab50553, 0, NEG, NEG, 0, 0, false, "I 11.6" },
	{ "fmax.d: 0 is more than -0", 0x2ab51553, NEG, 0, 0, 0, 0, false, "I 11.6" },
	{ "fsgnj.d keeps a payload", 0x22b50553, SNAN_D | 7, NEG, SNAN_D | 7 | NEG, 0, 0, false,
	  "I 11.7" },
	{ "fadd.s without a box is of NaNs", 0x00b57553, 0x3f800000, ONE_S, NAN_S, 0, 0, false,
	  "I 12.2" },
	{ "fadd.s puts a box around its result", 0x00b57553, ONE_S, ONE_S, BOX | 0x40000000, 0, 0,
	  false, "I 12.2" },
	{ "fmin.s without a box is of a NaN", 0x28b50553, 0x3f800000, ONE_S, ONE_S, 0, 0, false,
	  "I 12.2" },
	{ "fsgnj.s without a box is of a NaN", 0x20b50553, 0x3f800000, ONE_S, NAN_S, 0, 0, false,
	  "I 12.2" },
	{ "fcvt.s.d of a NaN is the canonical one", 0x40157553, NAN_D | 99, 0, NAN_S, 0, 0, false,
	  "I 12.5" },
	{ "fmv.x.w extends the sign", 0xe0050653, BOX | 0x80000001, 0, 0xffffffff80000001, 0, 0,
	  true, "I 11.7" },
	{ "fmv.x.w does not look at the box", 0xe0050653, 0x12345678, 0, 0x12345678, 0, 0, true,
	  "I 12.2" },
	{ "feq.d of a NaN sets nothing", 0xa2b52653, NAN_D, ONE_D, 0, 0, 0, true, "I 11.8" },
	{ "feq.d of a signalling NaN sets NV", 0xa2b52653, SNAN_D, ONE_D, 0, 0, NV, true,
	  "I 11.8" },
	{ "flt.d of a NaN sets NV", 0xa2b51653, NAN_D, ONE_D, 0, 0, NV, true, "I 11.8" },
	{ "fle.d of a NaN sets NV", 0xa2b50653, NAN_D, ONE_D, 0, 0, NV, true, "I 11.8" },
	{ "fcvt.w.d of a NaN is the largest and NV", 0xc2057653, NAN_D | NEG, 0, 0x7fffffff, 0, NV,
	  true, "I 11.7" },
	{ "fcvt.w.d of -inf is the smallest and NV", 0xc2057653, INF_D | NEG, 0, 0xffffffff80000000,
	  0, NV, true, "I 11.7" },
	{ "fcvt.wu.d of -1 is 0 and NV", 0xc2157653, ONE_D | NEG, 0, 0, 0, NV, true, "I 11.7" },
	{ "fcvt.wu.d of a NaN extends its sign", 0xc2157653, NAN_D, 0, ALL, 0, NV, true, "I 11.7" },
	{ "fcvt.l.d of a NaN is the largest and NV", 0xc2257653, NAN_D, 0, ALL >> 1, 0, NV, true,
	  "I 12.5" },
	{ "fcvt.lu.d of -0.5 is 0 and NX", 0xc2351653, 0xbfe0000000000000, 0, 0, 0, NX, true,
	  "I 12.5" },
	{ "fcvt.w.d of 2.5 to the nearest even", 0xc2050653, 0x4004000000000000, 0, 2, 0, NX, true,
	  "I 11.2" },
	{ "fcvt.w.d of 2.5 to the nearest, away from zero", 0xc2054653, 0x4004000000000000, 0, 3, 0,
	  NX, true, "I 11.2" },
	{ "fclass.d of -inf", 0xe2051653, INF_D | NEG, 0, 1, 0, 0, true, "I 11.9" },
	{ "fclass.d of a subnormal", 0xe2051653, 1, 0, 1 << 5, 0, 0, true, "I 11.9" },
	{ "fclass.d of a signalling NaN", 0xe2051653, SNAN_D, 0, 1 << 8, 0, 0, true, "I 11.9" },
	{ "fclass.d of a quiet NaN", 0xe2051653, NAN_D, 0, 1 << 9, 0, 0, true, "I 11.9" },
	{ "fclass.s without a box is of a quiet NaN", 0xe0051653, 0x3f800000, 0, 1 << 9, 0, 0, true,
	  "I 12.2" },
	{ "flags add up", 0x1ab57553, ONE_D, 0, INF_D, NX, DZ | NX, false, "I 11.2" },
};

static void operation(const struct operation *o)
{
	struct spec_run r = { .status = spec_status(MODE_U), .a = { o->a, o->b, 0, 0, o->fcsr } };
	uint64_t cause;

	spec_put((const uint32_t[]){ FCSR_A4, FMV_D_X_FA0, FMV_D_X_FA1, o->insn,
				     o->is_int ? INSN_NOP : FMV_X_D, FCSR_A3 },
		 6);
	cause = spec_run_code(&r);
	spec_equal(o->section, o->name,
		   cause == RAN ? r.a[2] ^ (r.a[3] & 0x1f) << 56 : cause + 0xbad000,
		   o->wanted ^ (uint64_t)o->flags << 56);
}

static void fused(void)
{
	struct spec_run r = { .status = spec_status(MODE_U), .a = { 0, INF_D, 0, 0, 0, NAN_D } };

	spec_put((const uint32_t[]){ FCSR_A4, FMV_D_X_FA0, FMV_D_X_FA1, 0xf2078653 /* fa2 = a5 */,
				     0x62b57543 /* fa0 = fa0 * fa1 + fa2 */, FMV_X_D, FCSR_A3 },
		 7);
	spec_equal("I 11.6", "fmadd.d runs", spec_run_code(&r), RAN);
	spec_equal("I 11.6", "fmadd.d 0 * inf + NaN is NaN", r.a[2], NAN_D);
	spec_equal("I 11.6", "fmadd.d 0 * inf + NaN sets NV", r.a[3], NV);
}

/* Rounding modes that do not exist, and what makes FS dirty. */
static void status(void)
{
	uint64_t m = spec_status(MODE_M);
	struct spec_run r = { .status = m ^ BIT(13), .a = { 0 } }; /* FS = Clean */

	for (uint32_t frm = 5; frm < 8; frm++) {
		static const char *const names[] = { "frm 5: fadd.d is illegal",
						     "frm 6: fadd.d is illegal",
						     "frm 7: fadd.d is illegal" };
		struct spec_run f = { .status = m, .a = { [4] = frm << 5 } };

		spec_put((const uint32_t[]){ FCSR_A4, 0x02b57553 }, 2);
		spec_equal("I 11.2", names[frm - 5], spec_run_code(&f), ILLEGAL);
	}
	spec_put((const uint32_t[]){ FMV_D_X_FA0 }, 1);
	spec_run_code(&r);
	spec_equal("M 3.1.6.6", "FS becomes dirty by a register", r.status_after & (FS | SD),
		   FS | SD);
	r = (struct spec_run){ .status = m ^ BIT(13) };
	spec_put((const uint32_t[]){ CSR_INSN(CSR_FRM, FUNCT_W, 0, REG_A0) }, 1);
	spec_run_code(&r);
	spec_equal("M 3.1.6.6", "FS becomes dirty by frm", r.status_after & (FS | SD), FS | SD);
	r = (struct spec_run){ .status = m ^ BIT(13), .a = { ONE_D, 0 } };
	spec_put((const uint32_t[]){ 0xe2050653 }, 1); /* fmv.x.d */
	spec_run_code(&r);
	spec_true("M 3.1.6.6", "FS may stay clean when a register is read",
		  (r.status_after & FS) >= BIT(14), r.status_after & FS);
}

void spec_float(void)
{
	for (size_t i = 0; i < COUNT(operations); i++) {
		operation(&operations[i]);
	}
	fused();
	status();
	spec_write(CSR_FCSR, 0);
}
