/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/trace.h"

#define V2_MOUNT_POINT "/sys/fs/cgroup"

enum { MOUNTINFO_BYTES_MAX = 64 * 1024 * 1024 };

const struct cgroup_controller_info cgroup_controller_table[CGROUP_CONTROLLERS] = {
	[CGROUP_CPU] = { "cpu", "cpu" },
	[CGROUP_CPUACCT] = { "cpuacct", NULL },
	[CGROUP_CPUSET] = { "cpuset", "cpuset" },
	[CGROUP_MEMORY] = { "memory", "memory" },
	[CGROUP_PIDS] = { "pids", "pids" },
	[CGROUP_DEVICES] = { "devices", NULL },
	[CGROUP_FREEZER] = { "freezer", NULL },
	[CGROUP_IO] = { "blkio", "io" },
	[CGROUP_HUGETLB] = { "hugetlb", "hugetlb" },
	[CGROUP_NET_CLS] = { "net_cls", NULL },
	[CGROUP_NET_PRIO] = { "net_prio", NULL },
	[CGROUP_PERF_EVENT] = { "perf_event", NULL },
	[CGROUP_RDMA] = { "rdma", "rdma" },
	[CGROUP_MISC] = { "misc", "misc" },
};

/* v2 has these in every group, whatever is enabled. */
static const uint32_t unified_core =
	CGROUP_BIT(CGROUP_CPUACCT) | CGROUP_BIT(CGROUP_DEVICES) | CGROUP_BIT(CGROUP_FREEZER);

uint32_t cgroup_controllers_of(const char *list, bool unified)
{
	uint32_t found = 0;

	while (*list) {
		size_t length = strcspn(list, ", \n");

		for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
			const char *name =
				unified ? cgroup_controller_table[i].name_v2 : cgroup_controller_table[i].name_v1;

			if (name && strlen(name) == length && strncmp(name, list, length) == 0)
				found |= CGROUP_BIT(i);
		}
		list += length;
		list += strspn(list, ", \n");
	}
	return found;
}

/* One mount of a cgroup file system. The pieces point into a copy of the line. */
struct mounted {
	bool unified;
	char *root, *point, *options;
};

/* mountinfo writes space, tab, newline and backslash as \ooo (proc(5)). */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; out++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' &&
			text[3] >= '0' && text[3] <= '7') {
			*out = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 4;
		} else {
			*out = *text++;
		}
	}
	*out = '\0';
}

/* "36 35 98:0 ROOT POINT OPTIONS TAG… - TYPE SOURCE SUPER_OPTIONS"; false for other file systems. Cuts the line up. */
static bool parse_mount(char *line, struct mounted *mounted)
{
	char *separator = strstr(line, " - "), *position = NULL, *type;

	if (!separator)
		return false;
	*separator = '\0';
	type = strtok_r(separator + 3, " ", &position);
	if (!type || (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0))
		return false;
	mounted->unified = strcmp(type, "cgroup2") == 0;
	if (!strtok_r(NULL, " ", &position))
		return false;
	mounted->options = strtok_r(NULL, " ", &position);
	(void)strtok_r(line, " ", &position);
	(void)strtok_r(NULL, " ", &position);
	(void)strtok_r(NULL, " ", &position);
	mounted->root = strtok_r(NULL, " ", &position);
	mounted->point = strtok_r(NULL, " ", &position);
	if (!mounted->options || !mounted->root || !mounted->point)
		return false;
	unescape(mounted->root);
	unescape(mounted->point);
	return true;
}

static bool has_option(const char *options, const char *wanted, size_t wanted_length)
{
	while (*options) {
		size_t length = strcspn(options, ",");

		if (length == wanted_length && strncmp(options, wanted, length) == 0)
			return true;
		options += length + (options[length] == ',');
	}
	return false;
}

/* Where the caller's group is below the mount point, when only the part of the hierarchy below `root` is mounted there.
 */
static char *below_root(const char *own, const char *root)
{
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

	/* "/..": outside of the caller's cgroup namespace. */
	if (strncmp(own, root, length) != 0 || (own[length] != '/' && own[length] != '\0') ||
		strncmp(own, "/..", 3) == 0)
		return xstrdup("/");
	return xstrdup(own[length] ? own + length : "/");
}

static void add_hierarchy(struct cgroup_host *host, const char *name, const char *own, const struct mounted *mounted)
{
	struct cgroup_hierarchy *hierarchy;

	if (host->count == CGROUP_HIERARCHIES_MAX)
		return;
	hierarchy = &host->hierarchies[host->count++];
	hierarchy->unified = mounted->unified;
	hierarchy->controllers = mounted->unified ? unified_core : cgroup_controllers_of(name, false);
	hierarchy->name = xstrdup(name);
	hierarchy->mount_point = xstrdup(mounted->point);
	hierarchy->own_path = below_root(own, mounted->root);
	hierarchy->root_fd = -EBADF;
}

/* Cuts the next line off *text; NULL at the end. */
static char *next_line(char **text)
{
	char *line = *text, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	*text = end ? end + 1 : NULL;
	return line;
}

static size_t parse_mounts(char *text, struct mounted mounts[CGROUP_HIERARCHIES_MAX])
{
	size_t count = 0;

	for (char *line; (line = next_line(&text)) && count < CGROUP_HIERARCHIES_MAX;) {
		if (parse_mount(line, &mounts[count]))
			count++;
	}
	return count;
}

