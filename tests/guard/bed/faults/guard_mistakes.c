// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mistakes that the debug kernel has to notice. Written to /sys/module/guard_mistakes/parameters/make: the name of one in the
 * table below. Never for a machine that somebody needs.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

#define BYTES 40

static DEFINE_SPINLOCK(spin);
static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static char global[BYTES];
static int numbers[4];
static int __rcu *shared;
static unsigned int sink;

/* The compiler must not see what is done. */
static void touch(const char *bytes, size_t at)
{
	OPTIMIZER_HIDE_VAR(at);
	OPTIMIZER_HIDE_VAR(bytes);
	WRITE_ONCE(sink, READ_ONCE(bytes[at]));
}

static void make_heap(void)
{
	char *bytes = kmalloc(BYTES, GFP_KERNEL);

	if (bytes)
		touch(bytes, BYTES);
	kfree(bytes);
}

static void make_freed(void)
{
	char *bytes = kmalloc(BYTES, GFP_KERNEL), *still = bytes;

	OPTIMIZER_HIDE_VAR(still);
	kfree(bytes);
	if (still)
		touch(still, 0);
}

static void make_stack(void)
{
	char bytes[BYTES];

	memset(bytes, 0, sizeof(bytes));
	touch(bytes, BYTES);
}

static void make_global(void)
{
	touch(global, BYTES);
}

static void make_pages(void)
{
	char *bytes = vmalloc(BYTES);

	if (bytes)
		touch(bytes, BYTES);
	vfree(bytes);
}

static void make_index(void)
{
	size_t at = ARRAY_SIZE(numbers);

	OPTIMIZER_HIDE_VAR(at);
	WRITE_ONCE(sink, numbers[at]);
}

static void make_shift(void)
{
	unsigned int by = 40;

	OPTIMIZER_HIDE_VAR(by);
	WRITE_ONCE(sink, 1u << by);
}

static void make_list(void)
{
	LIST_HEAD(list);
	struct list_head entry;

	list_add(&entry, &list);
	list_del(&entry);
	list_del(&entry);
}

static void on_time(struct timer_list *unused)
{
}

static void make_timer(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, on_time, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

static void make_sleep(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

static void make_rcu(void)
{
	WRITE_ONCE(sink, rcu_dereference(shared) ? 1 : 0);
}

/* A few: the address of one may still be somewhere. */
static void make_leak(void)
{
	for (int i = 0; i < 10; i++) {
		char *bytes = kmalloc(BYTES, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(bytes);
	}
}

static void make_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static const struct {
	const char *name;
	void (*make)(void);
} mistakes[] = {
	{ "heap", make_heap },	   { "freed", make_freed }, { "stack", make_stack },
	{ "global", make_global }, { "pages", make_pages }, { "index", make_index },
	{ "shift", make_shift },   { "list", make_list },   { "timer", make_timer },
	{ "sleep", make_sleep },   { "rcu", make_rcu },	    { "leak", make_leak },
	{ "order", make_order },
};

static int set_make(const char *text, const struct kernel_param *kp)
{
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (sysfs_streq(text, mistakes[i].name)) {
			mistakes[i].make();
			return 0;
		}
	}
	return -EINVAL;
}

static const struct kernel_param_ops make_ops = { .set = set_make };
module_param_cb(make, &make_ops, NULL, 0200);
MODULE_PARM_DESC(make, "the mistake to make now");

static int __init guard_mistakes_init(void)
{
	return 0;
}

static void __exit guard_mistakes_exit(void)
{
}

module_init(guard_mistakes_init);
module_exit(guard_mistakes_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Mistakes for the tests of Pinfold's guard");
