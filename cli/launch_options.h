/* SPDX-License-Identifier: Apache-2.0 */
/* The options that `create` and `run` share. */
#ifndef DUET_CLI_LAUNCH_OPTIONS_H
#define DUET_CLI_LAUNCH_OPTIONS_H

#include "cli/command.h"
#include "runtime/launch.h"

struct launch_command {
	struct launch_options options;
	bool detach, keep;
};

/* Parses options and the container's id. 0; COMMAND_HELPED; or a negative errno with *err set. */
int launch_options_parse(const struct command *command, const struct global_options *global, int argc, char **argv,
	struct launch_command *launch, struct error *err);

#define LAUNCH_OPTIONS_HELP                                                                              \
	"  -b, --bundle DIR           the bundle (default: the current directory)\n"                     \
	"      --isolation NAME       container or microvm (default: from the bundle, else container)\n" \
	"      --vm                   the same as --isolation=microvm\n"                                 \
	"      --vm-kernel FILE       the guest's kernel, an ELF vmlinux (default: duet's own)\n"        \
	"      --vm-console           the guest kernel's messages to standard error\n"                   \
	"      --console-socket PATH  unix socket that receives the terminal\n"                          \
	"      --pid-file FILE        where to write the process id\n"                                   \
	"      --preserve-fds N       pass descriptors 3 to 2+N on to the process\n"                     \
	"      --no-pivot             use mount and chroot in place of pivot_root\n"                     \
	"      --no-new-keyring       keep the caller's session keyring\n"

#endif
