/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the guest's kernel and init are: the file that the caller named, else `guest/` beside the program (a build
 * tree), else PREFIX/lib/duet (an installation).
 */
#ifndef DUET_RUNTIME_GUEST_FILES_H
#define DUET_RUNTIME_GUEST_FILES_H

#include "base/error.h"

/* Opens the file called `file` ("vmlinux", "initrd.cpio"); *name is its path, allocated. Returns the descriptor. */
int guest_file_open(const char *named, const char *file, char **name, struct error *err);

/* Opens /dev/kvm; the error says what to do. */
int guest_open_kvm(struct error *err);

#endif
