/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions in front of libseccomp's program. For each architecture:
 *
 *     is it this architecture? else to the next one
 *     each rule with conditions on a system call that libseccomp does not know
 *     the tree: every call that a rule without conditions settles; ENOSYS above the profile's highest number
 *
 * What the tree does not settle goes on to libseccomp's program behind.
 */
#include "seccomp/internal.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

#include "seccomp/instructions.h"

enum { X32_BIT = 0x40000000 };

/* libseccomp's numbers for the calls that i386 and its like make through socketcall(2) and ipc(2) (seccomp-syscalls.h).
 */
enum { MULTIPLEXED_FIRST = -299, MULTIPLEXED_LAST = -100 };

static int number_of(uint32_t architecture, const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(architecture, name);

	return number == __NR_SCMP_ERROR ? seccomp_newer_number(architecture, name) : number;
}

bool seccomp_multiplexes(const char *name)
{
	return strcmp(name, "socketcall") == 0 || strcmp(name, "ipc") == 0;
}

bool seccomp_prefix_settles(const struct seccomp_prefix *prefix, const struct oci_seccomp_rule *rule, const char *name)
{
	if (rule->argument_count > 0 || seccomp_multiplexes(name))
		return false;
	for (size_t i = 0; i < prefix->architecture_count; i++) {
		int number = number_of(prefix->architectures[i], name);

		if (number >= MULTIPLEXED_FIRST && number <= MULTIPLEXED_LAST)
			return false;
	}
	return true;
}

static bool names_call(const struct oci_seccomp_rule *rule, const char *wanted)
{
	for (char **name = rule->names; *name; name++) {
		if (strcmp(*name, wanted) == 0)
			return true;
	}
	return false;
}

/* libseccomp lets a rule without conditions settle a call, wherever the others stand: the same here. */
static bool settled_elsewhere(const struct seccomp_prefix *prefix, const char *name)
{
	for (size_t i = 0; i < prefix->profile->rule_count; i++) {
		const struct oci_seccomp_rule *other = &prefix->profile->rules[i];

		if (other->argument_count == 0 && names_call(other, name) &&
			seccomp_action_value(other->action, &other->errno_ret) != prefix->default_value)
			return true;
	}
	return false;
}

static void emit_architecture(
	struct strbuf *out, const struct seccomp_prefix *prefix, uint32_t architecture, struct strbuf *exits)
{
	cleanup(seccomp_ranges_free) struct seccomp_ranges ranges = { .beyond = SECCOMP_GO_ON };
	int highest = -1;

	for (size_t i = 0; i < prefix->profile->rule_count; i++) {
		const struct oci_seccomp_rule *rule = &prefix->profile->rules[i];
		uint32_t action = seccomp_action_value(rule->action, &rule->errno_ret);

		for (char **name = rule->names; *name; name++) {
			int number = number_of(architecture, *name);

			highest = number > highest ? number : highest;
			if (number < 0 || action == prefix->default_value)
				continue;
			if (rule->argument_count == 0)
				seccomp_ranges_add(&ranges, (uint32_t)number, action);
			else if (seccomp_syscall_resolve_name(*name) == __NR_SCMP_ERROR &&
				 !settled_elsewhere(prefix, *name))
				seccomp_emit_conditional_rule(out, rule, (uint32_t)number);
		}
	}
	/* Nothing known of this architecture: there is no age to compare with. */
	if (prefix->answer_newer && highest >= 0) {
		/* The highest itself may be libseccomp's to decide: its place must not count as beyond. */
		seccomp_ranges_add(&ranges, (uint32_t)highest, SECCOMP_GO_ON);
		ranges.beyond = SECCOMP_RET_ERRNO | ENOSYS;
	}
	seccomp_emit_tree(out, &ranges, exits);
}

/* libseccomp's token is the kernel's AUDIT_ARCH_* for all but x32, which the kernel tells apart by a bit of the number.
 */
static uint32_t audit_architecture(uint32_t architecture)
{
	return architecture == SCMP_ARCH_X32 ? (uint32_t)SCMP_ARCH_X86_64 : architecture;
}

static bool has_architecture(const struct seccomp_prefix *prefix, uint32_t architecture)
{
	for (size_t i = 0; i < prefix->architecture_count; i++) {
		if (prefix->architectures[i] == architecture)
			return true;
	}
	return false;
}

/* The body for one AUDIT_ARCH_*. Every way out of it returns or is in *exits. */
static void emit_body(
	struct strbuf *out, const struct seccomp_prefix *prefix, uint32_t architecture, struct strbuf *exits)
{
	size_t to_x32, to_end;

	if (architecture != SCMP_ARCH_X86_64) {
		emit_architecture(out, prefix, architecture, exits);
		return;
	}
	(void)bpf_test(out, BPF_JGE, X32_BIT, 0, 1);
	to_x32 = bpf_jump(out);
	if (has_architecture(prefix, SCMP_ARCH_X86_64))
		emit_architecture(out, prefix, SCMP_ARCH_X86_64, exits);
	bpf_land(out, to_x32);
	if (has_architecture(prefix, SCMP_ARCH_X32)) {
		emit_architecture(out, prefix, SCMP_ARCH_X32, exits);
		return;
	}
	to_end = bpf_jump(out);
	strbuf_append(exits, &to_end, sizeof(to_end));
}

static bool needs_prefix(const struct seccomp_prefix *prefix)
{
	if (prefix->answer_newer)
		return true;
	for (size_t i = 0; i < prefix->profile->rule_count; i++) {
		const struct oci_seccomp_rule *rule = &prefix->profile->rules[i];

		for (char **name = rule->names; *name; name++) {
			if (seccomp_prefix_settles(prefix, rule, *name) || seccomp_newer_known(*name))
				return true;
		}
	}
	return false;
}

void seccomp_prefix_generate(const struct seccomp_prefix *prefix, struct strbuf *out)
{
	cleanup_strbuf struct strbuf exits = STRBUF_INIT;

	if (!needs_prefix(prefix))
		return;
	bpf_load(out, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < prefix->architecture_count; i++) {
		uint32_t audit = audit_architecture(prefix->architectures[i]);
		bool done = false;
		size_t skip;

		for (size_t j = 0; j < i; j++)
			done = done || audit_architecture(prefix->architectures[j]) == audit;
		if (done)
			continue;
		(void)bpf_test(out, BPF_JEQ, audit, 1, 0);
		skip = bpf_jump(out);
		bpf_load(out, offsetof(struct seccomp_data, nr));
		emit_body(out, prefix, audit, &exits);
		bpf_land(out, skip);
	}
	for (size_t i = 0; i < exits.length / sizeof(size_t); i++)
		bpf_land(out, ((const size_t *)(const void *)exits.data)[i]);
}
