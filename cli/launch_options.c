/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/launch_options.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 1024 };

int launch_parse_preserve(const char *text, uint32_t *count, struct error *err)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || value > DESCRIPTORS_MAX)
		return error_set(
			err, -EINVAL, "--preserve-fds %s: a number from 0 to %d is expected", text, DESCRIPTORS_MAX);
	*count = (uint32_t)value;
	return 0;
}

int launch_check_preserved(uint32_t count, struct error *err)
{
	for (uint32_t fd = 3; fd < 3 + count; fd++) {
		if (fcntl((int)fd, F_GETFD) < 0)
			return error_set(err, -EBADF, "--preserve-fds %u: descriptor %u is not open", count, fd);
	}
	return 0;
}

/* sd_listen_fds(3): the variables are meant for the process whose id is in LISTEN_PID. */
static uint32_t listen_descriptors(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	unsigned long number;
	char *end;

	if (!pid || !count || strtol(pid, &end, 10) != getpid() || *end)
		return 0;
	number = strtoul(count, &end, 10);
	return *end || number > DESCRIPTORS_MAX ? 0 : (uint32_t)number;
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
	case LAUNCH_OPTION_IMAGE_PATH:
		options->checkpoint = optarg;
		return 0;
	case LAUNCH_OPTION_KEEP:
		launch->keep = true;
		return 0;
	case LAUNCH_OPTION_ISOLATION:
		options->isolation = optarg;
		return 0;
	case LAUNCH_OPTION_VM:
		options->isolation = "microvm";
		return 0;
	case LAUNCH_OPTION_VM_KERNEL:
		options->guest_kernel = optarg;
		return 0;
	case LAUNCH_OPTION_VM_INITRD:
		options->guest_initrd = optarg;
		return 0;
	case LAUNCH_OPTION_VM_BOOT:
		options->vm_boot = optarg;
		return 0;
	case LAUNCH_OPTION_VM_MEMORY:
		options->vm_memory = optarg;
		return 0;
	case LAUNCH_OPTION_VM_VCPUS:
		options->vm_vcpus = optarg;
		return 0;
	case LAUNCH_OPTION_VM_BOOT_TIMEOUT:
		options->vm_boot_timeout = optarg;
		return 0;
	case LAUNCH_OPTION_VM_WATCHDOG:
		options->vm_watchdog = optarg;
		return 0;
	case LAUNCH_OPTION_VM_DEBUG:
		options->vm_debug = true;
		return 0;
	case LAUNCH_OPTION_VM_NETWORK:
		options->vm_network = optarg;
		return 0;
	case LAUNCH_OPTION_VM_PUBLISH:
		options->vm_publish = optarg;
		return 0;
	case LAUNCH_OPTION_VM_HUGE_PAGES:
		options->vm_huge_pages = true;
		return 0;
	case LAUNCH_OPTION_TEMPLATE_DIR:
		options->template_directory = optarg;
		return 0;
	case LAUNCH_OPTION_NO_TEMPLATE:
		options->no_template = true;
		return 0;
	case LAUNCH_OPTION_VM_CONSOLE:
		options->vm_console = true;
		return 0;
	case LAUNCH_OPTION_CONSOLE_SOCKET:
		options->console_socket = optarg;
		return 0;
	case LAUNCH_OPTION_PID_FILE:
		options->pid_file = optarg;
		return 0;
	case LAUNCH_OPTION_PIDFD_SOCKET:
		options->pidfd_socket = optarg;
		return 0;
	case LAUNCH_OPTION_PRESERVE_FDS:
		return launch_parse_preserve(optarg, &options->preserve_fds, err);
	case LAUNCH_OPTION_NO_PIVOT:
		options->no_pivot = true;
		return 0;
	case LAUNCH_OPTION_NO_NEW_KEYRING:
		options->no_new_keyring = true;
		return 0;
	default: /* LAUNCH_OPTION_NO_SUBREAPER: duet never is one */
		return 0;
	}
}

struct launch_options launch_default_options(const struct global_options *global)
{
	return (struct launch_options){ .root = global->root,
		.bundle = ".",
		.signal_fd = -1,
		.cgroup_manager = global->cgroup_manager,
		.rootless = global->rootless,
		.settings_file = global->settings_file,
		.default_isolation = global->default_isolation };
}

int launch_options_parse(const struct command *command, const struct global_options *global, int argc, char **argv,
	struct launch_command *launch, struct error *err)
{
	int option, result;

	launch->options = launch_default_options(global);
	while ((option = command_next_option(command, argc, argv, err)) != -1) {
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
	launch->options.listen_fds = listen_descriptors();
	launch->options.preserve_fds += launch->options.listen_fds;
	return launch_check_preserved(launch->options.preserve_fds, err);
}
