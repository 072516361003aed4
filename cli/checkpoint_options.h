/* SPDX-License-Identifier: Apache-2.0 */
/* The options that `checkpoint` and `restore` share. */
#ifndef DUET_CLI_CHECKPOINT_OPTIONS_H
#define DUET_CLI_CHECKPOINT_OPTIONS_H

#include "cli/launch_options.h"
#include "runtime/checkpoint.h"

enum checkpoint_option {
	CHECKPOINT_OPTION_IMAGES = OPTION_LONG + 64, /* apart from enum launch_option */
	CHECKPOINT_OPTION_WORK,
	CHECKPOINT_OPTION_TCP_ESTABLISHED,
	CHECKPOINT_OPTION_EXT_UNIX_SK,
	CHECKPOINT_OPTION_SHELL_JOB,
	CHECKPOINT_OPTION_FILE_LOCKS,
	CHECKPOINT_OPTION_LAZY_PAGES,
	CHECKPOINT_OPTION_AUTO_DEDUP,
	CHECKPOINT_OPTION_LINK_REMAP,
	CHECKPOINT_OPTION_CGROUPS,
	CHECKPOINT_OPTION_EMPTY_NS,
	CHECKPOINT_OPTION_PARENT,
	CHECKPOINT_OPTION_PAGE_SERVER,
	CHECKPOINT_OPTION_LEAVE_RUNNING,
	CHECKPOINT_OPTION_PRE_DUMP,
	CHECKPOINT_OPTION_TCP_SKIP_IN_FLIGHT,
	CHECKPOINT_OPTION_STATUS_FD,
	CHECKPOINT_OPTION_COMPRESS,
	CHECKPOINT_OPTION_TCP_CLOSE,
	CHECKPOINT_OPTION_LSM_PROFILE,
	CHECKPOINT_OPTION_LSM_MOUNT_CONTEXT,
};

/* clang-format off */
#define CHECKPOINT_OPTIONS                                                                                              \
	{ "image-path", CHECKPOINT_OPTION_IMAGES, "DIR", "where the images are (default: ./checkpoint)" },             \
	{ "work-path", CHECKPOINT_OPTION_WORK, "DIR", "where criu's log and work files go (default: the image path)" }, \
	{ "tcp-established", CHECKPOINT_OPTION_TCP_ESTABLISHED, NULL, "allow open TCP connections" },                  \
	{ "ext-unix-sk", CHECKPOINT_OPTION_EXT_UNIX_SK, NULL, "allow unix sockets to the outside" },                   \
	{ "shell-job", CHECKPOINT_OPTION_SHELL_JOB, NULL, "allow a terminal of the outside" },                         \
	{ "file-locks", CHECKPOINT_OPTION_FILE_LOCKS, NULL, "allow file locks" },                                      \
	{ "lazy-pages", CHECKPOINT_OPTION_LAZY_PAGES, NULL, "move memory by userfaultfd(2), later" },                  \
	{ "auto-dedup", CHECKPOINT_OPTION_AUTO_DEDUP, NULL, "remove pages of the parent's images that came again" },   \
	{ "link-remap", CHECKPOINT_OPTION_LINK_REMAP, NULL, "allow open files without a name" },                       \
	{ "manage-cgroups-mode", CHECKPOINT_OPTION_CGROUPS, "soft|full|strict|ignore",                                 \
		"how criu deals with cgroups (default: soft)" },                                                       \
	{ "empty-ns", CHECKPOINT_OPTION_EMPTY_NS, "network", "leave the network namespace's content out" }
/* clang-format on */

/* Takes an option that is one of them. */
int checkpoint_option(int option, struct checkpoint_options *options, struct error *err);

#endif
