/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on open files. File data goes straight between the file and the guest's memory.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>

#include "microvm/devices/fs/server.h"

/* Times of files are as coarse as the host kernel's tick; what has changed within this time may change again unseen. */
#define STAMP_SETTLES_NS INT64_C(100000000)
/* One request does not keep the others waiting for longer than it takes to copy this much. */
#define COPY_MAX_BYTES (64U << 20)

static int64_t age_ns(const struct statx_timestamp *then, const struct timespec *now)
{
	int64_t seconds = now->tv_sec - then->tv_sec;

	if (seconds > 1 || seconds < -1)
		return seconds > 0 ? INT64_MAX : -1;
	return seconds * INT64_C(1000000000) + now->tv_nsec - then->tv_nsec;
}

static bool same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool fs_unchanged_since_open(struct fs_inode *inode, const struct statx *attributes)
{
	struct fs_stamp *stamp = &inode->stamp;
	bool unchanged = stamp->valid && stamp->size == attributes->stx_size &&
			 same_time(&stamp->modified, &attributes->stx_mtime) &&
			 same_time(&stamp->changed, &attributes->stx_ctime);
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	*stamp = (struct fs_stamp){
		.valid = age_ns(&attributes->stx_mtime, &now) > STAMP_SETTLES_NS &&
			 age_ns(&attributes->stx_ctime, &now) > STAMP_SETTLES_NS,
		.modified = attributes->stx_mtime,
		.changed = attributes->stx_ctime,
		.size = attributes->stx_size,
	};
	return unchanged;
}

/* What of the guest's open flags means something here. O_APPEND is done at each write, since the guest writes mapped
 * pages back through any descriptor of the file; O_DIRECT would ask for alignment that guest buffers need not have. */
