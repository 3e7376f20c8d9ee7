# SPDX-License-Identifier: GPL-2.0-or-later
# The translator's parts: IR, assembler, emitter.
set_source_files_properties(test_dbt_ir_eval_fp.c PROPERTIES COMPILE_OPTIONS "-frounding-math;-ffp-contract=off")
set(dbt_rig test_dbt_emit_rig.c test_dbt_ir_eval.c test_dbt_ir_eval_fp.c test_dbt_ir_random.c)
pinfold_unit_test(dbt_ir DEPS room_engine m)
target_sources(test_dbt_ir PRIVATE ${dbt_rig})
pinfold_unit_test(dbt_asm DEPS room_engine)
pinfold_unit_test(dbt_emit DEPS room_engine m)
target_sources(test_dbt_emit PRIVATE ${dbt_rig})
pinfold_unit_test(dbt_emit_run DEPS room_engine m)
target_sources(test_dbt_emit_run PRIVATE ${dbt_rig})
