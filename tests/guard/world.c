/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include "answer.h"

struct world world;
const unsigned char world_key[32] = "the key of this machine, 32 byte";

static struct registry_slot slots[PINFOLD_GUARD_VMS_MAX];
static struct pinfold_guard_record ring[WORLD_RING];

static u64 fake_boot_ns(void *ctx)
{
	(void)ctx;
	return world.now_ns;
}

static u64 fake_real_ns(void *ctx)
{
	(void)ctx;
	return 1763712000 * WORLD_S + world.now_ns;
}

static void fake_random(void *ctx, void *buf, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		world.random = world.random * 6364136223846793005ull + 1442695040888963407ull;
		((u8 *)buf)[i] = (u8)(world.random >> 56);
	}
}

static bool fake_is_current(void *ctx, const void *holder)
{
	(void)ctx;
	return holder == &world.screens[world.holders[0]] ||
	       holder == &world.screens[world.holders[1]];
}

static bool fake_is_keyed(void *ctx)
{
	(void)ctx;
	return world.is_keyed;
}

static int fake_hmac(void *ctx, const void *bytes, size_t n, u8 ret[32])
{
	(void)ctx;
	if (!world.is_keyed) {
		return -ENOKEY;
	}
	crypto_auth_hmacsha256(ret, bytes, n, world_key);
	return 0;
}

static int fake_passphrase(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	if (!world.has_phrase) {
		return -ENOKEY;
	}
	world.now_ns += 50000000;
	return n == strlen(WORLD_PHRASE) && !memcmp(text, WORLD_PHRASE, n) ? 0 : -EKEYREJECTED;
}

static u64 fake_token(void *ctx)
{
	(void)ctx;
	return world.token;
}

/* What every op that acts does first. @return the process, if it still is that one */
static struct process *act_on(const struct registry_vm *vm, u64 *ret_us)
{
	struct process *p = vm->process;
	void (*in_op)(void *) = world.in_op;

	world.deeds++;
	if (world.on_deed) {
		world.on_deed(vm);
	}
	world.now_ns += 1200000;
	*ret_us = 1200;
	world.in_op = NULL;
	if (in_op) {
		in_op(world.in_op_ctx);
	}
	if (!p->is_alive || p->pid != vm->pid || p->start_ticks != vm->start_ticks) {
		return NULL;
	}
	return p;
}

static int fake_kill(void *ctx, const struct registry_vm *vm, u64 *ret_us)
{
	struct process *p = act_on(vm, ret_us);

	(void)ctx;
	if (!p) {
		return -ESRCH;
	}
	if (world.fails_with) {
		return world.fails_with;
	}
	if (p->is_stubborn) {
		*ret_us = 100000;
		return -EINPROGRESS;
	}
	world.kills++;
	p->is_alive = false;
	return 0;
}

static int freeze_or_thaw(const struct registry_vm *vm, bool is_frozen, u32 *count, u64 *ret_us)
{
	struct process *p = act_on(vm, ret_us);

	if (!p) {
		return -ESRCH;
	}
	if (world.fails_with) {
		return world.fails_with;
	}
	p->is_frozen = is_frozen;
	(*count)++;
	return 0;
}

static int fake_freeze(void *ctx, const struct registry_vm *vm, u64 *ret_us)
{
	(void)ctx;
	return freeze_or_thaw(vm, true, &world.freezes, ret_us);
}

static int fake_thaw(void *ctx, const struct registry_vm *vm, u64 *ret_us)
{
	(void)ctx;
	return freeze_or_thaw(vm, false, &world.thaws, ret_us);
}

/* The first core that the VM may be moved to; 0 is the control core. */
static u32 core_for_moved(u32 core, const u64 *taken)
{
	static const u32 order[] = { 2, 3, 4, 1 };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (order[i] != core && !registry_has_core(taken, order[i])) {
			return order[i];
		}
	}
	return core == order[0] ? order[1] : order[0];
}

