/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules with conditions on system calls that libseccomp does not know.
 */
#include "seccomp/internal.h"

#include <endian.h>
#include <linux/seccomp.h>

#include "seccomp/instructions.h"

/* A jump in a condition goes to one of these; they become distances once the condition's end is known. */
enum { NEXT = 0, TO_PASS = 254, TO_FAIL = 255 };

#if __BYTE_ORDER == __LITTLE_ENDIAN
enum { LOW_WORD = 0, HIGH_WORD = 4 };
#else
enum { LOW_WORD = 4, HIGH_WORD = 0 };
#endif

bool seccomp_arguments_are_alternatives(const struct oci_seccomp_rule *rule)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < rule->argument_count; i++) {
		unsigned int bit = 1U << rule->arguments[i].index;

		if (seen & bit)
			return true;
		seen |= bit;
	}
	return false;
}

/* Gives the jumps from `start` on to `mark` their distance to instruction `target`. */
static void resolve(struct strbuf *out, size_t start, uint8_t mark, size_t target)
{
	for (size_t i = start; i < bpf_count(out); i++) {
		struct sock_filter *test = bpf_at(out, i);

		if (BPF_CLASS(test->code) != BPF_JMP)
			continue;
		if (test->jt == mark)
			test->jt = (uint8_t)(target - i - 1);
		if (test->jf == mark)
			test->jf = (uint8_t)(target - i - 1);
	}
}

static void emit_masked_equal(struct strbuf *out, size_t offset, uint64_t mask, uint64_t value)
{
	bpf_load(out, offset + HIGH_WORD);
	(void)bpf_emit(out, BPF_ALU | BPF_AND | BPF_K, (uint32_t)(mask >> 32), 0, 0);
	(void)bpf_test(out, BPF_JEQ, (uint32_t)(value >> 32), NEXT, TO_FAIL);
	bpf_load(out, offset + LOW_WORD);
	(void)bpf_emit(out, BPF_ALU | BPF_AND | BPF_K, (uint32_t)mask, 0, 0);
	(void)bpf_test(out, BPF_JEQ, (uint32_t)value, TO_PASS, TO_FAIL);
}

/* Greater in the high word decides; the same high word leaves it to the low one. */
static void emit_order(
	struct strbuf *out, size_t offset, uint64_t value, uint16_t low_comparison, uint8_t yes, uint8_t no)
{
	bpf_load(out, offset + HIGH_WORD);
	(void)bpf_test(out, BPF_JGT, (uint32_t)(value >> 32), yes, NEXT);
	(void)bpf_test(out, BPF_JEQ, (uint32_t)(value >> 32), NEXT, no);
	bpf_load(out, offset + LOW_WORD);
	(void)bpf_test(out, low_comparison, (uint32_t)value, yes, no);
}

/* One comparison of a 64-bit argument in two words; goes on behind itself when it holds, else to TO_FAIL. */
static void emit_condition(struct strbuf *out, const struct oci_seccomp_argument *argument)
{
	size_t offset = offsetof(struct seccomp_data, args) + 8 * (size_t)argument->index, start = bpf_count(out);
	uint64_t value = argument->value;

	switch (argument->operator) {
	case OCI_SECCOMP_MASKED_EQ:
		emit_masked_equal(out, offset, value, argument->value_two);
		break;
	case OCI_SECCOMP_EQ:
		emit_masked_equal(out, offset, UINT64_MAX, value);
		break;
	case OCI_SECCOMP_NE:
		bpf_load(out, offset + HIGH_WORD);
		(void)bpf_test(out, BPF_JEQ, (uint32_t)(value >> 32), NEXT, TO_PASS);
		bpf_load(out, offset + LOW_WORD);
		(void)bpf_test(out, BPF_JEQ, (uint32_t)value, TO_FAIL, TO_PASS);
		break;
	case OCI_SECCOMP_GT:
		emit_order(out, offset, value, BPF_JGT, TO_PASS, TO_FAIL);
		break;
	case OCI_SECCOMP_GE:
		emit_order(out, offset, value, BPF_JGE, TO_PASS, TO_FAIL);
		break;
	case OCI_SECCOMP_LE: /* not greater */
		emit_order(out, offset, value, BPF_JGT, TO_FAIL, TO_PASS);
		break;
	case OCI_SECCOMP_LT:
		emit_order(out, offset, value, BPF_JGE, TO_FAIL, TO_PASS);
		break;
	}
	resolve(out, start, TO_PASS, bpf_count(out));
}

/* Conditions that must all hold, then the action. At most six of six instructions each: in reach of a short jump. */
static void emit_conditional(
	struct strbuf *out, const struct oci_seccomp_argument *arguments, size_t count, uint32_t action)
{
	size_t start = bpf_count(out);

	for (size_t i = 0; i < count; i++)
		emit_condition(out, &arguments[i]);
	resolve(out, start, TO_FAIL, bpf_count(out) + 1); /* behind the return */
	bpf_return(out, action);
}

void seccomp_emit_conditional_rule(struct strbuf *out, const struct oci_seccomp_rule *rule, uint32_t number)
{
	uint32_t action = seccomp_action_value(rule->action, &rule->errno_ret);
	size_t skip;

	(void)bpf_test(out, BPF_JEQ, number, 1, 0);
	skip = bpf_jump(out);
	if (seccomp_arguments_are_alternatives(rule)) {
		for (size_t i = 0; i < rule->argument_count; i++)
			emit_conditional(out, &rule->arguments[i], 1, action);
	} else {
		emit_conditional(out, rule->arguments, rule->argument_count, action);
	}
	/* Nothing held: the next rule wants the number again. */
	bpf_load(out, offsetof(struct seccomp_data, nr));
	bpf_land(out, skip);
}
