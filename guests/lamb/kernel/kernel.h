/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole kernel, seen from above: its structures, and what each file offers to the others.
 *
 * One rule about several harts: whoever runs kernel code holds the kernel lock. It is taken when a trap comes from user
 * mode, and given back right before the return; a hart without work gives it back while it waits. Whatever is below is
 * therefore never used by two harts at once. User programs run in parallel.
 *
 * One rule about interrupts: they are off in the kernel. They are taken in user mode, and looked at when a hart has nothing
 * to do. A trap from the kernel itself is a bug, and ends in panic().
 *
 * Functions that can fail return a negative error (abi.h), pointers NULL.
 */
#ifndef LAMB_KERNEL_H
#define LAMB_KERNEL_H

#include "abi.h"
#include "riscv.h"
#include "text.h"

enum {
	HARTS_MAX = 8,
	PROCESSES_MAX = 64,
	FILES_MAX = 128,
	NODES_MAX = 256,
	TICKS_PER_SECOND = 100
};

struct process;

/* ---- boot.S, main.c: the start ---------------------------------------------------------------- */

/* What a thread of the kernel keeps over a call of context_switch(): the registers that belong to the caller. */
struct context {
	uint64_t ra;
	uint64_t sp;
	uint64_t s[12];
};

/* A processor. While in the kernel, register tp points to its own. */
struct hart {
	uint64_t stack_top;	 /* of its idle loop; boot.S knows that it is first */
	uint64_t id;		 /* what the firmware calls it */
	struct process *process; /* that runs on it, or NULL */
	struct context idle;	 /* its idle loop */
	uint64_t
		versions[PROCESSES_MAX + 1]; /* of each address space, when it was last used here */
	bool is_waiting;		     /* for an interrupt */
	bool has_ticked;		     /* the running process has used up its turn */
};

extern uint64_t root_pages[256]; /* boot.S: the upper half of every root of page tables */
extern struct hart harts[HARTS_MAX];
extern unsigned int n_harts;

static inline struct hart *this_hart(void)
{
	struct hart *h;

	__asm__ volatile("mv %0, tp" : "=r"(h));
	return h;
}

void hart_start(void); /* boot.S: where other harts come in, at its physical address */
void hart_main(void);  /* main.c: what they do then */

/* ---- fdt.c: what the machine has -------------------------------------------------------------- */

struct machine {
	uint64_t ram_pa;
	uint64_t ram_bytes;
	uint64_t timer_hz;
	unsigned int n_harts;
	uint64_t hart_ids[HARTS_MAX];
};

void fdt_read(const uint8_t *fdt, struct machine *ret);

/* ---- sbi.c: the firmware below us ------------------------------------------------------------- */

void sbi_set_timer(uint64_t time);
void sbi_send_ipi(uint64_t hart_id);
long sbi_hart_start(uint64_t hart_id, uint64_t pc_pa, uint64_t argument);
void sbi_poweroff(bool is_failure) __attribute__((noreturn));

/* ---- lock.c ----------------------------------------------------------------------------------- */

void kernel_lock(void);
void kernel_unlock(void);

/* ---- console.c: the serial line --------------------------------------------------------------- */

void console_init(void);
void console_init_hart(void); /* let the calling hart have its interrupts */
void console_interrupt(void);
void console_put(char c);
long console_read(char *to, size_t n); /* sleeps for a line */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- page.c: physical memory ------------------------------------------------------------------ */

void page_init(uint64_t start_pa, uint64_t end_pa);
void *page_new(void); /* a page of zeros with one user, or NULL */
void page_get(void *page);
void page_put(void *page); /* accepts NULL */
unsigned int page_users(const void *page);
uint64_t page_free_count(void);

/* ---- space.c: address spaces ------------------------------------------------------------------ */

#define USER_START     0x10000UL      /* below: nothing, so that null pointers fault */
#define USER_END       0x4000000000UL /* half of what Sv39 has */
#define USER_STACK_MAX (64 * PAGE_BYTES)

/* Heap and stack get their pages when they are first touched. */
struct space {
	pte_t *root;
	uint64_t version;  /* another one after each change that a hart may not know of */
	unsigned int asid; /* what harts call it: 1 and up, 0 is the kernel alone */
	uint64_t heap_start;
	uint64_t heap_end;
	uint32_t pages;
};

enum access { ACCESS_READ = PTE_READ, ACCESS_WRITE = PTE_WRITE, ACCESS_FETCH = PTE_EXEC };

void space_init(void);
int space_new(struct space *ret, unsigned int asid);
/* For fork: pages are shared until written to. */
int space_copy(struct space *from, struct space *ret, unsigned int asid);
void space_free(struct space *s);
void space_enter(const struct space *s); /* NULL: the kernel alone */
int space_map(struct space *s, uint64_t va, unsigned int flags, uint8_t **ret_page);
int space_grow(struct space *s, int64_t bytes);
/* Make an access possible that faulted. -E_FAULT: it is not allowed. */
int space_fault(struct space *s, uint64_t va, enum access access);
/* Where the byte at va is for the kernel; good up to the end of its page. */
int space_reach(struct space *s, uint64_t va, enum access access, uint8_t **ret);
int space_read(struct space *s, void *to, uint64_t va, size_t n);
int space_write(struct space *s, uint64_t va, const void *from, size_t n);
int space_read_text(struct space *s, char *to, uint64_t va, size_t size);

