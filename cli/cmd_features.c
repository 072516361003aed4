/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"
#include "cli/command.h"
#include "oci/features.h"

static int features_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	static const struct option table[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	int option;

	(void)global;
	while ((option = command_next_option(&command_features, argc, argv, ":h", table, err)) != -1)
		return option == COMMAND_HELPED ? 0 : option;
	if (command_expect_arguments(&command_features, argc, 0, err) < 0)
		return -EINVAL;
	oci_features_print(&json);
	if (fwrite(json.data, 1, json.length, stdout) != json.length || fflush(stdout) != 0)
		return error_set(err, errno, "write the features");
	return 0;
}

const struct command command_features = {
	.name = "features",
	.arguments = "",
	.summary = "Print what this program supports as JSON (runtime-spec)",
	.run = features_run,
};
