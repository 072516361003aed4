/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timestamp.h"

#include <stdbool.h>
#include <stdio.h>

enum { SECONDS_PER_DAY = 86400, EPOCH_YEAR = 1970 };

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month] + (month == 1 && is_leap(year));
}

struct timestamp timestamp_of(const struct timespec *time, int digits)
{
	long long days = time->tv_sec / SECONDS_PER_DAY;
	int second = (int)(time->tv_sec % SECONDS_PER_DAY), year = EPOCH_YEAR, month = 0;
	char fraction[16] = "";
	struct timestamp timestamp;

	for (; days >= 365 + is_leap(year); year++)
		days -= 365 + is_leap(year);
	for (; days >= days_of_month(year, month); month++)
		days -= days_of_month(year, month);
	/* Cut, not rounded: it must not be in the future. */
	if (digits > 0)
		(void)snprintf(fraction, (size_t)digits + 2, ".%09ld", time->tv_nsec);
	(void)snprintf(timestamp.text, sizeof(timestamp.text), "%04d-%02d-%02dT%02d:%02d:%02d%sZ", year, month + 1,
		(int)days + 1, second / 3600, second / 60 % 60, second % 60, fraction);
	return timestamp;
}

struct timestamp timestamp_now(int digits)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return timestamp_of(&now, digits);
}
