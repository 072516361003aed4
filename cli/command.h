/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs: each command is one file with one function and one table of options. getopt's tables, --help, the
 * shells' completion and the manual page all come from these tables, and from nothing else.
 */
#ifndef DUET_CLI_COMMAND_H
#define DUET_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "cgroups/cgroup.h"

/* Options before the verb. */
struct global_options {
	char *root; /* allocated */
	enum cgroup_manager cgroup_manager;
	enum cgroup_rootless rootless;
	const char *settings_file;     /* NULL: the default one */
	const char *trace_file;        /* NULL: none */
	const char *default_isolation; /* of the program's name; NULL: it says nothing */
};

struct command_option {
	const char *name;     /* without the dashes */
	int code;             /* its letter, or a number from OPTION_LONG on when it has none; 'h' is --help's */
	const char *argument; /* NULL: takes none. FILE and DIR are completed as such, "table|json" as these words */
	const char *help;     /* a line, without a full stop; NULL: an option that is only there for old callers */
};

#define OPTION_LONG 256

/* What the arguments after the options are, for completion. */
enum command_operands {
	OPERANDS_NONE,
	OPERANDS_NEW_ID,     /* an id that is not taken yet */
	OPERANDS_ID,         /* a container */
	OPERANDS_ID_SIGNAL,  /* a container and perhaps a signal */
	OPERANDS_ID_COMMAND, /* a container, then another program's words: options end at the first operand */
	OPERANDS_COMMAND,    /* another program's words: options end at the first operand */
	OPERANDS_VERB,       /* a command of this table */
	OPERANDS_SHELL,      /* bash, zsh or fish */
};

struct command {
	const char *name;
	const char *arguments;                /* usage: what follows the name */
	const char *summary;                  /* a line, without a full stop */
	const char *description;              /* for the manual page: paragraphs, apart by an empty line; NULL: none */
	const struct command_option *options; /* ends with a NULL name; NULL: none but --help */
	enum command_operands operands;
	bool enters_container; /* runs from a sealed copy of the program (base/sealed_program.h) */
	/* argv[0] is the verb. Returns the exit status, a negative errno with *err set, or COMMAND_HELPED. */
	int (*run)(const struct global_options *global, int argc, char **argv, struct error *err);
};

extern const struct command *const command_table[]; /* ends with NULL */
extern const struct command_option global_option_table[];

extern const struct command command_bench;
extern const struct command command_checkpoint;
extern const struct command command_compare;
extern const struct command command_completion;
extern const struct command command_create;
extern const struct command command_delete;
extern const struct command command_events;
extern const struct command command_exec;
extern const struct command command_features;
extern const struct command command_help;
extern const struct command command_kill;
extern const struct command command_list;
extern const struct command command_mounts;
extern const struct command command_pause;
extern const struct command command_ps;
extern const struct command command_restore;
extern const struct command command_resume;
extern const struct command command_run;
extern const struct command command_sandbox;
extern const struct command command_spec;
extern const struct command command_start;
extern const struct command command_state;
extern const struct command command_update;
extern const struct command command_template, command_version;

const struct command *command_find(const char *name);

/* Options as lines of help, with --help at the end. */
void command_print_options(const struct command_option *options, FILE *stream);
void command_print_usage(const struct command *command, FILE *stream);

/* Handles one option after the other, as getopt_long(3): returns the code of the next one (its value is in optarg), -1
 * at the end, or a number below -1: a negative errno with *err set (unknown option, missing value), or COMMAND_HELPED
 * when
 * --help was asked for and printed, which a command answers as it is. command NULL: the global options. */
#define COMMAND_HELPED (-100000)
int command_next_option(const struct command *command, int argc, char **argv, struct error *err);

/* Exactly `count` arguments must be left after the options, or -EINVAL with the usage in *err. */
int command_expect_arguments(const struct command *command, int argc, int count, struct error *err);

/* For a command without options of its own: --help, and exactly `count` arguments. 0, COMMAND_HELPED or a negative
 * errno. */
int command_parse_plain(const struct command *command, int argc, char **argv, int count, struct error *err);

/* Writes to standard output; `what` stands in the error. */
int command_output(const struct strbuf *text, const char *what, struct error *err);

#endif
