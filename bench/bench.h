/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `duet bench`: what each wall costs, on the same work, measured in turn.
 */
#ifndef DUET_BENCH_BENCH_H
#define DUET_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/results.h"

enum bench_suite {
	BENCH_STARTUP = 1 << 0,
	BENCH_SYSCALLS = 1 << 1,
	BENCH_FILES = 1 << 2,
	BENCH_WORKLOADS = 1 << 3,
	BENCH_MEMORY = 1 << 4,
	BENCH_EXITS = 1 << 5,
	BENCH_ALL = (1 << 6) - 1,
};

enum bench_column {
	BENCH_HOST = 1 << 0,
	BENCH_CONTAINER = 1 << 1,
	BENCH_MICROVM = 1 << 2,  /* a guest that boots */
	BENCH_SNAPSHOT = 1 << 3, /* one that goes on from a template */
	BENCH_ALL_COLUMNS = (1 << 4) - 1,
};

struct bench_options {
	const char *bundle;      /* whose root and walls are measured; NULL: a small one that is made for this */
	unsigned int columns;    /* of enum bench_column */
	unsigned int suites;     /* of enum bench_suite */
	uint64_t runs;           /* rounds; 0: as the length asks for */
	bool full;               /* the long suite: no bound on the time, nothing left out because it is slow */
	char **peers;            /* names of other OCI runtimes for the start-up columns; NULL: none */
	char **commands_options; /* what stands before the verb of duet's own commands that are measured */
	bool progress;           /* on standard error */
};

/* "startup,files": the bits of the names, or -EINVAL with *err set. */
int bench_parse_suites(const char *list, unsigned int *suites, struct error *err);
int bench_parse_columns(const char *list, unsigned int *columns, struct error *err);

/* Measures. An interrupt (SIGINT, SIGTERM, SIGHUP) ends it early: *results has what there is then, and `interrupted` is
 * set. 0 or a negative errno with *err set. */
int bench_run(const struct bench_options *options, struct results **results, struct error *err);

/* The case that an entry of the exits is about; NULL: none was measured. */
const struct results_case *exits_find_case(const struct results *results, const char *work);

/* Three digits or so, with the unit that fits; `unit` is a case's. */
enum { RESULTS_VALUE_BYTES = 24 };
void results_format_value(char text[RESULTS_VALUE_BYTES], double value, const char *unit);
/* Three digits, and never an exponent. */
void results_print_number(struct strbuf *text, double value);
/* The kernel and mitigations of a column; false, and nothing written, where it is the host's own or not known. */
bool results_describe_kernel(const struct results *results, size_t column, struct strbuf *words);
/* One sentence without its stop: what an operation costs and why, as far as its exits tell. Nothing where its time was
 * not measured. */
void exits_explain(const struct results *results, const struct results_exits *exits, struct strbuf *words);

/* For people, and for spreadsheets; the JSON form is results_write_json(). */
void results_write_text(const struct results *results, struct strbuf *text);
void results_write_csv(const struct results *results, struct strbuf *csv);

#endif
