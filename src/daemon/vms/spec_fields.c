/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fields of a VmSpec, one reader and one writer each. What a field alone may hold is checked here and nowhere else. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "daemon/vms/spec.h"
#include "daemon/vms/spec_internal.h"
#include "sched/sched.h"

#define MEM_MAX_BYTES (1ULL << 40)
#define ID_DIGITS     16

static const struct {
	uint32_t id;
	const char *names[4];
} archs[] = {
	{ PROTO_ARCH_X86, { "x86", "i386", "i686" } },
	{ PROTO_ARCH_X64, { "x64", "amd64", "x86_64", "x86-64" } },
	{ PROTO_ARCH_ARM, { "arm", "arm32", "armv7" } },
	{ PROTO_ARCH_A64, { "arm64", "aarch64" } },
	{ PROTO_ARCH_RV64, { "riscv64", "riscv", "rv64" } },
};

static int read_flag(const json_t *v, struct vm_spec *s, uint32_t flag, struct errmsg *e)
{
	bool on = false;
	int r = spec_read_bool(v, &on, e);

	if (r == 0) {
		s->config.flags = on ? s->config.flags | flag : s->config.flags & ~flag;
	}
	return r;
}

static json_t *write_u64(uint64_t n)
{
	char text[24];

	if (n <= INT64_MAX) {
		return json_integer((json_int_t)n);
	}
	snprintf(text, sizeof(text), "0x%" PRIx64, n);
	return json_string(text);
}

static json_t *write_flag(const struct vm_spec *s, uint32_t flag)
{
	return s->config.flags & flag ? json_true() : NULL;
}

static json_t *write_text(const char *text)
{
	return text[0] ? json_string(text) : NULL;
}

/* An id is found first, so a name must not look like one. */
static bool is_id(const char *text)
{
	return strlen(text) == ID_DIGITS && strspn(text, "0123456789abcdef") == ID_DIGITS;
}

static int name_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	char name[SPEC_NAME_MAX + 1];
	int r = spec_read_text(v, name, SPEC_NAME_MAX, e);

	if (r < 0) {
		return r;
	}
	for (const char *p = name; *p; p++) {
		if (!isascii(*p) || (!isalnum((unsigned char)*p) && !strchr("._-", *p))) {
			return REFUSE(e, "may have letters, digits, dots, _ and - only");
		}
	}
	if (name[0] == '\0' || name[0] == '.' || name[0] == '-') {
		return REFUSE(e, "must begin with a letter, a digit or _");
	}
	if (is_id(name)) {
		return REFUSE(e, "must not look like the id of a VM (16 hexadecimal digits)");
	}
	memcpy(s->name, name, sizeof(name));
	return 0;
}

static json_t *name_write(const struct vm_spec *s)
{
	return write_text(s->name);
}

static int image_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_hash(v, s->image, e);
}

static json_t *image_write(const struct vm_spec *s)
{
	return write_text(s->image);
}

static int context_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_hash(v, s->context, e);
}

static json_t *context_write(const struct vm_spec *s)
{
	return write_text(s->context);
}

static int image_name_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_text(v, s->config.image_name, sizeof(s->config.image_name) - 1, e);
}

static json_t *image_name_write(const struct vm_spec *s)
{
	return write_text(s->config.image_name);
}

static int arch_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	const char *name = json_string_value(v);

	for (size_t i = 0; name && i < ARRAY_SIZE(archs); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(archs[i].names) && archs[i].names[k]; k++) {
			if (strcmp(name, archs[i].names[k]) == 0) {
				s->config.arch = archs[i].id;
				return 0;
			}
		}
	}
	return REFUSE(e, "must be x86, x64, arm, arm64 or riscv64");
}

static json_t *arch_write(const struct vm_spec *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(archs); i++) {
		if (archs[i].id == s->config.arch) {
			return json_string(archs[i].names[0]);
		}
	}
	return NULL; /* the image says */
}

static int engine_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_word(v, s->config.engine, sizeof(s->config.engine) - 1, e);
}

