/* SPDX-License-Identifier: Apache-2.0 */
/*
 * v2's freezer wherever there is v2, beside v1 too: what it has frozen still dies of SIGKILL. Else v1's.
 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/file.h"

enum { POLL_MS = 5, REFREEZE_EVERY = 20 };

static const struct cgroup_entry *v2_freezer(const struct cgroup *group)
{
	const struct cgroup_entry *entry = group->planned ? NULL : cgroup_unified(group);

	return entry && cgroup_has_file(entry, "cgroup.freeze") ? entry : NULL; /* since 5.2 */
}

static const struct cgroup_entry *v1_freezer(const struct cgroup *group)
{
	for (size_t i = 0; i < group->count && !group->planned; i++) {
		if (!group->entries[i].unified && (group->entries[i].controllers & CGROUP_BIT(CGROUP_FREEZER)))
			return &group->entries[i];
	}
	return NULL;
}

static bool v2_events_say_frozen(int directory, const char *path)
{
	cleanup_strbuf struct strbuf events = STRBUF_INIT;

	return file_read(directory, path, CGROUP_FILE_BYTES_MAX, &events) == 0 &&
	       cgroup_keyed_number(events.data, "frozen") == 1;
}

static bool v2_is_frozen(const struct cgroup_entry *entry)
{
	return v2_events_say_frozen(entry->fd, "cgroup.events");
}

/* "THAWED", "FREEZING", "FROZEN". */
static bool v1_file_says(int directory, const char *path, const char *state)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;

	return file_read(directory, path, CGROUP_FILE_BYTES_MAX, &content) == 0 &&
	       strncmp(content.data, state, strlen(state)) == 0;
}

static bool v1_state_is(const struct cgroup_entry *entry, const char *state)
{
	return v1_file_says(entry->fd, "freezer.state", state);
}

static bool is_frozen(const struct cgroup_entry *entry)
{
	return entry->unified ? v2_is_frozen(entry) : v1_state_is(entry, "FROZEN");
}

static int set_frozen(const struct cgroup_entry *entry, bool frozen)
{
	if (entry->unified)
		return cgroup_try_write(entry, "cgroup.freeze", frozen ? "1" : "0");
	return cgroup_try_write(entry, "freezer.state", frozen ? "FROZEN" : "THAWED");
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int freeze_and_wait(const struct cgroup_entry *entry, int timeout_ms)
{
	int64_t deadline_ms = now_ms() + timeout_ms;
	int result = set_frozen(entry, true);

	for (int round = 1; result == 0 && !is_frozen(entry); round++) {
		if (now_ms() >= deadline_ms)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, round < POLL_MS ? 1 : POLL_MS);
		/* v1 loses a race against a process that forks, and stays FREEZING until it is told anew. */
		if (!entry->unified && round % REFREEZE_EVERY == 0) {
			(void)set_frozen(entry, false);
			result = set_frozen(entry, true);
		}
	}
	return result;
}

static int need_freezer(const struct cgroup *group, const struct cgroup_entry **entry, struct error *err)
{
	*entry = v2_freezer(group);
	if (!*entry)
		*entry = v1_freezer(group);
	if (*entry)
		return 0;
	if (group->count == 0 || group->planned)
		return error_set(err, -EOPNOTSUPP, "the container has no cgroup of its own: it cannot be paused");
	return cgroup_missing(group, CGROUP_FREEZER, "pausing", err);
}

int cgroup_freeze(const struct cgroup *group, int timeout_ms, struct error *err)
{
	const struct cgroup_entry *entry;
	int result = need_freezer(group, &entry, err);

	if (result < 0)
		return result;
	result = freeze_and_wait(entry, timeout_ms);
	if (result < 0) {
		(void)set_frozen(entry, false);
		return error_set(err, -result, "freezing the cgroup %s", entry->directory);
	}
	return 0;
}

int cgroup_thaw(const struct cgroup *group, struct error *err)
{
	const struct cgroup_entry *v1 = v1_freezer(group), *v2 = v2_freezer(group);
	const struct cgroup_entry *entry;
	int result = need_freezer(group, &entry, err);

	if (result < 0)
		return result;
	/* Both, where there are both: somebody else may have used v1's. */
	if (v2)
		result = set_frozen(v2, false);
	if (v1 && !v1_state_is(v1, "THAWED")) {
		int thawed = set_frozen(v1, false);

		result = result == 0 ? thawed : result;
		entry = v1;
	}
	if (result < 0)
		return error_set(err, -result, "thawing the cgroup %s", entry->directory);
	return 0;
}

int cgroup_is_frozen(const struct cgroup *group, bool *frozen, struct error *err)
{
	const struct cgroup_entry *v1 = v1_freezer(group), *v2 = v2_freezer(group);

	(void)err;
	*frozen = (v2 && v2_is_frozen(v2)) || (v1 && v1_state_is(v1, "FROZEN"));
	return 0;
}

/* By path: no descriptor of the group is needed for one look. */
static bool saved_entry_is_frozen(char *line)
{
	cleanup_free char *path = NULL;
	char *fields[CGROUP_SAVED_FIELDS];
	bool unified;

	if (!cgroup_split_saved(line, fields))
		return false;
	unified = *fields[1] == '\0';
	if (!unified && !(strtoul(fields[2], NULL, 16) & CGROUP_BIT(CGROUP_FREEZER)))
		return false;
	path = xprintf("%s%s/%s", fields[3], fields[4], unified ? "cgroup.events" : "freezer.state");
	return unified ? v2_events_say_frozen(AT_FDCWD, path) : v1_file_says(AT_FDCWD, path, "FROZEN");
}

bool cgroup_saved_is_frozen(const char *saved)
{
	cleanup_free char *copy = xstrdup(saved);
	char *rest = copy, *line;
	bool frozen = false;

	/* Of a planned group nobody knows whose it is. */
	if (strncmp(strsep(&rest, "\n"), "planned", strlen("planned")) == 0)
		return false;
	while (!frozen && (line = strsep(&rest, "\n")) && *line)
		frozen = saved_entry_is_frozen(line);
	return frozen;
}
