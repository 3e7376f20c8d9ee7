/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RISC-V front end of engine `dbt`. */
#ifndef PINFOLD_ENGINE_DBT_FRONT_RISCV_RV_FRONT_H
#define PINFOLD_ENGINE_DBT_FRONT_RISCV_RV_FRONT_H

#include "engine/dbt/front/front.h"

extern const struct front_ops rv_front_ops;

#endif
