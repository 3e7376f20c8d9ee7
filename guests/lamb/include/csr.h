/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control registers, for kernel and firmware. */
#ifndef LAMB_CSR_H
#define LAMB_CSR_H

#include <stdint.h>

#define csr_read(csr)                                              \
	({                                                         \
		uint64_t value_;                                   \
		__asm__ volatile("csrr %0, " #csr : "=r"(value_)); \
		value_;                                            \
	})
#define csr_write(csr, value) \
	__asm__ volatile("csrw " #csr ", %0" ::"r"((uint64_t)(value)) : "memory")
#define csr_set(csr, bits) __asm__ volatile("csrs " #csr ", %0" ::"r"((uint64_t)(bits)) : "memory")
#define csr_clear(csr, bits) \
	__asm__ volatile("csrc " #csr ", %0" ::"r"((uint64_t)(bits)) : "memory")

#endif
