/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large a micro-VM is and what it boots: what the command line says, else the bundle's annotations, else the `vm`
 * object of its config.json (runtime-spec config-vm.md), else what follows from its limits, else the host's
 * configuration file, else the default.
 */
#ifndef DUET_RUNTIME_MICROVM_MACHINE_H
#define DUET_RUNTIME_MICROVM_MACHINE_H

#include "runtime/launch.h"

/* Fills launch->vm: memory, vCPUs, kernel and initrd (paths), boot protocol, command line, console. Refuses by name
 * what is out of range, and memory that the container's limit does not allow for. */
int microvm_machine(struct launch *launch, struct error *err);

/* Guest memory for a memory limit (bytes; negative: none): the limit less the monitor's own need, rounded down to a
 * size class (2^n or 3 × 2^n MiB). -EINVAL with a sentence when too little is left. */
int microvm_memory_size(int64_t limit_bytes, uint64_t *memory_bytes, struct error *err);

/* What the monitor of such a machine needs at most. */
uint64_t microvm_monitor_memory(uint64_t memory_bytes);

#endif
