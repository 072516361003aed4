/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/trace.h"

enum { FREEZE_TIMEOUT_MS = 500, KILL_ROUNDS = 10, BATCH = 128, LIST_BYTES_MAX = 64 * 1024 * 1024 };

struct pid_list {
	pid_t *pids;
	size_t count, capacity;
};

static void pid_list_free(struct pid_list *list)
{
	free(list->pids);
}

static void add_pids(struct pid_list *list, const char *text)
{
	char *end;

	for (long pid = strtol(text, &end, 10); end != text; pid = strtol(text, &end, 10)) {
		text = end;
		if (pid <= 0) /* in a pid namespace that the caller cannot see */
			continue;
		if (list->count == list->capacity) {
			list->capacity = list->capacity ? 2 * list->capacity : 64;
			list->pids = xrealloc(list->pids, list->capacity, sizeof(list->pids[0]));
		}
		list->pids[list->count++] = (pid_t)pid;
	}
}

static int read_group(int directory, void *context)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int result = file_read(directory, "cgroup.procs", LIST_BYTES_MAX, &text);

	/* A threaded group lists threads only; the processes stand in the group above that is their domain. */
	if (result == -EOPNOTSUPP)
		result = file_read(directory, "cgroup.threads", LIST_BYTES_MAX, &text);
	if (result < 0)
		return result == -ENODEV || result == -ENOENT ? 0 : result;
	add_pids(context, text.data);
	return 0;
}

/* Where every process of the container is: v2, or else the first v1 hierarchy with a controller. */
static const struct cgroup_entry *process_entry(const struct cgroup *group)
{
	const struct cgroup_entry *entry = cgroup_unified(group);

	for (size_t i = 0; i < group->count && !entry; i++) {
		if (group->entries[i].controllers)
			entry = &group->entries[i];
	}
	return entry ? entry : (group->count ? &group->entries[0] : NULL);
}

static int compare_pids(const void *a, const void *b)
{
	pid_t first = *(const pid_t *)a, second = *(const pid_t *)b;

	return (first > second) - (first < second);
}

static int list_processes(const struct cgroup_entry *entry, struct pid_list *list, struct error *err)
{
	size_t kept = 0;
	int result;

	list->count = 0;
	result = cgroup_walk(entry->fd, read_group, list);
	if (result < 0)
		return error_set(err, -result, "listing the processes of the cgroup %s", entry->directory);
	/* A process that moves between two groups meanwhile is met twice. */
	if (list->count > 1)
		qsort(list->pids, list->count, sizeof(list->pids[0]), compare_pids);
	for (size_t i = 0; i < list->count; i++) {
		if (kept == 0 || list->pids[kept - 1] != list->pids[i])
			list->pids[kept++] = list->pids[i];
	}
	list->count = kept;
	return 0;
}

int cgroup_processes(const struct cgroup *group, pid_t **pids, size_t *count, struct error *err)
{
	cleanup(pid_list_free) struct pid_list list = { 0 };
	const struct cgroup_entry *entry = process_entry(group);
	int result;

	if (!entry)
		return error_set(
			err, -EOPNOTSUPP, "the container has no cgroup of its own: its processes cannot be listed");
	result = list_processes(entry, &list, err);
	if (result < 0)
		return result;
	*count = list.count;
	*pids = take_pointer(&list.pids);
	return 0;
}

/*
 * A pid may belong to somebody else by the time that its pidfd is opened. Whoever is still listed after that is meant:
 * a pid that was taken anew would not be in the group.
 */
static int signal_batch(const struct cgroup_entry *entry, const pid_t *pids, size_t count, int signal_number,
	size_t *sent, struct error *err)
{
	cleanup(pid_list_free) struct pid_list after = { 0 };
	int fds[BATCH], result;

	for (size_t i = 0; i < count; i++)
		fds[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
	result = list_processes(entry, &after, err);
	for (size_t i = 0; i < count; i++) {
		if (result == 0 && fds[i] >= 0 && after.count > 0 &&
			bsearch(&pids[i], after.pids, after.count, sizeof(pid_t), compare_pids)) {
			if (syscall(SYS_pidfd_send_signal, fds[i], signal_number, NULL, 0) == 0)
				(*sent)++;
			else if (errno != ESRCH)
				result = error_set(
					err, errno, "sending signal %d to process %d", signal_number, pids[i]);
		}
		close_fd(&fds[i]);
	}
	return result;
}

static int signal_listed(const struct cgroup_entry *entry, int signal_number, size_t *sent, struct error *err)
{
	cleanup(pid_list_free) struct pid_list list = { 0 };
	int result = list_processes(entry, &list, err);

	*sent = 0;
	/* Few enough at once for the smallest limit on open files. */
	for (size_t i = 0; i < list.count && result == 0; i += BATCH) {
		size_t count = list.count - i < BATCH ? list.count - i : BATCH;

		result = signal_batch(entry, list.pids + i, count, signal_number, sent, err);
	}
	return result;
}

/* While they are frozen nobody forks away; v1 lets them die only after the thaw. */
static int signal_frozen(
	const struct cgroup *group, const struct cgroup_entry *entry, int signal_number, struct error *err)
{
	bool was_frozen = false, frozen;
	size_t sent = 1;
	int result = cgroup_is_frozen(group, &was_frozen, NULL);

	frozen = was_frozen || cgroup_freeze(group, FREEZE_TIMEOUT_MS, NULL) == 0;
	for (int round = 0; result == 0 && sent > 0 && round < (frozen ? 1 : KILL_ROUNDS); round++)
		result = signal_listed(entry, signal_number, &sent, err);
	/* A container that was paused before stays so, unless it is meant to die. */
	if (signal_number == SIGKILL || (frozen && !was_frozen)) {
		int thawed = cgroup_thaw(group, result == 0 ? err : NULL);

		if (frozen && result == 0)
			result = thawed;
	}
	return result;
}

/*
 * Mostly the container has ended by itself. Freezing nothing makes the kernel patch its own code all the same (v1), and
 * after a cgroup.kill some kernels kill the next child that is born into the group (cgroup_join_open()).
 */
static bool is_empty(const struct cgroup_entry *entry)
{
	cleanup(pid_list_free) struct pid_list list = { 0 };
	cleanup_strbuf struct strbuf events = STRBUF_INIT;

	if (entry->unified)
		return cgroup_read(entry, "cgroup.events", &events) == 0 &&
		       cgroup_keyed_number(events.data, "populated") == 0;
	return list_processes(entry, &list, NULL) == 0 && list.count == 0;
}

int cgroup_kill_all(const struct cgroup *group, int signal_number, struct error *err)
{
	trace_scope("kill what is left in the cgroup");
	const struct cgroup_entry *entry = process_entry(group);
	size_t sent;
	int result;

	if (group->planned)
		return 0;
	if (!entry)
		return error_set(
			err, -EOPNOTSUPP, "the container has no cgroup of its own: its processes cannot be listed");
	if (signal_number != SIGKILL)
		return signal_listed(entry, signal_number, &sent, err);
	if (is_empty(entry))
		return 0;
	/* Since 5.14; the kernel holds off forks meanwhile. */
	if (entry->unified && cgroup_try_write(entry, "cgroup.kill", "1") == 0) {
		if (group->count > 1) /* v1's freezer would hold them */
			(void)cgroup_thaw(group, NULL);
		return 0;
	}
	if (entry->fd < 0)
		return 0;
	result = signal_frozen(group, entry, signal_number, err);
	return result;
}
