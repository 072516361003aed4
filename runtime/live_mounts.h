/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts put into a container that runs, and taken out of it: binds and tmpfs.
 */
#ifndef DUET_RUNTIME_LIVE_MOUNTS_H
#define DUET_RUNTIME_LIVE_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * text: config.json's "mounts", as an array or in an object; `name` is what its errors begin with. remove: takes those
 * at the destinations out, the last one first. Sources are the caller's. Nothing of it is remembered: a restore or a
 * new start has the mounts of config.json. -ENOTSUP: of a micro-VM, or another type of file system.
 */
int live_mounts_change(const char *root, const char *id, const char *text, size_t length, const char *name, bool remove,
	struct error *err);

#endif
