// SPDX-License-Identifier: GPL-2.0
/*
 * The guard as a module: docs/guard.md. What all its parts share, and the order in which they come and go.
 *
 * At load everything that is there to be woken comes before what wakes it, and all of it goes the other way round
 * when a part fails, or at unload. While a user-space file is open, a dialogue lasts or VMs are registered somebody
 * holds a reference, so none of that is on when the module goes.
 *
 * pinfold_guard_token() is called by the USB module in process context.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/random.h>
#include <linux/vmalloc.h>

#include "channel.h"
#include "main.h"
#include "threads.h"

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Pinfold's guard: two emergency terminals inside the kernel");
MODULE_VERSION("1");

static uint idle_s = 300;
module_param(idle_s, uint, 0444);
MODULE_PARM_DESC(idle_s,
		 "a dialogue without input ends after so many seconds; 0: never (default 300)");

static bool open_reads;
module_param(open_reads, bool, 0444);
MODULE_PARM_DESC(open_reads, "1: commands that only show something need no login (default 0)");

struct guard main_guard;
u64 main_instance;

static struct registry_slot *slots;
static atomic64_t token; /* odd: plugged in; changes each time */
static atomic_t has_usb;

void main_log(enum pinfold_guard_kind kind, u8 terminal, int result, const char *text)
{
	struct chain_event event = {
		.kind = kind,
		.terminal = terminal == ARBITER_NONE ? 0 : (u8)('A' + terminal),
		.result = result,
		.text = text,
	};

	chain_append(&main_guard.chain, &event);
}

void main_log_lost(u8 terminal, int result)
{
	struct chain_event event = {
		.kind = PINFOLD_GUARD_LOG_RESULT,
		.terminal = (u8)('A' + terminal),
		.result = result,
		.text = "abandoned: its thread is lost",
		.is_owed = true,
	};

	if (terminal != ARBITER_NONE)
		chain_append(&main_guard.chain, &event);
}

u32 main_sources(void)
{
	return uart_sources() | keys_sources() | sysrq_sources() |
	       (atomic_read(&has_usb) ? PINFOLD_GUARD_USB : 0);
}

void pinfold_guard_token(bool is_present, bool is_watched)
{
	bool was_present = atomic64_read(&token) & 1;

	atomic_set(&has_usb, is_watched);
	if (is_present == was_present)
		return;
	atomic64_inc(&token);
	if (is_present)
		terminal_wake_any("token");
}
EXPORT_SYMBOL_GPL(pinfold_guard_token);

/* struct guard_ops: there is one guard, so that ctx says nothing. */

static u64 op_boot_ns(void *ctx)
{
	return ktime_get_boottime_ns();
}

static void op_random(void *ctx, void *buf, size_t n)
{
	get_random_bytes(buf, n);
}

static bool op_is_current(void *ctx, const void *holder)
{
	return threads_is_current(holder);
}

static bool op_is_keyed(void *ctx)
{
	return guard_key_is_loaded();
}

static int op_hmac(void *ctx, const void *bytes, size_t n, u8 ret[32])
{
	return guard_key_hmac(bytes, n, ret);
}

static int op_passphrase(void *ctx, const char *text, size_t n)
{
	return guard_key_passphrase(text, n);
}

static u64 op_token(void *ctx)
{
	u64 now = (u64)atomic64_read(&token);

	return now & 1 ? now : 0;
}

static int op_kill(void *ctx, const struct registry_vm *vm, u64 *ret_us)
{
	return actions_kill(vm, ret_us);
}

static int op_freeze(void *ctx, const struct registry_vm *vm, u64 *ret_us)
{
	return actions_freeze(vm, ret_us);
}

static int op_thaw(void *ctx, const struct registry_vm *vm, u64 *ret_us)
{
	return actions_thaw(vm, ret_us);
}

static int op_move(void *ctx, const struct registry_vm *vm, u32 core, const u64 *taken)
{
	return actions_move(vm, core, taken);
}

static bool op_is_stopped(void *ctx, const struct registry_vm *vm)
{
	return actions_is_stopped(vm);
}

static u64 op_cpu_ns(void *ctx, const struct registry_vm *vm)
{
	return actions_cpu_ns(vm);
}

static bool op_is_on_core(void *ctx, const struct registry_vm *vm, u32 core)
{
	return actions_is_on_core(vm, core);
}

static u32 op_cores(void *ctx)
{
	return nr_cpu_ids;
}

static void op_core(void *ctx, u32 core, struct guard_core *ret)
{
	actions_see_core(core, ret);
}

static void op_status(void *ctx, struct text *ret)
{
	status_write(ret);
}

static const struct guard_ops ops = {
	.boot_ns = op_boot_ns,
	.random = op_random,
	.is_current = op_is_current,
	.is_keyed = op_is_keyed,
	.hmac = op_hmac,
	.passphrase = op_passphrase,
	.token = op_token,
	.kill = op_kill,
	.freeze = op_freeze,
	.thaw = op_thaw,
	.move = op_move,
	.is_on_core = op_is_on_core,
	.is_stopped = op_is_stopped,
	.cpu_ns = op_cpu_ns,
	.cores = op_cores,
	.core = op_core,
	.status = op_status,
};

static void put_process(void *process)
{
	put_pid(process);
}

static int guard_init(void)
{
	slots = vcalloc(PINFOLD_GUARD_VMS_MAX, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	registry_init(&main_guard.registry, slots, put_process);
	auth_init(&main_guard.auth[0], 0);
	auth_init(&main_guard.auth[1], 1);
	main_guard.ops = &ops;
	main_guard.open_reads = open_reads;
	main_guard.idle_s = idle_s;
	return 0;
}

static void guard_exit(void)
{
	registry_done(&main_guard.registry);
	vfree(slots);
}

static void log_exit(void)
{
	logdev_drain();
	logmem_exit();
}

/* The parts in the order in which they come. */
static const struct {
	const char *name;
	int (*init)(void);
	void (*exit)(void);
} parts[] = {
	{ "parameters", threads_check, NULL },	   { "key", guard_key_init, guard_key_exit },
	{ "log", logmem_init, log_exit },	   { "registry", guard_init, guard_exit },
	{ "serial line", uart_init, uart_exit },   { "screen", screen_init, screen_exit },
	{ "keyboard", keys_init, keys_exit },	   { "sysrq", sysrq_init, sysrq_exit },
	{ "threads", threads_init, threads_exit }, { "log device", logdev_init, logdev_exit },
	{ "device", device_init, device_exit },
};

static void exit_parts(size_t count)
{
	while (count--) {
		if (parts[count].exit)
			parts[count].exit();
	}
}

static int __init pinfold_guard_init(void)
{
	int r;

	main_instance = get_random_u64();
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		r = parts[i].init();
		if (r) {
			pr_err("%s: error %d\n", parts[i].name, r);
			exit_parts(i);
			return r;
		}
	}
	main_log(PINFOLD_GUARD_LOG_LOAD, ARBITER_NONE, 0,
		 guard_key_is_loaded() ? "with a key" : "without a key: nothing can be authorised");
	pr_info("loaded%s\n",
		guard_key_is_loaded() ? "" : " without a key: nothing can be authorised");
	return 0;
}

static void __exit pinfold_guard_exit(void)
{
	exit_parts(ARRAY_SIZE(parts));
	pr_info("unloaded\n");
}

module_init(pinfold_guard_init);
module_exit(pinfold_guard_exit);
