// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes threads of the guard die and hang, without a change to the guard: probes send them elsewhere at the
 * entry of functions that they call without locks. Written to /sys/module/guard_faults/parameters:
 *
 *	die	PID	a thread of the guard that waits, or talks, ends at once
 *	kill	die	the thread that next executes "kill" ends in it
 *		sleep	... does not return from it
 *		burn	... and burns its core, as a loop that takes too long does
 *		go	those come back, the VM not killed
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

static int victim; /* pid of the thread that shall die; 0: none */
static bool is_burning;
static bool is_held;		/* who hangs stays */
static unsigned long next_kill; /* what the next one runs into; 0: nothing */

static void __noreturn fault_die(void)
{
	kthread_complete_and_exit(NULL, 0);
}

static int fault_hang(void)
{
	while (READ_ONCE(is_held)) {
		if (READ_ONCE(is_burning))
			cond_resched();
		else
			schedule_timeout_idle(HZ / 10);
	}
	return -EIO;
}

static int on_wait(struct kprobe *probe, struct pt_regs *regs)
{
	/* An interrupt on the thread's core may come here, too: then interrupts are off. */
	if (task_pid_nr(current) != READ_ONCE(victim) || !(regs->flags & X86_EFLAGS_IF))
		return 0;
	WRITE_ONCE(victim, 0);
	instruction_pointer_set(regs, (unsigned long)fault_die);
	return 1;
}

static int on_kill(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long to = xchg(&next_kill, 0);

	if (!to)
		return 0;
	instruction_pointer_set(regs, to);
	return 1;
}

/* A probe without this may become a jump, which would not go where the other handler wants. */
static void never_optimised(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

/* What a waiting thread calls each time that it looks for news. */
static struct kprobe wait_probe = {
	.symbol_name = "ktime_get_with_offset",
	.pre_handler = on_wait,
	.post_handler = never_optimised,
};

static struct kprobe kill_probe = {
	.symbol_name = "pinfold_guard:actions_kill",
	.pre_handler = on_kill,
	.post_handler = never_optimised,
};

static int set_die(const char *text, const struct kernel_param *kp)
{
	struct task_struct *task;
	struct pid *pid;
	int number, r = kstrtoint(text, 0, &number);

	if (r)
		return r;
	pid = find_get_pid(number);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return -ESRCH;
	WRITE_ONCE(victim, number);
	wake_up_process(task);
	put_task_struct(task);
	return 0;
}

static int set_kill(const char *text, const struct kernel_param *kp)
{
	if (sysfs_streq(text, "die")) {
		WRITE_ONCE(next_kill, (unsigned long)fault_die);
	} else if (sysfs_streq(text, "sleep") || sysfs_streq(text, "burn")) {
		is_burning = sysfs_streq(text, "burn");
		is_held = true;
		WRITE_ONCE(next_kill, (unsigned long)fault_hang);
	} else if (sysfs_streq(text, "go")) {
		WRITE_ONCE(next_kill, 0);
		WRITE_ONCE(is_held, false);
	} else {
		return -EINVAL;
	}
	return 0;
}

static const struct kernel_param_ops die_ops = { .set = set_die };
static const struct kernel_param_ops kill_ops = { .set = set_kill };
module_param_cb(die, &die_ops, NULL, 0200);
MODULE_PARM_DESC(die, "pid of a thread of the guard that shall end");
module_param_cb(kill, &kill_ops, NULL, 0200);
MODULE_PARM_DESC(kill, "what the next kill runs into: die, sleep, burn; go ends it");

static int __init guard_faults_init(void)
{
	int r = register_kprobe(&wait_probe);

	if (r)
		return r;
	r = register_kprobe(&kill_probe);
	if (r)
		unregister_kprobe(&wait_probe);
	return r;
}

static void __exit guard_faults_exit(void)
{
	unregister_kprobe(&kill_probe);
	unregister_kprobe(&wait_probe);
}

module_init(guard_faults_init);
module_exit(guard_faults_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Faults for the tests of Pinfold's guard");
