/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of type cgroup (runtime-spec config.md "mounts"; cgroups(7), cgroup_namespaces(7)).
 *
 * Which hierarchies there are says /proc/self/cgroup, one "ID:CONTROLLERS:PATH" each: 0 is v2, "name=systemd" a v1
 * hierarchy without controllers. A path of "/" in other than the first cgroup namespace means that it is the
 * container's own: there a fresh mount shows the right part, and costs a hundredth of what it costs outside.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/procfs.h"
#include "ns/rootfs_internal.h"

#define HOST_MOUNT "/sys/fs/cgroup"

/* Inode of the first cgroup namespace on every kernel (PROC_CGROUP_INIT_INO of its proc_ns.h). */
#define FIRST_NAMESPACE_INODE 0xEFFFFFFBU

/* The kernfs node of a hierarchy's first group. */
enum { HIERARCHY_ROOT_INODE = 1 };

enum { TABLE_BYTES_MAX = 1 << 20, HIERARCHY_FLAGS = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };

struct hierarchy {
	const char *controllers; /* "cpu,cpuacct", "name=systemd", "" for v2 */
	const char *path;
	bool namespace_root; /* to be mounted afresh */
};

static bool is_first_namespace(int procfs)
{
	struct stat status;

	return fstatat(procfs, "self/ns/cgroup", &status, 0) == 0 && status.st_ino == FIRST_NAMESPACE_INODE;
}

static bool wants_cgroups(const struct rootfs_plan *plan)
{
	for (uint32_t i = 0; i < plan->mount_count; i++) {
		if (plan->mounts[i].type && strncmp(plan->mounts[i].type, "cgroup", 6) == 0)
			return true;
	}
	return false;
}

void rootfs_note_cgroups(struct rootfs_plan *plan)
{
	cleanup_strbuf struct strbuf table = STRBUF_INIT;
	cleanup_fd int procfs = -EBADF;

	if (!wants_cgroups(plan))
		return;
	procfs = procfs_open(NULL);
	/* From below, a path would not count from where the host's mounts begin. */
	if (procfs < 0 || !is_first_namespace(procfs) ||
		procfs_read(procfs, "self/cgroup", TABLE_BYTES_MAX, &table) < 0)
		return;
	free(plan->host_cgroups);
	plan->host_cgroups = xstrdup(table.data);
}

/* Splits the next line of the table in place; false at the end. */
static bool next_hierarchy(char **rest, bool first_namespace, struct hierarchy *hierarchy)
{
	char *line;

	while ((line = strsep(rest, "\n"))) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		*controllers++ = '\0';
		*path++ = '\0';
		hierarchy->controllers = controllers;
		hierarchy->path = path;
		/* "/../…" is above the root of the cgroup namespace: as little to be bound as "/". */
		hierarchy->namespace_root =
			!first_namespace && (strcmp(path, "/") == 0 || strncmp(path, "/..", 3) == 0);
		return true;
	}
	return false;
}

static bool is_v2(const struct hierarchy *hierarchy)
{
	return !hierarchy->controllers[0];
}

static const char *directory_name(const struct hierarchy *hierarchy)
{
	if (is_v2(hierarchy))
		return "unified";
	return strncmp(hierarchy->controllers, "name=", 5) == 0 ? hierarchy->controllers + 5 : hierarchy->controllers;
}

static int mount_fresh(struct rootfs *rootfs, const struct hierarchy *hierarchy, const struct mount_attr *attributes,
	const struct mount_target *target, int *mounted, struct error *err)
{
	bool named = strncmp(hierarchy->controllers, "name=", 5) == 0;
	cleanup_free char *options = NULL;
	struct mount_request request = {
		.source_fd = -EBADF,
		.type = is_v2(hierarchy) ? "cgroup2" : "cgroup",
		.source = "cgroup",
		.attributes = *attributes,
	};

	if (!is_v2(hierarchy)) {
		options = named ? xprintf("none,%s", hierarchy->controllers) : xstrdup(hierarchy->controllers);
		request.data = options;
	}
	return rootfs_request(rootfs, &request, target, "cgroup", mounted, err);
}

/* The group's directory on the host. In a container the host's mount may begin at some group below the root of what
 * /proc/self/cgroup counts from: then its own leading part is not in the path. */
