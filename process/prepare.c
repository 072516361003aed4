/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/trace.h"
#include "process/process_internal.h"

/* -EACCES leaves *err alone: the final user may get there. */
static int enter_directory(const char *cwd, bool may_be_refused, struct error *err)
{
	if (chdir(cwd) == 0)
		return 0;
	if (may_be_refused && (errno == EACCES || errno == EPERM))
		return -EACCES;
	return error_set(err, errno, "chdir to cwd (\"%s\") set in config.json failed", cwd);
}

/*
 * A directory that was reached through a descriptor or link that leads out of the root has no path in it: the kernel's
 * answer then begins with "(unreachable)". glibc's getcwd(3) would search for a path by itself, so the call is made
 * directly.
 */
static int check_directory(const char *cwd, struct error *err)
{
	char path[PATH_MAX];

	if (syscall(SYS_getcwd, path, sizeof(path)) < 0)
		return error_set(err, errno, "find the path of the working directory \"%s\"", cwd);
	if (path[0] != '/')
		return error_set(err, -EPERM, "the working directory \"%s\" lies outside of the container's root", cwd);
	return 0;
}

static int set_no_new_privileges(const struct process_plan *plan, struct error *err)
{
	if (plan->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "set no_new_privs");
	return 0;
}

static int hide_process(struct error *err)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_set(err, errno, "make the process not dumpable");
	return 0;
}

/* Everything that needs the caller's privileges. */
static int prepare_as_caller(struct process_plan *plan, struct error *err)
{
	int result = process_join_keyring(plan, err);

	if (result == 0)
		result = process_apply_scheduling(plan, err);
	/* These write to /proc/self, whose files no longer belong to a process of a user namespace once it is not
	 * dumpable. */
	if (result == 0)
		result = process_apply_labels(plan, err);
	if (result == 0 && !plan->limits_raised)
		result = process_raise_limits(plan, 0, err);
	if (result == 0)
		result = set_no_new_privileges(plan, err);
	return result;
}

int process_prepare(struct process_plan *plan, char **executable, struct error *err)
{
	trace_scope("user, limits, capabilities, executable");
	int entered, result;

	/* From here on a descriptor that is forgotten is one that ends with execve. */
	result = descriptors_close_on_exec(3 + plan->preserve_fds);
	if (result < 0)
		return error_set(err, -result, "mark the descriptors of this process close-on-exec");
	result = process_resolve_user(plan, err);
	if (result < 0)
		return result;
	process_complete_environment(plan);
	result = prepare_as_caller(plan, err);
	if (result == 0)
		result = process_make_landlock(plan, err);
	if (result == 0)
		result = hide_process(err);
	if (result < 0)
		return result;
	(void)umask(plan->umask_set ? plan->umask : 0022);
	entered = enter_directory(plan->cwd, true, err);
	if (entered < 0 && entered != -EACCES)
		return entered;
	result = process_apply_credentials(plan, err);
	/* A change of user sets it to fs.suid_dumpable. */
	if (result == 0)
		result = hide_process(err);
	if (result == 0 && entered < 0)
		result = enter_directory(plan->cwd, false, err);
	if (result == 0)
		result = check_directory(plan->cwd, err);
	if (result < 0)
		return result;
	return process_find_executable(plan->args[0], process_environment_value(plan->env, "PATH"), executable, err);
}
