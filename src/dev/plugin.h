/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device plug-in (include/pinfold/device.h) as a device on our buses. Whoever loads the shared
 * object hands its entry point in; this file opens nothing.
 */
#ifndef PINFOLD_DEV_PLUGIN_H
#define PINFOLD_DEV_PLUGIN_H

#include "dev/bus.h"
#include "dev/device.h"
#include "pinfold/device.h"

/** What a plug-in's machine offers. Copied; the buses must outlive the plug-in. */
struct plugin_env {
	struct bus *ports; /* NULL: the board has no ports */
	struct bus *mmio;
	struct chr_backend console; /* what console_put() and the filter write to */
	struct dev_host host;
	void *log_opaque;
	void (*log)(void *opaque, const char *plugin_name, const char *sentence);
};

struct plugin;

/**
 * Check a plug-in's table, copy it, make an instance and lay it over the buses.
 * @param entry      the symbol PINFOLD_PLUGIN_SYMBOL of a loaded shared object
 * @param ret_plugin the instance; free it with plugin_free() when no bus is used any more
 * @return 0; -EINVAL malformed table; -EPROTO other ABI; -EEXIST, -ENOSPC the bus refuses;
 *         -ECANCELED its init() refused; -ENOMEM
 */
int plugin_new(pinfold_plugin_fn *entry, const struct plugin_env *env, struct plugin **ret_plugin,
	       struct errmsg *e);

/** Destroy the instance. Accepts NULL. The shared object must still be loaded. */
void plugin_free(struct plugin *p);

/**
 * The console as devices should see it: output passes the plug-in's filter, input is untouched.
 * @return env's console itself when the plug-in has no filter
 */
struct chr_backend plugin_console(struct plugin *p);

#endif
