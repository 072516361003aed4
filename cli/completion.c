/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

#include <signal.h>
#include <string.h>

enum completion_kind completion_kind(const struct command_option *option)
{
	if (!option->argument)
		return COMPLETION_NONE;
	if (strcmp(option->argument, "FILE") == 0)
		return COMPLETION_FILE;
	if (strcmp(option->argument, "DIR") == 0)
		return COMPLETION_DIRECTORY;
	return strchr(option->argument, '|') ? COMPLETION_WORDS : COMPLETION_NONE;
}

char *completion_words(const char *argument)
{
	char *words = xstrdup(argument);

	for (char *c = words; *c; c++) {
		if (*c == '|')
			*c = ' ';
	}
	return words;
}

char *completion_signals(void)
{
	struct strbuf names = STRBUF_INIT;

	for (int number = 1; number < SIGRTMIN; number++) {
		const char *name = sigabbrev_np(number);

		if (name)
			strbuf_printf(&names, "%s%s", names.length ? " " : "", name);
	}
	return names.data;
}
