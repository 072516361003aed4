/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"
#include "oci/features.h"

static int features_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	int result = command_parse_plain(&command_features, argc, argv, 0, err);

	(void)global;
	if (result < 0)
		return result;
	oci_features_print(&json);
	return command_output(&json, "the features", err);
}

const struct command command_features = {
	.name = "features",
	.arguments = "",
	.summary = "Print what this program supports as JSON (runtime-spec)",
	.run = features_run,
};
