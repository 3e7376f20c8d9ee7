// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/pinfold-guard: what user space may say and ask is in uapi/pinfold_guard.h.
 *
 * Also here: while VMs are registered the module can't be unloaded. One reference to the module stands for all of
 * them; root lets go of it by writing 1 to the parameter "unload", which is logged. Whoever has the device open
 * sees that by poll(), and is asked to close it.
 *
 * Contexts: file operations and the parameter in that of a user-space process, under registry_lock where they change
 * something, and never touch its memory under that lock: a process may let each access to it wait for ever
 * (userfaultfd, FUSE), and so keep everybody from the device. device_changed() and device_tidy() in terminal
 * threads, which never wait for that lock: its holder may be an ordinary task that starves.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "main.h"
#include "process.h"
#include "threads.h"

#define PURGE_SLOTS 256 /* looked at with interrupts off */

/* An open file. */
struct opener {
	bool has_state; /* PINFOLD_GUARD_STATE was called, and said: */
	u64 generation;
};

static DEFINE_MUTEX(registry_lock);
static DECLARE_WAIT_QUEUE_HEAD(changes);
static struct opener *registrar;
static bool is_up, is_let_go, is_pinned;

/* registry_lock is held, and something else holds the module or keeps it from going. */
static void pin(void)
{
	u32 vms;
	bool wanted;

	registry_numbers(&main_guard.registry, NULL, &vms, NULL);
	wanted = vms && !is_let_go;
	if (wanted && !is_pinned)
		__module_get(THIS_MODULE);
	if (!wanted && is_pinned)
		module_put(THIS_MODULE);
	is_pinned = wanted;
}

static bool is_gone(const struct registry_vm *vm)
{
	return process_is_over(vm->process);
}

/* What was killed at a terminal stays until the daemon knows. */
static bool is_gone_by_itself(const struct registry_vm *vm)
{
	return !(vm->flags & PINFOLD_GUARD_KILLED) && is_gone(vm);
}

static void purge(bool (*is_over)(const struct registry_vm *vm))
{
	u32 cursor = 0;

	for (u32 i = 0; i < PINFOLD_GUARD_VMS_MAX / PURGE_SLOTS; i++)
		registry_purge(&main_guard.registry, &cursor, PURGE_SLOTS, is_over);
	pin();
}

void device_changed(void)
{
	wake_up_interruptible(&changes);
}

void device_tidy(void)
{
	if (!mutex_trylock(&registry_lock))
		return;
	purge(is_gone_by_itself);
	mutex_unlock(&registry_lock);
}

static void log_vm(enum pinfold_guard_kind kind, int result, const char *what,
		   const struct pinfold_guard_vm *vm)
{
	char buf[PINFOLD_GUARD_TEXT_BYTES + 1];
	struct text text;

	text_init(&text, buf, sizeof(buf));
	text_add(&text, what);
	text_add_u64(&text, vm->id);
	text_add(&text, " \"");
	text_add_n(&text, vm->name, sizeof(vm->name));
	text_add(&text, "\" of user ");
	text_add_u64(&text, vm->owner_uid);
	text_add(&text, ", process ");
	text_add_u64(&text, (u64)vm->pid);
	main_log(kind, ARBITER_NONE, result, buf);
}

static void kill_banned(const struct pinfold_guard_vm *said, struct pid *process)
{
	struct registry_vm vm = {
		.pid = said->pid,
		.start_ticks = said->start_ticks,
		.process = process,
	};
	u64 took_us;
	int r;

	r = actions_kill(&vm, &took_us);
	log_vm(PINFOLD_GUARD_LOG_ENFORCED, r, "killed: owner is banned: VM ", said);
}

static int add_vm(const struct pinfold_guard_vm *said)
{
	struct pid *process = process_find(said->pid, said->start_ticks);
	int r;

	if (!process)
		return -ESRCH;
	r = registry_add(&main_guard.registry, said, process);
	if (r == -EEXIST || r == -ENOSPC) {
		purge(is_gone);
		r = registry_add(&main_guard.registry, said, process);
	}
	if (r == -EACCES)
		kill_banned(said, process);
	if (r)
		put_pid(process);
	pin();
	return r;
}