static int open_group(const char *mount_point, const char *path)
{
	cleanup_fd int base = open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs file_system;
	int fd = -ENOENT;

	if (base < 0)
		return -errno;
	if (fstatfs(base, &file_system) < 0 ||
		(file_system.f_type != CGROUP_SUPER_MAGIC && file_system.f_type != CGROUP2_SUPER_MAGIC))
		return -ENODEV;
	for (const char *below = path; fd == -ENOENT && below; below = strchr(below + 1, '/'))
		fd = open_in_root(base, below, O_PATH | O_DIRECTORY, 0, 0);
	return fd;
}

/*
 * The root of the cgroup namespace as a bind of the host's mount: for each new mount of a v1 hierarchy the kernel goes
 * through every group of v2, so that mounts took longer the more containers there were. The reader sees the same, since
 * the paths that it is shown count from its namespace. False: only a new mount will do.
 */
static bool bind_namespace_root(struct rootfs *rootfs, const char *mount_point, const struct hierarchy *wanted,
	const struct mount_attr *attributes, const struct mount_target *target)
{
	cleanup_free char *table = rootfs->plan->host_cgroups ? xstrdup(rootfs->plan->host_cgroups) : NULL;
	cleanup_fd int base = -EBADF, group = -EBADF, mounted = -EBADF;
	struct mount_request request = { .attributes = *attributes };
	struct hierarchy hierarchy = { 0 };
	struct statfs file_system;
	struct stat status;
	struct error unused;
	char *rest = table;
	bool found = false;

	while (rest && !found && next_hierarchy(&rest, true, &hierarchy))
		found = strcmp(hierarchy.controllers, wanted->controllers) == 0;
	if (!found || strcmp(hierarchy.path, "/") == 0)
		return false;
	base = open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0 || fstatfs(base, &file_system) < 0 || file_system.f_type != CGROUP_SUPER_MAGIC ||
		(file_system.f_flags & ST_RDONLY) || fstat(base, &status) < 0 || status.st_ino != HIERARCHY_ROOT_INODE)
		return false;
	group = open_in_root(base, hierarchy.path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_XDEV);
	request.source_fd = group;
	return group >= 0 && rootfs_request(rootfs, &request, target, "cgroup", &mounted, &unused) == 0;
}

static int bind_group(struct rootfs *rootfs, const char *mount_point, const char *path,
	const struct mount_attr *attributes, const struct mount_target *target, struct error *err)
{
	cleanup_fd int source = open_group(mount_point, path), mounted = -EBADF;
	struct mount_request request = { .source_fd = source, .attributes = *attributes };

	if (source < 0)
		return error_set(err, -source, "find the cgroup \"%s\" in \"%s\"", path, mount_point);
	return rootfs_request(rootfs, &request, target, "cgroup", &mounted, err);
}

/*
 * Without a cgroup namespace /proc/self/cgroup of the container counts from the host's root, so that is what it gets to
 * see, as from other runtimes; a bind of the host's mount is that, and does not wait for the kernel as a new mount
 * would.
 */
static int mount_v2(struct rootfs *rootfs, const struct mount_plan *mount, const struct hierarchy *hierarchy,
	const struct mount_target *target, struct error *err)
{
	struct mount_request filled = { 0 };
	cleanup_fd int mounted = -EBADF;
	int result;

	rootfs_fill_request(mount, &filled);
	if (!hierarchy->namespace_root && bind_group(rootfs, HOST_MOUNT, "/", &filled.attributes, target, err) == 0)
		return 0;
	result = mount_fresh(rootfs, hierarchy, &filled.attributes, target, &mounted, err);
	if (result == -EPERM || result == -EBUSY)
		result = bind_group(rootfs, HOST_MOUNT, "/", &filled.attributes, target, err);
	return result;
}

static int mount_hierarchy(
	struct rootfs *rootfs, const struct hierarchy *hierarchy, int tmpfs, uint64_t readonly, struct error *err)
{
	const struct mount_attr attributes = { .attr_set = HIERARCHY_FLAGS | readonly };
	const char *name = directory_name(hierarchy);
	cleanup_free char *mount_point = xprintf("%s/%s", HOST_MOUNT, name);
	struct mount_target target = { .root = tmpfs, .path = name };
	cleanup_fd int mounted = -EBADF;
	int result;

