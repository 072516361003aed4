/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manual.h"

#include <string.h>

#include "cli/command.h"

/* In man(7) a '-' is a hyphen unless escaped, and a line that begins with '.' or '\'' is a request. What stands in
 * backquotes becomes bold. */
static void print_text(struct strbuf *out, const char *text)
{
	bool line_begins = true, quoted = false;

	for (const char *c = text; *c; c++) {
		if (line_begins && (*c == '.' || *c == '\''))
			strbuf_string(out, "\\&");
		line_begins = *c == '\n';
		if (*c == '-')
			strbuf_string(out, "\\-");
		else if (*c == '\\')
			strbuf_string(out, "\\e");
		else if (*c == '`')
			strbuf_string(out, (quoted = !quoted) ? "\\fB" : "\\fR");
		else
			strbuf_append(out, c, 1);
	}
}

static void print_paragraphs(struct strbuf *out, const char *text)
{
	const char *gap;

	while ((gap = strstr(text, "\n\n"))) {
		cleanup_free char *paragraph = xstrndup(text, (size_t)(gap - text));

		print_text(out, paragraph);
		strbuf_string(out, "\n.PP\n");
		text = gap + 2;
	}
	print_text(out, text);
	strbuf_string(out, "\n");
}

static void print_option(struct strbuf *out, const struct command_option *option)
{
	strbuf_string(out, ".TP\n");
	if (option->code < OPTION_LONG)
		strbuf_printf(out, "\\fB\\-%c\\fR, ", option->code);
	strbuf_string(out, "\\fB\\-\\-");
	print_text(out, option->name);
	strbuf_string(out, "\\fR");
	if (option->argument) {
		strbuf_string(out, " \\fI");
		print_text(out, option->argument);
		strbuf_string(out, "\\fR");
	}
	strbuf_string(out, "\n");
	print_text(out, option->help);
	strbuf_string(out, "\n");
}

static void print_options(struct strbuf *out, const struct command_option *options)
{
	for (; options && options->name; options++) {
		if (options->help)
			print_option(out, options);
	}
}

static void print_command(struct strbuf *out, const struct command *command)
{
	strbuf_string(out, ".SS \"");
	print_text(out, command->name);
	if (command->options)
		strbuf_string(out, " [OPTIONS]");
	if (*command->arguments)
		strbuf_string(out, " ");
	print_text(out, command->arguments);
	strbuf_string(out, "\"\n");
	print_text(out, command->summary);
	strbuf_string(out, ".\n");
	if (command->description) {
		strbuf_string(out, ".PP\n");
		print_paragraphs(out, command->description);
	}
	print_options(out, command->options);
}

void manual_print(struct strbuf *out)
{
	strbuf_string(out, ".SH COMMANDS\nEach command knows \\fB\\-\\-help\\fR (\\fB\\-h\\fR).\n");
	for (const struct command *const *command = command_table; *command; command++)
		print_command(out, *command);
	strbuf_string(out, ".SH GLOBAL OPTIONS\nThey come before the command.\n");
	print_options(out, global_option_table);
}
