// SPDX-License-Identifier: GPL-2.0-or-later
/* The list of front ends, for programs of this folder. */
#include "tiny.h"

const struct front_ops *const front_table[] = { &tiny_front_ops };
const size_t front_count = 1;
