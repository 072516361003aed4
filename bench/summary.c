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
	const struct results_cell *cell;
	double *sorted;
	size_t *rank;        /* of each sample among the sorted ones */
	size_t *round_begin; /* of each round among the samples */
	unsigned int *drawn; /* how often each of the sorted ones was */
	uint64_t random;
};

static size_t draw(struct resampler *resampler, size_t count)
{
	return (size_t)(next_random(&resampler->random) % count);
}

/* Finds the value that `position` of the drawn ones, in their order, come before. */
static double drawn_at(const struct resampler *resampler, size_t position)
{
	size_t index = 0, passed = resampler->drawn[0];

	while (passed <= position)
		passed += resampler->drawn[++index];
	return resampler->sorted[index];
}

/* Without sorting again: how often each of the sorted samples was drawn tells where the middle is. */
static double resample_median(struct resampler *resampler)
{
	const struct results_cell *cell = resampler->cell;
	size_t total = 0;

	memset(resampler->drawn, 0, cell->sample_count * sizeof(*resampler->drawn));
	for (size_t i = 0; i < cell->round_count; i++) {
		size_t round = draw(resampler, cell->round_count), count = cell->rounds[round];

		for (size_t j = 0; j < count; j++)
			resampler->drawn[resampler->rank[resampler->round_begin[round] + draw(resampler, count)]]++;
		total += count;
	}
	/* All the rounds drawn may be without a sample. */
	if (!total)
		return summary_median(resampler->sorted, cell->sample_count);
	return total % 2 ? drawn_at(resampler, total / 2)
			 : (drawn_at(resampler, total / 2 - 1) + drawn_at(resampler, total / 2)) / 2;
}

static size_t rank_of(const double *sorted, size_t count, double value)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sorted[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct resampler resampler_of(const struct results_cell *cell, uint64_t seed)
{
	struct resampler resampler = {
		.cell = cell,
		.sorted = sorted_copy(cell->samples, cell->sample_count),
		.rank = xcalloc(cell->sample_count, sizeof(size_t)),
		.round_begin = xcalloc(cell->round_count, sizeof(size_t)),
		.drawn = xcalloc(cell->sample_count, sizeof(unsigned int)),
		.random = seed,
	};

	for (size_t i = 0; i < cell->sample_count; i++)
		resampler.rank[i] = rank_of(resampler.sorted, cell->sample_count, cell->samples[i]);
	for (size_t i = 1; i < cell->round_count; i++)
		resampler.round_begin[i] = resampler.round_begin[i - 1] + cell->rounds[i - 1];
	return resampler;
}

static void resampler_free(struct resampler *resampler)
{
	free(resampler->sorted);
	free(resampler->rank);
	free(resampler->round_begin);
	free(resampler->drawn);
}

struct results_ratio summary_ratio(const struct results_cell *a, const struct results_cell *b)
{
	cleanup(resampler_free) struct resampler left = resampler_of(a, 1), right = resampler_of(b, 2);
	cleanup_free double *ratios = xcalloc(SUMMARY_RESAMPLES, sizeof(*ratios));
	struct results_ratio ratio = { .value = summary_median(left.sorted, a->sample_count) /
						summary_median(right.sorted, b->sample_count) };
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
	return ratio;
}
