/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times of day for messages and records: RFC 3339, UTC. gmtime_r(3) would read /etc/localtime for it first.
 */
#ifndef DUET_BASE_TIMESTAMP_H
#define DUET_BASE_TIMESTAMP_H

#include <time.h>

struct timestamp {
	char text[40];
};

/* The present time: "2026-01-31T23:59:59Z", or with so many digits (0 to 9) behind a point after the seconds. */
struct timestamp timestamp_now(int digits);
/* The same of any time since 1970. */
struct timestamp timestamp_of(const struct timespec *time, int digits);

#endif
