/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules on v2: an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE, attached to the group (bpf(2),
 * <linux/bpf.h>).
 *
 * The kernel asks with a device and a set of accesses. Rules are tried from the last to the first; each decides the
 * accesses that it names and leaves the others to the rules before it: denied is any access that a rule denies, allowed
 * is what is left once every access is decided. With libbpf this would be a compiler's work; the program is five
 * instructions a rule.
 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Registers: what the program keeps in them. */
enum {
	RESULT = BPF_REG_0,
	CONTEXT = BPF_REG_1,
	TYPE = BPF_REG_2,
	OPEN_ACCESS = BPF_REG_3, /* not decided yet */
	MAJOR = BPF_REG_4,
	MINOR = BPF_REG_5,
};

/* Where jumps go; they become distances at the end. */
enum { TO_ALLOW = 0x7ffe, TO_DENY = 0x7fff };

static void emit(
	struct strbuf *program, uint8_t code, uint8_t destination, uint8_t source, int16_t offset, int32_t value)
{
	struct bpf_insn instruction = {
		.code = code, .dst_reg = destination & 15, .src_reg = source & 15, .off = offset, .imm = value
	};

	strbuf_append(program, &instruction, sizeof(instruction));
}

static size_t instruction_count(const struct strbuf *program)
{
	return program->length / sizeof(struct bpf_insn);
}

static struct bpf_insn *instruction_at(struct strbuf *program, size_t index)
{
	return (struct bpf_insn *)(void *)program->data + index;
}

static void emit_load(struct strbuf *program, uint8_t reg, size_t offset)
{
	emit(program, BPF_LDX | BPF_MEM | BPF_W, reg, CONTEXT, (int16_t)offset, 0);
}

