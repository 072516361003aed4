/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Release of resources at the end of a scope (GCC's cleanup attribute).
 *
 * A variable marked `cleanup_fd`, `cleanup_free`, … is released when it goes out of scope, on every path. Ownership is
 * handed on with take_fd() or take_pointer(), which leave the "nothing" value (-EBADF, NULL) behind.
 */
#ifndef DUET_BASE_CLEANUP_H
#define DUET_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Closes *fd when it is a descriptor; errno stays what it was. */
static inline void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -EBADF;
	errno = saved;
}

static inline void free_pointer(void *pointer)
{
	void **location = pointer;

	free(*location);
	*location = NULL;
}

static inline void close_stream(FILE **stream)
{
	if (*stream)
		(void)fclose(*stream);
	*stream = NULL;
}

static inline void close_directory(DIR **directory)
{
	if (*directory)
		(void)closedir(*directory);
	*directory = NULL;
}

/* Returns *fd and leaves nothing to close behind. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

#define take_pointer(location)                                        \
	({                                                            \
		__typeof__(location) take_location_ = (location);     \
		__typeof__(*take_location_) taken_ = *take_location_; \
		*take_location_ = NULL;                               \
		taken_;                                               \
	})

#define cleanup(function) __attribute__((cleanup(function)))
#define cleanup_fd        cleanup(close_fd)
#define cleanup_free      cleanup(free_pointer)
#define cleanup_stream    cleanup(close_stream)
#define cleanup_directory cleanup(close_directory)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define warn_unused       __attribute__((warn_unused_result))

#endif
