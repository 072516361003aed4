/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/fs/handles.h"

#include <fcntl.h>

#include "base/alloc.h"

#define NO_SLOT     UINT32_MAX
#define SLOTS_FIRST 64

void fs_handles_init(struct fs_handles *handles, struct fs_inodes *inodes, uint32_t max)
{
	*handles = (struct fs_handles){ .first_free = NO_SLOT, .max = max, .inodes = inodes };
}

int fs_handles_room(const struct fs_handles *handles)
{
	return handles->count < handles->max ? 0 : -ENFILE;
}

uint64_t fs_handles_add(struct fs_handles *handles, struct fs_inode *inode, int fd, bool directory, int flags)
{
	uint32_t slot = handles->first_free;
	uint32_t generation = 0;

	if (slot != NO_SLOT) {
		handles->first_free = handles->slots[slot].next_free;
		generation = handles->slots[slot].generation;
	} else {
		if (handles->used == handles->capacity) {
			handles->capacity = handles->capacity ? handles->capacity * 2 : SLOTS_FIRST;
			handles->slots = xrealloc(handles->slots, handles->capacity, sizeof(*handles->slots));
		}
		slot = handles->used++;
	}
	handles->slots[slot] = (struct fs_handle){
		.fd = fd, .generation = generation, .directory = directory, .flags = flags, .inode = inode
	};
	handles->count++;
	fs_inode_opened(handles->inodes, inode);
	return (uint64_t)generation << 32 | slot;
}

struct fs_handle *fs_handles_find(const struct fs_handles *handles, uint64_t id, uint64_t node, bool directory)
{
	uint32_t slot = (uint32_t)id;
	struct fs_handle *handle = slot < handles->used ? &handles->slots[slot] : NULL;

	if (!handle || handle->fd < 0 || handle->generation != (uint32_t)(id >> 32))
		return NULL;
	return handle->inode->id == node && handle->directory == directory ? handle : NULL;
}

bool fs_handle_is_writable(const struct fs_handle *handle)
{
	return (handle->flags & O_ACCMODE) != O_RDONLY;
}

void fs_handles_remove(struct fs_handles *handles, struct fs_handle *handle)
{
	struct fs_inode *inode = handle->inode;

	close_fd(&handle->fd);
	handles->inodes->budget->held--;
	handle->inode = NULL;
	handle->generation++;
	handle->next_free = handles->first_free;
	handles->first_free = (uint32_t)(handle - handles->slots);
	handles->count--;
	fs_inode_released(handles->inodes, inode);
}

void fs_handles_clear(struct fs_handles *handles)
{
	for (uint32_t slot = 0; slot < handles->used; slot++) {
		if (handles->slots[slot].fd >= 0)
			fs_handles_remove(handles, &handles->slots[slot]);
	}
}

void fs_handles_close(struct fs_handles *handles)
{
	fs_handles_clear(handles);
	free(handles->slots);
	*handles = (struct fs_handles){ .first_free = NO_SLOT };
}