/* A line of /proc/self/cgroup is "ID:CONTROLLERS:PATH", v2's is "0::PATH" (cgroups(7)). */
void cgroup_host_parse(struct cgroup_host *host, const char *mountinfo, const char *self)
{
	cleanup_free char *mount_text = xstrdup(mountinfo), *self_text = xstrdup(self);
	struct mounted mounts[CGROUP_HIERARCHIES_MAX];
	size_t mount_count = parse_mounts(mount_text, mounts);
	char *rest = self_text;

	for (char *line; (line = next_line(&rest));) {
		char *name = strchr(line, ':'), *own = name ? strchr(name + 1, ':') : NULL;
		size_t first;

		if (!own)
			continue;
		*name++ = '\0';
		*own++ = '\0';
		first = strcspn(name, ",");
		for (size_t i = 0; i < mount_count; i++) {
			if (mounts[i].unified != (*name == '\0') ||
				(!mounts[i].unified && !has_option(mounts[i].options, name, first)))
				continue;
			add_hierarchy(host, name, own, &mounts[i]);
			break;
		}
	}
}

static void hierarchy_free(struct cgroup_hierarchy *hierarchy)
{
	close_fd(&hierarchy->root_fd);
	free(hierarchy->name);
	free(hierarchy->mount_point);
	free(hierarchy->own_path);
}

void cgroup_host_close(struct cgroup_host **host)
{
	if (!*host)
		return;
	for (size_t i = 0; i < (*host)->count; i++)
		hierarchy_free(&(*host)->hierarchies[i]);
	free(*host);
	*host = NULL;
}

/* Something else may be mounted over a hierarchy: mountinfo lists both. Keeps the root open, and reads what v2's
 * offers. */
static bool look_at(struct cgroup_hierarchy *hierarchy)
{
	cleanup_fd int fd = open(hierarchy->mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_strbuf struct strbuf list = STRBUF_INIT;
	struct statfs status;

	if (fd < 0 || fstatfs(fd, &status) < 0)
		return false;
	if ((uint32_t)status.f_type != (hierarchy->unified ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
		return false;
	if (hierarchy->unified && file_read(fd, "cgroup.controllers", CGROUP_FILE_BYTES_MAX, &list) == 0)
		hierarchy->controllers |= cgroup_controllers_of(list.data, true);
	hierarchy->root_fd = take_fd(&fd);
	return true;
}

static void drop_covered(struct cgroup_host *host)
{
	size_t kept = 0;

	for (size_t i = 0; i < host->count; i++) {
		if (look_at(&host->hierarchies[i]))
			host->hierarchies[kept++] = host->hierarchies[i];
		else
			hierarchy_free(&host->hierarchies[i]);
	}
	host->count = kept;
}

/*
 * A host that has only v2 has it at its usual place. When that is the hierarchy's real root (the one group without
 * cgroup.events), mountinfo, which has thousands of lines on a host with many containers, has nothing to add.
 */
static bool plain_v2(struct cgroup_host *host, const char *self)
{
	const struct mounted mounted = { .unified = true, .root = (char *)"/", .point = (char *)V2_MOUNT_POINT };
	cleanup_free char *own = NULL;

	if (strncmp(self, "0::/", 4) != 0 || strchr(self, '\n') != self + strlen(self) - 1)
		return false;
	own = xstrndup(self + 3, strlen(self) - 4);
	add_hierarchy(host, "", own, &mounted);
	drop_covered(host);
	if (host->count == 1 && faccessat(AT_FDCWD, V2_MOUNT_POINT "/cgroup.events", F_OK, 0) < 0)
		return true;
	for (; host->count > 0; host->count--)
		hierarchy_free(&host->hierarchies[host->count - 1]);
	return false;
}

static int open_host(const char *cgroup_file, struct cgroup_host **host, struct error *err)
{
	cleanup_cgroup_host struct cgroup_host *found = xcalloc(1, sizeof(*found));
	cleanup_strbuf struct strbuf self = STRBUF_INIT, mountinfo = STRBUF_INIT;
	int result = file_read(AT_FDCWD, cgroup_file, CGROUP_FILE_BYTES_MAX, &self);

	if (result == -ENOENT) /* a kernel without cgroups */
		strbuf_append(&self, "", 0);
	else if (result < 0)
		return error_set(err, -result, "reading %s", cgroup_file);
	if (!plain_v2(found, self.data)) {
		result = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_BYTES_MAX, &mountinfo);
		if (result < 0)
			return error_set(err, -result, "reading /proc/self/mountinfo");
		cgroup_host_parse(found, mountinfo.data, self.data);
		drop_covered(found);
	}
	*host = take_pointer(&found);
	return 0;
}

int cgroup_host_open(struct cgroup_host **host, struct error *err)
{
	return open_host("/proc/self/cgroup", host, err);
}

int cgroup_host_open_of(pid_t pid, struct cgroup_host **host, struct error *err)
{
	trace_scope("look at the cgroup hierarchies");
	cleanup_free char *file = xprintf("/proc/%d/cgroup", (int)pid);

	return open_host(file, host, err);
}

enum cgroup_layout cgroup_host_layout(const struct cgroup_host *host)
{
	bool v1 = false, v2 = false;

	for (size_t i = 0; i < host->count; i++) {
		v1 = v1 || !host->hierarchies[i].unified;
		v2 = v2 || host->hierarchies[i].unified;
	}
	if (v1)
		return v2 ? CGROUP_LAYOUT_HYBRID : CGROUP_LAYOUT_V1;
	return v2 ? CGROUP_LAYOUT_V2 : CGROUP_LAYOUT_NONE;
}

bool cgroup_host_has(const struct cgroup_host *host, enum cgroup_controller controller)
{
	for (size_t i = 0; i < host->count; i++) {
		if (host->hierarchies[i].controllers & CGROUP_BIT(controller))
			return true;
	}
	return false;
}
