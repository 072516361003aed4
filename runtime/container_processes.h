/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes of the host belong to a container: those of its cgroup; where it has none, those of its pid namespace
 * and of the namespaces below that. Private to runtime/.
 */
#ifndef DUET_RUNTIME_CONTAINER_PROCESSES_H
#define DUET_RUNTIME_CONTAINER_PROCESSES_H

#include "runtime/container.h"

/* Their pids as seen from here (allocated). -EOPNOTSUPP: it has neither a cgroup nor a pid namespace of its own. */
int container_pids(const struct container *container, pid_t **pids, size_t *count, struct error *err);

/* Sends a signal to all of them; those that have gone meanwhile are passed over. */
int container_signal_all(const struct container *container, int signal, struct error *err);

/* Is the container's process the first of its pid namespace, so that the kernel ends all others with it? */
bool container_is_namespace_init(const struct container *container);

#endif
