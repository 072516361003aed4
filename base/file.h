/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by descriptor: reading, writing, looking up inside a root that is not trusted (openat2(2)), removing trees.
 *
 * All return a negative errno on failure and leave the wording of the error to the caller, who knows what the file
 * means.
 */
#ifndef DUET_BASE_FILE_H
#define DUET_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/strbuf.h"

/* Reads a whole file, at most max_bytes (-EFBIG beyond), into *content (NUL-terminated); works for /proc files. */
int file_read(int directory, const char *path, size_t max_bytes, struct strbuf *content);
int file_read_fd(int fd, size_t max_bytes, struct strbuf *content);

/* Opens an existing file (never makes or truncates one) and writes all of data in one write(2), as kernel files want
 * it. */
int file_write(int directory, const char *path, const char *data);
int file_write_fd(int fd, const void *data, size_t length); /* goes on after a short write */
int file_read_exactly(int fd, void *data, size_t length);   /* -EPIPE when it ends early */

/* Writes a file under a temporary name ("PATH.16 HEX DIGITS.tmp") and renames it over path. mode is subject to the
 * umask. */
int file_replace(int directory, const char *path, const void *data, size_t length, mode_t mode);

/* Can file_replace() make it, as far as its directory is concerned? Asked before work of hours. 0, or why not. */
int file_check_place(const char *path);

/* For a path that a caller named: what it names below /dev is written to (/dev/stdout, /dev/fd/N, /dev/null), anything
 * else goes to file_replace(). -EBADF: that descriptor is not one of the caller's. */
int file_deliver(const char *path, const void *data, size_t length, mode_t mode);

/* openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | extra_resolve: symbolic links, absolute ones too, stay
 * inside root. Falls back to a component-wise O_NOFOLLOW walk where openat2 is missing (ENOSYS). O_CLOEXEC is added. */
int open_in_root(int root, const char *path, int flags, mode_t mode, uint64_t extra_resolve);

/* Makes the directories of path inside root as needed and returns an O_PATH descriptor of the last one. Dangling
 * symbolic links on the way, the last component too, are followed inside the root and what they name is made. */
int make_directories_in_root(int root, const char *path, mode_t mode);

/* The same for a path that is to be a regular file: makes the directories above it (0755) and, when nothing is there,
 * an empty file. Returns an O_PATH descriptor of what is there, whatever its type. */
int make_file_in_root(int root, const char *path, mode_t mode);

/* mkdir -p below an existing directory descriptor or AT_FDCWD, trusted paths only. */
int make_directories(int directory, const char *path, mode_t mode);

/* Removes name below directory, with everything in it; crosses no mount, follows no link, goes on after a failure to
 * remove what can be removed. 0 when it is not there; else the first error: -EBUSY or -EXDEV for a mount point. */
int remove_tree(int directory, const char *name);

/* Closes every descriptor above 2 that is not in keep (which is sorted in place; negative ones are passed over). */
void close_all_but(int *keep, size_t count);

/* Path of a descriptor for calls that want a string: "/proc/self/fd/N". */
struct fd_path {
	char text[32];
};
struct fd_path fd_path(int fd);

#endif
