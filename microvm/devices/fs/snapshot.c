/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest knows of the served files, in a snapshot. Descriptors are not in it, nor what numbers devices and mounts
 * have: everything is found again by its name, from the root on.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "microvm/devices/fs/server.h"

#define DEPTH_MAX 128

/* ---- nodes, saving ---- */

/* For messages. */
static char *path_of(const struct fs_inodes *inodes, const struct fs_inode *inode)
{
	const char *name = inode->name ? inode->name : inode->former ? inode->former : "?";
	char *path = xstrdup(inode->id == FUSE_ROOT_ID ? "/" : name);

	for (unsigned depth = 0; depth < DEPTH_MAX && inode && inode->parent > FUSE_ROOT_ID; depth++) {
		char *longer;

		inode = fs_inodes_find(inodes, inode->parent);
		longer = xprintf("%s/%s", inode && inode->name ? inode->name : "?", path);
		free(path);
		path = longer;
	}
	return path;
}

/* By hand: the C library asks by a call that takes paths too, which a confined thread may not make. */
static void put_identity(const struct fs_inode *inode, struct strbuf *out)
{
	struct stat status = { 0 };

	if (inode->fd >= 0)
		(void)syscall(SYS_fstat, inode->fd, &status);
	wire_put_u64(out, (uint64_t)status.st_size);
	wire_put_i64(out, status.st_mtim.tv_sec);
	wire_put_u32(out, (uint32_t)status.st_mtim.tv_nsec);
}

static void put_inode(const struct fs_inode *inode, struct strbuf *out)
{
	wire_put_u64(out, inode->lookups);
	wire_put_u64(out, inode->key.inode);
	wire_put_u32(out, inode->key.type);
	wire_put_u64(out, inode->parent);
	wire_put_string(out, inode->name);
	wire_put_u8(out, inode->mount_root);
	wire_put_u8(out, inode->other_device);
	wire_put_u8(out, inode->sealed);
	wire_put_u8(out, inode->handles > 0);
	if (inode->handles)
		put_identity(inode, out);
}

int fs_inodes_save(const struct fs_inodes *inodes, struct strbuf *out, struct error *err)
{
	wire_put_u32(out, inodes->slots_used);
	for (uint32_t slot = 0; slot < inodes->slots_used; slot++) {
		const struct fs_inode *inode = inodes->slots[slot].inode;

		wire_put_u32(out, inodes->slots[slot].generation);
		wire_put_u8(out, inode != NULL);
		if (inode && inode->handles && !inode->name && inode->id != FUSE_ROOT_ID) {
			cleanup_free char *path = path_of(inodes, inode);

			return error_set(err, -ESTALE, "the open file %s has been deleted", path);
		}
		if (inode)
			put_inode(inode, out);
	}
	return 0;
}

/* ---- nodes, going on ---- */

static int refuse_damaged(struct error *err)
{
	return error_set(err, -EINVAL, "restore the file server: the state is damaged");
}

struct found {
	bool tried;
	bool open; /* files are open of it: it must be found */
	uint64_t size;
	int64_t modified_s;
	uint32_t modified_ns;
};

static bool get_inode(struct fs_inode *inode, struct found *found, struct wire_reader *in)
{
	inode->lookups = wire_get_u64(in);
	inode->key.inode = wire_get_u64(in);
	inode->key.type = wire_get_u32(in);
	inode->parent = wire_get_u64(in);
	inode->name = wire_get_string(in);
	inode->mount_root = wire_get_u8(in);
	inode->other_device = wire_get_u8(in);
	inode->sealed = wire_get_u8(in);
	found->open = wire_get_u8(in);
	if (found->open) {
		found->size = wire_get_u64(in);
		found->modified_s = wire_get_i64(in);
		found->modified_ns = wire_get_u32(in);
	}
	return !in->failed && !(inode->name && (strchr(inode->name, '/') || strcmp(inode->name, "..") == 0));
}

