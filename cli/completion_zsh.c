/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

#include <string.h>

/* Inside '…[…]:…:…' of _arguments. */
static void print_escaped(struct strbuf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\'')
			strbuf_string(out, "'\\''");
		else if (strchr("[]:\\()", *c))
			strbuf_printf(out, "\\%c", *c);
		else
			strbuf_append(out, c, 1);
	}
}

static void print_option(struct strbuf *out, const struct command_option *option)
{
	cleanup_free char *words = option->argument ? completion_words(option->argument) : NULL;

	if (!option->help)
		return;
	if (option->code < OPTION_LONG)
		strbuf_printf(out, "		'(-%c --%s)'{-%c,--%s}'[", option->code, option->name, option->code,
			option->name);
	else
		strbuf_printf(out, "		'--%s[", option->name);
	print_escaped(out, option->help);
	strbuf_string(out, "]");
	if (option->argument)
		strbuf_printf(
			out, ":%s:", completion_kind(option) == COMPLETION_WORDS ? option->name : option->argument);
	switch (completion_kind(option)) {
	case COMPLETION_FILE:
		strbuf_string(out, "_files");
		break;
	case COMPLETION_DIRECTORY:
		strbuf_string(out, "_files -/");
		break;
	case COMPLETION_WORDS:
		strbuf_printf(out, "(%s)", words);
		break;
	case COMPLETION_NONE:
		break;
	}
	strbuf_string(out, "' \\\n");
}

static void print_options(struct strbuf *out, const struct command_option *options)
{
	static const struct command_option help = { "help", 'h', NULL, "print help" };

	for (; options && options->name; options++)
		print_option(out, options);
	print_option(out, &help);
}

static void print_operands(struct strbuf *out, enum command_operands operands)
{
	cleanup_free char *signals = completion_signals();

	switch (operands) {
	case OPERANDS_ID:
		strbuf_string(out, "		'1:container:_duet_ids'");
		break;
	case OPERANDS_ID_COMMAND:
		strbuf_string(out, "		'1:container:_duet_ids' '*::command:_normal'");
		break;
	case OPERANDS_ID_SIGNAL:
		strbuf_printf(out, "		'1:container:_duet_ids' '2:signal:(%s)'", signals);
		break;
	case OPERANDS_VERB:
		strbuf_string(out, "		'1:command:_duet_verbs'");
		break;
	case OPERANDS_SHELL:
		strbuf_string(out, "		'1:shell:(bash zsh fish)'");
		break;
	case OPERANDS_NEW_ID:
		strbuf_string(out, "		'1:new id:'");
		break;
	case OPERANDS_COMMAND:
	case OPERANDS_NONE:
		strbuf_string(out, "		':: :'");
		break;
	}
	strbuf_string(out, "\n");
}

void completion_print_zsh(struct strbuf *out)
{
	strbuf_string(out, "#compdef duet\n"
			   "# zsh completion for duet; `duet completion zsh` prints it.\n\n"
			   "_duet_ids() {\n"
			   "	local -a ids\n"
			   "	ids=(${(f)\"$(duet ${duet_root:+--root $duet_root} list -q 2>/dev/null)\"})\n"
			   "	compadd -a ids\n"
			   "}\n\n"
			   "_duet_verbs() {\n"
			   "	local -a verbs\n"
			   "	verbs=(\n");
	for (const struct command *const *command = command_table; *command; command++) {
		strbuf_printf(out, "		'%s:", (*command)->name);
		print_escaped(out, (*command)->summary);
		strbuf_string(out, "'\n");
	}
	strbuf_string(out, "	)\n"
			   "	_describe command verbs\n"
			   "}\n\n"
			   "_duet() {\n"
			   "	local curcontext=\"$curcontext\" state duet_root\n"
			   "	local -a line\n"
			   "	typeset -A opt_args\n"
			   "	_arguments -C \\\n");
	print_options(out, global_option_table);
	strbuf_string(out, "		'1:command:_duet_verbs' '*::argument:->argument'\n"
			   "	duet_root=$opt_args[--root]\n"
			   "	[[ $state == argument ]] || return\n"
			   "	case $line[1] in\n");
	for (const struct command *const *command = command_table; *command; command++) {
		strbuf_printf(out, "	%s)\n		_arguments \\\n", (*command)->name);
		print_options(out, (*command)->options);
		print_operands(out, (*command)->operands);
		strbuf_string(out, "		;;\n");
	}
	strbuf_string(out, "	esac\n}\n\n_duet \"$@\"\n");
}
