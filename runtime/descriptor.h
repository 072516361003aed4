/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors for others: --console-socket and --pidfd-socket, and descriptors from others: --preserve-fds, LISTEN_FDS.
 */
#ifndef DUET_RUNTIME_DESCRIPTOR_H
#define DUET_RUNTIME_DESCRIPTOR_H

#include <stdint.h>

#include "base/error.h"

/* Sends fd over the unix stream socket that listens at path (SCM_RIGHTS), with a name as its payload, as runc does. */
int descriptor_send(const char *path, int fd, const char *name, struct error *err);

/* The payload with which runc sends the pidfd of a container's first process, and of one that exec made. */
#define DESCRIPTOR_PIDFD_INIT "standard"
#define DESCRIPTOR_PIDFD_EXEC "setns"

#endif
