/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of files and of the file system.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "microvm/devices/fs/server.h"

/* linux/kdev_t.h, new_encode_dev() */
static uint32_t encode_device(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~UINT32_C(0xff)) << 12;
}

/* A file that was mounted over another one shares the guest's device number with its neighbours: its inode number, from
 * another device, is moved to where it will hardly meet one of theirs. Directories get a device number of their own. */
static uint64_t inode_number(const struct fs_inode *inode, const struct statx *from)
{
	if (!inode->other_device || S_ISDIR(from->stx_mode))
		return from->stx_ino;
	return (from->stx_ino ^ inode->key.device * UINT64_C(0x9e3779b97f4a7c15)) | UINT64_C(1) << 63;
}

void fs_fill_attributes(
	const struct fs_server *server, const struct fs_inode *inode, const struct statx *from, struct fuse_attr *to)
{
	*to = (struct fuse_attr){
		.ino = inode_number(inode, from),
		.size = from->stx_size,
		.blocks = from->stx_blocks,
		.atime = (uint64_t)from->stx_atime.tv_sec,
		.mtime = (uint64_t)from->stx_mtime.tv_sec,
		.ctime = (uint64_t)from->stx_ctime.tv_sec,
		.atimensec = from->stx_atime.tv_nsec,
		.mtimensec = from->stx_mtime.tv_nsec,
		.ctimensec = from->stx_ctime.tv_nsec,
		.mode = from->stx_mode,
		.nlink = from->stx_nlink,
		.uid = from->stx_uid,
		.gid = from->stx_gid,
		.rdev = encode_device(from->stx_rdev_major, from->stx_rdev_minor),
		.blksize = from->stx_blksize,
		/* On anything but a directory the guest's kernel would take the name for changed at every lookup. */
		.flags = server->submounts && inode->mount_root && S_ISDIR(from->stx_mode) ? FUSE_ATTR_SUBMOUNT : 0,
	};
}

void fs_fill_entry(const struct fs_server *server, const struct fs_inode *inode, const struct statx *from,
	struct fuse_entry_out *to)
{
	memset(to, 0, sizeof(*to));
	to->nodeid = inode->id;
	to->entry_valid = to->attr_valid = fs_timeout_seconds(server);
	fs_fill_attributes(server, inode, from, &to->attr);
}

static int reply_attributes(struct fs_call *call, struct fs_inode *inode)
{
	struct fuse_attr_out out = { .attr_valid = fs_timeout_seconds(call->server) };
	struct statx attributes;
	int result = fs_inode_stat(&call->server->inodes, inode, &attributes);

	if (result < 0)
		return result;
	fs_fill_attributes(call->server, inode, &attributes, &out.attr);
	return fs_reply(call, &out, sizeof(out));
}

int fs_getattr(struct fs_call *call)
{
	struct fs_inode *inode = fs_call_inode(call);

	return inode ? reply_attributes(call, inode) : -ESTALE;
}

static int set_mode(struct fs_call *call, const struct fs_node_path *path, const struct fuse_setattr_in *in)
{
	int result = fs_credentials_keep_setid(&call->worker->credentials, true);

	if (result < 0)
		return result;
	return fchmodat(call->server->proc_self_fd, path->text, in->mode & 07777, 0) < 0 ? -errno : 0;
}

int fs_begin_changing(struct fs_call *call, bool keeps_setid)
{
	struct fs_credentials *credentials = &call->worker->credentials;
	int result = fs_credentials_keep_setid(credentials, keeps_setid);

	/* Of a file that its group may not execute, the set-group-ID bit goes for those alone who are not in the group.
	 * Caller's further groups are not known here. */
	if (result == 0 && !keeps_setid)
		(void)fs_credentials_act_as(credentials, call->header.uid, call->header.gid);
	return result;
}

/* The request does not say whether the caller has CAP_FSETID. */
static int set_owner(struct fs_call *call, int fd, const struct fuse_setattr_in *in)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
	gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;
	int result = fs_begin_changing(call, call->header.uid == 0);

	if (result < 0)
		return result;
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int set_size(struct fs_call *call, struct fs_inode *inode, const struct fuse_setattr_in *in)
{
	struct fs_handle *handle = NULL;
	int fd, result;

	if (in->valid & FATTR_FH) {
		handle = fs_call_handle(call, in->fh, false);
		if (!handle)
			return -EBADF;
	}
	result = fs_begin_changing(call, !(in->valid & FATTR_KILL_SUIDGID));
	if (result < 0)
		return result;
	if (handle && fs_handle_is_writable(handle))
		return ftruncate(handle->fd, (off_t)in->size) < 0 ? -errno : 0;
	fd = fs_reopen(call, inode, O_WRONLY);
	if (fd < 0)
		return fd;
	result = ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
	fs_inodes_discard(&call->server->inodes, &fd);
	return result;
}

