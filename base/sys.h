/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that glibc 2.36 does not wrap, with the man page's meaning: return -1 and set errno.
 */
#ifndef DUET_BASE_SYS_H
#define DUET_BASE_SYS_H

#include <errno.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* clone3(2) in the manner of fork(): no new stack, so the child goes on with a copy of the caller's memory. Where it is
 * missing (filters of containers that a runtime may run in) clone(2) does all but CLONE_INTO_CGROUP: that is ENOSYS. */
static inline pid_t sys_clone3(struct clone_args *arguments)
{
	long pid = syscall(SYS_clone3, arguments, sizeof(*arguments));

	if (pid >= 0 || errno != ENOSYS || (arguments->flags & CLONE_INTO_CGROUP))
		return (pid_t)pid;
	return (pid_t)syscall(SYS_clone, arguments->flags | arguments->exit_signal, NULL,
		(void *)(uintptr_t)arguments->pidfd, NULL, NULL);
}

static inline int sys_openat2(int directory, const char *path, const struct open_how *how)
{
	return (int)syscall(SYS_openat2, directory, path, how, sizeof(*how));
}

#endif