static bool is_same(const struct fs_inode *inode, const struct found *found, const struct statx *now)
{
	if ((now->stx_mode & S_IFMT) != inode->key.type)
		return false;
	if (now->stx_ino == inode->key.inode)
		return true;
	if (inode->key.type == S_IFDIR)
		return true;
	return inode->key.type == S_IFREG && found->open && now->stx_size == found->size &&
	       now->stx_mtime.tv_sec == found->modified_s && now->stx_mtime.tv_nsec == found->modified_ns;
}

/* 0, or why it is not found. */
static int find_again(struct fs_inodes *inodes, struct fs_inode *inode, struct found *all, unsigned depth)
{
	struct found *found = &all[(uint32_t)inode->id - 1];
	struct fs_inode *parent = inode->name ? fs_inodes_find(inodes, inode->parent) : NULL;
	struct statx now;
	int result, directory;

	if (found->tried || inode->id == FUSE_ROOT_ID)
		return inode->hashed ? 0 : -ESTALE;
	found->tried = true;
	if (!parent || !depth)
		return -ESTALE;
	result = find_again(inodes, parent, all, depth - 1);
	directory = result < 0 ? result : fs_inode_fd(inodes, parent);
	if (directory >= 0)
		result = fs_inode_stat_at(directory, inode->name, &now);
	if (directory < 0 || result < 0)
		return directory < 0 ? directory : result;
	if (!is_same(inode, found, &now))
		return -ESTALE;
	inode->key = fs_inode_key_of(&now);
	return fs_inodes_hash(inodes, inode) ? 0 : -ESTALE;
}

/* What is not found is stale, and has no name by which something else could be taken for it. */
static int find_all(struct fs_inodes *inodes, struct found *all, struct error *err)
{
	for (uint32_t slot = 1; slot < inodes->slots_used; slot++) {
		struct fs_inode *inode = inodes->slots[slot].inode;
		int result;

		if (!inode)
			continue;
		fs_inodes_begin(inodes);
		result = find_again(inodes, inode, all, DEPTH_MAX);
		if (!inode->hashed && all[slot].open) {
			cleanup_free char *path = path_of(inodes, inode);

			return error_set(err, result == -ESTALE ? -ESTALE : -result,
				"the file %s that the guest has open %s", path,
				result == -ESTALE ? "is another one now" : "cannot be found");
		}
	}
	for (uint32_t slot = 1; slot < inodes->slots_used; slot++) {
		struct fs_inode *inode = inodes->slots[slot].inode;

		if (inode && !inode->hashed)
			free_pointer(&inode->name);
	}
	return 0;
}

int fs_inodes_restore(struct fs_inodes *inodes, struct wire_reader *in, struct error *err)
{
	uint32_t slots = wire_get_count(in, 5);
	cleanup_free struct found *all = NULL;
	struct fs_inode *root = fs_inodes_find(inodes, FUSE_ROOT_ID), ignored = { 0 };

	if (!slots || slots > FS_INODES_MAX)
		return refuse_damaged(err);
	all = xcalloc(slots, sizeof(*all));
	fs_inodes_extend(inodes, slots);
	for (uint32_t slot = 0; slot < slots && !in->failed; slot++) {
		uint32_t generation = wire_get_u32(in);
		bool there = wire_get_u8(in);

		if (slot == 0) {
			(void)(there && get_inode(&ignored, &all[0], in));
			root->lookups = ignored.lookups;
			free(ignored.name);
		} else if (!there) {
			inodes->slots[slot].generation = generation;
		} else if (!get_inode(fs_inodes_place(inodes, slot, generation), &all[slot], in)) {
			in->failed = true;
		}
	}
	fs_inodes_free_rest(inodes);
	if (in->failed)
		return refuse_damaged(err);
	return find_all(inodes, all, err);
}

/* ---- open files ---- */

