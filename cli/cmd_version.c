/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <seccomp.h>

#include "cli/command.h"

static int version_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	const struct scmp_version *seccomp = seccomp_version();
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int result = argc ? command_parse_plain(&command_version, argc, argv, 0, err) : 0;

	(void)global;
	if (result < 0)
		return result;
	/* Tools read the first line as "NAME version NUMBER". */
	strbuf_printf(&text,
		"duet version %s\nspec: 1.3.0\nisolation: container microvm\nlibseccomp: %u.%u.%u\njansson: %s\n",
		DUET_VERSION, seccomp->major, seccomp->minor, seccomp->micro, jansson_version_str());
	return command_output(&text, "the version", err);
}

const struct command command_version = {
	.name = "version",
	.arguments = "",
	.summary = "Print the version",
	.run = version_run,
};
