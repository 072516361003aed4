/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be done with a micro-VM that is there: struct isolation's operations. Private to runtime/.
 */
#ifndef DUET_RUNTIME_ISOLATION_MICROVM_H
#define DUET_RUNTIME_ISOLATION_MICROVM_H

#include "runtime/isolation.h"

int microvm_signal(const struct container *container, int signal, bool all, struct error *err);
int microvm_processes(const struct container *container, struct process_list *list, struct error *err);
int microvm_pause(const struct container *container, bool paused, struct error *err);
int microvm_update(const struct container *container, const struct oci_resources *resources, struct error *err);
int microvm_statistics(const struct container *container, struct container_statistics *statistics, struct error *err);

#endif
