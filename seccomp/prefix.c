/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions in front of libseccomp's program. For each architecture:
 *
 *     is it this architecture? else to the next one
 *     each rule on a system call that libseccomp does not know: compare, return its action
 *     is the number above the profile's highest? return ENOSYS
 *     to the filter
 *
 * All jumps over more than one rule are unconditional ones (32 bits), so that no profile is too long for them.
 */
#include "seccomp/internal.h"

#include <endian.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

enum { X32_BIT = 0x40000000 };

/* A jump in a condition goes to one of these; they become distances once the condition's end is known. */
enum { NEXT = 0, TO_PASS = 254, TO_FAIL = 255 };

#if __BYTE_ORDER == __LITTLE_ENDIAN
enum { LOW_WORD = 0, HIGH_WORD = 4 };
#else
enum { LOW_WORD = 4, HIGH_WORD = 0 };
#endif

static size_t instruction_count(const struct strbuf *out)
{
	return out->length / sizeof(struct sock_filter);
}

static struct sock_filter *instruction_at(struct strbuf *out, size_t index)
{
	return (struct sock_filter *)(void *)out->data + index;
}

/* Returns the place of the new instruction. */
static size_t emit(struct strbuf *out, uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false)
{
	struct sock_filter instruction = { .code = code, .jt = if_true, .jf = if_false, .k = value };

	strbuf_append(out, &instruction, sizeof(instruction));
	return instruction_count(out) - 1;
}

