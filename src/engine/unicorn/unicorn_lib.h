/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libunicorn, opened at run time: a machine without it still runs every other engine and gets a
 * clear answer for this one.
 */
#ifndef PINFOLD_ENGINE_UNICORN_UNICORN_LIB_H
#define PINFOLD_ENGINE_UNICORN_UNICORN_LIB_H

#include <unicorn/unicorn.h>

#include "base/errmsg.h"

#define UNICORN_LIB_FILE "libunicorn.so.2"

/* Every function of the library that is used: name, result, arguments. */
#define UNICORN_LIB_FUNCTIONS(X)                                                            \
	X(uc_version, unsigned int, (unsigned int *major, unsigned int *minor))             \
	X(uc_strerror, const char *, (uc_err code))                                         \
	X(uc_open, uc_err, (uc_arch arch, uc_mode mode, uc_engine * *uc))                   \
	X(uc_close, uc_err, (uc_engine * uc))                                               \
	X(uc_ctl, uc_err, (uc_engine * uc, uc_control_type control, ...))                   \
	X(uc_reg_read, uc_err, (uc_engine * uc, int regid, void *value))                    \
	X(uc_reg_write, uc_err, (uc_engine * uc, int regid, const void *value))             \
	X(uc_mem_map_ptr, uc_err,                                                           \
	  (uc_engine * uc, uint64_t address, size_t size, uint32_t perms, void *ptr))       \
	X(uc_mem_unmap, uc_err, (uc_engine * uc, uint64_t address, size_t size))            \
	X(uc_mmio_map, uc_err,                                                              \
	  (uc_engine * uc, uint64_t address, size_t size, uc_cb_mmio_read_t read_cb,        \
	   void *user_data_read, uc_cb_mmio_write_t write_cb, void *user_data_write))       \
	X(uc_hook_add, uc_err,                                                              \
	  (uc_engine * uc, uc_hook * hh, int type, void *callback, void *user_data,         \
	   uint64_t begin, uint64_t end, ...))                                              \
	X(uc_hook_del, uc_err, (uc_engine * uc, uc_hook hh))                                \
	X(uc_emu_start, uc_err,                                                             \
	  (uc_engine * uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count)) \
	X(uc_emu_stop, uc_err, (uc_engine * uc))                                            \
	X(uc_context_alloc, uc_err, (uc_engine * uc, uc_context * *context))                \
	X(uc_context_save, uc_err, (uc_engine * uc, uc_context * context))                  \
	X(uc_context_restore, uc_err, (uc_engine * uc, uc_context * context))               \
	X(uc_context_size, size_t, (uc_engine * uc))                                        \
	X(uc_context_free, uc_err, (uc_context * context))

/** The library's functions. */
struct unicorn_lib {
	void *handle; /* of dlopen(); never closed */
#define UNICORN_LIB_FIELD(name, result, args) result(*name) args;
	UNICORN_LIB_FUNCTIONS(UNICORN_LIB_FIELD)
#undef UNICORN_LIB_FIELD
};

/**
 * Open the library once per process.
 * @param ret_lib the table; stays valid for the life of the process
 * @return 0; -ENODEV when it is not installed or not the library we know, with what to do
 * Thread: any, but the first call not at the same time as another.
 */
int unicorn_lib_open(const struct unicorn_lib **ret_lib, struct errmsg *e);

#endif
