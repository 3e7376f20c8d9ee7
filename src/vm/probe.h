/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engines can do on this host, for `pinfold doctor`. */
#ifndef PINFOLD_VM_PROBE_H
#define PINFOLD_VM_PROBE_H

/**
 * Probe every engine with every architecture and print a line for each pair on stdout:
 *
 *   architecture TAB engine TAB errno (0: usable) TAB speed TAB capabilities TAB detail
 *
 * Capabilities are words: "count", "step", "fp", "simd", "hardware", ...
 * @return 0; negative errno when stdout can't be written
 */
int probe_print(void);

#endif
