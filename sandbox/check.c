/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the settings ask for and cannot be had, or does not go together: said before anything is made. Paths are looked
 * at where they are used.
 */
#include <string.h>

#include "base/file.h"
#include "oci/names.h"
#include "sandbox/internal.h"

static int check_wall(const struct sandbox_settings *settings, struct error *err)
{
	if (settings->vm && strcmp(settings->network, "host") == 0)
		return error_set(err, -EINVAL, "--net=host: a micro-VM cannot have the host's network");
	if (settings->vm && (settings->devices || settings->gpu))
		return error_set(err, -EINVAL, "--%s: a micro-VM cannot have a device of the host's",
			settings->devices ? "device" : "gpu");
	/* The limit on swap is one on memory and swap together. */
	if (settings->memory_bytes == SANDBOX_UNLIMITED && settings->swap_bytes != SANDBOX_UNLIMITED &&
		sandbox_setting_is_given(settings, "swap"))
		return error_set(err, -EINVAL, "--swap: only with a limit of --memory");
	return 0;
}

static int check_environment(const struct sandbox_settings *settings, struct error *err)
{
	for (char **variable = settings->environment; variable && *variable; variable++) {
		if (**variable == '=' || !strchr(*variable, '='))
			return error_set(err, -EINVAL, "--env %s: NAME=VALUE is expected", *variable);
	}
	for (char **name = settings->pass_environment; name && *name; name++) {
		if (strchr(*name, '='))
			return error_set(
				err, -EINVAL, "--pass-env %s: a name is expected (--env takes a value)", *name);
	}
	return 0;
}

static int check_tmpfs(const struct sandbox_settings *settings, struct error *err)
{
	for (char **wish = settings->tmpfs; wish && *wish; wish++) {
		const char *size = strchr(*wish, ':');
		uint64_t bytes;

		if (**wish != '/')
			return error_set(err, -EINVAL, "--tmpfs %s: the place in the sandbox must begin with /", *wish);
		/* A tmpfs of 0 bytes would have no limit. */
		if (size && (!sandbox_parse_size(size + 1, &bytes) || bytes < 4096))
			return error_set(
				err, -EINVAL, "--tmpfs %s: a size like 64M is expected behind the colon", *wish);
	}
	return 0;
}

/* There file systems of the sandbox's own are mounted, which would hide it. */
static bool is_covered(const char *place)
{
	return path_is_below(place, "/proc") || path_is_below(place, "/dev") || path_is_below(place, "/sys");
}

static int check_places(const char *option, char *const *wishes, struct error *err)
{
	for (; wishes && *wishes; wishes++) {
		const char *colon = strrchr(*wishes, ':'), *place = colon ? colon + 1 : *wishes;

		/* Other programs' ":ro". */
		if (strcmp(option, "copy-in") != 0 && colon != strchr(*wishes, ':'))
			return error_set(err, -EINVAL, "--%s %s: there is more than one colon", option, *wishes);
		if (is_covered(place))
			return error_set(err, -EINVAL,
				"--%s %s: /proc, /dev and /sys are the sandbox's own (--device passes a device)",
				option, *wishes);
	}
	return 0;
}

static int check_capabilities(const struct sandbox_settings *settings, struct error *err)
{
	for (char **name = settings->capabilities; name && *name; name++) {
		uint64_t number;

		if (!oci_capability_find(*name, &number))
			return error_set(err, -EINVAL, "--cap-add %s: there is no such capability", *name);
	}
	return 0;
}

/* Not after an hour's work. */
static int check_report(const char *option, const char *path, struct error *err)
{
	int result = path && strncmp(path, "/dev/", 5) != 0 ? file_check_place(path) : 0;

	return result < 0 ? error_set(err, -result, "--%s %s: write there", option, path) : 0;
}

int sandbox_check(const struct sandbox_settings *settings, struct error *err)
{
	int result = check_wall(settings, err);

	if (result == 0)
		result = check_environment(settings, err);
	if (result == 0)
		result = check_tmpfs(settings, err);
	if (result == 0)
		result = check_places("bind", settings->binds, err);
	if (result == 0)
		result = check_places("ro-bind", settings->read_only_binds, err);
	if (result == 0)
		result = check_places("copy-in", settings->copy_in, err);
	if (result == 0)
		result = check_capabilities(settings, err);
	if (result == 0)
		result = check_report("report", settings->report_file, err);
	if (result == 0)
		result = check_report("junit", settings->junit_file, err);
	return result;
}
