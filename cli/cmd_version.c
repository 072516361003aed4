/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <seccomp.h>

#include "cli/command.h"

static int version_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	const struct scmp_version *seccomp = seccomp_version();

	(void)global;
	(void)argc;
	(void)argv;
	/* Tools read the first line as "NAME version NUMBER". */
	printf("duet version %s\nspec: 1.3.0\nisolation: container microvm\nlibseccomp: %u.%u.%u\njansson: %s\n",
		DUET_VERSION, seccomp->major, seccomp->minor, seccomp->micro, jansson_version_str());
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write the version");
}

const struct command command_version = {
	.name = "version",
	.arguments = "",
	.summary = "Print the version",
	.run = version_run,
};
