/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/launch_options.h"
#include "oci/names.h"
#include "process/accounts.h"
#include "runtime/exec.h"

enum exec_option {
	OPT_CONSOLE_SOCKET = OPTION_LONG,
	OPT_CWD,
	OPT_PID_FILE,
	OPT_PIDFD_SOCKET,
	OPT_APPARMOR,
	OPT_PROCESS_LABEL,
	OPT_NO_NEW_PRIVILEGES,
	OPT_PRESERVE_FDS,
	OPT_CGROUP,
	OPT_IGNORE_PAUSED,
};

/* What the options gather. */
struct exec_command {
	struct exec_options options;
	char **env;
	size_t env_count;
	gid_t *gids;
};

static void exec_command_free(struct exec_command *command)
{
	free(command->env);
	free(command->gids);
}

static int exec_option_env(struct exec_command *command, const char *text, struct error *err)
{
	if (text[0] == '=' || !strchr(text, '='))
		return error_set(err, -EINVAL, "--env %s: NAME=VALUE is expected", text);
	command->env = xrealloc(command->env, command->env_count + 2, sizeof(*command->env));
	command->env[command->env_count++] = (char *)text;
	command->env[command->env_count] = NULL;
	command->options.env = command->env;
	return 0;
}

/* "GID[,GID…]", and the option may be repeated. */
static int exec_option_groups(struct exec_command *command, const char *text, struct error *err)
{
	size_t *count = &command->options.additional_gid_count;

	for (const char *next = text;; next++) {
		size_t length = strcspn(next, ",");
		gid_t gid;

		if (!account_parse_id(next, length, &gid))
			return error_set(
				err, -EINVAL, "--additional-gids %s: ids from 0 to 4294967294 are expected", text);
		command->gids = xrealloc(command->gids, *count + 1, sizeof(*command->gids));
		command->gids[(*count)++] = gid;
		next += length;
		if (!*next)
			break;
	}
	command->options.additional_gids = command->gids;
	return 0;
}

static int exec_option_capability(struct exec_command *command, const char *text, struct error *err)
{
	uint64_t number;

	if (!oci_capability_find(text, &number))
		return error_set(err, -EINVAL, "--cap %s: there is no such capability", text);
	command->options.capabilities |= UINT64_C(1) << number;
	return 0;
}

static int exec_option(int option, struct exec_command *command, struct error *err)
{
	struct exec_options *options = &command->options;

	switch (option) {
	case 'g':
		return exec_option_groups(command, optarg, err);
	case 'c':
		return exec_option_capability(command, optarg, err);
	case 'e':
		return exec_option_env(command, optarg, err);
	case OPT_PRESERVE_FDS:
		return launch_parse_preserve(optarg, &options->preserve_fds, err);
	case 'd':
		options->detach = true;
		return 0;
	case 't':
		options->terminal = true;
		return 0;
	case OPT_NO_NEW_PRIVILEGES:
		options->no_new_privileges = true;
		return 0;
	case OPT_IGNORE_PAUSED:
		options->ignore_paused = true;
		return 0;
	case 'p':
		options->process_file = optarg;
		return 0;
	case 'u':
		options->user = optarg;
		return 0;
	case OPT_CWD:
		options->cwd = optarg;
		return 0;
	case OPT_APPARMOR:
		options->apparmor = optarg;
		return 0;
	case OPT_PROCESS_LABEL:
		options->process_label = optarg;
		return 0;
	case OPT_CONSOLE_SOCKET:
		options->console_socket = optarg;
		return 0;
	case OPT_PID_FILE:
		options->pid_file = optarg;
		return 0;
	case OPT_PIDFD_SOCKET:
		options->pidfd_socket = optarg;
		return 0;
	default:
		options->cgroup = optarg;
		return 0;
	}
}

static int exec_parse(int argc, char **argv, struct exec_command *command, struct error *err)
{
	int option, result;

	while ((option = command_next_option(&command_exec, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		result = exec_option(option, command, err);
		if (result < 0)
			return result;
	}
	if (argc - optind < 1 || (argc - optind < 2 && !command->options.process_file))
		return error_set(err, -EINVAL, "usage: duet exec [OPTIONS] %s", command_exec.arguments);
	command->options.id = argv[optind++];
	/* "--" before the command, as after docker's and podman's exec, is not the command. */
	if (optind < argc && strcmp(argv[optind], "--") == 0)
		optind++;
	if (optind < argc)
		command->options.args = argv + optind;
	return launch_check_preserved(command->options.preserve_fds, err);
}

static int exec_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct exec_command command = { .options = { .root = global->root } };
	int result = exec_parse(argc, argv, &command, err);

	if (result == 0)
		result = lifecycle_exec(&command.options, err);
	exec_command_free(&command);
	/* The process's own status is told apart from exec's failures; an interruption stays one. */
	if (result < 0 && result != COMMAND_HELPED && err->exit_status <= 128)
		err->exit_status = EXEC_EXIT_FAILED;
	return result;
}

static const struct command_option exec_options[] = {
	{ "process", 'p', "FILE",
		"the whole process as JSON (config.json's \"process\"); the other options go over it" },
	{ "user", 'u', "USER[:GROUP]", "ids, or names of the container's /etc/passwd and /etc/group" },
	{ "additional-gids", 'g', "GID", "add groups (GID,GID...; may be repeated)" },
	{ "env", 'e', "NAME=VALUE", "add to the environment (may be repeated)" },
	{ "cwd", OPT_CWD, "PATH", "the working directory, in the container" },
	{ "tty", 't', NULL, "with a terminal" },
	{ "console-socket", OPT_CONSOLE_SOCKET, "FILE", "unix socket that receives the terminal" },
	{ "detach", 'd', NULL, "do not wait for the process" },
	{ "pid-file", OPT_PID_FILE, "FILE", "where to write the process id" },
	{ "pidfd-socket", OPT_PIDFD_SOCKET, "FILE", "unix socket that receives the process's pidfd" },
	{ "preserve-fds", OPT_PRESERVE_FDS, "N", "pass descriptors 3 to 2+N on to the process" },
	{ "cap", 'c', "CAPABILITY", "add to the bounding, permitted and effective set (may be repeated)" },
	{ "no-new-privs", OPT_NO_NEW_PRIVILEGES, NULL, "the process can gain no privileges by execve" },
	{ "apparmor", OPT_APPARMOR, "PROFILE", "the process's AppArmor profile" },
	{ "process-label", OPT_PROCESS_LABEL, "LABEL", "the process's SELinux label" },
	{ "cgroup", OPT_CGROUP, "PATH", "a control group below the container's own" },
	{ "ignore-paused", OPT_IGNORE_PAUSED, NULL,
		"also in a paused container: the process runs once that is resumed" },
	{ 0 },
};

const struct command command_exec = {
	.name = "exec",
	.arguments = "ID COMMAND [ARGUMENT...]",
	.summary = "Run another process in a running container",
	.description =
		"The exit status is the process's own, 128 plus the number of the signal that ended it, or 255 when "
		"it could not be run. Signals that duet receives meanwhile are forwarded to the process.\n\n"
		"What no option and no process file says is as it is for the container's first process: "
		"environment, working directory, user and groups, capabilities, limits, seccomp filter. A user that is "
		"named gets its primary group and the groups that list it, unless a group is given; with an id only "
		"the id changes.",
	.options = exec_options,
	.operands = OPERANDS_ID_COMMAND,
	.enters_container = true,
	.run = exec_run,
};
