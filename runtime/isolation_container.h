/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What later commands do to a container that runs on the host's kernel: the members of isolation_container
 * (runtime/isolation.h). Private to runtime/.
 */
#ifndef DUET_RUNTIME_ISOLATION_CONTAINER_H
#define DUET_RUNTIME_ISOLATION_CONTAINER_H

#include "oci/spec.h"
#include "process/process_list.h"
#include "runtime/container.h"

int container_signal(const struct container *container, int signal, bool all, struct error *err);
int container_processes(const struct container *container, struct process_list *list, struct error *err);
int container_pause(const struct container *container, bool paused, struct error *err);
int container_update(const struct container *container, const struct oci_resources *resources, struct error *err);

#endif
