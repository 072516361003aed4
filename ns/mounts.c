/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json's mounts, one after another.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/trace.h"
#include "ns/rootfs_internal.h"

#define SUPERBLOCK_FLAGS (MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME | MS_I_VERSION | MS_SILENT)

/* Next component of a path that is not "."; its length is 0 at the end. */
static const char *next_component(const char *path, size_t *length)
{
	do {
		path += strspn(path, "/");
		*length = strcspn(path, "/");
		if (*length != 1 || path[0] != '.')
			return path;
		path += 1;
	} while (true);
}

static const char *skip_prefix(const char *path, const char *prefix)
{
	for (;;) {
		size_t length, wanted_length;
		const char *component = next_component(path, &length);
		const char *wanted = next_component(prefix, &wanted_length);

		if (wanted_length == 0)
			return component;
		if (length != wanted_length || memcmp(component, wanted, length) != 0)
			return NULL;
		path = component + length;
		prefix = wanted + wanted_length;
	}
}

const char *rootfs_path_below(const char *path, const char *directory)
{
	const char *rest = skip_prefix(path, directory);

	return rest && *rest ? rest : NULL;
}

bool rootfs_path_is(const char *path, const char *wanted)
{
	const char *rest = skip_prefix(path, wanted);

	return rest && !*rest;
}

int rootfs_request(struct rootfs *rootfs, const struct mount_request *request, const struct mount_target *target,
	const char *what, int *mounted, struct error *err)
{
	const char *detail = rootfs->api.detail;
	int result = mount_request(&rootfs->api, request, target, mounted);

	if (result >= 0)
		return 0;
	return error_set(err, -result, "mount %s at \"%s\"%s%s%s", what, target->path, detail[0] ? " (" : "", detail,
		detail[0] ? ")" : "");
}

void rootfs_fill_request(const struct mount_plan *mount, struct mount_request *request)
{
	request->flags = mount->flags & SUPERBLOCK_FLAGS;
	request->attributes = mount_attributes(mount->flags, mount->clear);
	request->everywhere.attr_set = mount->recursive_set;
	request->everywhere.attr_clr = mount->recursive_clear;
	/* Flags and propagation of one mount go in one call. */
	if (!(mount->propagation & MS_REC))
		request->attributes.propagation = mount->propagation;
	else
		request->everywhere.propagation = mount->propagation & ~(uint64_t)MS_REC;
}

/* A mount of which only the mount below is known: proc and sysfs would show it through any link that the image put
 * there. */
static bool refuses_links(const struct mount_plan *mount)
{
	return mount->type && !(mount->flags & MS_BIND) &&
	       (strcmp(mount->type, "proc") == 0 || strcmp(mount->type, "sysfs") == 0);
}

static int make_destination(const struct rootfs *rootfs, const struct mount_target *target, bool directory)
{
	int fd = directory ? make_directories_in_root(rootfs->root, target->path, 0755)
			   : make_file_in_root(rootfs->root, target->path, 0644);

	if (fd < 0 || !(target->resolve & RESOLVE_NO_SYMLINKS))
		return fd;
	close_fd(&fd);
	return open_in_root(rootfs->root, target->path, O_PATH, 0, target->resolve);
}

/* *found: it was there already. */
static int open_destination(const struct rootfs *rootfs, const struct mount_plan *mount, bool directory,
	struct mount_target *target, bool *found, struct error *err)
{
	int nofollow = mount->destination_nofollow ? O_NOFOLLOW : 0;

	*target = (struct mount_target){
		.root = rootfs->root,
		.path = mount->destination[0] ? mount->destination : "/",
		.resolve = refuses_links(mount) ? RESOLVE_NO_SYMLINKS : 0,
	};
	target->fd = open_in_root(rootfs->root, target->path, O_PATH | nofollow, 0, target->resolve);
	*found = target->fd != -ENOENT;
	if (!*found)
		target->fd = make_destination(rootfs, target, directory);
	if (target->fd >= 0)
		return 0;
	if (target->fd == -ELOOP && refuses_links(mount))
		return error_set(err, -ELOOP, "mount %s at \"%s\": the root file system has a symbolic link there",
			mount->type, mount->destination);
	return error_set(err, -target->fd, "make the mount point \"%s\"", mount->destination);
}

/* What the mount covers is "/" itself: from now on that is the root. */
static int adopt_root(struct rootfs *rootfs, const struct mount_plan *mount, int *mounted)
{
	if (!rootfs_path_is(mount->destination, "/"))
		return 0;
	close_fd(&rootfs->root);
	rootfs->root = take_fd(mounted);
	return 1;
}

static void set_readonly_later(struct rootfs *rootfs, int *mounted)
{
	rootfs->readonly_later =
		xrealloc(rootfs->readonly_later, rootfs->readonly_later_count + 1, sizeof(*rootfs->readonly_later));
	rootfs->readonly_later[rootfs->readonly_later_count++] = take_fd(mounted);
}

