/* SPDX-License-Identifier: Apache-2.0 */
/* The options before the verb. */
#ifndef DUET_CLI_GLOBAL_OPTIONS_H
#define DUET_CLI_GLOBAL_OPTIONS_H

#include "base/log.h"
#include "cli/command.h"

/* 0: go on with the verb at argv[optind]; 1: all done (--help, --version); negative: *err is set. */
int global_options_parse(
	int argc, char **argv, struct global_options *global, struct log_options *log, struct error *err);

#endif
