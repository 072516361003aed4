/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"

#define PREFIX "duet"

static bool allowed_in_unit_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr(":-_.\\", c);
}

/* As systemd-escape(1) does it: an id may have a '+', a unit's name may not. */
static char *escape(const char *text)
{
	struct strbuf escaped = STRBUF_INIT;

	strbuf_append(&escaped, "", 0);
	for (; *text; text++) {
		if (allowed_in_unit_name(*text))
			strbuf_append(&escaped, text, 1);
		else
			strbuf_printf(&escaped, "\\x%02x", (unsigned char)*text);
	}
	return escaped.data;
}

void systemd_unit_free(struct systemd_unit *unit)
{
	free(unit->slice);
	free(unit->scope);
	*unit = (struct systemd_unit){ 0 };
}

static bool ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length > end_length && strcmp(text + length - end_length, end) == 0;
}

char *systemd_slice_path(const char *slice)
{
	struct strbuf path = STRBUF_INIT;

	strbuf_append(&path, "", 0);
	for (const char *dash = slice; strcmp(slice, "-.slice") != 0 && (dash = strchr(dash, '-')); dash++)
		strbuf_printf(&path, "/%.*s.slice", (int)(dash - slice), slice);
	if (strcmp(slice, "-.slice") != 0)
		strbuf_printf(&path, "/%s", slice);
	return path.data;
}

static bool is_slice(const char *text)
{
	if (strcmp(text, "-.slice") == 0)
		return true;
	if (!ends_in(text, ".slice") || text[0] == '-' || strstr(text, "--") || strstr(text, "-."))
		return false;
	for (const char *c = text; *c; c++) {
		if (!allowed_in_unit_name(*c))
			return false;
	}
	return true;
}

int systemd_unit_parse(const struct cgroup_request *request, bool user, struct systemd_unit *unit, struct error *err)
{
	const char *path = request->path && *request->path ? request->path : "::";
	cleanup_free char *copy = xstrdup(path), *escaped = NULL;
	char *rest = copy, *slice = strsep(&rest, ":"), *prefix = strsep(&rest, ":"), *name = strsep(&rest, ":");

	if (!name || rest)
		return error_set(err, -EINVAL,
			"linux.cgroupsPath: \"%s\" is not \"SLICE:PREFIX:NAME\", which the systemd cgroup manager "
			"wants",
			path);
	if (path[0] == ':' && path[1] == ':' && !path[2]) {
		prefix = (char *)PREFIX;
		name = (char *)request->id;
	}
	if (!*slice)
		slice = (char *)(user ? "user.slice" : "system.slice");
	if (!is_slice(slice))
		return error_set(err, -EINVAL, "linux.cgroupsPath: \"%s\" is not the name of a systemd slice", slice);
	if (!*name || ends_in(name, ".slice"))
		return error_set(err, -EINVAL,
			"linux.cgroupsPath: \"%s\" cannot be the name of a scope: processes live in scopes, not in "
			"slices",
			name);
	escaped = escape(name);
	unit->slice = xstrdup(slice);
	if (*prefix) {
		cleanup_free char *escaped_prefix = escape(prefix);

		unit->scope = xprintf("%s-%s.scope", escaped_prefix, escaped);
	} else {
		unit->scope = xprintf("%s.scope", escaped);
	}
	return 0;
}

/* systemd removes groups of v1 controllers that a unit does not need and that are empty. */
int systemd_hold(const struct cgroup *group, struct error *err)
{
	cleanup_free char *pid = xprintf("%d", (int)group->placeholder);

	for (size_t i = 0; i < group->count; i++) {
		const struct cgroup_entry *entry = &group->entries[i];
		int result = entry->made && !entry->unified ? cgroup_try_write(entry, "tasks", pid) : 0;

		if (result < 0)
			return error_set(err, -result, "holding the cgroup %s", entry->directory);
	}
	return 0;
}

/* A process that sleeps until it is killed, at the latest with its parent. It holds nothing open: not the lock on the
 * container, not the caller's pipes. */
static pid_t start_placeholder(struct error *err)
{
	struct clone_args arguments = { 0 }; /* no exit signal: its end is nobody's news */
	pid_t parent = getpid(), child = sys_clone3(&arguments);

	if (child < 0)
		return error_set(err, errno, "starting a process to hold the systemd scope");
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close_range(0, ~0U, 0);
		while (getppid() == parent)
			(void)pause();
		_exit(0);
	}
	return child;
}

