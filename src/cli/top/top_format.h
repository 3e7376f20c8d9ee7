/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in few columns: "340ms", "12M", "99.5". */
#ifndef PINFOLD_CLI_TOP_FORMAT_H
#define PINFOLD_CLI_TOP_FORMAT_H

#include <stdint.h>

#include "base/bits.h"

#define TOP_FORMAT_SIZE 16

/** A duration in at most six columns: "0", "850us", "340ms", "12.3s", "5m07s", "3h12m", "41d". */
void top_format_duration(ns_t ns, char ret[TOP_FORMAT_SIZE]);

/** A size in at most five columns, in powers of 1024: "512", "4.0K", "12M", "1.5G". */
void top_format_size(uint64_t bytes, char ret[TOP_FORMAT_SIZE]);

/** Thousandths as per cent in at most five columns: "0.0", "99.5", "100". */
void top_format_permille(uint32_t permille, char ret[TOP_FORMAT_SIZE]);

#endif
