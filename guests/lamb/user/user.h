/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a program can use: the system calls (abi.h says what they do) and a few helpers. */
#ifndef LAMB_USER_H
#define LAMB_USER_H

#include "abi.h"
#include "text.h"

int main(int argc, char **argv);

/* start.S. Negative results are errors. */
void exit(int status) __attribute__((noreturn));
int fork(void);
int wait(int *status);
int exec(const char *path, char *const argv[]);
int kill(int pid);
int getpid(void);
int getcpu(void);
void *grow(long bytes);
int sleep(unsigned int milliseconds);
long uptime(void);
int open(const char *path, unsigned int flags);
int close(int fd);
long read(int fd, void *to, size_t bytes);
long write(int fd, const void *from, size_t bytes);
int seek(int fd, uint64_t offset);
int dup(int fd);
int pipe(int fds[2]);
int stat(int fd, struct stat *ret);
int list(int fd, struct entry *ret);
int mkdir(const char *path);
int unlink(const char *path);
int chdir(const char *path);
int process(unsigned int idx, struct process_info *ret);
long memory(void);
void poweroff(int status) __attribute__((noreturn));
long system_call(uint64_t a, uint64_t b, uint64_t c, uint64_t number);

/* lib.c */
/* All of it; ends the program when nobody wants it any more. */
void write_all(int fd, const void *from, size_t bytes);
void fprint(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line with its end, as much as fits. Returns its length; 0 at the end of the file, or an error. */
long read_line(int fd, char *to, size_t size);
/* A sentence about an error, to descriptor 2, and the end of the program. */
void fail(const char *what, long error) __attribute__((noreturn));
const char *error_name(long error);
/* For programs that work on the files they are given, or on descriptor 0: 1 if one could not be opened. */
int for_files(int argc, char **argv, void (*work)(int fd, const char *name));

#endif
