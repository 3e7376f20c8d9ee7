/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio over MMIO, version 2. (Virtio 1.2, section 4.2)
 *
 * Registers take aligned 32-bit accesses; others read as zero and write nothing, so that a guest
 * that breaks this rule harms only its own device. The configuration space takes any width.
 */
#include "dev/virtio/virtio_mmio.h"

#include <errno.h>
#include <stdlib.h>

#include "dev/virtio/bytes.h"
#include "dev/virtio/virtio.h"

#define MAGIC	0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR	0x44464e50u /* "PNFD" */

enum {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE_ID = 0x008,
	REG_VENDOR_ID = 0x00c,
	REG_DEVICE_FEATURES = 0x010,
	REG_DEVICE_FEATURES_SEL = 0x014,
	REG_DRIVER_FEATURES = 0x020,
	REG_DRIVER_FEATURES_SEL = 0x024,
	REG_QUEUE_SEL = 0x030,
	REG_QUEUE_NUM_MAX = 0x034,
	REG_QUEUE_NUM = 0x038,
	REG_QUEUE_READY = 0x044,
	REG_QUEUE_NOTIFY = 0x050,
	REG_INTERRUPT_STATUS = 0x060,
	REG_INTERRUPT_ACK = 0x064,
	REG_STATUS = 0x070,
	REG_QUEUE_DESC_LOW = 0x080,
	REG_QUEUE_DESC_HIGH = 0x084,
	REG_QUEUE_DRIVER_LOW = 0x090,
	REG_QUEUE_DRIVER_HIGH = 0x094,
	REG_QUEUE_DEVICE_LOW = 0x0a0,
	REG_QUEUE_DEVICE_HIGH = 0x0a4,
	REG_SHM_FIRST = 0x0b0, /* length and base of regions, of which there are none */
	REG_SHM_LAST = 0x0bc,
	REG_CONFIG_GENERATION = 0x0fc,
	REG_CONFIG = 0x100,
};

#define INTERRUPT_QUEUE	 1u
#define INTERRUPT_CONFIG 2u

struct virtio_mmio {
	struct virtio *v; /* NULL: empty slot */
	struct irq_line irq;
	uint32_t device_features_sel;
	uint32_t driver_features_sel;
	uint32_t queue_sel;
	uint8_t interrupt_status;
};

#define STATE_VERSION 1
#define STATE_BYTES   (1 + 4 + 3 * 4 + 1 + VIRTIO_STATE_BYTES)

static void line_drive(const struct virtio_mmio *t)
{
	irq_line_set(&t->irq, t->interrupt_status != 0);
}

static void interrupt(void *opaque, enum virtio_cause cause, unsigned int queue)
{
	struct virtio_mmio *t = opaque;

	(void)queue; /* all queues share one line */
	t->interrupt_status |= cause == VIRTIO_CAUSE_QUEUE ? INTERRUPT_QUEUE : INTERRUPT_CONFIG;
	line_drive(t);
}

static const struct virtqueue *selected(const struct virtio_mmio *t)
{
	return t->queue_sel < t->v->ops->n_queues ? &t->v->queues[t->queue_sel] : NULL;
}

static uint32_t reg_read(const struct virtio_mmio *t, uint64_t reg)
{
	const struct virtio *v = t->v;
	const struct virtqueue *q = selected(t);

	switch (reg) {
	case REG_DEVICE_FEATURES:
		return t->device_features_sel > 1
			       ? 0
			       : (uint32_t)(v->offered >> (32 * t->device_features_sel));
	case REG_QUEUE_NUM_MAX:
		return q ? v->ops->queue_size : 0;
	case REG_QUEUE_READY:
		return q && q->is_ready;
	case REG_INTERRUPT_STATUS:
		return t->interrupt_status;
	case REG_STATUS:
		return v->status;
	case REG_CONFIG_GENERATION:
		return v->generation;
	default:
		return reg >= REG_SHM_FIRST && reg <= REG_SHM_LAST ? 0xffffffffu : 0;
	}
}

/* What an empty slot has too. */
static uint32_t id_read(const struct virtio_mmio *t, uint64_t reg)
{
	switch (reg) {
	case REG_MAGIC:
		return MAGIC;
	case REG_VERSION:
		return VERSION;
	case REG_DEVICE_ID:
		return t->v ? t->v->ops->id : 0;
	case REG_VENDOR_ID:
		return VENDOR;
	default:
		return t->v ? reg_read(t, reg) : 0;
	}
}

static void half_set(gpa_t *gpa, uint64_t reg, uint32_t v)
{
	unsigned int shift = reg & 4 ? 32 : 0;

	*gpa = (*gpa & ~(0xffffffffULL << shift)) | (gpa_t)v << shift;
}

static void queue_write(struct virtio_mmio *t, uint64_t reg, uint32_t v)
{
	struct virtqueue *q = virtio_queue_open(t->v, t->queue_sel);

	if (!q) {
		return;
	}
	switch (reg) {
	case REG_QUEUE_NUM:
		q->size = v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
		break;
	case REG_QUEUE_DESC_LOW:
	case REG_QUEUE_DESC_HIGH:
		half_set(&q->desc_gpa, reg, v);
		break;
	case REG_QUEUE_DRIVER_LOW:
	case REG_QUEUE_DRIVER_HIGH:
		half_set(&q->avail_gpa, reg, v);
		break;
	case REG_QUEUE_DEVICE_LOW:
	case REG_QUEUE_DEVICE_HIGH:
		half_set(&q->used_gpa, reg, v);
		break;
	default:
		break;
	}
}

