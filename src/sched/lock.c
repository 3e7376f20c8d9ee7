/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core lock: see lock.h. Each function is one arrow of the state chart in docs/sched.md. */
#include "sched/lock.h"

#include <errno.h>

#include "base/bug.h"
#include "sched/sched.h"

#define SUCC_SHIFT  SCHED_LOCK_VCPU_BITS
#define EXCL_SHIFT  (2 * SCHED_LOCK_VCPU_BITS)
#define EPOCH_SHIFT (EXCL_SHIFT + 1)

static uint64_t number_of(uint32_t vcpu)
{
	BUG_ON(vcpu != SCHED_NONE && vcpu >= SCHED_LOCK_VCPUS_MAX);
	return vcpu + 1U; /* SCHED_NONE becomes 0 */
}

static uint32_t vcpu_of(uint64_t field)
{
	return (uint32_t)(field & SCHED_LOCK_VCPUS_MAX) - 1U; /* 0 becomes SCHED_NONE */
}

uint64_t sched_lock_pack(const struct sched_lock *l)
{
	return number_of(l->owner) | number_of(l->successor) << SUCC_SHIFT |
	       (l->exclusive ? BIT(EXCL_SHIFT) : 0) |
	       (uint64_t)(l->epoch & SCHED_LOCK_EPOCH_MASK) << EPOCH_SHIFT;
}

struct sched_lock sched_lock_unpack(uint64_t word)
{
	return (struct sched_lock){
		.owner = vcpu_of(word),
		.successor = vcpu_of(word >> SUCC_SHIFT),
		.epoch = (uint32_t)(word >> EPOCH_SHIFT),
		.exclusive = word >> EXCL_SHIFT & 1,
	};
}

int sched_lock_take(uint64_t word, uint32_t vcpu, bool exclusive, uint64_t epoch, uint64_t *ret)
{
	struct sched_lock l = sched_lock_unpack(word);

	if (vcpu >= SCHED_LOCK_VCPUS_MAX) {
		return -ERANGE;
	}
	if (l.owner != SCHED_NONE) {
		return -EBUSY;
	}
	l.owner = vcpu;
	l.exclusive = exclusive;
	l.epoch = (uint32_t)epoch & SCHED_LOCK_EPOCH_MASK;
	*ret = sched_lock_pack(&l);
	return 0;
}

int sched_lock_promise(uint64_t word, uint32_t vcpu, uint64_t *ret)
{
	struct sched_lock l = sched_lock_unpack(word);

	if (vcpu >= SCHED_LOCK_VCPUS_MAX) {
		return -ERANGE;
	}
	if (l.owner == SCHED_NONE || l.owner == vcpu || l.exclusive) {
		return -EINVAL;
	}
	if (l.successor != SCHED_NONE) {
		return -EBUSY;
	}
	l.successor = vcpu;
	*ret = sched_lock_pack(&l);
	return 0;
}

int sched_lock_withdraw(uint64_t word, uint64_t *ret)
{
	struct sched_lock l = sched_lock_unpack(word);

	if (l.successor == SCHED_NONE) {
		return -EINVAL;
	}
	l.successor = SCHED_NONE;
	*ret = sched_lock_pack(&l);
	return 0;
}

int sched_lock_pass(uint64_t word, uint64_t epoch, uint64_t *ret)
{
	struct sched_lock l = sched_lock_unpack(word);

	if (l.owner == SCHED_NONE) {
		return -EINVAL;
	}
	l.owner = l.successor;
	l.successor = SCHED_NONE;
	l.exclusive = false;
	if (l.owner != SCHED_NONE) {
		l.epoch = (uint32_t)epoch & SCHED_LOCK_EPOCH_MASK;
	}
	*ret = sched_lock_pack(&l);
	return 0;
}

int sched_lock_renew(uint64_t word, bool exclusive, uint64_t epoch, uint64_t *ret)
{
	struct sched_lock l = sched_lock_unpack(word);

	if (l.owner == SCHED_NONE || (exclusive && l.successor != SCHED_NONE)) {
		return -EINVAL;
	}
	l.exclusive = exclusive;
	l.epoch = (uint32_t)epoch & SCHED_LOCK_EPOCH_MASK;
	*ret = sched_lock_pack(&l);
	return 0;
}