/* ---- binds ---- */

static int open_source(const struct mount_plan *mount, struct mount_request *request, struct error *err)
{
	int flags = O_PATH | O_CLOEXEC | (mount->source_nofollow ? O_NOFOLLOW : 0);

	if (mount->tree_fd > 0) {
		request->tree_fd = mount->tree_fd;
		return 0;
	}
	if (mount->idmap)
		return error_set(err, -EINVAL, "mount \"%s\" at \"%s\": its id maps were not made", mount->source,
			mount->destination);
	request->source_fd = open(mount->source, flags);
	if (request->source_fd < 0)
		return error_set(err, errno, "open \"%s\", to be mounted at \"%s\"", mount->source, mount->destination);
	return 0;
}

static int bind_source(
	struct rootfs *rootfs, const struct mount_plan *mount, struct mount_request *request, struct error *err)
{
	cleanup_free char *what = xprintf("\"%s\"", mount->source);
	cleanup_fd int mounted = -EBADF;
	struct mount_target target;
	struct stat status;
	bool found;
	int result;

	if (fstat(request->tree_fd > 0 ? request->tree_fd : request->source_fd, &status) < 0)
		return error_set(err, errno, "look at \"%s\"", mount->source);
	result = open_destination(rootfs, mount, S_ISDIR(status.st_mode), &target, &found, err);
	if (result < 0)
		return result;
	result = rootfs_request(rootfs, request, &target, what, &mounted, err);
	close_fd(&target.fd);
	if (result == 0)
		(void)adopt_root(rootfs, mount, &mounted);
	return result;
}

static int mount_bind(struct rootfs *rootfs, const struct mount_plan *mount, struct error *err)
{
	struct mount_request request = { .source_fd = -EBADF, .recursive = (mount->flags & MS_REC) != 0 };
	int result;

	if (!mount->source)
		return error_set(err, -EINVAL, "mount at \"%s\": a bind needs a source", mount->destination);
	rootfs_fill_request(mount, &request);
	result = open_source(mount, &request, err);
	if (result == 0)
		result = bind_source(rootfs, mount, &request, err);
	close_fd(&request.source_fd);
	return result;
}

/* ---- file systems ---- */

/* Without a mode of its own a tmpfs gets that of the directory which it covers. */
static char *tmpfs_options(const struct mount_plan *mount, int covered)
{
	struct stat status;

	if (fstat(covered, &status) < 0)
		return mount->data ? xstrdup(mount->data) : NULL;
	return xprintf("mode=%04o%s%s", status.st_mode & 07777, mount->data ? "," : "", mount->data ? mount->data : "");
}

/* A procfs says of each reader what his number is in its own pid namespace. */
static bool shows_other_processes(int procfs)
{
	char number[16];
	ssize_t length = readlinkat(procfs, "self", number, sizeof(number) - 1);

	number[length > 0 ? length : 0] = '\0';
	return length > 0 && strtol(number, NULL, 10) != getpid();
}

/*
 * In a user namespace that does not own the network (ipc, pid) namespace, sysfs (mqueue, proc) cannot be mounted. As in
 * the other runtimes the container then sees the host's.
 */
static int bind_host_instead(
	struct rootfs *rootfs, const struct mount_plan *mount, const struct mount_target *target, int *mounted)
{
	static const char *const paths[][2] = { { "sysfs", "/sys" }, { "mqueue", "/dev/mqueue" }, { "proc", "/proc" } };
	struct mount_request request = { .source_fd = -EBADF, .recursive = true };
	int result = -EPERM;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (strcmp(mount->type, paths[i][0]) == 0)
			request.source_fd = open(paths[i][1], O_PATH | O_CLOEXEC);
	}
	if (request.source_fd < 0)
		return -EPERM;
	rootfs_fill_request(mount, &request);
	result = mount_request(&rootfs->api, &request, target, mounted);
	if (result == 0 && strcmp(mount->type, "proc") == 0 && shows_other_processes(request.source_fd))
		log_warning(
			"\"%s\" shows processes outside of the container: the /proc here has covered parts, so that "
			"a new one cannot be mounted",
			mount->destination);
	close_fd(&request.source_fd);
	return result;
}

static int attach_filesystem(struct rootfs *rootfs, const struct mount_plan *mount, const struct mount_request *request,
	const struct mount_target *target, int *mounted, struct error *err)
{
	int result = rootfs_request(rootfs, request, target, mount->type, mounted, err);

	if (result == -EPERM && bind_host_instead(rootfs, mount, target, mounted) == 0)
		result = 0;
	if (result == 0 && mount->tmpcopyup && strcmp(mount->type, "tmpfs") == 0) {
		result = copy_tree(target->fd, *mounted, err);
		if (result < 0)
			(void)error_prefix(err, "fill the tmpfs at \"%s\"", mount->destination);
	}
	return result;
}

