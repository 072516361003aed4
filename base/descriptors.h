/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of this process's descriptors: close_range(2), or one by one where that call, or its CLOSE_RANGE_CLOEXEC
 * (Linux 5.11), is missing. Which ones there are is then read from a procfs that was verified (base/procfs.h): a false
 * one could hide some.
 *
 * Return 0 or a negative errno.
 */
#ifndef DUET_BASE_DESCRIPTORS_H
#define DUET_BASE_DESCRIPTORS_H

#include <stddef.h>

/* Closes first … last; ~0U: to the end. */
int descriptors_close(unsigned int first, unsigned int last);

/* Closes those from first on but the ones in keep, which is sorted in place; smaller ones in it mean nothing. */
int descriptors_close_but(unsigned int first, int *keep, size_t count);

/* Makes those from first on close-on-exec. */
int descriptors_close_on_exec(unsigned int first);

#endif
