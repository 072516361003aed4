/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --report FILE: what was measured as one page (.html) or as its main chart alone (.svg).
 */
#ifndef DUET_BENCH_REPORT_H
#define DUET_BENCH_REPORT_H

#include "bench/compare.h"
#include "bench/results.h"

/* Before anything is measured: is it a name that a report can have, can it be written, and can its charts be drawn? A
 * page without gnuplot is a page without charts, which says so; a chart without gnuplot is an error (-ENOENT, naming
 * the program). */
int report_check(const char *path, struct error *err);

int report_write_comparison(const char *path, const struct comparison *comparison, struct error *err);
int report_write_results(const char *path, const struct results *results, struct error *err);

#endif