static json_t *engine_write(const struct vm_spec *s)
{
	return json_string(s->config.engine);
}

static int board_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_word(v, s->config.board, sizeof(s->config.board) - 1, e);
}

static json_t *board_write(const struct vm_spec *s)
{
	return json_string(s->config.board);
}

static int mem_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_u64(v, PAGE_BYTES, MEM_MAX_BYTES, &s->config.limits.mem_bytes, e);
}

static json_t *mem_write(const struct vm_spec *s)
{
	return write_u64(s->config.limits.mem_bytes);
}

static int mode_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	const char *mode = json_string_value(v);

	if (!mode ||
	    (strcmp(mode, "16") != 0 && strcmp(mode, "32") != 0 && strcmp(mode, "64") != 0)) {
		return REFUSE(e, "must be \"16\", \"32\" or \"64\"");
	}
	s->config.flags &= ~(uint32_t)PROTO_CFG_16BIT;
	s->config.flags |= strcmp(mode, "16") == 0 ? PROTO_CFG_16BIT : 0;
	return 0;
}

static json_t *mode_write(const struct vm_spec *s)
{
	return s->config.flags & PROTO_CFG_16BIT ? json_string("16") : NULL;
}

static int endian_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	const char *endian = json_string_value(v);

	if (!endian || (strcmp(endian, "little") != 0 && strcmp(endian, "big") != 0)) {
		return REFUSE(e, "must be \"little\" or \"big\"");
	}
	s->config.flags &= ~(uint32_t)PROTO_CFG_BIG_ENDIAN;
	s->config.flags |= strcmp(endian, "big") == 0 ? PROTO_CFG_BIG_ENDIAN : 0;
	return 0;
}

static json_t *endian_write(const struct vm_spec *s)
{
	return s->config.flags & PROTO_CFG_BIG_ENDIAN ? json_string("big") : NULL;
}

static int thumb_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return read_flag(v, s, PROTO_CFG_THUMB, e);
}

static json_t *thumb_write(const struct vm_spec *s)
{
	return write_flag(s, PROTO_CFG_THUMB);
}

static int load_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	s->config.flags |= PROTO_CFG_HAS_LOAD;
	return spec_read_u64(v, 0, UINT64_MAX, &s->config.load_gpa, e);
}

static json_t *load_write(const struct vm_spec *s)
{
	return s->config.flags & PROTO_CFG_HAS_LOAD ? write_u64(s->config.load_gpa) : NULL;
}

static int entry_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	s->config.flags |= PROTO_CFG_HAS_ENTRY;
	return spec_read_u64(v, 0, UINT64_MAX, &s->config.entry_gva, e);
}

static json_t *entry_write(const struct vm_spec *s)
{
	return s->config.flags & PROTO_CFG_HAS_ENTRY ? write_u64(s->config.entry_gva) : NULL;
}

static int image_ro_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return read_flag(v, s, PROTO_CFG_IMAGE_RO, e);
}

static json_t *image_ro_write(const struct vm_spec *s)
{
	return write_flag(s, PROTO_CFG_IMAGE_RO);
}

static int count_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return read_flag(v, s, PROTO_CFG_COUNT_INSNS, e);
}

static json_t *count_write(const struct vm_spec *s)
{
	return write_flag(s, PROTO_CFG_COUNT_INSNS);
}

static int args_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	int r = spec_read_text(v, s->config.args, PROTO_ARGS_MAX - 1, e);

	if (r == 0) {
		s->config.args_bytes = (uint32_t)strlen(s->config.args);
	}
	return r;
}

static json_t *args_write(const struct vm_spec *s)
{
	return write_text(s->config.args);
}

