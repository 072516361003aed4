/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A procfs that is known to be one. A container may have anything mounted on /proc; what is written to a path below it
 * (sysctls, labels, scores) could then end in a file of somebody else's choice.
 */
#ifndef DUET_BASE_PROCFS_H
#define DUET_BASE_PROCFS_H

#include "base/error.h"
#include "base/strbuf.h"

/* An O_PATH descriptor of a procfs root (checked by file system type and inode): the one at /proc, else a private
 * instance of the caller's pid namespace (fsopen(2)). */
int procfs_open(struct error *err);

/* Opens path ("self/uid_map", "sys/kernel/domainname") below procfs: no magic links, nothing that is mounted over it
 * (-EXDEV). Returns a descriptor or a negative errno. */
int procfs_open_file(int procfs, const char *path, int flags);

/* Opens, reads at most max_bytes or writes in one piece, closes. 0 or a negative errno. */
int procfs_read(int procfs, const char *path, size_t max_bytes, struct strbuf *content);
int procfs_write(int procfs, const char *path, const char *data);

#endif
