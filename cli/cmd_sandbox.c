/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>

#include "cli/command.h"
#include "sandbox/sandbox.h"

#define CODE_PLAIN(name, kind, member, ...)   OPTION_##member,
#define CODE_INITIAL(name, kind, member, ...) OPTION_##member,

enum { OPTION_PROFILE = OPTION_LONG, SANDBOX_SETTINGS(CODE_PLAIN, CODE_INITIAL) };

/* The one with a letter. */
#define CODE_OF(member) \
	(offsetof(struct sandbox_settings, member) == offsetof(struct sandbox_settings, quiet) ? 'q' : OPTION_##member)

#define OPTION_PLAIN(name, kind, member, argument, help, words, limit) { name, CODE_OF(member), argument, help },
#define OPTION_INITIAL(name, kind, member, argument, help, initial, words, limit) \
	{ name, OPTION_##member, argument, help " (default " initial ")" },

static const struct command_option sandbox_options[] = {
	{ "profile", OPTION_PROFILE, "FILE", "settings from a JSON file, or strict, default or build" },
	SANDBOX_SETTINGS(OPTION_PLAIN, OPTION_INITIAL){ 0 },
};

static int take_option(struct sandbox_settings *settings, int option, struct error *err)
{
	const struct sandbox_setting *setting;

	if (option == OPTION_PROFILE)
		return sandbox_profile_apply(settings, optarg, err);
	if (option == 'q')
		option = OPTION_quiet;
	setting = &sandbox_settings_table[option - OPTION_PROFILE - 1];
	return sandbox_set(settings, setting, optarg, err) < 0 ? error_prefix(err, "--%s", setting->name) : 0;
}

static int sandbox_command(const struct global_options *global, int argc, char **argv, struct error *err)
{
	cleanup_sandbox_settings struct sandbox_settings settings;
	int option, result;

	sandbox_settings_begin(&settings);
	while ((option = command_next_option(&command_sandbox, argc, argv, err)) != -1) {
		if (option == COMMAND_HELPED)
			return option;
		result = option < 0 ? option : take_option(&settings, option, err);
		if (result < 0) {
			err->exit_status = SANDBOX_EXIT_FAILED;
			return result;
		}
	}
	if (optind == argc)
		return error_set_exit(
			err, SANDBOX_EXIT_FAILED, -EINVAL, "usage: duet sandbox [OPTIONS] [--] COMMAND...");
	return sandbox_run(&settings, argv + optind, global->root, err);
}

const struct command command_sandbox = {
	.name = "sandbox",
	.arguments = "[--] COMMAND...",
	.summary = "Run a command that nobody has reason to trust, in a throw-away root, with limits and a report",
	.description =
		"The host's root is there, read-only under a throw-away layer; secrets are not. The work directory is "
		"visible; its changes vanish unless they are asked for. The exit status is the command's own, 128 + "
		"its "
		"signal, 124 when its time was up, 125 when the sandbox itself failed.",
	.options = sandbox_options,
	.operands = OPERANDS_COMMAND,
	.enters_container = true,
	.run = sandbox_command,
};
