/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/checkpoint_options.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "base/parse.h"

static int take_cgroups(const char *name, struct checkpoint_options *options, struct error *err)
{
	static const struct {
		const char *name;
		enum checkpoint_cgroups mode;
	} modes[] = {
		{ "soft", CHECKPOINT_CGROUPS_SOFT },
		{ "full", CHECKPOINT_CGROUPS_FULL },
		{ "strict", CHECKPOINT_CGROUPS_STRICT },
		{ "ignore", CHECKPOINT_CGROUPS_IGNORE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(name, modes[i].name) == 0) {
			options->cgroups = modes[i].mode;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "--manage-cgroups-mode %s: soft, full, strict and ignore are there", name);
}

static int take_status_fd(const char *text, struct checkpoint_options *options, struct error *err)
{
	uint64_t number;

	if (parse_u64(text, &number) < 0 || number > INT_MAX)
		return error_set(err, -EINVAL, "--status-fd %s: the number of a descriptor is expected", text);
	if (fcntl((int)number, F_GETFD) < 0)
		return error_set(err, -EBADF, "--status-fd %s: this descriptor is not open", text);
	options->status_fd = (int)number;
	return 0;
}

static int take_empty_namespace(const char *name, struct checkpoint_options *options, struct error *err)
{
	if (strcmp(name, "network") != 0)
		return error_set(err, -EINVAL, "--empty-ns %s: network is there", name);
	options->empty_network = true;
	return 0;
}

static int take_compression(const char *name, struct checkpoint_options *options, struct error *err)
{
	if (strcmp(name, "zstd") != 0 && strcmp(name, "none") != 0)
		return error_set(err, -EINVAL, "--compress %s: zstd and none are there", name);
	options->compress = strcmp(name, "zstd") == 0;
	return 0;
}

static const char **text_of(int option, struct checkpoint_options *options)
{
	switch (option) {
	case CHECKPOINT_OPTION_IMAGES:
		return &options->image_path;
	case CHECKPOINT_OPTION_WORK:
		return &options->work_path;
	case CHECKPOINT_OPTION_PARENT:
		return &options->parent_path;
	case CHECKPOINT_OPTION_PAGE_SERVER:
		return &options->page_server;
	case CHECKPOINT_OPTION_LSM_PROFILE:
		return &options->lsm_profile;
	case CHECKPOINT_OPTION_LSM_MOUNT_CONTEXT:
		return &options->lsm_mount_context;
	default:
		return NULL;
	}
}

static bool *flag_of(int option, struct checkpoint_options *options)
{
	switch (option) {
	case CHECKPOINT_OPTION_TCP_ESTABLISHED:
		return &options->tcp_established;
	case CHECKPOINT_OPTION_TCP_CLOSE:
		return &options->tcp_close;
	case CHECKPOINT_OPTION_EXT_UNIX_SK:
		return &options->ext_unix_sockets;
	case CHECKPOINT_OPTION_SHELL_JOB:
		return &options->shell_job;
	case CHECKPOINT_OPTION_FILE_LOCKS:
		return &options->file_locks;
	case CHECKPOINT_OPTION_LAZY_PAGES:
		return &options->lazy_pages;
	case CHECKPOINT_OPTION_AUTO_DEDUP:
		return &options->auto_dedup;
	case CHECKPOINT_OPTION_LINK_REMAP:
		return &options->link_remap;
	case CHECKPOINT_OPTION_LEAVE_RUNNING:
		return &options->leave_running;
	case CHECKPOINT_OPTION_PRE_DUMP:
		return &options->pre_dump;
	default:
		return &options->tcp_skip_in_flight;
	}
}

int checkpoint_option(int option, struct checkpoint_options *options, struct error *err)
{
	const char **text = text_of(option, options);

	if (text) {
		*text = optarg;
		return 0;
	}
	if (option == CHECKPOINT_OPTION_CGROUPS)
		return take_cgroups(optarg, options, err);
	if (option == CHECKPOINT_OPTION_EMPTY_NS)
		return take_empty_namespace(optarg, options, err);
	if (option == CHECKPOINT_OPTION_STATUS_FD)
		return take_status_fd(optarg, options, err);
	if (option == CHECKPOINT_OPTION_COMPRESS)
		return take_compression(optarg, options, err);
	*flag_of(option, options) = true;
	return 0;
}
