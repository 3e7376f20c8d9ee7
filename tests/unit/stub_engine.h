/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine contract in as few lines as it takes: an interpreter of a dozen RV64I instructions.
 * It shows what an engine owes its caller, and keeps the contract's test honest.
 */
#ifndef PINFOLD_TESTS_UNIT_STUB_ENGINE_H
#define PINFOLD_TESTS_UNIT_STUB_ENGINE_H

#include "engine/engine.h"

extern const struct engine_ops stub_engine_ops;

#endif