static void end_placeholder(pid_t *placeholder)
{
	if (*placeholder <= 0)
		return;
	(void)kill(*placeholder, SIGKILL);
	while (waitpid(*placeholder, NULL, __WALL) < 0 && errno == EINTR)
		;
	*placeholder = 0;
}

void cgroup_settle(struct cgroup *group)
{
	end_placeholder(&group->placeholder);
}

/* Where systemd put it, in the hierarchy that systemd keeps its units in. */
static int find_place(pid_t pid, const char *scope, char **path, struct error *err)
{
	cleanup_cgroup_host struct cgroup_host *place = NULL;
	int result = cgroup_host_open_of(pid, &place, err);

	for (size_t i = 0; result == 0 && i < place->count; i++) {
		const char *own = place->hierarchies[i].own_path, *last = strrchr(own, '/');

		if (last && strcmp(last + 1, scope) == 0) {
			*path = xstrdup(own);
			return 0;
		}
	}
	return result < 0 ? result : error_set(err, -ENOENT, "the systemd scope %s has no cgroup here", scope);
}

static bool has_v2_alone(void)
{
	return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
}

int systemd_make(struct systemd_bus *bus, struct cgroup *group, const struct cgroup_request *request, char **path,
	struct error *err)
{
	cleanup_systemd_properties struct systemd_properties properties = { 0 };
	cleanup(systemd_unit_free) struct systemd_unit unit = { 0 };
	bool user = cgroup_caller_is_rootless();
	int result = systemd_unit_parse(request, user, &unit, err);

	if (result == 0)
		result = systemd_scope_properties(request, &unit, has_v2_alone(), &properties, err);
	if (result < 0)
		return result;
	group->placeholder = start_placeholder(err);
	if (group->placeholder < 0)
		return group->placeholder;
	result = systemd_scope_start(bus, unit.scope, group->placeholder, &properties, err);
	if (result == -EEXIST)
		return error_set(err, -EBUSY, "the systemd scope %s is in use", unit.scope);
	if (result < 0)
		return result;
	group->unit = take_pointer(&unit.scope);
	group->user_unit = user;
	return find_place(group->placeholder, group->unit, path, err);
}

int systemd_tell(struct systemd_bus *bus, const struct cgroup *group, struct error *err)
{
	cleanup_systemd_properties struct systemd_properties properties = { 0 };
	int result = systemd_mirror(group, &properties, err);

	if (result < 0)
		return result;
	return properties.count ? systemd_scope_change(bus, group->unit, &properties, err) : 0;
}

int systemd_update(const struct cgroup *group, struct error *err)
{
	cleanup_systemd_bus struct systemd_bus *bus = NULL;
	int result = systemd_bus_open(&bus, group->user_unit, err);

	return result < 0 ? result : systemd_tell(bus, group, err);
}

int systemd_unmake(const struct cgroup *group, int timeout_ms, struct error *err)
{
	cleanup_systemd_bus struct systemd_bus *bus = NULL;
	struct error failure = { 0 };

	if (systemd_bus_open(&bus, group->user_unit, &failure) < 0) {
		/* systemd forgets an empty scope by itself; the directories are removed all the same. */
		log_debug("%s", failure.message);
		return 0;
	}
	if (group->planned) {
		/* A scope whose placeholder died early can be missed by systemd. One with processes is not ours. */
		bool empty;
		int result = systemd_scope_is_empty(bus, group->unit, &empty, err);

		if (result < 0 || !empty)
			return result;
	}
	return systemd_scope_stop(bus, group->unit, timeout_ms, err);
}

int systemd_plan(struct cgroup *plan, const struct cgroup_request *request, char **path, struct error *err)
{
	cleanup(systemd_unit_free) struct systemd_unit unit = { 0 };
	cleanup_free char *slice = NULL;
	bool user = cgroup_caller_is_rootless();
	int result = systemd_unit_parse(request, user, &unit, err);

	if (result < 0)
		return result;
	slice = systemd_slice_path(unit.slice);
	*path = xprintf("%s/%s", slice, unit.scope);
	plan->unit = take_pointer(&unit.scope);
	plan->user_unit = user;
	return 0;
}
