/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls a wall's processes really make: a run under ptrace(2), with everything that it starts.
 */
#ifndef DUET_BENCH_TRACE_H
#define DUET_BENCH_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "seccomp/evaluate.h"

enum trace_from {
	TRACE_FROM_EXECUTION, /* of another program: the container's process */
	TRACE_FROM_FILTER,    /* of its own, thread by thread: a monitor under its filters */
};

/* In memory that the tracing process and its caller have. */
struct trace {
	enum trace_from from;
	bool possible;              /* somebody was traced */
	uint64_t count;             /* system calls */
	bool used[SECCOMP_NUMBERS]; /* by number */
};

/* In a process of its own: makes a child, which gets `run(context)` and does not return from it, and follows it and all
 * that comes from it to the end. Never returns; whoever kills this process kills them all. */
void trace_follow(struct trace *trace, void (*run)(void *context), void *context) __attribute__((noreturn));

#endif
