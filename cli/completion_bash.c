/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

static const char bash_begin[] =
	"# bash completion for duet; `duet completion bash` prints it.\n"
	"\n"
	"_duet() {\n"
	"	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
	"	local verb= word root= options valued operands=0 i\n"
	"	local -a at=()\n"
	"	COMPREPLY=()\n"
	"	# Readline takes --option=value apart.\n"
	"	if [[ $current == = ]]; then\n"
	"		current=\n"
	"	elif [[ $previous == = ]]; then\n"
	"		previous=${COMP_WORDS[COMP_CWORD-2]}\n"
	"	fi\n"
	"	_duet_options ''\n"
	"	for ((i = 1; i < COMP_CWORD; i++)); do\n"
	"		word=${COMP_WORDS[i]}\n"
	"		if [[ $word == = ]]; then\n"
	"			continue\n"
	"		elif [[ $word == -* ]]; then\n"
	"			if [[ \" $valued \" == *\" $word \"* ]]; then\n"
	"				((i++))\n"
	"				[[ ${COMP_WORDS[i]} == = ]] && ((i++))\n"
	"				[[ $word == --root ]] && root=${COMP_WORDS[i]}\n"
	"			fi\n"
	"		elif [[ -z $verb ]]; then\n"
	"			verb=$word\n"
	"			_duet_options \"$verb\"\n"
	"		else\n"
	"			((operands++))\n"
	"		fi\n"
	"	done\n"
	"	if [[ \" $valued \" == *\" $previous \"* ]]; then\n"
	"		_duet_value \"$verb\" \"$previous\"\n"
	"	elif [[ $current == -* ]]; then\n"
	"		COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
	"	else\n"
	"		_duet_operand \"$verb\" \"$operands\"\n"
	"	fi\n"
	"}\n"
	"\n"
	"_duet_ids() {\n"
	"	COMPREPLY=($(compgen -W \"$(duet ${root:+--root \"$root\"} list -q 2>/dev/null)\" -- \"$current\"))\n"
	"}\n";

/* All of them, or those that take a value. */
static void print_names(struct strbuf *out, const struct command_option *options, bool valued)
{
	for (; options && options->name; options++) {
		if (!options->help || (valued && !options->argument))
			continue;
		if (options->code < OPTION_LONG)
			strbuf_printf(out, " -%c", options->code);
		strbuf_printf(out, " --%s", options->name);
	}
}

static void print_options(struct strbuf *out, const char *verb, const struct command_option *options)
{
	strbuf_printf(out, "	%s)\n		options='-h --help", *verb ? verb : "''");
	print_names(out, options, false);
	strbuf_string(out, "'\n		valued='");
	print_names(out, options, true);
	strbuf_string(out, "'\n		;;\n");
}

static void print_value(struct strbuf *out, const char *verb, const struct command_option *option)
{
	enum completion_kind kind = completion_kind(option);
	cleanup_free char *words = option->argument ? completion_words(option->argument) : NULL;

	if (kind == COMPLETION_NONE || !option->help)
		return;
	strbuf_printf(out, "	%s:--%s", verb, option->name);
	if (option->code < OPTION_LONG)
		strbuf_printf(out, " | %s:-%c", verb, option->code);
	strbuf_string(out, ") ");
	if (kind == COMPLETION_WORDS)
		strbuf_printf(out, "COMPREPLY=($(compgen -W '%s' -- \"$current\"))", words);
	else
		strbuf_printf(out, "COMPREPLY=($(compgen -%c -- \"$current\"))", kind == COMPLETION_FILE ? 'f' : 'd');
	strbuf_string(out, " ;;\n");
}

static void print_operand(struct strbuf *out, const struct command *command)
{
	cleanup_free char *signals = completion_signals();

	switch (command->operands) {
	case OPERANDS_ID:
	case OPERANDS_ID_COMMAND:
		strbuf_printf(out, "	%s:0) _duet_ids ;;\n", command->name);
		break;
	case OPERANDS_ID_SIGNAL:
		strbuf_printf(out,
			"	%s:0) _duet_ids ;;\n	%s:1) COMPREPLY=($(compgen -W '%s' -- \"$current\")) ;;\n",
			command->name, command->name, signals);
		break;
	case OPERANDS_VERB:
		strbuf_printf(out, "	%s:0) _duet_operand '' 0 ;;\n", command->name);
		break;
	case OPERANDS_SHELL:
		strbuf_printf(
			out, "	%s:0) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$current\")) ;;\n", command->name);
		break;
	case OPERANDS_COMMAND:
	case OPERANDS_NONE:
	case OPERANDS_NEW_ID:
		break;
	}
}

void completion_print_bash(struct strbuf *out)
{
	strbuf_string(out, bash_begin);
	strbuf_string(out, "\n_duet_options() {\n	options= valued=\n	case $1 in\n");
	print_options(out, "", global_option_table);
	for (const struct command *const *command = command_table; *command; command++)
		print_options(out, (*command)->name, (*command)->options);
	strbuf_string(out, "	esac\n}\n\n_duet_value() {\n	case $1:$2 in\n");
	for (const struct command_option *option = global_option_table; option->name; option++)
		print_value(out, "", option);
	for (const struct command *const *command = command_table; *command; command++) {
		for (const struct command_option *option = (*command)->options; option && option->name; option++)
			print_value(out, (*command)->name, option);
	}
	strbuf_string(out, "	esac\n}\n\n_duet_operand() {\n	case $1:$2 in\n	:0) COMPREPLY=($(compgen -W '");
	for (const struct command *const *command = command_table; *command; command++)
		strbuf_printf(out, "%s%s", command == command_table ? "" : " ", (*command)->name);
	strbuf_string(out, "' -- \"$current\")) ;;\n");
	for (const struct command *const *command = command_table; *command; command++)
		print_operand(out, *command);
	strbuf_string(out, "	esac\n}\n\ncomplete -F _duet duet\n");
}
