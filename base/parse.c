/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FRACTION_DIGITS_MAX = 9, UNITS = 7 /* of a duration */ };

int parse_u64(const char *text, uint64_t *value)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*value = number;
	return 0;
}

int parse_i64(const char *text, int64_t *value)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	long long number;
	char *end;

	if (!isdigit((unsigned char)digits[0]))
		return -EINVAL;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*value = number;
	return 0;
}

/* "12" or "1.5" of `unit`, rounded up; *text goes behind it. */
static int take_decimal(const char **text, uint64_t unit, uint64_t *value)
{
	unsigned __int128 fraction = 0, scale = 1;
	uint64_t whole;
	char *end;

	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	errno = 0;
	whole = strtoull(*text, &end, 10);
	if (errno || whole > UINT64_MAX / unit)
		return -ERANGE;
	if (*end == '.') {
		const char *digit = end + 1;

		if (!isdigit((unsigned char)*digit))
			return -EINVAL;
		for (; isdigit((unsigned char)*digit); digit++) {
			if (digit - end > FRACTION_DIGITS_MAX)
				return -EINVAL;
			fraction = fraction * 10 + (unsigned)(*digit - '0');
			scale *= 10;
		}
		end = (char *)digit;
	}
	*text = end;
	fraction = (fraction * unit + scale - 1) / scale;
	if (whole * unit > UINT64_MAX - (uint64_t)fraction)
		return -ERANGE;
	*value = whole * unit + (uint64_t)fraction;
	return 0;
}

int parse_bytes(const char *text, int64_t *bytes)
{
	static const char letters[] = "kmgtp";
	size_t length = strspn(text, "0123456789.");
	const char *suffix = text + length, *letter;
	uint64_t unit = 1, value;
	int result;

	if (*suffix && (letter = strchr(letters, tolower((unsigned char)*suffix)))) {
		unit = UINT64_C(1) << 10 * (letter - letters + 1);
		suffix++;
		if (strcasecmp(suffix, "ib") == 0)
			suffix += 2;
	}
	if (*suffix && strcasecmp(suffix, "b") != 0)
		return -EINVAL;
	result = take_decimal(&text, unit, &value);
	if (result < 0)
		return result;
	/* A second point, as in "1.2.3". */
	if (text[0] == '.')
		return -EINVAL;
	if (value > INT64_MAX)
		return -ERANGE;
	*bytes = (int64_t)value;
	return 0;
}

int parse_duration_ms(const char *text, uint64_t *milliseconds)
{
	static const struct {
		const char *name;
		uint64_t nanoseconds;
	} units[UNITS] = { { "ns", 1 }, { "us", 1000 }, { "\xc2\xb5s", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
		{ "m", UINT64_C(60000000000) }, { "h", UINT64_C(3600000000000) } };
	uint64_t total = 0;

	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t length = strspn(text, "0123456789."), name_length = strcspn(text + length, "0123456789.");
		uint64_t value = 0;
		size_t unit = 0;
		int result;

		while (unit < UNITS && (strlen(units[unit].name) != name_length ||
					       strncmp(text + length, units[unit].name, name_length) != 0))
			unit++;
		result = unit < UNITS ? take_decimal(&text, units[unit].nanoseconds, &value) : -EINVAL;
		if (result < 0)
			return result;
		if (*text == '.')
			return -EINVAL;
		text += name_length;
		if (value > UINT64_MAX - total)
			return -ERANGE;
		total += value;
	}
	*milliseconds = total / 1000000 + (total % 1000000 != 0);
	return 0;
}
