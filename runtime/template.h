/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates: snapshots of guests that have booted and wait for their host. The first micro-VM of a kind writes one at
 * the moment when its own guest is there, before it has had any order; those that follow go on from it and do not boot.
 *
 * They lie in a directory of the user's own (0700): $DUET_CACHE_DIR/templates, or /var/cache/duet/templates for root,
 * or $XDG_CACHE_HOME/duet/templates, or ~/.cache/duet/templates; --template-dir names another one, for a tenant that
 * is to share nothing with others. The name is the key (microvm/vm.h). A file is never
 * changed: it is made without a name and linked when it is complete, so that nobody sees half of one, and a command
 * that is killed leaves nothing. A damaged one is removed and the guest boots. When all together take more than
 * TEMPLATES_MAX_BYTES, those that were not used for the longest time go. That a file's memory is whole is noted at it
 * in an extended attribute, with the host's boot id and the file's mtime: it is looked through once after each start of
 * the host, and whenever it was written to.
 *
 * The monitor opens nothing: it asks the runtime, over the launch's socket, for the file of a key.
 */
#ifndef DUET_RUNTIME_TEMPLATE_H
#define DUET_RUNTIME_TEMPLATE_H

#include "microvm/vm.h"
#include "runtime/launch.h"

#define TEMPLATES_MAX_BYTES (1ULL << 30) /* on disk: holes do not count */

enum template_use {
	TEMPLATE_NONE,         /* boot */
	TEMPLATE_READ,         /* look through it and go on from it */
	TEMPLATE_SAVE,         /* boot, and write it */
	TEMPLATE_READ_TRUSTED, /* go on from it: since this host started it was written or looked through, and not
				  changed */
};

/* ---- in the runtime: LAUNCH_TEMPLATE and LAUNCH_TEMPLATE_* ---- */

int template_answer(struct launch *launch, const struct message *message, struct error *err);

/* ---- in the monitor ---- */

/* Asks for the key's file; *fd is the caller's (-EBADF with TEMPLATE_NONE). */
int template_ask(struct launch *launch, const unsigned char key[VM_KEY_BYTES], int *fd, enum template_use *use,
	struct error *err);

/* ---- the command `duet template` ---- */

struct template_entry {
	char name[2 * VM_KEY_BYTES + 1];
	uint64_t disk_bytes;
	int64_t used_seconds; /* when it was last used, since the epoch */
};

/* path: the directory; NULL: the default one. */

/* All of them, those used last first; allocated. A directory that is not there is an empty list. */
int template_list(const char *path, struct template_entry **entries, size_t *count, struct error *err);
/* Removes those used longest ago until at most max_bytes are left; returns how many went. */
int template_prune(const char *path, uint64_t max_bytes, struct error *err);

/* Boots a micro-VM for the bundle up to the point where its process could be started, so that its template is there. */
int template_create(const struct launch_options *options, struct error *err);

#endif
