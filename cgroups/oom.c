/* SPDX-License-Identifier: Apache-2.0 */
/*
 * v2 changes memory.events, which inotify(7) tells of; v1 writes to an eventfd that is registered by
 * cgroup.event_control (Linux Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control").
 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

enum { LOOKS_FOR_A_KILL = 20 };

/* False when the group is gone. */
static bool kills_so_far(const struct cgroup_entry *entry, uint64_t *kills)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	uint64_t number;

	if (cgroup_read(entry, entry->unified ? "memory.events" : "memory.oom_control", &text) < 0)
		return false;
	number = cgroup_keyed_number(text.data, "oom_kill");
	*kills = number < CGROUP_UNLIMITED ? number : 0;
	return true;
}

uint64_t cgroup_oom_kills(const struct cgroup *group)
{
	const struct cgroup_entry *entry = cgroup_find(group, CGROUP_MEMORY);
	uint64_t kills = 0;

	return entry && kills_so_far(entry, &kills) ? kills : 0;
}

static int watch_v2(const struct cgroup_entry *entry)
{
	cleanup_fd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	cleanup_free char *path = xprintf("%s/memory.events", entry->directory);

	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0)
		return -errno;
	return take_fd(&fd);
}

static int watch_v1(const struct cgroup_entry *entry)
{
	cleanup_fd int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cleanup_fd int control = openat(entry->fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	cleanup_free char *pair = NULL;
	int result;

	if (fd < 0 || control < 0)
		return -errno;
	pair = xprintf("%d %d", fd, control);
	result = cgroup_try_write(entry, "cgroup.event_control", pair);
	return result < 0 ? result : take_fd(&fd);
}

int cgroup_oom_watch_open(const struct cgroup *group, struct cgroup_oom_watch *watch, struct error *err)
{
	const struct cgroup_entry *entry = cgroup_find(group, CGROUP_MEMORY);
	int fd;

	*watch = (struct cgroup_oom_watch){ .fd = -EBADF, .entry = entry };
	if (!entry || entry->fd < 0)
		return 0;
	(void)kills_so_far(entry, &watch->kills);
	fd = entry->unified ? watch_v2(entry) : watch_v1(entry);
	if (fd < 0)
		return error_set(err, -fd, "watching the cgroup %s for lack of memory", entry->directory);
	watch->fd = fd;
	return 0;
}

/* With the killer switched off (disableOOMKiller) processes wait for memory, and nobody is killed. */
static bool waits_for_memory(const struct cgroup_entry *entry)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	return !entry->unified && cgroup_read(entry, "memory.oom_control", &text) == 0 &&
	       cgroup_keyed_number(text.data, "under_oom") == 1;
}

uint64_t cgroup_oom_watch_read(struct cgroup_oom_watch *watch)
{
	char drained[4096] __attribute__((aligned(8)));
	uint64_t kills = 0, news;
	bool told = false;

	if (watch->fd < 0)
		return 0;
	while (read(watch->fd, drained, sizeof(drained)) > 0)
		told = true;
	/* v1 tells of the group's end too, so only what it told before that counts. */
	if (!kills_so_far(watch->entry, &kills)) {
		news = watch->looks_left > 0;
		watch->looks_left = 0;
		return news;
	}
	news = kills > watch->kills ? kills - watch->kills : 0;
	watch->kills += news;
	/* v1 tells several times, and before it kills. */
	if (news > 0 || watch->entry->unified)
		watch->looks_left = 0;
	else if (told)
		watch->looks_left = LOOKS_FOR_A_KILL;
	else if (watch->looks_left > 0 && --watch->looks_left == 0 && waits_for_memory(watch->entry))
		news = 1;
	return news;
}

void cgroup_oom_watch_close(struct cgroup_oom_watch *watch)
{
	close_fd(&watch->fd);
}