static int set_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	json_t *object = (json_t *)(uintptr_t)v; /* the iterator takes no const */
	const char *reg;
	json_t *value;
	uint32_t n = 0;

	if (!json_is_object(v) || json_object_size(v) > PROTO_SETS_MAX) {
		return REFUSE(e, "must be an object of at most %d registers", PROTO_SETS_MAX);
	}
	json_object_foreach(object, reg, value)
	{
		struct proto_set *set = &s->config.sets[n++];
		size_t len = strlen(reg);
		int r;

		if (len == 0 || len >= sizeof(set->reg) ||
		    strspn(reg,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") !=
			    len) {
			return REFUSE(e, "names something that is no register");
		}
		memcpy(set->reg, reg, len);
		r = spec_read_u64(value, 0, UINT64_MAX, &set->value, e);
		if (r < 0) {
			errmsg_prefix(e, "%s ", reg);
			return r;
		}
	}
	s->config.n_sets = n;
	return 0;
}

static json_t *set_write(const struct vm_spec *s)
{
	json_t *o = s->config.n_sets ? json_object() : NULL;

	for (uint32_t i = 0; o && i < s->config.n_sets; i++) {
		json_object_set_new(o, s->config.sets[i].reg, write_u64(s->config.sets[i].value));
	}
	return o;
}

static int limits_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	const struct {
		const char *name;
		uint64_t *ret;
	} limits[] = {
		{ "cpu_ns", &s->config.limits.cpu_ns },
		{ "insns", &s->config.limits.insns },
		{ "wall_ns", &s->config.limits.wall_ns },
	};
	size_t known = 0;

	if (!json_is_object(v)) {
		return REFUSE(e, "must be an object");
	}
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const json_t *n = json_object_get(v, limits[i].name);
		int r;

		known += n ? 1 : 0;
		r = n && !json_is_null(n) ? spec_read_u64(n, 0, INT64_MAX, limits[i].ret, e) : 0;
		if (r < 0) {
			errmsg_prefix(e, "%s ", limits[i].name);
			return r;
		}
	}
	return known == json_object_size(v) ? 0
					    : REFUSE(e, "may have cpu_ns, insns and wall_ns only");
}

static json_t *limits_write(const struct vm_spec *s)
{
	const struct proto_limits *l = &s->config.limits;
	json_t *o = l->cpu_ns || l->insns || l->wall_ns ? json_object() : NULL;

	if (o && l->cpu_ns) {
		json_object_set_new(o, "cpu_ns", write_u64(l->cpu_ns));
	}
	if (o && l->insns) {
		json_object_set_new(o, "insns", write_u64(l->insns));
	}
	if (o && l->wall_ns) {
		json_object_set_new(o, "wall_ns", write_u64(l->wall_ns));
	}
	return o;
}

static int slice_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_u64(v, SCHED_SLICE_MIN_NS, SCHED_SLICE_MAX_NS, &s->config.slice_ns, e);
}

static json_t *slice_write(const struct vm_spec *s)
{
	return write_u64(s->config.slice_ns);
}

static int prio_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	uint64_t n = 0;
	int r = spec_read_u64(v, 0, SCHED_LEVELS - 1, &n, e);

	if (r == 0) {
		s->prio = (uint8_t)n;
	}
	return r;
}

static json_t *prio_write(const struct vm_spec *s)
{
	return json_integer(s->prio);
}

static int exclusive_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_bool(v, &s->is_exclusive, e);
}

static json_t *exclusive_write(const struct vm_spec *s)
{
	return json_boolean(s->is_exclusive);
}

static int core_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	uint64_t n = 0;
	int r = spec_read_u64(v, 0, SPEC_CORE_ANY - 1, &n, e);

	if (r == 0) {
		s->host_core = (uint16_t)n;
	}
	return r;
}

static json_t *core_write(const struct vm_spec *s)
{
	return s->host_core == SPEC_CORE_ANY ? NULL : json_integer(s->host_core);
}

static int kvm_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_bool(v, &s->is_kvm_allowed, e);
}

static json_t *kvm_write(const struct vm_spec *s)
{
	return json_boolean(s->is_kvm_allowed);
}

static int kernel_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_hash(v, s->kernel, e);
}

static json_t *kernel_write(const struct vm_spec *s)
{
	return write_text(s->kernel);
}

static int initrd_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	return spec_read_hash(v, s->initrd, e);
}

static json_t *initrd_write(const struct vm_spec *s)
{
	return write_text(s->initrd);
}

