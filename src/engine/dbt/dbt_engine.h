/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Engine `dbt`: our own dynamic binary translator (docs/engine-dbt.md). */
#ifndef PINFOLD_ENGINE_DBT_DBT_ENGINE_H
#define PINFOLD_ENGINE_DBT_DBT_ENGINE_H

#include "engine/engine.h"

extern const struct engine_ops dbt_engine_ops;

#endif
