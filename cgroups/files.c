/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

int cgroup_try_write(const struct cgroup_entry *entry, const char *file, const char *value)
{
	return file_write(entry->fd, file, value);
}

int cgroup_write_failed(const struct cgroup_entry *entry, const char *file, const char *value, const char *field,
	int result, struct error *err)
{
	if (entry->fd < 0)
		return error_set(err, -ENOENT, "%s: the cgroup %s is gone", field, entry->directory);
	if (result == -ENOENT)
		return error_set(err, -EOPNOTSUPP, "%s cannot be set: this kernel has no %s in %s", field, file,
			entry->directory);
	return error_set(err, -result, "%s: writing \"%s\" to %s/%s", field, value, entry->directory, file);
}

int cgroup_write(
	const struct cgroup_entry *entry, const char *file, const char *value, const char *field, struct error *err)
{
	int result = cgroup_try_write(entry, file, value);

	return result < 0 ? cgroup_write_failed(entry, file, value, field, result, err) : 0;
}

int cgroup_read(const struct cgroup_entry *entry, const char *file, struct strbuf *content)
{
	return file_read(entry->fd, file, CGROUP_FILE_BYTES_MAX, content);
}

bool cgroup_has_file(const struct cgroup_entry *entry, const char *file)
{
	return faccessat(entry->fd, file, F_OK, 0) == 0;
}

/* v1 says "no limit" as the largest multiple of the page size. */
static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t value;

	if (strncmp(text, "max", 3) == 0 || strncmp(text, "-1", 2) == 0)
		return CGROUP_UNLIMITED;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (end == text || errno)
		return CGROUP_UNKNOWN;
	return value >= (UINT64_MAX >> 1) - 0xffff ? CGROUP_UNLIMITED : value;
}

uint64_t cgroup_read_number(const struct cgroup_entry *entry, const char *file)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;

	if (cgroup_read(entry, file, &content) < 0)
		return CGROUP_UNKNOWN;
	return number_of(content.data);
}

uint64_t cgroup_keyed_number(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');

		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return number_of(line + length + 1);
		if (!end)
			break;
		line = end + 1;
	}
	return CGROUP_UNKNOWN;
}
