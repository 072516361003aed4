/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>

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
	const char *bundle = ".";
	bool rootless = false;
	int option;

	(void)global;
	while ((option = command_next_option(&command_spec, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		if (option == 'b')
			bundle = optarg;
		else
			rootless = true;
	}
	if (command_expect_arguments(&command_spec, argc, 0, err) < 0)
		return -EINVAL;
	return spec_write(bundle, rootless, err);
}

static const struct command_option spec_options[] = {
	{ "bundle", 'b', "DIR", "where (default: the current directory)" },
	{ "rootless", OPTION_LONG, NULL, "for a user without privileges" },
	{ 0 },
};

const struct command command_spec = {
	.name = "spec",
	.arguments = "",
	.summary = "Write a template config.json",
	.options = spec_options,
	.run = spec_run,
};
