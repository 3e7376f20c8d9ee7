/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A RISC-V hart on engine `dbt` with page tables in RAM, once run at full speed and once instruction by instruction. */
#ifndef PINFOLD_TESTS_UNIT_TEST_DBT_SIDES_H
#define PINFOLD_TESTS_UNIT_TEST_DBT_SIDES_H

#include "cpu/riscv/riscv.h"
#include "engine/dbt/dbt_engine.h"
#include "engine/dbt/dbt_priv.h"
#include "test_engine_side.h"

#define RAM_GPA	  0x80000000ULL
#define RAM_BYTES (4U << 20)
#define HANDLER	  RAM_GPA /* of traps to M-mode */
#define CODE	  (RAM_GPA + 0x1000)
#define LIST	  (RAM_GPA + 0x2000)
#define TABLES	  (RAM_GPA + 0x40000)
#define DATA	  (RAM_GPA + 0x200000)
#define VA	  0x40000000ULL

enum { V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128 };

/** Make them. @return false: this host can't, or shouldn't; the reason is printed */
bool sides_init(struct side *sides, size_t n);

/** Write to a side's RAM. */
void side_put(const struct side *s, gpa_t gpa, uint64_t value);

/** Copy instructions to a side's RAM. */
void side_code(const struct side *s, gpa_t gpa, const uint32_t *code, size_t bytes);

/** Begin with a state and what is in RAM now, which the hart had not been told of. */
void side_start(struct side *s, const struct cpu_state *st);

/** side_run(), also when kicked on the way; there is no other reason to stop. */
void side_run_on(struct side *s, uint64_t n, uint64_t at_once);

/** The engine inside. */
struct dbt_engine *side_dbt(struct side *s);

#endif
