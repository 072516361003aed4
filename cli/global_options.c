/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/global_options.h"

#include <getopt.h>
#include <string.h>

#include "base/alloc.h"

enum global_option {
	GLOBAL_ROOT = OPTION_LONG,
	GLOBAL_LOG,
	GLOBAL_LOG_FORMAT,
	GLOBAL_DEBUG,
	GLOBAL_SYSTEMD,
	GLOBAL_ROOTLESS,
	GLOBAL_MANAGER,
	GLOBAL_CONFIG,
	GLOBAL_TRACE
};

const struct command_option global_option_table[] = {
	{ "root", GLOBAL_ROOT, "DIR",
		"where containers are remembered (default: /run/duet, or $XDG_RUNTIME_DIR/duet for anybody but root)" },
	{ "log", GLOBAL_LOG, "FILE",
		"where messages go: a file, journald:NAME or syslog:NAME (default: standard error)" },
	{ "log-format", GLOBAL_LOG_FORMAT, "text|json", "how they are written (default: text)" },
	{ "debug", GLOBAL_DEBUG, NULL, "more messages" },
	{ "cgroup-manager", GLOBAL_MANAGER, "cgroupfs|systemd|disabled",
		"who makes a container's cgroup (default: cgroupfs, duet itself)" },
	{ "systemd-cgroup", GLOBAL_SYSTEMD, NULL, "the same as --cgroup-manager=systemd" },
	{ "rootless", GLOBAL_ROOTLESS, "true|false|auto",
		"go on without a cgroup when none may be made (auto: only without privilege)" },
	{ "config", GLOBAL_CONFIG, "FILE", "the host's configuration (default: /etc/duet/duet.conf, if it is there)" },
	{ "trace-start", GLOBAL_TRACE, "FILE",
		"write there where the time of this command went, by phases, as a trace that browsers show" },
	{ "version", 'v', NULL, "print the version" },
	{ 0 },
};

static int global_manager(struct global_options *global, const char *name, struct error *err)
{
	static const char *const names[] = {
		[CGROUP_MANAGER_CGROUPFS] = "cgroupfs",
		[CGROUP_MANAGER_SYSTEMD] = "systemd",
		[CGROUP_MANAGER_DISABLED] = "disabled",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			global->cgroup_manager = (enum cgroup_manager)i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "--cgroup-manager %s: cgroupfs, systemd and disabled are there", name);
}

static int global_rootless(struct global_options *global, const char *name, struct error *err)
{
	if (strcmp(name, "auto") == 0)
		global->rootless = CGROUP_ROOTLESS_AUTO;
	else if (strcmp(name, "true") == 0)
		global->rootless = CGROUP_ROOTLESS_TRUE;
	else if (strcmp(name, "false") == 0)
		global->rootless = CGROUP_ROOTLESS_FALSE;
	else
		return error_set(err, -EINVAL, "--rootless %s: true, false and auto are there", name);
	return 0;
}

static int global_option(int option, struct global_options *global, struct log_options *log, struct error *err)
{
	switch (option) {
	case GLOBAL_ROOT:
		if (!*optarg)
			return error_set(err, -EINVAL, "--root: a directory is expected");
		free(global->root);
		global->root = xstrdup(optarg);
		return 0;
	case GLOBAL_LOG:
		log->path = optarg;
		return 0;
	case GLOBAL_LOG_FORMAT:
		if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)
			return error_set(err, -EINVAL, "--log-format %s: text and json are there", optarg);
		log->format = strcmp(optarg, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
		return 0;
	case GLOBAL_DEBUG:
		log->debug = true;
		return 0;
	case GLOBAL_SYSTEMD:
		return global_manager(global, "systemd", err);
	case GLOBAL_CONFIG:
		global->settings_file = optarg;
		return 0;
	case GLOBAL_TRACE:
		global->trace_file = optarg;
		return 0;
	case GLOBAL_MANAGER:
		return global_manager(global, optarg, err);
	default: /* GLOBAL_ROOTLESS */
		return global_rootless(global, optarg, err);
	}
}

int global_options_parse(
	int argc, char **argv, struct global_options *global, struct log_options *log, struct error *err)
{
	int option;

	while ((option = command_next_option(NULL, argc, argv, err)) != -1) {
		int result;

		if (option < 0)
			return option;
		if (option == 'v')
			return command_version.run(global, 0, NULL, err) < 0 ? -EIO : 1;
		if (option == 'h')
			return command_help.run(global, 0, NULL, err) < 0 ? -EIO : 1;
		result = global_option(option, global, log, err);
		if (result < 0)
			return result;
	}
	return 0;
}
