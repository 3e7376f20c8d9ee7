/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between a controller (`pinfold run`, pinfoldd) and a VM process.
 *
 * One SOCK_SEQPACKET socket per VM; one message per packet: a header and a body. Both sides are
 * built from the same source, but the VM process is assumed hostile, so the controller checks
 * every field it uses (proto_check()), and never trusts a length, name or enum. Descriptors travel
 * only from the controller to the VM.
 *
 *   controller                                   VM process
 *      | -- CONFIG + descriptors ----------------> |  loads, jails itself
 *      | <---------------------- READY or FAILED - |
 *      | -- request (seq n) ---------------------> |
 *      | <-------------------- REPLY (seq n) ----- |
 *      | <----------- EVENT_STOPPED, at any time - |  paused, stepped, breakpoint, or the end
 *
 * Any change of layout bumps PROTO_REVISION.
 */
#ifndef PINFOLD_PROTO_PROTO_H
#define PINFOLD_PROTO_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"

#define PROTO_MAGIC    0x444e4650u /* "PFND" */
#define PROTO_REVISION 7u

/** Largest message, header included. */
#define PROTO_BYTES_MAX 65536u
#define PROTO_BODY_MAX	(PROTO_BYTES_MAX - sizeof(struct proto_hdr))
#define PROTO_TEXT	384
#define PROTO_NAME	64
#define PROTO_REG_NAME	16
#define PROTO_SETS_MAX	64
#define PROTO_ARGS_MAX	4096
#define PROTO_MEM_MAX	32768u /* bytes of guest memory in one message */
#define PROTO_DISKS_MAX 4u
#define PROTO_CPUS_MAX	8u

/** Descriptors of an ATTACH request, in this order. */
enum proto_attach_fd {
	PROTO_ATTACH_CONSOLE,
	PROTO_ATTACH_GRANT,
	PROTO_ATTACH_ACK,
	PROTO_ATTACH_NOTIFY,
	PROTO_ATTACH_COUNT,
};

/**
 * Memory that a VM process may have beside guest RAM: the code buffer of Unicorn (1 GiB) and the
 * process itself. Its memory group and its RLIMIT_DATA are that much larger than the RAM.
 */
#define PROTO_OVERHEAD_BYTES (1280ULL << 20)

/** The descriptor on which a VM process finds its socket. */
#define PROTO_FD 3

/*
 * Numbers of rooms that a controller does not know, as they stand in messages; vm/control.c checks
 * that they are the same.
 */

/** enum cpu_arch_id; ANY: the image says. */
enum proto_arch {
	PROTO_ARCH_ANY = 0,
	PROTO_ARCH_X86 = 1,
	PROTO_ARCH_X64 = 2,
	PROTO_ARCH_ARM = 3,
	PROTO_ARCH_A64 = 4,
	PROTO_ARCH_RV64 = 5,
};

/** enum cpu_reg_class */
enum proto_reg_class {
	PROTO_REG_GPR,
	PROTO_REG_FLAGS,
	PROTO_REG_SEG,
	PROTO_REG_FP,
	PROTO_REG_VEC,
	PROTO_REG_SYS,
	PROTO_REG_CLASS_COUNT,
};

/** MEM_R, MEM_W, MEM_X */
enum proto_access { PROTO_ACCESS_R = 1, PROTO_ACCESS_W = 2, PROTO_ACCESS_X = 4 };

