/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>

#include "cli/completion.h"

static int completion_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	cleanup_strbuf struct strbuf script = STRBUF_INIT;
	int result = command_parse_plain(&command_completion, argc, argv, 1, err);

	(void)global;
	if (result < 0)
		return result;
	if (strcmp(argv[optind], "bash") == 0)
		completion_print_bash(&script);
	else if (strcmp(argv[optind], "zsh") == 0)
		completion_print_zsh(&script);
	else if (strcmp(argv[optind], "fish") == 0)
		completion_print_fish(&script);
	else
		return error_set(err, -EINVAL, "completion %s: bash, zsh and fish are there", argv[optind]);
	return command_output(&script, "the completion", err);
}

const struct command command_completion = {
	.name = "completion",
	.arguments = "bash|zsh|fish",
	.summary = "Print the completion of this command line for a shell",
	.description = "make install puts it where the shells look for it. By hand: `source <(duet completion bash)`.",
	.operands = OPERANDS_SHELL,
	.run = completion_run,
};