static void emit_load(struct strbuf *out, size_t offset)
{
	(void)emit(out, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_return(struct strbuf *out, uint32_t value)
{
	(void)emit(out, BPF_RET | BPF_K, value, 0, 0);
}

/* Makes the BPF_JA at `place` go to what comes next. */
static void land_here(struct strbuf *out, size_t place)
{
	instruction_at(out, place)->k = (uint32_t)(instruction_count(out) - place - 1);
}

static void emit_test(struct strbuf *out, uint16_t comparison, uint32_t value, uint8_t if_true, uint8_t if_false)
{
	(void)emit(out, BPF_JMP | comparison | BPF_K, value, if_true, if_false);
}

static void emit_masked_equal(struct strbuf *out, size_t offset, uint64_t mask, uint64_t value)
{
	emit_load(out, offset + HIGH_WORD);
	(void)emit(out, BPF_ALU | BPF_AND | BPF_K, (uint32_t)(mask >> 32), 0, 0);
	emit_test(out, BPF_JEQ, (uint32_t)(value >> 32), NEXT, TO_FAIL);
	emit_load(out, offset + LOW_WORD);
	(void)emit(out, BPF_ALU | BPF_AND | BPF_K, (uint32_t)mask, 0, 0);
	emit_test(out, BPF_JEQ, (uint32_t)value, TO_PASS, TO_FAIL);
}

/* One comparison of a 64-bit argument in two words; goes on behind itself when it holds, else to TO_FAIL. */
static void emit_condition(struct strbuf *out, const struct oci_seccomp_argument *argument)
{
	size_t offset = offsetof(struct seccomp_data, args) + 8 * (size_t)argument->index, start = instruction_count(out);
	uint32_t high = (uint32_t)(argument->value >> 32), low = (uint32_t)argument->value;
	bool inverted = argument->operator == OCI_SECCOMP_LT || argument->operator == OCI_SECCOMP_LE;
	uint8_t yes = inverted ? TO_FAIL : TO_PASS, no = inverted ? TO_PASS : TO_FAIL;

	switch (argument->operator) {
	case OCI_SECCOMP_MASKED_EQ:
		emit_masked_equal(out, offset, argument->value, argument->value_two);
		break;
	case OCI_SECCOMP_EQ:
		emit_masked_equal(out, offset, UINT64_MAX, argument->value);
		break;
	case OCI_SECCOMP_NE:
		emit_load(out, offset + HIGH_WORD);
		emit_test(out, BPF_JEQ, high, NEXT, TO_PASS);
		emit_load(out, offset + LOW_WORD);
		emit_test(out, BPF_JEQ, low, TO_FAIL, TO_PASS);
		break;
	case OCI_SECCOMP_GT: /* LE is its contrary */
	case OCI_SECCOMP_LE:
		emit_load(out, offset + HIGH_WORD);
		emit_test(out, BPF_JGT, high, yes, NEXT);
		emit_test(out, BPF_JEQ, high, NEXT, no);
		emit_load(out, offset + LOW_WORD);
		emit_test(out, BPF_JGT, low, yes, no);
		break;
	case OCI_SECCOMP_GE: /* LT is its contrary */
	case OCI_SECCOMP_LT:
		emit_load(out, offset + HIGH_WORD);
		emit_test(out, BPF_JGT, high, yes, NEXT);
		emit_test(out, BPF_JEQ, high, NEXT, no);
		emit_load(out, offset + LOW_WORD);
		emit_test(out, BPF_JGE, low, yes, no);
		break;
	}
	for (size_t i = start, end = instruction_count(out); i < end; i++) {
		struct sock_filter *test = instruction_at(out, i);

		if (BPF_CLASS(test->code) != BPF_JMP)
			continue;
		if (test->jt == TO_PASS)
			test->jt = (uint8_t)(end - i - 1);
		if (test->jf == TO_PASS)
			test->jf = (uint8_t)(end - i - 1);
	}
}

/* Points what is left of TO_FAIL in [start, now) behind the next instruction, which is the rule's return. */
static void fail_behind_return(struct strbuf *out, size_t start)
{
	for (size_t i = start, end = instruction_count(out) + 1; i < end - 1; i++) {
		struct sock_filter *test = instruction_at(out, i);

		if (BPF_CLASS(test->code) != BPF_JMP)
			continue;
		if (test->jt == TO_FAIL)
			test->jt = (uint8_t)(end - i - 1);
		if (test->jf == TO_FAIL)
			test->jf = (uint8_t)(end - i - 1);
	}
}

/* Conditions that must all hold, then the action. At most six of six instructions each: in reach of a short jump. */
static void emit_conditional(struct strbuf *out, const struct oci_seccomp_argument *arguments, size_t count, uint32_t action)
{
	size_t start = instruction_count(out);

	for (size_t i = 0; i < count; i++)
		emit_condition(out, &arguments[i]);
	fail_behind_return(out, start);
	emit_return(out, action);
}

static void emit_rule(struct strbuf *out, const struct oci_seccomp_rule *rule, uint32_t number)
{
	uint32_t action = seccomp_action_value(rule->action, &rule->errno_ret);
	size_t skip;

	emit_test(out, BPF_JEQ, number, 1, 0);
	skip = emit(out, BPF_JMP | BPF_JA, 0, 0, 0);
	if (rule->argument_count == 0) {
		emit_return(out, action);
		land_here(out, skip);
		return;
	}
	if (seccomp_arguments_are_alternatives(rule)) {
		for (size_t i = 0; i < rule->argument_count; i++)
			emit_conditional(out, &rule->arguments[i], 1, action);
	} else {
		emit_conditional(out, rule->arguments, rule->argument_count, action);
	}
	/* Nothing held: the next rule wants the number again. */
	emit_load(out, offsetof(struct seccomp_data, nr));
	land_here(out, skip);
}

static int number_of(uint32_t architecture, const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(architecture, name);

	return number == __NR_SCMP_ERROR ? seccomp_newer_number(architecture, name) : number;
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
static bool settled_elsewhere(const struct seccomp_prefix *prefix, const struct oci_seccomp_rule *rule, const char *name)
{
	if (rule->argument_count == 0)
		return false;
	for (size_t i = 0; i < prefix->profile->rule_count; i++) {
		const struct oci_seccomp_rule *other = &prefix->profile->rules[i];

		if (other->argument_count == 0 && names_call(other, name) &&
			seccomp_action_value(other->action, &other->errno_ret) != prefix->default_value)
			return true;
	}
	return false;
}

/* The rules that libseccomp cannot take, and the ENOSYS answer, of one architecture. */
static void emit_architecture(struct strbuf *out, const struct seccomp_prefix *prefix, uint32_t architecture)
{
	int highest = -1;

	for (size_t i = 0; i < prefix->profile->rule_count; i++) {
		const struct oci_seccomp_rule *rule = &prefix->profile->rules[i];
		uint32_t action = seccomp_action_value(rule->action, &rule->errno_ret);

		for (char **name = rule->names; *name; name++) {
			int number = number_of(architecture, *name);

			if (number > highest)
				highest = number;
			if (number >= 0 && action != prefix->default_value &&
				seccomp_syscall_resolve_name(*name) == __NR_SCMP_ERROR &&
				!settled_elsewhere(prefix, rule, *name))
				emit_rule(out, rule, (uint32_t)number);
		}
	}
	/* Nothing known of this architecture: there is no age to compare with. */
	if (!prefix->answer_newer || highest < 0)
		return;
	emit_test(out, BPF_JGT, (uint32_t)highest, 0, 1);
	emit_return(out, SECCOMP_RET_ERRNO | ENOSYS);
}

/* libseccomp's token is the kernel's AUDIT_ARCH_* for all but x32, which the kernel tells apart by a bit of the number. */
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

/* The body for one AUDIT_ARCH_*; every way out of it that does not return is the end of what is emitted. */
static void emit_body(struct strbuf *out, const struct seccomp_prefix *prefix, uint32_t architecture)
{
	size_t to_x32, to_end;

	if (architecture != SCMP_ARCH_X86_64) {
		emit_architecture(out, prefix, architecture);
		return;
	}
	emit_test(out, BPF_JGE, X32_BIT, 0, 1);
	to_x32 = emit(out, BPF_JMP | BPF_JA, 0, 0, 0);
	if (has_architecture(prefix, SCMP_ARCH_X86_64))
		emit_architecture(out, prefix, SCMP_ARCH_X86_64);
	to_end = emit(out, BPF_JMP | BPF_JA, 0, 0, 0);
	land_here(out, to_x32);
	if (has_architecture(prefix, SCMP_ARCH_X32))
		emit_architecture(out, prefix, SCMP_ARCH_X32);
	land_here(out, to_end);
}

static bool needs_prefix(const struct seccomp_prefix *prefix)
{
	if (prefix->answer_newer)
		return true;
	for (size_t i = 0; i < prefix->profile->rule_count; i++) {
		for (char **name = prefix->profile->rules[i].names; *name; name++) {
			if (seccomp_newer_known(*name) && seccomp_syscall_resolve_name(*name) == __NR_SCMP_ERROR)
				return true;
		}
	}
	return false;
}

void seccomp_prefix_generate(const struct seccomp_prefix *prefix, struct strbuf *out)
{
	size_t ends[SECCOMP_ARCHITECTURES_MAX], end_count = 0;

	if (!needs_prefix(prefix))
		return;
	emit_load(out, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < prefix->architecture_count; i++) {
		uint32_t audit = audit_architecture(prefix->architectures[i]);
		bool done = false;
		size_t skip;

		for (size_t j = 0; j < i; j++)
			done = done || audit_architecture(prefix->architectures[j]) == audit;
		if (done)
			continue;
		emit_test(out, BPF_JEQ, audit, 1, 0);
		skip = emit(out, BPF_JMP | BPF_JA, 0, 0, 0);
		emit_load(out, offsetof(struct seccomp_data, nr));
		emit_body(out, prefix, audit);
		ends[end_count++] = emit(out, BPF_JMP | BPF_JA, 0, 0, 0);
		land_here(out, skip);
	}
	for (size_t i = 0; i < end_count; i++)
		land_here(out, ends[i]);
}
