/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measuring program: one small static binary, the same file on the host and behind each wall.
 *
 * - `measure hello` prints "hello NANOSECONDS", CLOCK_MONOTONIC at its first instruction of C, and ends.
 * - `measure nothing` ends.
 * - `measure facts` prints what the order "facts" does, and ends.
 * - `measure serve DIRECTORY` works in a new directory below DIRECTORY. It says "ready tsc|clock_gettime
 * TICKS-PER-SECOND OVERHEAD-NS PROCESSORS" and obeys lines on standard input until that ends.
 *
 * Lines and their answers (numbers are decimal; "skip REASON" instead: it cannot be done here):
 *
 * - "measure CASE SAMPLES MS": as many samples as fit into the time, one at least; "sample OPERATIONS NS" for each,
 * then "done OPERATIONS NS" with the sums.
 * - "work CASE OPERATIONS": the same work without samples; "done OPERATIONS NS".
 * - "set file-bytes N": how large the file of file work is; "done 0 0".
 * - "facts": what is to be known of the kernel: "fact kernel RELEASE", "fact mitigations WORDS" where it tells; "done 0
 * 0".
 *
 * A sample is the mean of so many operations that the clock's own cost and grain do not show; that cost is subtracted.
 */
#ifndef DUET_BENCH_MEASURE_H
#define DUET_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#define MEASURE_REASON_BYTES 200

struct measure_settings {
	const char *program; /* its own path */
	uint64_t file_bytes;
	uint64_t *files_made; /* by the cases of small files */
};

/* What a case keeps between its functions. */
struct measure_state {
	const struct measure_settings *settings;
	int fds[4];
	void *memory;
	size_t memory_bytes;
	int child;                         /* process id; 0: none */
	uint64_t cursor;                   /* of a case that walks through files or offsets */
	double own_ns;                     /* set by run when what it measures is not its own duration; else negative */
	char reason[MEASURE_REASON_BYTES]; /* why something failed; empty: errno's text does */
};

struct measure_case {
	const char *name;
	/* Before the first operation and after the last; NULL: nothing to do. 0 or a negative errno. */
	int (*prepare)(struct measure_state *state);
	void (*finish)(struct measure_state *state);
	/* Around each sample, outside the clock; -ENODATA: there is nothing left to work on, the samples end. */
	int (*before)(struct measure_state *state, uint64_t operations);
	void (*after)(struct measure_state *state, uint64_t operations);
	int (*run)(struct measure_state *state, uint64_t operations);
	uint64_t operations_max;  /* of a sample; 0: as many as it takes */
	uint64_t operations_once; /* exactly so many a sample; 0: as many as it takes */
};

/* Each ends with a NULL name. */
extern const struct measure_case measure_calls[];    /* single system calls */
extern const struct measure_case measure_pages[];    /* memory */
extern const struct measure_case measure_tasks[];    /* processes, signals, clocks */
extern const struct measure_case measure_talks[];    /* from one task to another */
extern const struct measure_case measure_files[];    /* the file system below the working directory */
extern const struct measure_case measure_programs[]; /* whole workloads */

/* -errno, with the sentence. */
int measure_fail(struct measure_state *state, const char *what);

/* ---- facts.c ---- */

void facts_print(void);

/* ---- clock.c ---- */

struct measure_clock {
	int tsc; /* the processor's time stamp counter; 0: clock_gettime(2) */
	double ticks_per_second;
	double overhead_ns; /* of two readings in a row */
};

uint64_t clock_ticks(const struct measure_clock *clock);
double clock_elapsed_ns(const struct measure_clock *clock, uint64_t begin, uint64_t end); /* overhead taken off */
uint64_t monotonic_ns(void);
struct measure_clock clock_calibrate(void);

#endif
