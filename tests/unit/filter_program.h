/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters of the monitor's threads (microvm/confine.h) as data: which instruction decides about a call, and what the
 * lines of a filter are.
 */
#ifndef DUET_TESTS_UNIT_FILTER_PROGRAM_H
#define DUET_TESTS_UNIT_FILTER_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/monitor.h"

static const struct thread_filter *const all_filters[] = { &monitor_filter, &devices_filter, &blk_filter, &fs_filter,
	&vcpu_filter, &vcpu_software_filter, &monitor_debug_filter };

static inline uint32_t filter_word(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t word;

	if (offset % sizeof(word) || offset > sizeof(*data) - sizeof(word))
		abort();
	memcpy(&word, (const char *)data + offset, sizeof(word));
	return word;
}

/* Runs a filter as the kernel does; returns the index of the instruction that answered. Anything but the few kinds of
 * instruction that confine.h makes ends the test. */
static inline unsigned filter_decide(const struct thread_filter *filter, const struct seccomp_data *data)
{
	uint32_t accumulator = 0;

	for (unsigned at = 0; at < filter->count; at++) {
		const struct sock_filter *instruction = &filter->instructions[at];

		switch (instruction->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			accumulator = filter_word(data, instruction->k);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			accumulator &= instruction->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += accumulator == instruction->k ? instruction->jt : instruction->jf;
			break;
		case BPF_RET | BPF_K:
			return at;
		default:
			abort();
		}
	}
	abort();
}

static inline bool filter_allows(const struct thread_filter *filter, const struct seccomp_data *data)
{
	return filter->instructions[filter_decide(filter, data)].k == SECCOMP_RET_ALLOW;
}

/* One line: what a RET ALLOW belongs to. */
struct filter_line {
	uint32_t number;
	unsigned checks;
	struct {
		unsigned argument;
		uint32_t mask, value;
	} check[2];
};

/* The line that the RET ALLOW at `end` closes: the comparison of the number, and what has been checked since. */
static inline struct filter_line filter_line(const struct thread_filter *filter, unsigned end)
{
	const struct sock_filter *instructions = filter->instructions;
	struct filter_line line = { 0 };
	unsigned at = end - 1;

	while (at >= 3 && instructions[at - 1].code == (BPF_ALU | BPF_AND | BPF_K)) {
		memmove(&line.check[1], &line.check[0], sizeof(line.check[0]));
		line.check[0].argument = (unsigned)((instructions[at - 2].k - offsetof(struct seccomp_data, args)) / 8);
		line.check[0].mask = instructions[at - 1].k;
		line.check[0].value = instructions[at].k;
		line.checks++;
		at -= 3;
	}
	line.number = instructions[at].k;
	return line;
}

#endif
