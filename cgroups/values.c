/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARES_MAX = 262144, WEIGHT_MAX = 10000, MANTISSA_BITS = 52, LIST_NUMBERS_MAX = 8192 };

/* log2 without libm, which nothing else here needs: the binary digits of the logarithm come from squaring. */
static double binary_logarithm(double value)
{
	double result = 0, digit = 1;

	while (value >= 2) {
		value /= 2;
		result++;
	}
	for (int i = 0; i < MANTISSA_BITS; i++) {
		digit /= 2;
		value *= value;
		if (value >= 2) {
			value /= 2;
			result += digit;
		}
	}
	return result;
}

/*
 * The quadratic function of runc 1.3.2 and crun 1.23 on: it maps the smallest, largest and default shares (2, 262144,
 * 1024) to the smallest, largest and default weights (1, 10000, 100), where the older linear formula gave the default
 * of Kubernetes and Docker a weight of 39. weight = ceil(10 ^ ((l² + 125 l) / 612 - 7/34)) with l = log2(shares).
 */
uint64_t cgroup_weight_of_shares(uint64_t shares)
{
	const double decimal = 3.321928094887362; /* log2(10) */
	double l, exponent;
	uint64_t low = 1, high = WEIGHT_MAX;

	if (shares <= 2)
		return 1;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	l = binary_logarithm((double)shares);
	/* A hair less, so that rounding does not lift the default's exact 100 to 101. */
	exponent = ((l * l + 125 * l) / 612 - 7.0 / 34) * decimal - 1e-9;
	while (low < high) { /* the smallest weight whose logarithm reaches the exponent */
		uint64_t middle = (low + high) / 2;

		if (binary_logarithm((double)middle) >= exponent)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Linear, as runc and crun do it: both scales start at their smallest value. */
uint64_t cgroup_weight_of_blkio(uint64_t blkio_weight)
{
	return blkio_weight <= 10 ? 1 : 1 + (blkio_weight - 10) * 9999 / 990;
}

struct cgroup_number cgroup_number(int64_t value, bool unified)
{
	struct cgroup_number number;

	if (value < 0)
		(void)snprintf(number.text, sizeof(number.text), "%s", unified ? "max" : "-1");
	else
		(void)snprintf(number.text, sizeof(number.text), "%" PRId64, value);
	return number;
}

struct cgroup_number cgroup_pids_limit(int64_t limit)
{
	return cgroup_number(limit == 0 ? 1 : limit, true);
}

/* "0-3,7" to one bool per number. False when it is malformed. */
static bool parse_list(const char *list, bool numbers[LIST_NUMBERS_MAX])
{
	memset(numbers, 0, LIST_NUMBERS_MAX * sizeof(numbers[0]));
	list += strspn(list, " \t");
	while (*list && *list != '\n') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			return false;
		if (*end == '-') {
			list = end + 1;
			last = strtoul(list, &end, 10);
			if (end == list)
				return false;
		}
		if (last < first || last >= LIST_NUMBERS_MAX)
			return false;
		for (unsigned long i = first; i <= last; i++)
			numbers[i] = true;
		list = end + strspn(end, ", \t");
		if (list == end && *end != '\0' && *end != '\n')
			return false;
	}
	return true;
}

bool cgroup_list_within(const char *part, const char *whole)
{
	bool in_part[LIST_NUMBERS_MAX], in_whole[LIST_NUMBERS_MAX], some = false;

	if (!parse_list(part, in_part) || !parse_list(whole, in_whole))
		return false;
	for (int i = 0; i < LIST_NUMBERS_MAX; i++) {
		if (in_part[i] && !in_whole[i])
			return false;
		some = some || in_part[i];
	}
	return some;
}
