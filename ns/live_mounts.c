/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of a container that runs.
 */
#include <fcntl.h>
#include <sys/mount.h>

#include "base/file.h"
#include "ns/rootfs.h"
#include "ns/rootfs_internal.h"

static struct rootfs open_root(const struct rootfs_plan *plan, int procfs, int root)
{
	return (struct rootfs){
		.plan = plan,
		.api = { .procfs = procfs, .descriptors = -EBADF },
		.root = root,
		.devices = -EBADF,
		.null = -EBADF,
	};
}

static void close_root(struct rootfs *rootfs)
{
	close_fd(&rootfs->api.descriptors);
	for (size_t i = 0; i < rootfs->readonly_later_count; i++)
		close_fd(&rootfs->readonly_later[i]);
	free(rootfs->readonly_later);
}

int rootfs_add_mounts(const struct rootfs_plan *plan, int procfs, int root, struct error *err)
{
	struct rootfs rootfs = open_root(plan, procfs, root);
	mode_t before = umask(0);
	int result = rootfs_mount_all(&rootfs, err);
	const struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };

	for (size_t i = 0; i < rootfs.readonly_later_count && result == 0; i++) {
		result = mount_change(&rootfs.api, rootfs.readonly_later[i], &readonly, false);
		if (result < 0)
			result = error_set(err, -result, "make a mount of the container read-only");
	}
	(void)umask(before);
	close_root(&rootfs);
	return result;
}

/* umount2(2) takes a path: the descriptor's, in a procfs that is not the container's. */
static int remove_mount(int descriptors, int root, const struct mount_plan *mount, struct error *err)
{
	cleanup_fd int mounted = open_in_root(root, mount->destination, O_PATH | O_NOFOLLOW, 0, 0);
	cleanup_free char *number = xprintf("%d", mounted);

	if (mounted < 0)
		return error_set(err, -mounted, "open \"%s\" in the container", mount->destination);
	if (fchdir(descriptors) < 0 || umount2(number, MNT_DETACH) < 0)
		return error_set(err, errno, "unmount \"%s\" in the container%s", mount->destination,
			errno == EINVAL ? " (nothing is mounted there)" : "");
	return 0;
}

int rootfs_remove_mounts(const struct rootfs_plan *plan, int procfs, int root, struct error *err)
{
	cleanup_fd int descriptors = open_in_root(procfs, "self/fd", O_PATH | O_DIRECTORY, 0, 0);
	int result = 0;

	if (descriptors < 0)
		return error_set(err, -descriptors, "open the table of descriptors");
	for (uint32_t i = plan->mount_count; i-- > 0 && result == 0;)
		result = remove_mount(descriptors, root, &plan->mounts[i], err);
	return result;
}
