/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "base/file.h"
#include "cli/command.h"
#include "runtime/live_mounts.h"

enum { MOUNTS_BYTES_MAX = 16 * 1024 * 1024 };

static int mounts_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int result = command_parse_plain(&command_mounts, argc, argv, 3, err);
	const char *verb, *file;

	if (result != 0)
		return result;
	verb = argv[optind];
	file = argv[optind + 2];
	if (strcmp(verb, "add") != 0 && strcmp(verb, "remove") != 0)
		return error_set(err, -EINVAL, "mounts %s: add and remove are there", verb);
	result = strcmp(file, "-") == 0 ? file_read_fd(STDIN_FILENO, MOUNTS_BYTES_MAX, &text)
					: file_read(AT_FDCWD, file, MOUNTS_BYTES_MAX, &text);
	if (result < 0)
		return error_set(err, -result, "read the mounts from %s", file);
	return live_mounts_change(global->root, argv[optind + 1], text.data ? text.data : "", text.length, file,
		strcmp(verb, "remove") == 0, err);
}

const struct command command_mounts = {
	.name = "mounts",
	.arguments = "add|remove ID FILE",
	.summary = "Put mounts into a container that runs, or take them out",
	.description =
		"FILE (-: standard input) holds mounts as config.json does, in an array or in an object with "
		"\"mounts\". "
		"Binds and tmpfs can be added; removed is what is mounted at the destinations. Not for micro-VMs.",
	.operands = OPERANDS_NONE,
	.run = mounts_run,
};
