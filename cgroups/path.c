/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include <errno.h>
#include <string.h>

char *cgroup_path_clean(const char *path, const char *what, struct error *err)
{
	cleanup_strbuf struct strbuf clean = STRBUF_INIT;

	for (const char *part = path; *part;) {
		size_t length = strcspn(part, "/");

		if (length == 2 && strncmp(part, "..", 2) == 0) {
			(void)error_set(err, -EINVAL, "%s: \"%s\" leads upwards (\"..\")", what, path);
			return NULL;
		}
		for (size_t i = 0; i < length; i++) {
			/* cgroupfs refuses newlines; the rest would make the state file ambiguous. */
			if ((unsigned char)part[i] < ' ' || part[i] == 0x7f) {
				(void)error_set(err, -EINVAL, "%s: a control character in the path", what);
				return NULL;
			}
		}
		if (length > 0 && !(length == 1 && *part == '.')) {
			strbuf_string(&clean, "/");
			strbuf_append(&clean, part, length);
		}
		part += length + (part[length] == '/');
	}
	if (clean.length == 0) {
		(void)error_set(err, -EINVAL, "%s: \"%s\" names no group of its own", what, path);
		return NULL;
	}
	return take_pointer(&clean.data);
}

char *cgroup_path_in(const struct cgroup_hierarchy *hierarchy, const struct cgroup_request *request, struct error *err)
{
	bool named = request->path && request->path[0] != '\0';
	cleanup_free char *text = named ? xstrdup(request->path) : xprintf("duet-%s", request->id);
	cleanup_free char *clean = cgroup_path_clean(text, named ? "linux.cgroupsPath" : "the container's cgroup", err);
	const char *own = hierarchy->own_path;
	size_t length;

	if (!clean || text[0] == '/')
		return take_pointer(&clean);
	length = strcmp(own, "/") == 0 ? 0 : strlen(own);
	/* The caller's own group has a process, the caller: no v2 group below it could have limits. */
	if (hierarchy->unified) {
		while (length > 0 && own[length - 1] != '/')
			length--;
		if (length > 0)
			length--;
	}
	return xprintf("%.*s%s", (int)length, own, clean);
}
