/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command changed: what lies in the upper layers of its overlays when it has ended, less what lay there when it
 * began.
 *
 * Source: Linux Documentation/filesystems/overlayfs.rst (whiteouts, opaque directories).
 */
#ifndef DUET_SANDBOX_CHANGES_H
#define DUET_SANDBOX_CHANGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"

struct sandbox;

struct change {
	int directory;        /* where it lies in the upper layer */
	const char *name;     /* there */
	const char *path;     /* in the sandbox, absolute */
	struct stat status;   /* of a deletion: of the whiteout */
	bool deleted;         /* what was there below is not there any more */
	bool replaced;        /* a directory, of whose former content nothing is left (opaque) */
	bool added;           /* nothing was there below */
	bool only_on_the_way; /* a directory that is there for what is in it */
};

struct change_visitor {
	int (*visit)(void *context, const struct change *change, struct error *err);
	void *context;
};

/* Notes what is there before the command starts. */
struct baseline;
int changes_begin(const struct sandbox *sandbox, struct baseline **baseline, struct error *err);
void baseline_free(struct baseline **baseline);

/* Every change, a directory before what is in it. *incomplete: directories too deep were passed over. */
int changes_visit(const struct sandbox *sandbox, const struct baseline *baseline, const struct change_visitor *visitor,
	bool *incomplete, struct error *err);

/* Counts them into sandbox->result.changes, and keeps them where --keep-diff says. */
int changes_end(struct sandbox *sandbox, const struct baseline *baseline, struct error *err);

/* diff_tar.c: a tar(5) archive, with whiteouts as OCI's layers have them (image-spec, layer.md). */
struct diff_tar;
int diff_tar_open(const struct sandbox *sandbox, const char *path, struct diff_tar **tar, struct error *err);
int diff_tar_add(void *tar, const struct change *change, struct error *err);
/* Names that cannot be told from a whiteout's, and sparse files that together are larger than --disk: left out. */
int diff_tar_close(struct diff_tar **tar, uint64_t *left_out, struct error *err);

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

#endif