/* What a command that changes something was given. */
union said {
	struct pinfold_guard_vm vm;
	struct pinfold_guard_id id;
};

static int take_said(union said *said, unsigned int what, const void __user *arg)
{
	/* The size is a part of the command: that of one of the two, or 0. */
	if (copy_from_user(said, arg, _IOC_SIZE(what)))
		return -EFAULT;
	if (what == PINFOLD_GUARD_REGISTER || what == PINFOLD_GUARD_UPDATE)
		return registry_check(&said->vm);
	if (what == PINFOLD_GUARD_ATTACH)
		return 0;
	if (said->id.revision != PINFOLD_GUARD_REVISION)
		return -EPROTO;
	return said->id.reserved ? -EINVAL : 0;
}

static int remove_vm(u64 id)
{
	int r = registry_remove(&main_guard.registry, id);

	pin();
	return r;
}

static void log_registrar(const char *what)
{
	char buf[64];
	struct text text;

	text_init(&text, buf, sizeof(buf));
	text_add(&text, "process ");
	text_add_u64(&text, (u64)task_tgid_nr(current));
	text_add(&text, what);
	main_log(PINFOLD_GUARD_LOG_REGISTRAR, ARBITER_NONE, 0, buf);
}

static int attach(struct opener *opener)
{
	if (registrar == opener)
		return 0;
	if (registrar)
		return -EBUSY;
	WRITE_ONCE(registrar, opener);
	log_registrar(" registers VMs");
	return 0;
}

bool device_has_registrar(void)
{
	return READ_ONCE(registrar);
}

/* Commands that change something: registry_lock is held. */
static int command_locked(struct opener *opener, unsigned int what, const union said *said)
{
	if (what == PINFOLD_GUARD_ATTACH)
		return attach(opener);
	if (registrar != opener)
		return -EPERM;
	switch (what) {
	case PINFOLD_GUARD_REGISTER:
		return add_vm(&said->vm);
	case PINFOLD_GUARD_UPDATE:
		return registry_update(&main_guard.registry, &said->vm);
	case PINFOLD_GUARD_EXPORTED:
		return chain_exported(&main_guard.chain, said->id.id);
	default:
		return remove_vm(said->id.id);
	}
}

static int command(struct opener *opener, unsigned int what, const void __user *arg)
{
	union said said;
	int r = take_said(&said, what, arg);

	if (r)
		return r;
	if (mutex_lock_interruptible(&registry_lock))
		return -ERESTARTSYS;
	r = command_locked(opener, what, &said);
	mutex_unlock(&registry_lock);
	return r;
}

static int get_state(struct opener *opener, void __user *arg)
{
	struct pinfold_guard_state state = {
		.revision = PINFOLD_GUARD_REVISION,
		.instance = main_instance,
		.sources = main_sources(),
		.keyed = guard_key_is_loaded(),
	};

	device_tidy();
	registry_numbers(&main_guard.registry, &state.generation, &state.vms, &state.bans);
	chain_numbers(&main_guard.chain, &state.log_first, &state.log_last, &state.log_exported,
		      state.log_head);
	threads_state(&state);
	if (copy_to_user(arg, &state, sizeof(state)))
		return -EFAULT;
	WRITE_ONCE(opener->generation, state.generation);
	WRITE_ONCE(opener->has_state, true);
	return 0;
}

static int get_bans(void __user *arg)
{
	struct pinfold_guard_bans bans = { .revision = PINFOLD_GUARD_REVISION };

	registry_bans(&main_guard.registry, &bans);
	return copy_to_user(arg, &bans, sizeof(bans)) ? -EFAULT : 0;
}

