/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on names: finding, forgetting, making, removing, renaming.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>

#include "microvm/devices/fs/server.h"

#define RENAME_FLAGS (RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)

/* A directory that the guest names, ready for a system call that takes a directory and a name. */
static int take_directory(struct fs_call *call, uint64_t node, struct fs_inode **directory)
{
	*directory = fs_inodes_find(&call->server->inodes, node);
	if (!*directory)
		return -ESTALE;
	if ((*directory)->key.type != S_IFDIR)
		return -ENOTDIR;
	return (*directory)->sealed ? -EACCES : fs_inode_fd(&call->server->inodes, *directory);
}

static int reply_entry(struct fs_call *call, const struct fs_inode *inode, const struct statx *attributes)
{
	struct fuse_entry_out out;

	fs_fill_entry(call->server, inode, attributes, &out);
	return fs_reply(call, &out, sizeof(out));
}

int fs_reply_lookup(struct fs_call *call, struct fs_inode *directory, const char *name)
{
	struct statx attributes;
	struct fs_inode *found;
	int result = fs_inodes_lookup(&call->server->inodes, directory, name, &attributes, &found);

	return result < 0 ? result : reply_entry(call, found, &attributes);
}

int fs_lookup(struct fs_call *call)
{
	struct fs_inode *directory = fs_call_inode(call);
	int result = directory ? fs_reply_lookup(call, directory, call->names[0]) : -ESTALE;
	struct fuse_entry_out nothing = { .nodeid = 0, .entry_valid = fs_timeout_seconds(call->server) };

	/* Node 0 is "not there" with a time for which to believe it. */
	if (result == -ENOENT && nothing.entry_valid > 0)
		return fs_reply(call, &nothing, sizeof(nothing));
	return result;
}

int fs_forget(struct fs_call *call)
{
	const struct fuse_forget_in *in = call->arguments;

	fs_inodes_forget(&call->server->inodes, call->header.nodeid, in->nlookup);
	return 0;
}

int fs_batch_forget(struct fs_call *call)
{
	const struct fuse_batch_forget_in *in = call->arguments;
	size_t there = call->value_bytes / sizeof(struct fuse_forget_one);

	for (size_t i = 0; i < there && i < in->count; i++) {
		struct fuse_forget_one one;

		memcpy(&one, call->value + i * sizeof(one), sizeof(one));
		fs_inodes_forget(&call->server->inodes, one.nodeid, one.nlookup);
	}
	return 0;
}

int fs_begin_making(struct fs_call *call, mode_t mask, struct fs_inode **directory)
{
	struct fs_credentials *credentials = &call->worker->credentials;
	int fd = take_directory(call, call->header.nodeid, directory);
	int result;

	if (fd < 0)
		return fd;
	/* The answer may need a descriptor: better to know before anything is made. */
	result = fs_inodes_make_room(&call->server->inodes);
	if (result < 0)
		return result;
	/* The guest's kernel has taken the set-group-ID bit away where the caller may not have it. */
	result = fs_credentials_keep_setid(credentials, true);
	if (result < 0)
		return result;
	fs_credentials_umask(credentials, mask);
	result = fs_credentials_act_as(credentials, call->header.uid, call->header.gid);
	return result < 0 ? result : fd;
}

int fs_mknod(struct fs_call *call)
{
	const struct fuse_mknod_in *in = call->arguments;
	/* linux/kdev_t.h, new_encode_dev(): minor bits 0-7, major 8-19, minor bits 8-19. */
	dev_t device = makedev((in->rdev & 0xfff00) >> 8, (in->rdev & 0xff) | ((in->rdev >> 12) & 0xfff00));
	struct fs_inode *directory;
	int fd = fs_begin_making(call, in->umask, &directory);

	if (fd < 0)
		return fd;
	if (mknodat(fd, call->names[0], in->mode & (S_IFMT | 07777), device) < 0)
		return -errno;
	return fs_reply_lookup(call, directory, call->names[0]);
}

int fs_mkdir(struct fs_call *call)
{
	const struct fuse_mkdir_in *in = call->arguments;
	struct fs_inode *directory;
	int fd = fs_begin_making(call, in->umask, &directory);

	if (fd < 0)
		return fd;
	if (mkdirat(fd, call->names[0], in->mode & 07777) < 0)
		return -errno;
	return fs_reply_lookup(call, directory, call->names[0]);
}

