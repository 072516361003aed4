/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/sealed_program.h"
#include "base/trace.h"
#include "cli/global_options.h"
#include "oci/json_document.h"
#include "runtime/container.h"
#include "runtime/isolation.h"
#include "sandbox/sandbox.h"

static int run_command(struct global_options *global, int argc, char **argv, struct error *err)
{
	const struct command *command;
	int verb = optind, result;

	if (verb >= argc)
		return error_set(err, -EINVAL, "no command was given (see `duet help`)");
	command = command_find(argv[verb]);
	if (!command)
		return error_set(err, -EINVAL, "unknown command \"%s\" (see `duet help`)", argv[verb]);
	if (command->enters_container && sealed_program_enter(argv, err) < 0)
		return -err->code;
	optind = 0;
	sandbox_collect(global->root);
	result = command->run(global, argc - verb, argv + verb, err);
	return result == COMMAND_HELPED ? 0 : result;
}

/* The three standard descriptors exist from here on, so that no file of ours can ever become one of them. */
static int open_standard_descriptors(struct error *err)
{
	for (;;) {
		int fd = open("/dev/null", O_RDWR);

		if (fd < 0)
			return error_set(err, errno, "open /dev/null");
		if (fd > STDERR_FILENO) {
			(void)close(fd);
			return 0;
		}
	}
}

/* A link called duet-NAME makes NAME the wall of whatever says nothing of its own. */
static const char *isolation_of_name(const char *program)
{
	const char *base = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
	const struct isolation *isolation = strncmp(base, "duet-", 5) == 0 ? isolation_find(base + 5) : NULL;

	return isolation ? isolation->name : NULL;
}

int main(int argc, char **argv)
{
	struct global_options global = { .root = container_default_root(),
		.default_isolation = argc ? isolation_of_name(argv[0]) : NULL };
	struct log_options log = { .format = LOG_FORMAT_TEXT };
	struct error err = { 0 };
	int result = open_standard_descriptors(&err);

	json_document_seed();
	if (result == 0)
		result = global_options_parse(argc, argv, &global, &log, &err);
	if (result == 0) {
		result = log_open(&log, &err);
		if (result == 0)
			result = trace_open(global.trace_file, &err);
		if (result == 0)
			result = run_command(&global, argc, argv, &err);
	} else if (result > 0) {
		result = 0;
	}
	trace_close(false);
	free(global.root);
	if (result < 0) {
		log_error(&err);
		return err.exit_status ? err.exit_status : 1;
	}
	return result;
}
