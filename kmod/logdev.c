// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/pinfold-guard-log: whole records, oldest first, for root's reading and nothing else. What user space can
 * rely on is at the head of uapi/pinfold_guard.h.
 *
 * Contexts: the file operations in that of a user-space process, without locks. logdev_has_news() is called under
 * the chain's lock in any context; it leaves waking readers to an interrupt of its own.
 */
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "main.h"

/* An open file: who reads it in two threads at once gets each record once. */
struct reader {
	struct mutex lock; /* between threads that read at once */
	u64 next;	   /* the record that read() gives next */
};

static DECLARE_WAIT_QUEUE_HEAD(news);

static void wake_readers(struct irq_work *work)
{
	wake_up_interruptible(&news);
}

static DEFINE_IRQ_WORK(news_work, wake_readers);

void logdev_has_news(void)
{
	irq_work_queue(&news_work);
}

static bool has_news(struct reader *reader)
{
	u64 first, last, exported;
	u8 head[32];

	chain_numbers(&main_guard.chain, &first, &last, &exported, head);
	return last >= READ_ONCE(reader->next);
}

static int logdev_open(struct inode *inode, struct file *file)
{
	struct reader *reader;

	if (file->f_mode & FMODE_WRITE)
		return -EPERM;
	reader = kzalloc(sizeof(*reader), GFP_KERNEL_ACCOUNT);
	if (!reader)
		return -ENOMEM;
	mutex_init(&reader->lock);
	reader->next = 1;
	file->private_data = reader;
	return stream_open(inode, file);
}

static int logdev_release(struct inode *inode, struct file *file)
{
	struct reader *reader = file->private_data;

	mutex_destroy(&reader->lock);
	kfree(reader);
	return 0;
}

/* Copy what there is. Returns bytes; -EAGAIN: nothing. */
static ssize_t copy_records(struct reader *reader, char __user *buf, size_t n)
{
	struct pinfold_guard_record r;
	size_t done;

	for (done = 0; n - done >= sizeof(r); done += sizeof(r)) {
		if (chain_read(&main_guard.chain, reader->next, &r))
			break;
		if (copy_to_user(buf + done, &r, sizeof(r)))
			return done ? (ssize_t)done : -EFAULT;
		WRITE_ONCE(reader->next, le64_to_cpu(r.seq) + 1);
		cond_resched();
	}
	return done ? (ssize_t)done : -EAGAIN;
}

static ssize_t logdev_read(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	struct reader *reader = file->private_data;
	ssize_t r;

	if (n < sizeof(struct pinfold_guard_record))
		return -EINVAL;
	chain_flush(&main_guard.chain);
	for (;;) {
		if (mutex_lock_interruptible(&reader->lock))
			return -ERESTARTSYS;
		r = copy_records(reader, buf, n);
		mutex_unlock(&reader->lock);
		if (r != -EAGAIN || file->f_flags & O_NONBLOCK)
			return r;
		if (wait_event_interruptible(news, has_news(reader)))
			return -ERESTARTSYS;
	}
}

static __poll_t logdev_poll(struct file *file, poll_table *table)
{
	struct reader *reader = file->private_data;

	poll_wait(file, &news, table);
	return has_news(reader) ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations logdev_fops = {
	.owner = THIS_MODULE,
	.open = logdev_open,
	.release = logdev_release,
	.read = logdev_read,
	.poll = logdev_poll,
};

static struct miscdevice logdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pinfold-guard-log",
	.fops = &logdev_fops,
	.mode = 0400,
};

int logdev_init(void)
{
	return misc_register(&logdev);
}

void logdev_exit(void)
{
	misc_deregister(&logdev);
}

void logdev_drain(void)
{
	irq_work_sync(&news_work);
}