static int set_times(int fd, const struct fuse_setattr_in *in)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } };

	if (in->atimensec > 999999999 || in->mtimensec > 999999999)
		return -EINVAL;
	if (in->valid & FATTR_ATIME_NOW)
		times[0].tv_nsec = UTIME_NOW;
	else if (in->valid & FATTR_ATIME)
		times[0] = (struct timespec){ .tv_sec = (time_t)in->atime, .tv_nsec = in->atimensec };
	if (in->valid & FATTR_MTIME_NOW)
		times[1].tv_nsec = UTIME_NOW;
	else if (in->valid & FATTR_MTIME)
		times[1] = (struct timespec){ .tv_sec = (time_t)in->mtime, .tv_nsec = in->mtimensec };
	return utimensat(fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* A request for nothing is what Linux makes of chown(2) to the owner and group "as they are", which takes set-user-ID
 * and set-group-ID bits away all the same. The guest's kernel has not asked whether the caller may. */
static int set_nothing(struct fs_call *call, struct fs_inode *inode, int fd)
{
	struct statx attributes;
	int result = fs_inode_stat(&call->server->inodes, inode, &attributes);

	if (result < 0 || (call->header.uid != 0 && call->header.uid != attributes.stx_uid))
		return result;
	return set_owner(call, fd, &(struct fuse_setattr_in){ 0 });
}

int fs_setattr(struct fs_call *call)
{
	const struct fuse_setattr_in *in = call->arguments;
	struct fs_inode *inode = fs_call_inode(call);
	struct fs_node_path path;
	int result = inode ? fs_node_path(call, inode, &path) : -ESTALE;
	int fd;

	if (result < 0)
		return result;
	fd = fs_inode_fd(&call->server->inodes, inode);
	if (!(in->valid & ~(uint32_t)(FATTR_FH | FATTR_LOCKOWNER)))
		result = set_nothing(call, inode, fd);
	if (result == 0 && in->valid & FATTR_MODE)
		result = set_mode(call, &path, in);
	if (result == 0 && in->valid & (FATTR_UID | FATTR_GID))
		result = set_owner(call, fd, in);
	if (result == 0 && in->valid & FATTR_SIZE)
		result = set_size(call, inode, in);
	if (result == 0 && in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW))
		result = set_times(fd, in);
	return result < 0 ? result : reply_attributes(call, inode);
}

int fs_statfs(struct fs_call *call)
{
	struct fs_inode *inode = fs_call_inode(call);
	int fd = inode ? fs_inode_fd(&call->server->inodes, inode) : -ESTALE;
	struct fuse_statfs_out out = { 0 };
	struct statfs from;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &from) < 0)
		return -errno;
	out.st = (struct fuse_kstatfs){
		.blocks = from.f_blocks,
		.bfree = from.f_bfree,
		.bavail = from.f_bavail,
		.files = from.f_files,
		.ffree = from.f_ffree,
		.bsize = (uint32_t)from.f_bsize,
		.namelen = from.f_namelen < FS_NAME_MAX ? (uint32_t)from.f_namelen : FS_NAME_MAX,
		.frsize = (uint32_t)from.f_frsize,
	};
	return fs_reply(call, &out, sizeof(out));
}

/* Linux does not ask when it mounts virtio-fs, since it decides by itself; what is left to say is whether the host's
 * mount can be written to. */
int fs_access(struct fs_call *call)
{
	const struct fuse_access_in *in = call->arguments;
	struct fs_inode *inode = fs_call_inode(call);
	int fd = inode ? fs_inode_fd(&call->server->inodes, inode) : -ESTALE;

	if (fd < 0)
		return fd;
	if (in->mask & ~(uint32_t)(R_OK | W_OK | X_OK))
		return -EINVAL;
	return syscall(SYS_faccessat2, fd, "", in->mask, AT_EMPTY_PATH | AT_EACCESS) < 0 ? -errno : 0;
}
