/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INIT and DESTROY: what server and guest agree upon. And SYNCFS, which is about the whole file system too.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "microvm/devices/fs/server.h"

#define READ_AHEAD_MAX_BYTES FS_WRITE_MAX_BYTES
#define PAGE_BYTES           4096
#define BACKGROUND_MAX       64 /* requests that no process waits for (read-ahead) in flight */

uint64_t fs_timeout_seconds(const struct fs_server *server)
{
	switch (server->cache) {
	case FS_CACHE_ALWAYS:
		return 86400;
	case FS_CACHE_NEVER:
		return 0;
	case FS_CACHE_AUTO:
	default:
		return 1;
	}
}

/* The guest's kernel enforces access control lists only when this is agreed upon, and then asks for every file's. */
static bool has_posix_acl(struct fs_call *call)
{
	struct fs_inode *root = fs_inodes_find(&call->server->inodes, FUSE_ROOT_ID);
	struct fs_node_path path;

	if (fs_node_path(call, root, &path) < 0)
		return false;
	return getxattr(path.text, "system.posix_acl_access", NULL, 0) >= 0 || errno == ENODATA;
}

static uint32_t wanted_flags(struct fs_call *call)
{
	uint32_t flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK |
			 FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO |
			 FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_SUBMOUNTS |
			 FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_INIT_EXT;

	if (call->server->write_back_wanted)
		flags |= FUSE_WRITEBACK_CACHE;
	if (has_posix_acl(call))
		flags |= FUSE_POSIX_ACL;
	return flags;
}

int fs_init(struct fs_call *call)
{
	struct fs_server *server = call->server;
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION };
	struct fuse_init_in in = { 0 };

	memcpy(&in, call->arguments, call->arguments_bytes < sizeof(in) ? call->arguments_bytes : sizeof(in));
	/* A newer major version asks again with ours (linux/fuse.h, "Version negotiation"). */
	if (in.major > FUSE_KERNEL_VERSION)
		return fs_reply(call, &out, sizeof(out));
	if (in.major < FUSE_KERNEL_VERSION || in.minor < FS_MINOR_MIN)
		return -EPROTO;
	fs_server_reset(server);
	if (in.minor < out.minor)
		out.minor = in.minor;
	out.flags = wanted_flags(call) & in.flags;
	out.max_readahead = in.max_readahead < READ_AHEAD_MAX_BYTES ? in.max_readahead : READ_AHEAD_MAX_BYTES;
	out.max_background = BACKGROUND_MAX;
	out.congestion_threshold = BACKGROUND_MAX / 4 * 3;
	out.max_write = FS_WRITE_MAX_BYTES;
	out.max_pages = FS_WRITE_MAX_BYTES / PAGE_BYTES;
	out.time_gran = 1;
	server->submounts = out.flags & FUSE_SUBMOUNTS;
	server->posix_acl = out.flags & FUSE_POSIX_ACL;
	server->write_back = out.flags & FUSE_WRITEBACK_CACHE;
	server->extended_setxattr = out.flags & FUSE_SETXATTR_EXT;
	server->ready = true;
	return fs_reply(call, &out, sizeof(out));
}

int fs_destroy_session(struct fs_call *call)
{
	fs_server_reset(call->server);
	return 0;
}

/* The host writes out everything of that file system, of whomever it is: only when this guest has had something
 * changed. */
int fs_syncfs(struct fs_call *call)
{
	struct fs_inode *inode = fs_call_inode(call);
	int fd, result;

	if (!inode)
		return -ESTALE;
	if (inode->synced == call->server->changes)
		return 0;
	fd = fs_reopen(call, inode, O_RDONLY);
	if (fd < 0)
		return fd;
	result = syncfs(fd) < 0 ? -errno : 0;
	fs_inodes_discard(&call->server->inodes, &fd);
	if (result == 0)
		inode->synced = call->server->changes;
	return result;
}
