/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kernel and programs agree on: the numbers of system calls, errors, and the layout of what is passed in memory.
 *
 * A system call is `ecall` with its number in a7 and up to three arguments in a0 to a2. Its result comes back in a0; -1 to
 * -99 are errors. All other registers are kept.
 */
#ifndef LAMB_ABI_H
#define LAMB_ABI_H

#include <stddef.h>
#include <stdint.h>

enum {
	CALL_EXIT = 1, /* (status) does not return */
	CALL_FORK,     /* () 0 in the child, the child's number in the parent */
	CALL_WAIT,     /* (int *status or NULL) a child that has ended */
	CALL_EXEC,     /* (path, argv) does not return if it works */
	CALL_KILL,     /* (pid) */
	CALL_GETPID,   /* () */
	CALL_GETCPU,   /* () number of the hart it runs on */
	CALL_GROW,     /* (bytes, may be negative) end of the heap before */
	CALL_SLEEP,    /* (milliseconds) */
	CALL_UPTIME,   /* () milliseconds since the start */
	CALL_OPEN,     /* (path, flags) descriptor */
	CALL_CLOSE,    /* (fd) */
	CALL_READ,     /* (fd, buffer, bytes) how many; 0 at the end */
	CALL_WRITE,    /* (fd, buffer, bytes) how many */
	CALL_SEEK,     /* (fd, offset from the start) */
	CALL_DUP,      /* (fd) the lowest free descriptor */
	CALL_PIPE,     /* (int fds[2]) reading end, writing end */
	CALL_STAT,     /* (fd, struct stat *) */
	CALL_LIST,     /* (fd of a directory, struct entry *) 1, or 0 at the end */
	CALL_MKDIR,    /* (path) */
	CALL_UNLINK,   /* (path) a file, or an empty directory */
	CALL_CHDIR,    /* (path) */
	CALL_PROCESS,  /* (index, struct process_info *) 1, or 0 if there is none */
	CALL_MEMORY,   /* () free pages */
	CALL_POWEROFF, /* (status) */
	CALLS_END
};

/* Errors, with the numbers that Unix gives them. */
enum {
	E_NOENT = 2,
	E_SRCH = 3,
	E_INTR = 4,
	E_2BIG = 7,
	E_NOEXEC = 8,
	E_BADF = 9,
	E_CHILD = 10,
	E_AGAIN = 11,
	E_NOMEM = 12,
	E_FAULT = 14,
	E_EXIST = 17,
	E_NOTDIR = 20,
	E_ISDIR = 21,
	E_INVAL = 22,
	E_NFILE = 23,
	E_MFILE = 24,
	E_FBIG = 27,
	E_NOSPC = 28,
	E_PIPE = 32,
	E_NOSYS = 38,
	E_NOTEMPTY = 39
};

/* Flags of open. */
enum {
	OPEN_READ = 1,
	OPEN_WRITE = 2,
	OPEN_CREATE = 4,
	OPEN_EMPTY = 8,	 /* throw away what is in it */
	OPEN_APPEND = 16 /* every write goes to the end */
};

/* How a process can end but by exit(0 to 255): the status that wait() gives. */
enum {
	STATUS_KILLED = 256,	  /* by kill() */
	STATUS_FAULT = 512,	  /* it touched what is not its own */
	STATUS_ILLEGAL = 512 + 1, /* an instruction that is none, or not for users */
	STATUS_MEMORY = 512 + 2	  /* no memory left for it */
};

enum { NAME_BYTES = 28, PATH_BYTES = 128, ARGS_MAX = 16, FDS_MAX = 16, PIPE_BYTES = 2048 };

enum node_kind { NODE_FILE = 1, NODE_DIRECTORY, NODE_DEVICE };

struct stat {
	uint32_t kind; /* enum node_kind; 0: a pipe */
	uint32_t number;
	uint64_t bytes;
};

struct entry {
	uint32_t kind;
	char name[NAME_BYTES];
};

enum process_state {
	PROCESS_FREE,
	PROCESS_READY,
	PROCESS_RUNNING,
	PROCESS_SLEEPING,
	PROCESS_ZOMBIE
};

struct process_info {
	int32_t pid;
	int32_t parent;
	uint32_t state;	   /* enum process_state */
	uint32_t pages;	   /* of memory that it has */
	uint64_t ticks;	   /* of processor time */
	uint64_t switches; /* how often it got a hart */
	char name[NAME_BYTES];
};

#endif