enum proto_type {
	/* controller to VM */
	PROTO_CONFIG = 1,
	PROTO_START,	    /* state ready -> running */
	PROTO_PAUSE,	    /* -> paused; the reply comes when the vCPU has stopped */
	PROTO_RESUME,	    /* paused -> running */
	PROTO_STOP,	    /* asks the guest to end, then ends it */
	PROTO_STEP,	    /* run_one_instruction: struct proto_step; the vCPU must be stopped */
	PROTO_SLICE,	    /* run_one_slice: body is empty; the vCPU must be stopped */
	PROTO_GET_STATE,    /* reply: struct proto_status */
	PROTO_GET_REG_DESC, /* reply: struct proto_reg_desc[] */
	PROTO_GET_REGS,	    /* reply: values, each of the described size, concatenated */
	PROTO_SET_REG,	    /* struct proto_set_reg */
	PROTO_READ_MEM,	    /* struct proto_mem; reply: bytes, maybe fewer (virtual addresses) */
	PROTO_WRITE_MEM,    /* struct proto_mem and bytes */
	PROTO_SAVE_CONTEXT, /* one descriptor: file to write; the vCPU must be stopped */
	PROTO_LOAD_CONTEXT, /* one descriptor: file to read; the vCPU must be stopped */
	PROTO_GET_USAGE,    /* reply: struct proto_usage */
	PROTO_SET_LIMIT,    /* struct proto_limits: replaces all limits */
	PROTO_SET_POINT,    /* struct proto_point: add or remove a breakpoint or watchpoint */
	PROTO_POWER_PRESS, /* press the machine's power button; -ENODEV: the guest has none that it looks at */
	PROTO_QUIT,	     /* end the process in good order */
	PROTO_ATTACH,	     /* four descriptors: console stream, grant page, ack page, eventfd that
			       says that the ack page changed: a scheduler is in charge from now on.
			       Reply: struct proto_attached */
	PROTO_GET_READY,     /* reply: struct proto_ready, as it was at the start */
	PROTO_GET_LAST_STOP, /* reply: struct proto_stopped of the last stop, or an empty payload */
	PROTO_SAVE_CODE, /* one descriptor: empty file for translations; the vCPU must be stopped */
	/* VM to controller */
	PROTO_READY = 64,    /* struct proto_ready */
	PROTO_FAILED,	     /* struct proto_failed: the VM could not be made */
	PROTO_REPLY,	     /* struct proto_reply and payload */
	PROTO_EVENT_STOPPED, /* struct proto_stopped */
	PROTO_EVENT_RESET,   /* struct proto_reset: the guest asked for it, and begins anew */
	PROTO_EVENT_DEVICE,  /* struct proto_device: one stopped; once a second at most */
};

struct proto_hdr {
	uint32_t magic;
	uint16_t revision;
	uint16_t type; /* enum proto_type */
	uint32_t seq;  /* of a request; repeated in its reply */
	uint32_t body_bytes;
};

/** What the descriptors that come with CONFIG are, in this order, if their bit is set. */
enum proto_config_fd {
	PROTO_FD_IMAGE = 1 << 0,   /* sealed memfd with the image file's bytes */
	PROTO_FD_CONSOLE = 1 << 1, /* stream socket: guest output and input */
	PROTO_FD_KVM = 1 << 2,	   /* /dev/kvm */
	PROTO_FD_TRACE = 1 << 3,   /* pipe for struct proto_trace */
	PROTO_FD_PLUGIN = 1 << 4,  /* shared object */
	PROTO_FD_CONTEXT = 1 << 5, /* context file to start from */
	PROTO_FD_LISTEN = 1 << 6,  /* listening socket: where a new controller finds the VM */
	PROTO_FD_KERNEL =
		1 << 7, /* sealed memfd: what boots, on boards with firmware of their own */
	PROTO_FD_INITRD = 1 << 8, /* sealed memfd: initial RAM disk */
	PROTO_FD_NET = 1 << 9,	  /* SOCK_SEQPACKET socket: one Ethernet frame per packet */
	PROTO_FD_DISK0 = 1 << 10, /* disk image; the others follow */
	PROTO_FD_OVERLAY0 =
		1 << 14, /* overlay of disk 0, which is then only read; the others follow */
	/* These three together, as in ATTACH: a scheduler is in charge from the beginning. */
	PROTO_FD_GRANT = 1 << 18,
	PROTO_FD_ACK = 1 << 19,
	PROTO_FD_NOTIFY = 1 << 20,
	PROTO_FD_CODE = 1 << 21, /* sealed memfd: translations to begin with (SAVE_CODE) */
	PROTO_FD_COUNT = 22,
};

