/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/checkpoint_options.h"

static int checkpoint_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct checkpoint_options options = { .cgroups = CHECKPOINT_CGROUPS_SOFT, .status_fd = -1 };
	int option, result;

	while ((option = command_next_option(&command_checkpoint, argc, argv, err)) != -1) {
		result = option < 0 ? option : checkpoint_option(option, &options, err);
		if (result < 0)
			return result;
	}
	result = command_expect_arguments(&command_checkpoint, argc, 1, err);
	return result < 0 ? result : lifecycle_checkpoint(global->root, argv[optind], &options, err);
}

static const struct command_option checkpoint_options[] = { CHECKPOINT_OPTIONS,
	{ "leave-running", CHECKPOINT_OPTION_LEAVE_RUNNING, NULL, "let the container go on" },
	{ "pre-dump", CHECKPOINT_OPTION_PRE_DUMP, NULL, "write the memory only, and let the container go on" },
	{ "parent-path", CHECKPOINT_OPTION_PARENT, "DIR",
		"images of an earlier pre-dump, relative to the image path: only what has changed since is written" },
	{ "page-server", CHECKPOINT_OPTION_PAGE_SERVER, "ADDRESS:PORT", "send the memory to a `criu page-server`" },
	{ "compress", CHECKPOINT_OPTION_COMPRESS, "zstd|none", "compress a micro-VM's memory (default: none)" },
	{ "status-fd", CHECKPOINT_OPTION_STATUS_FD, "N",
		"descriptor that receives a byte when criu listens (--lazy-pages)" },
	{ "tcp-skip-in-flight", CHECKPOINT_OPTION_TCP_SKIP_IN_FLIGHT, NULL,
		"leave out TCP connections that are not open yet" },
	{ 0 } };

const struct command command_checkpoint = {
	.name = "checkpoint",
	.arguments = "ID",
	.summary = "Write a running container's processes to files, to be restored later",
	.description =
		"The program `criu` does it and has to be installed; its log is dump.log in the work path. Unless "
		"--leave-running or --pre-dump is given the container is deleted afterwards. Volumes and "
		"namespaces that were joined by their path are not part of the images: a restore finds them by "
		"its own config.json.\n\n"
		"A micro-VM needs no criu: its machine goes into one file, with memory, processors, devices, open "
		"files "
		"and connections. Processes that exec has put into it have to have ended, and an open file that was "
		"deleted cannot be found again. --compress=zstd makes that file smaller, to a quarter or so; it is "
		"read whole "
		"when it is restored, in place of what is needed of it.",
	.options = checkpoint_options,
	.operands = OPERANDS_ID,
	.run = checkpoint_run,
};
