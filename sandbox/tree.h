/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of files and trees between the host and a sandbox. The source may be the work of somebody hostile, and the
 * target too: no symbolic link is followed on either side, nothing but plain files is opened, holes stay holes and
 * several names of one file stay that.
 */
#ifndef DUET_SANDBOX_TREE_H
#define DUET_SANDBOX_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"
#include "sandbox/links.h"

enum { TREE_DEPTH_MAX = 128 };

struct tree_copy {
	uid_t owner; /* of everything that is made */
	gid_t group;
	bool confine_links; /* links that lead out of what is copied are left out */
	uint64_t left_out;  /* such links, sockets, devices, pipes: counted */
};

/*
 * Copies what lies at `from` below from_directory to the name `to` below to_directory. A file there is replaced, a
 * directory is filled up. Permission bits are kept, set-id bits and extended attributes are not. Negative errno, with
 * the name of what could not be copied: -ELOOP for a symbolic link, -EINVAL for another special file as `from` itself.
 */
int tree_copy(struct tree_copy *copy, int from_directory, const char *from, int to_directory, const char *to,
	struct error *err);

/* The content of a file, from its beginning; the target is empty. */
int tree_copy_content(int from, int to);

/* A link with this target in a directory `depth` levels below the top of a tree leads to a place in the tree, whatever
 * other such links lie in the tree. */
bool tree_link_is_confined(const char *target, unsigned int depth);

#endif
