/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "cli/command.h"
#include "oci/json_write.h"
#include "runtime/operations.h"

enum { RESOURCES_BYTES_MAX = 16 * 1024 * 1024 };

enum update_option {
	UPDATE_RESOURCES = 'r',
	UPDATE_LIMITS = OPTION_LONG, /* from here on in the order of update_limits */
	UPDATE_KERNEL_MEMORY = OPTION_LONG + 64,
	UPDATE_L3_CACHE,
	UPDATE_MEMORY_BANDWIDTH,
};

enum update_value { VALUE_COUNT, VALUE_SIGNED, VALUE_BYTES, VALUE_LIST };

/* Where a limit stands in linux.resources, and what its value looks like. zero: 0 is a value and not "leave alone". */
static const struct update_limit {
	const char *section, *key;
	enum update_value value;
	bool zero;
} update_limits[] = {
	{ "memory", "limit", VALUE_BYTES, false },
	{ "memory", "reservation", VALUE_BYTES, false },
	{ "memory", "swap", VALUE_BYTES, false },
	{ "memory", "kernelTCP", VALUE_BYTES, false },
	{ "cpu", "shares", VALUE_COUNT, false },
	{ "cpu", "quota", VALUE_SIGNED, false },
	{ "cpu", "period", VALUE_COUNT, false },
	{ "cpu", "burst", VALUE_COUNT, true },
	{ "cpu", "idle", VALUE_SIGNED, true },
	{ "cpu", "realtimeRuntime", VALUE_SIGNED, false },
	{ "cpu", "realtimePeriod", VALUE_COUNT, false },
	{ "cpu", "cpus", VALUE_LIST, false },
	{ "cpu", "mems", VALUE_LIST, false },
	{ "pids", "limit", VALUE_SIGNED, false },
	{ "blockIO", "weight", VALUE_COUNT, false },
};

static const struct command_option update_options[] = {
	{ "resources", UPDATE_RESOURCES, "FILE", "all limits as a linux.resources object; -: from standard input" },
	{ "memory", UPDATE_LIMITS + 0, "BYTES", "memory limit (64m, 1.5g; -1: none)" },
	{ "memory-reservation", UPDATE_LIMITS + 1, "BYTES", "what the container shall keep under pressure" },
	{ "memory-swap", UPDATE_LIMITS + 2, "BYTES", "limit on memory and swap together (-1: none)" },
	{ "kernel-memory-tcp", UPDATE_LIMITS + 3, "BYTES", "limit on the memory of TCP buffers (cgroup v1)" },
	{ "cpu-share", UPDATE_LIMITS + 4, "N", "weight against other containers, 2 to 262144" },
	{ "cpu-quota", UPDATE_LIMITS + 5, "US", "CPU time in each period, in microseconds (-1: no limit)" },
	{ "cpu-period", UPDATE_LIMITS + 6, "US", "length of a period, in microseconds" },
	{ "cpu-burst", UPDATE_LIMITS + 7, "US", "unused CPU time that may be saved up, in microseconds" },
	{ "cpu-idle", UPDATE_LIMITS + 8, "0|1", "1: run only when nobody else wants to" },
	{ "cpu-rt-runtime", UPDATE_LIMITS + 9, "US", "realtime CPU time in each period (cgroup v1)" },
	{ "cpu-rt-period", UPDATE_LIMITS + 10, "US", "length of a realtime period (cgroup v1)" },
	{ "cpuset-cpus", UPDATE_LIMITS + 11, "LIST", "CPUs to run on: 0-3,7" },
	{ "cpuset-mems", UPDATE_LIMITS + 12, "LIST", "memory nodes to use" },
	{ "pids-limit", UPDATE_LIMITS + 13, "N", "how many processes there may be (-1: no limit)" },
	{ "blkio-weight", UPDATE_LIMITS + 14, "N", "weight of its input and output, 10 to 1000" },
	{ "l3-cache-schema", UPDATE_L3_CACHE, "SCHEMA",
		"share of the L3 cache (\"L3:0=f;1=f\"), of a container with linux.intelRdt" },
	{ "mem-bw-schema", UPDATE_MEMORY_BANDWIDTH, "SCHEMA", "memory bandwidth (\"MB:0=50\"), the same" },
	{ "kernel-memory", UPDATE_KERNEL_MEMORY, "BYTES", NULL },
	{ 0 },
};

struct update {
	const char *file; /* --resources; NULL: none */
	const char *values[ARRAY_SIZE(update_limits)];
	bool given; /* one of them */
	const char *cache, *bandwidth;
};

