/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `duet bench` found out: the one form in which measurements are kept, written, read back and drawn.
 *
 * A report has columns (host, container, microvm, …), and suites of cases; a case has one cell for each column, in the
 * columns' order. A cell holds its samples in the order in which they were taken, none left out, and what follows from
 * them; or the reason why there are none. A report that was interrupted is one with fewer samples.
 *
 * The JSON form is described in docs/bench.md and by docs/bench.schema.json.
 */
#ifndef DUET_BENCH_RESULTS_H
#define DUET_BENCH_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

#define RESULTS_SCHEMA         "duet-bench"
#define RESULTS_SCHEMA_VERSION 1

/* Strings are allocated; NULL is what is not known or does not apply. */
struct results_host {
	char *cpu;               /* the processor's model name */
	uint64_t processors;     /* online */
	uint64_t memory_bytes;   /* 0: not known */
	char *kernel;            /* release */
	char *governor;          /* of cpufreq; NULL: none, as in most virtual machines */
	char *kvm;               /* name and kind of the module, such as "kvm_intel"; NULL: no /dev/kvm */
	bool kvm_hardware;       /* the processor helps: without, guest kernel code is emulated and slow */
	char *kvm_paging;        /* "EPT", "NPT" or "shadow" */
	char *transparent_pages; /* "always", "madvise", "never" */
	char *mitigations;       /* of the processor's flaws, as the host's kernel has them, in words */
	char *seccomp;           /* of the measured container's process, in words */
	char *caches;            /* cold or warm, in words */
	char *file_system;       /* type of the one that file work was done on */
};

struct results_column {
	char *name;                 /* "host", "container", "microvm", "microvm-snapshot", or a runtime's: "crun" */
	char *title;                /* for people: "micro-VM, cold boot" */
	char *skipped;              /* why the whole column was left out; NULL: it was measured */
	char *kernel, *mitigations; /* of the one that its processes run on, as the host's; NULL: nothing asked it */
};

struct results_summary { /* of a cell's samples, in the case's unit; nearest-rank quantiles */
	double minimum, median, p95, p99, mean;
};

struct results_ratio { /* of the median to the column host's; low … high: its 95 % confidence interval */
	double value, low, high;
};

struct results_cell {
	double *samples;
	size_t sample_count;
	size_t sample_capacity;
	size_t *rounds; /* how many of the samples each round took: those of one round have more in common */
	size_t round_count;
	uint64_t operations; /* that one sample is the mean of; 1: each was timed by itself; 0: no samples yet */
	struct results_summary summary; /* all 0 without samples */
	bool has_ratio;
	struct results_ratio ratio;
	char *skipped; /* why there are no samples; NULL: there are some */
};

struct results_case {
	char *name;                 /* unique in its suite, [a-z0-9-]+ */
	char *title;                /* for people */
	char *unit;                 /* "ns" per operation, "bytes" */
	struct results_cell *cells; /* as many as columns */
};

struct results_suite {
	char *name; /* startup, syscalls, files, workloads, memory */
	char *title;
	struct results_case *cases;
	size_t case_count;
};

struct results_exit {
	char *reason; /* as in `duet events`: "io", "mmio", …; of KVM's own statistics with "kvm." before it */
	uint64_t count;
	double per_second;
	double per_operation;
};

struct results_exits { /* what a piece of work cost in exits */
	size_t column;
	char *work; /* a case's name, or "idle" */
	char *title;
	uint64_t operations;
	double seconds;
	struct results_exit *entries; /* the most frequent first */
	size_t count;
};

struct results {
	char *version;  /* duet's */
	char *started;  /* RFC 3339, UTC */
	double seconds; /* how long measuring took */
	uint64_t runs;  /* rounds asked for */
	bool full;      /* the long suite */
	bool interrupted;
	struct results_host host;
	struct results_column *columns;
	size_t column_count;
	struct results_suite *suites;
	size_t suite_count;
	struct results_exits *exits;
	size_t exits_count;
	char **notes; /* sentences that a reader has to know; NULL-terminated, or NULL */
};

struct results *results_new(void);
void results_free(struct results **results);
#define cleanup_results cleanup(results_free)

/* Columns come before the first case. NULL for `skipped`: it is measured. Each returns the index. */
size_t results_add_column(struct results *results, const char *name, const char *title, const char *skipped);
/* Suites and cases are there once; an existing one is returned as it is. Pointers hold until the next is added. */
struct results_suite *results_suite(struct results *results, const char *name, const char *title);
struct results_case *results_case(
	struct results *results, struct results_suite *suite, const char *name, const char *title, const char *unit);
/* Samples belong to the last round begun; without one, to a first. */
void results_begin_round(struct results_cell *cell);
void results_add_sample(struct results_cell *cell, double value, uint64_t operations);
void results_skip(struct results_cell *cell, const char *reason); /* the first reason stays */
void results_note(struct results *results, const char *format, ...) printf_like(2, 3);
struct results_exits *results_add_exits(struct results *results, size_t column, const char *work, const char *title,
	uint64_t operations, double seconds);
void results_add_exit(struct results_exits *exits, const char *reason, uint64_t count);

const struct results_suite *results_find_suite(const struct results *results, const char *name);
const struct results_case *results_find_case(const struct results_suite *suite, const char *name);
/* Index of a column, or -ENOENT. */
int results_find_column(const struct results *results, const char *name);

/* Fills in every cell's summary and ratio, and sorts the exits. To be called when the samples are complete. */
void results_summarize(struct results *results);

/* The documented JSON form. */
void results_write_json(const struct results *results, struct strbuf *json);

/* Reads that form back; summaries are those of the file. -EINVAL with the place in *err when it is another form,
 * -EPROTONOSUPPORT when its schema's version is another one. `name` is what errors begin with. */
int results_read(const char *name, const char *text, size_t length, struct results **results, struct error *err);

#endif