void fs_handles_save(const struct fs_handles *handles, struct strbuf *out)
{
	wire_put_u32(out, handles->used);
	for (uint32_t slot = 0; slot < handles->used; slot++) {
		const struct fs_handle *handle = &handles->slots[slot];

		wire_put_u32(out, handle->generation);
		wire_put_u8(out, handle->fd >= 0);
		if (handle->fd < 0)
			continue;
		wire_put_u64(out, handle->inode->id);
		wire_put_u8(out, handle->directory);
		wire_put_u32(out, (uint32_t)handle->flags);
		wire_put_i64(out, handle->position);
	}
}

static int open_again(struct fs_handles *handles, struct fs_handle *handle, struct fs_inode *inode, int proc_self_fd,
	struct error *err)
{
	int flags = handle->directory ? O_RDONLY | O_DIRECTORY : handle->flags & ~(O_TRUNC | O_CREAT | O_EXCL);
	int path_fd = fs_inode_fd(handles->inodes, inode), fd = path_fd;
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", path_fd);
	if (path_fd >= 0)
		fd = fs_inodes_open(handles->inodes, proc_self_fd, number, flags | O_NOCTTY, 0);
	if (fd >= 0 && handle->directory && handle->position && lseek(fd, handle->position, SEEK_SET) < 0)
		handle->position = -1;
	if (fd < 0) {
		cleanup_free char *path = path_of(handles->inodes, inode);

		return error_set(err, -fd, "open the file %s again, that the guest has open", path);
	}
	handle->fd = fd;
	handle->inode = inode;
	handles->count++;
	fs_inode_opened(handles->inodes, inode);
	return 0;
}

int fs_handles_restore(struct fs_handles *handles, int proc_self_fd, struct wire_reader *in, struct error *err)
{
	uint32_t slots = wire_get_count(in, 5);
	int result = 0;

	if (slots > handles->max)
		return error_set(err, -ENFILE, "the guest has %u files open: here it may have %u", slots, handles->max);
	handles->slots = slots ? xcalloc(slots, sizeof(*handles->slots)) : NULL;
	handles->capacity = slots;
	for (uint32_t slot = 0; slot < slots && result == 0; slot++) {
		struct fs_handle *handle = &handles->slots[slot];
		struct fs_inode *inode;

		handles->used = slot + 1;
		*handle = (struct fs_handle){
			.fd = -1, .generation = wire_get_u32(in), .next_free = handles->first_free
		};
		if (!wire_get_u8(in)) {
			handles->first_free = slot;
			continue;
		}
		inode = fs_inodes_find(handles->inodes, wire_get_u64(in));
		handle->directory = wire_get_u8(in);
		handle->flags = (int)wire_get_u32(in);
		handle->position = wire_get_i64(in);
		if (in->failed || !inode || inode->key.type != (handle->directory ? S_IFDIR : S_IFREG))
			return refuse_damaged(err);
		result = open_again(handles, handle, inode, proc_self_fd, err);
	}
	return result;
}

/* ---- all of it ---- */

int fs_server_save(const struct fs_server *server, struct strbuf *out, struct error *err)
{
	int result;

	wire_put_u8(out, server->ready);
	wire_put_u8(out, server->write_back);
	wire_put_u8(out, server->submounts);
	wire_put_u8(out, server->posix_acl);
	wire_put_u8(out, server->extended_setxattr);
	result = fs_inodes_save(&server->inodes, out, err);
	if (result == 0)
		fs_handles_save(&server->handles, out);
	return result;
}

int fs_server_restore(struct fs_server *server, struct wire_reader *in, struct error *err)
{
	int result;

	server->ready = wire_get_u8(in);
	server->write_back = wire_get_u8(in);
	server->submounts = wire_get_u8(in);
	server->posix_acl = wire_get_u8(in);
	server->extended_setxattr = wire_get_u8(in);
	/* What it has changed before may not have been written out. */
	server->changes = 1;
	result = fs_inodes_restore(&server->inodes, in, err);
	if (result == 0)
		result = fs_handles_restore(&server->handles, server->proc_self_fd, in, err);
	return result == 0 && in->failed ? refuse_damaged(err) : result;
}
