/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read-only and masked paths (runtime-spec config-linux.md "Masked Paths", "Readonly Paths").
 */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "ns/rootfs_internal.h"

#define MASK_ATTRIBUTES (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

/* What has been mounted as a mask once is cloned from there: one empty tmpfs for all directories. */
struct masks {
	int file, directory;
};

static bool is_null(int fd)
{
	struct stat status;

	return fd >= 0 && fstat(fd, &status) == 0 && rootfs_is_null(&status);
}

/*
 * The container's own null, if it is one; else the host's, as a mount of its own, because after the pivot the host's is
 * out of reach. By descriptor from here on: whatever becomes of the path does not matter.
 */
int rootfs_find_null(struct rootfs *rootfs, struct error *err)
{
	cleanup_fd int fd = open_in_root(rootfs->root, "/dev/null", O_PATH | O_NOFOLLOW, 0, 0);
	cleanup_fd int hosts = -EBADF;

	if (is_null(fd)) {
		rootfs->null = take_fd(&fd);
		return 0;
	}
	hosts = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (!is_null(hosts))
		return error_set(err, -ENODEV, "mask paths: \"/dev/null\" is not the null device");
	fd = open_tree(hosts, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (fd < 0)
		return error_set(err, errno,
			"mask paths: there is no null device in the container, and the host's cannot be taken along "
			"(open_tree)");
	rootfs->null_is_tree = true;
	rootfs->null = take_fd(&fd);
	return 0;
}

static int put_mask(struct rootfs *rootfs, const struct mount_request *first, const struct mount_target *target,
	int *mask, const char *what, struct error *err)
{
	struct mount_request clone = { .source_fd = *mask };
	cleanup_fd int mounted = -EBADF;
	int result;

	result = rootfs_request(rootfs, *mask >= 0 ? &clone : first, target, what, &mounted, err);
	if (result == 0 && *mask < 0)
		*mask = take_fd(&mounted);
	return result;
}

static int mask_directory(
	struct rootfs *rootfs, const struct mount_target *target, struct masks *masks, struct error *err)
{
	const struct mount_request first = {
		.source_fd = -EBADF,
		.type = "tmpfs",
		.source = "tmpfs",
		.data = "mode=0555",
		.attributes = { .attr_set = MASK_ATTRIBUTES | MOUNT_ATTR_NODEV },
	};

	return put_mask(rootfs, &first, target, &masks->directory, "an empty directory", err);
}

/*
 * Read-only because the node may be the host's: opening it for writing works all the same, changing its owner or mode
 * does not.
 */
static int mask_file(struct rootfs *rootfs, const struct mount_target *target, struct masks *masks, struct error *err)
{
	const struct mount_request first = {
		.tree_fd = rootfs->null_is_tree ? rootfs->null : 0,
		.source_fd = rootfs->null,
		.attributes = { .attr_set = MASK_ATTRIBUTES },
	};

	return put_mask(rootfs, &first, target, &masks->file, "the null device", err);
}

/* The path's descriptor; 0 when there is nothing to restrict. */
static int open_path(const struct rootfs *rootfs, const char *path, struct mount_target *target, struct error *err)
{
	*target = (struct mount_target){ .root = rootfs->root, .path = path };
	target->fd = open_in_root(rootfs->root, path, O_PATH, 0, 0);
	if (target->fd == -ENOENT || target->fd == -ENOTDIR)
		return 0;
	if (target->fd < 0)
		return error_set(err, -target->fd, "open \"%s\" to restrict it", path);
	return 1;
}

static int mask_path(struct rootfs *rootfs, const char *path, struct masks *masks, struct error *err)
{
	struct mount_target target;
	struct stat status;
	int result = open_path(rootfs, path, &target, err);

	if (result <= 0)
		return result;
	if (fstat(target.fd, &status) < 0)
		result = error_set(err, errno, "look at \"%s\" to mask it", path);
	else if (S_ISDIR(status.st_mode))
		result = mask_directory(rootfs, &target, masks, err);
	else
		result = mask_file(rootfs, &target, masks, err);
	close_fd(&target.fd);
	return result;
}

static int make_path_readonly(struct rootfs *rootfs, const char *path, struct error *err)
{
	struct mount_request request = { .recursive = true, .attributes = { .attr_set = MOUNT_ATTR_RDONLY } };
	cleanup_fd int mounted = -EBADF;
	struct mount_target target;
	int result = open_path(rootfs, path, &target, err);

	if (result <= 0)
		return result;
	request.source_fd = target.fd;
	result = rootfs_request(rootfs, &request, &target, "it read-only", &mounted, err);
	close_fd(&target.fd);
	return result;
}

int rootfs_restrict(struct rootfs *rootfs, struct error *err)
{
	struct masks masks = { .file = -EBADF, .directory = -EBADF };
	int result = 0;

	for (char **path = rootfs->plan->readonly_paths; path && *path && result == 0; path++)
		result = make_path_readonly(rootfs, *path, err);
	for (char **path = rootfs->plan->masked_paths; path && *path && result == 0; path++)
		result = mask_path(rootfs, *path, &masks, err);
	close_fd(&masks.file);
	close_fd(&masks.directory);
	return result;
}
