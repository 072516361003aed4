/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <getopt.h>
#include <string.h>

enum { OPTIONS_MAX = 64 };

const struct command *const command_table[] = {
	&command_bench,
	&command_checkpoint,
	&command_compare,
	&command_completion,
	&command_create,
	&command_delete,
	&command_events,
	&command_exec,
	&command_features,
	&command_help,
	&command_kill,
	&command_list,
	&command_mounts,
	&command_pause,
	&command_ps,
	&command_restore,
	&command_resume,
	&command_run,
	&command_sandbox,
	&command_spec,
	&command_start,
	&command_state,
	&command_update,
	&command_template,
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

static int option_width(const struct command_option *option)
{
	return (int)(strlen(option->name) + (option->argument ? strlen(option->argument) + 1 : 0));
}

static void print_option(const struct command_option *option, int width, FILE *stream)
{
	if (option->code < OPTION_LONG)
		fprintf(stream, "  -%c, ", option->code);
	else
		fprintf(stream, "      ");
	fprintf(stream, "--%s%s%-*s  %s\n", option->name, option->argument ? " " : "",
		width - (int)strlen(option->name) - (option->argument ? 1 : 0),
		option->argument ? option->argument : "", option->help);
}

void command_print_options(const struct command_option *options, FILE *stream)
{
	static const struct command_option help = { "help", 'h', NULL, "print this" };
	int width = option_width(&help);

	for (const struct command_option *option = options; option && option->name; option++) {
		if (option->help && option_width(option) > width)
			width = option_width(option);
	}
	for (const struct command_option *option = options; option && option->name; option++) {
		if (option->help)
			print_option(option, width, stream);
	}
	print_option(&help, width, stream);
}

void command_print_usage(const struct command *command, FILE *stream)
{
	fprintf(stream, "Usage: duet %s%s%s%s\n\n%s.\n\n", command->name, command->options ? " [OPTIONS]" : "",
		*command->arguments ? " " : "", command->arguments, command->summary);
	command_print_options(command->options, stream);
}

/* getopt's two forms of the table. */
static void fill_getopt(
	const struct command_option *options, bool stop_at_operand, struct option *long_options, char *letters)
{
	static const struct option help = { "help", no_argument, NULL, 'h' };
	size_t count = 0, letter = 0;

	if (stop_at_operand)
		letters[letter++] = '+';
	letters[letter++] = ':';
	for (; options && options->name && count < OPTIONS_MAX; options++) {
		long_options[count++] = (struct option){ .name = options->name,
			.has_arg = options->argument ? required_argument : no_argument,
			.val = options->code };
		if (options->code >= OPTION_LONG)
			continue;
		letters[letter++] = (char)options->code;
		if (options->argument)
			letters[letter++] = ':';
	}
	long_options[count++] = help;
	long_options[count] = (struct option){ 0 };
	letters[letter++] = 'h';
	letters[letter] = '\0';
}

static int say_refusal(const struct command *command, const char *argument, struct error *err)
{
	const char *space = command ? " " : "", *name = command ? command->name : "";

	/* A bundle of letters stays where it is until its last one is done. */
	if (strncmp(argument, "--", 2) != 0 || (optopt > 0 && optopt < OPTION_LONG && !strchr(argument, '=')))
		return error_set(err, -EINVAL, "unknown option -%c (see `duet help%s%s`)", optopt, space, name);
	return error_set(err, -EINVAL, "%s %s (see `duet help%s%s`)",
		optopt ? "this option takes no value:" : "unknown or ambiguous option", argument, space, name);
}

/* getopt_long(3) has answered '?' or ':'. `command` NULL: an option before the command. */
static int refuse_option(const struct command *command, int answer, const char *argument, struct error *err)
{
	int result = answer == ':' ? error_set(err, -EINVAL, "option %s needs a value", argument)
				   : say_refusal(command, argument, err);

	return command ? error_prefix(err, "%s", command->name) : result;
}

int command_next_option(const struct command *command, int argc, char **argv, struct error *err)
{
	struct option long_options[OPTIONS_MAX + 2];
	char letters[2 * OPTIONS_MAX + 4];
	int option;

	fill_getopt(command ? command->options : global_option_table,
		!command || command->operands == OPERANDS_ID_COMMAND || command->operands == OPERANDS_COMMAND,
		long_options, letters);
	opterr = 0;
	option = getopt_long(argc, argv, letters, long_options, NULL);
	if (option == 'h' && command) {
		command_print_usage(command, stdout);
		return fflush(stdout) == 0 ? COMMAND_HELPED : error_set(err, errno, "write the help");
	}
	return option == '?' || option == ':' ? refuse_option(command, option, argv[optind - 1], err) : option;
}

int command_expect_arguments(const struct command *command, int argc, int count, struct error *err)
{
	if (argc - optind != count)
		return error_set(err, -EINVAL, "usage: duet %s%s%s%s", command->name,
			command->options ? " [OPTIONS]" : "", *command->arguments ? " " : "", command->arguments);
	return 0;
}

int command_parse_plain(const struct command *command, int argc, char **argv, int count, struct error *err)
{
	int option = command_next_option(command, argc, argv, err);

	return option == -1 ? command_expect_arguments(command, argc, count, err) : option;
}

int command_output(const struct strbuf *text, const char *what, struct error *err)
{
	if ((text->length && fwrite(text->data, 1, text->length, stdout) != text->length) || fflush(stdout) != 0)
		return error_set(err, errno, "write %s", what);
	return 0;
}
