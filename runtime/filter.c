/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/trace.h"
#include "seccomp/evaluate.h"
#include "seccomp/seccomp.h"

/* Beside the containers' directories; no id begins with a dot. */
#define FILTER_CACHE_DIRECTORY ".seccomp"

int filter_compile(
	int state_root_fd, const struct oci_seccomp *profile, struct process_seccomp *seccomp, struct error *err)
{
	trace_scope("system call filter");
	struct seccomp_program program = { 0 };
	cleanup_fd int cache = -EBADF;
	int result;

	if (!profile)
		return 0;
	if (mkdirat(state_root_fd, FILTER_CACHE_DIRECTORY, 0700) == 0 || errno == EEXIST)
		cache = openat(state_root_fd, FILTER_CACHE_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	result = seccomp_compile_cached(cache, profile, &program, NULL, err);
	if (result < 0)
		return result;
	/* Else the process that makes the container ends by its own filter, without a word. */
	if (seccomp_reach(program.filter, program.count, SYS_execve) == SECCOMP_REACH_NEVER) {
		seccomp_program_free(&program);
		return error_set(
			err, -EPERM, "linux.seccomp: the filter never lets execve through: nothing could be run");
	}
	*seccomp = (struct process_seccomp){
		.filter = program.filter,
		.filter_count = program.count,
		.flags = program.flags,
		.notify = program.notify,
	};
	return 0;
}
