/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/trace.h"

enum { MAKE_ATTEMPTS = 16, PROCESS_LIST_BYTES_MAX = 16 * 1024 * 1024 };

#define DELEGATE_LIST "/sys/kernel/cgroup/delegate"

const struct cgroup_entry *cgroup_find(const struct cgroup *group, enum cgroup_controller controller)
{
	const struct cgroup_entry *found = NULL;

	/* A hierarchy of its own goes before v2's core, which a hybrid host has as well. */
	for (size_t i = 0; i < group->count; i++) {
		if ((group->entries[i].controllers & CGROUP_BIT(controller)) && (!found || found->unified))
			found = &group->entries[i];
	}
	return found;
}

const struct cgroup_entry *cgroup_unified(const struct cgroup *group)
{
	for (size_t i = 0; i < group->count; i++) {
		if (group->entries[i].unified)
			return &group->entries[i];
	}
	return NULL;
}

static void entry_free(struct cgroup_entry *entry)
{
	close_fd(&entry->fd);
	free(entry->name);
	free(entry->mount_point);
	free(entry->path);
	free(entry->directory);
}

void cgroup_close(struct cgroup **group)
{
	if (!*group)
		return;
	for (size_t i = 0; i < (*group)->count; i++)
		entry_free(&(*group)->entries[i]);
	free((*group)->unit);
	free(*group);
	*group = NULL;
}

static void abandon(struct cgroup **group)
{
	if (*group) {
		cgroup_settle(*group);
		cgroup_undo(*group);
	}
	cgroup_close(group);
}

static struct cgroup_entry *add_entry(struct cgroup *group, const char *name, const char *mount_point, const char *path)
{
	struct cgroup_entry *entry = &group->entries[group->count++];

	entry->unified = *name == '\0';
	entry->name = xstrdup(name);
	entry->mount_point = xstrdup(mount_point);
	entry->path = xstrdup(path);
	entry->directory = xprintf("%s%s", mount_point, path);
	entry->fd = -EBADF;
	return entry;
}

/* mkdir -p that counts what it made in entry->made. */
static int make_path(struct cgroup_entry *entry, int root)
{
	cleanup_free char *path = xstrdup(entry->path + 1); /* relative to the mount point */

	for (int attempt = 0; attempt < MAKE_ATTEMPTS; attempt++) {
		if (mkdirat(root, path, 0755) == 0) {
			entry->made++;
			return 0;
		}
		if (errno == EEXIST)
			return 0;
		if (errno != ENOENT)
			return -errno;
		/* A parent is missing, or somebody removed it after we saw it: once more from the top. */
		for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
			int made;

			*slash = '\0';
			made = mkdirat(root, path, 0755);
			if (made < 0 && errno != EEXIST && errno != ENOENT)
				return -errno;
			entry->made += made == 0;
			*slash = '/';
		}
	}
	return -ENOENT;
}

/* Frozen, a new process would never run; with processes in it (but for one of ours), the group is somebody else's. */
static int check_existing(const struct cgroup_entry *entry, pid_t ours, struct error *err)
{
	cleanup_strbuf struct strbuf processes = STRBUF_INIT, frozen = STRBUF_INIT;
	int result = file_read(entry->fd, "cgroup.procs", PROCESS_LIST_BYTES_MAX, &processes);

	if (result == 0 && processes.length > 0 && !(ours > 0 && atoi(processes.data) == ours))
		return error_set(err, -EBUSY, "the cgroup %s is in use: it has processes", entry->directory);
	if (cgroup_read(entry, entry->unified ? "cgroup.freeze" : "freezer.state", &frozen) == 0 &&
		(strncmp(frozen.data, "1", 1) == 0 || strncmp(frozen.data, "FR", 2) == 0))
		return error_set(err, -EBUSY, "the cgroup %s is frozen", entry->directory);
	return 0;
}

static int make_entry(struct cgroup_entry *entry, int root, pid_t ours, struct error *err)
{
	int result = make_path(entry, root);

	if (result < 0)
		return error_set(err, -result, "making the cgroup %s", entry->directory);
	entry->fd = openat(root, entry->path + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (entry->fd < 0)
		return error_set(err, errno, "opening the cgroup %s", entry->directory);
	if (entry->made == 0) {
		result = check_existing(entry, ours, err);
		if (result < 0)
			return result;
	}
	if (entry->controllers & CGROUP_BIT(CGROUP_CPUSET) && !entry->unified)
		return cgroup_v1_prepare_cpuset(entry, err);
	return 0;
}

/* Which v2 controllers to hand down: where there is only v2, those that statistics are made of as well; beside v1,
 * nothing that nobody asked for, since it changes groups that belong to the host. */
static uint32_t wanted_controllers(const struct cgroup_host *host, const struct cgroup_request *request)
{
	uint32_t wanted = request->resources ? cgroup_controllers_needed(request->resources) : 0;

	if (cgroup_host_layout(host) == CGROUP_LAYOUT_V2 && request->controllers)
		wanted |= request->controllers;
	else if (cgroup_host_layout(host) == CGROUP_LAYOUT_V2)
		wanted |= CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_CPUSET) | CGROUP_BIT(CGROUP_MEMORY) |
			  CGROUP_BIT(CGROUP_PIDS) | CGROUP_BIT(CGROUP_IO);
	return wanted;
}

