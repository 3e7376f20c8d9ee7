# SPDX-License-Identifier: GPL-2.0-or-later
pinfold_unit_test(top_model DEPS room_cli_top)
pinfold_unit_test(top_draw DEPS room_cli_top)
