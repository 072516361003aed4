/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading directories. The guest's position in one is the host's own (d_off, getdents64(2)).
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "microvm/devices/fs/server.h"

/* Holds the longest entry that getdents64() returns. */
#define CHUNK_MIN_BYTES 512

struct host_entry { /* getdents64(2), struct linux_dirent64 */
	uint64_t inode;
	int64_t position; /* of the next one */
	uint16_t length;
	uint8_t type;
	char name[];
} __attribute__((packed));

int fs_opendir(struct fs_call *call)
{
	struct fs_server *server = call->server;
	struct fs_inode *inode = fs_call_inode(call);
	struct fuse_open_out out = { 0 };
	int result = fs_handles_room(&server->handles);
	int fd;

	if (!inode)
		return -ESTALE;
	if (inode->key.type != S_IFDIR)
		return -ENOTDIR;
	if (result < 0)
		return result;
	fd = fs_reopen(call, inode, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	if (server->cache == FS_CACHE_ALWAYS)
		out.open_flags = FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE;
	out.fh = fs_handles_add(&server->handles, inode, fd, true, 0);
	return fs_reply(call, &out, sizeof(out));
}

/* What READDIRPLUS says about one name beyond READDIR; nothing (node 0) when it cannot, upon which the guest looks it
 * up itself. */
static void fill_plus(struct fs_call *call, struct fs_inode *directory, const char *name, struct fuse_entry_out *entry)
{
	struct statx attributes;
	struct fs_inode *inode;

	memset(entry, 0, sizeof(*entry));
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	if (fs_inodes_lookup(&call->server->inodes, directory, name, &attributes, &inode) == 0)
		fs_fill_entry(call->server, inode, &attributes, entry);
}

/* 1: appended; 0: no room for it. */
static int reply_name(
	struct fs_call *call, struct fs_inode *directory, const struct host_entry *from, size_t room, bool plus)
{
	static const char padding[8];
	size_t name_length = strlen(from->name);
	size_t size = FUSE_REC_ALIGN((plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET) + name_length);
	struct fuse_dirent to = { .ino = from->inode,
		.off = (uint64_t)from->position,
		.namelen = (uint32_t)name_length,
		.type = from->type };
	struct fuse_entry_out entry;

	if (size > room - call->reply_bytes)
		return 0;
	/* What lies above the directory that is shared is not the guest's to know. */
	if (directory->id == FUSE_ROOT_ID && strcmp(from->name, "..") == 0)
		to.ino = directory->key.inode;
	if (plus) {
		fill_plus(call, directory, from->name, &entry);
		(void)fs_reply(call, &entry, sizeof(entry));
	}
	(void)fs_reply(call, &to, FUSE_NAME_OFFSET);
	(void)fs_reply(call, from->name, name_length);
	(void)fs_reply(call, padding, FUSE_REC_ALIGN(name_length) - name_length);
	return 1;
}

static int go_to(struct fs_handle *handle, int64_t position)
{
	handle->position = lseek(handle->fd, position, SEEK_SET) < 0 ? -1 : position;
	return handle->position < 0 ? -EINVAL : 0;
}

/* Passes on a chunk of entries. 1: all of it; 0: the room is used up, and the descriptor stands behind the last one
 * passed on. */
static int reply_chunk(struct fs_call *call, struct fs_handle *handle, size_t chunk_bytes, size_t room, bool plus)
{
	for (size_t offset = 0; offset < chunk_bytes;) {
		const struct host_entry *entry = (const struct host_entry *)(call->worker->scratch + offset);

		if (reply_name(call, handle->inode, entry, room, plus) == 0)
			return go_to(handle, handle->position);
		handle->position = entry->position;
		offset += entry->length;
	}
	return 1;
}

static int read_directory(struct fs_call *call, bool plus)
{
	const struct fuse_read_in *in = call->arguments;
	struct fs_handle *handle = fs_call_handle(call, in->fh, true);
	size_t room = in->size < call->reply_space ? in->size : call->reply_space;
	const size_t smallest = FUSE_REC_ALIGN((plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET) + 1);
	int result = 1;

	if (!handle)
		return -EBADF;
	if (in->offset > INT64_MAX)
		return -EINVAL;
	if ((int64_t)in->offset != handle->position && go_to(handle, (int64_t)in->offset) < 0)
		return -EINVAL;
	while (result > 0) {
		/* About as many entries as will fit: what is read too much has to be read again. */
		size_t wanted =
			(room - call->reply_bytes) / (plus ? FUSE_NAME_OFFSET_DIRENTPLUS / FUSE_NAME_OFFSET : 1);
		long got;

		if (room - call->reply_bytes < smallest)
			break;
		wanted = wanted > CHUNK_MIN_BYTES ? wanted : CHUNK_MIN_BYTES;
		wanted = wanted < FS_SCRATCH_BYTES ? wanted : FS_SCRATCH_BYTES;
		got = syscall(SYS_getdents64, handle->fd, call->worker->scratch, wanted);
		if (got == 0)
			return 0;
		result = got < 0 ? -errno : reply_chunk(call, handle, (size_t)got, room, plus);
	}
	/* An empty answer would mean the end. What was told so far is told, whatever came next. */
	if (call->reply_bytes > 0)
		return 0;
	return result < 0 ? result : -EINVAL;
}

int fs_readdir(struct fs_call *call)
{
	return read_directory(call, false);
}

int fs_readdirplus(struct fs_call *call)
{
	return read_directory(call, true);
}

int fs_releasedir(struct fs_call *call)
{
	const struct fuse_release_in *in = call->arguments;
	struct fs_handle *handle = fs_call_handle(call, in->fh, true);

	if (!handle)
		return -EBADF;
	fs_handles_remove(&call->server->handles, handle);
	return 0;
}

int fs_fsyncdir(struct fs_call *call)
{
	const struct fuse_fsync_in *in = call->arguments;
	struct fs_handle *handle = fs_call_handle(call, in->fh, true);

	if (!handle)
		return -EBADF;
	return (in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(handle->fd) : fsync(handle->fd)) < 0 ? -errno : 0;
}
