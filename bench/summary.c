/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/summary.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double *sorted_copy(const double *samples, size_t count)
{
	double *sorted = xmemdup(samples, count * sizeof(*samples));

	qsort(sorted, count, sizeof(*sorted), compare_doubles);
	return sorted;
}

double summary_quantile(const double *sorted, size_t count, double fraction)
{
	/* 0.95 * 20 must not become 19.000000000000004 and then 20. */
	double exact = fraction * (double)count - 1e-9;
	size_t rank = exact < 0 ? 0 : (size_t)exact + 1;

	if (rank < 1)
		rank = 1;
	return sorted[(rank > count ? count : rank) - 1];
}

double summary_median(const double *sorted, size_t count)
{
	return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

struct results_summary summary_of(const double *samples, size_t count)
{
	cleanup_free double *sorted = sorted_copy(samples, count);
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += sorted[i];
	return (struct results_summary){
		.minimum = sorted[0],
		.median = summary_median(sorted, count),
		.p95 = summary_quantile(sorted, count, 0.95),
		.p99 = summary_quantile(sorted, count, 0.99),
		.mean = sum / (double)count,
	};
}

/* splitmix64: small, and good enough for drawing indices. Source: Steele, Lea, Flood, OOPSLA 2014. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

struct resampler {
	double *sorted;
	size_t count;
	uint64_t random;
	unsigned int *drawn; /* how often each was */
};

/* The median of a resample, without sorting: how often each of the sorted samples was drawn tells where the middle is.
 */
static double resample_median(struct resampler *resampler)
{
	size_t middle = resampler->count / 2, passed = 0, index = 0;
	double below;

	memset(resampler->drawn, 0, resampler->count * sizeof(*resampler->drawn));
	for (size_t i = 0; i < resampler->count; i++)
		resampler->drawn[next_random(&resampler->random) % resampler->count]++;
	while (passed + resampler->drawn[index] < (resampler->count + 1) / 2)
		passed += resampler->drawn[index++];
	below = resampler->sorted[index];
	if (resampler->count % 2)
		return below;
	while (passed + resampler->drawn[index] < middle + 1)
		passed += resampler->drawn[index++];
	return (below + resampler->sorted[index]) / 2;
}

static struct resampler resampler_of(const double *samples, size_t count, uint64_t seed)
{
	return (struct resampler){ .sorted = sorted_copy(samples, count),
		.count = count,
		.random = seed,
		.drawn = xcalloc(count, sizeof(unsigned int)) };
}

static void resampler_free(struct resampler *resampler)
{
	free(resampler->sorted);
	free(resampler->drawn);
}

struct results_ratio summary_ratio(const double *a, size_t a_count, const double *b, size_t b_count)
{
	cleanup(resampler_free) struct resampler left = resampler_of(a, a_count, 1),
						 right = resampler_of(b, b_count, 2);
	double *ratios = xcalloc(SUMMARY_RESAMPLES, sizeof(*ratios));
	struct results_ratio ratio = { .value = summary_median(left.sorted, a_count) /
						summary_median(right.sorted, b_count) };
	size_t usable = 0;

	for (size_t i = 0; i < SUMMARY_RESAMPLES; i++) {
		double above = resample_median(&left), below = resample_median(&right);

		if (below > 0)
			ratios[usable++] = above / below;
	}
	ratio.low = ratio.high = ratio.value;
	if (usable) {
		qsort(ratios, usable, sizeof(*ratios), compare_doubles);
		ratio.low = summary_quantile(ratios, usable, 0.025);
		ratio.high = summary_quantile(ratios, usable, 0.975);
	}
	free(ratios);
	return ratio;
}
