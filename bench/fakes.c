/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See fakes.h. */
#include "bench/fakes.h"

#include <stdio.h>
#include <string.h>

int fakes_begin(struct fakes *f, struct rig *rig, int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s BUILD-DIRECTORY [--quick] [--json]\n", argv[0]);
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		f->is_quick = f->is_quick || strcmp(argv[i], "--quick") == 0;
		f->is_json = f->is_json || strcmp(argv[i], "--json") == 0;
	}
	snprintf(f->program, sizeof(f->program), "%s/bin/fake_vcpu", argv[1]);
	rig_init(rig, f->program);
	rig_done(rig);
	if (!rig->is_real_time) {
		printf("skipped: needs two cores and the right to real-time priorities\n");
		return 77;
	}
	return 0;
}
