/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Engine `unicorn`: all five architectures through libunicorn, loaded at run time. */
#ifndef PINFOLD_ENGINE_UNICORN_UNICORN_ENGINE_H
#define PINFOLD_ENGINE_UNICORN_UNICORN_ENGINE_H

#include "engine/engine.h"

extern const struct engine_ops unicorn_engine_ops;

#endif
