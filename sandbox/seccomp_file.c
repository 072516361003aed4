/* SPDX-License-Identifier: Apache-2.0 */
/* --seccomp FILE: linux.seccomp of the runtime specification, handed on as it is. */
#include <fcntl.h>
#include <jansson.h>

#include "base/file.h"
#include "sandbox/internal.h"

#define PROFILE_BYTES_MAX (4U << 20)

static void free_json(json_t **json)
{
	json_decref(*json);
}

/* Engines keep templates of profiles, with rules that hold only for some capabilities or architectures: taken as they
 * are they would allow everything that they allow to anybody. */
static bool is_template(const json_t *profile)
{
	json_t *rules = json_object_get(profile, "syscalls"), *rule;
	size_t index;

	if (json_object_get(profile, "archMap"))
		return true;
	json_array_foreach(rules, index, rule)
	{
		if (json_object_size(json_object_get(rule, "includes")) ||
			json_object_size(json_object_get(rule, "excludes")))
			return true;
	}
	return false;
}

int seccomp_file_read(const char *path, struct strbuf *text, struct error *err)
{
	/* Only looked through: the real reader takes integers as they are. */
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL;
	cleanup(free_json) json_t *profile = NULL;
	json_error_t where;
	int result = file_read(AT_FDCWD, path, PROFILE_BYTES_MAX, text);

	if (result < 0)
		return error_set(err, -result, "--seccomp %s", path);
	profile = json_loadb(text->data ? text->data : "", text->length, flags, &where);
	if (!profile)
		return error_set(err, -EINVAL, "--seccomp %s:%d:%d: %s", path, where.line, where.column, where.text);
	if (!json_is_object(profile) || !json_object_get(profile, "defaultAction"))
		return error_set(err, -EINVAL, "--seccomp %s: an object with a defaultAction is expected", path);
	if (is_template(profile))
		return error_set(err, -EINVAL,
			"--seccomp %s: this is an engine's template (archMap, includes, excludes), not linux.seccomp "
			"of "
			"the runtime specification",
			path);
	return 0;
}
