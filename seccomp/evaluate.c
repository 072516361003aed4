/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/evaluate.h"

#include <linux/audit.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "seccomp/internal.h"

/* What a register holds: a value, or whatever the arguments make of it. */
struct word {
	bool known;
	uint32_t value;
};

struct machine {
	size_t at;
	struct word a, x, memory[BPF_MEMWORDS];
};

struct walk {
	const struct sock_filter *filter;
	size_t count;
	const struct seccomp_data *data;
	bool arguments_known;
	/* The states that are still to be looked at, and with what accumulator each instruction was looked at already.
	 * Without arguments nothing else decides as a rule: X and the memory are for what cannot be known. */
	struct machine *states;
	size_t state_count;
	struct seen {
		bool unknown, known;
		uint32_t value;
	} * seen;
	bool allowed, denied, left;
	uint32_t value;
};

static struct word load(const struct walk *walk, uint32_t offset)
{
	struct word word = { .known = walk->arguments_known ||
				      offset < offsetof(struct seccomp_data, instruction_pointer) };

	if (offset > sizeof(*walk->data) - sizeof(word.value))
		return (struct word){ .known = true };
	memcpy(&word.value, (const char *)walk->data + offset, sizeof(word.value));
	return word;
}

static uint32_t compute(uint16_t operation, uint32_t left, uint32_t right)
{
	switch (operation) {
	case BPF_ADD:
		return left + right;
	case BPF_SUB:
		return left - right;
	case BPF_MUL:
		return left * right;
	case BPF_DIV:
		return right ? left / right : 0;
	case BPF_OR:
		return left | right;
	case BPF_AND:
		return left & right;
	case BPF_XOR:
		return left ^ right;
	case BPF_LSH:
		return right < 32 ? left << right : 0;
	case BPF_RSH:
		return right < 32 ? left >> right : 0;
	default:
		return -left;
	}
}

static bool holds(uint16_t operation, uint32_t left, uint32_t right)
{
	switch (operation) {
	case BPF_JEQ:
		return left == right;
	case BPF_JGT:
		return left > right;
	case BPF_JGE:
		return left >= right;
	default:
		return (left & right) != 0;
	}
}

static void answer(struct walk *walk, uint32_t value)
{
	walk->value = value;
	switch (value & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		walk->allowed = true;
		return;
	case SECCOMP_RET_USER_NOTIF:
	case SECCOMP_RET_TRACE:
		walk->left = true;
		return;
	default:
		walk->denied = true;
	}
}

static void push(struct walk *walk, const struct machine *state)
{
	walk->states = xrealloc(walk->states, walk->state_count + 1, sizeof(*walk->states));
	walk->states[walk->state_count++] = *state;
}

static void jump(struct walk *walk, struct machine *machine, const struct sock_filter *instruction)
{
	uint16_t operation = BPF_OP(instruction->code);
	struct word right = BPF_SRC(instruction->code) == BPF_X ? machine->x : (struct word){ true, instruction->k };

	if (operation == BPF_JA) {
		machine->at += instruction->k;
	} else if (machine->a.known && right.known) {
		machine->at += holds(operation, machine->a.value, right.value) ? instruction->jt : instruction->jf;
	} else {
		struct machine other = *machine;

		other.at += instruction->jt;
		push(walk, &other);
		machine->at += instruction->jf;
	}
}

static void alter(struct machine *machine, const struct sock_filter *instruction)
{
	uint16_t operation = BPF_OP(instruction->code);
	struct word right = BPF_SRC(instruction->code) == BPF_X ? machine->x : (struct word){ true, instruction->k };

	machine->a.known = machine->a.known && (right.known || operation == BPF_NEG);
	machine->a.value = compute(operation, machine->a.value, right.value);
}

static struct word value_for_load(
	const struct walk *walk, const struct machine *machine, const struct sock_filter *instruction)
{
	switch (BPF_MODE(instruction->code)) {
	case BPF_IMM:
		return (struct word){ true, instruction->k };
	case BPF_MEM:
		return machine->memory[instruction->k % BPF_MEMWORDS];
	case BPF_LEN:
		return (struct word){ true, sizeof(struct seccomp_data) };
	default:
		return load(walk, instruction->k);
	}
}

/* One instruction. False: this way has ended. */
static bool step(struct walk *walk, struct machine *machine)
{
	const struct sock_filter *instruction = &walk->filter[machine->at++];

	switch (BPF_CLASS(instruction->code)) {
	case BPF_LD:
		machine->a = value_for_load(walk, machine, instruction);
		return true;
	case BPF_LDX:
		machine->x = value_for_load(walk, machine, instruction);
		return true;
	case BPF_ST:
		machine->memory[instruction->k % BPF_MEMWORDS] = machine->a;
		return true;
	case BPF_STX:
		machine->memory[instruction->k % BPF_MEMWORDS] = machine->x;
		return true;
	case BPF_ALU:
		alter(machine, instruction);
		return true;
	case BPF_JMP:
		jump(walk, machine, instruction);
		return true;
	case BPF_MISC:
		if (BPF_MISCOP(instruction->code) == BPF_TAX)
			machine->x = machine->a;
		else
			machine->a = machine->x;
		return true;
	default:
		answer(walk, BPF_RVAL(instruction->code) == BPF_A ? machine->a.value : instruction->k);
		return false;
	}
}

/* Was this place reached with that accumulator before? */
static bool seen_before(struct walk *walk, const struct machine *machine)
{
	struct seen *seen = &walk->seen[machine->at];
	bool before = machine->a.known ? seen->known && seen->value == machine->a.value : seen->unknown;

	if (machine->a.known) {
		seen->known = true;
		seen->value = machine->a.value;
	} else {
		seen->unknown = true;
	}
	return before;
}

static void follow(struct walk *walk, struct machine machine)
{
	while (machine.at < walk->count) {
		if (seen_before(walk, &machine) || !step(walk, &machine))
			return;
	}
	answer(walk, SECCOMP_RET_KILL_PROCESS);
}

static void walk_all(struct walk *walk)
{
	struct machine first = { .a = { .known = true }, .x = { .known = true } };

	for (size_t i = 0; i < BPF_MEMWORDS; i++)
		first.memory[i].known = true;
	walk->seen = xcalloc(walk->count + 1, sizeof(*walk->seen));
	push(walk, &first);
	while (walk->state_count)
		follow(walk, walk->states[--walk->state_count]);
	free(walk->states);
	free(walk->seen);
}

uint32_t seccomp_evaluate(const struct sock_filter *filter, size_t count, const struct seccomp_data *data)
{
	struct walk walk = { .filter = filter, .count = count, .data = data, .arguments_known = true };

	walk_all(&walk);
	return walk.value;
}

enum seccomp_reach seccomp_reach(const struct sock_filter *filter, size_t count, uint32_t number)
{
	const struct seccomp_data data = { .nr = (int)number, .arch = AUDIT_ARCH_X86_64 };
	struct walk walk = { .filter = filter, .count = count, .data = &data };

	walk_all(&walk);
	if (walk.left || (walk.allowed && walk.denied))
		return SECCOMP_REACH_SOMETIMES;
	return walk.allowed ? SECCOMP_REACH_ALWAYS : SECCOMP_REACH_NEVER;
}

char *seccomp_number_name(uint32_t number)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, (int)number);
	const char *newer = name ? NULL : seccomp_newer_name(number);

	return newer ? xstrdup(newer) : name;
}

bool seccomp_number_exists(uint32_t number)
{
	cleanup_free char *name = seccomp_number_name(number);

	return name != NULL;
}
