// SPDX-License-Identifier: GPL-2.0
/*
 * A SysRq key that wakes a terminal: Alt + SysRq + the key, in the keyboard's interrupt. Works whatever
 * kernel.sysrq allows, unless that is 0: waking shows nothing but a prompt.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sysrq.h>
#include <linux/version.h>

#include "channel.h"
#include "uapi/pinfold_guard.h"

static char *sysrq_setting = "x";
module_param_named(sysrq, sysrq_setting, charp, 0444);
MODULE_PARM_DESC(sysrq,
		 "key that wakes a terminal with Alt + SysRq, a to z or 0 to 9; empty: none");

static bool is_on;

#if KERNEL_VERSION(6, 6, 0) > LINUX_VERSION_CODE
static void sysrq_wake(int key)
#else
static void sysrq_wake(u8 key)
#endif
{
	terminal_wake_any("sysrq");
}

static char help[sizeof("pinfold-guard(?)")] = "pinfold-guard(?)";

static const struct sysrq_key_op sysrq_op = {
	.handler = sysrq_wake,
	.help_msg = help,
	.action_msg = "Wake a terminal of the Pinfold guard",
	.enable_mask = ~0,
};

u32 sysrq_sources(void)
{
	return is_on ? PINFOLD_GUARD_SYSRQ : 0;
}

int sysrq_init(void)
{
	char key = *sysrq_setting;

	if (!key)
		return 0;
	if (sysrq_setting[1] || !(islower(key) || isdigit(key))) {
		pr_err("sysrq=%s: one character, a to z or 0 to 9, is needed\n", sysrq_setting);
		return -EINVAL;
	}
	help[sizeof(help) - 3] = key;
	if (register_sysrq_key(key, &sysrq_op)) {
		pr_err("sysrq=%c: the kernel uses this key, or has no SysRq; choose another, or "
		       "sysrq= for none\n",
		       key);
		return -EBUSY;
	}
	is_on = true;
	return 0;
}

void sysrq_exit(void)
{
	if (is_on)
		unregister_sysrq_key(*sysrq_setting, &sysrq_op);
	is_on = false;
}
