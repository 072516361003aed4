/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs: each command is one file with one function, one line of usage and one list of options.
 */
#ifndef DUET_CLI_COMMAND_H
#define DUET_CLI_COMMAND_H

#include <getopt.h>
#include <stdbool.h>

#include "base/error.h"

/* Options before the verb. */
struct global_options {
	char *root; /* allocated */
	bool systemd_cgroup, cgroups_disabled;
};

struct command {
	const char *name;
	const char *arguments; /* usage: what follows the name */
	const char *summary;
	const char *options;   /* one line each, for --help; NULL: none */
	bool enters_container; /* runs from a sealed copy of the program (base/sealed_program.h) */
	/* argv[0] is the verb. Returns the exit status or a negative errno with *err set. */
	int (*run)(const struct global_options *global, int argc, char **argv, struct error *err);
};

extern const struct command *const command_table[]; /* ends with NULL */

extern const struct command command_create, command_delete, command_features, command_help, command_kill, command_list,
	command_run, command_spec, command_start, command_state, command_version;

const struct command *command_find(const char *name);
void command_print_usage(const struct command *command, FILE *stream);

/* getopt_long(3) for a verb: handles --help; returns the next option's value, -1 at the end, or a negative errno below
 * -1 with *err set (unknown option, missing argument). -2 stands for --help having been printed. */
#define COMMAND_HELPED (-2)
int command_next_option(const struct command *command, int argc, char **argv, const char *short_options,
	const struct option *options, struct error *err);

/* Exactly `count` arguments must be left after the options, or -EINVAL with the usage in *err. */
int command_expect_arguments(const struct command *command, int argc, int count, struct error *err);

#endif
