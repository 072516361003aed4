/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people type them. Strict: the whole text must be one number, and what does not fit is refused. Each
 * returns 0, -EINVAL (not a number) or -ERANGE (too large), and leaves *value alone on failure.
 */
#ifndef DUET_BASE_PARSE_H
#define DUET_BASE_PARSE_H

#include <stdint.h>

int parse_u64(const char *text, uint64_t *value);
int parse_i64(const char *text, int64_t *value);

/* "64m", "1.5GiB", "4096": units of 1024 (k, m, g, t, p; "kb" and "kib" mean the same), in any case. */
int parse_bytes(const char *text, int64_t *bytes);

/* A duration of Go's time package: "5s", "1m30s", "250ms", "1.5h"; fractions of a millisecond count as a whole one. */
int parse_duration_ms(const char *text, uint64_t *milliseconds);

#endif
