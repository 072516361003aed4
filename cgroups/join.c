/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/trace.h"

void cgroup_join_close(struct cgroup_join *join)
{
	close_fd(&join->clone_into_fd);
	for (size_t i = 0; i < join->count; i++)
		close_fd(&join->fds[i]);
	join->count = 0;
}

static int open_entry(const struct cgroup_entry *entry, const char *subgroup, bool clone_into, struct cgroup_join *join,
	struct error *err)
{
	const char *below = subgroup ? subgroup : "", *slash = subgroup ? "/" : "";
	/* `tasks` moves one thread, which is the whole of a new process; cgroup.procs would wait for other threads to
	 * come. */
	const char *name = entry->unified ? "cgroup.procs" : "tasks";
	cleanup_free char *file = xprintf("%s%s%s", *below ? below + 1 : "", slash, name);
	int fd;

	if (entry->unified && clone_into) {
		fd = openat(entry->fd, *below ? below + 1 : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0) {
			join->clone_into_fd = fd;
			return 0;
		}
	} else {
		fd = openat(entry->fd, file, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			join->directories[join->count] = entry->directory;
			join->fds[join->count++] = fd;
			return 0;
		}
	}
	if (entry->fd < 0)
		return error_set(err, -ENOENT, "the cgroup %s is gone", entry->directory);
	return error_set(err, errno, "opening the cgroup %s%s to join it", entry->directory, below);
}

int cgroup_join_open(
	const struct cgroup *group, const char *subgroup, bool clone_into, struct cgroup_join *join, struct error *err)
{
	cleanup(cgroup_join_close) struct cgroup_join opened = { .clone_into_fd = -EBADF };
	cleanup_free char *clean = NULL;
	size_t missing = 0;

	if (subgroup && strspn(subgroup, "/.") != strlen(subgroup)) {
		clean = cgroup_path_clean(subgroup, "the sub-cgroup", err);
		if (!clean)
			return -EINVAL;
		if (group->count == 0)
			return error_set(
				err, -EOPNOTSUPP, "the container has no cgroup of its own to have %s in", clean);
	}
	for (size_t i = 0; i < group->count; i++) {
		int result = open_entry(&group->entries[i], clean, clone_into, &opened, err);

		/* A sub-group may exist in one hierarchy alone: in the others the container's own group will do. */
		if (result == -ENOENT && clean) {
			missing++;
			if (missing < group->count)
				result = open_entry(&group->entries[i], NULL, clone_into, &opened, err);
		}
		if (result < 0)
			return result;
	}
	*join = opened;
	opened = (struct cgroup_join){ .clone_into_fd = -EBADF };
	return 0;
}

int cgroup_join_self(const struct cgroup_join *join, struct error *err)
{
	trace_scope("join the cgroup");
	for (size_t i = 0; i < join->count; i++) {
		if (write(join->fds[i], "0", 1) == 1)
			continue;
		if (errno == ENOSPC)
			return error_set(err, -ENOSPC,
				"joining the cgroup %s: it has no CPU or no memory node (cpuset)",
				join->directories[i]);
		return error_set(err, errno, "joining the cgroup %s", join->directories[i]);
	}
	return 0;
}