static void emit_prologue(struct strbuf *program)
{
	/* access_type is the accesses in the high half and the type in the low half. */
	emit_load(program, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(program, BPF_ALU64 | BPF_MOV | BPF_X, OPEN_ACCESS, TYPE, 0, 0);
	emit(program, BPF_ALU64 | BPF_RSH | BPF_K, OPEN_ACCESS, 0, 0, 16);
	emit(program, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	emit_load(program, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(program, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

static int32_t access_bits(unsigned int access)
{
	return (access & OCI_DEVICE_READ ? BPF_DEVCG_ACC_READ : 0) |
	       (access & OCI_DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	       (access & OCI_DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

static void emit_unless(struct strbuf *program, uint8_t reg, int32_t value)
{
	emit(program, BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, value); /* the distance follows */
}

static void emit_rule(struct strbuf *program, const struct oci_device_rule *rule)
{
	size_t start = instruction_count(program), end;

	emit_unless(program, TYPE, rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (rule->major >= 0)
		emit_unless(program, MAJOR, (int32_t)rule->major);
	if (rule->minor >= 0)
		emit_unless(program, MINOR, (int32_t)rule->minor);
	end = instruction_count(program);
	if (rule->allow && rule->access == OCI_DEVICE_ALL) {
		/* Every access is decided; said so that the verifier has no second way to follow. */
		emit(program, BPF_JMP | BPF_JA, 0, 0, TO_ALLOW, 0);
	} else if (rule->allow) {
		emit(program, BPF_ALU64 | BPF_AND | BPF_K, OPEN_ACCESS, 0, 0, ~access_bits(rule->access));
		emit(program, BPF_JMP | BPF_JEQ | BPF_K, OPEN_ACCESS, 0, TO_ALLOW, 0);
	} else {
		emit(program, BPF_JMP | BPF_JSET | BPF_K, OPEN_ACCESS, 0, TO_DENY, access_bits(rule->access));
	}
	for (size_t i = start; i < end; i++)
		instruction_at(program, i)->off = (int16_t)(instruction_count(program) - i - 1);
}

static void emit_answer(struct strbuf *program, bool allow)
{
	emit(program, BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, allow);
	emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void cgroup_device_program(const struct cgroup_device_rules *rules, struct strbuf *program)
{
	bool jumps_to[2] = { false, false };
	size_t end;

	emit_prologue(program);
	for (size_t i = rules->count; i > 0; i--)
		emit_rule(program, &rules->rules[i - 1]);
	/* The default's answer first: what no rule decided falls into it. */
	end = instruction_count(program);
	for (size_t i = 0; i < end; i++) {
		struct bpf_insn *jump = instruction_at(program, i);

		if (jump->off == TO_ALLOW || jump->off == TO_DENY) {
			bool allow = jump->off == TO_ALLOW;

			jumps_to[allow] = true;
			jump->off = (int16_t)(end - i - 1 + (allow == rules->allow ? 0 : 2));
		}
	}
	emit_answer(program, rules->allow);
	/* The verifier refuses what cannot be reached. */
	if (jumps_to[!rules->allow])
		emit_answer(program, !rules->allow);
}

static int bpf(int command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int load_program(const struct strbuf *program)
{
	union bpf_attr attributes = { 0 };

	attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attributes.insns = (uint64_t)(uintptr_t)program->data;
	attributes.insn_cnt = (uint32_t)instruction_count(program);
	attributes.license = (uint64_t)(uintptr_t) "Apache-2.0";
	memcpy(attributes.prog_name, "duet_devices", sizeof("duet_devices"));
	return bpf(BPF_PROG_LOAD, &attributes);
}

/* Before 5.11 programs count against RLIMIT_MEMLOCK, which is small by default; the kernel then says EPERM. */
static int load_with_room(const struct strbuf *program)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit before;
	int fd = load_program(program), saved = errno;

	if (fd >= 0 || saved != EPERM)
		return fd;
	if (getrlimit(RLIMIT_MEMLOCK, &before) < 0 || setrlimit(RLIMIT_MEMLOCK, &all) < 0) {
		errno = saved;
		return -1;
	}
	fd = load_program(program);
	saved = errno;
	(void)setrlimit(RLIMIT_MEMLOCK, &before);
	errno = saved;
	return fd;
}

int cgroup_prepare_devices(
	const struct oci_resources *resources, struct cgroup_prepared_devices *prepared, struct error *err)
{
	cleanup(cgroup_device_rules_free) struct cgroup_device_rules rules = { 0 };
	cleanup_strbuf struct strbuf program = STRBUF_INIT;
	int result = cgroup_device_rules(resources, &rules, err), fd;

	if (result < 0)
		return result;
	cgroup_device_program(&rules, &program);
	fd = load_with_room(&program);
	if (fd < 0)
		return error_set(err, errno, "linux.resources.devices: loading a program");
	prepared->fd = fd;
	prepared->program = program;
	program = (struct strbuf)STRBUF_INIT;
	return 0;
}

static bool is_prepared(const struct cgroup_prepared_devices *prepared, const struct strbuf *program)
{
	return prepared && prepared->fd >= 0 && prepared->program.length == program->length &&
	       memcmp(prepared->program.data, program->data, program->length) == 0;
}

int cgroup_devices_v2(const struct cgroup_entry *entry, const struct cgroup_device_rules *rules,
	const struct cgroup_prepared_devices *prepared, struct error *err)
{
	cleanup_strbuf struct strbuf program = STRBUF_INIT;
	cleanup_fd int directory = -EBADF, loaded = -EBADF;
	union bpf_attr attributes = { 0 };
	bool denies = !rules->allow;

	for (size_t i = 0; i < rules->count; i++)
		denies = denies || !rules->rules[i].allow;
	if (!denies)
		return 0; /* everything is allowed, as without a program */
	cgroup_device_program(rules, &program);
	directory = openat(entry->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return error_set(err, errno, "linux.resources.devices: opening the cgroup %s", entry->directory);
	loaded = is_prepared(prepared, &program) ? fcntl(prepared->fd, F_DUPFD_CLOEXEC, 0) : load_with_room(&program);
	if (loaded < 0)
		return error_set(
			err, errno, "linux.resources.devices: loading the program for the cgroup %s", entry->directory);
	attributes.target_fd = (uint32_t)directory;
	attributes.attach_bpf_fd = (uint32_t)loaded;
	attributes.attach_type = BPF_CGROUP_DEVICE;
	/* Groups above may have programs of their own (systemd's): all must agree. */
	attributes.attach_flags = BPF_F_ALLOW_MULTI;
	if (bpf(BPF_PROG_ATTACH, &attributes) < 0)
		return error_set(err, errno, "linux.resources.devices: attaching the program to the cgroup %s",
			entry->directory);
	return 0;
}