enum proto_config_flag {
	PROTO_CFG_16BIT = 1 << 0,
	PROTO_CFG_BIG_ENDIAN = 1 << 1,
	PROTO_CFG_THUMB = 1 << 2,
	PROTO_CFG_HAS_LOAD = 1 << 3,
	PROTO_CFG_HAS_ENTRY = 1 << 4,
	PROTO_CFG_IMAGE_RO = 1 << 5,
	PROTO_CFG_COUNT_INSNS = 1 << 6, /* count all instructions, at the price of speed */
	PROTO_CFG_CONTEXT_SUMMED =
		1 << 7, /* another VM found the checksum of this sealed context right */
	PROTO_CFG_VIRTIO_CONSOLE =
		1 << 9, /* boards with virtio: the console is one, not the serial port */
	PROTO_CFG_NO_REBOOT = 1 << 10, /* a guest that asks for a reset ends */
	PROTO_CFG_START = 1 << 8,      /* as with START when it is ready; only with a scheduler */
};

/** What the launcher has done and the VM process has to do for its jail. */
enum proto_jail_flag {
	PROTO_JAIL_USERNS = 1 << 0,  /* it runs in its own user namespace */
	PROTO_JAIL_MOUNTNS = 1 << 1, /* in its own mount namespace: it must take an empty root */
	PROTO_JAIL_SETUID = 1 << 2,  /* it must switch to uid/gid */
	PROTO_JAIL_PIDNS = 1 << 3,
	PROTO_JAIL_NETNS = 1 << 4,
	PROTO_JAIL_IPCNS = 1 << 5,
	PROTO_JAIL_UTSNS = 1 << 6,
	PROTO_JAIL_CGROUPNS = 1 << 7,
	PROTO_JAIL_SECCOMP = 1 << 8, /* seccomp is available: it must be entered */
	PROTO_JAIL_OUTLIVE = 1 << 9, /* losing the controller does not end the VM */
};

/** Of proto_ready.caps, ENGINE_CAP_STORED_CODE: SAVE_CODE works. */
#define PROTO_CAP_STORED_CODE (1ULL << 13)

/** Limits; 0 = none. */
struct proto_limits {
	uint64_t cpu_ns;
	uint64_t insns;
	uint64_t wall_ns;
	uint64_t mem_bytes; /* guest RAM; only at creation */
};

struct proto_set {
	char reg[PROTO_REG_NAME];
	uint64_t value;
};

/** Everything a VM process is told at its start. */
struct proto_config {
	char name[PROTO_NAME];
	char engine[16];      /* "auto", "unicorn", ... */
	char board[16];	      /* "bare" */
	char image_name[256]; /* for messages only */
	uint32_t n_cpus;      /* 1 to PROTO_CPUS_MAX */
	uint32_t disks_ro;    /* bit n: disk n may only be read */
	uint8_t mac[6];	      /* of the network card */
	uint8_t unused[2];
	uint32_t arch;	/* enum cpu_arch_id; 0 = the image says */
	uint32_t flags; /* enum proto_config_flag */
	uint32_t fds;	/* enum proto_config_fd */
	uint32_t jail;	/* enum proto_jail_flag */
	uint32_t uid, gid;
	uint64_t load_gpa, entry_gva;
	uint64_t slice_ns;
	struct proto_limits limits;
	uint32_t n_sets;
	uint32_t args_bytes; /* length of args without its NUL */
	struct proto_set sets[PROTO_SETS_MAX];
	char args[PROTO_ARGS_MAX];
};

