/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives of somebody else's making, unpacked below a directory and nowhere else.
 *
 * Source: OCI image-spec 1.1, layer.md (whiteouts, opaque directories); libarchive(3).
 */
#ifndef DUET_SANDBOX_UNPACK_H
#define DUET_SANDBOX_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct unpack_counts {
	uint64_t devices_left_out, owners_left_out, attributes_left_out;
};

/*
 * Unpacks a tar archive, as it is or compressed by gzip or zstd, from the file's beginning. Links that lie in the tree
 * already are followed inside root; a name with ".." in it is refused. Device nodes are left out and counted, since a
 * container gets its own. layer: ".wh." names delete what former layers left. Owners and modes are the archive's: the
 * caller is root in a user namespace that holds nothing else.
 */
int unpack_archive(int root, int archive, bool layer, struct unpack_counts *counts, struct error *err);

#endif
