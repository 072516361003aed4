/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the file server's thread asks of the kernel: to serve files. It is the one kind of thread that opens anything,
 * by names of one component below directories that are open, and always close-on-exec.
 */
#include <fcntl.h>

#include "microvm/confine.h"

#define NEGATIVE 0x80000000

static const struct sock_filter instructions[] = {
	FILTER_BEGIN,
	FILTER_ALLOW(epoll_wait),
	FILTER_ALLOW(read),
	FILTER_ALLOW_COMMON,
	FILTER_ALLOW(close),
	/* Names. Never relative to AT_FDCWD, which is negative. */
	FILTER_ALLOW_BITS2(openat, 0, NEGATIVE, 0, 2, O_CLOEXEC, O_CLOEXEC),
	FILTER_ALLOW_BITS(readlinkat, 0, NEGATIVE, 0),
	FILTER_ALLOW_BITS(mkdirat, 0, NEGATIVE, 0),
	FILTER_ALLOW_BITS(mknodat, 0, NEGATIVE, 0),
	FILTER_ALLOW_BITS(symlinkat, 1, NEGATIVE, 0),
	FILTER_ALLOW_BITS2(linkat, 0, NEGATIVE, 0, 2, NEGATIVE, 0),
	FILTER_ALLOW_BITS(unlinkat, 0, NEGATIVE, 0),
	FILTER_ALLOW_BITS2(renameat2, 0, NEGATIVE, 0, 2, NEGATIVE, 0),
	/* Attributes. */
	FILTER_ALLOW_BITS(statx, 0, NEGATIVE, 0),
	FILTER_ALLOW(fstatfs),
	FILTER_ALLOW_BITS(faccessat2, 0, NEGATIVE, 0),
	FILTER_ALLOW_BITS(fchmodat, 0, NEGATIVE, 0),
	FILTER_ALLOW_BITS(fchownat, 0, NEGATIVE, 0),
	FILTER_ALLOW_BITS(utimensat, 0, NEGATIVE, 0),
	FILTER_ALLOW(ftruncate),
	/* By the number of a descriptor, in /proc/self/fd, which is the thread's working directory. */
	FILTER_ALLOW(getxattr),
	FILTER_ALLOW(listxattr),
	FILTER_ALLOW(setxattr),
	FILTER_ALLOW(removexattr),
	/* Contents. */
	FILTER_ALLOW(preadv),
	FILTER_ALLOW(pwritev2),
	FILTER_ALLOW(getdents64),
	FILTER_ALLOW(lseek),
	FILTER_ALLOW(fallocate),
	FILTER_ALLOW(copy_file_range),
	FILTER_ALLOW(fsync),
	FILTER_ALLOW(fdatasync),
	FILTER_ALLOW(syncfs),
	FILTER_ALLOW_ARGUMENT(fcntl, 1, F_DUPFD_CLOEXEC),
	/* The user on whose behalf a file is made; CAP_FSETID comes and goes with the request. */
	FILTER_ALLOW(setfsuid),
	FILTER_ALLOW(setfsgid),
	FILTER_ALLOW(umask),
	FILTER_ALLOW(capset),
	FILTER_ALLOW_THREAD_END,
	FILTER_END,
};

const struct thread_filter fs_filter = {
	.thread = "fs",
	.instructions = instructions,
	.count = FILTER_COUNT(instructions),
};
