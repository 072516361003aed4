/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "cli/command.h"
#include "oci/template.h"

static int spec_write(const char *bundle, bool rootless, struct error *err)
{
	cleanup_fd int directory = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct oci_template template = { .rootless = rootless, .uid = geteuid(), .gid = getegid() };
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	cleanup_fd int file = -EBADF;
	int result;

	if (directory < 0)
		return error_set(err, errno, "open bundle %s", bundle);
	oci_template_print(&json, &template);
	/* Somebody's configuration is never written over. */
	file = openat(directory, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file < 0)
		return error_set(err, errno, "make %s/config.json", bundle);
	result = file_write_fd(file, json.data, json.length);
	return result < 0 ? error_set(err, -result, "write %s/config.json", bundle) : 0;
}

static int spec_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	static const struct option table[] = {
		{ "bundle", required_argument, NULL, 'b' },
		{ "rootless", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *bundle = ".";
	bool rootless = false;
	int option;

	(void)global;
	while ((option = command_next_option(&command_spec, argc, argv, ":b:h", table, err)) != -1) {
		if (option < 0)
			return option == COMMAND_HELPED ? 0 : option;
		if (option == 'b')
			bundle = optarg;
		else
			rootless = true;
	}
	if (command_expect_arguments(&command_spec, argc, 0, err) < 0)
		return -EINVAL;
	return spec_write(bundle, rootless, err);
}

const struct command command_spec = {
	.name = "spec",
	.arguments = "[OPTIONS]",
	.summary = "Write a template config.json",
	.options = "  -b, --bundle DIR  where (default: the current directory)\n"
		   "      --rootless    for a user without privileges\n",
	.run = spec_run,
};
