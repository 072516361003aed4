/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion for the shells, from the table of commands: verbs, options, the words that an option takes, files,
 * directories, and the ids of the containers that are there.
 */
#ifndef DUET_CLI_COMPLETION_H
#define DUET_CLI_COMPLETION_H

#include "cli/command.h"

void completion_print_bash(struct strbuf *out);
void completion_print_zsh(struct strbuf *out);
void completion_print_fish(struct strbuf *out);

/* What an option's value is completed with. */
enum completion_kind { COMPLETION_NONE, COMPLETION_FILE, COMPLETION_DIRECTORY, COMPLETION_WORDS };
enum completion_kind completion_kind(const struct command_option *option);
/* "table|json" as "table json" (allocated). */
char *completion_words(const char *argument);
/* The names of the signals, apart by blanks (allocated). */
char *completion_signals(void);

#endif