	/* In a file system that nobody else has seen yet. */
	if (mkdirat(tmpfs, name, 0755) < 0 && errno != EEXIST)
		return error_set(err, errno, "make the mount point of the cgroup hierarchy \"%s\"", name);
	target.fd = openat(tmpfs, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target.fd < 0)
		return error_set(err, errno, "make the mount point of the cgroup hierarchy \"%s\"", name);
	if (!hierarchy->namespace_root)
		result = bind_group(rootfs, mount_point, hierarchy->path, &attributes, &target, err);
	else if (bind_namespace_root(rootfs, mount_point, hierarchy, &attributes, &target))
		result = 0;
	else
		result = mount_fresh(rootfs, hierarchy, &attributes, &target, &mounted, err);
	if (result == -EPERM)
		result = bind_group(rootfs, mount_point, hierarchy->namespace_root ? "/" : hierarchy->path, &attributes,
			&target, err);
	close_fd(&target.fd);
	/* One that the host has mounted elsewhere, or not at all, is none that the container could use. */
	return result == -ENOENT || result == -ENODEV ? 0 : result;
}

/* cpu -> cpu,cpuacct */
static int link_controllers(const struct hierarchy *hierarchy, int tmpfs, struct error *err)
{
	cleanup_free char *names = xstrdup(hierarchy->controllers);
	char *rest = names, *name;

	if (!strchr(names, ','))
		return 0;
	while ((name = strsep(&rest, ","))) {
		if (symlinkat(hierarchy->controllers, tmpfs, name) < 0 && errno != EEXIST)
			return error_set(err, errno, "link the cgroup controller \"%s\"", name);
	}
	return 0;
}

static int mount_v1(struct rootfs *rootfs, const struct mount_plan *mount, char *table,
	const struct mount_target *target, struct error *err)
{
	uint64_t readonly = mount->flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0;
	const struct mount_attr change = { .attr_set = readonly };
	struct mount_request request = {
		.source_fd = -EBADF,
		.type = "tmpfs",
		.source = "tmpfs",
		.data = "mode=0755",
		.attributes = { .attr_set = HIERARCHY_FLAGS },
	};
	bool first_namespace = is_first_namespace(rootfs->api.procfs);
	struct hierarchy hierarchy;
	cleanup_fd int tmpfs = -EBADF;
	int result = rootfs_request(rootfs, &request, target, "tmpfs", &tmpfs, err);

	while (result == 0 && next_hierarchy(&table, first_namespace, &hierarchy)) {
		result = mount_hierarchy(rootfs, &hierarchy, tmpfs, readonly, err);
		if (result == 0)
			result = link_controllers(&hierarchy, tmpfs, err);
	}
	if (result == 0 && readonly) {
		result = mount_change(&rootfs->api, tmpfs, &change, false);
		if (result < 0)
			return error_set(err, -result, "make \"%s\" read-only", mount->destination);
	}
	return result;
}

int rootfs_mount_cgroup(
	struct rootfs *rootfs, const struct mount_plan *mount, const struct mount_target *target, struct error *err)
{
	cleanup_strbuf struct strbuf table = STRBUF_INIT;
	cleanup_free char *copy = NULL;
	struct hierarchy hierarchy;
	unsigned int v1 = 0;
	char *rest;
	int result = procfs_read(rootfs->api.procfs, "self/cgroup", TABLE_BYTES_MAX, &table);

	if (result < 0)
		return error_set(err, -result, "read the cgroups of this process");
	copy = xstrdup(table.data);
	rest = copy;
	while (next_hierarchy(&rest, true, &hierarchy))
		v1 += !is_v2(&hierarchy);
	if (v1)
		return mount_v1(rootfs, mount, table.data, target, err);
	rest = table.data;
	/* v2 is not in the table before somebody has mounted it: a guest's kernel, where nobody has. */
	if (!next_hierarchy(&rest, is_first_namespace(rootfs->api.procfs), &hierarchy))
		hierarchy = (struct hierarchy){ .controllers = "", .path = "/", .namespace_root = true };
	return mount_v2(rootfs, mount, &hierarchy, target, err);
}