/** The VM is made, jailed and stopped before its first instruction. */
struct proto_ready {
	uint32_t arch;
	uint32_t flags; /* PROTO_CFG_16BIT, BIG_ENDIAN, THUMB as found in the image */
	uint64_t caps;	/* ENGINE_CAP_* */
	char engine[16];
	char arch_name[16]; /* "x64" */
	char gdb_arch[32];
	char reason[PROTO_TEXT]; /* why this engine, in one line */
	char note[PROTO_TEXT];	 /* what this VM can't do here; or empty */
	uint64_t ram_base_gpa, ram_bytes, entry_gva;
	uint32_t n_regs;
	uint32_t jail;	      /* enum proto_jail_flag that are in force */
	uint64_t code_loaded; /* translations that came with CONFIG */
	int32_t code_result; /* 0; or why there are none of them, although a file came: negative errno */
	uint32_t pad;
};

struct proto_failed {
	int32_t err; /* negative errno */
	char text[PROTO_TEXT];
};

/** Header of a reply; the payload follows. */
struct proto_reply {
	int32_t result; /* 0 or negative errno */
	uint32_t payload_bytes;
	char text[PROTO_TEXT]; /* why it failed */
};

/** States of a VM (docs/design.md, section 3). */
enum proto_vm_state {
	PROTO_VM_CREATED,
	PROTO_VM_READY,
	PROTO_VM_RUNNING,
	PROTO_VM_PAUSED,
	PROTO_VM_BLOCKED,
	PROTO_VM_STOPPED,
	PROTO_VM_FAULTED,
	PROTO_VM_KILLED,
	PROTO_VM_STATE_COUNT,
};

/** Why the vCPU stands. */
enum proto_stop {
	PROTO_STOP_PAUSED,     /* by request */
	PROTO_STOP_STEPPED,    /* the asked number of instructions is done */
	PROTO_STOP_SLICE,      /* run_one_slice is over */
	PROTO_STOP_BREAKPOINT, /* pc is at it */
	PROTO_STOP_WATCHPOINT, /* address was accessed by the instruction just executed */
	PROTO_STOP_HALT,       /* the end: HLT/WFI on a board without interrupts */
	PROTO_STOP_EXIT,       /* the end: exit device, semihosting, tohost */
	PROTO_STOP_LIMIT,      /* the end: limit says which */
	PROTO_STOP_FAULT,      /* the end: fault */
	PROTO_STOP_REQUESTED,  /* the end: PROTO_STOP was asked for */
	PROTO_STOP_ERROR,      /* the end: device, plug-in or engine could not go on: text */
	PROTO_STOP_COUNT,
};

enum proto_limit_kind { PROTO_LIMIT_NONE, PROTO_LIMIT_CPU, PROTO_LIMIT_INSNS, PROTO_LIMIT_WALL };

struct proto_usage {
	uint64_t cpu_ns;  /* of the vCPU thread */
	uint64_t wall_ns; /* running, since start */
	uint64_t insns;	  /* executed, if insns_known */
	uint64_t slices;
	uint64_t mem_peak_bytes; /* most memory that the VM process held */
	uint64_t io_reads, io_writes, io_unmapped;
	uint64_t console_out_bytes, console_in_bytes;
	uint64_t code_made; /* translations that it made itself */
	uint32_t insns_known;
	uint32_t resets;
};

/** How often the guest began anew. */
struct proto_reset {
	uint32_t resets;
	uint32_t pad;
};

/** Why a device does nothing more until its driver resets it. */
struct proto_device {
	char text[PROTO_TEXT];
};

/** A guest fault, complete enough to print. */
struct proto_fault {
	char kind[32];
	uint32_t vector;
	uint32_t access; /* MEM_R, MEM_W, MEM_X or 0 */
	uint64_t syndrome;
	uint64_t pc, address;
	uint32_t has_address;
	uint32_t n_insn; /* bytes of the instruction that could be read */
	uint8_t insn[16];
	uint32_t insn_flags; /* PROTO_CFG_16BIT, BIG_ENDIAN, THUMB: how to disassemble it */
	uint32_t pad;
};

