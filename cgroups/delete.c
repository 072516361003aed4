/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/trace.h"

enum { WALK_DEPTH_MAX = 64, FIRST_WAIT_US = 200, LONGEST_WAIT_US = 20000, UNDO_TIMEOUT_MS = 2000 };

static int walk(int directory, int depth, int (*visit)(int directory, void *context), void *context)
{
	cleanup_directory DIR *stream = NULL;
	cleanup_fd int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	int result = 0;

	/* ENODEV: the group went away while its descriptor stayed. */
	if (copy < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	stream = fdopendir(copy);
	if (!stream)
		return -errno;
	(void)take_fd(&copy);
	while (result == 0 && (entry = readdir(stream))) {
		cleanup_fd int child = -EBADF;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (depth == WALK_DEPTH_MAX)
			return -ELOOP;
		child = openat(directory, entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			result = walk(child, depth + 1, visit, context);
		else if (errno != ENOENT && errno != ENODEV)
			result = -errno;
	}
	return result < 0 ? result : visit(directory, context);
}

int cgroup_walk(int group_fd, int (*visit)(int directory, void *context), void *context)
{
	return group_fd < 0 ? 0 : walk(group_fd, 0, visit, context);
}

static int remove_children(int directory, void *context)
{
	cleanup_directory DIR *stream = NULL;
	cleanup_fd int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;

	(void)context;
	if (copy < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	stream = fdopendir(copy);
	if (!stream)
		return -errno;
	(void)take_fd(&copy);
	while ((entry = readdir(stream))) {
		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(directory, entry->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* One attempt at the group and all below it: 0, or why not. */
static int remove_once(const struct cgroup_entry *entry)
{
	int result;

	if (rmdir(entry->directory) == 0 || errno == ENOENT)
		return 0;
	/* ENOTEMPTY never comes from a cgroup: EBUSY is the answer for processes and for groups below alike. */
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	result = cgroup_walk(entry->fd, remove_children, NULL);
	if (result < 0)
		return result;
	return rmdir(entry->directory) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The parents that came with the group, deepest first, as far as nobody else uses them. */
static void remove_parents(const struct cgroup_entry *entry)
{
	cleanup_free char *directory = xstrdup(entry->directory);

	for (unsigned int i = 1; i < entry->made; i++) {
		char *slash = strrchr(directory, '/');

		if (!slash || slash <= directory + strlen(entry->mount_point))
			return;
		*slash = '\0';
		if (rmdir(directory) < 0 && errno != ENOENT)
			return;
	}
}

static int64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void wait_a_little(long *wait_us)
{
	struct timespec pause = { .tv_nsec = *wait_us * 1000 };

	(void)nanosleep(&pause, NULL);
	*wait_us = *wait_us * 2 < LONGEST_WAIT_US ? *wait_us * 2 : LONGEST_WAIT_US;
}

/* The group alone, once the process that was to live in it has died with the runtime. */
static int remove_empty(const struct cgroup_entry *entry, int64_t deadline_us)
{
	long wait_us = FIRST_WAIT_US;

	while (rmdir(entry->directory) < 0) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY || now_us() >= deadline_us)
			return -errno;
		wait_a_little(&wait_us);
	}
	return 0;
}

static int remove_entry(const struct cgroup_entry *entry, int64_t deadline_us)
{
	long wait_us = FIRST_WAIT_US;
	int result;

	while ((result = remove_once(entry)) == -EBUSY && now_us() < deadline_us)
		wait_a_little(&wait_us);
	if (result == 0)
		remove_parents(entry);
	return result;
}

int cgroup_delete(const struct cgroup *group, int timeout_ms, struct error *err)
{
	trace_scope("delete the cgroup");
	int64_t deadline_us = now_us() + (int64_t)timeout_ms * 1000;
	int failed = 0;

	if (group->planned) {
		cgroup_undo(group);
		return 0;
	}
	if (group->unit)
		failed = systemd_unmake(group, timeout_ms, err);
	/* On a failure the others are removed all the same: less is left to look for. */
	for (size_t i = 0; i < group->count; i++) {
		int result = remove_entry(&group->entries[i], deadline_us);

		if (result < 0 && failed == 0)
			failed = error_set(err, -result, "removing the cgroup %s%s", group->entries[i].directory,
				result == -EBUSY ? ", which still has processes" : "");
	}
	return failed;
}

void cgroup_undo(const struct cgroup *group)
{
	int64_t deadline_us = now_us() + UNDO_TIMEOUT_MS * 1000;

	if (group->unit)
		(void)systemd_unmake(group, UNDO_TIMEOUT_MS, NULL);
	for (size_t i = 0; i < group->count; i++) {
		const struct cgroup_entry *entry = &group->entries[i];

		if (entry->made > 0 && remove_empty(entry, deadline_us) == 0)
			remove_parents(entry);
	}
}
