/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/trace.h"
#include "process/exec_error.h"
#include "process/process_internal.h"

static int load_filter(const struct process_seccomp *seccomp, unsigned int flags, struct error *err)
{
	const struct sock_fprog program = { .len = (unsigned short)seccomp->filter_count, .filter = seccomp->filter };
	long result;

	if (seccomp->filter_count == 0 || seccomp->filter_count > BPF_MAXINSNS)
		return error_set(err, -EINVAL, "load the seccomp filter: %u instructions, the kernel takes 1 to %d",
			seccomp->filter_count, BPF_MAXINSNS);
	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (result < 0)
		return error_set(err, errno, "load the seccomp filter (%u instructions, flags 0x%x)",
			seccomp->filter_count, flags);
	if (result > 0 && !(flags & SECCOMP_FILTER_FLAG_NEW_LISTENER))
		return error_set(err, -ESRCH, "load the seccomp filter: thread %ld cannot take it over", result);
	return (int)result;
}

int process_listen(struct process_plan *plan, int *listener_fd, struct error *err)
{
	unsigned int flags = plan->seccomp.flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
	int fd;

	if (!plan->seccomp.filter || !plan->seccomp.notify)
		return error_set(err, -EINVAL, "the seccomp filter has no action to notify of");
	/* Both change what a positive result means; the process has one thread, so there is nothing to synchronise. */
	flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_TSYNC;
	if (process_set_limits(plan, err) < 0 || process_enforce_landlock(plan, err) < 0)
		return -err->code;
	plan->landlock.enforced = true;
	fd = load_filter(&plan->seccomp, flags, err);
	if (fd < 0)
		return fd;
	plan->seccomp.loaded = true;
	*listener_fd = fd;
	return 0;
}

static int close_descriptors(const struct process_plan *plan, struct error *err)
{
	unsigned int first = 3 + plan->preserve_fds;
	int keep[] = { plan->error_fd, plan->landlock.ruleset_fd };
	int result;

	if (plan->error_fd > 0 && (unsigned int)plan->error_fd < first)
		return error_set(
			err, -EINVAL, "the descriptor for errors, %d, is among those to be preserved", plan->error_fd);
	result = plan->error_fd <= 0 ? descriptors_close_on_exec(first)
				     : descriptors_close_but(first, keep, ARRAY_SIZE(keep));
	return result < 0 ? error_set(err, -result, "close the descriptors of this process") : 0;
}

/* What is ignored stays ignored through execve, and so does the mask. */
/* By the bare system call: the C library keeps two real-time signals to itself, and its posix_spawn(3) leaves them
 * ignored. */
static void reset_signals(void)
{
	const struct {
		uint64_t handler, flags, restorer, mask; /* struct sigaction of the kernel, all standard */
	} standard = { 0 };
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		(void)syscall(SYS_rt_sigaction, signal, &standard, NULL, sizeof(standard.mask));
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What runs under the Landlock policy is execve(2) alone. Under the filter nothing is called that a profile need not
 * allow: what allocates or asks comes before it is loaded.
 */
static int load_and_drop(const struct process_plan *plan, struct error *err)
{
	bool drop = process_keeps_admin(plan);
	cap_t capabilities = NULL;
	int result = drop ? process_final_capabilities(plan, &capabilities, err) : 0;

	if (result == 0 && !plan->seccomp.loaded)
		result = process_set_limits(plan, err);
	if (result == 0)
		result = process_enforce_landlock(plan, err);
	if (result == 0 && plan->seccomp.filter && !plan->seccomp.loaded)
		result = load_filter(&plan->seccomp, plan->seccomp.flags, err);
	if (result == 0 && drop && cap_set_proc(capabilities) < 0)
		result =
			error_set(err, errno, "set the capabilities under the seccomp filter (it has to allow capset)");
	cap_free(capabilities);
	return result;
}

int process_execute(const struct process_plan *plan, const char *executable, struct error *err)
{
	trace_scope("filter and execve");
	int result = close_descriptors(plan, err);

	if (result < 0)
		return result;
	if (plan->seccomp.filter && plan->seccomp.notify && !plan->seccomp.loaded)
		return error_set(err, -EINVAL, "load the seccomp filter: nobody listens to its notifications");
	reset_signals();
	result = load_and_drop(plan, err);
	if (result == 0 && plan->init)
		result = process_fork_from_init(err);
	if (result < 0)
		return result;
	(void)execve(executable, plan->args, plan->env);
	result = exec_error_diagnose(executable, errno, err);
	return result == -EACCES && plan->landlock.set ? error_prefix(err, "under the Landlock policy") : result;
}
