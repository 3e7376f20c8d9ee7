/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio input device with one key, KEY_POWER. (Virtio 1.2, section 5.8; numbers of events: Linux' input-event-codes.h)
 *
 * The driver selects what it wants to know by two writable bytes, and finds it behind them. A press is four events: down,
 * a report, up, a report. What finds no buffer waits for one; a button that is pressed again meanwhile stays pressed once.
 */
#include "dev/virtio/virtio_input.h"

#include <stdlib.h>

#include "dev/virtio/bytes.h"

#define DEVICE_ID  18u
#define QUEUE_SIZE 64u

enum { QUEUE_EVENTS, QUEUE_STATUS, QUEUE_COUNT };

/* The configuration space. */
enum { CONFIG_SELECT = 0, CONFIG_SUBSEL = 1, CONFIG_SIZE = 2, CONFIG_DATA = 8, DATA_MAX = 128 };

/* What can be selected. */
enum { SELECT_NAME = 1, SELECT_IDS = 3, SELECT_EVENTS = 0x11 };

#define EV_SYN	  0u
#define EV_KEY	  1u
#define KEY_POWER 116u

#define BUS_VIRTUAL   6u
#define EVENT_BYTES   8u
#define EVENTS	      4u /* of a press */
#define STATUS_CHAINS 64u

struct virtio_input {
	struct virtio v;
	uint8_t select, subsel;
	uint8_t left; /* events of a press that are still to be told */
};

static struct virtio_input *to_input(struct virtio *v)
{
	return (struct virtio_input *)v;
}

static void input_config(const struct virtio *v, uint8_t *to)
{
	const struct virtio_input *b = (const struct virtio_input *)v;
	static const char name[] = "Power Button";

	to[CONFIG_SELECT] = b->select;
	to[CONFIG_SUBSEL] = b->subsel;
	if (b->select == SELECT_NAME && b->subsel == 0) {
		to[CONFIG_SIZE] = sizeof(name) - 1;
		memcpy(to + CONFIG_DATA, name, sizeof(name) - 1);
	} else if (b->select == SELECT_IDS && b->subsel == 0) {
		to[CONFIG_SIZE] = 8; /* bus, vendor, product, version */
		store_le(to + CONFIG_DATA, BUS_VIRTUAL, 2);
	} else if (b->select == SELECT_EVENTS && b->subsel == EV_KEY) {
		to[CONFIG_SIZE] = KEY_POWER / 8 + 1;
		to[CONFIG_DATA + KEY_POWER / 8] = (uint8_t)BIT(KEY_POWER % 8);
	}
}

static void input_config_write(struct virtio *v, uint64_t at, uint8_t byte)
{
	if (at == CONFIG_SELECT) {
		to_input(v)->select = byte;
	} else if (at == CONFIG_SUBSEL) {
		to_input(v)->subsel = byte;
	}
}

/* Down, report, up, report. */
static void event_make(unsigned int left, uint8_t event[EVENT_BYTES])
{
	bool is_key = left % 2 == 0;

	memset(event, 0, EVENT_BYTES);
	store_le(event, is_key ? EV_KEY : EV_SYN, 2);
	store_le(event + 2, is_key ? KEY_POWER : 0, 2);
	store_le(event + 4, left == EVENTS, 4);
}

static void events_tell(struct virtio_input *b)
{
	struct virtq_chain c;
	uint8_t event[EVENT_BYTES];

	while (b->left && virtio_chain_peek(&b->v, QUEUE_EVENTS, 0, &c)) {
		if (c.write_bytes < EVENT_BYTES) {
			virtio_break(&b->v, "an input event's buffer is too small");
			return;
		}
		event_make(b->left--, event);
		virtqueue_take(&b->v.queues[QUEUE_EVENTS], 1);
		if (virtio_chain_write(&b->v, &c, 0, event, sizeof(event))) {
			virtio_chain_done(&b->v, QUEUE_EVENTS, c.head, EVENT_BYTES);
		}
	}
	virtio_queue_flush(&b->v, QUEUE_EVENTS);
}

/* There are no lights to be switched. */
static bool status_drop(struct virtio *v)
{
	struct virtq_chain c;
	unsigned int n = 0;

	while (n < STATUS_CHAINS && virtio_chain_peek(v, QUEUE_STATUS, 0, &c)) {
		virtqueue_take(&v->queues[QUEUE_STATUS], 1);
		virtio_chain_done(v, QUEUE_STATUS, c.head, 0);
		n++;
	}
	virtio_queue_flush(v, QUEUE_STATUS);
	return n == STATUS_CHAINS;
}

static bool input_work(struct virtio *v, unsigned int queue)
{
	if (queue == QUEUE_STATUS) {
		return status_drop(v);
	}
	events_tell(to_input(v));
	return false;
}

bool virtio_input_press(struct virtio_input *b)
{
	if (!virtio_is_live(&b->v, QUEUE_EVENTS)) {
		return false;
	}
	b->left = b->left ? b->left : EVENTS;
	events_tell(b);
	return true;
}

static void input_forget(struct virtio *v, unsigned int queue)
{
	if (queue == QUEUE_EVENTS) {
		to_input(v)->left = 0;
	}
}

static void input_destroy(struct virtio *v)
{
	free(v);
}

static void input_save(const struct virtio *v, uint8_t *to)
{
	const struct virtio_input *b = (const struct virtio_input *)v;

	bytes_put(&to, b->select, 1);
	bytes_put(&to, b->subsel, 1);
	bytes_put(&to, b->left, 1);
}

static bool input_load(struct virtio *v, const uint8_t *from, bool is_final)
{
	struct virtio_input *b = to_input(v);

	if (from[2] > EVENTS) {
		return false;
	}
	if (is_final) {
		b->select = from[0];
		b->subsel = from[1];
		b->left = from[2];
	}
	return true;
}

static const struct virtio_ops input_ops = {
	.name = "virtio-input",
	.id = DEVICE_ID,
	.n_queues = QUEUE_COUNT,
	.queue_size = QUEUE_SIZE,
	.config = input_config,
	.config_write = input_config_write,
	.work = input_work,
	.forget = input_forget,
	.destroy = input_destroy,
	.save = input_save,
	.load = input_load,
};

struct virtio_input *virtio_input_new(void)
{
	struct virtio_input *b = calloc(1, sizeof(*b));

	_Static_assert(CONFIG_DATA + DATA_MAX <= VIRTIO_CONFIG_MAX, "configuration space");
	if (b) {
		virtio_init(&b->v, &input_ops, 0);
	}
	return b;
}

struct virtio *virtio_input_virtio(struct virtio_input *b)
{
	return &b->v;
}
