/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/exec_plan.h"

#include <fcntl.h>

#include "runtime/plan.h"

static int plan_check(const struct exec *exec, struct error *err)
{
	const struct exec_options *options = exec->options;
	const struct process_plan *process = &exec->process;

	if (!process->args || !process->args[0])
		return error_set(err, -EINVAL, "exec: no command was given");
	if (!process->args[0][0])
		return error_set(err, -EINVAL, "exec: the command's name is empty");
	if (process->cwd[0] != '/')
		return error_set(
			err, -EINVAL, "exec: the working directory \"%s\" is not an absolute path", process->cwd);
	/* The field's words. */
	if (process->terminal && options->detach && !options->console_socket)
		return error_set(err, -EINVAL,
			"cannot allocate tty if the process will be detached without setting console socket: use "
			"--console-socket");
	if (options->console_socket && !process->terminal)
		return error_set(err, -EINVAL, "cannot use console socket if no tty is allocated: use --tty");
	return 0;
}

/* What a process file may leave out, and runc then takes from the container's configuration. */
static void plan_inherit(struct process_plan *plan, struct process_plan *base)
{
	if (!plan->capabilities.set)
		plan->capabilities = base->capabilities;
	if (!plan->rlimit_count) {
		free(plan->rlimits);
		plan->rlimits = take_pointer(&base->rlimits);
		plan->rlimit_count = base->rlimit_count;
		base->rlimit_count = 0;
	}
	if (!plan->apparmor_profile)
		plan->apparmor_profile = take_pointer(&base->apparmor_profile);
	if (!plan->selinux_label)
		plan->selinux_label = take_pointer(&base->selinux_label);
	if (!plan->scheduler.set)
		plan->scheduler = base->scheduler;
	if (!plan->io_priority.set)
		plan->io_priority = base->io_priority;
	if (!plan->oom_score_set) {
		plan->oom_score_set = base->oom_score_set;
		plan->oom_score_adjust = base->oom_score_adjust;
	}
	if (!plan->umask_set) {
		plan->umask_set = base->umask_set;
		plan->umask = base->umask;
	}
	if (!plan->cpu_affinity_initial && !plan->cpu_affinity_final) {
		plan->cpu_affinity_initial = take_pointer(&base->cpu_affinity_initial);
		plan->cpu_affinity_final = take_pointer(&base->cpu_affinity_final);
	}
}

static int plan_base(struct exec *exec, struct error *err)
{
	cleanup_oci_process struct oci_process *file = NULL;
	struct process_plan base = { 0 };
	int result;

	if (!exec->options->process_file) {
		result = plan_process(exec->spec, exec->spec->process, &exec->process, err);
		exec->process.terminal = exec->options->terminal;
		return result;
	}
	result = oci_process_load(&file, AT_FDCWD, exec->options->process_file, err);
	if (result == 0)
		result = plan_process(exec->spec, file, &exec->process, err);
	if (result == 0)
		result = plan_process(exec->spec, exec->spec->process, &base, err);
	if (result == 0)
		plan_inherit(&exec->process, &base);
	process_plan_free(&base);
	exec->process.terminal |= exec->options->terminal;
	return result;
}

static char **append_strings(char **strings, char *const *more)
{
	size_t count = 0;

	while (strings && strings[count])
		count++;
	for (; more && *more; more++) {
		strings = xrealloc(strings, count + 2, sizeof(*strings));
		strings[count++] = xstrdup(*more);
		strings[count] = NULL;
	}
	return strings;
}

static void replace_text(char **text, const char *with)
{
	if (!with)
		return;
	free(*text);
	*text = with[0] ? xstrdup(with) : NULL;
}

static void plan_groups(const struct exec_options *options, struct process_plan *plan)
{
	size_t count = plan->additional_gid_count;

	if (!options->additional_gid_count)
		return;
	plan->additional_gids =
		xrealloc(plan->additional_gids, count + options->additional_gid_count, sizeof(*plan->additional_gids));
	for (size_t i = 0; i < options->additional_gid_count; i++)
		plan->additional_gids[count++] = options->additional_gids[i];
	plan->additional_gid_count = (uint32_t)count;
}

static int plan_options(const struct exec_options *options, struct process_plan *plan, struct error *err)
{
	int result = options->user ? process_set_user(plan, options->user, err) : 0;

	if (result < 0)
		return result;
	plan_groups(options, plan);
	if (options->args) {
		free_strings(plan->args);
		plan->args = append_strings(NULL, options->args);
	}
	plan->env = append_strings(plan->env, options->env);
	if (options->cwd) {
		free(plan->cwd);
		plan->cwd = xstrdup(options->cwd);
	}
	/* Not to the inheritable and ambient ones: a program of the image that an unprivileged user runs gets nothing
	 * of it. */
	if (options->capabilities) {
		plan->capabilities.set = true;
		plan->capabilities.bounding |= options->capabilities;
		plan->capabilities.permitted |= options->capabilities;
		plan->capabilities.effective |= options->capabilities;
	}
	replace_text(&plan->apparmor_profile, options->apparmor);
	replace_text(&plan->selinux_label, options->process_label);
	plan->no_new_privileges |= options->no_new_privileges;
	plan->preserve_fds = options->preserve_fds;
	return 0;
}

int exec_plan(struct exec *exec, struct error *err)
{
	int result = plan_base(exec, err);

	if (result == 0)
		result = plan_options(exec->options, &exec->process, err);
	if (result < 0)
		return result;
	/* By its name it is the container's own. */
	exec->process.new_keyring = !exec->container->record.no_new_keyring;
	exec->process.keyring_name = xprintf("_ses.%s", exec->container->id);
	return plan_check(exec, err);
}
