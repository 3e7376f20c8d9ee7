/* SPDX-License-Identifier: GPL-2.0-or-later */
/* docs/openapi.json, put into the program as it is. OPENAPI_FILE comes from the build. */
#include "daemon/api/api.h"

extern const char api_openapi_begin[], api_openapi_end[];

__asm__(".section .rodata\n"
	".global api_openapi_begin\n"
	".global api_openapi_end\n"
	"api_openapi_begin:\n"
	".incbin \"" OPENAPI_FILE "\"\n"
	"api_openapi_end:\n"
	".byte 0\n"
	".previous\n");

const char *api_openapi(size_t *ret_bytes)
{
	*ret_bytes = (size_t)(api_openapi_end - api_openapi_begin);
	return api_openapi_begin;
}
