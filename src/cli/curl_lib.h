/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcurl, loaded by the first command that talks to a daemon: with the libraries that it needs it
 * takes longer to load than `pinfold run` takes for all else. Instead of <curl/curl.h>: its functions
 * are called by their own names.
 */
#ifndef PINFOLD_CLI_CURL_LIB_H
#define PINFOLD_CLI_CURL_LIB_H

#include <curl/curl.h>

#include "base/errmsg.h"

/* All that is used; some are macros that check types, which a pointer to a function can't be. */
#undef curl_easy_getinfo
#undef curl_easy_setopt

#define CURL_LIB_FUNCTIONS(F)  \
	F(global_init)         \
	F(easy_init)           \
	F(easy_cleanup)        \
	F(easy_getinfo)        \
	F(easy_perform)        \
	F(easy_reset)          \
	F(easy_setopt)         \
	F(easy_strerror)       \
	F(multi_add_handle)    \
	F(multi_cleanup)       \
	F(multi_info_read)     \
	F(multi_init)          \
	F(multi_perform)       \
	F(multi_poll)          \
	F(multi_remove_handle) \
	F(slist_append)        \
	F(slist_free_all)

/** Its functions, once curl_lib_open() has succeeded. */
struct curl_lib {
#define CURL_LIB_FIELD(name) __typeof__(curl_##name) *name;
	CURL_LIB_FUNCTIONS(CURL_LIB_FIELD)
#undef CURL_LIB_FIELD
};

extern struct curl_lib curl_lib;

/**
 * Load it and set it up, once.
 * @return 0; -ENODEV with what to install; -ENOMEM
 */
int curl_lib_open(struct errmsg *e);

#define curl_easy_init		 (curl_lib.easy_init)
#define curl_easy_cleanup	 (curl_lib.easy_cleanup)
#define curl_easy_getinfo	 (curl_lib.easy_getinfo)
#define curl_easy_perform	 (curl_lib.easy_perform)
#define curl_easy_reset		 (curl_lib.easy_reset)
#define curl_easy_setopt	 (curl_lib.easy_setopt)
#define curl_easy_strerror	 (curl_lib.easy_strerror)
#define curl_multi_add_handle	 (curl_lib.multi_add_handle)
#define curl_multi_cleanup	 (curl_lib.multi_cleanup)
#define curl_multi_info_read	 (curl_lib.multi_info_read)
#define curl_multi_init		 (curl_lib.multi_init)
#define curl_multi_perform	 (curl_lib.multi_perform)
#define curl_multi_poll		 (curl_lib.multi_poll)
#define curl_multi_remove_handle (curl_lib.multi_remove_handle)
#define curl_slist_append	 (curl_lib.slist_append)
#define curl_slist_free_all	 (curl_lib.slist_free_all)

#endif