static int fake_move(void *ctx, const struct registry_vm *vm, u32 core, const u64 *taken)
{
	u64 us;
	struct process *p = act_on(vm, &us);

	(void)ctx;
	if (!p) {
		return -ESRCH;
	}
	if (p->is_immovable) {
		return -EBUSY;
	}
	p->core = core_for_moved(core, taken);
	world.moves++;
	return 0;
}

static bool fake_is_on_core(void *ctx, const struct registry_vm *vm, u32 core)
{
	const struct process *p = vm->process;
	void (*in_look)(void) = world.in_look;

	(void)ctx;
	world.in_look = NULL;
	if (in_look) {
		in_look();
	}
	return p->is_alive && p->core == core;
}

static bool fake_is_stopped(void *ctx, const struct registry_vm *vm)
{
	const struct process *p = vm->process;

	(void)ctx;
	return p->is_alive && p->is_frozen;
}

static u64 fake_cpu_ns(void *ctx, const struct registry_vm *vm)
{
	const struct process *p = vm->process;

	(void)ctx;
	return p->is_alive ? p->cpu_ns : 0;
}

static u32 fake_cores(void *ctx)
{
	(void)ctx;
	return WORLD_CORES;
}

static void fake_core(void *ctx, u32 core, struct guard_core *ret)
{
	(void)ctx;
	*ret = (struct guard_core){ .core = core, .is_online = core != 5 };
	if (core == 0) {
		*ret = (struct guard_core){
			.is_online = true, .pid = 2, .task = "kworker/0:1", .policy = 'k'
		};
	}
	if (core == 4) {
		*ret = (struct guard_core){ .core = 4,
					    .is_online = true,
					    .pid = 666,
					    .task = "hog",
					    .policy = 'f',
					    .priority = 99 };
	}
	for (size_t i = 0; i < WORLD_PROCESSES; i++) {
		const struct process *p = &world.processes[i];

		if (p->is_alive && p->core == core) {
			*ret = (struct guard_core){ .core = core,
						    .is_online = true,
						    .pid = p->pid,
						    .task = "pinfold-vm",
						    .policy = 'f',
						    .priority = 50 };
		}
	}
}

static void fake_status(void *ctx, struct text *ret)
{
	(void)ctx;
	text_add(ret, "threads: terminal A awake on the console, B asleep; 6 spare\n");
}

static const struct guard_ops ops = {
	.boot_ns = fake_boot_ns,
	.random = fake_random,
	.is_current = fake_is_current,
	.is_keyed = fake_is_keyed,
	.hmac = fake_hmac,
	.passphrase = fake_passphrase,
	.token = fake_token,
	.kill = fake_kill,
	.freeze = fake_freeze,
	.thaw = fake_thaw,
	.move = fake_move,
	.is_on_core = fake_is_on_core,
	.is_stopped = fake_is_stopped,
	.cpu_ns = fake_cpu_ns,
	.cores = fake_cores,
	.core = fake_core,
	.status = fake_status,
};

static void store(void *ctx, u32 index, const struct pinfold_guard_record *r)
{
	(void)ctx;
	ring[index] = *r;
	if (world.on_record) {
		world.on_record(r);
	}
}

static void load(void *ctx, u32 index, struct pinfold_guard_record *ret)
{
	(void)ctx;
	*ret = ring[index];
}

static void sha256(const void *bytes, size_t n, u8 ret[32])
{
	crypto_hash_sha256(ret, bytes, n);
}

static const struct chain_ops chain_ops = { store, load, sha256, fake_boot_ns, fake_real_ns };

static void put(void *process)
{
	((struct process *)process)->is_held = false;
}

void world_begin(void)
{
	memset(&world, 0, sizeof(world));
	memset(slots, 0, sizeof(slots));
	world.now_ns = 100 * WORLD_S;
	world.random = 1;
	world.is_keyed = true;
	world.has_phrase = true;
	registry_init(&world.guard.registry, slots, put);
	chain_init(&world.guard.chain, WORLD_RING, 1, &chain_ops, NULL);
	auth_init(&world.guard.auth[0], 0);
	auth_init(&world.guard.auth[1], 1);
	world.guard.ops = &ops;
	world.guard.idle_s = 300;
	world.holders[1] = 1;
}

