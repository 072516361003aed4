/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/links.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

struct linked {
	dev_t device;
	ino_t inode;
	char *path;
};

static int compare(const void *left, const void *right)
{
	const struct linked *a = left, *b = right;

	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return a->inode == b->inode ? 0 : a->inode < b->inode ? -1 : 1;
}

static bool has_several_names(const struct stat *status)
{
	return S_ISREG(status->st_mode) && status->st_nlink > 1;
}

const char *links_find(const struct link_table *table, const struct stat *status)
{
	const struct linked wanted = { .device = status->st_dev, .inode = status->st_ino };
	struct linked **found = has_several_names(status) ? tfind(&wanted, &table->tree, compare) : NULL;

	return found ? (*found)->path : NULL;
}

void links_note(struct link_table *table, const struct stat *status, const char *path)
{
	struct linked *linked, **found;

	if (!has_several_names(status))
		return;
	linked = xcalloc(1, sizeof(*linked));
	*linked = (struct linked){ .device = status->st_dev, .inode = status->st_ino, .path = xstrdup(path) };
	found = tsearch(linked, &table->tree, compare);
	if (!found || *found == linked)
		return;
	free((*found)->path);
	(*found)->path = linked->path;
	free(linked);
}

static void linked_free(void *linked)
{
	free(((struct linked *)linked)->path);
	free(linked);
}

void links_free(struct link_table *table)
{
	if (table->tree)
		tdestroy(table->tree, linked_free);
	table->tree = NULL;
}

int links_make(int top, const char *path, int directory, const char *name)
{
	cleanup_fd int file = open_in_root(top, path, O_PATH | O_NOFOLLOW, 0, 0);

	if (file < 0)
		return file;
	return linkat(AT_FDCWD, fd_path(file).text, directory, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}
