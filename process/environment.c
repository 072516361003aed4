/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "process/process_internal.h"

enum { PASSWD_BYTES_MAX = 4 << 20 };

const char *process_environment_value(char *const *env, const char *name)
{
	size_t length = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, length) == 0 && (*env)[length] == '=')
			return *env + length + 1;
	}
	return NULL;
}

char *process_home_in_passwd(const char *passwd, uid_t uid)
{
	/* name:password:uid:gid:comment:home:shell */
	for (const char *line = passwd; *line;) {
		size_t length = strcspn(line, "\n");
		const char *fields[7] = { line };
		size_t lengths[7] = { 0 };
		size_t count = 0;

		for (const char *next = line; count < ARRAY_SIZE(fields); next += lengths[count - 1] + 1) {
			size_t left = (size_t)(line + length - next);
			const char *colon = memchr(next, ':', left);

			fields[count] = next;
			lengths[count++] = colon ? (size_t)(colon - next) : left;
			if (!colon)
				break;
		}
		if (count >= 6 && lengths[2] > 0 && lengths[2] < 11 && strspn(fields[2], "0123456789") == lengths[2] &&
			strtoull(fields[2], NULL, 10) == uid && lengths[5] > 0)
			return xstrndup(fields[5], lengths[5]);
		line += length + (line[length] == '\n');
	}
	return NULL;
}

/* The file belongs to the image: anything but a plain file of a sensible size counts as none. */
static char *home_of(uid_t uid)
{
	cleanup_fd int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	char *home = NULL;
	struct stat status;

	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
		file_read_fd(fd, PASSWD_BYTES_MAX, &content) == 0)
		home = process_home_in_passwd(content.data, uid);
	return home ? home : xstrdup("/");
}

static uint64_t name_hash(const char *entry, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)entry[i]) * 0x100000001b3U;
	return hash;
}

/* Of several entries with one name the last counts, in the place of the first. */
static size_t keep_last_of_each(char **env, size_t count)
{
	size_t slots = 16, kept = 0;
	size_t *table;

	while (slots < count * 2)
		slots *= 2;
	table = xcalloc(slots, sizeof(*table)); /* index + 1 into env */
	for (size_t i = 0; i < count; i++) {
		size_t length = strcspn(env[i], "=");
		size_t slot = name_hash(env[i], length) & (slots - 1);

		while (table[slot] && (strncmp(env[table[slot] - 1], env[i], length) != 0 ||
					      strcspn(env[table[slot] - 1], "=") != length))
			slot = (slot + 1) & (slots - 1);
		if (table[slot]) {
			free(env[table[slot] - 1]);
			env[table[slot] - 1] = env[i];
		} else {
			env[kept++] = env[i];
			table[slot] = kept;
		}
	}
	free(table);
	return kept;
}

void process_complete_environment(struct process_plan *plan)
{
	size_t count = 0, kept = 0;

	while (plan->env && plan->env[count])
		count++;
	plan->env = xrealloc(plan->env, count + 2, sizeof(*plan->env));
	count = keep_last_of_each(plan->env, count);
	/* An empty HOME is as none. */
	for (size_t i = 0; i < count; i++) {
		if (strcmp(plan->env[i], "HOME=") == 0)
			free(plan->env[i]);
		else
			plan->env[kept++] = plan->env[i];
	}
	plan->env[kept] = NULL;
	if (!process_environment_value(plan->env, "HOME")) {
		cleanup_free char *home = home_of(plan->uid);

		plan->env[kept++] = xprintf("HOME=%s", home);
		plan->env[kept] = NULL;
	}
}