static int host_flags(const struct fs_call *call, uint32_t guest)
{
	int flags = (int)guest & (O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC);

	/* The guest's kernel has checked that the caller owns the file; without capabilities that is not us. */
	if (call->worker->credentials.capable)
		flags |= (int)guest & O_NOATIME;
	/* To complete a page that is written in part, the guest reads it. */
	if (call->server->write_back && (flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	return flags;
}

/* Closing a file of these cannot fail, so the guest need not ask at each close (FLUSH) what it would report. */
static bool closes_silently(int fd)
{
	static const unsigned long types[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
		TMPFS_MAGIC, RAMFS_MAGIC, OVERLAYFS_SUPER_MAGIC };
	struct statfs file_system;

	if (fstatfs(fd, &file_system) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if ((unsigned long)file_system.f_type == types[i])
			return true;
	}
	return false;
}

/* Answers with a new handle, which takes fd over. */
static int reply_open(struct fs_call *call, struct fs_inode *inode, int fd, int flags, const struct statx *attributes)
{
	struct fs_server *server = call->server;
	bool reads_only = (flags & O_ACCMODE) == O_RDONLY;
	bool unchanged = fs_unchanged_since_open(inode, attributes);
	struct fuse_open_out out = { .fh = fs_handles_add(&server->handles, inode, fd, false, flags) };

	if (server->cache == FS_CACHE_ALWAYS || (server->cache == FS_CACHE_AUTO && unchanged))
		out.open_flags |= FOPEN_KEEP_CACHE;
	if (!server->write_back && (reads_only || closes_silently(fd)))
		out.open_flags |= FOPEN_NOFLUSH;
	return fs_reply(call, &out, sizeof(out));
}

/* Opens a file that is there, with what O_TRUNC does to it. */
static int open_existing(
	struct fs_call *call, struct fs_inode *inode, int flags, uint32_t open_flags, struct statx *attributes)
{
	bool truncates_for_user = flags & O_TRUNC && open_flags & FUSE_OPEN_KILL_SUIDGID;
	int result = fs_handles_room(&call->server->handles);
	int fd;

	if (inode->key.type == S_IFDIR)
		return -EISDIR;
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (result == 0)
		result = fs_begin_changing(call, !truncates_for_user);
	if (result < 0)
		return result;
	call->server->changes += (flags & O_TRUNC) != 0;
	fd = fs_reopen(call, inode, flags);
	if (fd < 0)
		return fd;
	result = fs_inode_stat(&call->server->inodes, inode, attributes);
	if (result < 0) {
		fs_inodes_discard(&call->server->inodes, &fd);
		return result;
	}
	return fd;
}

int fs_open(struct fs_call *call)
{
	const struct fuse_open_in *in = call->arguments;
	struct fs_inode *inode = fs_call_inode(call);
	int flags = host_flags(call, in->flags);
	struct statx attributes;
	int fd;

	if (!inode)
		return -ESTALE;
	fd = open_existing(call, inode, flags, in->open_flags, &attributes);
	return fd < 0 ? fd : reply_open(call, inode, fd, flags, &attributes);
}

static int reply_created(
	struct fs_call *call, struct fs_inode *inode, int fd, int flags, const struct statx *attributes)
{
	struct fuse_entry_out entry;
	int result;

	fs_fill_entry(call->server, inode, attributes, &entry);
	result = fs_reply(call, &entry, sizeof(entry));
	return result < 0 ? result : reply_open(call, inode, fd, flags, attributes);
}

/* A file that has just been made and opened gets its node; the name may mean another file by now. */
static int enter_created(struct fs_call *call, struct fs_inode *directory, const char *name, int fd, int flags)
{
	struct fs_inodes *inodes = &call->server->inodes;
	struct fs_node_path path;
	struct fs_inode *inode;
	struct statx attributes;
	int path_fd, result;

	(void)snprintf(path.text, sizeof(path.text), "%d", fd);
	path_fd = fs_inodes_open(inodes, call->server->proc_self_fd, path.text, O_PATH, 0);
	if (path_fd < 0) {
		fs_inodes_discard(inodes, &fd);
		return path_fd;
	}
	if (statx(path_fd, "", AT_EMPTY_PATH, FS_STATX_MASK, &attributes) < 0) {
		result = -errno;
		fs_inodes_discard(inodes, &path_fd);
		fs_inodes_discard(inodes, &fd);
		return result;
	}
	result = fs_inodes_enter(inodes, directory, name, &attributes, path_fd, &inode);
	if (result < 0) {
		fs_inodes_discard(inodes, &fd);
		return result;
	}
	return reply_created(call, inode, fd, flags, &attributes);
}

/* CREATE of a name that somebody else has made since the guest looked. */
static int create_found(struct fs_call *call, struct fs_inode *directory, int flags)
{
	const struct fuse_create_in *in = call->arguments;
	struct fs_inodes *inodes = &call->server->inodes;
	struct fs_inode *inode;
	struct statx attributes;
	int fd = fs_inodes_lookup(inodes, directory, call->names[0], &attributes, &inode);

	if (fd < 0)
		return fd;
	fd = open_existing(call, inode, flags, in->open_flags, &attributes);
	if (fd < 0) {
		fs_inodes_forget(inodes, inode->id, 1);
		return fd;
	}
	return reply_created(call, inode, fd, flags, &attributes);
}

int fs_create_file(struct fs_call *call)
{
	const struct fuse_create_in *in = call->arguments;
	int flags = host_flags(call, in->flags);
	int make = (flags & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY;
	struct fs_inode *directory;
	int directory_fd, fd;

	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	fd = fs_handles_room(&call->server->handles);
	if (fd < 0)
		return fd;
	directory_fd = fs_begin_making(call, in->umask, &directory);
	if (directory_fd < 0)
		return directory_fd;
	/* O_EXCL, so that nothing that is there already gets opened without a look at what it is. */
	fd = fs_inodes_open(&call->server->inodes, directory_fd, call->names[0], make, in->mode & 07777);
	if (fd == -EEXIST && !(in->flags & O_EXCL))
		return create_found(call, directory, flags);
	return fd < 0 ? fd : enter_created(call, directory, call->names[0], fd, flags);
}

int fs_tmpfile(struct fs_call *call)
{
	const struct fuse_create_in *in = call->arguments;
	int flags = host_flags(call, in->flags) & ~O_TRUNC;
	int make = flags | O_TMPFILE | ((int)in->flags & O_EXCL);
	struct fs_node_path path;
	struct fs_inode *directory = NULL;
	int fd = fs_handles_room(&call->server->handles);

	if (fd == 0)
		fd = fs_begin_making(call, in->umask, &directory);
	if (fd < 0)
		return fd;
	(void)snprintf(path.text, sizeof(path.text), "%d", fd);
	fd = fs_inodes_open(&call->server->inodes, call->server->proc_self_fd, path.text, make, in->mode & 07777);
	return fd < 0 ? fd : enter_created(call, directory, NULL, fd, flags);
}

int fs_read(struct fs_call *call)
{
	const struct fuse_read_in *in = call->arguments;
	const struct fs_message *message = call->message;
	struct fs_handle *handle = fs_call_handle(call, in->fh, false);
	size_t size = in->size < call->reply_space ? in->size : call->reply_space;
	struct iovec slice[FS_IOVECS_MAX];
	ssize_t got;
	unsigned count;

	if (!handle)
		return -EBADF;
	count = fs_iovec_slice(message->reply, message->reply_count, sizeof(struct fuse_out_header), size, slice);
	got = preadv(handle->fd, slice, (int)count, (off_t)in->offset);
	if (got < 0)
		return -errno;
	call->reply_bytes = (size_t)got;
	return 0;
}

int fs_write(struct fs_call *call)
{
	const struct fuse_write_in *in = call->arguments;
	const struct fs_message *message = call->message;
	const size_t before_data = sizeof(call->header) + sizeof(*in);
	struct fs_handle *handle = fs_call_handle(call, in->fh, false);
	/* What the page cache writes back has its place already. */
	bool appends = in->flags & O_APPEND && !(in->write_flags & FUSE_WRITE_CACHE);
	struct iovec slice[FS_IOVECS_MAX];
	struct fuse_write_out out = { 0 };
	ssize_t put;
	unsigned count;
	int result;

	if (!handle)
		return -EBADF;
	if (in->size > call->header.len - before_data)
		return -EINVAL;
	result = fs_begin_changing(call, !(in->write_flags & FUSE_WRITE_KILL_SUIDGID));
	if (result < 0)
		return result;
	count = fs_iovec_slice(message->request, message->request_count, before_data, in->size, slice);
	put = pwritev2(handle->fd, slice, (int)count, (off_t)in->offset, appends ? RWF_APPEND : 0);
	if (put < 0)
		return -errno;
	out.size = (uint32_t)put;
	return fs_reply(call, &out, sizeof(out));
}

/* close(2) of a duplicate reports what a file system reports when a file is closed (NFS, quotas). */
int fs_flush(struct fs_call *call)
{
	const struct fuse_flush_in *in = call->arguments;
	struct fs_handle *handle = fs_call_handle(call, in->fh, false);
	int fd;

	if (!handle)
		return -EBADF;
	fd = fcntl(handle->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

int fs_release(struct fs_call *call)
{
	const struct fuse_release_in *in = call->arguments;
	struct fs_handle *handle = fs_call_handle(call, in->fh, false);

	if (!handle)
		return -EBADF;
	fs_handles_remove(&call->server->handles, handle);
	return 0;
}

int fs_fsync(struct fs_call *call)
{
	const struct fuse_fsync_in *in = call->arguments;
	struct fs_handle *handle = fs_call_handle(call, in->fh, false);

	if (!handle)
		return -EBADF;
	return (in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(handle->fd) : fsync(handle->fd)) < 0 ? -errno : 0;
}

int fs_fallocate(struct fs_call *call)
{
	const struct fuse_fallocate_in *in = call->arguments;
	struct fs_handle *handle = fs_call_handle(call, in->fh, false);
	int result;

	if (!handle)
		return -EBADF;
	if (in->mode & ~(uint32_t)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	/* The request does not say whether the caller has CAP_FSETID. */
	result = fs_begin_changing(call, call->header.uid == 0);
	if (result < 0)
		return result;
	return fallocate(handle->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0 ? -errno : 0;
}

int fs_lseek(struct fs_call *call)
{
	const struct fuse_lseek_in *in = call->arguments;
	struct fs_handle *handle = fs_call_handle(call, in->fh, false);
	struct fuse_lseek_out out;
	off_t offset;

	if (!handle)
		return -EBADF;
	if (in->whence != SEEK_DATA && in->whence != SEEK_HOLE)
		return -EINVAL;
	offset = lseek(handle->fd, (off_t)in->offset, (int)in->whence);
	if (offset < 0)
		return -errno;
	out.offset = (uint64_t)offset;
	return fs_reply(call, &out, sizeof(out));
}

int fs_copy_file_range(struct fs_call *call)
{
	const struct fuse_copy_file_range_in *in = call->arguments;
	struct fs_handle *from = fs_call_handle(call, in->fh_in, false);
	struct fs_handle *to = fs_handles_find(&call->server->handles, in->fh_out, in->nodeid_out, false);
	off64_t from_offset = (off64_t)in->off_in, to_offset = (off64_t)in->off_out;
	struct fuse_write_out out = { 0 };
	ssize_t copied;
	int result;

	if (!from || !to)
		return -EBADF;
	result = fs_begin_changing(call, call->header.uid == 0);
	if (result < 0)
		return result;
	copied = copy_file_range(from->fd, &from_offset, to->fd, &to_offset,
		in->len < COPY_MAX_BYTES ? (size_t)in->len : COPY_MAX_BYTES, (unsigned)in->flags);
	if (copied < 0)
		return -errno;
	out.size = (uint32_t)copied;
	return fs_reply(call, &out, sizeof(out));
}
