/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/launch_options.h"

#include <fcntl.h>
#include <string.h>

enum {
	OPT_ISOLATION = 256,
	OPT_VM,
	OPT_VM_KERNEL,
	OPT_VM_CONSOLE,
	OPT_CONSOLE,
	OPT_PID_FILE,
	OPT_PRESERVE,
	OPT_NO_PIVOT,
	OPT_NO_KEYRING,
	OPT_KEEP
};

/* create comes without the last two. */
static const struct option launch_table[] = {
	{ "bundle", required_argument, NULL, 'b' },
	{ "isolation", required_argument, NULL, OPT_ISOLATION },
	{ "vm", no_argument, NULL, OPT_VM },
	{ "vm-kernel", required_argument, NULL, OPT_VM_KERNEL },
	{ "vm-console", no_argument, NULL, OPT_VM_CONSOLE },
	{ "console-socket", required_argument, NULL, OPT_CONSOLE },
	{ "pid-file", required_argument, NULL, OPT_PID_FILE },
	{ "preserve-fds", required_argument, NULL, OPT_PRESERVE },
	{ "no-pivot", no_argument, NULL, OPT_NO_PIVOT },
	{ "no-new-keyring", no_argument, NULL, OPT_NO_KEYRING },
	{ "help", no_argument, NULL, 'h' },
	{ "detach", no_argument, NULL, 'd' },
	{ "keep", no_argument, NULL, OPT_KEEP },
	{ NULL, 0, NULL, 0 },
};

static int parse_preserve(const char *text, uint32_t *count, struct error *err)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || value > 1024)
		return error_set(err, -EINVAL, "--preserve-fds %s: a number from 0 to 1024 is expected", text);
	for (unsigned long fd = 3; fd < 3 + value; fd++) {
		if (fcntl((int)fd, F_GETFD) < 0)
			return error_set(err, -EBADF, "--preserve-fds %s: descriptor %lu is not open", text, fd);
	}
	*count = (uint32_t)value;
	return 0;
}

static int launch_option(int option, struct launch_command *launch, struct error *err)
{
	struct launch_options *options = &launch->options;

	switch (option) {
	case 'b':
		options->bundle = optarg;
		return 0;
	case 'd':
		launch->detach = true;
		return 0;
	case OPT_KEEP:
		launch->keep = true;
		return 0;
	case OPT_ISOLATION:
		options->isolation = optarg;
		return 0;
	case OPT_VM:
		options->isolation = "microvm";
		return 0;
	case OPT_VM_KERNEL:
		options->guest_kernel = optarg;
		return 0;
	case OPT_VM_CONSOLE:
		options->vm_console = true;
		return 0;
	case OPT_CONSOLE:
		options->console_socket = optarg;
		return 0;
	case OPT_PID_FILE:
		options->pid_file = optarg;
		return 0;
	case OPT_PRESERVE:
		return parse_preserve(optarg, &options->preserve_fds, err);
	case OPT_NO_PIVOT:
		options->no_pivot = true;
		return 0;
	default:
		options->no_new_keyring = true;
		return 0;
	}
}

int launch_options_parse(const struct command *command, const struct global_options *global, int argc, char **argv,
	struct launch_command *launch, struct error *err)
{
	bool run = command == &command_run;
	struct option table[ARRAY_SIZE(launch_table)];
	int option, result;

	memcpy(table, launch_table, sizeof(table));
	if (!run)
		table[ARRAY_SIZE(table) - 3] = (struct option){ NULL, 0, NULL, 0 };
	launch->options = (struct launch_options){
		.root = global->root, .bundle = ".", .signal_fd = -1, .cgroups_disabled = global->cgroups_disabled
	};
	while ((option = command_next_option(command, argc, argv, run ? ":b:dh" : ":b:h", table, err)) != -1) {
		if (option < 0)
			return option;
		result = launch_option(option, launch, err);
		if (result < 0)
			return result;
	}
	result = command_expect_arguments(command, argc, 1, err);
	if (result < 0)
		return result;
	launch->options.id = argv[optind];
	launch->options.foreground = run && !launch->detach;
	return 0;
}