/* ---- trap.S, trap.c: in and out of the kernel -------------------------------------------------- */

/* What a process has in its registers when it is not running its own code. trap.S knows the layout. */
struct frame {
	uint64_t x[32]; /* x[0] is not used */
	uint64_t pc;
	uint64_t status;
	struct hart *hart;
	uint64_t unused;
};

struct floats {
	uint64_t f[32];
	uint64_t fcsr;
};

void trap_init_hart(void);
void trap_entry(void); /* trap.S */
void trap_first(void); /* trap.S: to user mode for the first time, with the frame at sp */
void trap_user(struct frame *f);
void trap_kernel(void);
void interrupts_take(void);
void context_switch(struct context *from, const struct context *to);
void floats_save(struct floats *f);
void floats_load(const struct floats *f);
uint64_t time_now(void); /* since the machine started, in its own unit */
uint64_t time_hz(void);
void time_init(uint64_t hz);

/* ---- process.c -------------------------------------------------------------------------------- */

struct file;
struct node;

struct process {
	enum process_state state;
	int32_t pid;
	struct process *parent;
	struct process *next; /* in the queue of those that are ready */
	const void *channel;  /* what it sleeps for */
	uint64_t wake_at;     /* or until when */
	bool is_killed;
	int status; /* for wait() */
	uint64_t ticks;
	uint64_t switches;
	struct space space;
	struct frame *frame; /* at the end of stack */
	uint8_t *stack;	     /* a page, for its kernel code */
	struct context context;
	struct floats floats;
	struct file *files[FDS_MAX];
	struct node *cwd;
	char name[NAME_BYTES];
};

static inline struct process *this_process(void)
{
	return this_hart()->process;
}

void process_init(void); /* make the first one: /bin/init */
void process_idle(void) __attribute__((noreturn));
void process_yield(void);
/* Sleep until someone wakes the channel. -E_INTR: killed meanwhile. Look at what you wait for again afterwards. */
int process_sleep(const void *channel);
int process_sleep_until(uint64_t time);
void process_wake(const void *channel);
void process_wake_sleepers(void);
long process_fork(void);
long process_wait(int *ret_status);
long process_kill(int32_t pid);
void process_exit(int status) __attribute__((noreturn));
bool process_info(unsigned int idx, struct process_info *ret);

/* exec.c: argv holds n strings, one behind the other. Replaces the calling process' memory. Returns n. */
long process_exec(const char *path, const char *args, unsigned int n);

/* ---- node.c: the file system, in memory -------------------------------------------------------- */

struct node {
	enum node_kind kind; /* 0: free */
	unsigned int users;  /* who is in it or has it open, and the directory that names it */
	struct node *parent;
	struct node *child; /* first one */
	struct node *next;  /* in the same directory */
	uint64_t bytes;
	uint8_t **pages; /* a page of pointers to pages */
	bool is_console; /* a device: else it is the one without contents */
	char name[NAME_BYTES];
};

void node_init(void); /* with the files that were built in */
struct node *node_get(struct node *n);
void node_put(struct node *n); /* accepts NULL */
uint32_t node_number(const struct node *n);
long node_find(const char *path, struct node **ret);
long node_make(const char *path, enum node_kind kind, struct node **ret);
long node_unlink(const char *path);
void node_empty(struct node *n);
long node_read(struct node *n, uint64_t offset, void *to, size_t bytes);
long node_write(struct node *n, uint64_t offset, const void *from, size_t bytes);

/* ---- file.c: what descriptors stand for --------------------------------------------------------- */

struct pipe {
	uint32_t taken; /* bytes that went out and in, ever */
	uint32_t put;
	unsigned int readers;
	unsigned int writers;
	char data[PIPE_BYTES];
};

struct file {
	unsigned int users; /* descriptors; 0: free */
	unsigned int flags; /* of open() */
	uint64_t offset;
	struct node *node; /* or */
	struct pipe *pipe;
};

long file_open(const char *path, unsigned int flags); /* a descriptor */
long file_pipe(int ret_fds[2]);
long file_dup(struct file *f);
struct file *file_of(uint64_t fd); /* of this process, or NULL */
void file_get(struct file *f);
void file_put(struct file *f);
long file_read(struct file *f, void *to, size_t n); /* may give less */
long file_write(struct file *f, const void *from, size_t n);
int file_list(struct file *f, struct entry *ret);

/* ---- syscall.c ---------------------------------------------------------------------------------- */

void syscall(struct frame *f);

#endif