static bool asks_for_devices(const struct cgroup_request *request)
{
	return !request->any_device || (request->resources && request->resources->device_rule_count > 0);
}

/* What the container's root needs to make groups of its own: the kernel lists the files (cgroup-v2.rst, "Delegation").
 */
static int delegate(const struct cgroup_entry *entry, const struct cgroup_request *request, struct error *err)
{
	cleanup_strbuf struct strbuf list = STRBUF_INIT;
	char *position = NULL;
	int result = file_read(AT_FDCWD, DELEGATE_LIST, CGROUP_FILE_BYTES_MAX, &list);

	if (result < 0) {
		strbuf_free(&list);
		strbuf_string(&list, "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
	}
	if (fchownat(entry->fd, "", request->owner_uid, request->owner_gid, AT_EMPTY_PATH) < 0)
		return error_set(err, errno, "giving the cgroup %s to the container", entry->directory);
	for (char *file = strtok_r(list.data, "\n", &position); file; file = strtok_r(NULL, "\n", &position)) {
		/* Files of controllers that are not there are listed too. */
		if (fchownat(entry->fd, file, request->owner_uid, request->owner_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
			errno != ENOENT)
			return error_set(err, errno, "giving %s/%s to the container", entry->directory, file);
	}
	return 0;
}

/* The group in one hierarchy, with what v2 wants besides. */
static int make_in(struct cgroup *group, const struct cgroup_host *host, const struct cgroup_hierarchy *hierarchy,
	const struct cgroup_request *request, struct error *err)
{
	cleanup_free char *path = cgroup_path_in(hierarchy, request, err);
	struct cgroup_entry *entry;
	int result;

	if (!path)
		return -EINVAL;
	entry = add_entry(group, hierarchy->name, hierarchy->mount_point, path);
	entry->controllers = hierarchy->unified ? 0 : hierarchy->controllers;
	result = make_entry(entry, hierarchy->root_fd, group->placeholder, err);
	if (result == 0 && entry->unified)
		result = cgroup_v2_enable(entry, wanted_controllers(host, request),
			request->resources && cgroup_first_limit(request->resources), err);
	if (result == 0 && entry->unified && request->delegate)
		result = delegate(entry, request, err);
	return result;
}

static int make_all(
	struct cgroup *group, const struct cgroup_host *host, const struct cgroup_request *request, struct error *err)
{
	for (size_t i = 0; i < host->count; i++) {
		const struct cgroup_hierarchy *hierarchy = &host->hierarchies[i];
		struct error failure = { 0 };
		int result = make_in(group, host, hierarchy, request, &failure);

		if (result == 0)
			continue;
		/* A hierarchy without controllers, such as systemd's, limits nothing: it is not worth a failure. */
		if (hierarchy->unified || hierarchy->controllers || result == -EBUSY || result == -EINVAL) {
			if (err)
				*err = failure;
			return result;
		}
		log_debug("%s", failure.message);
		entry_free(&group->entries[--group->count]);
	}
	return 0;
}

/* The length of the path of the nearest group above both (or one of them). */
static size_t common_group(const char *a, const char *b)
{
	size_t common = 0;

	for (size_t i = 0;; i++) {
		if ((a[i] == '/' || !a[i]) && (b[i] == '/' || !b[i]))
			common = i;
		if (a[i] != b[i] || !a[i])
			return common;
	}
}

/* May the caller put a process there? v2 wants write access to cgroup.procs of the nearest common group as well
 * (cgroups(7)). */
static int check_rootless_join(const struct cgroup *group, const struct cgroup_host *host, struct error *err)
{
	const struct cgroup_entry *entry = cgroup_unified(group);
	cleanup_free char *procs = NULL;
	const char *own = "/";

	if (!entry || !cgroup_caller_is_rootless())
		return 0;
	for (size_t i = 0; i < host->count; i++) {
		if (host->hierarchies[i].unified)
			own = host->hierarchies[i].own_path;
	}
	procs = xprintf("%s%.*s/cgroup.procs", entry->mount_point, (int)common_group(own, entry->path), entry->path);
	if (faccessat(AT_FDCWD, procs, W_OK, AT_EACCESS) < 0)
		return error_set(err, errno, "joining the cgroup %s: writing to %s", entry->directory, procs);
	return 0;
}

static bool may_go_without(const struct cgroup_request *request, int result)
{
	if (result != -EACCES && result != -EPERM && result != -EROFS)
		return false;
	return request->rootless == CGROUP_ROOTLESS_AUTO ? cgroup_caller_is_rootless()
							 : request->rootless == CGROUP_ROOTLESS_TRUE;
}

static int disabled(const struct cgroup_request *request, struct cgroup **group, const char *why, struct error *err)
{
	const char *limit = request->resources ? cgroup_first_limit(request->resources) : NULL;

	if (limit)
		return error_set(err, -EOPNOTSUPP, "%s cannot be set: %s", limit, why);
	*group = xcalloc(1, sizeof(**group));
	(*group)->manager = CGROUP_MANAGER_DISABLED;
	return 0;
}

/* systemd makes the scope in the hierarchies that it knows; the others get a group of the same path. */
static int create_scope(
	const struct cgroup_host *host, const struct cgroup_request *request, struct cgroup **group, struct error *err)
{
	cleanup(abandon) struct cgroup *made = xcalloc(1, sizeof(*made));
	cleanup_systemd_bus struct systemd_bus *bus = NULL;
	struct cgroup_request placed = *request;
	cleanup_free char *path = NULL;
	int result = systemd_bus_open(&bus, cgroup_caller_is_rootless(), err);

	made->manager = CGROUP_MANAGER_SYSTEMD;
	if (result == 0)
		result = systemd_make(bus, made, request, &path, err);
	placed.path = path;
	if (result == 0)
		result = make_all(made, host, &placed, err);
	if (result == 0)
		result = systemd_hold(made, err);
	if (result == 0)
		result = check_rootless_join(made, host, err);
	if (result == 0 && request->resources)
		result = cgroup_apply_files(made, request->resources, err);
	if (result == 0)
		result = cgroup_devices_apply(made, request, err);
	if (result == 0)
		result = systemd_tell(bus, made, err);
	if (result < 0)
		return result;
	*group = take_pointer(&made);
	return 0;
}

int cgroup_create(
	const struct cgroup_host *host, const struct cgroup_request *request, struct cgroup **group, struct error *err)
{
	trace_scope("make the cgroup");
	cleanup(abandon) struct cgroup *made = NULL;
	int result;

	if (request->manager == CGROUP_MANAGER_DISABLED)
		return disabled(request, group, "cgroups are disabled (--cgroup-manager=disabled)", err);
	if (request->manager == CGROUP_MANAGER_SYSTEMD)
		return create_scope(host, request, group, err);
	if (host->count == 0)
		return disabled(request, group, "this host has no cgroups", err);
	made = xcalloc(1, sizeof(*made));
	result = make_all(made, host, request, err);
	if (result == 0)
		result = check_rootless_join(made, host, err);
	if (may_go_without(request, result)) {
		cleanup_free char *why =
			xprintf("no cgroup can be made by this user (%s)", err ? err->message : "no permission");

		log_debug("going on without a cgroup: %s", why);
		return disabled(request, group, why, err);
	}
	if (result == 0 && request->resources)
		result = cgroup_apply(made, request->resources, err);
	if (result == 0 && asks_for_devices(request))
		result = cgroup_devices_apply(made, request, err);
	if (result < 0)
		return result;
	*group = take_pointer(&made);
	return 0;
}

/* How many of the last components of the path are not there. */
static unsigned int count_missing(const struct cgroup_entry *entry, int root)
{
	cleanup_free char *path = xstrdup(entry->path + 1);
	unsigned int missing = 0;

	while (faccessat(root, path, F_OK, 0) < 0) {
		char *slash = strrchr(path, '/');

		missing++;
		if (!slash)
			break;
		*slash = '\0';
	}
	return missing;
}

/* What systemd does not know of are groups in v1 hierarchies that it leaves alone. An ordinary user cannot make any
 * there. */
static int plan_scope(const struct cgroup_host *host, const struct cgroup_request *request, struct cgroup **planned,
	struct error *err)
{
	cleanup_cgroup struct cgroup *plan = xcalloc(1, sizeof(*plan));
	cleanup_free char *path = NULL;
	int result = systemd_plan(plan, request, &path, err);

	if (result < 0)
		return result;
	plan->manager = CGROUP_MANAGER_SYSTEMD;
	plan->planned = true;
	for (size_t i = 0; i < host->count && !plan->user_unit; i++) {
		const struct cgroup_hierarchy *hierarchy = &host->hierarchies[i];
		struct cgroup_entry *entry;

		if (hierarchy->unified)
			continue;
		entry = add_entry(plan, hierarchy->name, hierarchy->mount_point, path);
		entry->made = count_missing(entry, hierarchy->root_fd) > 0;
	}
	*planned = take_pointer(&plan);
	return 0;
}

int cgroup_plan(const struct cgroup_host *host, const struct cgroup_request *request, struct cgroup **planned,
	struct error *err)
{
	cleanup_cgroup struct cgroup *plan = NULL;

	if (request->manager == CGROUP_MANAGER_SYSTEMD)
		return plan_scope(host, request, planned, err);
	plan = xcalloc(1, sizeof(*plan));
	plan->manager = request->manager;
	plan->planned = true;
	for (size_t i = 0; i < host->count && request->manager == CGROUP_MANAGER_CGROUPFS; i++) {
		const struct cgroup_hierarchy *hierarchy = &host->hierarchies[i];
		cleanup_free char *path = cgroup_path_in(hierarchy, request, err);
		struct cgroup_entry *entry;

		if (!path)
			return -EINVAL;
		entry = add_entry(plan, hierarchy->name, hierarchy->mount_point, path);
		entry->made = count_missing(entry, hierarchy->root_fd);
	}
	*planned = take_pointer(&plan);
	return 0;
}

/* One line for the manager (with "\t system|user \t SCOPE" for systemd's), one for each hierarchy: "MADE \t NAME \t
 * CONTROLLERS \t MOUNT POINT \t PATH". */
char *cgroup_save(const struct cgroup *group)
{
	struct strbuf text = STRBUF_INIT;

	if (group->manager == CGROUP_MANAGER_DISABLED)
		strbuf_string(&text, "disabled\n");
	else if (group->unit)
		strbuf_printf(&text, "%s\t%s\t%s\n", group->planned ? "planned" : "systemd",
			group->user_unit ? "user" : "system", group->unit);
	else
		strbuf_string(&text, group->planned ? "planned\n" : "cgroupfs\n");
	for (size_t i = 0; i < group->count; i++) {
		const struct cgroup_entry *entry = &group->entries[i];

		strbuf_printf(&text, "%u\t%s\t%x\t%s\t%s\n", entry->made, entry->name, entry->controllers,
			entry->mount_point, entry->path);
	}
	return text.data;
}

bool cgroup_split_saved(char *line, char *fields[CGROUP_SAVED_FIELDS])
{
	for (size_t i = 0; i < CGROUP_SAVED_FIELDS; i++) {
		fields[i] = strsep(&line, "\t");
		if (!fields[i])
			return false;
	}
	return !line && fields[3][0] == '/' && fields[4][0] == '/';
}

static int load_entry(struct cgroup *group, char *line, struct error *err)
{
	char *fields[CGROUP_SAVED_FIELDS];
	struct cgroup_entry *entry;

	if (!cgroup_split_saved(line, fields) || group->count == CGROUP_HIERARCHIES_MAX)
		return error_set(err, -EINVAL, "the saved cgroup is malformed");
	entry = add_entry(group, fields[1], fields[3], fields[4]);
	entry->made = (unsigned int)strtoul(fields[0], NULL, 10);
	entry->controllers = (uint32_t)strtoul(fields[2], NULL, 16);
	entry->fd = open(entry->directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (entry->fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return error_set(err, errno, "opening the cgroup %s", entry->directory);
	return 0;
}

static int load_manager(struct cgroup *group, char *line, struct error *err)
{
	char *word = strsep(&line, "\t"), *whose = strsep(&line, "\t"), *unit = strsep(&line, "\t");

	group->planned = strcmp(word, "planned") == 0;
	if (unit && !line && *unit && (group->planned || strcmp(word, "systemd") == 0)) {
		group->manager = CGROUP_MANAGER_SYSTEMD;
		group->user_unit = strcmp(whose, "user") == 0;
		group->unit = xstrdup(unit);
		return 0;
	}
	group->manager = strcmp(word, "disabled") == 0 ? CGROUP_MANAGER_DISABLED : CGROUP_MANAGER_CGROUPFS;
	if (whose || (group->manager == CGROUP_MANAGER_CGROUPFS && !group->planned && strcmp(word, "cgroupfs") != 0))
		return error_set(err, -EINVAL, "the saved cgroup has an unknown manager");
	return 0;
}

int cgroup_load(const char *text, struct cgroup **group, struct error *err)
{
	cleanup_cgroup struct cgroup *loaded = xcalloc(1, sizeof(*loaded));
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *manager = strsep(&rest, "\n");

	if (load_manager(loaded, manager, err) < 0)
		return -EINVAL;
	for (char *line; (line = strsep(&rest, "\n")) && *line;) {
		int result = load_entry(loaded, line, err);

		if (result < 0)
			return result;
	}
	*group = take_pointer(&loaded);
	return 0;
}
