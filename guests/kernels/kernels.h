/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernels that measure execution speed: the same C for every machine that runs them.
 *
 * Each takes how often to repeat a fixed piece of work, some 0.1 to 0.3 ms of it on a CPU of 2020, and returns a sum
 * over its results: equal everywhere, so it shows that the work was done and done right. There is no C library.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

/** A kernel. @param n repetitions of its work @return sum over what it found */
typedef uint64_t kernel_fn(uint32_t n);

/** Lists, a small matrix, a state machine over text, CRC: the mixture that embedded CPUs are measured with. */
kernel_fn kernel_core;
kernel_fn kernel_sieve;	  /**< Primes below 65536: byte stores in short loops. */
kernel_fn kernel_list64k; /**< Loads that depend on each other, in 64 KiB. */
kernel_fn kernel_list32m; /**< Loads that depend on each other, in 32 MiB. */
kernel_fn kernel_nbody;	  /**< Five bodies in double precision, with roots and divisions. */
kernel_fn kernel_sha256;  /**< SHA-256: shifts, rotations, additions in a large basic block. */
kernel_fn kernel_fib;	  /**< Recursion. */
kernel_fn kernel_wcopy;	  /**< Copying words. */
kernel_fn kernel_icall;	  /**< Calls through a table of functions. */
kernel_fn kernel_qsort;	  /**< Quicksort with a comparison function. */
kernel_fn kernel_interp;  /**< A byte-code interpreter: one indirect jump per operation. */
kernel_fn kernel_lz;	  /**< LZ77: find matches, pack, unpack, compare. */
kernel_fn kernel_text;	  /**< Lengths, searches and comparisons of strings, byte by byte. */
kernel_fn kernel_hash;	  /**< A chained hash table with an allocator of its own. */
kernel_fn kernel_matrix;  /**< Product of matrices in double precision. */
kernel_fn
	kernel_mandel; /**< Mandelbrot's set in double precision: short dependent loops with an exit. */

/* Only under an operating system of ours (guests/kernels/sv39.c). */
kernel_fn kernel_faults;   /**< Touch pages for the first time, give them back, again. */
kernel_fn kernel_syscalls; /**< System calls that do next to nothing. */
kernel_fn
	kernel_switches; /**< Two processes that yield to each other and touch a few pages each. */

/** Memory of the kernels, not cleared: as much as any of them needs. */
#define KERNEL_ARENA_BYTES (33u << 20)
extern uint8_t kernel_arena[KERNEL_ARENA_BYTES];

/** Next of a sequence of pseudo-random numbers. @param x its state, not 0 */
static inline uint32_t kernel_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

#endif
