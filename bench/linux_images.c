/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/linux_images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder that scripts/riscv/packages prints. */
static bool find_packages(char folder[BENCH_PATH])
{
	const char *const argv[] = { "scripts/riscv/packages", NULL };
	struct bench_run run;

	if (bench_command(argv, &run) < 0 || run.status != 0) {
		return false;
	}
	snprintf(folder, BENCH_PATH, "%.*s", (int)strcspn(run.output, "\n"), run.output);
	return true;
}

bool linux_images_make(struct linux_images *im)
{
	char folder[BENCH_PATH];
	char script[] = "/tmp/pinfold-bench-script.XXXXXX";
	int fd = mkstemp(script);
	struct bench_run run;
	bool is_made;

	if (fd < 0 || !find_packages(folder)) {
		return false;
	}
	is_made = dprintf(fd, "echo '" LINUX_READY "'\n") > 0;
	close(fd);
	snprintf(im->kernel, sizeof(im->kernel), "%s/vmlinux", folder);
	snprintf(im->initrd, sizeof(im->initrd), "/tmp/pinfold-bench-initrd.%d", (int)getpid());
	if (is_made) {
		const char *const argv[] = { "scripts/riscv/initrd", folder, im->initrd, script,
					     NULL };

		is_made = bench_command(argv, &run) == 0 && run.status == 0;
	}
	unlink(script);
	return is_made;
}
