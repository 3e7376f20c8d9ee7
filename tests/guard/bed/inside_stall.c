// SPDX-License-Identifier: GPL-2.0-or-later
/* A registrar whose memory can't be read for as long as it likes keeps nobody else from the guard's device. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inside.h"

#define PAGE_BYTES 4096
#define ANSWER_S   10 /* enough for any machine; who waits for the registrar waits for ever */

struct stall {
	int device, faults;
	void *page;
	int result; /* errno of the call that was held up */
};

static void ignore(int signal)
{
	(void)signal;
}

static int open_device(void)
{
	int fd = open("/dev/pinfold-guard", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		err(1, "device");
	}
	return fd;
}

/* A page that is there when we say so. */
static void make_page(struct stall *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	s->page =
		mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s->faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	range.range.start = (uintptr_t)s->page;
	range.range.len = PAGE_BYTES;
	if (s->page == MAP_FAILED || s->faults < 0 || ioctl(s->faults, UFFDIO_API, &api) ||
	    ioctl(s->faults, UFFDIO_REGISTER, &range)) {
		err(1, "userfaultfd");
	}
}

static void *call(void *arg)
{
	struct stall *s = arg;

	s->result = ioctl(s->device, PINFOLD_GUARD_REGISTER, s->page) ? errno : 0;
	return NULL;
}

int inside_stall(char **args)
{
	struct uffdio_zeropage zero = { .range.len = PAGE_BYTES };
	struct sigaction quick = { .sa_handler = ignore }; /* calls are interrupted */
	struct stall s = { .device = open_device() };
	struct uffd_msg fault;
	pthread_t thread;
	int other = open_device(), answer;

	(void)args;
	make_page(&s);
	if (sigaction(SIGALRM, &quick, NULL) || ioctl(s.device, PINFOLD_GUARD_ATTACH) ||
	    pthread_create(&thread, NULL, call, &s) ||
	    read(s.faults, &fault, sizeof(fault)) != (ssize_t)sizeof(fault)) {
		err(1, "stall");
	}
	alarm(ANSWER_S);
	answer = ioctl(other, PINFOLD_GUARD_ATTACH) ? errno : 0;
	alarm(0);
	zero.range.start = (uintptr_t)s.page;
	if (ioctl(s.faults, UFFDIO_ZEROPAGE, &zero)) {
		err(1, "zero");
	}
	pthread_join(thread, NULL);
	printf("another was told %d, the registrar %d\n", answer, s.result);
	return answer != EBUSY || s.result != EPROTO;
}
