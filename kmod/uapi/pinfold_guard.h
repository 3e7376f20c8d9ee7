/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What the guard (pinfold_guard.ko) and user space share: docs/guard.md.
 *
 * /dev/pinfold-guard      root only. The daemon tells the guard of its VMs, and sees what was done to
 *                         them at a terminal. One process at a time is the registrar: the first whose
 *                         PINFOLD_GUARD_ATTACH succeeds, until it closes the file or dies. Entries
 *                         outlive it. poll() says POLLIN when the generation differs from what this
 *                         file last fetched with PINFOLD_GUARD_STATE, and POLLHUP when the module may be
 *                         unloaded: an open file keeps it from going.
 * /dev/pinfold-guard-log  root only, read only: whole records of 256 bytes, oldest first. read() of an
 *                         end that has nothing new blocks, or says EAGAIN; poll() works; a buffer
 *                         shorter than a record is EINVAL. No write, no mmap, no ioctl, no seek.
 *
 * Every struct begins with its revision; a wrong one is refused with EPROTO. Reserved fields are 0, else
 * EINVAL. All numbers have the byte order of the machine; records have little-endian numbers, so that a
 * copy means the same everywhere.
 */
#ifndef PINFOLD_GUARD_UAPI_H
#define PINFOLD_GUARD_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PINFOLD_GUARD_REVISION	 1
#define PINFOLD_GUARD_NAME_BYTES 64 /* a VM's name with its NUL: letters, digits, . _ - */
#define PINFOLD_GUARD_CORES	 1024
#define PINFOLD_GUARD_VMS_MAX	 4096
#define PINFOLD_GUARD_BANS_MAX	 256

/* Flags of a VM. The first is the daemon's, the others are the guard's: given back; UPDATE says which is taken. */
#define PINFOLD_GUARD_EXCLUSIVE 0x1u /* has its cores for itself */
#define PINFOLD_GUARD_KILLED	0x2u /* was killed at a terminal, or because its owner is banned */
#define PINFOLD_GUARD_FROZEN	0x4u /* was stopped at a terminal, and not let go since */
#define PINFOLD_GUARD_RECLAIMED 0x8u /* lost its exclusive cores at a terminal */

/* A VM, for PINFOLD_GUARD_REGISTER, _UPDATE and _LOOKUP. */
struct pinfold_guard_vm {
	__u32 revision;
	__u32 flags;
	__u64 id;	   /* the daemon's number, not 0 */
	__u64 start_ticks; /* field 22 of /proc/PID/stat: a pid that was given anew is another process */
	__s32 pid;	   /* of the VM process, as the initial PID namespace sees it */
	__u32 owner_uid;
	__u64 cores[PINFOLD_GUARD_CORES / 64]; /* where its vCPUs may run: bit N of word N / 64 */
	char name[PINFOLD_GUARD_NAME_BYTES];
};

struct pinfold_guard_id {
	__u32 revision;
	__u32 reserved;
	__u64 id;
};

/* A terminal, in struct pinfold_guard_state. */
struct pinfold_guard_terminal {
	__u32 pid;     /* of its kernel thread; 0: none at the moment */
	__u32 state;   /* PINFOLD_GUARD_ASLEEP ... */
	__u32 deaths;  /* threads of it that died or were given up since the module was loaded */
	__u32 wakeups; /* since the module was loaded */
};

#define PINFOLD_GUARD_ASLEEP 0u /* costs nothing */
#define PINFOLD_GUARD_AWAKE  1u /* talks on a channel */
#define PINFOLD_GUARD_BUSY   2u /* executes a command */
#define PINFOLD_GUARD_GONE   3u /* died, and waits for a thread */

/* Ways to wake a terminal: bits of struct pinfold_guard_state.sources. */
#define PINFOLD_GUARD_CHORD  0x1u
#define PINFOLD_GUARD_SYSRQ  0x2u
#define PINFOLD_GUARD_SERIAL 0x4u
#define PINFOLD_GUARD_USB    0x8u

struct pinfold_guard_state {
	__u32 revision;
	__u32 control_core;
	__u64 instance;	  /* random, one per loading of the module */
	__u64 generation; /* changes with every ban, unban, kill, freeze, thaw, reclaim */
	__u32 vms;	  /* registered and alive */
	__u32 bans;
	__u32 sources;	 /* PINFOLD_GUARD_CHORD ... that are on */
	__u32 abandoned; /* threads that hang in a command and pin the module */
	__u32 spares;	 /* threads ready to replace a terminal */
	__u32 keyed; /* 1: a key is loaded, so commands that change something can be authorised */
	__u64 log_first, log_last; /* numbers of the oldest and the newest record; 0: none yet */
	__u64 log_exported;	   /* last PINFOLD_GUARD_EXPORTED */
	__u8 log_head[32];	   /* hash of the newest record */
	struct pinfold_guard_terminal terminals[2];
};

struct pinfold_guard_bans {
	__u32 revision;
	__u32 count;
	__u64 generation; /* the one that the list belongs to */
	__u32 uids[PINFOLD_GUARD_BANS_MAX];
};