static void update_option(struct update *update, int option)
{
	switch (option) {
	case UPDATE_RESOURCES:
		update->file = optarg;
		return;
	case UPDATE_KERNEL_MEMORY:
		log_warning("--kernel-memory is ignored: kernels no longer have this limit");
		update->given = true;
		return;
	case UPDATE_L3_CACHE:
		update->cache = optarg;
		return;
	case UPDATE_MEMORY_BANDWIDTH:
		update->bandwidth = optarg;
		return;
	default:
		update->values[option - UPDATE_LIMITS] = optarg;
		update->given = true;
		return;
	}
}

static int update_parse(int argc, char **argv, struct update *update, struct error *err)
{
	int option;

	while ((option = command_next_option(&command_update, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		update_option(update, option);
	}
	if (update->file && update->given)
		return error_set(err, -EINVAL, "--resources holds all limits: no other option goes with it");
	if (!update->file && !update->given && !update->cache && !update->bandwidth)
		return error_set(err, -EINVAL, "update: no limit was given (see `duet help update`)");
	return command_expect_arguments(&command_update, argc, 1, err);
}

static const char *option_name(size_t limit)
{
	for (const struct command_option *option = update_options; option->name; option++) {
		if (option->code == UPDATE_LIMITS + (int)limit)
			return option->name;
	}
	return "";
}

static int write_number(struct json_writer *json, size_t limit, const char *text, struct error *err)
{
	const struct update_limit *what = &update_limits[limit];
	int64_t number = 0;
	int result;

	if (what->value == VALUE_BYTES && strcmp(text, "-1") != 0)
		result = parse_bytes(text, &number);
	else
		result = parse_i64(text, &number);
	if (result == 0 && number < 0 && what->value == VALUE_COUNT)
		result = -EINVAL;
	if (result == 0 && number < 0 && number != -1)
		result = -ERANGE;
	if (result < 0)
		return error_set(err, -EINVAL, "--%s %s: %s", option_name(limit), text,
			result == -ERANGE            ? "out of range"
			: what->value == VALUE_BYTES ? "a size is expected, such as 64m, or -1"
						     : "a number is expected");
	/* To runtimes 0 means "as it is", to people "nothing at all" or "no limit". */
	if (number == 0 && !what->zero)
		return error_set(err, -EINVAL, "--%s 0: 0 is not a limit%s", option_name(limit),
			what->value == VALUE_COUNT ? "" : ", and -1 is none");
	json_write_i64(json, number);
	return 0;
}

/* The options as a linux.resources object. */
static int update_print(const struct update *update, struct strbuf *text, struct error *err)
{
	struct json_writer json = { .out = text };
	const char *section = NULL;

	json_write_open(&json, '{');
	for (size_t i = 0; i < ARRAY_SIZE(update_limits); i++) {
		if (!update->values[i])
			continue;
		if (!section || strcmp(section, update_limits[i].section) != 0) {
			if (section)
				json_write_close(&json, '}');
			section = update_limits[i].section;
			json_write_key(&json, section);
			json_write_open(&json, '{');
		}
		json_write_key(&json, update_limits[i].key);
		if (update_limits[i].value == VALUE_LIST) {
			json_write_string(&json, update->values[i]);
		} else {
			int result = write_number(&json, i, update->values[i], err);

			if (result < 0)
				return result;
		}
	}
	if (section)
		json_write_close(&json, '}');
	json_write_close(&json, '}');
	return 0;
}

static int update_read(const char *file, struct strbuf *text, struct error *err)
{
	int result = strcmp(file, "-") == 0 ? file_read_fd(STDIN_FILENO, RESOURCES_BYTES_MAX, text)
					    : file_read(AT_FDCWD, file, RESOURCES_BYTES_MAX, text);

	return result < 0 ? error_set(err, -result, "read the resources from %s", file) : 0;
}

static int update_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct update update = { 0 };
	int result = update_parse(argc, argv, &update, err);

	if (result == 0)
		result = update.file ? update_read(update.file, &text, err) : update_print(&update, &text, err);
	if (result == 0 && (update.file || update.given))
		result = operation_update(global->root, argv[optind], text.data ? text.data : "", text.length,
			update.file ? update.file : "update", err);
	if (result == 0 && (update.cache || update.bandwidth))
		result = operation_update_schemata(global->root, argv[optind], update.cache, update.bandwidth, err);
	return result;
}

const struct command command_update = {
	.name = "update",
	.arguments = "ID",
	.summary = "Change the limits of a container that runs",
	.description =
		"What is not named stays as it is. Sizes take the units k, m, g and t, of 1024. A limit that cannot be "
		"set is an error, and never made weaker than asked.",
	.options = update_options,
	.operands = OPERANDS_ID,
	.run = update_run,
};
