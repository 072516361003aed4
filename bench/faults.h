/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on purpose (bench/probe/faults.c), and when. */
#ifndef DUET_BENCH_FAULTS_H
#define DUET_BENCH_FAULTS_H

#include "bench/compare_internal.h"
#include "bench/neighbour.h"

enum { FAULTS_IDLE = 5, FAULTS_MAX };

/* When the beginning and the end of each fault were seen; 0: not. */
struct fault_times {
	uint64_t begin_ns[FAULTS_MAX], end_ns[FAULTS_MAX];
	size_t looked_at;
};

/* For struct probe_run.look, with a struct fault_times. */
void faults_look(void *context, const char *text, size_t length);
/* The run is over: what has no end of its own ended with it. */
void faults_ended(struct fault_times *times);

void compare_faults(struct comparison *comparison, const struct probe_output outputs[COMPARE_COLUMNS],
	const struct fault_times times[COMPARE_COLUMNS], const struct neighbour *neighbour);

#endif
