/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is there or ends the process.
 *
 * A short-lived command has nothing better to do without memory than to say so and end (status 1); what it had begun is
 * undone by the next `delete`. The monitor allocates before its guest runs; what it allocates later is bounded.
 */
#ifndef DUET_BASE_ALLOC_H
#define DUET_BASE_ALLOC_H

#include <stddef.h>

#include "base/cleanup.h"

void *xcalloc(size_t count, size_t size_bytes) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *pointer, size_t count, size_t size_bytes) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *text, size_t length) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *data, size_t size_bytes) __attribute__((malloc, returns_nonnull));
char *xprintf(const char *format, ...) printf_like(1, 2) __attribute__((malloc, returns_nonnull));

/* Frees a NULL-terminated array of strings and what it holds; NULL is fine. */
void free_strings(char **strings);

#endif
