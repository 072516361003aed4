/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <string.h>

const struct command *const command_table[] = {
	&command_create,
	&command_delete,
	&command_features,
	&command_help,
	&command_kill,
	&command_list,
	&command_run,
	&command_spec,
	&command_start,
	&command_state,
	&command_version,
	NULL,
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *command = command_table; *command; command++) {
		if (strcmp((*command)->name, name) == 0)
			return *command;
	}
	return NULL;
}

void command_print_usage(const struct command *command, FILE *stream)
{
	fprintf(stream, "Usage: duet %s %s\n\n%s.\n", command->name, command->arguments, command->summary);
	if (command->options)
		fprintf(stream, "\n%s", command->options);
}

int command_next_option(const struct command *command, int argc, char **argv, const char *short_options,
	const struct option *options, struct error *err)
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, short_options, options, NULL);
	if (option == 'h') {
		command_print_usage(command, stdout);
		return COMMAND_HELPED;
	}
	if (option == ':')
		return error_set(err, -EINVAL, "%s: option %s needs a value", command->name, argv[optind - 1]);
	if (option == '?')
		return error_set(err, -EINVAL, "%s: unknown option %s (see `duet %s --help`)", command->name,
			argv[optind - 1], command->name);
	return option;
}

int command_expect_arguments(const struct command *command, int argc, int count, struct error *err)
{
	if (argc - optind != count)
		return error_set(err, -EINVAL, "usage: duet %s %s", command->name, command->arguments);
	return 0;
}