static void status_write(struct virtio_mmio *t, uint32_t v)
{
	if (v & 0xff) {
		virtio_status_write(t->v, (uint8_t)v);
	} else if (!v) {
		virtio_status_write(t->v, 0);
		t->device_features_sel = 0;
		t->driver_features_sel = 0;
		t->queue_sel = 0;
		t->interrupt_status = 0;
		line_drive(t);
	}
}

static void reg_write(struct virtio_mmio *t, uint64_t reg, uint32_t v)
{
	switch (reg) {
	case REG_DEVICE_FEATURES_SEL:
		t->device_features_sel = v;
		break;
	case REG_DRIVER_FEATURES:
		virtio_features_write(t->v, t->driver_features_sel, v);
		break;
	case REG_DRIVER_FEATURES_SEL:
		t->driver_features_sel = v;
		break;
	case REG_QUEUE_SEL:
		t->queue_sel = v;
		break;
	case REG_QUEUE_READY:
		virtio_queue_ready_write(t->v, t->queue_sel, v & 1);
		break;
	case REG_QUEUE_NOTIFY:
		virtio_notify(t->v, v);
		break;
	case REG_INTERRUPT_ACK:
		t->interrupt_status &= (uint8_t)~v;
		line_drive(t);
		break;
	case REG_STATUS:
		status_write(t, v);
		break;
	default:
		queue_write(t, reg, v);
		break;
	}
}

static void config_write(const struct virtio_mmio *t, uint64_t at, const struct dev_access *a)
{
	for (unsigned int i = 0; t->v && t->v->ops->config_write && i < a->bytes; i++) {
		t->v->ops->config_write(t->v, at + i, (uint8_t)(a->value >> (8 * i)));
	}
}

static void config_access(const struct virtio_mmio *t, struct dev_access *a)
{
	uint8_t config[VIRTIO_CONFIG_MAX + 8] = { 0 };
	uint64_t at = a->offset - REG_CONFIG;

	if (a->is_write) {
		config_write(t, at, a);
		return;
	}
	a->value = 0;
	if (t->v && t->v->ops->config && at < VIRTIO_CONFIG_MAX) {
		t->v->ops->config(t->v, config);
		a->value = load_le(config + at, a->bytes);
	}
}

static enum dev_result virtio_mmio_access(void *dev, struct dev_access *a)
{
	struct virtio_mmio *t = dev;

	if (a->offset >= VIRTIO_MMIO_RANGE_BYTES) {
		return DEV_UNMAPPED;
	}
	if (a->offset >= REG_CONFIG) {
		config_access(t, a);
		return DEV_OK;
	}
	if (a->bytes != 4 || a->offset % 4) {
		a->value = a->is_write ? a->value : 0;
		return DEV_OK;
	}
	if (!a->is_write) {
		a->value = id_read(t, a->offset);
	} else if (t->v) {
		reg_write(t, a->offset, (uint32_t)a->value);
	}
	return DEV_OK;
}

static void virtio_mmio_destroy(void *dev)
{
	struct virtio_mmio *t = dev;

	if (t && t->v) {
		t->v->ops->destroy(t->v);
	}
	free(t);
}

static void virtio_mmio_save(const void *dev, uint8_t *to)
{
	const struct virtio_mmio *t = dev;

	memset(to, 0, STATE_BYTES);
	bytes_put(&to, STATE_VERSION, 1);
	if (!t->v) {
		return;
	}
	bytes_put(&to, t->v->ops->id, 4);
	bytes_put(&to, t->device_features_sel, 4);
	bytes_put(&to, t->driver_features_sel, 4);
	bytes_put(&to, t->queue_sel, 4);
	bytes_put(&to, t->interrupt_status, 1);
	virtio_save(t->v, &to);
}

static int virtio_mmio_load(void *dev, const uint8_t *from, struct errmsg *e)
{
	struct virtio_mmio *t = dev;
	struct virtio_mmio next = *t;
	const uint8_t *p = from + 1;
	bool is_right = from[0] == STATE_VERSION;

	if (!t->v) {
		is_right = is_right && bytes_are_zero(p, STATE_BYTES - 1);
	} else {
		is_right = is_right && bytes_take(&p, 4) == t->v->ops->id;
		next.device_features_sel = (uint32_t)bytes_take(&p, 4);
		next.driver_features_sel = (uint32_t)bytes_take(&p, 4);
		next.queue_sel = (uint32_t)bytes_take(&p, 4);
		next.interrupt_status = (uint8_t)bytes_take(&p, 1);
		is_right = is_right &&
			   !(next.interrupt_status & ~(INTERRUPT_QUEUE | INTERRUPT_CONFIG)) &&
			   virtio_load(t->v, &p);
	}
	if (!is_right) {
		return errmsg_set(e, -EINVAL, "the saved state of a virtio device is damaged");
	}
	*t = next;
	line_drive(t);
	return 0;
}

const struct dev_ops virtio_mmio_ops = {
	.name = "virtio-mmio",
	.access = virtio_mmio_access,
	.destroy = virtio_mmio_destroy,
	.state_bytes = STATE_BYTES,
	.save = virtio_mmio_save,
	.load = virtio_mmio_load,
};

struct virtio_mmio *virtio_mmio_new(struct virtio *v, const struct irq_line *irq)
{
	struct virtio_mmio *t = calloc(1, sizeof(*t));

	if (!t) {
		if (v) {
			v->ops->destroy(v);
		}
		return NULL;
	}
	t->v = v;
	t->irq = *irq;
	if (v) {
		v->transport = (struct virtio_transport){ t, interrupt };
	}
	return t;
}
