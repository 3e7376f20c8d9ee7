/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one list of front ends. */
#include "engine/dbt/front/front.h"

#include "base/bits.h"
#include "engine/dbt/front/riscv/rv_front.h"

const struct front_ops *const front_table[] = {
	&rv_front_ops,
};
const size_t front_count = sizeof(front_table) / sizeof(front_table[0]);
