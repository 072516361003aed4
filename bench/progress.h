/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line on a terminal: how far it is, what is measured now, how long it may still take.
 */
#ifndef DUET_BENCH_PROGRESS_H
#define DUET_BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool shown;
	uint64_t begin_ms;
	uint64_t expected_ms; /* of all that is planned */
	uint64_t done_ms;     /* of the plan */
	uint64_t drawn_ms;
};

/* Adds to the plan. */
void progress_expect(struct progress *progress, uint64_t expected_ms);
/* Something begins; what it was expected to take counts as done when the next begins. */
void progress_show(struct progress *progress, const char *what, uint64_t expected_ms);
/* Leaves the terminal as it was. */
void progress_end(struct progress *progress);

#endif
