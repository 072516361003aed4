/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/command.h"
#include "cli/manual.h"

static void help_print(void)
{
	printf("duet runs one OCI bundle behind either of two walls: as a container, or inside a KVM micro-VM.\n\n"
	       "Usage: duet [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n");
	for (const struct command *const *command = command_table; *command; command++)
		printf("  %-10s  %s\n", (*command)->name, (*command)->summary);
	printf("\nGlobal options:\n");
	command_print_options(global_option_table, stdout);
	printf("\n`duet help COMMAND` prints the options of one command.\n");
}

static int help_manual(struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	manual_print(&text);
	return command_output(&text, "the manual page", err);
}

static int help_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	int option = argc ? command_next_option(&command_help, argc, argv, err) : -1;
	const struct command *command;

	(void)global;
	if (option != -1)
		return option == OPTION_LONG ? help_manual(err) : option;
	if (argc - optind > 1)
		return command_expect_arguments(&command_help, argc, 1, err);
	if (argc == 0 || optind == argc) {
		help_print();
	} else {
		command = command_find(argv[optind]);
		if (!command)
			return error_set(err, -EINVAL, "unknown command \"%s\" (see `duet help`)", argv[optind]);
		command_print_usage(command, stdout);
	}
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write the help");
}

static const struct command_option help_options[] = {
	{ "man", OPTION_LONG, NULL, NULL }, /* for the build: the part of duet(1) that comes from these tables */
	{ 0 },
};

const struct command command_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.summary = "Print what duet, or one of its commands, understands",
	.options = help_options,
	.operands = OPERANDS_VERB,
	.run = help_run,
};