#define PINFOLD_GUARD_IOCTL 0xb5

/* Anybody who has the file open. */
#define PINFOLD_GUARD_STATE _IOR(PINFOLD_GUARD_IOCTL, 0x01, struct pinfold_guard_state)
#define PINFOLD_GUARD_BANS  _IOR(PINFOLD_GUARD_IOCTL, 0x02, struct pinfold_guard_bans)
#define PINFOLD_GUARD_LOOKUP \
	_IOWR(PINFOLD_GUARD_IOCTL, 0x03, struct pinfold_guard_vm) /* by id; ENOENT */

/* EBUSY while another process is the registrar. */
#define PINFOLD_GUARD_ATTACH _IO(PINFOLD_GUARD_IOCTL, 0x10)

/*
 * The registrar; others get EPERM. REGISTER of what is registered (same id, pid and start) changes nothing
 * but the rest of the entry; EACCES: the owner is banned, and the process was killed; ESRCH: no such
 * process, or another one by now; EEXIST: the id, or the process, belongs to another live VM; ENOSPC: too
 * many VMs. UPDATE takes cores and EXCLUSIVE of the VM with this id. While an entry is RECLAIMED, EXCLUSIVE is
 * EBUSY, whatever was on its way when that happened; UPDATE with RECLAIMED and without EXCLUSIVE says that the
 * registrar has seen it, and clears it.
 * UNREGISTER of an unknown id is ENOENT. EXPORTED: id is the number of the last record that is safe on
 * disk; such records may be overwritten.
 */
#define PINFOLD_GUARD_REGISTER	 _IOW(PINFOLD_GUARD_IOCTL, 0x11, struct pinfold_guard_vm)
#define PINFOLD_GUARD_UPDATE	 _IOW(PINFOLD_GUARD_IOCTL, 0x12, struct pinfold_guard_vm)
#define PINFOLD_GUARD_UNREGISTER _IOW(PINFOLD_GUARD_IOCTL, 0x13, struct pinfold_guard_id)
#define PINFOLD_GUARD_EXPORTED	 _IOW(PINFOLD_GUARD_IOCTL, 0x14, struct pinfold_guard_id)

/* What a record of the log is about. */
enum pinfold_guard_kind {
	PINFOLD_GUARD_LOG_LOAD = 1,  /* the module was loaded; text: its settings */
	PINFOLD_GUARD_LOG_UNLOAD,    /* it was asked to go; text says whether it went */
	PINFOLD_GUARD_LOG_WAKE,	     /* a terminal was woken; text: by what */
	PINFOLD_GUARD_LOG_SLEEP,     /* a terminal went to sleep; text: why */
	PINFOLD_GUARD_LOG_CHALLENGE, /* a command asked for authority; text: the command */
	PINFOLD_GUARD_LOG_REFUSED,   /* a wrong, late or foreign answer, or back-off; text: why */
	PINFOLD_GUARD_LOG_COMMAND,   /* an authorised command begins; text: the command */
	PINFOLD_GUARD_LOG_RESULT, /* ... and ended; result: 0 or negative errno; text: what it did */
	PINFOLD_GUARD_LOG_BAD_INPUT, /* a line that is no command; text: why, never what was typed */
	PINFOLD_GUARD_LOG_TERMINAL,  /* a terminal's thread died, hung or was replaced */
	PINFOLD_GUARD_LOG_REGISTRAR, /* a daemon attached, or went */
	PINFOLD_GUARD_LOG_ENFORCED, /* a VM was killed: by a command about many, or its owner is banned; text: which */
	PINFOLD_GUARD_LOG_SHOWN, /* a command that only shows something; text: the command */
	PINFOLD_GUARD_LOG_KINDS_END,
};

#define PINFOLD_GUARD_RECORD_MAGIC 0x4c474650u /* "PFGL" */
#define PINFOLD_GUARD_TEXT_BYTES   144 /* printable ASCII, padded with NULs; 144 may be used */

/*
 * One record. hash = SHA-256 of the 224 bytes before it. prev is the hash of the record with the number
 * before; in record 1 it is SHA-256 of the 8 bytes of instance. A copy is genuine from its first record
 * to the one whose hash was anchored elsewhere; docs/guard.md says what that is worth.
 */
struct pinfold_guard_record {
	__le32 magic;
	__le16 revision;
	__le16 kind;
	__le64 seq;	/* from 1, without gaps */
	__le64 boot_ns; /* CLOCK_BOOTTIME */
	__le64 real_ns; /* CLOCK_REALTIME: data, nothing depends on it */
	__le32 count;	/* how many equal events in a row this stands for, 1 or more */
	__le32 result;	/* negative errno as its positive value, else 0 */
	__u8 terminal;	/* 'A' or 'B'; 0: none */
	__u8 channel;	/* 's' serial, 'c' console; 0: none */
	__u8 reserved[6];
	char text[PINFOLD_GUARD_TEXT_BYTES];
	__u8 prev[32];
	__u8 hash[32];
};

#endif