int fs_symlink(struct fs_call *call)
{
	struct fs_inode *directory;
	int fd = fs_begin_making(call, 0, &directory);

	if (fd < 0)
		return fd;
	if (symlinkat(call->names[1], fd, call->names[0]) < 0)
		return -errno;
	return fs_reply_lookup(call, directory, call->names[0]);
}

int fs_link(struct fs_call *call)
{
	const struct fuse_link_in *in = call->arguments;
	struct fs_inode *inode = fs_inodes_find(&call->server->inodes, in->oldnodeid);
	struct fs_inode *directory;
	struct fs_node_path path;
	int result, fd;

	if (!inode)
		return -ESTALE;
	result = fs_node_path(call, inode, &path);
	if (result < 0)
		return result;
	fd = fs_begin_making(call, 0, &directory);
	if (fd < 0)
		return fd;
	/* By way of /proc, since AT_EMPTY_PATH asks for CAP_DAC_READ_SEARCH. The link there leads to the file itself,
	 * and no further where the file is a symbolic link. */
	if (linkat(call->server->proc_self_fd, path.text, fd, call->names[0], AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return fs_reply_lookup(call, directory, call->names[0]);
}

static int remove_name(struct fs_call *call, int flags)
{
	struct fs_inode *directory, *inode;
	int fd = take_directory(call, call->header.nodeid, &directory);

	if (fd < 0)
		return fd;
	inode = fs_inodes_hold_name(&call->server->inodes, directory, fd, call->names[0]);
	if (unlinkat(fd, call->names[0], flags) < 0)
		return -errno;
	if (inode)
		fs_inode_unnamed(&call->server->inodes, inode, directory->id, call->names[0]);
	return 0;
}

int fs_unlink(struct fs_call *call)
{
	return remove_name(call, 0);
}

int fs_rmdir(struct fs_call *call)
{
	return remove_name(call, AT_REMOVEDIR);
}

static int rename_name(struct fs_call *call, uint64_t target_node, unsigned flags)
{
	struct fs_inodes *inodes = &call->server->inodes;
	const char *old_name = call->names[0], *new_name = call->names[1];
	struct fs_inode *from, *to, *moved, *replaced;
	int from_fd = take_directory(call, call->header.nodeid, &from);
	int to_fd = take_directory(call, target_node, &to);
	int result;

	if (from_fd < 0 || to_fd < 0)
		return from_fd < 0 ? from_fd : to_fd;
	moved = fs_inodes_hold_name(inodes, from, from_fd, old_name);
	replaced = fs_inodes_hold_name(inodes, to, to_fd, new_name);
	/* RENAME_WHITEOUT makes a device node; it is the caller's. */
	result = fs_credentials_act_as(&call->worker->credentials, call->header.uid, call->header.gid);
	if (result < 0)
		return result;
	/* By hand: without flags the C library makes another call of it, one that a confined thread may not make. */
	if (syscall(SYS_renameat2, from_fd, old_name, to_fd, new_name, flags) < 0)
		return -errno;
	/* Two names of one file: rename(2) does nothing then. */
	if (moved == replaced)
		return 0;
	if (replaced && flags & RENAME_EXCHANGE)
		fs_inode_renamed(inodes, replaced, from->id, old_name);
	else if (replaced)
		fs_inode_unnamed(inodes, replaced, to->id, new_name);
	if (moved)
		fs_inode_renamed(inodes, moved, to->id, new_name);
	return 0;
}

int fs_rename(struct fs_call *call)
{
	const struct fuse_rename_in *in = call->arguments;

	return rename_name(call, in->newdir, 0);
}

int fs_rename2(struct fs_call *call)
{
	const struct fuse_rename2_in *in = call->arguments;

	return in->flags & ~(unsigned)RENAME_FLAGS ? -EINVAL : rename_name(call, in->newdir, in->flags);
}

int fs_readlink(struct fs_call *call)
{
	struct fs_inode *inode = fs_call_inode(call);
	char *target = (char *)call->worker->scratch;
	ssize_t length;
	int fd;

	if (!inode)
		return -ESTALE;
	if (inode->key.type != S_IFLNK)
		return -EINVAL;
	fd = inode->sealed ? -EACCES : fs_inode_fd(&call->server->inodes, inode);
	if (fd < 0)
		return fd;
	length = readlinkat(fd, "", target, PATH_MAX);
	return length < 0 ? -errno : fs_reply(call, target, (size_t)length);
}
