/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of samples: quantiles by nearest rank, and bootstrap confidence intervals.
 */
#ifndef DUET_BENCH_SUMMARY_H
#define DUET_BENCH_SUMMARY_H

#include "bench/results.h"

#define SUMMARY_RESAMPLES 1000

/* Nearest rank: the smallest sample that at least `fraction` (0 … 1) of them do not exceed. sorted: ascending, count
 * above 0. */
double summary_quantile(const double *sorted, size_t count, double fraction);

/* The middle sample, or the mean of the two in the middle. */
double summary_median(const double *sorted, size_t count);

/* count above 0; the samples stay in their order. */
struct results_summary summary_of(const double *samples, size_t count);

/* Ratio of the medians of a to b, with the 2.5 % and 97.5 % quantiles of the ratio over SUMMARY_RESAMPLES resamples of
 * both: rounds are drawn with replacement, and of each drawn round its samples with replacement, since samples of one
 * round lie closer together than those of two. The generator is seeded with a constant: the same samples give the same
 * interval. Both have samples, the median of b is above 0. Source: Davison and Hinkley, Bootstrap Methods and their
 * Application, 3.8 (hierarchical data), 5.3 (percentile interval). */
struct results_ratio summary_ratio(const struct results_cell *a, const struct results_cell *b);

#endif
