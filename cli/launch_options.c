/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/launch_options.h"

#include <fcntl.h>
#include <getopt.h>
#include <stddef.h>
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

#define PLACE(member) offsetof(struct launch_command, member)

/* Options that are no more than a text, or a flag, and where it goes. */
static const struct {
	int option;
	size_t place;
} texts[] = {
	{ 'b', PLACE(options.bundle) },
	{ LAUNCH_OPTION_IMAGE_PATH, PLACE(options.checkpoint) },
	{ LAUNCH_OPTION_ISOLATION, PLACE(options.isolation) },
	{ LAUNCH_OPTION_VM_KERNEL, PLACE(options.guest_kernel) },
	{ LAUNCH_OPTION_VM_INITRD, PLACE(options.guest_initrd) },
	{ LAUNCH_OPTION_VM_BOOT, PLACE(options.vm_boot) },
	{ LAUNCH_OPTION_VM_MEMORY, PLACE(options.vm_memory) },
	{ LAUNCH_OPTION_VM_VCPUS, PLACE(options.vm_vcpus) },
	{ LAUNCH_OPTION_VM_BOOT_TIMEOUT, PLACE(options.vm_boot_timeout) },
	{ LAUNCH_OPTION_VM_WATCHDOG, PLACE(options.vm_watchdog) },
	{ LAUNCH_OPTION_VM_NETWORK, PLACE(options.vm_network) },
	{ LAUNCH_OPTION_VM_PUBLISH, PLACE(options.vm_publish) },
	{ LAUNCH_OPTION_TEMPLATE_DIR, PLACE(options.template_directory) },
	{ LAUNCH_OPTION_CONSOLE_SOCKET, PLACE(options.console_socket) },
	{ LAUNCH_OPTION_PID_FILE, PLACE(options.pid_file) },
	{ LAUNCH_OPTION_PIDFD_SOCKET, PLACE(options.pidfd_socket) },
}, flags[] = {
	{ 'd', PLACE(detach) },
	{ LAUNCH_OPTION_KEEP, PLACE(keep) },
	{ LAUNCH_OPTION_VM_DEBUG, PLACE(options.vm_debug) },
	{ LAUNCH_OPTION_VM_HUGE_PAGES, PLACE(options.vm_huge_pages) },
	{ LAUNCH_OPTION_VM_CONSOLE, PLACE(options.vm_console) },
	{ LAUNCH_OPTION_NO_TEMPLATE, PLACE(options.no_template) },
	{ LAUNCH_OPTION_NO_PIVOT, PLACE(options.no_pivot) },
	{ LAUNCH_OPTION_NO_NEW_KEYRING, PLACE(options.no_new_keyring) },
};

static int launch_option(int option, struct launch_command *launch, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].option == option)
			*(const char **)((char *)launch + texts[i].place) = optarg;
	}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].option == option)
			*(bool *)((char *)launch + flags[i].place) = true;
	}
	if (option == LAUNCH_OPTION_VM)
		launch->options.isolation = "microvm";
	if (option == LAUNCH_OPTION_PRESERVE_FDS)
		return launch_parse_preserve(optarg, &launch->options.preserve_fds, err);
	return 0; /* LAUNCH_OPTION_NO_SUBREAPER: duet never is one */
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