static int cpus_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	uint64_t n = 0;
	int r = spec_read_u64(v, 1, PROTO_CPUS_MAX, &n, e);

	if (r == 0) {
		s->config.n_cpus = (uint32_t)n;
	}
	return r;
}

/* A definition of one CPU looks as it did when there were no others. */
static json_t *cpus_write(const struct vm_spec *s)
{
	return s->config.n_cpus > 1 ? json_integer(s->config.n_cpus) : NULL;
}

static int console_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	char kind[8];
	int r = spec_read_text(v, kind, sizeof(kind) - 1, e);

	if (r < 0) {
		return r;
	}
	if (strcmp(kind, "uart") != 0 && strcmp(kind, "virtio") != 0) {
		return REFUSE(e, "must be uart or virtio");
	}
	s->config.flags &= ~(uint32_t)PROTO_CFG_VIRTIO_CONSOLE;
	s->config.flags |= strcmp(kind, "virtio") == 0 ? PROTO_CFG_VIRTIO_CONSOLE : 0;
	return 0;
}

static json_t *console_write(const struct vm_spec *s)
{
	return s->config.flags & PROTO_CFG_VIRTIO_CONSOLE ? json_string("virtio") : NULL;
}

static int reboot_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	bool is_on;
	int r = spec_read_bool(v, &is_on, e);

	if (r == 0) {
		s->config.flags &= ~(uint32_t)PROTO_CFG_NO_REBOOT;
		s->config.flags |= is_on ? 0 : PROTO_CFG_NO_REBOOT;
	}
	return r;
}

static json_t *reboot_write(const struct vm_spec *s)
{
	return s->config.flags & PROTO_CFG_NO_REBOOT ? json_false() : NULL;
}

static int net_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	struct net_options o;
	int r = spec_read_text(v, s->net, NET_OPTIONS_TEXT_MAX, e);

	r = r < 0 || !s->net[0] ? r : net_options_parse(s->net, &o, e);
	if (r < 0) {
		errmsg_prefix(e, "can't be had: ");
	}
	return r;
}

static json_t *net_write(const struct vm_spec *s)
{
	return write_text(s->net);
}

/* For whom a VM is made is part of the request, not of the VM: api/ reads it. */
static int owner_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	(void)s;
	return json_is_string(v) || json_is_integer(v)
		       ? 0
		       : REFUSE(e, "must be the name or number of a user");
}

static json_t *owner_write(const struct vm_spec *s)
{
	(void)s;
	return NULL;
}

const struct spec_field spec_fields[] = {
	{ "name", name_read, name_write },
	{ "image", image_read, image_write },
	{ "context", context_read, context_write },
	{ "kernel", kernel_read, kernel_write },
	{ "initrd", initrd_read, initrd_write },
	{ "cpus", cpus_read, cpus_write },
	{ "disks", spec_disks_read, spec_disks_write },
	{ "net", net_read, net_write },
	{ "console", console_read, console_write },
	{ "reboot", reboot_read, reboot_write },
	{ "image_name", image_name_read, image_name_write },
	{ "arch", arch_read, arch_write },
	{ "engine", engine_read, engine_write },
	{ "board", board_read, board_write },
	{ "mem_bytes", mem_read, mem_write },
	{ "mode", mode_read, mode_write },
	{ "endian", endian_read, endian_write },
	{ "thumb", thumb_read, thumb_write },
	{ "load", load_read, load_write },
	{ "entry", entry_read, entry_write },
	{ "image_read_only", image_ro_read, image_ro_write },
	{ "count_insns", count_read, count_write },
	{ "args", args_read, args_write },
	{ "set", set_read, set_write },
	{ "limits", limits_read, limits_write },
	{ "slice_ns", slice_read, slice_write },
	{ "prio", prio_read, prio_write },
	{ "exclusive", exclusive_read, exclusive_write },
	{ "core", core_read, core_write },
	{ "kvm", kvm_read, kvm_write },
	{ "owner", owner_read, owner_write },
};

const size_t spec_n_fields = ARRAY_SIZE(spec_fields);
