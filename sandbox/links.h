/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files with several names, while a tree of a sandbox's is copied: the names of one file stay names of one file. Else
 * a few bytes of a sandbox's disk, by as many names as it likes, would be any amount of somebody else's.
 */
#ifndef DUET_SANDBOX_LINKS_H
#define DUET_SANDBOX_LINKS_H

#include <sys/stat.h>

/* Zero-initialised. */
struct link_table {
	void *tree; /* tsearch(3), by device and inode number */
};

/* The path that links_note() was given for the same file; NULL: none, or it has one name alone. */
const char *links_find(const struct link_table *table, const struct stat *status);
/* Where the file has been copied to, in place of what was noted before. */
void links_note(struct link_table *table, const struct stat *status, const char *path);
void links_free(struct link_table *table);
#define cleanup_links cleanup(links_free)

/* Makes `name` in `directory` another name of the file at `path` below `top`. -ENOENT, -EMLINK, -EPERM, …: it cannot
 * be. */
int links_make(int top, const char *path, int directory, const char *name);

#endif
