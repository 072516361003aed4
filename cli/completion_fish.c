/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

static void print_quoted(struct strbuf *out, const char *text)
{
	strbuf_string(out, "'");
	for (const char *c = text; *c; c++) {
		if (*c == '\'' || *c == '\\')
			strbuf_string(out, "\\");
		strbuf_append(out, c, 1);
	}
	strbuf_string(out, "'");
}

static void print_option(struct strbuf *out, const char *condition, const struct command_option *option)
{
	cleanup_free char *words = option->argument ? completion_words(option->argument) : NULL;

	if (!option->help)
		return;
	strbuf_printf(out, "complete -c duet -n '%s'", condition);
	if (option->code < OPTION_LONG)
		strbuf_printf(out, " -s %c", option->code);
	strbuf_printf(out, " -l %s", option->name);
	switch (completion_kind(option)) {
	case COMPLETION_FILE:
		strbuf_string(out, " -r -F");
		break;
	case COMPLETION_DIRECTORY:
		strbuf_string(out, " -x -a '(__fish_complete_directories)'");
		break;
	case COMPLETION_WORDS:
		strbuf_printf(out, " -x -a '%s'", words);
		break;
	case COMPLETION_NONE:
		strbuf_string(out, option->argument ? " -x" : "");
		break;
	}
	strbuf_string(out, " -d ");
	print_quoted(out, option->help);
	strbuf_string(out, "\n");
}

static void print_options(struct strbuf *out, const char *condition, const struct command_option *options)
{
	static const struct command_option help = { "help", 'h', NULL, "print help" };

	for (; options && options->name; options++)
		print_option(out, condition, options);
	print_option(out, condition, &help);
}

static void print_operands(struct strbuf *out, const char *condition, enum command_operands operands)
{
	cleanup_free char *signals = completion_signals();

	switch (operands) {
	case OPERANDS_ID_SIGNAL:
		strbuf_printf(out, "complete -c duet -n '%s' -a '%s'\n", condition, signals);
		/* fall through */
	case OPERANDS_ID:
	case OPERANDS_ID_COMMAND:
		strbuf_printf(out, "complete -c duet -n '%s' -a '(__duet_ids)'\n", condition);
		break;
	case OPERANDS_VERB:
		strbuf_printf(out, "complete -c duet -n '%s' -a '", condition);
		for (const struct command *const *command = command_table; *command; command++)
			strbuf_printf(out, "%s%s", command == command_table ? "" : " ", (*command)->name);
		strbuf_string(out, "'\n");
		break;
	case OPERANDS_SHELL:
		strbuf_printf(out, "complete -c duet -n '%s' -a 'bash zsh fish'\n", condition);
		break;
	case OPERANDS_COMMAND:
	case OPERANDS_NONE:
	case OPERANDS_NEW_ID:
		break;
	}
}

void completion_print_fish(struct strbuf *out)
{
	strbuf_string(out, "# fish completion for duet; `duet completion fish` prints it.\n\n"
			   "function __duet_ids\n"
			   "	set -l words (commandline -opc)\n"
			   "	set -l at (contains -i -- --root $words)\n"
			   "	and duet --root $words[(math $at + 1)] list -q 2>/dev/null\n"
			   "	or duet list -q 2>/dev/null\n"
			   "end\n\n"
			   "complete -c duet -f\n");
	print_options(out, "__fish_use_subcommand", global_option_table);
	for (const struct command *const *command = command_table; *command; command++) {
		cleanup_free char *condition = xprintf("__fish_seen_subcommand_from %s", (*command)->name);

		strbuf_printf(out, "complete -c duet -n __fish_use_subcommand -a %s -d ", (*command)->name);
		print_quoted(out, (*command)->summary);
		strbuf_string(out, "\n");
		print_options(out, condition, (*command)->options);
		print_operands(out, condition, (*command)->operands);
	}
}
