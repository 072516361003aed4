/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sandbox/settings.h"

#define PROFILE_BYTES_MAX (1U << 20)

static void free_json(json_t **json)
{
	json_decref(*json);
}

/* What the built-in profiles say beyond their policy. */
static const struct {
	const char *name;
	const char *settings[8][2];
} built_in[] = {
	{ "strict", { { "policy", "strict" }, { "pids", "64" }, { "memory", "512M" }, { "disk", "256M" } } },
	{ "default", { { "policy", "default" } } },
	{ "build", { { "policy", "build" }, { "timeout", "1h" }, { "memory", "8G" }, { "disk", "8G" },
			   { "pids", "4096" }, { "open-files", "65536" } } },
};

static int set_value(
	struct sandbox_settings *settings, const struct sandbox_setting *setting, json_t *value, struct error *err)
{
	cleanup_free char *number = NULL;

	if (json_is_string(value))
		return sandbox_set(settings, setting, json_string_value(value), err);
	if (json_is_boolean(value) && (setting->kind == SANDBOX_FLAG || setting->kind == SANDBOX_WORD))
		return sandbox_set(settings, setting, json_is_true(value) ? "true" : "false", err);
	if (json_is_integer(value) && setting->kind >= SANDBOX_DURATION && json_integer_value(value) >= 0) {
		number = xprintf("%lld", json_integer_value(value));
		return sandbox_set(settings, setting, number, err);
	}
	return error_set(err, -EINVAL, "a value of this type cannot be set");
}

static int set_member(struct sandbox_settings *settings, const char *name, json_t *value, struct error *err)
{
	const struct sandbox_setting *setting = sandbox_setting_find(name);
	int result = 0;
	json_t *element;
	size_t index;

	if (!setting)
		return error_set(err, -EINVAL, "%s: there is no such setting", name);
	if (!json_is_array(value))
		return set_value(settings, setting, value, err) < 0 ? error_prefix(err, "%s", name) : 0;
	if (setting->kind != SANDBOX_LIST)
		return error_set(err, -EINVAL, "%s: one value is expected, not a list", name);
	json_array_foreach(value, index, element)
	{
		if (result == 0)
			result = json_is_string(element)
					 ? sandbox_set(settings, setting, json_string_value(element), err)
					 : error_set(err, -EINVAL, "a string is expected");
		if (result < 0)
			return error_prefix(err, "%s[%zu]", name, index);
	}
	return 0;
}

static int apply_built_in(struct sandbox_settings *settings, size_t index, struct error *err)
{
	/* Not what somebody asked for one by one. */
	uint64_t given = settings->given;
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(built_in[index].settings) && built_in[index].settings[i][0] && result == 0;
		i++)
		result = sandbox_set(settings, sandbox_setting_find(built_in[index].settings[i][0]),
			built_in[index].settings[i][1], err);
	settings->given = given;
	return result;
}

int sandbox_profile_apply(struct sandbox_settings *settings, const char *file_or_name, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup(free_json) json_t *profile = NULL;
	json_error_t where;
	const char *name;
	json_t *value;
	int result;

	for (size_t i = 0; i < ARRAY_SIZE(built_in); i++) {
		if (strcmp(built_in[i].name, file_or_name) == 0)
			return apply_built_in(settings, i, err);
	}
	result = file_read(AT_FDCWD, file_or_name, PROFILE_BYTES_MAX, &text);
	if (result < 0)
		return error_set(err, -result, "read the profile %s", file_or_name);
	profile = json_loadb(text.data ? text.data : "", text.length, JSON_REJECT_DUPLICATES, &where);
	if (!profile)
		return error_set(err, -EINVAL, "%s:%d:%d: %s", file_or_name, where.line, where.column, where.text);
	if (!json_is_object(profile))
		return error_set(err, -EINVAL, "%s: an object is expected", file_or_name);
	json_object_foreach(profile, name, value)
	{
		if (result >= 0)
			result = set_member(settings, name, value, err);
	}
	return result < 0 ? error_prefix(err, "%s", file_or_name) : 0;
}
