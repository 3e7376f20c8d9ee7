/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes of the programs and the answers that belong to them. With BENCH defined
 * they do enough work to be timed: milliseconds on an x64 core, a second in an interpreter.
 */
#ifndef PARAMS_H
#define PARAMS_H

#ifdef BENCH
#define CALLS_ROUNDS 6000000
#define CALLS_ANSWER 0x505347c8
#define COPY_ROUNDS  1800
#define COPY_ANSWER  0x997b1000
#define CRC_ROUNDS   1000
#define FIB_N	     33
#define FIB_ANSWER   3524578
#define FLOAT_STEPS  150000
#define FLOAT_ANSWER 0xa0fe1869
#define MIX_ROUNDS   2000
#define MIX_ANSWER   0x3ac93d50
#define SHA_BLOCKS   16384
#define SHA_FIRST    0x9bc1b2a2
#define SHA_LAST     0xad62b360
#define SIEVE_LIMIT  2000000
#define SIEVE_ANSWER 148933
#define SUM_ROUNDS   2000000
#else
#define CALLS_ROUNDS 1000
#define CALLS_ANSWER 0x6a7c00f0
#define COPY_ROUNDS  2
#define COPY_ANSWER  0xa1fb1000
#define CRC_ROUNDS   1
#define FIB_N	     15
#define FIB_ANSWER   610
#define FLOAT_STEPS  100
#define FLOAT_ANSWER 0xe82a2b4e
#define MIX_ROUNDS   2
#define MIX_ANSWER   0xc0d68cbf
#define SHA_BLOCKS   16
#define SHA_FIRST    0x2edc9868
#define SHA_LAST     0xbf292e4a
#define SIEVE_LIMIT  10000
#define SIEVE_ANSWER 1229
#define SUM_ROUNDS   1
#endif

#endif
