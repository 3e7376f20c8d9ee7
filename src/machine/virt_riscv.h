/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Board `virt` for RISC-V: what its files share. */
#ifndef PINFOLD_MACHINE_VIRT_RISCV_H
#define PINFOLD_MACHINE_VIRT_RISCV_H

#include "dev/clint.h"
#include "dev/goldfish_rtc.h"
#include "dev/plic.h"
#include "dev/uart16550.h"
#include "dev/virtio/virtio_console.h"
#include "dev/virtio/virtio_input.h"
#include "dev/virtio/virtio_mmio.h"
#include "machine/board.h"
#include "machine/sbi.h"

#define VIRT_FINISHER_GPA 0x100000ULL
#define VIRT_RTC_GPA	  0x101000ULL
#define VIRT_CLINT_GPA	  0x2000000ULL
#define VIRT_PLIC_GPA	  0xc000000ULL
#define VIRT_UART_GPA	  0x10000000ULL
#define VIRT_UART_BYTES	  0x100ULL
#define VIRT_VIRTIO_GPA	  0x10001000ULL
#define VIRT_RAM_GPA	  0x80000000ULL

#define VIRT_VIRTIO_SLOTS 8u

/* Sources of the PLIC. */
#define VIRT_VIRTIO_IRQ 1u /* of slot 0; the others follow */
#define VIRT_UART_IRQ	10u
#define VIRT_RTC_IRQ	11u

/** A hart's line of one kind, as devices drive it. */
struct virt_line {
	struct machine *m;
	uint32_t hart;
	uint64_t bit; /* of mip */
};

#define VIRT_LINES_PER_HART 4u

/** The board. Its devices belong to the machine. */
struct virt_riscv {
	struct plic *plic;
	struct uart16550 *uart;
	struct goldfish_rtc *rtc;
	struct sbi *sbi; /* NULL: the guest brings its own firmware */
	struct virtio *virtio[VIRT_VIRTIO_SLOTS];
	size_t n_virtio;
	uint8_t told_stopped; /* bit per device: it was told that it has stopped */
	struct virtio_blk *disks[MACHINE_DISKS_MAX];
	struct virtio_net *net; /* or NULL */
	struct virtio_input *button;
	struct chr_backend firmware_chr; /* of the serial port and the SBI */
	struct virt_line lines[MACHINE_HARTS_MAX * VIRT_LINES_PER_HART];
	/* While an SBI call is answered: the calling hart and its state. */
	uint32_t caller;
	struct cpu_state *caller_state;
};

/**
 * Describe the board as a flattened device tree.
 * @return its size; -ENOSPC
 */
int virt_riscv_fdt_make(const struct machine *m, uint8_t *buf, size_t size, struct errmsg *e);

/** Make the SBI of a board without firmware. @return 0; -ENOMEM */
int virt_riscv_sbi_make(struct machine *m, struct errmsg *e);

/** board_ops.call */
bool virt_riscv_call(struct machine *m, uint32_t cpu_idx, struct cpu_state *s,
		     const struct cpu_fault *f, enum machine_verdict *ret);

/** A hart's state as SBI firmware would hand it to a kernel, but for pc and arguments. */
void virt_riscv_enter_supervisor(struct cpu_state *s, uint32_t hart);

#endif