static int lookup(void __user *arg)
{
	struct pinfold_guard_vm vm;
	struct registry_vm found;
	int r;

	if (copy_from_user(&vm, arg, sizeof(vm)))
		return -EFAULT;
	if (vm.revision != PINFOLD_GUARD_REVISION)
		return -EPROTO;
	r = registry_find(&main_guard.registry, vm.id, &found);
	if (r)
		return r;
	vm.flags = found.flags;
	vm.start_ticks = found.start_ticks;
	vm.pid = found.pid;
	vm.owner_uid = found.owner_uid;
	memcpy(vm.cores, found.cores, sizeof(vm.cores));
	memcpy(vm.name, found.name, sizeof(vm.name));
	return copy_to_user(arg, &vm, sizeof(vm)) ? -EFAULT : 0;
}

static long device_ioctl(struct file *file, unsigned int what, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (what) {
	case PINFOLD_GUARD_STATE:
		return get_state(file->private_data, user);
	case PINFOLD_GUARD_BANS:
		return get_bans(user);
	case PINFOLD_GUARD_LOOKUP:
		return lookup(user);
	case PINFOLD_GUARD_ATTACH:
	case PINFOLD_GUARD_REGISTER:
	case PINFOLD_GUARD_UPDATE:
	case PINFOLD_GUARD_UNREGISTER:
	case PINFOLD_GUARD_EXPORTED:
		return command(file->private_data, what, user);
	default:
		return -ENOTTY;
	}
}

static __poll_t device_poll(struct file *file, poll_table *table)
{
	const struct opener *opener = file->private_data;
	__poll_t events = 0;
	u64 generation;

	poll_wait(file, &changes, table);
	registry_numbers(&main_guard.registry, &generation, NULL, NULL);
	if (!READ_ONCE(opener->has_state) || READ_ONCE(opener->generation) != generation)
		events |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(is_let_go))
		events |= EPOLLHUP;
	return events;
}

static int device_open(struct inode *inode, struct file *file)
{
	struct opener *opener = kzalloc(sizeof(*opener), GFP_KERNEL_ACCOUNT);

	if (!opener)
		return -ENOMEM;
	file->private_data = opener;
	return stream_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	struct opener *opener = file->private_data;

	mutex_lock(&registry_lock);
	if (registrar == opener) {
		WRITE_ONCE(registrar, NULL);
		log_registrar(" registers no more VMs");
	}
	mutex_unlock(&registry_lock);
	kfree(opener);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = device_poll,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pinfold-guard",
	.fops = &device_fops,
	.mode = 0600,
};

static void log_unload(void)
{
	char buf[64];
	struct text text;
	u32 vms;

	registry_numbers(&main_guard.registry, NULL, &vms, NULL);
	text_init(&text, buf, sizeof(buf));
	text_add(&text, is_let_go ? "may go with " : "may not go with ");
	text_add_u64(&text, vms);
	text_add(&text, " VMs");
	main_log(PINFOLD_GUARD_LOG_UNLOAD, ARBITER_NONE, 0, buf);
	pr_info("the module %s registered, says process %d\n", buf, task_tgid_nr(current));
}

static int set_unload(const char *text, const struct kernel_param *kp)
{
	bool wanted;
	int r = kstrtobool(text, &wanted);

	if (r)
		return r;
	mutex_lock(&registry_lock);
	if (is_up && is_let_go != wanted) {
		WRITE_ONCE(is_let_go, wanted);
		pin();
		log_unload();
		device_changed();
	}
	r = is_up ? 0 : -EAGAIN;
	mutex_unlock(&registry_lock);
	return r;
}

static const struct kernel_param_ops unload_ops = { .set = set_unload };
module_param_cb(unload, &unload_ops, NULL, 0200);
MODULE_PARM_DESC(unload, "written while loaded: 1 lets the module go although VMs are registered");

int device_init(void)
{
	int r = misc_register(&device);

	if (r)
		return r;
	mutex_lock(&registry_lock);
	is_up = true;
	mutex_unlock(&registry_lock);
	return 0;
}

void device_exit(void)
{
	misc_deregister(&device);
	/* The parameter can be written until the module is gone. */
	mutex_lock(&registry_lock);
	is_up = false;
	mutex_unlock(&registry_lock);
}
