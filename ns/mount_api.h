/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts by descriptor: open_tree(2), fsopen(2), mount_setattr(2) and move_mount(2), so that a mount is complete before
 * anybody sees it and goes exactly where it was looked up; mount(2) on /proc/self/fd paths where the kernel (or a
 * seccomp filter around the runtime) has none of them, and for file systems whose options only mount(2) passes on. For
 * the files of this folder.
 */
#ifndef DUET_NS_MOUNT_API_H
#define DUET_NS_MOUNT_API_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>

#include "base/error.h"

struct mount_api {
	int procfs;       /* verified, opened before the root was changed; works after it, too */
	int descriptors;  /* its self/fd, for mount(2); opened when first needed */
	bool old_only;    /* the calls by descriptor are missing */
	char detail[256]; /* what the kernel said of the last failure beyond its errno; "" */
};

/* Where a mount goes: the descriptor (O_PATH) of what it will cover, and how to find what covers it then. With AT_FDCWD
 * for root the path is an absolute one of the host's, and trusted. */
struct mount_target {
	int fd;
	int root;
	const char *path;
	uint64_t resolve;
};

/* A bind (type is NULL) of what source_fd names, or of the detached mount tree_fd; or a new file system. */
struct mount_request {
	int tree_fd;   /* a detached mount, stays the caller's; 0 or less: none */
	int source_fd; /* O_PATH */
	bool recursive;
	const char *type, *source, *data; /* of a new file system; source and data may be NULL */
	uint64_t flags;                   /* MS_* for the new file system itself (MS_SYNCHRONOUS, …) */
	struct mount_attr attributes; /* of the mount: flags of the new file system's mount; nothing set: as they are */
	struct mount_attr everywhere; /* of all mounts of the tree */
};

int mount_api_open(struct mount_api *api, struct error *err);
void mount_api_close(struct mount_api *api);

/* MS_* flags to set and to clear as what mount_setattr(2) takes. */
struct mount_attr mount_attributes(uint64_t set_flags, uint64_t clear_flags);

/* Makes the mount and puts it on the target. Returns 0 and its descriptor (O_PATH) in *mounted, or a negative errno;
 * api->detail then may say more. */
int mount_request(
	struct mount_api *api, const struct mount_request *request, const struct mount_target *target, int *mounted);

/* The detached mount of a new file system (request->type), to be put somewhere later as a tree_fd; -ENOSYS: only
 * mount(2) could make it. */
int mount_make(struct mount_api *api, const struct mount_request *request);

/* Changes a mount, or with `recursive` all below it too, by the descriptor of its root. */
int mount_change(struct mount_api *api, int mounted, const struct mount_attr *attributes, bool recursive);

/* MS_REMOUNT of the file system at the descriptor. */
int mount_reconfigure(struct mount_api *api, int mounted, uint64_t flags, const char *data);

/* Moves the mount at the descriptor onto "/". */
int mount_move_to_root(struct mount_api *api, int mounted);

#endif
