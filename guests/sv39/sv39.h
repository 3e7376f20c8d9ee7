/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least operating system that has what costs time in a real one: M-mode hands over to S-mode, processes run in U-mode
 * behind Sv39 page tables with address-space numbers, pages come on demand, a timer interrupts 250 times a second.
 *
 * Virtual addresses: devices below 1 GiB and all RAM from 2 GiB on as they are, for the kernel only; a process has the
 * GiB between them.
 */
#ifndef SV39_H
#define SV39_H

/* System calls: number in a7, arguments from a0 on, result in a0. */
#define SYS_PUTC   0 /* byte */
#define SYS_GETC   1 /* -> byte */
#define SYS_EXIT   2 /* code: a child is gone; the first process ends the machine */
#define SYS_SELF   3 /* -> number of the process */
#define SYS_YIELD  4 /* let the others run */
#define SYS_FORK   5 /* -> 0 in the copy */
#define SYS_UNMAP  6 /* address, pages: give them back; they come again as zeros */
#define SYS_FENCEI 7

#define SV39_USER_BASE 0x40000000
#define SV39_USER_TOP  0x7ffff000 /* initial stack pointer */

#endif