/* What a mount of a new file system is to be like. `later`: it becomes read-only in the end. */
static void fill_filesystem(const struct mount_plan *mount, bool later, struct mount_request *request)
{
	*request = (struct mount_request){
		.source_fd = -EBADF, .type = mount->type, .source = mount->source, .data = mount->data
	};
	rootfs_fill_request(mount, request);
	if (mount->user_fd > 0) {
		request->everywhere.attr_set |= MOUNT_ATTR_IDMAP;
		request->everywhere.userns_fd = (uint64_t)mount->user_fd;
	}
	if (later)
		request->attributes.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	/* fsmount(2) takes flags only. */
	request->everywhere.propagation |= request->attributes.propagation;
}

static int mount_filesystem(struct rootfs *rootfs, const struct mount_plan *mount, struct error *err)
{
	bool tmpfs = strcmp(mount->type, "tmpfs") == 0, found;
	/* What else is mounted in it, and device nodes, need a place to be made first. */
	bool later = (mount->flags & MS_RDONLY) && (tmpfs || rootfs_path_is(mount->destination, "/dev"));
	cleanup_free char *options = NULL;
	cleanup_fd int mounted = -EBADF;
	struct mount_request request;
	struct mount_target target;
	int result = open_destination(rootfs, mount, true, &target, &found, err);

	if (result < 0)
		return result;
	fill_filesystem(mount, later, &request);
	if (tmpfs && found) {
		options = tmpfs_options(mount, target.fd);
		request.data = options;
	}
	if (mount->tree_fd > 0) {
		request.type = NULL;
		request.tree_fd = mount->tree_fd;
	}
	result = attach_filesystem(rootfs, mount, &request, &target, &mounted, err);
	close_fd(&target.fd);
	if (result == 0 && adopt_root(rootfs, mount, &mounted) == 0 && later)
		set_readonly_later(rootfs, &mounted);
	return result;
}

static int mount_again(struct rootfs *rootfs, const struct mount_plan *mount, struct error *err)
{
	cleanup_fd int mounted = open_in_root(rootfs->root, mount->destination, O_PATH, 0, 0);
	int result = mounted;

	if (mounted >= 0)
		result = mount_reconfigure(&rootfs->api, mounted, mount->flags, mount->data);
	return result < 0 ? error_set(err, -result, "remount \"%s\"", mount->destination) : 0;
}

static int mount_cgroup(struct rootfs *rootfs, const struct mount_plan *mount, struct error *err)
{
	struct mount_target target;
	bool found;
	int result = open_destination(rootfs, mount, true, &target, &found, err);

	if (result < 0)
		return result;
	result = rootfs_mount_cgroup(rootfs, mount, &target, err);
	close_fd(&target.fd);
	return result;
}

int rootfs_make_link(int root, const struct mount_plan *mount, struct error *err)
{
	const char *slash = strrchr(mount->destination, '/');
	cleanup_free char *above = xstrndup(mount->destination, slash ? (size_t)(slash - mount->destination) : 0);
	cleanup_fd int directory = make_directories_in_root(root, above[0] ? above : "/", 0755);
	const char *name = slash ? slash + 1 : mount->destination;
	char present[PATH_MAX];
	ssize_t length;

	if (directory < 0)
		return error_set(err, -directory, "make the directory of the link \"%s\"", mount->destination);
	length = readlinkat(directory, name, present, sizeof(present));
	if (length == (ssize_t)strlen(mount->link) && memcmp(present, mount->link, (size_t)length) == 0)
		return 0;
	if (symlinkat(mount->link, directory, name) == 0)
		return 0;
	return error_set(err, errno, "make the link \"%s\" to \"%s\"", mount->destination, mount->link);
}

static int mount_one(struct rootfs *rootfs, const struct mount_plan *mount, struct error *err)
{
	if (mount->link)
		return rootfs_make_link(rootfs->root, mount, err);
	if (mount->flags & MS_REMOUNT)
		return mount_again(rootfs, mount, err);
	if (mount->flags & MS_BIND)
		return mount_bind(rootfs, mount, err);
	if (!mount->type || strcmp(mount->type, "none") == 0)
		return error_set(
			err, -EINVAL, "mount at \"%s\": it has neither a type nor the option bind", mount->destination);
	if (strcmp(mount->type, "cgroup") == 0 || strcmp(mount->type, "cgroup2") == 0)
		return mount_cgroup(rootfs, mount, err);
	return mount_filesystem(rootfs, mount, err);
}

int rootfs_mount_all(struct rootfs *rootfs, struct error *err)
{
	trace_scope("mounts");
	for (uint32_t i = 0; i < rootfs->plan->mount_count; i++) {
		int result = mount_one(rootfs, &rootfs->plan->mounts[i], err);

		if (result < 0)
			return result;
	}
	return 0;
}