struct process *world_add(u64 id, const char *name, u32 uid, u32 core, bool is_exclusive)
{
	struct pinfold_guard_vm said = {
		.revision = PINFOLD_GUARD_REVISION,
		.flags = is_exclusive ? PINFOLD_GUARD_EXCLUSIVE : 0,
		.id = id,
		.owner_uid = uid,
	};
	struct process *p = world.processes;

	while (p < &world.processes[WORLD_PROCESSES] && (p->is_alive || p->is_held)) {
		p++;
	}
	if (p == &world.processes[WORLD_PROCESSES]) {
		return NULL;
	}
	*p = (struct process){
		.vm_id = id,
		.pid = 800 + (s32)(p - world.processes),
		.start_ticks = p->start_ticks + 1000 + id,
		.core = core,
		.is_alive = true,
		.is_held = true,
	};
	said.pid = p->pid;
	said.start_ticks = p->start_ticks;
	said.cores[0] = 1ull << core;
	strncpy(said.name, name, sizeof(said.name) - 1);
	if (registry_add(&world.guard.registry, &said, p)) {
		p->is_alive = p->is_held = false;
		return NULL;
	}
	return p;
}

/* Collects what a call showed. */
static void collect(struct screen *screen, const struct text *out)
{
	size_t space = sizeof(screen->text) - screen->used - 1;
	size_t n = out->used < space ? out->used : space;

	BUG_ON(text_is_cut(out));
	memcpy(screen->text + screen->used, out->buf, n);
	screen->used += n;
	screen->text[screen->used] = '\0';
}

void world_wake(u8 screen, char channel, const char *source)
{
	struct screen *sc = &world.screens[screen];
	struct guard_actor who = { &world.guard, screen & 1, channel, sc };
	char buf[SESSION_OUT_BYTES];
	struct text out;

	text_init(&out, buf, sizeof(buf));
	world.holders[screen & 1] = screen;
	session_begin(&sc->session, &who, source, &out);
	sc->is_on = true;
	collect(sc, &out);
}

static void went_on(struct screen *screen, bool goes_on, const struct text *out)
{
	collect(screen, out);
	if (!goes_on) {
		session_end(&screen->session, NULL);
		screen->is_on = false;
	}
}

void world_byte(u8 screen, u8 byte)
{
	struct screen *sc = &world.screens[screen];
	char buf[SESSION_OUT_BYTES];
	struct text out;

	text_init(&out, buf, sizeof(buf));
	went_on(sc, session_byte(&sc->session, byte, &out), &out);
}

void world_tick(u8 screen)
{
	struct screen *sc = &world.screens[screen];
	char buf[SESSION_OUT_BYTES];
	struct text out;

	text_init(&out, buf, sizeof(buf));
	went_on(sc, session_tick(&sc->session, &out), &out);
}

void world_type(u8 screen, const char *bytes)
{
	struct screen *sc = &world.screens[screen];

	for (; *bytes && sc->is_on; bytes++) {
		world_byte(screen, (u8)*bytes);
		while (sc->is_on && session_deadline_ns(&sc->session) == 0) {
			world_tick(screen);
		}
	}
}

bool world_right_answer(u8 screen, char ret[15])
{
	static const char label[] = "\nchallenge: ";
	const char *at = world.screens[screen].text, *last = NULL;

	while ((at = strstr(at, label))) {
		at += sizeof(label) - 1;
		last = at;
	}
	if (last) {
		answer_compute(last, world_key, ret);
	}
	return last != NULL;
}

void world_answer(u8 screen, u8 asked)
{
	char answer[15] = "none";

	(void)world_right_answer(asked, answer);
	world_type(screen, answer);
	world_type(screen, "\r");
}

void world_clear(u8 screen)
{
	world.screens[screen].used = 0;
	world.screens[screen].text[0] = '\0';
}

bool world_record(u64 seq, struct pinfold_guard_record *ret)
{
	return chain_read(&world.guard.chain, seq, ret) == 0 && le64_to_cpu(ret->seq) == seq;
}
