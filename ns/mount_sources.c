/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the runtime can open: sources of binds for a container with a user namespace, and idmapped mounts.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mount.h>

#include "base/alloc.h"
#include "base/trace.h"
#include "ns/namespaces.h"
#include "ns/rootfs.h"

/* The maps that a mount asks for: its own, or those of the container's user namespace. */
static int open_maps(const struct container_plan *plan, const struct mount_plan *mount, struct error *err)
{
	const char *joined = plan->namespaces.join[NAMESPACE_USER];
	struct namespaces_plan maps = {
		.uid_mappings = mount->uid_mappings,
		.gid_mappings = mount->gid_mappings,
		.uid_mapping_count = mount->uid_mapping_count,
		.gid_mapping_count = mount->gid_mapping_count,
	};

	if (!maps.uid_mapping_count && !maps.gid_mapping_count) {
		if (joined) {
			int fd = open(joined, O_RDONLY | O_CLOEXEC);

			return fd < 0 ? error_set(err, errno, "open the user namespace %s", joined) : fd;
		}
		if (!(plan->namespaces.unshare & CLONE_NEWUSER))
			return error_set(err, -EINVAL,
				"idmapped mount at \"%s\": it has no mappings, and the container has no user namespace",
				mount->destination);
		maps.uid_mappings = plan->namespaces.uid_mappings;
		maps.gid_mappings = plan->namespaces.gid_mappings;
		maps.uid_mapping_count = plan->namespaces.uid_mapping_count;
		maps.gid_mapping_count = plan->namespaces.gid_mapping_count;
	}
	return namespaces_make_user(&maps, err);
}

static int map_tree(const struct mount_plan *mount, int tree, int user_namespace, struct error *err)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_namespace };
	unsigned int flags = AT_EMPTY_PATH | (mount->idmap_recursive ? AT_RECURSIVE : 0U);

	if (mount_setattr(tree, "", flags, &attributes, sizeof(attributes)) == 0)
		return 0;
	return error_set(err, errno, "map the ids of \"%s\", to be mounted at \"%s\"%s", mount->source,
		mount->destination, errno == EINVAL ? " (does its file system support idmapped mounts?)" : "");
}

/* Linux 5.12 has all the calls for it; before, and without the privilege for them: -ENOSYS or -EPERM. */
static int open_detached(const struct mount_plan *mount)
{
	/* As the child's own mounts are: what happens in the container stays there. */
	struct mount_attr slave = { .propagation = MS_SLAVE };
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	cleanup_fd int tree = -EBADF;

	/* What cannot be moved into its place is no use: asked with descriptors that there are not. */
	if (move_mount(-EBADF, "", -EBADF, "", MOVE_MOUNT_F_EMPTY_PATH) < 0 && errno == ENOSYS)
		return -ENOSYS;
	flags |= mount->flags & MS_REC ? AT_RECURSIVE : 0U;
	flags |= mount->source_nofollow ? AT_SYMLINK_NOFOLLOW : 0U;
	tree = open_tree(AT_FDCWD, mount->source, flags);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave, sizeof(slave)) < 0)
		return -errno;
	return take_fd(&tree);
}

static int open_tree_of(struct mount_plan *mount, int user_namespace, struct error *err)
{
	cleanup_fd int tree = open_detached(mount);
	int result = 0;

	/* The child opens the source by itself, if it can. */
	if ((tree == -ENOSYS || tree == -EPERM) && user_namespace < 0)
		return 0;
	if (tree == -ENOSYS)
		return error_set(err, -ENOSYS,
			"map the ids of \"%s\", to be mounted at \"%s\": this kernel has no idmapped mounts",
			mount->source, mount->destination);
	if (tree < 0)
		return error_set(err, -tree, "open \"%s\", to be mounted at \"%s\"", mount->source, mount->destination);
	if (user_namespace >= 0)
		result = map_tree(mount, tree, user_namespace, err);
	if (result == 0)
		mount->tree_fd = take_fd(&tree);
	return result;
}

static int open_one(const struct container_plan *plan, struct mount_plan *mount, bool user_namespace, struct error *err)
{
	bool is_bind = (mount->flags & MS_BIND) && !(mount->flags & MS_REMOUNT) && mount->source;
	cleanup_fd int maps = -EBADF;

	if (mount->tree_fd > 0 || mount->user_fd > 0)
		return 0;
	if (mount->idmap || mount->uid_mapping_count || mount->gid_mapping_count) {
		maps = open_maps(plan, mount, err);
		if (maps < 0)
			return maps;
	}
	if (is_bind && (maps >= 0 || user_namespace))
		return open_tree_of(mount, maps, err);
	if (!is_bind && maps >= 0)
		mount->user_fd = take_fd(&maps);
	return 0;
}

int rootfs_open_binds(struct container_plan *plan, struct error *err)
{
	for (uint32_t i = 0; i < plan->rootfs.mount_count; i++) {
		struct mount_plan *mount = &plan->rootfs.mounts[i];
		int result = open_one(plan, mount, true, err);

		if (result < 0)
			return result;
		if ((mount->flags & MS_BIND) && mount->tree_fd <= 0)
			return error_set(err, -ENOSYS,
				"mount \"%s\" at \"%s\": this takes Linux 5.12 and CAP_SYS_ADMIN", mount->source,
				mount->destination);
	}
	return 0;
}

int rootfs_open_sources(struct container_plan *plan, struct error *err)
{
	trace_scope("open the sources of mounts");
	bool user_namespace = (plan->namespaces.unshare & CLONE_NEWUSER) || plan->namespaces.join[NAMESPACE_USER];

	for (uint32_t i = 0; i < plan->rootfs.mount_count; i++) {
		int result = open_one(plan, &plan->rootfs.mounts[i], user_namespace, err);

		if (result < 0)
			return result;
	}
	return 0;
}