struct proto_stopped {
	uint32_t reason; /* enum proto_stop */
	uint32_t state;	 /* enum proto_vm_state afterwards */
	uint64_t code;	 /* EXIT: the guest's status */
	uint32_t limit;	 /* LIMIT: enum proto_limit_kind */
	uint32_t point;	 /* WATCHPOINT: enum proto_point_kind that hit */
	uint64_t pc;
	uint64_t address; /* WATCHPOINT */
	struct proto_fault fault;
	struct proto_usage usage;
	char text[PROTO_TEXT]; /* one clear sentence */
};

/** What a new console gives. */
struct proto_attached {
	uint64_t console_from; /* number of its first byte; what was printed before is not kept */
};

struct proto_step {
	uint64_t insns; /* at least 1 */
};

struct proto_status {
	uint32_t state; /* enum proto_vm_state */
	uint32_t pad;
};

struct proto_reg_desc {
	char name[PROTO_REG_NAME];
	char alias[PROTO_REG_NAME]; /* or empty */
	char gdb_feature[32];	    /* or empty: not for gdb */
	char gdb_name[PROTO_REG_NAME];
	char gdb_type[24];
	uint32_t bytes;
	uint32_t cls; /* enum cpu_reg_class */
};

struct proto_set_reg {
	uint32_t idx;
	uint32_t bytes;
	uint8_t value[32]; /* little endian */
};

struct proto_mem {
	uint64_t gva;
	uint32_t bytes; /* at most PROTO_MEM_MAX */
	uint32_t is_physical;
};

enum proto_point_kind {
	PROTO_POINT_BREAK,
	PROTO_POINT_WATCH_WRITE,
	PROTO_POINT_WATCH_READ,
	PROTO_POINT_WATCH_ACCESS,
	PROTO_POINT_KIND_COUNT,
};

struct proto_point {
	uint32_t kind; /* enum proto_point_kind */
	uint32_t is_add;
	uint64_t gva;
	uint64_t bytes; /* of a watched range, at most 4096 */
};

/** One executed instruction on the trace pipe; n_changed times struct proto_trace_reg follow. */
struct proto_trace {
	uint64_t pc;
	uint8_t insn[16];
	uint16_t n_insn;
	uint16_t n_changed;
	uint32_t flags; /* PROTO_CFG_16BIT, BIG_ENDIAN, THUMB */
};

struct proto_trace_reg {
	uint16_t idx;
	uint16_t bytes;
	uint32_t pad;
	uint8_t value[32];
};

/** A received message: header, body and descriptors. */
struct proto_msg {
	struct proto_hdr hdr;
	uint32_t n_fds;
	int fds[PROTO_FD_COUNT]; /* owned by the receiver */
	_Alignas(16) uint8_t body[PROTO_BODY_MAX];
};

/**
 * Fill a header.
 * @param body_bytes at most PROTO_BODY_MAX (BUG otherwise)
 */
void proto_hdr_init(struct proto_hdr *h, enum proto_type type, uint32_t seq, size_t body_bytes);

/**
 * Check a packet as it came: magic, revision, length, a body of the right size for its type, and
 * for fixed bodies every string terminated and every enum in range.
 * @param m        header and body as received
 * @param received bytes of the packet
 * @return 0; -EPROTO with what is wrong
 */
int proto_check(const struct proto_msg *m, size_t received, struct errmsg *e);

/** Whether a READY body, as it came in a reply, has terminated strings and sane counts. */
bool proto_ready_is_sane(const struct proto_ready *b);

/** The same of an EVENT_STOPPED body, which a reply to GET_LAST_STOP carries. */
bool proto_stopped_is_sane(const struct proto_stopped *b);

/** The payload of a checked REPLY. */
const void *proto_reply_payload(const struct proto_msg *m, size_t *ret_bytes);

/** Names for people and JSON: "running", "paused", ... */
const char *proto_vm_state_name(enum proto_vm_state s);

#endif
